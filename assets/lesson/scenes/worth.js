// Scene 11: what looking at the data saves, in three choices: predict, try one, and see what the bundled studies found.
import { choices, colours, el, minus, number, surface } from "../draw.js";
import { sketches } from "./sketch.js";
import { trial } from "./try.js";

/**
 * The choices: a word for the link, a name, what they are, what the flow without them has, in what the two flows that
 * try it differ, the rung of the study that has them, and whether what it saves is counted from Glow's half (saved) or from the rung below (step).
 * @type {{key: string, name: string, what: string, other: string, differ: string, rung: string, of: "saved" | "step"}[]}
 */
const CHOICES = [
  {
    key: "start",
    name: "looking at the data first",
    what: "its first mix fits the faces; channels are sorted (scene 7)",
    other: "random mix, fixed half",
    differ: "the first mix and the half that stays",
    rung: "half by entropy",
    of: "saved",
  },
  {
    key: "weights",
    name: "own weights",
    what: "each picture sets weights for its channels (scene 9)",
    other: "no weights",
    differ: "the weights",
    rung: "own weights",
    of: "step",
  },
  {
    key: "partitions",
    name: "random halves",
    what: "in every coupling other channels predict the rest (scene 3)",
    other: "fixed halves",
    differ: "the halves",
    rung: "random partitions",
    of: "step",
  },
];
/** How opaque a bar is of which its study claims nothing. */
const PALE = 0.4;
/** The data that flows train on in the tab. */
const FACES = "faces16";

/** The data of a study, as a word: faces, letters. */
const dataOf = ({ data }) => data.replace(/\d+$/, "");
const placeOf = (choice) => CHOICES.findIndex(({ key }) => key === choice);
const rungOf = ({ rungs }, name) => rungs.find((rung) => rung.name === name);
/** The leads of the choices in a study; undefined where it did not ask. */
const leadsOf = (study) => CHOICES.map(({ rung, of }) => rungOf(study, rung)?.[of]);

/** What a choice saves in a study; nothing where that is not certain. */
export function savedBy(study, choice) {
  const lead = leadsOf(study)[placeOf(choice)];
  return lead?.claim === "ahead" ? `${lead.lead.toFixed(2)} bits per value (${dataOf(study)})` : "";
}

/** The choice that saves most in a study; undefined where its interval and another's meet. */
export function winnerOf(study) {
  const leads = leadsOf(study);
  return CHOICES.find(
    (_, i) => leads[i]?.claim === "ahead" && leads.every((lead, k) => k === i || !lead || lead.high < leads[i].low),
  );
}

export const worth = {
  number: 11,
  noPicture: true,
  short: "What pays",
  votes: CHOICES.map(({ key, name }) => [key, name]),
  title: "Which choice saves most bits? We try.",
  answers: (choice) => choice.includes("."),
  keepsChoice: true,
  notes: "Vote: which of the three saves most bits? Then look at the studies, or train both.",
  asked:
    "Two flows train here from the same random numbers, on the same faces in " +
    "the same order: three levels of four steps, 500 steps of 32 faces. A dot is one run: bits saved on " +
    "256 other faces; the interval is Student’s t. " +
    "Each choice is added to those before: looking at the data (channels start as principal components, and " +
    "the half with most structure is passed on) against Glow, which starts at random and passes on a fixed half; " +
    "weights; couplings that read random halves. " +
    "Pale: not shown, once all comparisons of the study are counted. The mean lead was smaller after 2,500 steps, which was not " +
    "tested. The page Compare has every study.",
  more: { page: "compare" },
  cannot: ({ pack }) => (pack.head.studies?.length ? null : "There are no studies here."),

  build(stage) {
    const { studies } = stage.pack.head;
    let [voted, data] = stage.choice.split("."),
      live = null;
    if (placeOf(voted) < 0) voted = "";
    const sketched = sketches(stage).map(({ draw, label }) => ({
        draw,
        label,
        room: el("span", { className: "sketch" }),
      })),
      room = el("div", { className: "beat-room" }),
      more = el("div", { className: "buttons" }),
      other = el("button", { type: "button", onclick: () => (data ? back() : turn(1)) });
    const vote = choices(
      "Your vote",
      CHOICES.map(({ key, name, what }, i) => [
        key,
        el("span", {}, el("b", {}, name), sketched[i].room, el("span", {}, ` ${what}`)),
      ]),
      (key) => {
        voted = key;
        publish();
        live.show();
      },
      voted,
    );
    const publish = () => {
      stage.choose(data ? `${voted}.${data}` : voted);
      free();
    };
    const free = () => {
      other.disabled = !voted || stage.hidesAnswer;
    };
    /** The studies (1) or one's own trial (−1); whether there was one to turn to. */
    function turn(by) {
      if (!voted || stage.hidesAnswer || by > 0 === Boolean(data)) return false;
      data = by > 0 ? studies[0].data : "";
      publish();
      fill();
      return true;
    }
    /** One's own trial: alone it begins at once. */
    function back() {
      turn(-1);
      if (!stage.klass && !live.begun()) live.play();
    }
    function fill() {
      live?.stop();
      room.replaceChildren();
      other.textContent = data ? (stage.klass ? "← We try" : "← Train both") : "What studies found";
      if (data)
        live = bars(stage, room, {
          data,
          voted: () => voted,
          pick: (name) => {
            data = name;
            publish();
          },
        });
      else
        live = trial(stage, room, {
          voted: () => voted,
          arms: (choice) => {
            const { other, name } = CHOICES[placeOf(choice)];
            return [other, name];
          },
          differ: (choice) => CHOICES[placeOf(choice)].differ,
          studied: (choice) => {
            const study = studies.find((one) => one.data === FACES);
            return study && leadsOf(study)[placeOf(choice)];
          },
        });
      more.replaceChildren(...(data ? [live.button, other] : [other, live.button]));
    }
    vote.row.classList.add("explained");
    stage.host.append(room, el("div", { className: "ballots" }, vote.row, more));
    fill();
    free();
    const drawn = sketched.map(({ room, draw, label }) => surface(room, draw, label));
    return {
      turn,
      play: () => live.play?.(),
      study: () => {
        free();
        live.study?.();
      },
      stop: () => {
        live.stop();
        for (const view of drawn) view.stop();
      },
    };
  },
};

/** The second half: what a bundled study saved, one choice added after the other, each bar beginning where the last ends. */
function bars(stage, host, { data, voted: votedFor, pick }) {
  const { studies } = stage.pack.head;
  let here = studies.find((one) => one.data === data) ?? studies[0];
  const room = el("div", { className: "room" }),
    caption = el("p", { className: "caption large" }),
    /** All bars of a study, each beginning where the last ends: what they need of the axis. */
    ends = studies.flatMap((study) => {
      let from = 0;
      return leadsOf(study).flatMap((lead) => {
        const begin = from;
        from += lead?.lead ?? 0;
        return lead ? [begin + lead.low, begin + lead.high] : [];
      });
    }),
    most = Math.max(0.01, ...ends),
    least = Math.min(0, ...ends);
  host.append(
    el(
      "p",
      { style: "margin: 0" },
      "A plain flow, then one choice more in each row; the first sets start and half. Thin lines: 95 % intervals.",
    ),
    room,
    caption,
  );
  const view = surface(
    room,
    (context, width, height) => {
      const ink = colours(stage.stage),
        small = width < 800,
        leads = leadsOf(here),
        foot = height - 1.5 * ink.size,
        row = foot / CHOICES.length;
      context.font = `600 ${ink.size}px ${ink.sans}`;
      const named = Math.max(...CHOICES.map(({ name }) => context.measureText(name).width)),
        zero = small ? ink.size : named + ink.size + 4;
      let saved = 0;
      const begins = leads.map((lead) => {
          const from = saved;
          saved += lead?.lead ?? 0;
          return from;
        }),
        unit = (width - zero - 4 * ink.size) / (most - least),
        at = (bits) => zero + (bits - least) * unit;
      // One axis for all studies.
      context.font = `${ink.size}px ${ink.sans}`;
      context.textAlign = "center";
      for (let bits = Math.ceil(10 * least) / 10; bits <= most; bits += 0.1) {
        context.fillStyle = ink.line;
        context.fillRect(at(bits), 0, 1, foot);
        context.fillStyle = ink.quiet;
        context.fillText(minus(bits.toFixed(1)), at(bits), height - 4);
      }
      if (!small) {
        context.textAlign = "left";
        context.fillText("bits saved →", 0, height - 4);
      }
      CHOICES.forEach(({ name }, i) => {
        const lead = leads[i],
          from = begins[i],
          tall = Math.min(64, (small ? 0.3 : 0.5) * row),
          y = small ? i * row + 0.52 * row : i * row + (row - tall) / 2,
          middle = y + tall / 2,
          words = small ? i * row + 0.36 * row : middle + 0.35 * ink.size;
        context.textAlign = "left";
        context.fillStyle = ink.ink;
        context.font = `600 ${ink.size}px ${ink.sans}`;
        context.fillText(`${i ? "+ " : ""}${name}`, 0, words);
        context.font = `${ink.size}px ${ink.sans}`;
        // Where this bar begins: at Glow's flow, or where the bar above ends.
        context.fillStyle = ink.line;
        context.fillRect(at(from) - 1, i ? y - row + tall : y - 4, 2, i ? row : tall + 8);
        if (!lead) {
          context.fillStyle = ink.quiet;
          return context.fillText("not asked here", at(from) + 10, middle + 0.35 * ink.size);
        }
        context.globalAlpha = lead.claim === "not shown" ? PALE : 1;
        context.fillStyle = lead.lead < 0 ? ink.warm : ink.accent;
        context.fillRect(at(from + Math.min(0, lead.lead)), y, Math.abs(lead.lead) * unit, tall);
        context.globalAlpha = 1;
        const [low, high] = [lead.low, lead.high].map((bits) => at(from + bits));
        for (const { colour, edge } of [
          { colour: ink.paper, edge: 1.5 },
          { colour: ink.ink, edge: 0 },
        ]) {
          // A line with an edge of paper: it shows on every colour.
          context.fillStyle = colour;
          context.fillRect(low - edge, middle - 1 - edge, high - low + 2 * edge, 2 + 2 * edge);
          for (const end of [low, high])
            context.fillRect(end - 1 - edge, y + 0.3 * tall - edge, 2 + 2 * edge, 0.4 * tall + 2 * edge);
        }
        context.fillStyle = ink.ink;
        context.fillText(minus(lead.lead.toFixed(3)), high + 10, middle + 0.35 * ink.size);
      });
    },
    "The bits per value that each choice saves, added one after the other",
  );
  const draw = () => {
    view.redraw();
    const leads = leadsOf(here),
      [random, variance, entropy] = ["start from the data", "half by variance", "half by entropy"].map(
        (name) => rungOf(here, name)?.saved?.lead,
      ),
      pays = savedBy(here, "start") ? "" : "Looking at the data is not shown to pay. ";
    let sorted = "";
    if ([random, entropy, variance].every((lead) => lead !== undefined)) {
      const [chance, first, second] = [random, entropy, variance].map((lead) => minus(lead.toFixed(3)));
      // The half by variance is the rung below: what entropy saves over it is claimed, or not shown.
      const [over, beside] = ["half by variance", "half by entropy"].map(
        (name) => rungOf(here, name).step.claim === "not shown",
      );
      sorted =
        over && beside
          ? `Which half stays? By chance: ${chance}; entropy: ${first}; loudness (variance): ${second}: none shown apart.`
          : beside
            ? `Which half stays? By chance: ${chance}; entropy or loudness (variance): ${first}, ${second}, not shown apart.`
            : `Which half stays? By chance: ${chance}; by entropy: ${first}; by loudness (variance)${second > first ? " even more" : ""}: ${second}.`;
    }
    caption.textContent = pays + sorted;
    const winner = winnerOf(here);
    if (!winner) return stage.say(`On ${dataOf(here)} none stands clear of the others.`);
    const { key, name } = winner,
      vote = stage.answerTo(votedFor()),
      verdict = key === vote ? "Right" : "Not quite",
      bits = `${leads[placeOf(key)].lead.toFixed(3)} bits.`;
    stage.say(`${verdict}: on ${dataOf(here)}, ${name} ${name.endsWith("s") ? "save" : "saves"} most, ${bits}`);
  };
  const sets = choices(
    "Data",
    studies.map((one) => [one.data, `${dataOf(one)}, ${number(one.iterations)} steps`]),
    (data) => {
      here = studies.find((one) => one.data === data);
      pick(data);
      draw();
    },
    here.data,
  );
  draw();
  return { button: sets.row, show: draw, stop: () => view.stop() };
}
