// Scene 14: a training on the server, watched from here.
import { el, number } from "../draw.js";

export const training = {
  number: 14,
  noPicture: true,
  short: "Train one",
  title: "Train one now.",
  notes:
    "Start it and go on to the last scene: the training takes about a minute, and the header tells how far it is. " +
    "The samples come from the same noise each time, so a face can be watched as it appears. When it has ended, open " +
    "the class’s own flow in scenes 1, 6 and 11.",
  more: { page: "train" },
  needsServer: true,

  build(stage) {
    const image = el("img", { className: "film", alt: "" }),
      bar = el("progress", { max: 1, value: 0, "aria-label": "Training" });
    const start = el(
      "button",
      {
        type: "button",
        className: "strong",
        onclick: () => {
          show({ waiting: true });
          stage.options.onTrain?.();
        },
      },
      "Start the training",
    );
    const open = el("button", { type: "button", className: "strong", hidden: true }, "Open it in the lesson");
    stage.host.append(
      el(
        "div",
        { className: "training" },
        el("div", { className: "frame" }, el("span", {}, "Faces will appear here."), image),
        bar,
        el("div", { className: "buttons" }, start, open),
      ),
    );
    // Time to go, by the pace since the training was first seen.
    const left = (now) => {
      const first =
        training.first?.total === now.total && training.first.step <= now.step
          ? training.first
          : (training.first = { ...now, at: Date.now() });
      if (now.step - first.step < 20) return "";
      const minutes = ((now.total - now.step) * (Date.now() - first.at)) / (now.step - first.step) / 60000;
      return minutes < 0.75 ? ", under a minute to go" : `, about ${Math.round(minutes)} min to go`;
    };
    const show = (now) => {
      start.hidden = Boolean(now.alive || now.waiting);
      start.textContent = now.key || now.ended ? "Train another" : "Start the training";
      start.className = now.key ? "" : "strong";
      image.hidden = !now.samples;
      if (now.samples && image.src !== now.samples) image.src = now.samples;
      image.alt = now.samples ? `Samples of the flow after ${number(now.step)} steps` : "";
      bar.value = now.total ? now.step / now.total : 0;
      const bits = now.bits ? `: ${now.bits.toFixed(1)} bits per value` : "";
      if (now.error) stage.say(now.error);
      else if (now.waiting) stage.say(now.sentence ?? "Starting the training …");
      else if (now.alive)
        stage.say(
          now.step
            ? `Step ${number(now.step)} of ${number(now.total)}${bits}${left(now)}.`
            : "The first faces are noise …",
        );
      else if (now.key) stage.say(`Done after ${number(now.step)} steps${bits}. The flow is yours.`);
      else if (now.ended)
        stage.say(`The training stopped at step ${number(now.step)} of ${number(now.total)} without a flow.`);
      else stage.say("About a minute on this machine, from noise to faces.");
      open.hidden = !now.key;
      open.onclick = () => stage.openFlow(now.key);
    };
    show(stage.training ?? {});
    return {
      play: () => {
        if (!start.hidden) start.click();
      },
      hear: (now) => now && show(now),
      stop: () => {},
    };
  },
};
