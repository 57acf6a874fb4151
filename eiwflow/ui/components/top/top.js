const seen = new Set();

export default function ({ data }) {
  if (seen.has(data)) return;
  seen.add(data);
  document.querySelector("[data-testid=stMain]").scrollTo({ top: 0, behavior: "smooth" });
}
