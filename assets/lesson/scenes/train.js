// Scene 12: a training on the server, watched from here.
import { el, number } from "../draw.js";

export const training = {
  number: 12,
  short: "Train one",
  title: "Train one now.",
  notes: "Start it and talk on; it takes about a minute. The samples come from the same noise each time, so a face can be watched as it appears. When it has " +
    "ended, open the class’s own flow in scenes 1, 5 and 10.",
  more: { page: "train" },
  needsServer: true,

  build(stage) {
    const image = el("img", { className: "film", alt: "Samples of the flow in training", hidden: true }), bar = el("progress", { max: 1, value: 0, "aria-label": "Training" });
    const start = el("button", { type: "button", className: "strong", onclick: () => { start.disabled = true; stage.say("Starting the training …"); stage.options.onTrain?.(); } }, "Start the training");
    const open = el("button", { type: "button", className: "strong", hidden: true }, "Open it in the lesson");
    stage.host.append(el("div", { className: "training" }, image, bar, el("div", { className: "buttons" }, start, open)));
    const show = (now) => {
      start.disabled = now.alive || now.waiting;
      if (now.samples) { image.hidden = false; image.src = now.samples; }
      bar.value = now.total ? now.step / now.total : 0;
      if (now.error) stage.say(now.error);
      else if (now.waiting) stage.say("Starting the training …");
      else if (now.alive) stage.say(`Step ${number(now.step)} of ${number(now.total)}${now.bits ? `: ${now.bits.toFixed(2)} bits per value` : ""}.`);
      else if (now.key) stage.say(`Done after ${number(now.step)} steps${now.bits ? `: ${now.bits.toFixed(2)} bits per value` : ""}.`);
      open.hidden = !now.key;
      open.onclick = () => { location.search = `?ck=${encodeURIComponent(now.key)}&scene=1`; };
    };
    const listen = (event) => show(event.detail);
    window.addEventListener("eiwflow-train", listen);
    if (window.eiwflowTraining) show(window.eiwflowTraining);
    else stage.say("One minute on this machine, from noise to faces.");
    return { play: () => { if (!start.disabled) start.click(); }, stop: () => window.removeEventListener("eiwflow-train", listen) };
  },
};
