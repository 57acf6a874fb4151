// Scene 8: grain is added to the picture, and the weights of a coupling answer.
import { choices, colours, el, greyMap, minus, own, picture, slider, surface } from "../draw.js";
import { normals, squeeze } from "../flow.js";

/** Grain in grey levels that the slider adds. */
const FROM = 0,
  TO = 12;
/** Milliseconds of rest after which the cost of frozen weights is worked out: it takes the whole flow, twice. */
const REST = 60;
/** A mean change of the weights below this is no answer. */
const LEAST = 0.01;

const NETWORK = "A coupling’s network reads one half and gives a scale and a shift for each channel of the other. ",
  BARS =
    "A weight, computed from this picture, multiplies each of these. Bar: its change when grain is added, in % of " +
    "their mean size.";

/** How opaque the bar of one weight is; the line of their mean is not. */
const BAR_ALPHA = 0.75;

const GUESSES = [
  ["more", "listens more"],
  ["same", "does not care"],
  ["less", "listens less"],
];

export const weighting = {
  number: 8,
  short: "Weights by picture",
  votes: GUESSES,
  title: "Each picture sets its own weights.",
  keepsChoice: true,
  notes:
    "A coupling's network reads one half of the channels to predict the other. Each channel is first multiplied by a " +
    "weight, computed from this picture: from the entropies of its channels, here by how far their values spread. Ask " +
    "before you slide: if we add fine noise, will the network listen to these channels more, less, or not care?",
  asked:
    "A weight is no learned parameter: the flow computes it for every picture, from the entropies of the channels " +
    "that the coupling leaves unchanged, so that the way back can compute it again. Bars show how each weight " +
    "differs from that of the picture without added grain. Left: the channels that the network reads. Right: what it " +
    "gives, a scale and a shift for each channel of the other half, which explains twelve from six. This is the " +
    "coupling whose weights answer grain most; others move less, and some fall. Nothing but training told it to " +
    "listen more. Noise that is stronger costs bits, as in scene 4. The cost is for this picture: all weights of the " +
    "flow are replaced by their averages over pictures.",
  more: { page: "weights", query: { level: "1" } },
  cannot: ({ pack }) =>
    pack.head.flow.weights
      ? null
      : "No coupling of this flow weights its channels by the picture; the bundled flow’s do.",

  build(stage) {
    const { flow, pack } = stage,
      { averages, level: place, step: k, risen: pictures, images } = pack.head.flow.weights,
      level = flow.levels[place - 1],
      half = level.channels / 2,
      frozen = flow.frozen(averages),
      { bytes, grain = 0 } = stage.images[stage.image],
      x = flow.dequantise(bytes),
      noise = normals(77, x.length);
    const grained = (sigma) => x.map((v, i) => v + (sigma / 256) * noise[i]);
    // The picture's own grain counts too, where it is known; independent grains add as squares.
    const loudness = (sigma) => Math.hypot(grain, sigma);
    /** What the coupling sees, and its weights. */
    const lookAt = (sigma) => {
      let input = grained(sigma),
        seen = null;
      for (const each of flow.levels.slice(0, place)) {
        input = squeeze(input, 2 * each.height, 2 * each.width, each.channels / 4);
        if (each !== level) input = each.forward(input).kept;
      }
      level.run(input, (one) => {
        if (one.number === k) seen = one;
      });
      const weights = level.couplingWeights(level.steps[k], seen.a);
      return { ...seen, all: [...weights.read, ...weights.given] };
    };
    /**
     * Where all weights of the flow are their averages: what the picture costs more, in bits a value, and by what
     * factor its noise is stronger.
     */
    const frozenAt = (sigma) => {
      const [theirs, own] = [frozen, flow].map((one) => one.encode(grained(sigma)));
      const power = (traces) => traces.reduce((sum, { noise }) => sum + noise.reduce((all, v) => all + v * v, 0), 0);
      return {
        cost: frozen.bitsPerDim(theirs) - flow.bitsPerDim(own),
        stronger: Math.sqrt(power(theirs) / power(own)) - 1,
      };
    };
    const base = lookAt(FROM),
      count = base.all.length;
    let sigma = FROM,
      rest = 0,
      now = base,
      voted = stage.choice !== "";
    const shown = el("canvas", { role: "img", "aria-label": "The picture with grain" }),
      caption = el("figcaption", {}),
      told = el("p", { className: "caption" }),
      room = el("div", { className: "room" });
    stage.host.append(el("div", { className: "pair" }, el("figure", {}, shown, caption), room));
    /** The bars stand in groups, with a gap between: what is read, and of what is given the scales and the shifts. */
    const outputs = count - half,
      groups = [
        { from: 0, to: half, name: `it reads ${half} channels`, short: `reads ${half}` },
        ...(outputs === 2 * half
          ? [
              { from: half, to: 2 * half, name: `it gives ${half} scales`, short: `${half} scales` },
              { from: 2 * half, to: count, name: `and ${half} shifts`, short: `${half} shifts` },
            ]
          : [{ from: half, to: count, name: `it gives ${outputs} shifts`, short: `${outputs} shifts` }]),
      ];
    /** The mean size of the weights of a side: one weight may be 0 or below, so none is a measure of its own change. */
    const sizes = [base.all.slice(0, half), base.all.slice(half)].map(
      (side) => side.reduce((sum, weight) => sum + Math.abs(weight), 0) / side.length || 1,
    );
    const change = (j) => (now.all[j] - base.all[j]) / sizes[j < half ? 0 : 1];
    const risen = `With grain the mean weight of what it reads rises in ${pictures} of ${images} test pictures. `;
    /** The mean change of the weights of what is read. */
    const heard = () => read.reduce((sum, _, j) => sum + change(j), 0) / half;
    const cardsOf = (values) => {
      const of = own(values, half);
      return Array.from({ length: half }, (_, c) =>
        greyMap(values, half, c, level.height, level.width, of.middle[c], of.spread[c]),
      );
    };
    const read = cardsOf(base.a),
      other = cardsOf(base.b),
      cards = [...read, ...Array.from({ length: count - half }, (_, j) => other[j % half])];
    const view = surface(
      room,
      (context, width, height) => {
        const ink = colours(stage.stage),
          gap = 0.6,
          cell = width / (count + gap * (groups.length - 1)),
          line = 1.25 * ink.size,
          side = Math.max(8, cell - 4),
          top = 2 * line,
          foot = height - side - 6,
          middle = (top + foot) / 2,
          most = Math.max(0.1, ...now.all.map((_, j) => Math.abs(change(j)))),
          scale = (foot - top - 2 * line) / 2 / most;
        const at = (j) => (j + gap * groups.findIndex(({ to }) => j < to)) * cell;
        const loudest = (from, to) => {
          const places = Array.from({ length: to - from }, (_, i) => from + i);
          return places.reduce((a, b) => (Math.abs(change(b)) > Math.abs(change(a)) ? b : a));
        };
        const named = new Set(
          cell > 2 * ink.size ? now.all.keys() : groups.slice(1).map(({ from, to }) => loudest(from, to)),
        );
        context.font = `${ink.size}px ${ink.sans}`;
        context.textAlign = "left";
        const tight = groups.some(({ from, to, name }) => context.measureText(name).width > (to - from) * cell);
        for (const { from, to, name, short } of groups) {
          context.fillStyle = from ? ink.warm : ink.accent;
          context.fillText(tight ? short : name, at(from), ink.size, (to - from) * cell);
        }
        context.textAlign = "center";
        for (let j = 0; j < count; j++) {
          const h = voted ? change(j) * scale : 0,
            middleOf = at(j) + side / 2;
          context.fillStyle = j < half ? ink.accent : ink.warm;
          context.globalAlpha = BAR_ALPHA;
          context.fillRect(at(j), Math.min(middle, middle - h), side, Math.max(3, Math.abs(h)));
          context.globalAlpha = 1;
          context.drawImage(cards[j], at(j), foot + 4, side, side);
          if (!voted || !named.has(j) || sigma === FROM) continue;
          context.fillStyle = ink.ink;
          const text = minus((change(j) > 0 ? "+" : "") + (Math.round(100 * change(j)) || 0)),
            room = context.measureText(text).width / 2;
          context.fillText(
            text,
            Math.min(Math.max(middleOf, room), width - room),
            h > 0 ? middle - h - 6 : middle - h + ink.size + 4,
          );
        }
        context.strokeStyle = ink.ink;
        context.lineWidth = 2;
        context.beginPath();
        context.moveTo(0, middle);
        context.lineTo(width, middle);
        context.stroke();
        if (!voted || sigma === FROM) return;
        // The answer: the mean of what is read.
        const mean = heard(),
          y = middle - mean * scale,
          end = at(half - 1) + side;
        context.strokeStyle = ink.accent;
        context.setLineDash([8, 5]);
        context.lineWidth = 3;
        context.beginPath();
        context.moveTo(0, y);
        context.lineTo(end, y);
        context.stroke();
        context.setLineDash([]);
        context.font = `600 ${ink.size}px ${ink.sans}`;
        context.textAlign = "left";
        context.fillStyle = ink.ink;
        const words = `mean ${minus(`${mean > 0 ? "+" : ""}${Math.round(100 * mean)}`)} %`;
        context.fillText(words, 0, mean > 0 ? middle + ink.size + 6 : middle - 8, end);
      },
      "The change of every weight of one coupling against the picture without added grain",
    );
    const draw = () => {
      picture(Uint8Array.from(flow.quantise(grained(sigma))), pack.head.shape, shown);
      caption.textContent = `${loudness(sigma).toFixed(1)} grey levels of fine noise (grain)${grain ? "" : " added"}`;
      told.replaceChildren(el("span", { className: "wide" }, NETWORK), BARS);
      if (!voted) return stage.say("Guess: we add grain. What does the network do with grainy channels?");
      now = sigma === FROM ? base : lookAt(sigma);
      view.redraw();
      if (sigma === FROM) return stage.say("Slide to add grain; the weights answer at once.");
      const mean = heard(),
        percent = Math.round(100 * Math.abs(mean)),
        right = Math.abs(mean) < LEAST ? "same" : mean > 0 ? "more" : "less",
        what = right === "same" ? "with grain it does not care" : `with grain it listens ${percent} % ${right}`,
        answer = `${stage.choice === right ? "Yes" : "No"}: ${what}`;
      stage.say(`${answer}.`);
      clearTimeout(rest);
      rest = setTimeout(() => {
        const { cost, stronger } = frozenAt(sigma);
        stage.say(
          `${answer}; frozen weights ${cost < 0 ? "save" : "cost"} ${Math.abs(cost).toFixed(2)} bits per value.`,
        );
        const much = `${Math.round(100 * Math.abs(stronger))} % ${stronger < 0 ? "weaker" : "stronger"}`;
        told.replaceChildren(
          el(
            "span",
            { className: "wide" },
            "The half that does not change gives the weights: the way back finds the same. ",
          ),
          `${risen}The weights tell the network how grainy this picture is. `,
          el("span", { className: "wide" }, `Frozen at averages, without retraining, they leave its noise ${much}.`),
        );
      }, REST);
    };
    const control = slider({
      label: "Grain",
      min: FROM,
      max: TO,
      step: 0.1,
      value: FROM,
      text: (v) => `+${v.toFixed(1)}`,
      onmove: (v) => {
        sigma = v;
        draw();
      },
    });
    const reveal = () => {
      control.input.disabled = false;
      sigma = TO;
      control.input.value = TO;
      control.show();
    };
    const vote = choices(
      "Your guess",
      GUESSES,
      (key) => {
        voted = true;
        stage.choose(key);
        reveal();
        draw();
      },
      stage.choice,
    );
    control.input.disabled = true;
    stage.host.append(told, vote.row, control.row);
    if (voted) reveal();
    draw();
    return {
      stop: () => {
        clearTimeout(rest);
        view.stop();
      },
    };
  },
};
