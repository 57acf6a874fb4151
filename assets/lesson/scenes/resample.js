// Scene 9: throw away latents from the first level on; the picture is decoded with the rest resampled.
import { animate, choices, el, number, picture, slider } from "../draw.js";
import { normals, psnr } from "../flow.js";

export const resampling = {
  number: 9,
  short: "Half, three quarters, all",
  title: "Resample half, three quarters, everything.",
  notes:
    "At one half, level 1 is resampled: speckle appears, yet it is the same face. At three quarters features change; " +
    "beyond, it becomes another picture. Resampled does not mean set to zero: the prior draws values that fit what " +
    "is passed on.",
  asked:
    "Even with everything resampled a complete picture comes out. In scene 5 thrown channels became averages. The " +
    "switch shows another flow, a Glow whose half goes by position. It is one picture and one draw, no verdict on " +
    "splits: scene 13 compares. Off by: root mean square.",
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
    let name = "flow",
      thrown = 0,
      stop = () => {};
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
        el("figure", {}, after, el("figcaption", {}, "with values resampled")),
      ),
    );
    // What is resampled: whole levels by their names, else a count of values.
    const [first, second] = noise("flow").map((e) => e.length);
    const what = (count) =>
      count === total
        ? `All ${number(count)} values resampled`
        : count === first
          ? `Level 1 resampled, ${number(count)} values`
          : count === first + second
            ? `Levels 1 and 2 resampled, ${number(count)} values`
            : `${number(count)} of ${number(total)} values resampled`;
    const draw = () => {
      const flow = flows[name];
      let rest = thrown;
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
      const x = flow.decode(latents),
        db = psnr(x, image.bytes);
      picture(Uint8Array.from(flow.quantise(x)), shape, after);
      const off = 255 * 10 ** (-db / 20); // root mean square, in grey levels
      stage.say(
        thrown === 0
          ? "Nothing is resampled: the picture is exact."
          : `${what(thrown)}: off by ${off.toFixed(0)} grey levels, PSNR ${db.toFixed(1)} dB.`,
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
          ["fixed", "Glow: half by position"],
        ],
        (key) => {
          name = key;
          draw();
        },
        "flow",
      );
    stage.host.append(
      el(
        "p",
        { className: "caption" },
        "The prior, a network, draws what fits the values passed on, if any. PSNR: higher is closer. One draw: no " +
          "verdict.",
      ),
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
