// The stage inside the app: a component of Streamlit calls this with a pack, or with the address of one and what the
// server adds to it.
import { askForPack } from "./flow.js";
import { mount } from "./stage.js";
import { faces } from "./trainer/faces.js";

export default function ({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".lesson-root");
  let here = true;
  const show = (bytes, more) =>
    here &&
    mount(root, bytes, {
      more,
      onLeave: (page, query) => {
        const at = Object.fromEntries(new URLSearchParams(location.search));
        setTriggerValue("leave", { page, query, at, n: Date.now() });
      },
      onPhoto: (photo) => setTriggerValue("photo", photo),
      faces,
    });
  if (Array.isArray(data)) askForPack(new URL(data[0], document.baseURI)).then((bytes) => show(bytes, data[1]));
  else show(data);
  return () => {
    here = false;
    root.eiwLesson?.stop();
  };
}
