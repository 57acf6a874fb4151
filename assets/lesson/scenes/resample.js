// Scene 9: throw away latents from the first level on; the picture is decoded with the rest resampled.
import { animate, cap, choices, el, number, part, percent, picture, slider } from "../draw.js";
import { normals, psnr } from "../flow.js";

/** How far two pictures are apart: root mean square, in grey levels. */
const distance = (a, b) => Math.sqrt(a.reduce((sum, v, i) => sum + (v - b[i]) ** 2, 0) / a.length);

export const resampling = {
  number: 9,
  short: "Half, three quarters, all",
  title: "Resample half, three quarters, everything.",
  notes:
    "Press half: all of level 1 is drawn anew by the prior, to fit what is passed on; ask whether it is still the same " +
    "face. Then three quarters, then everything: which values hold whose face it is? Detail can leave early, and the " +
    "later levels work on few values at a smaller size: that is why a flow has several scales.",
  asked:
    "Error: the average of the picture, as root mean square, in grey levels of 255; the other faces are those " +
    "below. Even with everything resampled a complete picture comes out. In scene 5 thrown channels became " +
    "averages. The switch shows another flow, built like Glow, a well-known one: its half goes by position. One " +
    "picture and one draw do not tell which half is better: scene 13 compares. The prior is a network that makes " +
    "values of noise, to fit the values passed on.",
  more: { page: "latents" },

  build(stage) {
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
    const why = el("p", { className: "caption" });
    const before = picture(image.bytes, shape),
      after = el("canvas", {});
    before.setAttribute("role", "img");
    before.setAttribute("aria-label", "The picture");
    after.setAttribute("role", "img");
    after.setAttribute("aria-label", "The picture with latents resampled");
    stage.host.append(
      el(
        "div",
        { className: "pair" },
        el("figure", {}, before, el("figcaption", {}, "the picture")),
        el(
          "figure",
          {},
          after,
          el(
            "figcaption",
            {},
            "values resampled",
            el("span", { className: "wide" }, ": drawn as the later levels predict"),
          ),
        ),
      ),
    );
    const [first, second] = noise("flow").map((e) => e.length),
      ofFirst = part(first / total);
    /** The picture's values with so many latents resampled, and how far they are off in grey levels (root mean square). */
    const resampled = (count) => {
      const flow = flows[name];
      let rest = count;
      const latents = noise(name).map((e, l) => {
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
      return { x, off: 255 * 10 ** (-psnr(x, image.bytes) / 20) };
    };
    /** Why a flow has several scales: what leaves first, and what the later levels do at which cost. */
    const tellWhy = () => {
      const { levels } = flows[name],
        [steps, count] = [levels[0].steps.length, levels.length],
        work = levels.reduce((sum, level) => sum + level.multiplications, 0),
        side = 2 ** count;
      why.textContent =
        `Why several scales? ${resampled(first).off < another / 2 ? "Detail leaves" : `${cap(ofFirst)} of the values leave`} first. ` +
        `The later levels have ${(count - 1) * steps} of ${count * steps} couplings but need ` +
        `${percent(1 - levels[0].multiplications / work)} of the multiplications. Each of their places sees up to ` +
        `${side}×${side} pixels.`;
    };
    /** What whole levels hold, by how far the picture moves without them; else what is resampled. */
    const what = (count, off) => {
      const near = off < another / 2;
      if (count === total)
        return off > 0.75 * another ? `Everything is new, and so is the ${noun}` : "Everything resampled";
      if (count === first) return near ? `Level 1, ${ofFirst} of the values, holds detail` : "Level 1 resampled";
      if (count === first + second)
        return near ? `${number(total - count)} of ${number(total)} values keep the gist` : "Levels 1 and 2 resampled";
      return `${number(count)} of ${number(total)} values resampled`;
    };
    const draw = () => {
      const { x, off } = resampled(thrown);
      picture(Uint8Array.from(flows[name].quantise(x)), shape, after);
      stage.say(
        thrown === 0
          ? "Nothing is resampled: the picture is exact."
          : `${what(thrown, off)}: error ${off.toFixed(0)} of 255, another ${noun} ${another.toFixed(0)}.`,
      );
      stops.forEach(([v, button]) => button.setAttribute("aria-pressed", String(v === thrown)));
    };
    const control = slider({
      label: "Resampled",
      min: 0,
      max: total,
      step: 1,
      value: 0,
      text: (v) => `${Math.round((100 * v) / total)} %`,
      onmove: (v) => {
        stop();
        thrown = v;
        stage.choose(v);
        draw();
      },
    });
    const set = (v) => {
      stop();
      thrown = v;
      control.input.value = v;
      control.show();
      draw();
      stage.choose(v);
    };
    const stops = [
      ["nothing", 0],
      ["half", total / 2],
      ["three quarters", (3 * total) / 4],
      ["everything", total],
    ].map(([text, v]) => [v, el("button", { type: "button", onclick: () => set(v) }, text)]);
    const compare =
      stage.fixed &&
      choices(
        "Flow",
        [
          ["flow", stage.flow.sortsByEntropy ? "half by entropy" : "this flow"],
          ["fixed", "half by position"],
        ],
        (key) => {
          name = key;
          tellWhy();
          draw();
        },
        "flow",
      );
    stage.host.append(
      why,
      control.row,
      el(
        "div",
        { className: "buttons centre" },
        el(
          "div",
          { className: "choices", role: "group", "aria-label": "Resample" },
          ...stops.map(([, button]) => button),
        ),
        compare?.row,
      ),
    );
    tellWhy();
    const play = () => {
      stop();
      stop = animate((s) => {
        thrown = Math.round((total / 2) * Math.min(1, s / 1.6));
        control.input.value = thrown;
        control.show();
        draw();
        return s < 1.6;
      });
    };
    if (stage.choice !== "" && +stage.choice >= 0 && +stage.choice <= total) set(Math.round(+stage.choice));
    else if (stage.reduced) set(total / 2);
    else play();
    return { play, stop: () => stop() };
  },
};
