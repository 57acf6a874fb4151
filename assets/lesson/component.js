// The stage inside the app: a component of Streamlit calls this with the pack.
import { mount } from "./stage.js";

export default function ({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".lesson-root");
  if (!root) return () => {};
  const stage = mount(root, data, {
    home: root.dataset.home === "1",
    onLeave: (page, query) => setTriggerValue("leave", { page, query, n: Date.now() }),
    onPhoto: (photo) => setTriggerValue("photo", photo),
    onTrain: () => setTriggerValue("train", Date.now()),
  });
  return () => { stage.stop(); root.eiwLesson = undefined; };
}
