// The flow to touch on the front page. The HTML of that page loads this itself, so that it moves before the app has
// loaded; the app's component (front.js) then takes it, as it is, to its place.
import { el } from "./draw.js";
import { askForPack } from "./flow.js";
import { mountTouch } from "./touch.js";

/** The app may show something else than its front page, after all. */
const LONGEST_MS = 15000;

const pack = askForPack(new URL(`faces16.pack${new URL(import.meta.url).search}`, import.meta.url));
const root = el("div", {}),
  first = document.getElementById("eiw-first");
let there = false;

async function show() {
  there = true;
  const bytes = await pack;
  if (there && !root.eiwLesson) mountTouch(root, bytes);
}

if (first?.shadowRoot) {
  first.shadowRoot.querySelector("main").append(root);
  show();
  setTimeout(() => first.remove(), LONGEST_MS);
}

/** Put the scene, as far as it is, into an element; returns a function that ends it. */
export default function take(parent) {
  parent.replaceChildren(root);
  first?.remove();
  show();
  return () => {
    there = false;
    root.eiwLesson?.stop();
  };
}
