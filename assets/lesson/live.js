// Tells the stage what the server knows: what became of a photo.
export default function ({ data: [known] }) {
  window.dispatchEvent(new CustomEvent("eiwflow-live", { detail: known }));
}
