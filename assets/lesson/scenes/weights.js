// Scene 9: a picture beside itself with grain that is dragged, with weights of its own or with frozen ones; bits answer.
import {
  animate,
  choices,
  colours,
  ease,
  el,
  greyMap,
  minus,
  mixed,
  own as ownOf,
  picture,
  slider,
  surface,
} from "../draw.js";
import { cut, normals } from "../flow.js";

/** Grain in grey levels that is added to the second picture at first and at the most, and the seed of it. */
const GRAIN = 16,
  MOST = 24,
  SEED = 77;
/** Seconds in which bars grow or change. */
const TURN_S = 0.5;
const KINDS = [
  ["own", "own weights"],
  ["frozen", "frozen: the same for all"],
];

/** A picture's values with grain of so many grey levels. */
export function withGrain(values, grain = GRAIN) {
  const noise = normals(SEED, values.length);
  return values.map((v, i) => v + (grain / 256) * noise[i]);
}

/** What the coupling that answers grain most reads of a picture: its channels, which stay unchanged, and their weights. */
function readingOf({ flow, pack }, traces) {
  const { level: place, step } = pack.head.flow.weights,
    level = flow.levels[place - 1],
    [half] = cut(traces[place - 1].steps[step], level.channels, level.channels / 2);
  return { half, level, weights: [...level.couplingWeights(level.steps[step], half).read] };
}

/** How much louder than in the average picture each channel is read, as a share. */
function against({ pack }, weights) {
  const { averages, level, step } = pack.head.flow.weights;
  return weights.map((weight, c) => weight / averages[level - 1][step].read[c] - 1);
}

/** How much louder than in the average picture a coupling reads each channel of this one, as a share. */
export const louder = (stage, values) => against(stage, readingOf(stage, stage.flow.encode(values)).weights);

export const weighting = {
  number: 9,
  short: "Weights by picture",
  title: "Each picture sets the volume of its channels.",
  keepsChoice: true,
  notes: "Drag the grain: which channels are turned up? Then freeze the weights: which picture pays more?",
  asked:
    "A coupling’s network reads one half of the channels, each times its weight. The weights are computed from this " +
    "picture: from the entropies of the channels that the coupling leaves unchanged, so the way back finds the same " +
    "ones. They are no network parameters, which training sets once for all pictures. Shown is the coupling whose " +
    "weights answer grain most: in the bundled flow they alone tell a face’s grain with R² = 0.67 (fitted on 700 test " +
    "faces, checked on 300). Frozen: all weights of the flow are replaced by their averages over 256 test faces, without " +
    "training again. Over 1,000 faces that costs 0.07 bits per value clean and 0.14 with this grain: 1.5 and 2.0 % of " +
    "the file. A flow trained without weights loses less than a frozen one: scene 11 has that comparison.",
  more: { page: "weights", query: { level: "1" } },
  cannot: ({ pack }) =>
    pack.head.flow.weights
      ? null
      : "No coupling of this flow weights its channels by the picture; the bundled flow’s do.",

  build(stage) {
    const { flow, pack } = stage,
      frozen = flow.frozen(pack.head.flow.weights.averages),
      x = flow.dequantise(stage.images[stage.image].bytes);
    const measured = (name, values, traces = flow.encode(values)) => {
      const { half, level, weights } = readingOf(stage, traces),
        { middle, spread } = ownOf(half, weights.length),
        own = flow.bitsPerDim(traces);
      let cost = null;
      return {
        name,
        canvas: picture(Uint8Array.from(flow.quantise(values)), pack.head.shape),
        own,
        /** Bits that freezing costs, computed when they are asked for. */
        cost: () => (cost ??= frozen.bitsPerDim(frozen.encode(values)) - own),
        bars: against(stage, weights),
        maps: weights.map((_, c) => greyMap(half, weights.length, c, level.height, level.width, middle[c], spread[c])),
      };
    };
    const grainy = (grain) => measured("with grain", withGrain(x, grain));
    const shown = [measured("clean", x, stage.traces), grainy(GRAIN)],
      /** What both axes have to hold. */
      held = [...shown, grainy(MOST)];
    const mostCost = () => 1.2 * Math.max(...held.map(({ cost }) => Math.abs(cost())), 1e-6),
      highest = Math.max(0.05, ...held.flatMap(({ bars }) => bars)),
      deepest = Math.min(0, ...held.flatMap(({ bars }) => bars));
    let kind = stage.choice === "frozen" ? "frozen" : "own",
      /** How much of the bars has grown, and how far they are from own weights (0) to frozen ones (1). */
      grown = 1,
      turned = kind === "frozen" ? 1 : 0,
      stop = () => {};
    const room = el("div", { className: "room" }),
      caption = el("p", { className: "caption" });
    stage.host.append(room, caption);
    const view = surface(
      room,
      (context, width, height) => {
        const ink = colours(stage.stage),
          small = width < 640,
          line = 1.3 * ink.size,
          [wide, tall] = small ? [width, (height - 16) / 2] : [(width - 56) / 2, height];
        context.font = `${ink.size}px ${ink.sans}`;
        shown.forEach(({ name, canvas, own, cost: costOf, maps, bars }, i) => {
          const x0 = small ? 0 : i * (wide + 56),
            y0 = small ? i * (tall + 16) : 0,
            side = Math.min(0.46 * wide, tall - 3.4 * line),
            left = x0 + side + 24,
            right = x0 + wide,
            foot = y0 + side,
            step = (right - left) / bars.length,
            map = Math.min(step - 4, 0.2 * side);
          context.fillStyle = ink.quiet;
          context.textAlign = "left";
          context.drawImage(canvas, x0, y0, side, side);
          const bits = turned ? own + ease(turned) * costOf() : own;
          context.fillText(`${name}: ${bits.toFixed(2)} bits per value`, x0, foot + line - 4);
          // Each channel that the network reads; above it, in per cent, how much louder or softer than usual.
          const top = y0 + 2.4 * ink.size,
            bottom = foot - map - (deepest < 0 ? 1.4 * ink.size : 6),
            unit = (bottom - top) / (highest - deepest),
            zero = top + highest * unit;
          context.fillText(small ? "weight, %" : "weight, % above usual", left, y0 + 0.8 * ink.size, right - left);
          bars.forEach((far, c) => {
            const v = far * (1 - ease(turned)) * grown,
              x = left + c * step,
              high = Math.abs(v) * unit,
              percents = Math.round(100 * v) || 0;
            context.drawImage(maps[c], x + (step - map) / 2, foot - map, map, map);
            context.fillStyle = v < 0 ? ink.warm : ink.accent;
            context.fillRect(x + 3, v < 0 ? zero : zero - high, step - 6, high);
            context.fillStyle = ink.ink;
            context.textAlign = "center";
            if (!small || percents)
              context.fillText(
                `${percents > 0 ? "+" : ""}${minus(percents)}`,
                x + step / 2,
                v < 0 ? zero + high + ink.size : zero - high - 6,
                step,
              );
          });
          context.textAlign = "left";
          context.strokeStyle = ink.ink;
          context.lineWidth = 2;
          context.beginPath();
          context.moveTo(left, zero);
          context.lineTo(right, zero);
          context.stroke();
          // What freezing costs, on one scale for both pictures.
          if (!turned) return;
          const cost = costOf(),
            costs = mostCost(),
            per = (wide - (small ? 190 : 330)) / costs,
            long = Math.min(1, Math.abs(cost) / costs) * costs * ease(turned) * per,
            share = (100 * cost) / own,
            y = foot + 1.4 * line;
          context.fillStyle = cost > 0 ? ink.warm : ink.accent;
          context.fillRect(x0, y, Math.max(2, long), 0.9 * line);
          context.fillStyle = ink.ink;
          context.font = `600 ${ink.size}px ${ink.sans}`;
          context.fillText(
            `${cost > 0 ? "+" : ""}${minus(cost.toFixed(2))} bits, ${minus(share.toFixed(1))} % ${small ? "" : "more"}`,
            x0 + long + 10,
            y + 0.72 * line,
          );
          context.font = `${ink.size}px ${ink.sans}`;
        });
      },
      "A clean and a grainy picture, the channel weights of one coupling for each, and what freezing them costs",
    );
    const say = () => {
      caption.textContent =
        kind === "own"
          ? "So networks, which see small patches, learn how grainy the whole picture is."
          : "Frozen: every picture is read as the average one would be.";
      if (kind === "own")
        return stage.say("Before a network reads a channel, a weight computed from this picture multiplies it.");
      const [clean, grainy] = shown.map(({ cost }) => minus(cost().toFixed(2)));
      stage.say(`Frozen: the clean picture costs ${clean} bits per value more, the grainy one ${grainy}.`);
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
    const grain = slider({
      label: "Grain",
      max: MOST,
      step: 1,
      value: GRAIN,
      text: (v) => `${v} of 255`,
      onmove: (v) => {
        shown[1] = grainy(v);
        view.redraw();
        say();
      },
    });
    stage.host.append(el("div", { className: "beats" }, switched.row, grain.row));
    say();
    if (!stage.reduced)
      stop = animate((s) => {
        grown = ease(s / TURN_S);
        view.redraw();
        return s < TURN_S;
      });
    const ahead = setTimeout(mostCost, 1500 * TURN_S);
    return {
      play: () => switched.pick(kind === "own" ? "frozen" : "own"),
      stop: () => {
        clearTimeout(ahead);
        stop();
        view.stop();
      },
    };
  },
};
