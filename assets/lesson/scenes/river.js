// Scene 7: the rank of every channel over a training whose half was fixed in advance.
import { animate, choices, colours, el, minus, number, slider, surface, word } from "../draw.js";

/** How many channels that go on are among the structured ones, at a recording step. */
const good = ({ kept, ranks }, i) => {
  const half = kept.filter(Boolean).length;
  return kept.reduce((sum, keeps, c) => sum + (keeps && ranks[i][c] < half ? 1 : 0), 0);
};

/** How many by chance: channels that go on and structured ones are as many, and each could be any. */
const byChance = ({ kept }) => {
  const half = kept.filter(Boolean).length,
    mean = (half * half) / kept.length;
  return Number.isInteger(mean) ? mean : mean.toFixed(1);
};

/** What the fixed half is, by the word of the order. */
const HALVES = {
  "variance-reversed": (half) => `deliberately the wrong one, the ${half} of least variance (scene 13: of most)`,
  variance: (half) => `the ${half} of most variance`,
  random: (half) => `${half} drawn at random`,
};

/** How many on average over the runs with other seeds, before (0) and after (1) training. */
const overRuns = ({ seeds }, when) => (seeds.reduce((sum, one) => sum + one[when], 0) / seeds.length).toFixed(1);

/** What the half costs above the half by entropy, as the end of a sentence; nothing where that is not known. */
function priceOf(cost) {
  if (!cost) return ".";
  if (cost.low <= 0 && cost.high >= 0) return "; cost: unclear.";
  return `; ${cost.bits > 0 ? "cost" : "gain"}: ${Math.abs(cost.bits).toFixed(2)} bits.`;
}

const signed = (bits) => minus(bits.toFixed(2));

/** Which recording is shown: the one that was chosen, or else the first, where the order is rebuilt most. */
const shownAt = (rivers, choice) => Math.min(rivers.length - 1, +(/^r(\d+)/.exec(choice)?.[1] ?? 0));

/** The data of a recording, as a word: letters, faces. */
const dataOf = (one) => one.name.split("-")[0].replace(/\d+$/, "");

export const river = {
  number: 7,
  noPicture: true,
  short: "Fixed in advance",
  title: "The wrong half, on purpose: structure moves.",
  titleOf: ({ pack }) =>
    !pack.head.rivers?.every((one) => one.lifts === "yes")
      ? "Fix the half in advance: does training move structure across?"
      : pack.head.rivers.every((one) => one.cost?.low > 0)
        ? undefined
        : "Fix the half in advance, and training moves structure across.",
  notes:
    "Here another flow passes on a half that was fixed beforehand; the line below the picture says which. Press space: " +
    "lines are channels, and blue ones are passed on from first to last. While training changes what they hold, count " +
    "the blue lines above the dashed one. At the end ask whether that makes up for the choice: the sentence has its " +
    "price.",
  asked:
    "One training is drawn; the sentence at the end is the mean over all, which differ by their seed alone. What the " +
    "half costs is from a study: bits per value above the half by entropy, all else the same, with the 95 % interval " +
    "below the picture. Scene 13 compares with another half, Glow’s, and so has other numbers. " +
    "The title is said where the 95 % interval of the change lies above zero; to rise from below chance to " +
    "chance needs no cause. A rank says nothing of likelihood, and samples get better under every half. Steps are on " +
    "a log scale: most of the width is the first few hundred.",
  more: { page: "shuffle" },
  cannot: ({ pack }) => (pack.head.rivers?.length ? null : "There is no record of a training with a fixed half here."),

  build(stage) {
    const { head, blob } = stage.pack,
      shown = shownAt(head.rivers, stage.choice),
      here = head.rivers[shown],
      { steps, ranks, kept } = here,
      n = kept.length,
      end = steps.at(-1);
    const half = kept.filter(Boolean).length;
    // The slider stops where there are samples, so that picture, lines and sentence are of one step.
    const stops = here.samples.map(({ step, webp }) => ({
      step,
      at: steps.findLastIndex((one) => one <= step),
      url: URL.createObjectURL(new Blob([blob(webp)], { type: "image/webp" })),
    }));
    const last = stops.length - 1,
      runs = here.seeds?.length ?? 0;
    let now = 0,
      stop = () => {};
    const room = el("div", { className: "room" }),
      image = el("img", { alt: "" }),
      caption = el("figcaption", {});
    stage.host.append(el("div", { className: "river" }, room, el("figure", {}, image, caption)));
    const view = surface(
      room,
      (context, width, height) => {
        const ink = colours(stage.stage),
          size = (words) => context.measureText(words).width;
        context.font = `${ink.size}px ${ink.sans}`;
        const pad = 8,
          left = size("upper half") + 26,
          right = 12,
          bottom = 2.6 * ink.size,
          gap = (height - bottom - 2 * pad) / n;
        const x = (step) => left + ((width - left - right) * Math.log1p(step)) / Math.log1p(end),
          y = (rank) => pad + gap * (rank + 0.5),
          middle = pad + gap * half;
        const { at } = stops[now],
          text = (words, colour, px, py) => {
            context.fillStyle = colour;
            context.fillText(words, px, py);
          };
        text("most", ink.quiet, 0, y(0) + 6);
        text("structure", ink.quiet, 0, y(0) + 6 + 1.1 * ink.size);
        text("upper half", ink.quiet, 0, middle - 6);
        text("least", ink.quiet, 0, y(n - 1) + 6);
        const base = height - bottom + ink.size;
        text(number(end), ink.quiet, width - size(number(end)), base);
        for (let step = 0, free = 0; step < end; step = step ? 10 * step : 1) {
          const wide = size(number(step)),
            from = x(step) - wide / 2;
          if (from < free || from + wide + 10 > width - size(number(end))) continue;
          text(number(step), ink.quiet, from, base);
          free = from + wide + 10;
        }
        const title = "training step (log scale)";
        text(title, ink.quiet, (left + width - size(title)) / 2, height - 0.3 * ink.size);
        context.setLineDash([6, 5]);
        context.strokeStyle = ink.ink;
        context.lineWidth = 2;
        context.beginPath();
        context.moveTo(left - 10, middle);
        context.lineTo(width, middle);
        context.stroke();
        context.setLineDash([]);
        for (let c = 0; c < n; c++) {
          context.strokeStyle = kept[c] ? ink.accent : ink.warm;
          context.lineWidth = Math.min(5, 0.3 * gap);
          context.lineJoin = "round";
          context.beginPath();
          for (let i = 0; i <= at; i++) context.lineTo(x(steps[i]), y(ranks[i][c]));
          context.stroke();
          context.fillStyle = context.strokeStyle;
          context.beginPath();
          context.arc(x(steps[at]), y(ranks[at][c]), Math.min(8, 0.42 * gap), 0, 7);
          context.fill();
        }
      },
      "The rank of every channel by structure over the training; channels in blue are passed on, those in orange " +
        "factored out",
    );
    const draw = () => {
      const { step, at, url } = stops[now];
      view.redraw();
      image.src = url;
      image.alt = `Samples at step ${step}`;
      caption.textContent = `samples, step ${number(step)}`;
      const said = `Step ${number(step)}: ${good(here, at)} of ${half} blue lines in the upper half`;
      if (now === last && runs > 1)
        stage.say(
          `On average ${overRuns(here, 0)} of ${half} blue lines start above, ${overRuns(here, 1)} end above${priceOf(here.cost)}`,
        );
      else
        stage.say(
          at ? `${said} (start ${good(here, 0)}, chance ${byChance(here)}).` : `${said}; by chance ${byChance(here)}.`,
        );
    };
    const control = slider({
      label: "Training",
      min: 0,
      max: last,
      step: 1,
      value: 0,
      text: (v) => `step ${number(stops[v].step)}`,
      onmove: (v) => {
        stop();
        now = v;
        draw();
        stage.choose(`r${shown}.${v}`);
      },
    });
    const names = head.rivers.map((one, k) => [String(k), dataOf(one)]);
    const which =
      names.length > 1 &&
      choices(
        "Recording",
        names,
        (k) => {
          stage.choose(`r${k}`);
          stage.show();
        },
        String(shown),
      );
    const { cost } = here,
      [chosen] = [HALVES[here.order]?.(word(half)) ?? `${word(half)} by their number`];
    const fixed =
      `Lines: channels. Blue: the half passed on, ${chosen}. ` +
      (runs > 1 ? `Mean of ${word(runs)} trainings, one drawn. ` : "One training. ") +
      (cost
        ? `Cost: bits per value over the half by entropy after ${number(cost.steps)} steps (95 % interval ${signed(cost.low)} to ${signed(cost.high)}); the samples are of ${number(end)}.`
        : "");
    stage.host.append(
      control.row,
      el("div", { className: "recordings" }, which ? which.row : null, el("p", { className: "caption" }, fixed)),
    );
    const set = (v) => {
      now = v;
      control.input.value = v;
      control.show();
      draw();
    };
    const play = () => {
      stop();
      stop = animate((s) => {
        const v = Math.min(last, Math.floor((s * last) / 7));
        if (v !== now || !v) set(v);
        return v < last;
      });
    };
    const asked = stage.choice.split(".")[1] ?? (/^\d+$/.test(stage.choice) ? stage.choice : undefined);
    if (asked !== undefined) set(Math.min(last, Math.max(0, Math.round(+asked) || 0)));
    else if (stage.reduced) set(last);
    else play();
    return {
      play,
      stop: () => {
        stop();
        view.stop();
        stops.forEach((one) => URL.revokeObjectURL(one.url));
      },
    };
  },
};
