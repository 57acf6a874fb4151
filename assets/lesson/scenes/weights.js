// Scene 9: a clean and a grainy picture side by side, with weights of their own or with frozen ones; their bits answer.
import { animate, choices, colours, ease, el, minus, mixed, picture, surface } from "../draw.js";
import { normals, squeeze } from "../flow.js";

/** Grain in grey levels that is added to the second picture, and the seed of it. */
const GRAIN = 16,
  SEED = 77;
/** Seconds in which bars grow or change. */
const TURN_S = 0.5;
const KINDS = [
  ["own", "own weights"],
  ["frozen", "frozen"],
];

export const weighting = {
  number: 9,
  short: "Weights by picture",
  title: "Each picture sets its own weights.",
  keepsChoice: true,
  notes: "Compare the weights of both pictures. Then freeze them at their averages: which picture pays more?",
  asked:
    "A coupling’s network reads one half of the channels. Each channel is first multiplied by a weight, computed from " +
    "this picture: from the entropies of the channels that the coupling leaves unchanged, so the way back finds the same " +
    "weights. Shown is the coupling whose weights answer grain most. Frozen: all weights of the flow are replaced by " +
    "their averages over 256 test pictures, without training again; bits are computed here, by the whole flow. A flow " +
    "that is trained without weights loses less than a frozen one: scene 11 has that comparison.",
  more: { page: "weights", query: { level: "1" } },
  cannot: ({ pack }) =>
    pack.head.flow.weights
      ? null
      : "No coupling of this flow weights its channels by the picture; the bundled flow’s do.",

  build(stage) {
    const { flow, pack } = stage,
      { averages, level: place, step: k } = pack.head.flow.weights,
      level = flow.levels[place - 1],
      frozen = flow.frozen(averages),
      x = flow.dequantise(stage.images[stage.image].bytes),
      noise = normals(SEED, x.length);
    /** The weights of what the network of the coupling reads. */
    const read = (values) => {
      let input = values,
        half = null;
      for (const each of flow.levels.slice(0, place)) {
        input = squeeze(input, 2 * each.height, 2 * each.width, each.channels / 4);
        if (each !== level) input = each.forward(input).kept;
      }
      level.run(input, ({ number, a }) => {
        if (number === k) half = a;
      });
      return [...level.couplingWeights(level.steps[k], half).read];
    };
    const bitsOf = (one, values) => one.bitsPerDim(one.encode(values));
    const shown = [
      ["clean", x],
      ["grainy", x.map((v, i) => v + (GRAIN / 256) * noise[i])],
    ].map(([name, values]) => ({
      name,
      canvas: picture(Uint8Array.from(flow.quantise(values)), pack.head.shape),
      own: { bits: bitsOf(flow, values), read: read(values) },
      frozen: { bits: bitsOf(frozen, values), read: averages[place - 1][k].read },
    }));
    const most = 1.08 * Math.max(...shown.flatMap(({ own, frozen }) => [own.bits, frozen.bits])),
      costs = Math.max(...shown.map(({ own, frozen }) => Math.abs(frozen.bits - own.bits)), 1e-6),
      /** A channel's weight against that of the average picture. */
      apart = ({ own, frozen }, c) => own.read[c] / frozen.read[c] - 1,
      furthest = Math.max(0.05, ...shown.flatMap((one) => one.own.read.map((_, c) => Math.abs(apart(one, c)))));
    let kind = stage.choice === "frozen" ? "frozen" : "own",
      /** How much of the bars has grown, and how far they are from own weights (0) to frozen ones (1). */
      grown = 1,
      turned = kind === "frozen" ? 1 : 0,
      stop = () => {};
    const room = el("div", { className: "room" });
    stage.host.append(
      room,
      el("p", { className: "caption" }, "A grainy picture needs another network than a clean one; weights make it."),
    );
    const view = surface(
      room,
      (context, width, height) => {
        const ink = colours(stage.stage),
          small = width < 640,
          line = 1.3 * ink.size,
          [wide, tall] = small ? [width, (height - 16) / 2] : [(width - 56) / 2, height];
        context.font = `${ink.size}px ${ink.sans}`;
        shown.forEach(({ name, canvas, own, frozen }, i) => {
          const x0 = small ? 0 : i * (wide + 56),
            y0 = small ? i * (tall + 16) : 0,
            side = Math.min(0.46 * wide, tall - 3.4 * line),
            left = x0 + side + 24,
            right = x0 + wide,
            foot = y0 + side;
          context.fillStyle = ink.quiet;
          context.textAlign = "left";
          context.drawImage(canvas, x0, y0, side, side);
          context.fillText(name, x0, foot + line - 4);
          // What the network reads, louder or softer than for the average picture; frozen, there is no difference.
          const zero = y0 + side / 2 + 0.6 * line,
            unit = (0.5 * side - 1.9 * line) / furthest,
            step = (right - left) / own.read.length,
            far = own.read.map((_, c) => Math.abs(apart(shown[i], c))),
            loudest = far.indexOf(Math.max(...far));
          context.fillText(small ? "weights" : "weights, against the average", left, y0 + ink.size, right - left);
          own.read.forEach((_, c) => {
            const v = apart(shown[i], c) * (1 - ease(turned)) * grown;
            context.fillStyle = v < 0 ? ink.warm : ink.accent;
            context.fillRect(left + c * step + 2, zero - Math.max(0, v) * unit, step - 4, Math.abs(v) * unit);
            if (c !== loudest) return;
            const text = `${v > 0.005 ? "+" : ""}${minus(Math.round(100 * v) || 0)} %`;
            context.fillStyle = ink.ink;
            const at = Math.min(left + c * step + 2, right - context.measureText(text).width);
            context.fillText(text, at, v < 0 ? zero - v * unit + ink.size : zero - v * unit - 6);
          });
          context.textAlign = "left";
          context.strokeStyle = ink.ink;
          context.lineWidth = 2;
          context.beginPath();
          context.moveTo(left, zero);
          context.lineTo(right, zero);
          context.stroke();
          // Its bits; below them, on a scale of its own, what freezing costs.
          const room = wide - (small ? 100 : 110),
            cost = (frozen.bits - own.bits) * ease(turned),
            bar = (y, bits, per, colour, text) => {
              context.fillStyle = colour;
              context.fillRect(x0, y, Math.max(2, Math.abs(bits) * per), 0.8 * line);
              context.fillStyle = ink.ink;
              context.font = `600 ${ink.size}px ${ink.sans}`;
              context.fillText(text, x0 + Math.abs(bits) * per + 10, y + 0.72 * line);
              context.font = `${ink.size}px ${ink.sans}`;
            };
          bar(foot + 1.15 * line, own.bits * grown, room / most, ink.quiet, `${own.bits.toFixed(2)} bits`);
          if (turned > 0)
            bar(
              foot + 2.1 * line,
              cost,
              (small ? 0.5 : 0.6) * (room / costs),
              cost > 0 ? ink.warm : ink.accent,
              `${cost > 0 ? "+" : ""}${minus(cost.toFixed(2))} frozen`,
            );
        });
      },
      "A clean and a grainy picture, the weights of one coupling for each, and their bits per value",
    );
    const say = () => {
      const [clean, grainy] = shown;
      if (kind === "own")
        return stage.say(
          `Own weights: ${clean.own.bits.toFixed(2)} bits per value clean, ${grainy.own.bits.toFixed(2)} grainy. Freeze them.`,
        );
      const [first, second] = [clean, grainy].map(({ own, frozen }) => frozen.bits - own.bits),
        bits = (v) => minus(v.toFixed(2));
      stage.say(
        second > first
          ? `Frozen: the clean picture costs ${bits(first)} bits more, the grainy one ${bits(second)}.`
          : `Frozen: the grainy picture costs ${bits(second)} bits more, the clean one even ${bits(first)}.`,
      );
    };
    const turn = (to) => {
      stop();
      kind = to;
      const first = turned,
        target = to === "frozen" ? 1 : 0;
      say();
      if (stage.reduced) {
        turned = target;
        return view.redraw();
      }
      stop = animate((s) => {
        turned = mixed(first, target, Math.min(1, s / TURN_S));
        view.redraw();
        return s < TURN_S;
      });
    };
    const switched = choices(
      "Weights",
      KINDS,
      (key) => {
        stage.choose(key);
        turn(key);
      },
      kind,
    );
    stage.host.append(switched.row);
    say();
    if (!stage.reduced)
      stop = animate((s) => {
        grown = ease(s / TURN_S);
        view.redraw();
        return s < TURN_S;
      });
    return {
      play: () => switched.pick(kind === "own" ? "frozen" : "own"),
      stop: () => {
        stop();
        view.stop();
      },
    };
  },
};
