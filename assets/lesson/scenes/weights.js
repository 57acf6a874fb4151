// Scene 9: a second network looks at the whole picture and sets the weights of channels; the coupling's network, which
// sees a window, then knows what error to expect. First clean, then beside it with grain that is dragged, or frozen.
import { animate, choices, colours, ease, el, minus, mixed, picture, slider, surface } from "../draw.js";
import { cut, normals, total } from "../flow.js";

/** Grain in grey levels that is usual for the second picture, the most, and the seed of it. */
const GRAIN = 16,
  MOST = 24,
  SEED = 77;
/** Seconds in which weights change, in which the clean picture is alone, and in which grain rises. */
const TURN_S = 0.7,
  CLEAN_S = 2,
  RISE_S = 2;
/** Scales, the same for all pictures: a weight as a share above average, the error in that of the clean one. */
const ABOVE = [-0.3, 0.7],
  ERROR = 1.5;
/** A change of a weight, or of an error, that is worth a word. */
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
  title: "Channel weights tell how noisy the whole picture is.",
  keepsChoice: true,
  notes: "Drag the grain, then freeze the weights: does the network still expect large errors?",
  asked:
    "A coupling’s network reads one half of the channels, each times its weight, and sees a window at a time. A small second " +
    "network computes these weights from the entropies of the same channels, which the coupling leaves unchanged: the way back " +
    "finds the same weights. Entropy here is that of a Gaussian as loud as the channel: unlike in scene 7, loudness counts. " +
    "The expected error is 1 ÷ the mean scale. Shown is the coupling that answers grain most. Frozen: all weights are " +
    "replaced by their averages over 256 test faces, without training again. Over 1,000 faces that costs 0.07 bits per value clean and 0.14 with this grain: 1.5 and 2.0 % of " +
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
    const measured = (name, values, traces = flow.encode(values)) => {
      const reading = readingOf(stage, traces),
        frozenTraces = frozen.encode(values);
      return {
        name,
        canvas: picture(Uint8Array.from(flow.quantise(values)), pack.head.shape),
        own: { error: expected(reading), bits: flow.bitsPerDim(traces) },
        frozen: {
          error: expected(readingOf({ flow: frozen, pack }, frozenTraces)),
          bits: frozen.bitsPerDim(frozenTraces),
        },
        bars: against(stage, weightsOf(reading)),
      };
    };
    const share = seenBy(readingOf(stage, stage.traces)),
      couplings = flow.levels.reduce((sum, level) => sum + level.steps.length, 0),
      clean = measured("clean", x, stage.traces),
      grainy = (grain) => measured(`grain ${grain}`, withGrain(x, grain));
    let shown = [clean],
      kind = stage.choice === "frozen" ? "frozen" : "own",
      /** How far weights are from own ones (0) to frozen ones (1). */
      turned = kind === "frozen" || !stage.reduced ? 1 : 0,
      stop = () => {};
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
          small = width < 640,
          size = (width < 1000 ? 0.75 : 1) * ink.size,
          line = 1.3 * size,
          n = clean.bars.length,
          gap = small ? 18 : 2 * size,
          box = small ? 0 : 0.13 * width,
          last = small ? 86 : 0.18 * width,
          tall = (height - line) / 2 - 14,
          side = Math.min(0.2 * width, tall - 1.6 * line),
          high = Math.min(side, 4.4 * line), // of a box
          wide = width - side - last - 2 * box - (small ? 2 : 4) * gap,
          first = side + gap, // the second network
          second = first + (box ? box + gap : 0), // the weights it sets
          third = second + wide + gap, // the coupling's network
          fourth = width - last, // the error that it expects
          step = wide / n,
          now = ease(turned),
          { channel: strongest } = strongestOf();
        const write = (text, x, y, colour = ink.ink, weight = 400) => {
          context.fillStyle = colour;
          context.font = `${weight} ${size}px ${ink.sans}`;
          context.fillText(text, x, y);
        };
        const frame = (x, y, w, h, colour) => {
          context.strokeStyle = colour;
          context.lineWidth = 3;
          context.strokeRect(x, y, w, h);
        };
        /** A network as a box with three lines, the last in its colour: what it sees. */
        const network = (x, middle, colour, lines) => {
          frame(x, middle - high / 2, box, high, colour);
          context.textAlign = "center";
          lines.forEach((text, row) => {
            write(text, x + box / 2, middle + (row - 0.6) * line, row < 2 ? ink.ink : colour);
          });
        };
        /** An arrow along points, with its head at the last. */
        const arrow = (colour, ...points) => {
          const [[u, v], [x, y]] = points.slice(-2),
            along = Math.atan2(y - v, x - u),
            back = (by) => [x + 10 * Math.cos(along + by), y + 10 * Math.sin(along + by)];
          context.strokeStyle = colour;
          context.lineWidth = 2.5;
          context.beginPath();
          for (const [px, py] of points) context.lineTo(px, py);
          context.moveTo(...back(0.8 * Math.PI));
          context.lineTo(x, y);
          context.lineTo(...back(-0.8 * Math.PI));
          context.stroke();
        };
        context.textAlign = "left";
        write(small ? "weights, %" : "channel weights: how much louder, %", second, size, ink.quiet);
        context.textAlign = small ? "left" : "right";
        write(small ? "error" : "prediction error it expects", small ? fourth : width, size, ink.quiet);
        if (shown.length < 2) {
          context.textAlign = "left";
          write("Drag the grain: the same picture, noisier.", 0, line + 1.5 * tall, ink.quiet);
        }
        shown.forEach(({ name, canvas, own, frozen, bars }, i) => {
          const y0 = line + i * (tall + 24) + 4,
            middle = y0 + side / 2,
            seen = share * side;
          // The whole picture, for the second network; the window of the coupling's network.
          context.textAlign = "left";
          context.drawImage(canvas, 0, y0, side, side);
          write(name, 0, y0 + side + 1.1 * size);
          context.globalAlpha = 1 - 0.8 * now;
          frame(0, y0, side, side, ink.accent);
          if (box) {
            network(first, middle, ink.accent, ["second", "network:", "sees it all"]);
            arrow(ink.accent, [first + box + 4, middle], [second - 4, middle]);
          }
          arrow(ink.accent, [side + 4, middle], [first - 4, middle]);
          context.globalAlpha = 1;
          frame((side - seen) / 2, middle - seen / 2, seen, seen, ink.warm);
          if (box) {
            const foot = y0 + side + 0.6 * size;
            network(third, middle, ink.warm, ["coupling’s", "network: sees", "a window"]);
            arrow(ink.accent, [third - gap + 4, middle], [third - 4, middle]);
            arrow(ink.ink, [third + box + 4, middle], [fourth - 4, middle]);
            arrow(
              ink.warm,
              [side / 2 + 0.5 * seen, middle + 0.5 * seen],
              [side + 0.4 * gap, foot],
              [third + box / 2, foot],
              [third + box / 2, middle + high / 2 + 4],
            );
          } else arrow(ink.ink, [fourth - gap + 4, middle], [fourth - 4, middle]);
          // The weight of each channel; that which grain changes most by its number.
          const top = y0 + size,
            unit = (side - 2.4 * size) / (ABOVE[1] - ABOVE[0]),
            zero = top + ABOVE[1] * unit;
          context.textAlign = "center";
          bars.forEach((far, c) => {
            const at = second + c * step,
              v = Math.max(ABOVE[0], Math.min(ABOVE[1], far)) * (1 - now),
              strong = c === strongest ? 700 : 400;
            context.fillStyle = v < 0 ? ink.warm : ink.accent;
            context.fillRect(at + 3, zero - Math.max(0, v * unit), step - 6, Math.abs(v * unit));
            if (strong > 400)
              write(
                signed(far * (1 - turned)),
                at + step / 2,
                v < 0 ? zero - v * unit + size : zero - v * unit - 5,
                ink.ink,
                strong,
              );
            write(String(c + 1), at + step / 2, y0 + side - 0.2 * size, ink.quiet, strong);
          });
          context.fillStyle = ink.ink;
          context.fillRect(second, zero - 1, wide, 2);
          // The error that the network expects, beside a clean picture's, and what the whole flow needs.
          context.textAlign = "left";
          const usual = clean.own.error,
            far = mixed(own.error, frozen.error, now) / usual,
            long = (share) => (last * Math.min(ERROR, share)) / ERROR,
            thick = 0.9 * line,
            bar = y0 + 1.4 * line,
            missing = turned && own.error - frozen.error > HEARD * usual,
            more = frozen.bits - own.bits;
          write(i || turned ? `${signed(far - 1)} %` : small ? "usual" : "as usual", fourth, y0 + line, ink.ink, 700);
          context.fillStyle = ink.accent;
          context.fillRect(fourth, bar, long(far), thick);
          // Where the bar of the clean picture ends, and what own weights expect beyond frozen ones.
          context.fillStyle = ink.ink;
          context.fillRect(fourth + long(1) - 1, bar - 0.2 * line, 2, 1.4 * thick);
          if (missing) {
            context.fillStyle = ink.warm;
            context.fillRect(fourth + long(far), bar, long(own.error / usual) - long(far), thick);
            context.textAlign = "right";
            write("missing", width, y0 + line, ink.warm, 700);
            context.textAlign = "left";
          }
          const isFrozen = kind === "frozen";
          write(
            `${(isFrozen ? frozen : own).bits.toFixed(2)} bits${small ? "" : " per value"}`,
            fourth,
            y0 + 3.6 * line,
            ink.ink,
            700,
          );
          if (!isFrozen) write(small ? "in all" : "of the whole flow", fourth, y0 + 4.7 * line, ink.quiet);
          else
            write(
              `${Math.abs(more).toFixed(2)} ${more < 0 ? "fewer" : "more"}`,
              fourth,
              y0 + 4.7 * line,
              more < 0 ? ink.accent : ink.warm,
              700,
            );
        });
      },
      "A clean and a grainy picture, the weights that a second network sets, and the error that a coupling then expects",
    );
    const say = () => {
      const after = shown[1],
        unusual = "An error larger than expected makes noise unusual";
      if (!after) {
        caption.textContent = "The second network reads the entropy of each channel in the whole picture.";
        return stage.say("Each channel is made louder or softer before the coupling’s network reads it.");
      }
      const [held, full] = [after.frozen.error, after.own.error].map((error) => error / clean.own.error - 1);
      if (kind === "own") {
        caption.textContent = `${unusual}: that costs bits.`;
        return stage.say(
          strongestOf().change > HEARD
            ? `In the grainy ${noun} channels ${total(after.bars) > total(clean.bars) ? "are louder" : "change"}: the network expects ${larger(full)} errors.`
            : "So little grain hardly changes a weight.",
        );
      }
      caption.textContent = `${unusual}. Bits are of all ${couplings} couplings.`;
      stage.say(
        held < full
          ? `Frozen, it sees only part of the grain: it expects ${signed(held)} %, not ${signed(full)} %.`
          : `Frozen, it expects ${signed(held)} %, with own weights ${signed(full)} %.`,
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
    const setGrain = (v) => {
      shown = v ? [clean, grainy(v)] : [clean];
      view.redraw();
      say();
    };
    const grain = slider({
      label: "Grain",
      max: MOST,
      step: 1,
      value: kind === "frozen" || stage.reduced ? GRAIN : 0,
      text: (v) => `${v} of 255`,
      onmove: (v) => {
        stop();
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
    if (turned && kind === "own")
      // First the weights of the clean picture come up, then the grain beside it.
      stop = animate((s) => {
        turned = Math.max(0, 1 - s / TURN_S);
        view.redraw();
        return s < CLEAN_S || raise(s - CLEAN_S);
      });
    return {
      play: () => {
        if (shown.length > 1) return switched.pick(kind === "own" ? "frozen" : "own");
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
