// Scene 9: from a picture to the volume of its channels, and to the error that a coupling's network then expects; clean
// and with grain that is dragged, or with frozen weights.
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
import { cut, normals, total } from "../flow.js";

/** Grain in grey levels that is added to the second picture at first and at the most, and the seed of it. */
const GRAIN = 16,
  MOST = 24,
  SEED = 77;
/** Seconds in which grain rises or weights change. */
const TURN_S = 0.7;
/** Scales, the same for all pictures: volume as a share above average, the error in that of the clean one. */
const VOLUME = [-0.3, 0.7],
  ERROR = 1.5;
/** A change of volume, or of an error, that is worth a word. */
const HEARD = 0.05;
const KINDS = [
  ["own", "own weights"],
  ["frozen", "frozen: all pictures alike"],
];

/** A picture's values with grain of so many grey levels. */
export function withGrain(values, grain = GRAIN) {
  const noise = normals(SEED, values.length);
  return values.map((v, i) => v + (grain / 256) * noise[i]);
}

/** The coupling that answers grain most: its level and step, and the channels that it reads, which stay unchanged. */
function readingOf({ flow, pack }, traces) {
  const { level: place, step: number } = pack.head.flow.weights,
    level = flow.levels[place - 1],
    [half] = cut(traces[place - 1].steps[number], level.channels, level.channels / 2);
  return { half, level, step: level.steps[number] };
}

/** The weights with which it reads them. */
const weightsOf = ({ half, level, step }) => [...level.couplingWeights(step, half).read];

/** How much louder than in the average picture each channel is read, as a share. */
function against({ pack }, weights) {
  const { averages, level, step } = pack.head.flow.weights;
  return weights.map((weight, c) => weight / averages[level - 1][step].read[c] - 1);
}

/** How much louder than in the average picture a coupling reads each channel of this one, as a share. */
export const louder = (stage, values) => against(stage, weightsOf(readingOf(stage, stage.flow.encode(values))));

/** The share of a channel's width that a coupling's network sees at once: its kernels reach so far. */
const seenBy = ({ level, step }) =>
  Math.min(1, step.network.reduce((wide, { kernel }) => wide + kernel - 1, 1) / level.width);

/** The error that its network expects: one over its mean stretch. */
function expected({ half, level, step }) {
  const { logScale } = level.affine(step, half);
  return Math.exp(-total(logScale) / logScale.length);
}

const signed = (share) => `${share > 0 ? "+" : ""}${minus(Math.round(100 * share) || 0)}`;
const larger = (share) => `${Math.abs(Math.round(100 * share))} % ${share < 0 ? "smaller" : "larger"}`;

export const weighting = {
  number: 9,
  short: "Weights by picture",
  title: "Weights tell the network how noisy the whole picture is.",
  keepsChoice: true,
  notes: "Drag the grain, then freeze the weights: does the network still expect large errors?",
  asked:
    "A coupling’s network reads one half of the channels, each times its weight, its volume here. It predicts every value " +
    "from the pixels around, so it sees little of the whole picture. A small second network computes the weights from the entropies of these " +
    "channels in this picture; here entropy is that of a Gaussian as loud as the channel: unlike in scene 7, loudness counts. " +
    "The coupling leaves these channels unchanged, so the way back finds the same weights. " +
    "The network gives a prediction of the other half and a scale: the larger an error it expects, the less it stretches (scene 4). " +
    "The expected error is 1 ÷ the mean stretch. Too small an expectation makes noise unusual, too large a one wastes bits. " +
    "Shown is the coupling whose weights answer grain most. Frozen: all weights are replaced by their averages over 256 test faces, without " +
    "training again. Over 1,000 faces that costs 0.07 bits per value clean and 0.14 with this grain: 1.5 and 2.0 % of " +
    "the file. A flow trained without weights loses less than a frozen one: scene 11 has that comparison.",
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
    const measured = (name, values, traces = flow.encode(values), scale = null) => {
      const reading = readingOf(stage, traces),
        { half, level } = reading,
        weights = weightsOf(reading),
        { middle, spread } = scale ?? ownOf(half, weights.length),
        frozenTraces = frozen.encode(values);
      return {
        name,
        canvas: picture(Uint8Array.from(flow.quantise(values)), pack.head.shape),
        own: { error: expected(reading), bits: flow.bitsPerDim(traces) },
        frozen: {
          error: expected(readingOf({ flow: frozen, pack }, frozenTraces)),
          bits: frozen.bitsPerDim(frozenTraces),
        },
        bars: against(stage, weights),
        scale: { middle, spread },
        maps: weights.map((_, c) => greyMap(half, weights.length, c, level.height, level.width, middle[c], spread[c])),
      };
    };
    const share = seenBy(readingOf(stage, stage.traces)),
      clean = measured("clean", x, stage.traces),
      /** Its channels are drawn on the scale of the clean one, so that louder ones have more contrast. */
      grainy = (grain) => measured(`grain ${grain}`, withGrain(x, grain), undefined, clean.scale);
    let shown = [clean, grainy(GRAIN)],
      kind = stage.choice === "frozen" ? "frozen" : "own",
      /** How far weights are from own ones (0) to frozen ones (1). */
      turned = kind === "frozen" ? 1 : 0,
      stop = () => {};
    /** The channel whose volume grain changes most, and by how much. */
    const strongestOf = () => {
      const changes = shown[1].bars.map((v, c) => Math.abs(v - clean.bars[c])),
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
          small = width < 640,
          size = (width < 1000 ? 0.75 : 1) * ink.size,
          line = 1.3 * size,
          n = clean.bars.length,
          gap = small ? 18 : 2 * size,
          last = small ? 76 : 0.17 * width,
          tall = (height - line) / 2 - 10,
          side = Math.min(0.2 * width, tall - line),
          step = (width - side - last - 3 * gap) / (2 * n),
          columns = [0, side + gap, side + 2 * gap + n * step, width - last],
          numbered = step > 2.3 * size,
          { channel: strongest } = strongestOf();
        const write = (text, x, y, colour = ink.ink, weight = 400) => {
          context.fillStyle = colour;
          context.font = `${weight} ${size}px ${ink.sans}`;
          context.fillText(text, x, y);
        };
        const arrow = (to, y, shown) => {
          context.globalAlpha = shown;
          context.fillStyle = ink.ink;
          context.font = `${1.5 * size}px ${ink.sans}`;
          context.fillText("→", to - 0.9 * gap, y);
          context.globalAlpha = 1;
        };
        context.textAlign = "left";
        [
          "picture",
          numbered ? "channels it reads; orange: what it sees at once" : "channels",
          numbered ? "volume (weight) of all of it, %" : "volume, %",
          small ? "error" : "expected error",
        ].forEach((text, i) => write(text, columns[i], size, ink.quiet));
        shown.forEach(({ name, canvas, own, frozen, maps, bars }, i) => {
          const y0 = line + i * (tall + 20),
            foot = y0 + tall,
            middle = y0 + side / 2,
            map = Math.min(step - 4, tall - 2 * line),
            over = Math.max(y0 + 4, middle - map / 2),
            [, first, second, third] = columns;
          context.textAlign = "left";
          context.drawImage(canvas, 0, y0, side, side);
          write(name, 0, y0 + side + size);
          [1, 1 - ease(turned), 1].forEach((shown, k) => arrow(columns[k + 1], middle, shown));
          // Each channel that the network reads, its number below; then its volume.
          const top = y0 + line,
            unit = (foot - line - top - 2 * size) / (VOLUME[1] - VOLUME[0]),
            zero = top + VOLUME[1] * unit;
          context.textAlign = "center";
          bars.forEach((far, c) => {
            const left = first + c * step,
              right = second + c * step,
              v = Math.max(VOLUME[0], Math.min(VOLUME[1], far)) * (1 - ease(turned)),
              strong = c === strongest ? 700 : 400;
            context.drawImage(maps[c], left + (step - map) / 2, over, map, map);
            if (c === strongest) {
              // The network sees a window at a time; the volume is that of the whole channel.
              const seen = share * map;
              context.lineWidth = 3;
              context.strokeStyle = ink.warm;
              context.strokeRect(left + (step - seen) / 2, over + (map - seen) / 2, seen, seen);
              context.strokeStyle = ink.accent;
              context.strokeRect(left + (step - map) / 2 - 2, over - 2, map + 4, map + 4);
            }
            context.fillStyle = v < 0 ? ink.warm : ink.accent;
            context.fillRect(right + 3, zero - Math.max(0, v * unit), step - 6, Math.abs(v * unit));
            if (strong > 400)
              write(
                signed(far * (1 - turned)),
                right + step / 2,
                v < 0 ? zero - v * unit + size : zero - v * unit - 5,
                ink.ink,
                strong,
              );
            write(String(c + 1), left + step / 2, over + map + 1.2 * size, ink.quiet, strong);
            write(String(c + 1), right + step / 2, foot - 0.2 * size, ink.quiet, strong);
          });
          context.fillStyle = ink.ink;
          context.fillRect(second, zero - 1, n * step, 2);
          // The error that the network expects, beside a clean picture's, and what the whole flow needs.
          context.textAlign = "left";
          const usual = clean.own.error,
            far = mixed(own.error, frozen.error, ease(turned)) / usual,
            long = (share) => (last * Math.min(ERROR, share)) / ERROR,
            high = 0.9 * line,
            missing = turned && own.error - frozen.error > HEARD * usual;
          write(i || turned ? `${signed(far - 1)} %` : small ? "usual" : "as usual", third, y0 + line, ink.ink, 700);
          context.fillStyle = ink.accent;
          context.fillRect(third, y0 + 1.4 * line, long(far), high);
          // Where the bar of the clean picture ends, and what own weights expect beyond frozen ones.
          context.fillStyle = ink.ink;
          context.fillRect(third + long(1) - 1, y0 + 1.2 * line, 2, high + 0.4 * line);
          if (missing) {
            context.fillStyle = ink.warm;
            context.fillRect(third + long(far), y0 + 1.4 * line, long(own.error / usual) - long(far), high);
            context.textAlign = "right";
            write("missing", width, y0 + line, ink.warm, 700);
            context.textAlign = "left";
          }
          [
            [own.bits, "own", kind === "own"],
            [frozen.bits, "frozen", kind === "frozen"],
          ].forEach(([bits, name, now], row) => {
            write(
              `${bits.toFixed(2)}${small ? "" : " bits,"} ${name}`,
              third,
              y0 + (3.6 + 1.1 * row) * line,
              now ? ink.ink : ink.quiet,
              now ? 700 : 400,
            );
          });
        });
      },
      "A clean and a grainy picture, the channels of each that a coupling reads, and the volume at which it reads them",
    );
    const say = () => {
      const [before, after] = shown;
      if (kind === "frozen") {
        const [held, full] = [after.frozen.error, after.own.error].map(
          (error) => `${signed(error / clean.own.error - 1)} %`,
        );
        caption.textContent = "An error larger than expected makes noise unusual: that costs bits.";
        return stage.say(
          after.frozen.error < after.own.error
            ? `Frozen, it sees only part of the grain: it expects ${held}, not ${full}.`
            : `Frozen, it expects ${held}, with own weights ${full}.`,
        );
      }
      const { channel: c, change } = strongestOf(),
        volumes = [before, after].map(({ bars }) => signed(bars[c]));
      caption.textContent = change
        ? `It sees pixels nearby; channel ${c + 1}’s volume tells of all: ${volumes[0]}, now ${volumes[1]} %.`
        : "No grain: both pictures are read alike.";
      stage.say(
        change > HEARD
          ? `Weights are volumes. In the grainy ${noun} the network expects ${larger(after.own.error / clean.own.error - 1)} errors.`
          : "Each channel is made louder or softer before the network reads it.",
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
    const setGrain = (v) => {
      shown = [clean, grainy(v)];
      view.redraw();
      say();
    };
    const grain = slider({
      label: "Grain",
      max: MOST,
      step: 1,
      value: GRAIN,
      text: (v) => `${v} of 255`,
      onmove: (v) => {
        stop();
        setGrain(v);
      },
    });
    stage.host.append(el("div", { className: "beats" }, switched.row, grain.row));
    say();
    if (!stage.reduced)
      stop = animate((s) => {
        grain.input.value = GRAIN * Math.min(1, s / TURN_S);
        grain.show();
        setGrain(+grain.input.value);
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
