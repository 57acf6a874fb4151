// Scene 13: the lead of the entropy-informed split in every bundled study, from the shortest training to the longest.
import { choices, colours, el, minus, surface } from "../draw.js";

const ANSWERS = [
  ["ahead", "mostly ahead"],
  ["unclear", "no clear winner"],
  ["behind", "mostly behind"],
];

/** What a study is called beside its interval: its data and budget, and what else sets it apart. */
const short = (name) =>
  name
    .replace(/^(\D+)\d+(?= at )/, "$1")
    .replace(" at ", ", ")
    .replace(/, \d+ seeds/, "")
    .replace(/(\d+ steps)(?=, equal CPU)/, "about $1")
    .replace("scored on held-out images", "new pictures")
    .replace("equal CPU seconds", "equal CPU");

export const worth = {
  number: 13,
  noPicture: true,
  short: "Is it worth it?",
  votes: ANSWERS,
  title: "Is the entropy-informed split worth it?",
  keepsChoice: true,
  notes:
    "Vote first. Each row is a study: the entropy-informed split against the best split that does not look at " +
    "entropy; to the right of the line it needs fewer bits per value. On average pictures cost 3 to 5 bits per " +
    "value, so 0.02 is about half a percent: there is no clear winner. In most rows the split has channel weights " +
    "too, which the rival never has.",
  asked:
    "The split sorts by entropy, as in scenes 5 and 6; where it has the channel weights of scene 8, the row is of " +
    "both together. The studies test this project’s reading of the paper, with one order, set on the first batch. " +
    "Two flows are compared seed by seed, with four to six seeds. The rival was picked by these same results, which " +
    "favours it. Rows go from the shortest training to the longest; several share their pictures. “New pictures”: " +
    "whole photographs were held out, where the other rows on photos test another part of the same photographs; " +
    "“equal CPU”: each run had the same number of seconds. Do not read a trend with training into so few rows; even " +
    "the longest is short. An interval that excludes zero may be grey, since a claim counts only after the split’s " +
    "comparisons in its study are corrected together; nothing corrects across the studies.",
  more: { page: "compare" },
  cannot: ({ pack }) => (pack.head.studies?.length ? null : "There are no studies here."),

  build(stage) {
    const studies = [...stage.pack.head.studies].sort((a, b) => a.budget - b.budget || a.name.localeCompare(b.name));
    const low = Math.min(0, ...studies.map((one) => one.low)),
      high = Math.max(0, ...studies.map((one) => one.high)),
      span = high - low || 1;
    const step = [0.01, 0.02, 0.05, 0.1, 0.2].find((one) => span / one <= 5) ?? 0.5;
    const weighted = studies.filter((one) => one.weighted).length,
      rivals = new Set(studies.map((one) => one.rival));
    const always = rivals.size === 1 && rivals.has("variance") ? " (always the split by variance)" : "";
    let voted = stage.choice !== "";
    const room = el("div", { className: "room" });
    stage.host.append(room);
    const view = surface(
      room,
      (context, width, height) => {
        // Names stand beside the intervals, on a phone above them.
        const ink = colours(stage.stage),
          phone = width < 640,
          edge = 1.5 * ink.size,
          row = (height - 2 * edge) / studies.length;
        context.font = `${ink.size}px ${ink.sans}`;
        const left = phone ? 10 : Math.max(...studies.map((one) => context.measureText(short(one.name)).width)) + 24,
          right = 24;
        const x = (v) => left + ((width - left - right) * (v - low)) / span;
        context.fillStyle = context.strokeStyle = ink.quiet;
        context.textAlign = "center";
        for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9; k++)
          context.fillText(minus((k * step).toFixed(2)), x(k * step), height - 4);
        context.strokeStyle = ink.ink;
        context.lineWidth = 2;
        context.beginPath();
        context.moveTo(x(0), 0.3 * edge);
        context.lineTo(x(0), height - edge);
        context.stroke();
        context.textAlign = "right";
        context.fillText("← behind", x(0) - 10, ink.size);
        context.textAlign = "left";
        context.fillText("ahead →", x(0) + 10, ink.size);
        const put = (text, y) => {
          context.fillStyle = ink.paper; // on a phone the zero line would cross the names
          context.fillRect(0, y - ink.size, context.measureText(text).width + 6, 1.35 * ink.size);
          context.fillStyle = ink.ink;
          context.fillText(text, 0, y);
        };
        const place = (i) => [edge + row * i, edge + row * (i + (phone ? 0.78 : 0.5))];
        studies.forEach((one, i) => {
          const [top, middle] = place(i);
          put(short(one.name), phone ? top + 0.95 * ink.size : middle + 0.35 * ink.size);
        });
        studies.forEach((one, i) => {
          const [, middle] = place(i);
          if (!voted) return;
          context.strokeStyle = context.fillStyle = { better: ink.accent, worse: ink.warm }[one.claim] ?? ink.quiet;
          context.lineWidth = 4;
          context.beginPath();
          context.moveTo(x(one.low), middle);
          context.lineTo(x(one.high), middle);
          context.stroke();
          context.beginPath();
          context.arc(x(one.lead), middle, Math.min(8, 0.3 * row), 0, 7);
          context.fill();
        });
      },
      "The lead of the entropy-informed split in every study, with its interval",
    );
    const draw = () => {
      view.redraw();
      if (!voted) return stage.say(`Vote: in our ${studies.length} short studies, does it beat the best other split?`);
      const [ahead, behind] = ["better", "worse"].map((claim) => studies.filter((s) => s.claim === claim).length);
      const unclear = studies.length - ahead - behind,
        [, guess] = ANSWERS.find(([key]) => key === stage.choice) ?? [];
      stage.say(
        `${guess ? `You said ${guess}. Counted` : "Counted"}: ${ahead} clearly ahead, ${behind} clearly behind, ${unclear} unclear.`,
      );
    };
    const vote = choices(
      "Your vote",
      ANSWERS,
      (key) => {
        voted = true;
        stage.choose(key);
        draw();
      },
      stage.choice,
    );
    stage.host.append(
      el(
        "p",
        { className: "caption" },
        `Lead in bits per value over the best rival, picked afterwards${always}; 95 % interval; grey: unclear after correction. In ${weighted} of ${studies.length} rows the split has channel weights too, the rival never.`,
      ),
      vote.row,
    );
    draw();
    return { stop: () => view.stop() };
  },
};
