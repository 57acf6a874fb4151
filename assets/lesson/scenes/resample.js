// Scene 8, first beat: level 1 is redrawn, levels 1 and 2, and so on to all, side by side; each click draws new noise.
import { animate, ease, el, mixed, picture } from "../draw.js";
import { distance, greyLevels, normals, psnr } from "../flow.js";

/** The seed of the first draw's first level; seconds in which pictures turn into those of the next draw. */
const SEED = 101,
  TURN_S = 0.6;

/** @type {import("../beats.js").Beat} */
export const resampling = {
  key: "1",
  label: "Redraw",

  build(stage, room, { state, controls, keep, moving }) {
    const image = stage.images[stage.image],
      shape = stage.pack.head.shape,
      { flow, traces } = stage;
    const others = stage.images.filter((one) => one !== image && one.number !== "own").map(({ bytes }) => bytes),
      another = others.reduce((sum, bytes) => sum + distance(bytes, image.bytes), 0) / others.length,
      noun = stage.pack.head.faces && image.number !== "own" ? "face" : "picture";
    const noiseOf = (draw) =>
      flow.levels.map((_, l, all) => normals(SEED + draw * all.length + l, traces[l].noise.length));
    let draw = Math.max(0, Math.floor(+state) || 0),
      noise = noiseOf(draw),
      stop = () => {};
    /** The picture's values with the latents of levels 1 to l + 1 redrawn, and how far they are off in grey levels. */
    const redrawn = (l, latents = noise) => {
      let x = traces[l].kept;
      for (let k = l; k >= 0; k--) x = flow.decodeLevel(k, x, latents[k]);
      return { x, off: greyLevels(psnr(x, image.bytes)) };
    };
    const shown = flow.levels.map((_, l, { length }) => {
      const label =
        l === length - 1 ? "everything redrawn" : `level${l ? `s 1 ${l > 1 ? "to" : "and"} ${l + 1}` : " 1"} redrawn`;
      return { canvas: el("canvas", { role: "img", "aria-label": label }), error: el("b", {}), label };
    });
    const before = picture(image.bytes, shape, el("canvas", { role: "img", "aria-label": "The picture" })),
      figure = (canvas, label, error) =>
        el("figure", {}, canvas, el("figcaption", {}, el("span", {}, label), error ?? el("b", {}, "exact")));
    const caption = el("p", { className: "caption" });
    room.append(
      el(
        "div",
        { className: "redrawn", style: `--n:${shown.length + 1}` },
        figure(before, "the picture"),
        ...shown.map(({ canvas, error, label }) => figure(canvas, label, error)),
      ),
      caption,
    );
    const paint = (latents) =>
      shown.forEach(({ canvas, error }, l) => {
        const { x, off } = redrawn(l, latents);
        picture(Uint8Array.from(flow.quantise(x)), shape, canvas);
        error.textContent = `error ${off.toFixed(0)} of 255`;
      });
    const say = () => {
      const { off } = redrawn(0),
        error = off.toFixed(0);
      caption.textContent = `New values are random${flow.levels[0].prior ? ", drawn to fit the rest" : ""}.`;
      const what = off < another / 2 ? "only details change" : "much changes";
      stage.say(`Level 1 redrawn: ${what} (${error} of 255). Another ${noun}: usually ${another.toFixed(0)}.`);
    };
    /** Turn the pictures from some latents into those of this draw. */
    const turn = (from) => {
      stop();
      say();
      if (stage.reduced) return paint(noise);
      stop = animate((s) => {
        const t = ease(s / TURN_S);
        paint(noise.map((values, l) => values.map((v, i) => mixed(from[l][i], v, t))));
        return s < TURN_S;
      });
    };
    const play = () => {
      const from = noise;
      noise = noiseOf(++draw);
      keep(draw);
      turn(from);
    };
    controls.append(el("button", { type: "button", className: "strong", onclick: play }, "Draw again"));
    paint(noise);
    say();
    if (moving) turn(traces.map((trace) => trace.noise));
    return { play, stop: () => stop() };
  },
};
