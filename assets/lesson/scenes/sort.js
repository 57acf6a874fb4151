// Scene 6: the channels slide into the order of the Shuffle, with their structure, and the split line falls.
import { animate, colours, ease, el, greyMap, mixed, own, percent, slider, surface } from "../draw.js";
import { normals } from "../flow.js";

/** How much of all structure channels hold, from 0 to 1: a function of their list. */
function shareOfStructure({ pack: { head } }) {
  const red = head.flow.redundancy.map((v) => Math.max(0, v)),
    all = Math.max(
      1e-9,
      red.reduce((a, b) => a + b, 0),
    );
  return (channels) => channels.reduce((sum, c) => sum + red[c], 0) / all;
}

const passedOn = ({
  flow: {
    levels: [{ order, kept }],
  },
}) => order.slice(0, kept);

/** What is said of the structure that is passed on: how much it is, by chance, and at best. */
function structureInWords(stage) {
  const {
      order: { length: n },
      kept,
    } = stage.flow.levels[0],
    share = shareOfStructure(stage),
    red = stage.pack.head.flow.redundancy;
  const best = [...red.keys()].sort((a, b) => red[b] - red[a]).slice(0, kept);
  // The standard deviation of what a choice at random passes on: a sum drawn without replacement.
  const parts = red.map((_, c) => share([c])),
    spread = Math.sqrt((((kept * (n - kept)) / (n - 1)) * parts.reduce((sum, p) => sum + (p - 1 / n) ** 2, 0)) / n);
  return `${percent(share(passedOn(stage)))} of structure is passed on (chance ${Math.round((100 * kept) / n)}±${percent(spread)}, best ${2 * kept === n ? "half" : "choice"} ${percent(share(best))}).`;
}

export const sorting = {
  number: 6,
  short: "Sorting",
  title: "Most structure is passed on.",
  titleOf: (stage) =>
    stage.flow.sortsByEntropy
      ? shareOfStructure(stage)(passedOn(stage)) > 0.55
        ? undefined
        : "Structure is not told from noise here."
      : stage.flow.spec.split === "released"
        ? "The flow sorts channels by its learned weights."
        : "This flow’s half was fixed in advance.",
  notes:
    "A bar is the structure of a channel: tall means low entropy, zero means white noise. Slide: the cards go into " +
    "the order that the flow uses, and the right part is factored out; this is the entropy-informed split. The order " +
    "is one for all pictures and was measured once, on the first batch; training then changed the channels, so some " +
    "tall bars stand on the right.",
  asked:
    "Structure is spectral redundancy, the mean over test pictures; this kind of entropy ignores scale. The sentence " +
    "adds up the bars: of the order used, of a half drawn at random (± one standard deviation), and of the tallest. " +
    "It counts each channel by itself. The cards on the right are not noise yet: the prior predicts them from the " +
    "left, and the rest that leaves is noise. Training shapes the channels around the split: that structure stays is " +
    "no proof that sorting is the better choice.",
  more: { page: "entropy", query: { level: "1" } },

  build(stage) {
    const level = stage.flow.levels[0],
      n = level.channels,
      { kept } = level,
      { features } = stage.traces[0],
      of = own(features, n);
    const red = stage.pack.head.flow.redundancy,
      largest = Math.max(...red, 1e-6);
    const cards = Array.from({ length: n }, (_, c) =>
      greyMap(features, n, c, level.height, level.width, of.middle[c], of.spread[c]),
    );
    const to = new Array(n),
      mixedUp = Array.from({ length: n }, (_, c) => c).sort(
        (a, b) => normals(a * 31 + 5, 1)[0] - normals(b * 31 + 5, 1)[0],
      );
    level.order.forEach((c, i) => {
      to[c] = i;
    });
    const tick = largest > 1 ? 0.5 : largest > 0.3 ? 0.2 : 0.1;
    let t = 0,
      stopMotion = () => {},
      sorted = null;
    const view = surface(
      stage.host,
      (context, width, height) => {
        const ink = colours(stage.stage),
          small = width < 640,
          columns = small ? Math.ceil(n / 2) : n,
          rows = small ? 2 : 1;
        const font = `${ink.size}px ${ink.sans}`,
          title = ink.size + 12,
          foot = 4,
          left = 2.4 * ink.size,
          gap = small ? 6 : 10;
        const cell = (width - left - gap * (columns - 1)) / columns,
          room = height / rows - title,
          side = Math.min(cell, room / 2),
          step = cell + gap;
        const bar = Math.min(room - side - foot - 10, 3.2 * side),
          block = title + bar + 6 + side + foot,
          top = (height - rows * block) / (rows + 1);
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
        for (let row = 0; row < rows; row++)
          for (let v = 0; v <= largest; v += tick) {
            const y = Math.round(floor(row) - (v / largest) * bar) + 0.5;
            context.globalAlpha = tall;
            context.fillText(v.toFixed(1), left - 10, y + 0.35 * ink.size);
            context.beginPath();
            context.moveTo(left, y);
            context.lineTo(width, y);
            context.stroke();
          }
        context.globalAlpha = 1;
        for (let c = 0; c < n; c++) {
          const slot = across < 0.5 ? from[c] : to[c],
            base = floor(Math.floor(slot / columns));
          const size = mixed(side, Math.min(side, lane - 2), up),
            px = mixed(x(from[c]), x(to[c]), across) + (side - size) / 2,
            py = mixed(base + 6, lane * to[c] + 1, up);
          context.drawImage(cards[c], px, py, size, size);
          context.fillStyle = !fall ? ink.quiet : to[c] < kept ? ink.accent : ink.warm;
          const high = Math.max(2, (Math.max(0, red[c]) / largest) * bar) * tall;
          context.fillRect(px, base - high, size, high);
        }
        if (fall <= 0) return;
        context.strokeStyle = ink.ink;
        context.lineWidth = 3;
        const split = left + kept * step - gap / 2;
        context.beginPath();
        if (!small) {
          context.moveTo(split, 0);
          context.lineTo(split, fall * height);
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
        name("passed on", ink.accent, left, 0);
        context.textAlign = small ? "left" : "right";
        name(
          small ? "factored out" : "factored out: leaves as noise once predicted",
          ink.warm,
          small ? left : width,
          rows - 1,
        );
        context.globalAlpha = 1;
      },
      "The channels of level 1 with their spectral redundancy as bars",
    );
    stage.host.append(
      el(
        "p",
        { className: "caption" },
        "Tall: structure, low entropy (spectral redundancy); 0: white noise. Order set before training, which moved " +
          "the bars.",
      ),
    );
    const say = () => {
      if (t < 0.98)
        return stage.say(
          t < 0.02
            ? "Tall bars mean structure. Slide: which channels does the flow pass on?"
            : "The flow’s order slides the cards into place …",
        );
      stage.say((sorted ??= structureInWords(stage)));
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
        stage.choose(v);
      },
    });
    stage.host.append(control.row);
    const set = (v) => {
      control.input.value = v;
      control.show();
      move(v);
    };
    const play = () => {
      stopMotion();
      stopMotion = animate((s) => {
        set(Math.min(1, Math.max(0, s - 0.7) / 2.6));
        return s < 3.3;
      });
    };
    if (stage.choice !== "") set(Math.min(1, Math.max(0, +stage.choice || 0)));
    else if (stage.reduced) set(1);
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
