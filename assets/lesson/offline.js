// The stage in a file of its own: the pack stands in the page as base64. With ?playground it is the playground.
import { mountPlayground } from "./playground/playground.js";
import { sets } from "./playground/sets.js";
import { mount } from "./stage.js";
import { faces } from "./trainer/faces.js";

const root = document.getElementById("lesson");
root.attachShadow({ mode: "open" });
/** @type {any} */
const inside = document.createElement("div");
const style = document.createElement("style");
style.textContent = document.getElementById("style").textContent;
root.shadowRoot.append(style, inside);

const bytes = () => {
  const text = document.getElementById("pack").textContent.trim();
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
};
/** Put another address there: a flow that was trained in this tab stays, since nothing is loaded anew. */
function moved(query) {
  try {
    history.replaceState(history.state, "", `${location.pathname}${query}`);
  } catch {
    /* a file opened from disk may not change its address */
  }
}
function lesson() {
  inside.eiwPlayground?.stop();
  const more = { pages: [["playground", "Playground"]] };
  mount(inside, bytes(), {
    offline: true,
    faces,
    more,
    onLeave: () => {
      moved("?playground");
      inside.eiwLesson?.stop();
      playground();
    },
  });
}
function playground() {
  mountPlayground(inside, {
    sets,
    onLeave: () => {
      moved("");
      lesson();
    },
  });
}

if (new URLSearchParams(location.search).has("playground")) playground();
else lesson();
