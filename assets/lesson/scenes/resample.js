// Scene 8, first beat: latents are resampled, from the first level on; the picture is decoded with the rest.
import { animate, choices, el, number, picture, slider } from "../draw.js";
import { greyLevels, normals, psnr } from "../flow.js";

/** How far two pictures are apart: root mean square, in grey levels. */
const distance = (a, b) => Math.sqrt(a.reduce((sum, v, i) => sum + (v - b[i]) ** 2, 0) / a.length);

/** @type {import("../beats.js").Beat} */
export const resampling = {
  key: "1",
  label: "Redraw",

  build(stage, room, { state, controls, keep, moving }) {
    const image = stage.images[stage.image],
      total = stage.flow.dimensions,
      shape = stage.pack.head.shape;
    const flows = { flow: stage.flow, fixed: stage.fixed };
    const noises = {};
    const noise = (name) =>
      (noises[name] ??= (name === "flow" ? stage.traces : flows.fixed.encode(flows.fixed.dequantise(image.bytes))).map(
        (t) => t.noise,
      ));
    const fresh = stage.flow.levels.map((_, l) => normals(101 + l, noise("flow")[l].length));
    const others = stage.images.filter((one) => one !== image && one.number !== "own").map(({ bytes }) => bytes),
      another = others.reduce((sum, bytes) => sum + distance(bytes, image.bytes), 0) / others.length,
      noun = stage.pack.head.faces && image.number !== "own" ? "face" : "picture";
    let name = "flow",
      thrown = 0,
      stop = () => {};
    const caption = el("p", { className: "caption" }),
      before = picture(image.bytes, shape),
      after = el("canvas", {});
    before.setAttribute("role", "img");
    before.setAttribute("aria-label", "The picture");
    after.setAttribute("role", "img");
    after.setAttribute("aria-label", "The picture with values redrawn");
    room.append(
      el(
        "div",
        { className: "pair" },
        el("figure", {}, before, el("figcaption", {}, "the picture")),
        el("figure", {}, after, el("figcaption", {}, "with redrawn values")),
      ),
    );
    let end = 0;
    /** How many values are redrawn with level 1, with levels 1 and 2, and so on to all. */
    const ends = noise("flow").map((e) => {
      end += e.length;
      return end;
    });
    /** The picture's values with so many latents resampled, and how far they are off in grey levels (root mean square). */
    const resampled = (count, of = name) => {
      const flow = flows[of];
      let rest = count;
      const latents = noise(of).map((e, l) => {
        const y = e.slice(),
          n = y.length / (flow.levels[l].height * flow.levels[l].width),
          gone = Math.min(rest, y.length),
          pixels = y.length / n;
        // The last channels of a level first: they are the nearest to noise.
        for (let k = 0; k < gone; k++) {
          const c = n - 1 - Math.floor(k / pixels),
            p = pixels - 1 - (k % pixels);
          y[p * n + c] = fresh[l][p * n + c];
        }
        rest -= gone;
        return y;
      });
      const x = flow.decode(latents);
      return { x, off: greyLevels(psnr(x, image.bytes)) };
    };
    /** What whole levels hold, by how far the picture moves without them; else what is resampled. */
    const what = (count, off) => {
      const near = off < another / 2;
      if (count === ends.at(-1)) return "All redrawn";
      if (count === ends[0]) return near ? "Level 1 holds details" : "Level 1 redrawn";
      if (count === ends[1]) return near && ends.length === 3 ? "Level 3 keeps the gist" : "Levels 1 and 2 redrawn";
      return `${number(count)} of ${number(total)} values redrawn`;
    };
    const draw = () => {
      const { x, off } = resampled(thrown);
      picture(Uint8Array.from(flows[name].quantise(x)), shape, after);
      const error = off.toFixed(0);
      if (!thrown) stage.say("Nothing is redrawn: the picture is exact.");
      else if (name === "fixed") {
        const ours = resampled(thrown, "flow").off.toFixed(0);
        stage.say(`Sorted by position: ${error} grey levels off; by entropy: ${ours}.`);
      } else
        stage.say(`${what(thrown, off)}: ${error} grey levels off; another ${noun} would be ${another.toFixed(0)}.`);
      caption.textContent =
        name === "fixed"
          ? "By position: always the last channels leave. Your eye may judge otherwise than grey levels."
          : "Redrawn values are random, but fit what is left of the picture.";
      stops.forEach(([v, button]) => button.setAttribute("aria-pressed", String(v === thrown)));
    };
    const control = slider({
      label: "Redrawn",
      min: 0,
      max: total,
      step: 1,
      value: 0,
      text: (v) => `${Math.round((100 * v) / total)} %`,
      onmove: (v) => {
        stop();
        thrown = v;
        keep(v);
        draw();
      },
    });
    const set = (v) => {
      stop();
      thrown = v;
      control.input.value = v;
      control.show();
      draw();
    };
    const stops = [
      ["nothing", 0],
      ...ends.map((end, l) => [
        end === total ? "everything" : l ? `levels 1 ${l > 1 ? "to" : "and"} ${l + 1}` : "level 1",
        end,
      ]),
    ].map(([text, v]) => [
      v,
      el(
        "button",
        {
          type: "button",
          onclick: () => {
            set(v);
            keep(v);
          },
        },
        text,
      ),
    ]);
    const compare =
      stage.fixed &&
      choices(
        "Sorted",
        [
          ["flow", stage.flow.sortsByEntropy ? "sorted by entropy" : "this flow"],
          ["fixed", "sorted by position"],
        ],
        (key) => {
          name = key;
          draw();
        },
        "flow",
      );
    room.append(
      caption,
      el(
        "div",
        { className: "buttons centre" },
        el(
          "div",
          { className: "choices", role: "group", "aria-label": "Redraw" },
          ...stops.map(([, button]) => button),
        ),
        compare?.row,
      ),
    );
    controls.append(control.row);
    const play = () => {
      stop();
      stop = animate((s) => {
        thrown = Math.round(ends[0] * Math.min(1, s / 1.6));
        control.input.value = thrown;
        control.show();
        draw();
        return s < 1.6;
      });
    };
    if (state !== "" && +state >= 0 && +state <= total) set(Math.round(+state));
    else if (moving) play();
    else set(ends[0]);
    return { play, stop: () => stop() };
  },
};
