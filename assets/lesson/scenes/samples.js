// Scene 10: samples, with a temperature for every level.
import { el, number, picture, slider } from "../draw.js";
import { normals } from "../flow.js";

const FACES = 12, FRAME_MS = 6;

export const sampling = {
  number: 10,
  short: "New faces",
  title: "Noise in, faces out.",
  otherTitle: "Noise in, pictures out.",                // of a flow that was not trained on faces
  notes: "None of these faces exists. The flow runs backwards from noise. Lower the temperature of one level at a time: level 1 holds grain, " +
    "the last level decides what kind of face it is.",
  more: { page: "checkpoint" },

  build(stage) {
    const { flow } = stage, shape = stage.pack.head.shape, temperatures = flow.levels.map(() => 1);
    let seed = Math.max(1, Math.round(+stage.choice) || 1), timer;
    const faces = Array.from({ length: FACES }, (_, i) => el("canvas", { role: "img", "aria-label": `Sample ${i + 1}` }));
    const wall = el("button", { type: "button", className: "wall", "aria-label": "New samples", onclick: () => next() }, ...faces);
    stage.host.append(wall);
    const draw = () => {
      clearTimeout(timer);
      let i = 0;
      const slice = () => {
        const end = performance.now() + FRAME_MS;
        do {
          const latents = flow.levels.map((level, l) => normals(seed * 1000 + i * 10 + l, level.height * level.width * level.gone).map((v) => v * temperatures[l]));
          picture(Uint8Array.from(flow.quantise(flow.decode(latents))), shape, faces[i]);
          i++;
        } while (i < FACES && performance.now() < end);
        if (i < FACES) timer = setTimeout(slice, 0);
      };
      slice();
      stage.say(`${FACES} new pictures, each from ${number(flow.dimensions)} values of noise. Click for more.`);
    };
    const next = () => { seed++; stage.choose(seed); draw(); };
    const rows = flow.levels.map((level, l) => slider({ label: `Level ${level.number}`, min: 0, max: 1.3, step: 0.05, value: 1, text: (v) => `T ${v.toFixed(2)}`,
      onmove: (v) => { temperatures[l] = v; draw(); } }).row);
    stage.host.append(el("div", { className: "sliders" }, ...rows, el("button", { type: "button", className: "strong", onclick: () => next() }, "New faces")));
    draw();
    return { play: next, stop: () => clearTimeout(timer) };
  },
};
