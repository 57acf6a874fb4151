// Scene 9: attributes as directions in the latents of every level.
import { animate, el, picture, slider } from "../draw.js";

export const attributes = {
  number: 9,
  short: "What a level holds",
  title: "Each level holds other things.",
  notes: "A slider adds the direction of an attribute to the latents: the mean of pictures with it minus the mean of those without. Switch levels off to see " +
    "which level draws it. The bars say how well each level alone tells the attribute: one half of the way is chance.",
  more: { page: "latents" },
  cannot: ({ pack }) => pack.head.attributes ? null : "The attributes of this flow’s pictures are not known; they are for faces.",

  build(stage) {
    const { head, floats } = stage.pack, { flow } = stage, shape = head.shape, list = head.attributes.map((one) => ({ ...one, at: 0, directions: one.directions.map(floats) }));
    const on = flow.levels.map(() => true), shown = el("canvas", { role: "img", "aria-label": "The picture, edited" });
    let latest = list[0];
    const bars = el("div", { className: "level-bars" });
    const draw = () => {
      const latents = stage.traces.map((trace, l) => {
        const y = trace.noise.slice();
        if (on[l]) for (const one of list) if (one.at) for (let i = 0; i < y.length; i++) y[i] += one.at * one.unit * one.directions[l][i];
        return y;
      });
      picture(Uint8Array.from(flow.quantise(flow.decode(latents))), shape, shown);
      const best = latest.readings.reduce((a, b, l) => b > latest.readings[a] ? l : a, 0);
      stage.say(`${latest.label}: level ${best + 1} alone tells it best, ${latest.metric} ${latest.readings[best].toFixed(2)}.`);
      bars.replaceChildren(...flow.levels.map((level, l) => {
        const value = latest.readings[l], part = Math.max(0, latest.metric === "AUROC" ? 2 * value - 1 : value);
        return el("button", { type: "button", "aria-pressed": String(on[l]), "aria-label": `Level ${l + 1}, ${on[l] ? "edited" : "left alone"}`,
          onclick: () => { on[l] = !on[l]; draw(); bars.children[l].focus(); } },
          el("span", {}, `level ${l + 1}`), el("i", { style: `width:${Math.round(100 * part)}%` }), el("b", {}, value.toFixed(2)));
      }));
    };
    const controls = list.map((one) => slider({ label: one.label, min: -1.5, max: 1.5, step: 0.05, value: 0, text: (v) => v === 0 ? "as is" : v > 0 ? `+${v.toFixed(1)}` : `−${(-v).toFixed(1)}`,
      onmove: (v) => { stop(); one.at = v; latest = one; draw(); } }));
    stage.host.append(el("div", { className: "pair edit" }, el("figure", {}, shown), el("div", { className: "panel" }, ...controls.map((one) => one.row), bars)));
    let stop = () => {};
    const play = () => {
      stop();
      stop = animate((s) => {
        list[0].at = controls[0].input.value = Math.min(1, s / 1.4);
        controls[0].show();
        draw();
        return s < 1.4;
      });
    };
    draw();
    if (!stage.reduced) play();
    return { play, stop: () => stop() };
  },
};
