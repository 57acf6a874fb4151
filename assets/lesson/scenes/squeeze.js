// Scene 3, first beat: the squeeze, a rearrangement of values that a slider runs.
import { animate, colours, ease, el, mixed, number, picture, slider, surface, word } from "../draw.js";

/** @type {import("../beats.js").Beat} */
export const squeezing = {
  key: "1",
  label: "Channels",
  title: "First, cut the picture into channels.",

  build(stage, room, { state, controls, keep, moving }) {
    const { flow, images, image, pack } = stage,
      [channels, size] = flow.shape,
      bytes = images[image].bytes;
    const small = size / 2,
      [columns, rows] = channels === 3 ? [4, 3] : [2, 2],
      value = Math.sqrt(1 / channels),
      side = small * value;
    const before = `${size}×${size}×${channels}`;
    let t = 0,
      picked = null,
      gap = 1,
      stopMotion = () => {};

    // Where the value of channel c at (row, col) stands at time t, in pixels of the picture: x, y and side.
    const place = (c, row, col) => {
      const i = row & 1,
        j = col & 1,
        r = row >> 1,
        q = col >> 1,
        one = ease(Math.min(1, 2 * t)),
        two = ease(Math.max(0, 2 * t - 1));
      const x1 = mixed(col, j * (small + gap) + q, one),
        y1 = mixed(row, i * (small + gap) + r, one);
      const cell = 2 * i + j,
        x2 = channels === 3 ? cell * (side + gap) + q * value : x1,
        y2 = gap + (channels === 3 ? c * (side + gap) + r * value : y1);
      return [mixed(x1, x2, two), mixed(y1, y2, two), mixed(1, value, two)];
    };
    const original = el("div", { className: "original" });
    const shown = picture(bytes, pack.head.shape);
    shown.setAttribute("role", "img");
    shown.setAttribute("aria-label", "The picture; point at a pixel");
    original.append(shown);
    const right = el("div", { className: "room" });
    room.append(el("div", { className: "pair" }, original, right));
    const view = surface(
      right,
      (context, width, height) => {
        const ink = colours(stage.stage),
          line = 1.15 * ink.size; // there is room for a channel's number above it
        const u = Math.min(
          (width - columns * line) / (columns * side),
          (height - rows * line) / (rows * side),
          (Math.min(width, height) - line) / size,
        );
        gap = line / u;
        const dx = (width - Math.max(size * u + line, columns * (side * u + line))) / 2,
          dy = (height - Math.max(size * u + line, rows * (side * u + line))) / 2;
        context.globalCompositeOperation = channels === 3 ? "lighter" : "source-over";
        for (let row = 0; row < size; row++)
          for (let col = 0; col < size; col++)
            for (let c = 0; c < channels; c++) {
              const v = bytes[(row * size + col) * channels + c],
                [x, y, s] = place(c, row, col);
              context.fillStyle =
                channels === 3
                  ? `rgb(${c === 0 ? v : 0},${c === 1 ? v : 0},${c === 2 ? v : 0})`
                  : `rgb(${v},${v},${v})`;
              const x0 = Math.round(dx + x * u),
                y0 = Math.round(dy + y * u);
              context.fillRect(
                x0,
                y0,
                Math.max(1, Math.round(dx + (x + s) * u) - x0),
                Math.max(1, Math.round(dy + (y + s) * u) - y0),
              );
            }
        context.globalCompositeOperation = "source-over";
        context.font = `${ink.size}px ${ink.sans}`;
        context.fillStyle = ink.ink;
        context.globalAlpha = ease((t - 0.85) / 0.15);
        for (let n = 0; n < 4; n++)
          for (let c = 0; c < channels; c++) {
            const [x, y] = place(c, n >> 1, n & 1);
            context.fillText(4 * c + n + 1, dx + x * u, dy + y * u - 5);
          }
        context.globalAlpha = 1;
        if (picked)
          for (let c = 0; c < channels; c++) {
            const [x, y, s] = place(c, ...picked);
            context.lineWidth = 5;
            context.strokeStyle = ink.paper;
            context.strokeRect(dx + x * u - 1, dy + y * u - 1, s * u + 2, s * u + 2);
            context.lineWidth = 3;
            context.strokeStyle = ink.warm;
            context.strokeRect(dx + x * u - 1, dy + y * u - 1, s * u + 2, s * u + 2);
          }
      },
      "The values on their way from one picture to many small ones",
    );
    const mark = el("i", { className: "mark" });
    original.append(mark);
    const say = () => {
      if (picked) {
        const [row, col] = picked,
          n = 2 * (row & 1) + (col & 1);
        const list = Array.from({ length: channels }, (_, c) => 4 * c + n + 1);
        stage.say(`Pixel (${row + 1}, ${col + 1}) went to channel${channels > 1 ? "s" : ""} ${list.join(", ")}.`);
      } else
        stage.say(
          t < 0.02
            ? `${before} = ${number(flow.dimensions)} values. Drag to cut it up.`
            : t > 0.98
              ? `Now: ${word(4 * channels)} channels. Next, a coupling: ${word(2 * channels)} of them predict the other ${word(2 * channels)}.`
              : "Each pixel of a 2×2 patch goes to a different small picture.",
        );
    };
    const pick = (at) => {
      picked = at;
      mark.hidden = !at;
      if (at)
        mark.style.cssText = `left:${(100 * at[1]) / size}%;top:${(100 * at[0]) / size}%;width:${100 / size}%;height:${100 / size}%`;
      say();
      view.redraw();
    };
    const point = (event) => {
      const box = shown.getBoundingClientRect(),
        at = [event.clientY - box.top, event.clientX - box.left].map((v, i) =>
          Math.floor((v / (i ? box.width : box.height)) * size),
        );
      pick(at.every((v) => v >= 0 && v < size) ? at : null);
    };
    original.addEventListener("pointermove", point);
    original.addEventListener("pointerdown", point);
    original.addEventListener("pointerleave", () => pick(null));
    const control = slider({
      label: "Cut up",
      value: 0,
      text: (v) => `${Math.round(100 * v)} %`,
      onmove: (v) => {
        stopMotion();
        move(v);
        keep(v);
      },
    });
    const move = (v) => {
      t = v;
      say();
      view.redraw();
    };
    controls.append(control.row);
    const set = (v) => {
      control.input.value = v;
      control.show();
      move(v);
    };
    mark.hidden = true;
    const play = () => {
      stopMotion();
      stopMotion = animate((seconds) => {
        set(Math.min(1, seconds / 3.2));
        return seconds < 3.2;
      });
    };
    if (state !== "") set(Math.min(1, Math.max(0, +state || 0)));
    else if (moving) play();
    else set(1);
    return {
      play,
      stop: () => {
        stopMotion();
        view.stop();
      },
    };
  },
};
