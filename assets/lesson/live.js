// Tells the stage what the server knows: how a training goes that was started from it, what became of a photo.
export default function ({ data: [known] }) {
  window.eiwflowLive = { ...window.eiwflowLive, ...known };
  window.dispatchEvent(new CustomEvent("eiwflow-live", { detail: window.eiwflowLive }));
}
