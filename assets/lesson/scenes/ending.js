// Scene 12: what to take home, each with a small live picture and a question that it answers; one's own choices, and doors.
import { choicesNamed } from "../choices.js";
import { afterFrame, cap, colours, el, part, picture, surface, word } from "../draw.js";
import { normals } from "../flow.js";
import { states } from "./count.js";
import { likely } from "./likely.js";
import { cardsOf, entropiesOf, standing } from "./sort.js";
import { trainedInTab, trainingInTab } from "./tab.js";
import { cleanAndGrainy, pictureAndBars } from "./weights.js";
import { savedBy, winnerOf, worth } from "./worth.js";

/** The choice, in the link, that shows the questions. */
const HOMEWORK = "homework";

export const ending = {
  number: 12,
  short: "To take home",
  title: "Five things to take home.",
  notes: "One question for each picture: answer, then read on.",
  asked:
    "All pictures are of the face below: it runs through the flow and back; its bits are counted; level 1 is " +
    "redrawn; its channels stand as high as their entropy, after training; it sets its weights clean and with grain (scene 9). " +
    "The bits saved by own weights are those of scene 11.",
  more: { page: "levels" },

  build(stage) {
    const { flow, traces, images, image, pack } = stage,
      { bytes } = images[image],
      shape = pack.head.shape;
    const noises = traces.map((trace) => trace.noise),
      [height, width] = shape,
      again = el("canvas", { width, height }),
      renewed = el("canvas", { width, height });
    let differ = 0;
    /** Two pictures are decoded once the others are drawn. */
    const decode = () => {
      const decoded = flow.quantise(flow.decode(noises)),
        values = flow.decode(noises.map((values, l) => (l ? values : normals(101, values.length))));
      differ = decoded.reduce((count, v, i) => count + (v !== bytes[i]), 0);
      picture(Uint8Array.from(decoded), shape, again);
      picture(Uint8Array.from(flow.quantise(values)), shape, renewed);
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

    const bits = flow.bitsPerDim(traces),
      bars = el("div", { className: "room" }),
      barsView = surface(
        bars,
        (context, width, height) => {
          const ink = colours(stage.stage),
            unit = width / Math.max(8.4, bits + 0.4),
            tall = Math.max(12, Math.min(60, height - 3.6 * ink.size)),
            top = (height - tall) / 2;
          context.font = `${ink.size}px ${ink.sans}`;
          context.fillStyle = ink.warm;
          context.fillRect(0, top, bits * unit, tall);
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
          context.fillText(`${bits.toFixed(1)} bits`, 0, top - 8);
        },
        "The bits per value of the picture, beside a blind guess",
      );

    const scales = el(
      "div",
      { className: "row" },
      shown(picture(bytes, shape), "The picture"),
      arrow(),
      shown(renewed, "With the values of level 1 redrawn"),
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

    const weighed = cleanAndGrainy(stage, bytes),
      weights = el("div", { className: "room" }),
      weightsView = surface(
        weights,
        (context, width, height) => {
          const half = width / 2,
            side = Math.min(height, half / 2.2),
            { accent: colour } = colours(stage.stage);
          weighed.forEach((one, i) => {
            const left = i * half;
            pictureAndBars(context, one, {
              left,
              top: (height - side) / 2,
              side,
              right: left + half - 16,
              colour,
            });
          });
        },
        "The picture clean and with grain, and the weights of its channels",
      );

    const meanOf = (channels) => channels.reduce((sum, c) => sum + entropies[c], 0) / channels.length,
      sorts = meanOf(order.slice(0, kept)) < meanOf(order.slice(kept)),
      leaves = part(1 - kept / level.channels),
      [study] = pack.head.studies ?? [],
      saved = study && savedBy(study, "weights");
    /** Each with a question, two answers, the right one, and what to take home. */
    const all = [
      {
        drawing: there,
        question: "Into noise and back: how many values differ?",
        answers: ["none", "about half"],
        right: "none",
        home: () => `A flow turns a picture into noise and back: ${differ} of ${flow.dimensions} values differ.`,
      },
      {
        drawing: bars,
        question: "With fewer bits it would be …",
        answers: ["less likely", "likelier"],
        right: "likelier",
        home: () =>
          `Fewer bits = likelier. ${+of[0] < +of[1] ? `Likely need not be real: flat grey needs ${of[0]} bits.` : "A flow tells how likely a picture is."}`,
      },
      {
        drawing: scales,
        question: "Level 1 is drawn anew. What changes?",
        answers: ["details", "the gist"],
        right: "details",
        home: () => `Levels: ${leaves} of the values leave at level 1, details first, the gist last.`,
      },
      {
        drawing: sorted,
        question: "Which channels leave early (orange)?",
        answers: [sorts ? "structured ones" : "a chosen half", "noisy ones"],
        right: sorts ? "noisy ones" : "a chosen half",
        home: () =>
          sorts ? "Entropy: noisy channels leave early, structured ones stay." : "What leaves early is a choice.",
      },
      ...(weighed.length
        ? [
            {
              drawing: weights,
              question: "With grain, what errors should networks expect?",
              answers: ["smaller ones", "larger ones"],
              right: "larger ones",
              home: () => `Weights tell networks what errors to expect${saved ? `: ${saved} saved` : ""}.`,
            },
          ]
        : []),
    ];
    let answered = 0,
      rightly = 0;
    const card = ({ drawing, question, answers, right, home }) => {
      const words = el("figcaption", {}),
        answer = (text) =>
          el(
            "button",
            {
              type: "button",
              onclick: () => {
                answered++;
                if (text === right) rightly++;
                words.replaceChildren(el("b", {}, text === right ? "Right. " : `No, ${right}. `), home());
                say(false);
              },
            },
            text,
          );
      words.append(el("span", {}, question), el("div", {}, ...answers.map(answer)));
      return el("figure", { className: "home-card" }, drawing, words);
    };
    const doors = el("div", { className: "home-doors" }),
      cards = el("div", { className: "home-cards", "aria-live": "polite" }, ...all.map(card), doors);
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
    const winner = study && winnerOf(study),
      grey = flow.dequantise(bytes.slice().fill(Math.round(bytes.reduce((a, b) => a + b, 0) / bytes.length))),
      of = [flow.bitsPerDim(flow.encode(grey)), bits].map((each) => each.toFixed(1)),
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
          : answered
            ? `${cap(word(rightly))} of ${word(answered)} right.`
            : "One question for each picture.",
      );
    /** Show the homework in place of the pictures, or these again. */
    const turn = (asked) => {
      questions.hidden = !asked;
      cards.hidden = asked;
      (asked ? stage.host : cards).append(doors);
      homework.textContent = asked ? "Back" : "Homework";
      stage.title.textContent = asked ? "Questions to take home." : ending.title;
      stage.choose(asked ? HOMEWORK : "");
      say(asked);
    };
    doors.append(
      el("p", { className: "caption" }, chosen),
      el(
        "div",
        { className: "buttons" },
        pack.head.homework && homework,
        door("Train one", () => stage.goTo(stage.possible.indexOf(trainingInTab))),
        stage.options.offline
          ? door("Play", () => stage.leave({ page: "playground" }))
          : stage.options.onLeave && door("Explore", () => stage.leave({ page: "levels" })),
      ),
    );
    stage.host.append(cards, questions);
    if (stage.choice === HOMEWORK && pack.head.homework) turn(true);
    else say(false);
    const stopDecoding = afterFrame(decode);
    return {
      stop: () => {
        stopDecoding();
        barsView.stop();
        sortedView.stop();
        weightsView.stop();
      },
    };
  },
};
