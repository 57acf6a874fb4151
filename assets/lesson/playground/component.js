// The playground inside the app: a component of Streamlit calls this.
import { mountPlayground } from "./playground.js";
import { sets } from "./sets.js";

export default function ({ parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".lesson-root");
  if (!root.eiwPlayground)
    mountPlayground(root, { sets, onLeave: (page) => setTriggerValue("leave", { page, n: Date.now() }) });
  return () => root.eiwPlayground?.stop();
}
