// Scene 9: a second network looks at the whole picture and sets the weights of channels, which make the couplings'
// networks. A clean and a grainy picture stand beside each other; their weights are swapped, or frozen at an average.

import { addedUp, BREADTH, normal } from "../curve.js";
import { animate, choices, colours, ease, el, minus, mixed, picture, slider, surface } from "../draw.js";
import { cut, normals, total } from "../flow.js";
import { STRETCHING, UNUSUAL } from "./count.js";

/** Grain in grey levels that is usual for the second picture, the most, and the seed of it. */
const GRAIN = 16,
  MOST = 24,
  SEED = 77;
/** Seconds in which weights find their network, in which the clean picture is alone, and in which grain rises. */
const TURN_S = 0.7,
  CLEAN_S = 2,
  RISE_S = 2;
/** The scale of a weight, the same for all pictures: shares above the average. */
const ABOVE = [-0.3, 0.7];
/** A change of a weight, or of an error, that is worth a word. */
const HEARD = 0.05;
/** Whose weights make a picture's networks: its own, the other one's, or the average of many. */
const KINDS = [
  ["own", "own weights"],
  ["swapped", "swapped"],
  ["frozen", "frozen: average"],
];

/** A picture's values with grain of so many grey levels. */
function withGrain(values, grain = GRAIN) {
  const noise = normals(SEED, values.length);
  return values.map((v, i) => v + (grain / 256) * noise[i]);
}

/** What a step of a level reads: the half of its channels that stays as it is. */
function readBy(level, trace, number) {
  const [half] = cut(trace.steps[number], level.channels, level.channels / 2);
  return { half, level, step: level.steps[number] };
}

/** The coupling that answers grain most, and what it reads. */
function readingOf({ flow, pack }, traces) {
  const { level: place, step: number } = pack.head.flow.weights;
  return readBy(flow.levels[place - 1], traces[place - 1], number);
}

/** The weights of every coupling for a picture, by level and step. */
const weightsOf = (flow, traces) =>
  flow.levels.map((level, l) =>
    level.steps.map((step, k) => level.couplingWeights(step, readBy(level, traces[l], k).half)),
  );

/** How far two lists of weights lie apart: the mean of |log(a / b)| over what couplings read. */
function apart(first, second) {
  const all = first.flatMap((steps, l) =>
    steps.flatMap((one, k) => (one ? [...one.read].map((v, c) => Math.abs(Math.log(v / second[l][k].read[c]))) : [])),
  );
  return total(all) / all.length;
}

/** How much louder than in the average picture a coupling reads each channel, as a share. */
function against({ pack }, { half, level, step }) {
  const { averages, level: place, step: number } = pack.head.flow.weights,
    { read } = level.couplingWeights(step, half);
  return [...read].map((weight, c) => weight / averages[place - 1][number].read[c] - 1);
}

/**
 * A picture clean and with grain, and how high bars of its weights stand, from 0 to 1: 0.35 is the average, 1 the weight
 * that is farthest from it. Nothing where a flow has no weights.
 */
export function cleanAndGrainy({ flow, pack }, bytes) {
  if (!pack.head.flow.weights) return [];
  const x = flow.dequantise(bytes),
    pictures = [x, withGrain(x)],
    all = pictures.map((values) => against({ pack }, readingOf({ flow, pack }, flow.encode(values)))),
    most = Math.max(...all.flat().map(Math.abs));
  return pictures.map((values, i) => ({
    canvas: picture(Uint8Array.from(flow.quantise(values)), pack.head.shape),
    bars: all[i].map((bar) => mixed(0.35, bar < 0 ? 0.05 : 1, Math.abs(bar) / most)),
  }));
}

/** Draw one of them as a square from (left, top), with its bars beside it up to right. */
export function pictureAndBars(context, { canvas, bars }, { left, top, side, right, colour }) {
  const from = left + side + 10,
    step = (right - from) / bars.length;
  context.drawImage(canvas, left, top, side, side);
  context.fillStyle = colour;
  bars.forEach((bar, c) => {
    context.fillRect(from + (c + 0.1) * step, top + side * (1 - bar), 0.8 * step, side * bar);
  });
}

/** A written number with its sign. */
const withSign = (text) => (text.startsWith("−") ? text : `+${text}`);
/** How much further noise is stretched, in bits. */
const further = (bits) => `${Math.abs(bits).toFixed(2)} bits ${bits < 0 ? "less" : "further"}`;
const signed = (share) => `${share > 0 ? "+" : ""}${minus(Math.round(100 * share) || 0)}`;
/** What errors are expected, beside what should be: the larger, the further noise is stretched. */
const wrongly = ({ stretch }, own) => (stretch > own.stretch ? "too large" : "too small");

export const weighting = {
  number: 9,
  short: "Weights by picture",
  title: "Each picture sets its own weights.",
  keepsChoice: true,
  notes: "Drag the grain, then swap the weights: why does it cost bits?",
  asked:
    "A coupling’s network reads half of the channels, each times its weight. A second " +
    "network computes the weights from the entropies of these channels, which the coupling leaves unchanged: the way back " +
    "finds the same weights. Entropy here is that of a Gaussian as loud as the channel: unlike in scene 7, loudness counts. Bars " +
    "are of the coupling that answers grain most; bits are of the whole flow. Frozen: all weights are " +
    "averages over 256 test faces, without training again. Over 1,000 faces that costs 0.07 bits per value clean and 0.14 with " +
    "this grain. A flow trained without weights loses less: see scene 11.",
  more: { page: "weights", query: { level: "1" } },
  cannot: ({ pack }) =>
    pack.head.flow.weights
      ? null
      : "No coupling of this flow weights its channels by the picture; the bundled flow’s do.",

  build(stage) {
    const { flow, pack, images, image } = stage,
      frozen = flow.frozen(pack.head.flow.weights.averages),
      noun = pack.head.faces && images[image].number !== "own" ? "face" : "picture",
      x = flow.dequantise(images[image].bytes);
    /** What a flow makes of a picture's values: bits, and their two parts. */
    const made = (one, values, traces = one.encode(values)) => {
      const { stretch, noise } = one.running(traces, pack.head.flow.rest).at(-1);
      return { stretch, noise, bits: stretch + noise };
    };
    /** A picture with its own weights; what others make of it is worked out when it is asked for. */
    const measured = (name, values, traces = flow.encode(values)) => {
      return {
        name,
        canvas: picture(Uint8Array.from(flow.quantise(values)), pack.head.shape),
        values,
        traces,
        bars: against(stage, readingOf(stage, traces)),
        own: made(flow, values, traces),
        swapped: null,
        frozen: null,
      };
    };
    const clean = measured("clean", x, stage.traces);
    let shown = [clean],
      kind = KINDS.some(([key]) => key === stage.choice) ? stage.choice : "own",
      /** Where arrows and bits come from, and how far they are on their way to what is chosen. */
      before = kind,
      turned = 1,
      stop = () => {};
    /** Work out what is shown. */
    const workOut = () => {
      shown.forEach((one, i) => {
        const other = shown[1 - i];
        if (kind === "frozen") one.frozen ??= made(frozen, one.values);
        if (kind === "swapped" && other) one.swapped = made(flow.frozen(weightsOf(flow, other.traces)), one.values);
      });
    };
    const under = (one, key) => one[key] ?? one.own;
    /** The channel whose weight grain changes most, and by how much. */
    const strongestOf = () => {
      const changes = (shown[1] ?? clean).bars.map((v, c) => Math.abs(v - clean.bars[c])),
        change = Math.max(...changes);
      return { channel: change ? changes.indexOf(change) : -1, change };
    };
    const room = el("div", { className: "room" }),
      caption = el("p", { className: "caption" });
    stage.host.append(room, caption);
    const view = surface(
      room,
      (context, width, height) => {
        const ink = colours(stage.stage),
          small = width < 900,
          size = (width < 1000 ? 0.75 : 1) * ink.size,
          line = 1.3 * size,
          n = clean.bars.length,
          gap = small ? 20 : 2 * size,
          box = small ? 0 : 0.215 * width,
          last = small ? 7 * size : 0.13 * width,
          cross = small ? 36 : 0.075 * width,
          tall = (height - line) / 2 - 8,
          side = Math.min(0.2 * width, tall - 1.5 * line),
          second = side + gap, // the weights
          wide = width - second - cross - box - (box ? gap : 0) - last,
          third = second + wide + cross, // the networks that they make
          fourth = width - last, // what they cost
          step = wide / n,
          { channel: strongest } = strongestOf(),
          now = ease(turned);
        const write = (text, x, y, colour = ink.ink, weight = 400, px = size) => {
          context.fillStyle = colour;
          context.font = `${weight} ${px}px ${ink.sans}`;
          context.fillText(text, x, y);
        };
        const arrow = (colour, [u, v], [x, y]) => {
          const along = Math.atan2(y - v, x - u),
            back = (by) => [x + 10 * Math.cos(along + by), y + 10 * Math.sin(along + by)];
          context.strokeStyle = colour;
          context.lineWidth = 3;
          context.beginPath();
          context.moveTo(u, v);
          context.lineTo(x, y);
          context.moveTo(...back(0.8 * Math.PI));
          context.lineTo(x, y);
          context.lineTo(...back(-0.8 * Math.PI));
          context.stroke();
        };
        const topOf = (i) => line + i * (tall + 8) + 6,
          middleOf = (i) => topOf(i) + side / 2,
          /** Where the weights of a picture's networks come from. */
          sourceOf = (key, i) =>
            key === "frozen" ? (middleOf(0) + middleOf(1)) / 2 : middleOf(key === "swapped" ? 1 - i : i);
        context.textAlign = "left";
        write(small ? "weights, %" : `weights, % above an average ${noun}’s`, second, size, ink.quiet);
        context.textAlign = small ? "left" : "center";
        write(small ? "bits" : "expected errors", small ? fourth : third + box / 2, size, ink.quiet);
        context.textAlign = "left";
        if (!small) write("bits per value", fourth, size, ink.quiet);
        if (shown.length < 2) write("Drag the grain: the same picture, noisier.", 0, middleOf(1), ink.quiet);
        if (kind === "frozen") {
          context.textAlign = "right";
          write(
            small ? "average" : `average of ${pack.head.flow.weights.images} pictures`,
            third - cross - 4,
            sourceOf("frozen") + 0.35 * size,
          );
        }
        shown.forEach((one, i) => {
          const y0 = topOf(i),
            middle = middleOf(i);
          context.textAlign = "left";
          context.drawImage(one.canvas, 0, y0, side, side);
          write(one.name, 0, y0 + side + 1.1 * size);
          arrow(ink.accent, [side + 4, middle], [second - 4, middle]);
          // The weight of each channel; that which grain changes most by its number.
          const top = y0 + size,
            unit = (side - 2.4 * size) / (ABOVE[1] - ABOVE[0]),
            zero = top + ABOVE[1] * unit;
          context.globalAlpha = kind === "frozen" ? 0.35 : 1;
          context.textAlign = "center";
          one.bars.forEach((far, c) => {
            const at = second + c * step,
              v = Math.max(ABOVE[0], Math.min(ABOVE[1], far)),
              strong = c === strongest ? 700 : 400;
            context.fillStyle = v < 0 ? ink.warm : ink.accent;
            context.fillRect(at + 3, zero - Math.max(0, v * unit), step - 6, Math.abs(v * unit));
            if (strong > 400)
              write(signed(far), at + step / 2, v < 0 ? zero - v * unit + size : zero - v * unit - 5, ink.ink, strong);
            write(String(c + 1), at + step / 2, y0 + side - 0.2 * size, ink.quiet, strong);
          });
          context.fillStyle = ink.ink;
          context.fillRect(second, zero - 1, wide, 2);
          context.globalAlpha = 1;
          // From the weights to the networks that they make.
          const right = kind === "own",
            from = mixed(sourceOf(before, i), sourceOf(kind, i), now);
          arrow(right ? ink.accent : ink.warm, [third - cross + 6, from], [third - 4, middle]);
          const { stretch, noise, bits } = under(one, kind);
          if (box) {
            const [, ...parts] = right
              ? addedUp([stretch, noise], 2)
              : addedUp([stretch - one.own.stretch, noise - one.own.noise], 2).map(withSign);
            // As in scene 4: the curve of expected errors over the grey levels that noise is stretched to, of 256.
            const spread = (2 ** stretch / BREADTH / 256) * box,
              [center, foot, peak] = [third + box / 2, y0 + side - 2.5 * line, side - 2.9 * line];
            context.save();
            context.beginPath();
            context.rect(third, y0, box, side);
            context.clip();
            context.beginPath();
            for (let x = -box / 2; x <= box / 2; x++)
              context.lineTo(center + x, foot - (peak * normal(x / spread)) / normal(0));
            context.fillStyle = ink.warm;
            context.globalAlpha = 0.25;
            context.fill();
            context.globalAlpha = 1;
            context.fillRect(center - (BREADTH * spread) / 2, foot - 1, BREADTH * spread, 5);
            context.restore();
            context.textAlign = "right";
            write(`${Math.round(2 ** stretch)} grey levels`, third + box - 8, y0 + size, ink.quiet, 400, 0.75 * size);
            context.strokeStyle = right ? ink.accent : ink.warm;
            context.lineWidth = 3;
            context.strokeRect(third, y0, box, side);
            [STRETCHING, UNUSUAL].forEach((name, part) => {
              const y = y0 + side + (part - 1.35) * line;
              context.textAlign = "left";
              write(name, third + 10, y);
              context.textAlign = "right";
              write(parts[part], third + box - 10, y, ink.ink, 700);
            });
            arrow(ink.ink, [third + box + 4, middle], [fourth - 6, middle]);
          }
          // What the picture costs, and how much more than with its own weights.
          const more = mixed(under(one, before).bits, bits, now) - one.own.bits;
          context.textAlign = "left";
          write((one.own.bits + more).toFixed(2), fourth, middle + 0.1 * size, ink.ink, 700, 1.5 * size);
          if (right) return;
          write(
            `${Math.abs(more).toFixed(2)} ${more < 0 ? "fewer" : "more"}`,
            fourth,
            middle + 1.5 * size,
            more < 0 ? ink.accent : ink.warm,
            700,
            1.1 * size,
          );
        });
      },
      "A clean and a grainy picture, the weights of each, the networks that weights make, and the bits that these need",
    );
    const say = () => {
      const after = shown[1];
      caption.textContent = "A second network sets weights: it sees whole channels, a coupling only windows of them.";
      if (!after) return stage.say("Each channel is multiplied by its weight before a coupling’s network reads it.");
      if (kind === "own") {
        const louder = total(after.bars) > total(clean.bars) && after.own.stretch > clean.own.stretch;
        if (louder && strongestOf().change > HEARD)
          caption.textContent =
            "A second network sets the weights; in training, couplings learned: large weights, large errors.";
        return stage.say(
          strongestOf().change <= HEARD
            ? "So little grain hardly changes a weight."
            : louder
              ? `In the grainy ${noun} weights are larger: couplings expect larger errors.`
              : `In the grainy ${noun} weights change; noise is stretched ${further(after.own.stretch - clean.own.stretch)}.`,
        );
      }
      const [first, second] = shown.map((one) => under(one, kind).bits - one.own.bits),
        told = [first, second].map((bits) => `${Math.abs(bits).toFixed(2)}${bits < 0 ? " fewer" : ""}`).join(" and ");
      caption.textContent =
        "Larger errors expected, noise stretched further. Bars: the coupling that answers grain most.";
      if (kind === "frozen") {
        const [own, grainy] = shown.map((one) => weightsOf(flow, one.traces));
        if (apart(own, pack.head.flow.weights.averages) > apart(own, grainy))
          caption.textContent = `This ${noun}’s weights lie further from the average than from its grainy copy’s.`;
      }
      if (Math.min(first, second) <= 0) return stage.say(`Clean and grainy, bits more with these weights: ${told}.`);
      stage.say(
        kind === "swapped"
          ? `Swapped: clean expects errors ${wrongly(clean.swapped, clean.own)}, grainy ${wrongly(after.swapped, after.own)}: ${told} bits more.`
          : `Frozen at the average, weights fit neither picture: that costs ${told} bits.`,
      );
    };
    const turn = (to) => {
      stop();
      [before, kind, turned] = [kind, to, stage.reduced ? 1 : 0];
      workOut();
      say();
      view.redraw();
      if (stage.reduced) return;
      stop = animate((s) => {
        turned = Math.min(1, s / TURN_S);
        view.redraw();
        return s < TURN_S;
      });
    };
    const setGrain = (v) => {
      shown = v ? [clean, measured(`grain ${v}`, withGrain(x, v))] : [clean];
      workOut();
      view.redraw();
      say();
    };
    const grain = slider({
      label: "Grain",
      max: MOST,
      step: 1,
      value: kind !== "own" || stage.reduced ? GRAIN : 0,
      text: (v) => `${v} of 255`,
      onmove: (v) => {
        stop();
        turned = 1;
        setGrain(v);
      },
    });
    const put = (v) => {
      grain.input.value = String(v);
      grain.show();
      setGrain(+grain.input.value);
    };
    /** Put grain where it is so many seconds after it began to rise to what is usual; return whether it goes on. */
    const raise = (seconds) => {
      const now = stage.reduced ? GRAIN : Math.round(GRAIN * Math.min(1, seconds / RISE_S));
      if (now !== +grain.input.value) put(now);
      return now < GRAIN;
    };
    const switched = choices(
      "Weights",
      KINDS,
      (key) => {
        stage.choose(key);
        if (shown.length < 2) put(GRAIN);
        turn(key);
      },
      kind,
    );
    stage.host.append(el("div", { className: "beats" }, switched.row, grain.row));
    setGrain(+grain.input.value);
    if (shown.length < 2) stop = animate((s) => s < CLEAN_S || raise(s - CLEAN_S));
    return {
      play: () => {
        const keys = KINDS.map(([key]) => key);
        if (shown.length > 1) return switched.pick(keys[(keys.indexOf(kind) + 1) % keys.length]);
        stop();
        stop = animate(raise);
      },
      stop: () => {
        stop();
        view.stop();
      },
    };
  },
};
