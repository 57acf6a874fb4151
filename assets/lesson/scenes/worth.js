// Scene 13: what each choice of a split buys, in rungs above Glow's fixed half. Predict first.
import { choices, colours, el, minus, number, surface } from "../draw.js";

/** The rungs that can be voted on: a word for the link, and the rung's name in the studies. */
const RUNGS = [
  ["start", "principal start"],
  ["variance", "half by variance"],
  ["entropy", "half by entropy"],
  ["weights", "entropy weights"],
  ["partitions", "random partitions"],
  ["information", "partitions by information"],
];

/** What is new in a rung; other rungs have the words of their study. */
const NEW = {
  "Glow's half": "the last half leaves, as in the flow Glow",
  "principal start": "channels begin as principal components",
  "half by variance": "the half that varies least leaves",
  "half by entropy": "the half with least structure leaves",
  "entropy weights": "each picture sets its weights",
  "random partitions": "each coupling reads its own random half",
  "partitions by information": "each reads the half that tells most",
};

/** The data of a study, as a word: faces, letters. */
const dataOf = ({ data }) => data.replace(/\d+$/, "");

/** The choices that make up a ladder, by what the names of its rungs say. */
const PARTS = [
  ["principal start", "start"],
  ["half by", "half"],
  ["weights", "weights"],
  ["partitions", "partitions"],
];

/** How opaque a step is of which its study claims nothing. */
const PALE = 0.4;

/** A verb that agrees with the name of a rung. */
const verb = ({ name }, singular, plural) => (/weights|partitions/.test(name) ? plural : singular);

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

/** What the highest rung of a ladder saves in all, and by which choices; nothing where no saving is certain. */
export function wholeOf({ rungs, data }) {
  const { saved } = rungs.at(-1);
  if (!(saved?.low > 0)) return null;
  const parts = PARTS.filter(([text]) => rungs.some(({ name }) => name.includes(text))).map(([, part]) => part);
  return { bits: saved.lead.toFixed(2), parts, data: dataOf({ data }) };
}

/** The ends of a step's 95 % interval, where its bar ends: above what the rung below saves. */
function endsOf({ saved, step }) {
  if (!saved || !step) return [0, 0];
  const below = saved.lead - step.lead;
  return [below + step.low, below + step.high];
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
    "each rung above it changes what the picture names. A bar says how many bits per value a flow saves " +
    "against the lowest one. Look for the long steps, and for the one between variance and entropy.",
  asked:
    "Glow is a well-known flow: its channels are mixed at random, and the last half is factored out. The principal " +
    "start turns the channels towards their directions of largest variance before training (PCA), with a random half " +
    "passed on. Both orders, by variance and by entropy, are set once, on the first batch. A partition says which half of " +
    "the channels each coupling reads; alternating ones take the same two halves in turn. Every rung was trained with " +
    "several seeds and compared seed by seed; the thin line is the 95 % interval of its own step. These are short " +
    "trainings of small flows; “See more” has every study, also the longer ones. “Close”: the interval of a step lies " +
    "above zero and meets that of the longest. Pale: the study claims no step, once all of its comparisons are " +
    "counted: among many, one interval can miss zero by chance.",
  more: { page: "compare" },
  cannot: ({ pack }) => (ladders(pack.head.studies ?? []).length ? null : "There are no studies with a ladder here."),

  build(stage) {
    const all = ladders(stage.pack.head.studies),
      most = Math.max(...all.flatMap(({ rungs }) => rungs.map((one) => endsOf(one)[1])));
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
          const [low, high] = endsOf(rung).map(x),
            end = Math.max(high, x(saved), x(saved - step));
          const cap = 0.4 * tall;
          const lines = [
            { colour: ink.paper, edge: 1.5 },
            { colour: ink.ink, edge: 0 },
          ];
          for (const { colour, edge } of rung.step ? lines : []) {
            // A line with an edge of paper: it shows on every colour.
            context.fillStyle = colour;
            context.fillRect(low - edge, y + tall / 2 - 1 - edge, high - low + 2 * edge, 2 + 2 * edge);
            for (const at of [low, high])
              context.fillRect(at - 1 - edge, y + (tall - cap) / 2 - edge, 2 + 2 * edge, cap + 2 * edge);
          }
          context.fillStyle = ink.ink;
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
        meets = ({ step }) => step?.low > 0 && step !== best.step && step.high >= best.step.low,
        whole = minus(here.rungs.at(-1).saved.lead.toFixed(2)),
        bits = (rung) => minus(rung.step.lead.toFixed(2)),
        close = here.rungs.some(meets);
      stage.results[worth.number] = RUNGS.find(([one]) => one === voted)[1];
      const leads = `${best.name} ${close ? `${verb(best, "leads", "lead")} with` : `${verb(best, "buys", "buy")} most,`}`;
      if (own && meets(own))
        return stage.say(
          `Close: on ${dataOf(here)}, ${own.name} ${verb(own, "buys", "buy")} ${bits(own)}, ${best.name} ${bits(best)}, of ${whole} bits.`,
        );
      const verdict = own !== best ? "Not quite" : close ? "Right, but close" : "Right";
      stage.say(`${verdict}: on ${dataOf(here)}, ${leads} ${bits(best)} of ${whole} bits.`);
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
        `Bits per value saved. Grey: by the rungs below; blue: by this one; orange: lost by it; pale: may be chance. ` +
        `Line: its 95 % interval, ${here.rungs[1].saved.seeds} trainings of ${number(here.iterations)} steps.`;
    };
    told();
    stage.host.append(caption, el("div", { className: "ballots" }, vote.row, sets ? sets.row : null));
    draw();
    return { stop: () => view.stop() };
  },
};
