// Tells the stage what the server knows: how a training goes that was started from it, what became of a photo.
export default function ({ data }) {
  window.eiwflowLive = { ...window.eiwflowLive, ...data };
  window.dispatchEvent(new CustomEvent("eiwflow-live", { detail: window.eiwflowLive }));
}
