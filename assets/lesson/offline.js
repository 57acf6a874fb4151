// The stage in a file of its own: the pack stands in the page as base64.
import { mount } from "./stage.js";

const text = document.getElementById("pack").textContent.trim();
const root = document.getElementById("lesson");
root.attachShadow({ mode: "open" });
const inside = document.createElement("div"),
  style = document.createElement("style");
style.textContent = document.getElementById("style").textContent;
root.shadowRoot.append(style, inside);
mount(
  inside,
  Uint8Array.from(atob(text), (c) => c.charCodeAt(0)),
  { offline: true },
);
