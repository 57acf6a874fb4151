// Scene 7: every channel stands as high as its entropy; they slide into the order of the Shuffle, and the split line
// falls; then after training.
import { animate, choices, colours, ease, el, greyMap, mixed, own, slider, surface } from "../draw.js";
import { Level, normals, squeeze } from "../flow.js";

const STATES = [
  ["before", "before training"],
  ["after", "after training"],
];

/** Entropy of white Gaussian noise of spread 1, in bits: ½ log₂ 2πe. */
export const NOISE = Math.log2(2 * Math.PI * Math.E) / 2;

/** Entropies in bits of channels whose neighbours tell so many nats of a value. */
export const entropiesOf = (redundancy) => redundancy?.map((nats) => NOISE - Math.max(0, nats) / Math.LN2);
const meanOf = (entropies, channels) => channels.reduce((sum, c) => sum + entropies[c], 0) / channels.length;

/** The channels of a level as cards. */
export function cardsOf({ channels: n, height, width }, features) {
  const { middle, spread } = own(features, n);
  return Array.from({ length: n }, (_, c) => greyMap(features, n, c, height, width, middle[c], spread[c]));
}

/** Where cards stand in a room: side of a card, width of its column, and place(column, entropy), its upper left corner. */
export function standing({ left, top, width, height }, n, lowest) {
  const column = width / n,
    side = Math.min(0.88 * column, 0.3 * height);
  const place = (at, bits) => [
    left + (at + 0.5) * column - side / 2,
    top + ((NOISE - bits) / (NOISE - lowest)) * (height - side),
  ];
  return { side, column, place };
}

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
      all = [pack.head.before?.redundancy, pack.head.flow.redundancy].filter(Boolean).map(entropiesOf);
    if (all.some((each) => meanOf(each, order.slice(0, kept)) >= meanOf(each, order.slice(kept))))
      return "Sort by entropy: does structure stay?";
  },
  notes: "Which cards could you guess from a few of their pixels? Drag the slider: they are sorted.",
  asked:
    "Entropy is what is left to guess of a value once its neighbours are known: 2.05 bits for white noise of spread 1, " +
    "less what neighbours tell (the spectral redundancy), as the mean over 256 test pictures. One bit less: neighbours " +
    "halve the error of a guess. The flow sorted its channels once, before training, so afterwards a card to the right " +
    "may stand a little lower than one to the left. Whether sorting is the better choice, scene 11 tries.",
  more: { page: "entropy", query: { level: "1" } },

  build(stage) {
    const { flow, pack, images, image } = stage,
      level = flow.levels[0],
      n = level.channels,
      { kept, order } = level,
      start = pack.head.before ?? null;
    const input = squeeze(flow.dequantise(images[image].bytes), 2 * level.height, 2 * level.width, n / 4);
    const after = entropiesOf(pack.head.flow.redundancy),
      before = entropiesOf(start?.redundancy) ?? after,
      cards = {
        before: start && cardsOf(level, new Level(start.level, pack.floats).features(input)),
        after: cardsOf(level, stage.traces[0].features),
      },
      lowest = Math.floor(2 * Math.min(...after, ...before)) / 2; // the axis ends below every card
    const mixedUp = Array.from({ length: n }, (_, c) => c).sort(
      (a, b) => normals(a * 31 + 5, 1)[0] - normals(b * 31 + 5, 1)[0],
    );
    const [, askedState] = /^(before|after)$/.exec(stage.choice) ?? [];
    let state = start ? (askedState ?? "before") : "after",
      t = 0,
      risen = 1, // from the foot to where entropy puts a card
      turned = state === "after" ? 1 : 0, // from before to after training
      stopMotion = () => {};
    const entropyOf = (c) => mixed(before[c], after[c], ease(turned));

    const view = surface(
      stage.host,
      (context, width, height) => {
        const ink = colours(stage.stage),
          line = 1.4 * ink.size,
          left = 3.2 * ink.size,
          room = { left, top: line, width: width - left, height: height - 2 * line },
          { side, column, place } = standing(room, n, lowest),
          level = (bits) => place(0, bits)[1] + side / 2,
          across = ease(t / 0.9),
          fall = ease((t - 0.9) / 0.1);
        context.font = `${ink.size}px ${ink.sans}`;
        context.fillStyle = ink.quiet;
        context.strokeStyle = ink.line;
        context.lineWidth = 1;
        context.fillText("entropy (bits), at the card’s middle", 0, 0.8 * ink.size);
        const rule = (text, bits) => {
          context.textAlign = "right";
          context.fillText(text, left - 10, level(bits) + 0.35 * ink.size);
          context.textAlign = "left";
          context.beginPath();
          context.moveTo(left, level(bits));
          context.lineTo(width, level(bits));
          context.stroke();
        };
        for (let bits = lowest; bits < NOISE - 0.25; bits += 0.5) rule(bits.toFixed(1), bits);
        context.strokeStyle = ink.ink;
        context.setLineDash([6, 5]);
        rule("noise", NOISE);
        context.setLineDash([]);
        for (let c = 0; c < n; c++) {
          const to = order.indexOf(c),
            [x, y] = place(mixed(mixedUp.indexOf(c), to, across), mixed(lowest, entropyOf(c), risen));
          context.fillStyle = fall <= 0 ? ink.quiet : to < kept ? ink.accent : ink.warm;
          context.fillRect(x + side / 2 - 2, y + side, 4, level(lowest) + side / 2 - y - side);
          context.fillRect(x - 4, y - 4, side + 8, side + 8);
          context.drawImage(cards[state][c], x, y, side, side);
        }
        if (fall <= 0) return;
        context.strokeStyle = ink.ink;
        context.lineWidth = 3;
        const split = left + kept * column;
        context.beginPath();
        context.moveTo(split, 0);
        context.lineTo(split, fall * height);
        context.stroke();
        context.globalAlpha = fall;
        context.font = `600 ${context.font}`;
        context.fillStyle = ink.accent;
        context.fillText("goes on", left, height - 4);
        context.textAlign = "right";
        context.fillStyle = ink.warm;
        context.fillText("leaves", width, height - 4);
        context.textAlign = "left";
        context.globalAlpha = 1;
      },
      "The channels of level 1, as high as their entropy",
    );
    const caption = el("p", { className: "caption" });
    stage.host.append(caption);
    const say = () => {
      const sorted = t > 0.98,
        entropies = state === "after" ? after : before,
        [stays, leaves] = [order.slice(0, kept), order.slice(kept)].map((those) => meanOf(entropies, those)),
        when = start ? ` ${state} training` : "",
        measured = `Entropy${when}: what goes on ${stays.toFixed(2)} bits, what leaves ${leaves.toFixed(2)}; pure noise ${NOISE.toFixed(2)}.`;
      const [first, last] = [before, after].map((each) => meanOf(each, order.slice(kept)).toFixed(2)),
        trained = `Order as before training. What leaves went from ${first} to ${last} bits, ${+last < +first ? "away from" : "closer to"} noise.`;
      caption.textContent = sorted ? measured : "High card: like noise. Low card: it has structure.";
      stage.say(
        !sorted
          ? "Entropy: how hard a pixel is to guess from its neighbours. Sort the cards."
          : start && state === "after" && first !== last
            ? trained
            : stays < leaves
              ? "Nobody can predict noise, so it may leave. The next level predicts structure."
              : "Here what leaves is no closer to noise than what goes on.",
      );
    };
    const move = (v) => {
      t = v;
      risen = 1;
      view.redraw();
      say();
    };
    const control = slider({
      label: "Sort",
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
          if (stage.reduced) turned = target;
          set(1);
          if (stage.reduced) return;
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
        set(Math.min(1, s / 2.2));
        return s < 2.2;
      });
    };
    view.canvas.addEventListener("click", play);
    set(askedState ? 1 : 0);
    if (!askedState && !stage.reduced)
      stopMotion = animate((s) => {
        risen = ease(s / 0.9);
        view.redraw();
        return s < 0.9;
      });
    return {
      play,
      stop: () => {
        stopMotion();
        view.stop();
      },
    };
  },
};
