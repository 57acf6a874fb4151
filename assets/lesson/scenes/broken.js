// Scene 3, third beat: a network that reads what it changes, and the face that does not come back.
import { choices, colours, el, picture, surface } from "../draw.js";
import { greyLevels, psnr, unsqueeze } from "../flow.js";

const RULES = [
  ["kept", "network reads A"],
  ["broken", "network reads B"],
];

/** @type {import("../beats.js").Beat} */
export const breaking = {
  key: "3",
  label: "Break it",
  title: "The half that predicts must stay unchanged.",
  notes: "Let the network read the half that it changes: does the face come back?",

  build(stage, room, { state, controls, keep }) {
    const { flow, images, image, pack } = stage,
      { bytes } = images[image],
      level = flow.levels[0],
      shape = pack.head.shape,
      whole = pack.head.faces && images[image].number !== "own" ? "face" : "picture";
    let rule = state === "broken" ? "broken" : "kept";
    const returned = {
      kept: level.undo(stage.traces[0].features),
      broken: level.undo(level.run(stage.traces[0].input, null, true).at(-1), level.steps.length, true),
    };
    const before = picture(bytes, shape),
      after = el("canvas", {}),
      drawing = el("div", { className: "room" });
    for (const [canvas, label] of [
      [before, "The picture"],
      [after, "The picture after the way forward and back"],
    ]) {
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", label);
    }
    room.append(
      el(
        "div",
        { className: "trio" },
        el("figure", {}, before, el("figcaption", {}, "before")),
        drawing,
        el("figure", {}, after, el("figcaption", {}, "forward and back")),
      ),
      el(
        "p",
        { className: "caption" },
        "The way back must make the same prediction, so its network needs the same input.",
      ),
    );
    const view = surface(
      drawing,
      (context, width, height) => {
        const ink = colours(stage.stage),
          wide = Math.min(120, 0.3 * width),
          tall = Math.min(64, 0.16 * height),
          [left, right] = [0, width - wide],
          [upper, lower] = [0.16 * height, 0.84 * height],
          middle = height / 2,
          broken = rule === "broken";
        context.font = `${ink.size}px ${ink.sans}`;
        context.textAlign = "center";
        context.lineWidth = 3;
        const box = (x, y, text, colour) => {
          context.strokeStyle = colour;
          context.strokeRect(x + 1.5, y - tall / 2, wide - 3, tall);
          context.fillStyle = ink.ink;
          context.fillText(text, x + wide / 2, y + 0.35 * ink.size, wide - 10);
        };
        const arrow = (points, colour) => {
          context.strokeStyle = context.fillStyle = colour;
          context.beginPath();
          points.forEach(([x, y]) => context.lineTo(x, y));
          context.stroke();
          const [[x, y], [u, v]] = [points.at(-1), points.at(-2)],
            angle = Math.atan2(y - v, x - u);
          context.beginPath();
          for (const turn of [0, 2.6, -2.6])
            context.lineTo(x + 11 * Math.cos(angle + turn), y + 11 * Math.sin(angle + turn));
          context.fill();
        };
        const at = (width - wide) / 2;
        box(left, upper, "half A", ink.accent);
        box(right, upper, "half A", ink.accent);
        box(left, lower, "half B", ink.warm);
        box(right, lower, "error", ink.warm);
        box(at, middle, "network", ink.ink);
        arrow(
          [
            [wide + 4, upper],
            [right - 12, upper],
          ],
          ink.accent,
        );
        arrow(
          [
            [wide + 4, lower],
            [right - 12, lower],
          ],
          ink.warm,
        );
        const from = broken ? lower - tall / 2 : upper + tall / 2;
        arrow(
          [
            [wide / 2, from],
            [wide / 2, middle],
            [at - 12, middle],
          ],
          broken ? ink.warm : ink.accent,
        );
        arrow(
          [
            [width / 2, middle + tall / 2],
            [width / 2, lower - 14],
          ],
          ink.ink,
        );
      },
      "Which half the network of a coupling reads",
    );
    const draw = () => {
      const x = unsqueeze(returned[rule], shape[0], shape[1], shape[2]),
        decoded = flow.quantise(x),
        differ = decoded.reduce((count, v, i) => count + (v !== bytes[i]), 0),
        error = greyLevels(psnr(x, bytes));
      picture(Uint8Array.from(decoded), shape, after);
      view.redraw();
      stage.say(
        rule === "kept"
          ? `The network reads A, which stays: ${differ} of ${flow.dimensions} values differ.`
          : differ
            ? `It reads B, which it changes: the ${whole} does not return, error ${error.toFixed(0)} of 255.`
            : `It reads B, which it changes, and still 0 of ${flow.dimensions} values differ.`,
      );
    };
    const rules = choices(
      "The network",
      RULES,
      (key) => {
        rule = key;
        keep(key);
        draw();
      },
      rule,
    );
    controls.append(rules.row);
    draw();
    return {
      play: () => rules.pick(rule === "kept" ? "broken" : "kept"),
      stop: () => view.stop(),
    };
  },
};
