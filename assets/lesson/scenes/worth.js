// Scene 11: the lead of the adaptive split against the training budget, over all bundled studies.
import { choices, colours, el, minus, number, surface } from "../draw.js";

const LEADS = [["ahead", "ahead"], ["unclear", "no clear difference"], ["behind", "behind"]];

export const worth = {
  number: 11,
  noPicture: true,
  short: "Is it worth it?",
  votes: LEADS,
  title: "Is the adaptive split worth it?",
  keepsChoice: true,
  notes: "Vote first. The adaptive split orders channels by entropy. Each dot is a study: that split against its strongest rival that does not look " +
    "at entropy, seed by seed; above the line it needs fewer bits per value. Studies of one budget stand side by side. Stumbling block: an interval that " +
    "excludes zero may be grey, since a claim counts only after all comparisons of its study are corrected together. The longest training here is short.",
  more: { page: "compare" },
  cannot: ({ pack }) => pack.head.studies?.length ? null : "There are no studies here.",

  build(stage) {
    const studies = [...stage.pack.head.studies].sort((a, b) => a.budget - b.budget), budgets = studies.map((one) => one.budget);
    const low = Math.min(0, ...studies.map((one) => one.low)), high = Math.max(0, ...studies.map((one) => one.high));
    let voted = stage.choice !== "";
    const room = el("div", { className: "room" });
    stage.host.append(room);
    const view = surface(room, (context, width, height) => {
      const ink = colours(stage.stage), left = 70, right = 20, top = 40, bottom = 34;
      const from = Math.log(budgets[0]) - 0.45, to = Math.log(budgets.at(-1)) + 0.45, span = high - low || 1;
      const x = (b) => left + (width - left - right) * (Math.log(b) - from) / (to - from), y = (v) => top + (height - top - bottom) * (high + 0.06 * span - v) / (1.12 * span);
      context.font = `${ink.size}px ${ink.sans}`;
      context.fillStyle = ink.quiet;
      context.strokeStyle = ink.ink;
      context.lineWidth = 2;
      context.beginPath();
      context.moveTo(left, y(0));
      context.lineTo(width - right, y(0));
      context.stroke();
      context.textAlign = "right";
      const step = [0.01, 0.02, 0.05, 0.1, 0.2].find((one) => span / one <= 5) ?? 0.5;
      for (let k = Math.ceil(low / step); k * step <= high; k++) context.fillText(minus((k * step).toFixed(2)), left - 8, y(k * step) + 6);
      context.textAlign = "center";                  // under the dots
      const end = Math.min(x(budgets.at(-1)), width - (width < 500 ? 70 : 130));
      for (const budget of new Set(budgets)) if (end - x(budget) > (width < 500 ? 100 : 160)) context.fillText(number(budget), x(budget), height - 6);
      context.fillText(`${number(budgets.at(-1))} ${width < 500 ? "images" : "training images seen"}`, end, height - 6);
      context.textAlign = "left";
      context.fillText(width < 500 ? "lead in bits/dim, 95 % interval" : "lead of the split by entropy over its strongest rival, bits/dim (95 % interval)", left, 20);
      if (!voted) return;
      const most = Math.max(...budgets.map((b) => budgets.filter((other) => other === b).length)), named = width > 900 && 96 * most < 0.45 * width, apart = named ? 96 : Math.min(22, width / 60);          // studies of one budget stand side by side
      for (const one of studies) {
        const same = studies.filter((other) => other.budget === one.budget), shift = (same.indexOf(one) - (same.length - 1) / 2) * apart;
        const at = Math.max(left + 8, Math.min(width - right - 8, x(one.budget) + shift));
        context.strokeStyle = context.fillStyle = { better: ink.accent, worse: ink.warm }[one.claim] ?? ink.quiet;
        context.lineWidth = 4;
        context.beginPath();
        context.moveTo(at, y(one.low));
        context.lineTo(at, y(one.high));
        context.stroke();
        context.beginPath();
        context.arc(at, y(one.lead), 8, 0, 7);
        context.fill();
        if (named) context.fillText(one.name.split(" ")[0], at + 14, y(one.lead) + 6);
      }
    }, "The lead of the adaptive split in every study, against the training budget");
    const draw = () => {
      view.redraw();
      if (!voted) return stage.say("Vote: after the longest training, is the split by entropy ahead?");
      const longest = studies.filter((s) => s.budget === budgets.at(-1));
      const claims = new Set(longest.map((s) => s.claim)), verdict = claims.size > 1 ? "mixed" : { better: "ahead", worse: "behind" }[[...claims][0]] ?? "no clear difference";
      const bits = (v) => minus(v.toFixed(3).replace(/^-(0\.0+)$/, "$1")), [least, most] = [Math.min, Math.max].map((end) => bits(end(...longest.map((s) => s.lead))));
      const [ahead, behind] = ["better", "worse"].map((claim) => studies.filter((s) => s.claim === claim).length);
      stage.say(`Longest training: ${verdict} (${least === most ? most : `${least} to ${most}`}). Of ${studies.length} studies, ${ahead} clearly ahead${behind ? `, ${behind} behind` : ""}.`);
    };
    const vote = choices("Your vote", LEADS, (key) => { voted = true; stage.choose(key); draw(); }, stage.choice);
    stage.host.append(el("p", { className: "caption" }, "Blue: clearly ahead. Orange: clearly behind. Grey: unclear, all comparisons of the study counted."), vote.row);
    draw();
    return { stop: () => view.stop() };
  },
};
