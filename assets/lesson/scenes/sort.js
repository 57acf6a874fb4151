// Scene 5: the channels slide into the order of the Shuffle, and the split line falls.
import { animate, colours, ease, greyMap, mixed, own, percent, slider, surface } from "../draw.js";
import { normals } from "../flow.js";

const GRAIN = 2 / 256, DRAWS = 8;

/** Mean squared change of every channel of level 1 when grain is added to the picture, in units of its spread over pictures. */
export function grainResponse(stage) {
  const { flow, traces } = stage, x = flow.dequantise(stage.images[stage.image].bytes), n = flow.levels[0].channels, sum = new Float64Array(n);
  const clean = traces[0].features;
  for (let draw = 1; draw <= DRAWS; draw++) {
    const noise = normals(draw, x.length), f = flow.encode(x.map((v, i) => v + GRAIN * noise[i]))[0].features;
    for (let i = 0; i < f.length; i++) sum[i % n] += (f[i] - clean[i]) ** 2;
  }
  return sum.map((s, c) => s / stage.pack.head.flow.spread[0][c] ** 2);
}

export const sorting = {
  number: 5,
  short: "Sorted by structure",
  title: "The flow sorts channels by structure.",
  notes: "The bar under a card is its spectral redundancy, the mean over test pictures: long bars mean structure, short bars look like white noise. " +
    "Drag the slider: the cards slide into the order the flow uses, and the right half is factored out. Added grain lands mostly there. The order was set before " +
    "training and the bars are measured after it, so a few tall ones may stand to the right.",
  more: { page: "entropy", query: { level: "1" } },

  build(stage) {
    const level = stage.flow.levels[0], n = level.channels, { kept } = level, { features } = stage.traces[0], of = own(features, n);
    const red = stage.pack.head.flow.redundancy, largest = Math.max(...red, 1e-6);
    const cards = Array.from({ length: n }, (_, c) => greyMap(features, n, c, level.height, level.width, of.middle[c], of.spread[c]));
    const start = Array.from({ length: n }, (_, c) => c).sort((a, b) => normals(a * 31 + 5, 1)[0] - normals(b * 31 + 5, 1)[0]);
    const from = new Array(n), to = new Array(n);
    start.forEach((c, i) => { from[c] = i; });
    level.order.forEach((c, i) => { to[c] = i; });
    let t = 0, stopMotion = () => {}, share = null;
    const view = surface(stage.host, (context, width, height) => {
      const ink = colours(stage.stage), small = width < 640, columns = small ? Math.ceil(n / 2) : n, rows = small ? 2 : 1;
      const gap = small ? 8 : 14, cell = (width - gap * (columns - 1)) / columns, side = Math.min(cell, (height - 60 * rows) / rows / 1.9);
      const step = Math.min(cell + gap, side + gap), x0 = (width - step * columns + gap) / 2, bar = Math.min(side * 0.9, 120), block = side + bar + 24;
      const y0 = small ? 20 : Math.max(40, (height - block) / 2 - 10);
      const x = (slot) => x0 + (slot % columns) * step, y = (slot) => y0 + Math.floor(slot / columns) * (block + 30);
      for (let c = 0; c < n; c++) {
        const e = ease(t), px = mixed(x(from[c]), x(to[c]), e), py = mixed(y(from[c]), y(to[c]), e) - Math.sin(Math.PI * e) * (small ? 0 : (c % 3 - 1) * 26);
        context.drawImage(cards[c], px, py, side, side);
        context.fillStyle = t > 0.9 && to[c] >= kept ? ink.warm : ink.accent;
        const high = Math.max(2, Math.max(0, red[c]) / largest * bar);
        context.fillRect(px, py + side + 6, side, high);
      }
      const fall = ease((t - 0.75) / 0.25);
      if (fall > 0) {
        context.strokeStyle = ink.ink;
        context.lineWidth = 3;
        context.beginPath();
        if (small) { const yy = y0 + block + 8; context.moveTo(0, yy); context.lineTo(width * fall, yy); }
        else { const xx = x0 + kept * step - gap / 2; context.moveTo(xx, 0); context.lineTo(xx, fall * height); }
        context.stroke();
        context.globalAlpha = fall;
        context.fillStyle = ink.quiet;
        context.font = `${small ? 16 : 20}px ${ink.sans}`;
        const base = small ? 14 : y0 - 14;
        context.textAlign = "left";
        context.fillText("goes on", x0, base);
        context.textAlign = "right";
        context.fillText("factored out", small ? width : x0 + n * step - gap, small ? y0 + block + 26 : base);
        context.textAlign = "left";
        context.globalAlpha = 1;
      }
    }, "The channels of level 1 with their spectral redundancy as bars");
    const say = () => {
      if (t < 0.98) return stage.say(t < 0.02 ? "Long bars mean structure. Which channels are grain?" : "The order used slides the cards into place …");
      share ??= (() => { const r = grainResponse(stage); return level.order.slice(kept).reduce((s, c) => s + r[c], 0) / r.reduce((a, b) => a + b, 0); })();
      const most = [...red.keys()].sort((a, b) => red[b] - red[a]).slice(0, kept), there = most.filter((c) => to[c] < kept).length;
      stage.say(`${there} of ${kept} structured channels go on; ${percent(share)} of added grain is factored out.`);
    };
    const move = (v) => { t = v; view.redraw(); say(); };
    const control = slider({ label: "Sort", value: 0, text: (v) => `${Math.round(100 * v)} %`, onmove: (v) => { stopMotion(); move(v); stage.choose(v); } });
    stage.host.append(control.row);
    const set = (v) => { control.input.value = v; control.show(); move(v); };
    const play = () => { stopMotion(); stopMotion = animate((s) => { set(Math.min(1, Math.max(0, s - 0.7) / 2.6)); return s < 3.3; }); };
    if (stage.choice !== "") set(Math.min(1, Math.max(0, +stage.choice || 0)));
    else if (stage.reduced) set(1);
    else play();
    return { play, stop: () => { stopMotion(); view.stop(); } };
  },
};
