// Scene 12: four things to take home, each with a small live picture, one's own choices, and three doors.
import { choicesNamed } from "../choices.js";
import { addedUp } from "../curve.js";
import { colours, el, percent, picture, surface } from "../draw.js";
import { normals, psnr } from "../flow.js";
import { states } from "./count.js";
import { trainedInTab, trainingInTab } from "./tab.js";
import { wholeOf } from "./worth.js";

/** The choice, in the link, that shows the questions. */
const HOMEWORK = "homework";

export const ending = {
  number: 12,
  short: "To take home",
  title: "Four things to take home.",
  notes: "Say each sentence before you read it. Then look back at what was chosen.",
  asked:
    "All four pictures are of the face below: it runs through the flow and back; its bits are counted; level 1 is " +
    "redrawn, and the work is the multiplications of the couplings’ networks; its channels stand in the order by " +
    "entropy, with their structure. The bits saved are counted from Glow, a well-known flow whose half is fixed by " +
    "position: scene 11 has them choice by choice.",
  more: { page: "levels" },

  build(stage) {
    const { flow, traces, images, image, pack } = stage,
      { bytes } = images[image],
      shape = pack.head.shape;
    const noises = traces.map((trace) => trace.noise),
      decoded = flow.quantise(flow.decode(noises)),
      differ = decoded.reduce((count, v, i) => count + (v !== bytes[i]), 0);
    const shown = (canvas, label) => {
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", label);
      return canvas;
    };
    const arrow = () => el("b", { "aria-hidden": "true" }, "→");
    const there = el(
      "div",
      { className: "row" },
      shown(picture(bytes, shape), "The picture"),
      arrow(),
      shown(states(flow, traces).at(-1), "Its noise"),
      arrow(),
      shown(picture(Uint8Array.from(decoded), shape), "The picture again"),
    );

    const { noise, stretch } = flow.running(traces, pack.head.flow.rest).at(-1),
      [sum, first, second] = addedUp([noise, stretch]);
    const bars = el("div", { className: "room" }),
      barsView = surface(
        bars,
        (context, width, height) => {
          const ink = colours(stage.stage),
            unit = width / Math.max(8.4, noise + stretch + 0.4),
            tall = Math.max(12, Math.min(60, height - 3.6 * ink.size)),
            top = (height - tall) / 2;
          context.font = `${ink.size}px ${ink.sans}`;
          let x = 0;
          for (const [name, bits, colour, text] of [
            ["noise", noise, ink.accent, first],
            ["stretching", stretch, ink.warm, second],
          ]) {
            context.fillStyle = colour;
            context.fillRect(x, top, bits * unit, tall);
            context.fillStyle = ink.ink;
            context.fillText(`${name} ${text}`, x, top - 8);
            x += bits * unit;
          }
          context.strokeStyle = ink.ink;
          context.lineWidth = 2;
          context.setLineDash([6, 5]);
          context.beginPath();
          context.moveTo(8 * unit, top - 4);
          context.lineTo(8 * unit, top + tall + 4);
          context.stroke();
          context.fillStyle = ink.quiet;
          context.textAlign = "right";
          context.fillText("blind guess 8", 8 * unit, top + tall + ink.size + 6);
          context.textAlign = "left";
          context.fillText(`${sum} bits`, 0, top + tall + ink.size + 6);
        },
        "The bits of the picture: noise and stretching",
      );

    const fresh = noises.map((values, l) => (l ? values : normals(101, values.length))),
      values = flow.decode(fresh),
      renewed = flow.quantise(values),
      off = 255 * 10 ** (-psnr(values, bytes) / 20);
    const works = flow.levels.map((level) => level.multiplications),
      later = 1 - works[0] / works.reduce((all, work) => all + work, 0);
    const scales = el(
      "div",
      { className: "row" },
      shown(picture(bytes, shape), "The picture"),
      arrow(),
      shown(picture(Uint8Array.from(renewed), shape), "With the values of level 1 redrawn"),
      el("span", {}, `level 1 redrawn: error ${off.toFixed(0)} of 255`),
    );

    const structure = pack.head.before?.redundancy ?? pack.head.flow.redundancy,
      { order, kept } = flow.levels[0];
    const sorted = el("div", { className: "room" }),
      sortedView = surface(
        sorted,
        (context, width, height) => {
          const ink = colours(stage.stage),
            cell = width / order.length,
            foot = height - 1.4 * ink.size,
            largest = Math.max(...structure, 1e-6);
          context.font = `${ink.size}px ${ink.sans}`;
          order.forEach((channel, j) => {
            const high = Math.max(2, (Math.max(0, structure[channel]) / largest) * (foot - 8));
            context.fillStyle = j < kept ? ink.accent : ink.warm;
            context.fillRect(j * cell + 2, foot - high, cell - 4, high);
          });
          context.fillStyle = ink.quiet;
          context.fillText("passed on", 0, height - 4);
          context.textAlign = "right";
          context.fillText("factored out", width, height - 4);
          context.textAlign = "left";
        },
        "The structure of the channels in the flow’s order",
      );

    // What the choices saved together above Glow's fixed half in the study that scene 11 opens with.
    const [study] = pack.head.studies ?? [],
      whole = study && wholeOf(study),
      bought = whole ? `; looking at the data saved ${whole.bits} bits per value on ${whole.data}` : "";
    const card = (drawing, text) => el("figure", { className: "home-card" }, drawing, el("figcaption", {}, text));
    const cards = el(
      "div",
      { className: "home-cards" },
      card(there, "A flow turns a picture into noise, and back."),
      card(bars, "It counts bits by noise and stretching."),
      card(scales, `Several scales: detail leaves early, and the other levels take ${percent(later)} of the work.`),
      card(sorted, `What leaves is a choice${bought}.`),
    );
    const questions = el(
      "ol",
      { className: "homework", hidden: true },
      ...(pack.head.homework ?? []).map(({ text, query }) =>
        el(
          "li",
          {},
          `${text} `,
          el(
            "button",
            { type: "button", className: "plain", onclick: () => stage.openState(query) },
            `Scene ${query.scene}`,
          ),
        ),
      ),
    );
    const chosen = [choicesNamed(stage), trainedInTab()].join(" ").trim();
    const door = (text, act) => el("button", { type: "button", className: "strong", onclick: act }, text);
    const homework = door("Homework", () => turn(questions.hidden));
    /** Show the questions in place of the four pictures, or these again. */
    const turn = (asked) => {
      questions.hidden = !asked;
      cards.hidden = asked;
      homework.textContent = asked ? "Back to the four" : "Homework";
      stage.title.textContent = asked ? "Questions to take home." : ending.title;
      stage.choose(asked ? HOMEWORK : "");
    };
    const doors = el(
      "div",
      { className: "buttons" },
      pack.head.homework && homework,
      door("Train one", () => stage.goTo(stage.possible.indexOf(trainingInTab))),
      stage.options.offline
        ? door("Play", () => stage.leave({ page: "playground" }))
        : stage.options.onLeave && door("Explore", () => stage.leave({ page: "levels" })),
    );
    if (stage.choice === HOMEWORK && pack.head.homework) turn(true);
    stage.host.append(cards, questions, el("p", { className: "caption" }, chosen), doors);
    stage.say(`There and back: ${differ} of ${flow.dimensions} values differ, at ${sum} bits per value.`);
    return {
      stop: () => {
        barsView.stop();
        sortedView.stop();
      },
    };
  },
};
