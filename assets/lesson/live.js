// Tells the stage how the training goes that was started from it.
export default function ({ data }) {
  window.eiwflowTraining = data;
  window.dispatchEvent(new CustomEvent("eiwflow-train", { detail: data }));
}
