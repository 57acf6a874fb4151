// The stage in a file of its own: the pack stands in the page as base64. With ?playground it is the playground.
import { mountPlayground } from "./playground/playground.js";
import { sets } from "./playground/sets.js";
import { mount } from "./stage.js";

const root = document.getElementById("lesson");
root.attachShadow({ mode: "open" });
const inside = document.createElement("div"),
  style = document.createElement("style");
style.textContent = document.getElementById("style").textContent;
root.shadowRoot.append(style, inside);

const query = new URLSearchParams(location.search);
if (query.has("playground")) mountPlayground(inside, { sets, onLeave: () => location.assign(location.pathname) });
else {
  const text = document.getElementById("pack").textContent.trim();
  mount(
    inside,
    Uint8Array.from(atob(text), (c) => c.charCodeAt(0)),
    {
      offline: true,
      more: { pages: [["playground", "Playground"]] },
      onLeave: () => location.assign(`${location.pathname}?playground`),
    },
  );
}
