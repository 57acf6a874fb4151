// Scene 10: a training on the server, watched from here.
import { el, number } from "../draw.js";

export const training = {
  number: 10,
  noPicture: true,
  short: "Train one",
  title: "Train one now.",
  notes: "Start it and go on: the header tells how far it is. The samples come from the same noise each time.",
  asked:
    "When it has ended, the class’s own flow opens in scenes 1, 2 and 7. A training that is stopped keeps its flow.",
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
    const cancel = el("button", { type: "button", hidden: true, onclick: () => stage.options.onCancel?.() }, "Stop it");
    stage.host.append(
      el(
        "div",
        { className: "training" },
        el("div", { className: "frame" }, el("span", {}, "Faces will appear here."), image),
        bar,
        el("div", { className: "buttons" }, start, open, cancel),
      ),
    );
    /** Time to go, by the pace of this training's own steps since the first one that was seen. */
    const left = (now) => {
      const { first } = training,
        sameRun = first?.total === now.total && first.step <= now.step;
      if (!sameRun) training.first = now.step > 0 ? { ...now, at: Date.now() } : null;
      const steps = now.step - (sameRun ? first.step : now.step);
      if (steps < 20) return "";
      const seconds = ((now.total - now.step) * (Date.now() - first.at)) / steps / 1000;
      return seconds < 100
        ? `, about ${10 * Math.ceil(seconds / 10)} s to go`
        : `, about ${Math.round(seconds / 60)} min to go`;
    };
    const show = (now) => {
      start.hidden = Boolean(now.alive || now.waiting);
      cancel.hidden = !start.hidden;
      start.textContent = now.key || now.ended ? "Train another" : "Start the training";
      start.className = now.key ? "" : "strong";
      image.hidden = !now.samples;
      if (now.samples && image.src !== now.samples) image.src = now.samples;
      image.alt = now.samples ? `Samples of the flow after ${number(now.drawn)} steps` : "";
      bar.value = now.total ? now.step / now.total : 0;
      const at = now.bits && now.scored < now.step ? ` at step ${number(now.scored)}` : "";
      const bits = now.bits ? `: ${now.bits.toFixed(1)} bits per value${at}` : "";
      if (now.error) stage.say(now.error);
      else if (now.waiting) stage.say(now.sentence ?? "Starting the training …");
      else if (now.alive)
        stage.say(
          now.step
            ? `Step ${number(now.step)} of ${number(now.total)}${bits}${left(now)}.`
            : "The first faces are noise …",
        );
      else if (now.key)
        stage.say(
          `${now.step < now.total ? "Stopped" : "Done"} after ${number(now.step)} steps${bits}. The flow is yours.`,
        );
      else if (now.ended)
        stage.say(`The training stopped at step ${number(now.step)} of ${number(now.total)} without a flow.`);
      else stage.say("A flow learns from faces, while you go on with the lesson.");
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
