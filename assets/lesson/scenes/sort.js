// Scene 7: the channels slide into the order of the Shuffle, with their structure, and the split line falls; then after
// training.
import { animate, choices, colours, ease, el, greyMap, mixed, own, percent, slider, surface } from "../draw.js";
import { Level, normals, squeeze } from "../flow.js";

const STATES = [
  ["before", "before training"],
  ["after", "after training"],
];

/** A bar is at least so many pixels high: a channel like noise has one, too. */
const LEAST_BAR = 4;

/** The share of all structure that some channels hold, from 0 to 1. */
function shareOf(structure, channels) {
  const positive = structure.map((v) => Math.max(0, v)),
    all = Math.max(
      1e-9,
      positive.reduce((a, b) => a + b, 0),
    );
  return channels.reduce((sum, c) => sum + positive[c], 0) / all;
}

/** The largest share that as many channels can hold. */
const bestShare = (structure, count) =>
  shareOf(structure, [...structure.keys()].sort((a, b) => structure[b] - structure[a]).slice(0, count));

export const sorting = {
  number: 7,
  short: "Sorting",
  title: "Sort by entropy: structure stays, noise leaves.",
  titleOf: ({ flow, pack }) => {
    if (!flow.sortsByEntropy)
      return flow.spec.split === "released"
        ? "The flow sorts channels by its learned weights."
        : "This flow’s half was fixed in advance.";
    const { order, kept } = flow.levels[0],
      structures = [pack.head.before?.redundancy, pack.head.flow.redundancy].filter(Boolean);
    if (structures.some((each) => shareOf(each, order.slice(0, kept)) <= 0.5))
      return "Sort by entropy: does structure stay?";
  },
  notes: "Compare the two framed cards: which is easier to guess? Slide, then switch to after training.",
  asked:
    "A bar is the spectral redundancy of a channel: how much of a value its neighbours tell, in bits, as the mean over " +
    "256 test pictures. Zero is white noise. It ignores scale and counts each channel by itself. The flow sorted its " +
    "channels once, on its first batch, before training, so a bar to the right may be a little taller than one to the " +
    "left. The cards on the right are not noise yet: the prior predicts them from the left, and what it misses leaves. " +
    "Training shapes the channels around the split: a large share on the left does not show that sorting is the better " +
    "choice. Scene 11 compares.",
  more: { page: "entropy", query: { level: "1" } },

  build(stage) {
    const { flow, pack, images, image } = stage,
      level = flow.levels[0],
      n = level.channels,
      { kept } = level,
      start = pack.head.before ?? null,
      firstLevel = start && new Level(start.level, pack.floats);
    const input = squeeze(flow.dequantise(images[image].bytes), 2 * level.height, 2 * level.width, n / 4);
    const cardsOf = (features) => {
      const of = own(features, n);
      return Array.from({ length: n }, (_, c) =>
        greyMap(features, n, c, level.height, level.width, of.middle[c], of.spread[c]),
      );
    };
    const inBits = (nats) => nats?.map((v) => v / Math.LN2);
    const structures = { before: inBits(start?.redundancy), after: inBits(pack.head.flow.redundancy) },
      cards = { before: start && cardsOf(firstLevel.features(input)), after: cardsOf(stage.traces[0].features) },
      passedOn = level.order.slice(0, kept),
      longest = Math.max(...structures.after, ...(structures.before ?? []), 1e-6),
      tick = longest > 1 ? 0.5 : longest > 0.3 ? 0.2 : 0.1,
      largest = tick * Math.ceil(longest / tick); // the axis ends above every bar
    const to = new Array(n),
      mixedUp = Array.from({ length: n }, (_, c) => c).sort(
        (a, b) => normals(a * 31 + 5, 1)[0] - normals(b * 31 + 5, 1)[0],
      );
    level.order.forEach((c, i) => {
      to[c] = i;
    });
    const [, askedState] = /^(before|after)$/.exec(stage.choice) ?? [];
    let state = start ? (askedState ?? "before") : "after",
      t = 0,
      turned = state === "after" ? 1 : 0, // from before to after training
      stopMotion = () => {};
    const shareIn = (when) => shareOf(structures[when] ?? structures.after, passedOn);
    const barOf = (c) =>
      mixed(Math.max(0, (structures.before ?? structures.after)[c]), Math.max(0, structures.after[c]), ease(turned));

    const view = surface(
      stage.host,
      (context, width, height) => {
        const ink = colours(stage.stage),
          small = width < 640,
          columns = small ? Math.ceil(n / 2) : n,
          rows = small ? 2 : 1;
        const font = `${ink.size}px ${ink.sans}`,
          title = ink.size + 12,
          foot = 1.4 * ink.size,
          left = 2.4 * ink.size,
          gap = small ? 6 : 10;
        const cell = (width - left - gap * (columns - 1)) / columns,
          room = height / rows - title,
          side = Math.min(cell, room / 2),
          step = cell + gap;
        const bar = Math.min(room - side - foot - 10, 3.2 * side),
          block = title + bar + 6 + side + foot,
          top = Math.max(0, (height - rows * block) / (rows + 1));
        const x = (slot) => left + (slot % columns) * step + (cell - side) / 2,
          floor = (row) => top + row * (block + top) + title + bar;
        // In two rows, of two cards in a column the upper one has the upper lane, so that none crosses another.
        const from = new Array(n),
          above = (c, i) => small && i < columns && i + columns < n && to[mixedUp[i + columns]] < to[c];
        mixedUp.forEach((c, i) => {
          const under = i >= columns && above(mixedUp[i - columns], i - columns);
          from[c] = above(c, i) ? i + columns : under ? i - columns : i;
        });
        // Every card shrinks into a lane of its own, slides there, and grows again: none ever covers another, or a bar.
        const up = ease((t - 0.1) / 0.2) - ease((t - 0.7) / 0.2),
          across = ease((t - 0.3) / 0.4),
          fall = ease((t - 0.9) / 0.1),
          lane = height / n;
        const tall = 1 - ease(t / 0.1) + fall;
        context.font = font;
        context.fillStyle = ink.quiet;
        context.strokeStyle = ink.line;
        context.lineWidth = 1;
        context.textAlign = "right";
        const each = tick * Math.ceil((1.3 * ink.size) / ((bar * tick) / largest)); // labels keep apart
        for (let row = 0; row < rows; row++)
          for (let v = 0; v <= largest + 1e-9; v += each) {
            const y = Math.round(floor(row) - (v / largest) * bar) + 0.5;
            context.globalAlpha = tall;
            context.fillText(v.toFixed(1), left - 10, y + 0.35 * ink.size);
            context.beginPath();
            context.moveTo(left, y);
            context.lineTo(width, y);
            context.stroke();
          }
        context.globalAlpha = tall;
        for (let row = 0; row < rows; row++) {
          context.fillText("bits", left - 10, floor(row) - bar - 0.75 * ink.size);
        }
        context.globalAlpha = 1;
        for (let c = 0; c < n; c++) {
          const slot = across < 0.5 ? from[c] : to[c],
            base = floor(Math.floor(slot / columns));
          const size = mixed(side, Math.min(side, lane - 2), up),
            px = mixed(x(from[c]), x(to[c]), across) + (side - size) / 2,
            py = mixed(base + 6, lane * to[c] + 1, up);
          context.drawImage(cards[state][c], px, py, size, size);
          context.fillStyle = !fall ? ink.quiet : to[c] < kept ? ink.accent : ink.warm;
          const high = Math.max(LEAST_BAR, (barOf(c) / largest) * bar) * tall;
          context.fillRect(px, base - high, size, high);
          // On its way a card carries its bar beside it, in its lane.
          const long = (barOf(c) / largest) * Math.min(0.24 * width, bar) * up;
          context.fillRect(
            px + size / 2 > width / 2 ? px - 4 - long : px + size + 4,
            py + 0.2 * size,
            long,
            0.6 * size,
          );
        }
        // Two cards to look at: that of most structure and that of least.
        const order = [...Array(n).keys()].sort((a, b) => barOf(b) - barOf(a)),
          resting = up < 0.01;
        if (resting) {
          context.fillStyle = ink.ink;
          for (const [c, text] of [
            [order[0], "easy to guess"],
            [order[n - 1], "hard to guess"],
          ]) {
            const slot = across < 0.5 ? from[c] : to[c],
              base = floor(Math.floor(slot / columns)),
              wide = context.measureText(text).width,
              at = Math.min(width - wide, Math.max(0, x(slot) + side / 2 - wide / 2));
            context.textAlign = "left";
            context.fillText(text, at, base + 6 + side + ink.size + 2);
            context.strokeStyle = ink.ink;
            context.lineWidth = 2;
            context.strokeRect(x(slot) - 1, base + 5, side + 2, side + 2);
          }
        }
        if (fall <= 0) return;
        context.strokeStyle = ink.ink;
        context.lineWidth = 3;
        const split = left + kept * step - gap / 2;
        context.beginPath();
        if (!small) {
          context.moveTo(split, 0);
          context.lineTo(split, fall * (floor(0) + side + 8));
        } else {
          const y = floor(0) + side + foot + 6 + top / 2;
          context.moveTo(0, y);
          context.lineTo(width * fall, y);
        }
        context.stroke();
        context.globalAlpha = fall;
        context.font = `600 ${font}`;
        const name = (text, colour, at, row) => {
          context.fillStyle = colour;
          context.fillText(text, at, floor(row) - bar - 14);
        };
        context.textAlign = "left";
        const share = Math.round(100 * mixed(shareIn("before"), shareIn("after"), ease(turned)));
        name(`passed on: ${share} % of structure`, ink.accent, left, 0);
        context.textAlign = small ? "left" : "right";
        name(`factored out: ${100 - share} %`, ink.warm, small ? left : width, rows - 1);
        context.globalAlpha = 1;
      },
      "The channels of level 1 with their structure as bars",
    );
    stage.host.append(
      el(
        "p",
        { className: "caption" },
        "Bar: how much neighbours tell of a value (bits). Long: structure; short: noise.",
      ),
    );
    const say = () => {
      const share = shareOf(structures[state], passedOn);
      if (t < 0.02) return stage.say("On which card is the next value easy to guess? Slide to sort.");
      if (t < 0.98) return stage.say("The flow’s order slides the cards into place …");
      if (state === "before" && flow.sortsByEntropy) {
        const most = bestShare(structures.before, kept);
        return stage.say(`Sorted by entropy, ${percent(share)} of structure is passed on; at best ${percent(most)}.`);
      }
      if (!start) return stage.say(`${percent(share)} of structure is passed on.`);
      if (state === "before") return stage.say(`Before training, ${percent(share)} of structure is passed on.`);
      const before = shareOf(structures.before, passedOn),
        moved = Math.round(100 * share) - Math.round(100 * before),
        way = moved > 0 ? "left" : "right";
      return stage.say(
        moved
          ? `Training moved structure ${way}: the same order passes on ${percent(share)}, before ${percent(before)}.`
          : `Training moved nothing across: the same order still passes on ${percent(share)}.`,
      );
    };
    const move = (v) => {
      t = v;
      view.redraw();
      say();
    };
    const control = slider({
      label: "Flow’s order",
      value: 0,
      text: (v) => `${Math.round(100 * v)} %`,
      onmove: (v) => {
        stopMotion();
        move(v);
      },
    });
    const set = (v) => {
      control.input.value = String(v);
      control.show();
      move(v);
    };
    const when =
      start &&
      choices(
        "When",
        STATES,
        (key) => {
          stopMotion();
          state = key;
          stage.choose(key);
          const target = key === "after" ? 1 : 0,
            first = turned;
          set(1);
          if (stage.reduced) {
            turned = target;
            return set(1);
          }
          stopMotion = animate((s) => {
            turned = mixed(first, target, Math.min(1, s / 0.8));
            view.redraw();
            return s < 0.8;
          });
        },
        state,
      );
    stage.host.append(el("div", { className: "beats" }, when ? when.row : el("span", {}), control.row));
    const play = () => {
      stopMotion();
      stopMotion = animate((s) => {
        set(Math.min(1, Math.max(0, s - 1.2) / 2.6));
        return s < 3.8;
      });
    };
    if (askedState || stage.reduced) set(1);
    else play();
    return {
      play,
      stop: () => {
        stopMotion();
        view.stop();
      },
    };
  },
};
