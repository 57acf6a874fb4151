// Scene 12: four things to take home, each with a small live picture and a sentence to say before it is shown; one's own
// choices, and three doors.
import { choicesNamed } from "../choices.js";
import { addedUp } from "../curve.js";
import { afterFrame, colours, el, part, picture, surface } from "../draw.js";
import { greyLevels, normals, psnr } from "../flow.js";
import { STRETCHING, states, UNUSUAL } from "./count.js";
import { likely } from "./likely.js";
import { cardsOf, entropiesOf, standing } from "./sort.js";
import { trainedInTab, trainingInTab } from "./tab.js";
import { savedBy, winnerOf, worth } from "./worth.js";

/** The choice, in the link, that shows the questions. */
const HOMEWORK = "homework";

export const ending = {
  number: 12,
  short: "To take home",
  title: "Four things to take home.",
  notes: "Say what each picture shows, then click.",
  asked:
    "All four pictures are of the face below: it runs through the flow and back; its bits are counted; level 1 is " +
    "redrawn; its channels stand as high as their entropy, after training. The bits saved by " +
    "own weights are those of scene 11.",
  more: { page: "levels" },

  build(stage) {
    const { flow, traces, images, image, pack } = stage,
      { bytes } = images[image],
      shape = pack.head.shape;
    const noises = traces.map((trace) => trace.noise),
      [height, width] = shape,
      again = el("canvas", { width, height }),
      renewed = el("canvas", { width, height }),
      error = el("span", {});
    let differ = 0;
    /** Two pictures are decoded once the others are drawn. */
    const decode = () => {
      const decoded = flow.quantise(flow.decode(noises)),
        values = flow.decode(noises.map((values, l) => (l ? values : normals(101, values.length)))),
        off = greyLevels(psnr(values, bytes));
      differ = decoded.reduce((count, v, i) => count + (v !== bytes[i]), 0);
      picture(Uint8Array.from(decoded), shape, again);
      picture(Uint8Array.from(flow.quantise(values)), shape, renewed);
      error.textContent = `level 1 redrawn: error ${off.toFixed(0)} of 255`;
    };
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
      shown(again, "The picture again"),
    );

    const { noise, stretch } = flow.running(traces, pack.head.flow.rest).at(-1),
      [sum, first, second] = addedUp([stretch, noise]);
    const bars = el("div", { className: "room" }),
      barsView = surface(
        bars,
        (context, width, height) => {
          const ink = colours(stage.stage),
            unit = width / Math.max(8.4, noise + stretch + 0.4),
            tall = Math.max(12, Math.min(60, height - 3.6 * ink.size)),
            top = (height - tall) / 2;
          context.font = `${ink.size}px ${ink.sans}`;
          let x = 0,
            free = 0; // to the right of what is written
          for (const [name, bits, colour, text] of [
            [STRETCHING, stretch, ink.warm, first],
            [UNUSUAL, noise, ink.quiet, second],
          ]) {
            context.fillStyle = colour;
            context.fillRect(x, top, bits * unit, tall);
            context.fillStyle = ink.ink;
            context.fillText(`${name} ${text}`, Math.max(x, free), top - 8);
            free = x + context.measureText(`${name} ${text}`).width + ink.size / 2;
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
        "The bits of the picture: stretching and unusual noise",
      );

    const scales = el(
      "div",
      { className: "row" },
      shown(picture(bytes, shape), "The picture"),
      arrow(),
      shown(renewed, "With the values of level 1 redrawn"),
      error,
    );

    const level = flow.levels[0],
      { order, kept } = level,
      entropies = entropiesOf(pack.head.flow.redundancy),
      channels = cardsOf(level, traces[0].features);
    const sorted = el("div", { className: "room" }),
      sortedView = surface(
        sorted,
        (context, width, height) => {
          const ink = colours(stage.stage),
            room = { left: 0, top: 4, width, height: height - 1.4 * ink.size - 8 },
            { side, place } = standing(room, order.length, Math.min(...entropies));
          context.font = `${ink.size}px ${ink.sans}`;
          order.forEach((channel, j) => {
            const [x, y] = place(j, entropies[channel]);
            context.fillStyle = j < kept ? ink.accent : ink.warm;
            context.fillRect(x - 3, y - 3, side + 6, side + 6);
            context.drawImage(channels[channel], x, y, side, side);
          });
          context.fillStyle = ink.quiet;
          context.fillText("goes on", 0, height - 4);
          context.textAlign = "right";
          context.fillText("leaves", width, height - 4);
          context.textAlign = "left";
        },
        "The channels in the flow’s order, as high as their entropy",
      );

    const meanOf = (channels) => channels.reduce((sum, c) => sum + entropies[c], 0) / channels.length,
      sorts = meanOf(order.slice(0, kept)) < meanOf(order.slice(kept)),
      leaves = part(1 - kept / level.channels);
    const card = (drawing, text, i) => {
      const words = el("figcaption", {}),
        show = () => words.replaceChildren(text());
      words.append(el("button", { type: "button", onclick: show }, `${i + 1} Show the answer`));
      return el("figure", { className: "home-card" }, drawing, words);
    };
    const cards = el(
      "div",
      { className: "home-cards", "aria-live": "polite" },
      ...[
        [there, () => `A flow turns a picture into noise and back: ${differ} of ${flow.dimensions} values differ.`],
        [bars, () => "It tells how likely a picture is, in bits. Fewer = likelier."],
        [scales, () => `Levels: ${leaves} of the values leave at level 1, details first, the gist last.`],
        [
          sorted,
          () => (sorts ? "Noisy channels leave early, structured ones stay." : "What leaves early is a choice."),
        ],
      ].map(([drawing, text], i) => card(drawing, text, i)),
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
    const [study] = pack.head.studies ?? [],
      winner = study && winnerOf(study),
      grey = flow.dequantise(bytes.slice().fill(Math.round(bytes.reduce((a, b) => a + b, 0) / bytes.length))),
      of = [grey, flow.dequantise(bytes)].map((x) => flow.bitsPerDim(flow.encode(x)).toFixed(1)),
      saved = pack.head.flow.weights && study && savedBy(study, "weights"),
      fifth = pack.head.flow.weights
        ? `Weights let networks know what errors to expect${saved ? `: ${saved} saved` : ""}.`
        : "",
      chosen = [
        choicesNamed(stage, {
          [likely.number]: `flat grey needs ${of[0]} bits, this picture ${of[1]}`,
          [worth.number]: winner && `${winner.name} saved most`,
        }),
        trainedInTab(pack.head.ownSteps),
      ]
        .join(" ")
        .trim();
    const door = (text, act) => el("button", { type: "button", className: "strong", onclick: act }, text);
    const homework = door("Homework", () => turn(questions.hidden));
    const say = (asked) =>
      stage.say(
        asked
          ? "Find the answers in the scenes; each button opens one."
          : "What does each picture show? Say it in a sentence, then click.",
      );
    /** Show the questions in place of the four pictures, or these again. */
    const turn = (asked) => {
      questions.hidden = !asked;
      cards.hidden = asked;
      homework.textContent = asked ? "Back to the four" : "Homework";
      stage.title.textContent = asked ? "Questions to take home." : ending.title;
      stage.choose(asked ? HOMEWORK : "");
      say(asked);
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
    const lines = [fifth, chosen].filter(Boolean).map((text) => el("p", { className: "caption" }, text));
    stage.host.append(cards, questions, ...lines, doors);
    if (stage.choice === HOMEWORK && pack.head.homework) turn(true);
    else say(false);
    const stopDecoding = afterFrame(decode);
    return {
      stop: () => {
        stopDecoding();
        barsView.stop();
        sortedView.stop();
      },
    };
  },
};
