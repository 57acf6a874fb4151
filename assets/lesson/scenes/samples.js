// Scene 11: samples, with a temperature for every level.
import { el, picture, slider } from "../draw.js";
import { normals } from "../flow.js";

const FACES = 12,
  FRAME_MS = 6;

export const sampling = {
  number: 11,
  noPicture: true,
  short: "New faces",
  title: "Noise in, faces out.",
  otherTitle: "Noise in, pictures out.", // of a flow that was not trained on faces
  notes:
    "The flow runs backwards, from fresh noise: since every step can be undone, any noise gives a picture, and every " +
    "click gives other faces. Lower the temperature of one level at a time: the last level first, then level 1. The " +
    "sentence says how much the twelve still differ: cleaner faces are paid for with variety.",
  asked:
    "The temperature of a level is the factor on its noise: 1 as in training, 0 none, above 1 more. To differ: the root " +
    "mean square between a picture and the mean of all twelve, in grey levels of 255.",
  more: { page: "checkpoint" },

  build(stage) {
    const { flow } = stage,
      shape = stage.pack.head.shape,
      top = flow.levels.length - 1,
      start = stage.pack.head.flow.temperature ?? 1,
      temperatures = flow.levels.map(() => start);
    const nouns = stage.pack.head.faces ? "faces" : "pictures";
    let seed = Math.max(1, Math.round(+stage.choice) || 1),
      timer,
      at = 0;
    // Of every face: its canvas, its noise at temperature 1, what each level above passed down, the highest level to
    // decode anew, its bytes now and as it first was.
    const faces = Array.from({ length: FACES }, (_, i) => ({
      canvas: el("canvas", { role: "img", "aria-label": `Sample ${i + 1}` }),
      noise: [],
      passed: [],
      stale: -1,
      bytes: [],
      first: null,
    }));
    const wall = el(
      "button",
      { type: "button", className: "wall", "aria-label": "New samples", onclick: () => next() },
      ...faces.map((face) => face.canvas),
    );
    stage.host.append(wall);
    // A slider may move before all are drawn: each is first decoded at the temperatures that it was drawn for.
    let drawnAt = temperatures;
    const decode = (face) => {
      const used = face.first ? temperatures : drawnAt;
      for (let l = face.stale; l >= 0; l--)
        face.passed[l] = flow.decodeLevel(
          l,
          face.passed[l + 1] ?? null,
          face.noise[l].map((v) => v * used[l]),
        );
      face.stale = used.every((t, l) => t === temperatures[l]) ? -1 : top;
      face.bytes = Uint8Array.from(flow.quantise(face.passed[0]));
      face.first ??= face.bytes;
      picture(face.bytes, shape, face.canvas);
    };
    /** How much the pictures differ, as they are or as they first were: root mean square from their mean. */
    const variety = (of) => {
      const mean = new Float64Array(flow.dimensions);
      for (const face of faces)
        of(face).forEach((v, i) => {
          mean[i] += v / FACES;
        });
      const sum = faces.reduce((all, face) => all + of(face).reduce((part, v, i) => part + (v - mean[i]) ** 2, 0), 0);
      return Math.sqrt(sum / FACES / flow.dimensions);
    };
    let said = "";
    // As many faces as a frame has time for, in turn: while a slider moves, each is drawn again and again.
    const slice = () => {
      const end = performance.now() + FRAME_MS;
      for (let tried = 0; tried < FACES && performance.now() < end; tried++, at = (at + 1) % FACES)
        if (faces[at].stale >= 0) decode(faces[at]);
      clearTimeout(timer);
      if (faces.some((face) => face.stale >= 0)) timer = setTimeout(slice, 0);
      else if (said) {
        const [now, before] = [variety((face) => face.bytes), variety((face) => face.first)].map((v) => v.toFixed(0));
        stage.say(`${said}: the ${nouns} differ by ${now} grey levels, before by ${before}.`);
      }
    };
    const redraw = (level) => {
      for (const face of faces) face.stale = Math.max(face.stale, level);
      slice();
    };
    const draw = () => {
      said = "";
      drawnAt = [...temperatures];
      faces.forEach((face, i) => {
        face.first = null;
        face.noise = flow.levels.map((level, l) =>
          normals(seed * 1000 + i * 10 + l, level.height * level.width * level.gone),
        );
      });
      at = 0;
      redraw(top);
      stage.say(`A flow that can be undone can draw: ${FACES} new ${nouns} from fresh noise.`);
    };
    const next = () => {
      seed++;
      stage.choose(seed);
      draw();
    };
    const rows = flow.levels.map(
      (level, l) =>
        slider({
          label: `Level ${level.number}`,
          min: 0,
          max: 1.3,
          step: 0.05,
          value: start,
          text: (v) => v.toFixed(2),
          onmove: (v) => {
            temperatures[l] = v;
            stage.say(`${(said = `Level ${level.number} at temperature ${v.toFixed(2)}`)}.`);
            redraw(l);
          },
        }).row,
    );
    stage.host.append(
      el("p", { className: "caption" }, "Temperature: the factor on a level’s noise. 1 as in training, 0 no noise."),
      el(
        "div",
        { className: "sliders" },
        ...rows,
        el("button", { type: "button", className: "strong", onclick: () => next() }, "New faces"),
      ),
    );
    draw();
    return { play: next, stop: () => clearTimeout(timer) };
  },
};
