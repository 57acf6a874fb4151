// Scene 8, first beat: level 1 is redrawn, levels 1 and 2, and so on to all, side by side; each click draws new noise.
import { animate, choices, ease, el, mixed, picture } from "../draw.js";
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
      flows = { flow: stage.flow, fixed: stage.fixed },
      known = { flow: stage.traces };
    const tracesOf = (name) => (known[name] ??= flows[name].encode(flows[name].dequantise(image.bytes)));
    const others = stage.images.filter((one) => one !== image && one.number !== "own").map(({ bytes }) => bytes),
      another = others.reduce((sum, bytes) => sum + distance(bytes, image.bytes), 0) / others.length,
      noun = stage.pack.head.faces && image.number !== "own" ? "face" : "picture";
    const noiseOf = (draw) =>
      stage.flow.levels.map((_, l, all) => normals(SEED + draw * all.length + l, stage.traces[l].noise.length));
    let name = "flow",
      draw = Math.max(0, Math.floor(+state) || 0),
      noise = noiseOf(draw),
      stop = () => {};
    /** The picture's values with the latents of levels 1 to l + 1 redrawn, and how far they are off in grey levels. */
    const redrawn = (l, of = name, latents = noise) => {
      let x = tracesOf(of)[l].kept;
      for (let k = l; k >= 0; k--) x = flows[of].decodeLevel(k, x, latents[k]);
      return { x, off: greyLevels(psnr(x, image.bytes)) };
    };
    const shown = stage.flow.levels.map((_, l, { length }) => {
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
        const { x, off } = redrawn(l, name, latents);
        picture(Uint8Array.from(flows[name].quantise(x)), shape, canvas);
        error.textContent = `error ${off.toFixed(0)} of 255`;
      });
    const say = () => {
      const { off } = redrawn(0),
        error = off.toFixed(0);
      caption.textContent =
        name === "fixed"
          ? "By position: the last channels leave, whatever they hold."
          : `New values are random${stage.flow.levels[0].prior ? "; a network fits them to the rest" : ""}.`;
      if (name === "fixed") {
        const ours = redrawn(0, "flow").off,
          alike = error === ours.toFixed(0),
          best = alike ? "Both keep about the same here" : `${off < ours ? "Position" : "Entropy"} keeps more here`;
        return stage.say(`${best}. Level 1 by position: ${error} off; by entropy: ${ours.toFixed(0)}.`);
      }
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
    if (stage.fixed)
      controls.append(
        choices(
          "Sorted",
          [
            ["flow", stage.flow.sortsByEntropy ? "sorted by entropy" : "this flow"],
            ["fixed", "by position"],
          ],
          (key) => {
            stop();
            name = key;
            paint(noise);
            say();
          },
          "flow",
        ).row,
      );
    paint(noise);
    say();
    if (moving) turn(stage.traces.map((trace) => trace.noise));
    return { play, stop: () => stop() };
  },
};
