// Scene 13: what each choice of a split buys, in rungs above Glow's fixed half. Predict first.
import { choices, colours, el, minus, number, surface } from "../draw.js";

/** The rungs that can be voted on: a word for the link, and the rung's name in the studies. */
const RUNGS = [
  ["start", "principal start"],
  ["variance", "half by variance"],
  ["entropy", "half by entropy"],
  ["weights", "entropy weights"],
  ["partitions", "random partitions"],
];

/** What is new in a rung; other rungs have the words of their study. */
const NEW = {
  "Glow's half": "the last half leaves, as in the flow Glow",
  "principal start": "channels begin as principal components",
  "half by variance": "the half that varies least leaves",
  "half by entropy": "the half with least structure leaves",
  "entropy weights": "each picture sets its weights",
  "random partitions": "couplings read other halves in turn",
  "partitions by information": "they read what tells most of the rest",
};

/** The data of a study, as a word: faces, letters. */
const dataOf = ({ data }) => data.replace(/\d+$/, "");

/** How opaque a step is of which its study claims nothing. */
const PALE = 0.4;

const savedBits = (bits) => `${Math.abs(bits).toFixed(2)} bits ${bits < 0 ? "lost" : "saved"}`;

/**
 * Of every data set the study with most rungs, and of those the longest: of studies whose ladder has every rung from
 * the first on, where there are such.
 */
export function ladders(studies) {
  const steps = studies.filter(({ rungs }) => rungs?.length > 1),
    whole = steps.filter(({ rungs }) => rungs.some(({ name }) => name === RUNGS[0][1])),
    found = new Map();
  for (const one of whole.length ? whole : steps) {
    const before = found.get(one.data);
    if (!before || (one.rungs.length - before.rungs.length || one.iterations - before.iterations) > 0)
      found.set(one.data, one);
  }
  return [...found.values()].sort((a, b) => a.data.localeCompare(b.data));
}

export const worth = {
  number: 13,
  noPicture: true,
  short: "The ladder",
  votes: RUNGS,
  title: "What does looking at the data buy?",
  keepsChoice: true,
  notes:
    "Vote first: which rung buys most? The lowest rung is Glow’s half, chosen by position, blind to the data; " +
    "each rung above it changes one thing, named in the picture. A bar says how many bits per value a flow saves " +
    "against the lowest one. Look for the long steps, and for the one between variance and entropy.",
  asked:
    "Glow is a well-known flow: its channels are mixed at random, and the last half is factored out. The principal " +
    "start turns the channels towards their directions of largest variance before training (PCA), with a random half " +
    "passed on. Both orders, by variance and by entropy, are set once, on the first batch. A partition says which half of " +
    "the channels each coupling reads; alternating ones take the same two halves in turn. Every rung was trained with " +
    "several seeds and compared seed by seed; the thin line is the 95 % interval of its saving. These are short " +
    "trainings of small flows; “See more” has every study, also the longer ones. “Close”: the interval of the " +
    "vote, or of another rung, reaches that of the best. Pale: the study claims no step, once all of its comparisons " +
    "are counted.",
  more: { page: "compare" },
  cannot: ({ pack }) => (ladders(pack.head.studies ?? []).length ? null : "There are no studies with a ladder here."),

  build(stage) {
    const all = ladders(stage.pack.head.studies),
      most = Math.max(...all.flatMap(({ rungs }) => rungs.map((one) => one.saved?.high ?? 0)));
    const known = RUNGS.filter(([, rung]) => all.some(({ rungs }) => rungs.some(({ name }) => name.includes(rung))));
    const [, guessed, shownSet] = /^(\w+?)(?:\.(\w+))?$/.exec(stage.choice) ?? [];
    let voted = RUNGS.some(([key]) => key === guessed) ? guessed : "",
      here = all.find((one) => one.data === shownSet) ?? all[0];
    const room = el("div", { className: "room" });
    stage.host.append(room);
    const view = surface(
      room,
      (context, width, height) => {
        const ink = colours(stage.stage),
          small = width < 640,
          { rungs } = here,
          row = height / rungs.length;
        const bold = `600 ${ink.size}px ${ink.sans}`,
          plain = `${ink.size}px ${ink.sans}`,
          wide = (text, font) => {
            context.font = font;
            return context.measureText(text).width;
          };
        const newIn = (rung) => NEW[rung.name] ?? rung.detail,
          nameOf = (rung) => rung.name.replace("'", "’");
        const texts = rungs.flatMap((rung) => [wide(newIn(rung), plain), wide(nameOf(rung), bold)]),
          left = small ? 0 : Math.min(0.4 * width, Math.max(...texts)) + 24,
          right = wide(savedBits(0), plain) + 16;
        const x = (bits) => left + ((width - left - right) * bits) / most;
        rungs.forEach((rung, i) => {
          // The lowest rung stands at the foot. On a telephone its words stand above its bar, the name alone where the
          // answer leaves no room for more; else beside it.
          const top = height - row * (i + 1),
            line = 1.15 * ink.size,
            brief = small && voted !== "" && row < 2 * line + 22,
            above = (brief ? 1 : 2) * line + 6,
            tall = small ? Math.min(30, row - above - 4) : Math.min(56, 0.56 * row),
            y = small ? top + above : top + (row - tall) / 2,
            words = small ? top + line : y + tall / 2 - 0.2 * ink.size,
            saved = rung.saved?.lead ?? 0,
            step = rung.step?.lead ?? 0;
          context.textAlign = "left";
          context.fillStyle = ink.ink;
          context.font = bold;
          context.fillText(nameOf(rung), 0, words, width);
          context.fillStyle = ink.quiet;
          context.font = plain;
          if (!brief) context.fillText(newIn(rung), 0, words + line, small ? width : left - 20);
          context.fillStyle = ink.line;
          context.fillRect(x(0) - 2, y, 3, tall);
          if (!voted) return;
          context.fillStyle = ink.quiet;
          const before = Math.max(0, Math.min(saved, saved - step));
          context.fillRect(x(0), y, x(before) - x(0), tall);
          context.fillStyle = step < 0 ? ink.warm : ink.accent;
          context.globalAlpha = rung.step?.claim === "no conclusion" ? PALE : 1;
          context.fillRect(x(before), y, x(Math.max(saved, saved - step)) - x(before), tall);
          context.globalAlpha = 1;
          context.fillStyle = ink.ink;
          const end = rung.saved ? Math.max(x(rung.saved.high), x(saved)) : x(0);
          if (rung.saved)
            context.fillRect(x(rung.saved.low), y + tall / 2 - 1, x(rung.saved.high) - x(rung.saved.low), 2);
          context.fillText(
            i ? savedBits(saved) : "the others are compared with this",
            end + 10,
            y + tall / 2 + 0.35 * ink.size,
          );
        });
      },
      "The bits that each rung saves above Glow's fixed half",
    );
    const draw = () => {
      view.redraw();
      if (!voted) return stage.say("Vote: which rung saves most bits over the one below?");
      const best = here.rungs.slice(1).reduce((a, b) => ((b.step?.lead ?? 0) > (a.step?.lead ?? 0) ? b : a)),
        own = here.rungs.find(({ name }) => name.includes(RUNGS.find(([key]) => key === voted)[1])),
        meets = (rung) => rung !== best && (rung?.step?.high ?? Number.NEGATIVE_INFINITY) >= best.step.low,
        whole = here.rungs.at(-1).saved.lead;
      const right = here.rungs.some(meets) ? "Right, but close" : "Right",
        verdict = own === best ? right : meets(own) ? "Too close to call" : "Not quite";
      stage.results[worth.number] = RUNGS.find(([one]) => one === voted)[1];
      stage.say(
        `${verdict}: on ${dataOf(here)}, ${best.name} ${/weights$/.test(best.name) ? "buy" : "buys"} most, ${minus(best.step.lead.toFixed(2))} of ${minus(whole.toFixed(2))} bits.`,
      );
    };
    const publish = () => stage.choose(here === all[0] ? voted : `${voted}.${here.data}`);
    const vote = choices(
      "Your vote",
      known,
      (key) => {
        voted = key;
        publish();
        draw();
      },
      voted,
    );
    const sets =
      all.length > 1 &&
      choices(
        "Data",
        all.map((one) => [one.data, dataOf(one)]),
        (data) => {
          here = all.find((one) => one.data === data);
          if (voted) publish();
          draw();
          told();
        },
        here.data,
      );
    const caption = el("p", { className: "caption" });
    const told = () => {
      caption.textContent =
        `Bits per value saved over the lowest rung. Grey: by the rungs below; blue: by this one; orange: lost by it; ` +
        `pale: too close to call. Line: 95 % interval, of ${here.rungs[1].saved.seeds} trainings, ${number(here.iterations)} steps each.`;
    };
    told();
    stage.host.append(caption, el("div", { className: "ballots" }, vote.row, sets ? sets.row : null));
    draw();
    return { stop: () => view.stop() };
  },
};
