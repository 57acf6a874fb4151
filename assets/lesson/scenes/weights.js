// Scene 8: grain is added to the picture, and the channel weights answer.
import { choices, colours, el, greyMap, minus, own, percent, picture, slider, surface } from "../draw.js";
import { normals } from "../flow.js";

const FROM = 1,
  TO = 6,
  DRAWS = 2;
/** Grain whose share in every channel is measured, and the draws of it. */
const GRAIN = 2 / 256,
  GRAINS = 8;

const GUESSES = [
  ["full", "by as much as the grain grows"],
  ["half", "about half way"],
  ["little", "only a little"],
];

/**
 * Share of the grain that every channel of level 1 holds: of the mean squared changes, in units of its spread over
 * pictures, when more is added.
 */
function grainShares(stage) {
  const { flow, traces } = stage,
    x = flow.dequantise(stage.images[stage.image].bytes),
    n = flow.levels[0].channels,
    sum = new Float64Array(n);
  const clean = traces[0].features;
  for (let draw = 1; draw <= GRAINS; draw++) {
    const noise = normals(draw, x.length),
      f = flow.encode(x.map((v, i) => v + GRAIN * noise[i]))[0].features;
    for (let i = 0; i < f.length; i++) sum[i % n] += (f[i] - clean[i]) ** 2;
  }
  const response = Array.from(sum, (s, c) => s / stage.pack.head.flow.spread[0][c] ** 2),
    all = response.reduce((a, b) => a + b, 0);
  return response.map((v) => v / all);
}

export const weighting = {
  number: 8,
  short: "Weights by picture",
  votes: GUESSES,
  title: "Does the flow turn noisy channels down?",
  keepsChoice: true,
  notes:
    "The idea of weights: before the split, turn down what is noise in this picture. Ask: if the grain, fine noise " +
    "in the picture, gets twice as loud, are the channels that hold it turned down as much, half way, or only a " +
    "little? Let the class vote before you slide.",
  asked:
    "A channel weight is no learned parameter: the flow computes it from the picture. Weights do not change which " +
    "half leaves. Each half of the channels is weighted by what the other half holds, so that the way back can " +
    "compute the weights again. The dashed line was not measured: so far a channel of nothing but grain would fall " +
    "if its weight undid all that was added. Under each card stands its share of all grain, relative to the " +
    "channel’s own spread; grainy channels are those with more than twice an even share. A channel with hardly any " +
    "grain may fall most, since a weight answers to more than its own channel. This is one picture and no average " +
    "over many; each bar averages two draws of the grain.",
  more: { page: "weights", query: { level: "1" } },
  cannot: ({ flow }) => (flow.levels[0].weights ? null : "This flow weights no channels; the bundled one does."),

  build(stage) {
    const { flow } = stage,
      level = flow.levels[0],
      n = level.channels,
      { kept } = level,
      shape = stage.pack.head.shape;
    const { bytes, grain = 0 } = stage.images[stage.image],
      x = flow.dequantise(bytes),
      noise = Array.from({ length: DRAWS }, (_, k) => normals(77 + k, x.length));
    // The picture's own grain counts too, where it is known; independent grains add as squares.
    const loudness = (sigma) => Math.hypot(grain, sigma);
    const grained = (sigma, k) => x.map((v, i) => v + (sigma / 256) * noise[k][i]);
    const weightsAt = (sigma) => {
      const sum = new Float64Array(n);
      for (let k = 0; k < DRAWS; k++)
        flow.encode1(grained(sigma, k)).forEach((w, j) => {
          sum[j] += w / DRAWS;
        });
      return sum;
    };
    const mean = (w) => w.reduce((a, b) => a + b, 0) / w.length;
    const share = (v) => Math.exp(v) - 1,
      inPercent = (v) => minus(Math.round(100 * v) || 0),
      fine = (v) => minus((100 * v).toFixed(Math.abs(v) < 0.0995 ? 1 : 0).replace(/^-(0\.0+)$/, "$1"));
    const times = (sigma) => (loudness(sigma) / loudness(FROM)).toFixed(1);
    const full = (sigma) => Math.log(loudness(FROM) / loudness(sigma));
    const base = weightsAt(FROM);
    let sigma = FROM,
      now = base,
      voted = stage.choice !== "";
    const shown = el("canvas", { role: "img", "aria-label": "The picture with grain" }),
      caption = el("figcaption", {}),
      room = el("div", { className: "room" });
    stage.host.append(el("div", { className: "pair" }, el("figure", {}, shown, caption), room));
    const change = (j) => share(now[j] - base[j]);
    // The channels stand in the order of the split, with their share of the grain; grainy is what holds more than twice
    // an even share.
    const grains = grainShares(stage),
      shares = level.order.map((c) => grains[c]),
      least = Math.min(2 / n, Math.max(...shares));
    const { features } = stage.traces[0],
      of = own(features, n),
      cards = level.order.map((c) => greyMap(features, n, c, level.height, level.width, of.middle[c], of.spread[c]));
    const averageOf = (grainy) => {
      const some = [...now.keys()].filter((j) => shares[j] >= least === grainy);
      return share(mean(some.map((j) => now[j])) - mean(some.map((j) => base[j])));
    };
    const view = surface(
      room,
      (context, width, height) => {
        const ink = colours(stage.stage),
          cell = width / n,
          line = 1.25 * ink.size,
          split = kept * cell;
        // Bars hang from the zero line, with their numbers above it; under it there is room for a weight that undoes
        // all grain.
        const side = cell - 6,
          top = line + 6,
          foot = height - side - line - 6,
          zero = top + Math.max(1.6 * line, 0.14 * (foot - top)),
          scale = (foot - zero - line - 6) / -share(full(TO));
        const write = (text, x, y, align = "left") => {
          context.textAlign = align;
          context.fillText(text, x, y);
        };
        context.font = `${ink.size}px ${ink.sans}`;
        context.fillStyle = ink.quiet;
        write("passed on", split - 10, ink.size, "right");
        write("factored out", split + 10, ink.size);
        for (let j = 0; j < n; j++) {
          const h = Math.min(zero - top - line, Math.max(-(foot - zero), change(j) * scale)),
            text = inPercent(change(j));
          context.fillStyle = j < kept ? ink.accent : ink.warm;
          context.fillRect(j * cell + 3, Math.min(zero, zero - h), cell - 6, Math.max(3, Math.abs(h)));
          context.drawImage(cards[j], j * cell + 3, foot + 4, side, side);
          context.fillStyle = shares[j] >= least ? ink.ink : ink.quiet;
          context.font = `${shares[j] >= least ? 600 : 400} ${Math.min(ink.size, 0.36 * cell)}px ${ink.sans}`;
          write(percent(shares[j]), (j + 0.5) * cell, height - 4, "center");
          context.font = `${Math.min(ink.size, 0.5 * cell)}px ${ink.sans}`;
          context.fillStyle = ink.ink;
          if (voted) write(text, (j + 0.5) * cell, zero - Math.max(0, h) - 7, "center");
        }
        context.font = `${ink.size}px ${ink.sans}`;
        context.strokeStyle = ink.ink;
        context.lineWidth = 2;
        context.beginPath();
        context.moveTo(0, zero);
        context.lineTo(width, zero);
        context.moveTo(split, 0);
        context.lineTo(split, foot);
        context.stroke();
        if (!voted || sigma === FROM) return;
        context.fillStyle = ink.quiet;
        const far = zero - share(full(sigma)) * scale; // where a weight would be that undoes the grain
        context.setLineDash([6, 5]);
        context.beginPath();
        context.moveTo(0, far);
        context.lineTo(width, far);
        context.stroke();
        context.setLineDash([]);
        write(`to undo all grain: ${inPercent(share(full(sigma)))} %`, width, far + line, "right");
      },
      "The change of every channel's weight against the least grain",
    );
    const draw = () => {
      picture(Uint8Array.from(flow.quantise(grained(sigma, 0))), shape, shown);
      caption.textContent = `${loudness(sigma).toFixed(1)} grey levels of fine noise (grain)${grain ? "" : " added"}`;
      if (!voted) return stage.say(`Guess: grain grows ×${times(TO)}. How far are grainy channels turned down?`);
      now = weightsAt(sigma);
      view.redraw();
      const [grainy, others] = [averageOf(true), averageOf(false)],
        most = share(full(sigma)),
        part = grainy / most;
      const furthest = Math.min(...[...now.keys()].filter((j) => shares[j] < least).map(change)),
        one = furthest < grainy ? ` (one even ${inPercent(furthest)} %)` : "";
      stage.say(
        sigma === FROM
          ? "Slide to add grain; the weights answer at once."
          : `${part < 0.05 ? "Not here" : part < 0.3 ? "Only a little here" : part < 0.8 ? "Partly here" : "Yes, here"}: grainy channels ${fine(grainy)} %, others ${fine(others)} %${one}.`,
      );
    };
    const control = slider({
      label: "Grain",
      min: FROM,
      max: TO,
      step: 0.1,
      value: FROM,
      text: (v) => `×${times(v)}`,
      onmove: (v) => {
        sigma = v;
        draw();
      },
    });
    const vote = choices(
      "Your guess",
      GUESSES,
      (key) => {
        voted = true;
        stage.choose(key);
        control.input.disabled = false;
        sigma = TO;
        control.input.value = TO;
        control.show();
        draw();
      },
      stage.choice,
    );
    control.input.disabled = !voted;
    stage.host.append(
      el(
        "p",
        { className: "caption" },
        "A weight, computed from each picture, multiplies a channel. Bar: its change in %. Under cards: share of all " +
          "grain.",
      ),
      vote.row,
      control.row,
    );
    if (voted) {
      sigma = TO;
      control.input.value = TO;
      control.show();
    }
    draw();
    return { stop: () => view.stop() };
  },
};
