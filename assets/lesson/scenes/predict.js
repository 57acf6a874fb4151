// Scene 3, second beat: one half of the channels predicts the other; the prediction is taken away and added again.
import { addedUp } from "../curve.js";
import { animate, channelsOf, choices, colours, ease, el, percent, signedMap, word } from "../draw.js";
import { join, unsqueeze } from "../flow.js";

/** Full colour stands for so many times the root mean square of half B. */
const FULL = 1.6;

/** @type {import("../beats.js").Beat} */
export const predicting = {
  key: "2",
  label: "Subtract",
  title: "Coupling: one half predicts part of the other.",
  notes: "Point at a pixel, and read its three numbers. Then go back.",

  build(stage, room, { state, controls, keep, moving }) {
    const { flow, images, image, pack } = stage,
      level = flow.levels[0],
      n = level.channels / 2,
      { height, width } = level,
      chosen = pack.head.flow.couplings.reduce((a, b) => (b.share > a.share ? b : a));
    let seen = null;
    level.run(stage.traces[0].input, (one) => {
      if (one.number === chosen.step) seen = one;
    });
    const { a, b } = seen;
    // y = e^s (b − p): the shift takes p away, in the units of b.
    const predictedFrom = (half) => {
      const { logScale, shift } = level.affine(level.steps[chosen.step], half);
      return shift.map((v, i) => -v * Math.exp(-logScale[i]));
    };
    const prediction = predictedFrom(a),
      error = b.map((v, i) => v - prediction[i]),
      /** Root mean square of all channels, or of one. */
      sizeOf = (x, c = null) => {
        const own = c === null ? x : x.filter((_, i) => i % n === c);
        return Math.sqrt(own.reduce((sum, v) => sum + v * v, 0) / own.length);
      },
      numbers = Array.from({ length: n }, (_, c) => c),
      leftOf = (c) => sizeOf(error, c) / sizeOf(b, c),
      best = numbers.reduce((one, c) => (leftOf(c) < leftOf(one) ? c : one)),
      smaller = 1 - sizeOf(error) / sizeOf(b);
    /** The value that is pointed at; at first one of the best channel, of which much is predicted. */
    let at = best;
    const predicted = (i) => Math.min(b[i], prediction[i]);
    for (let i = best; i < b.length; i += n) if (predicted(i) > predicted(at)) at = i;
    let [back, all] = [/^back|^2$|^1\./.test(state), state.endsWith("all")], // an older link names a slider's place
      stop = () => {};

    const ink = colours(stage.stage),
      inks = { plus: channelsOf(ink.accent), minus: channelsOf(ink.warm), paper: channelsOf(ink.paper) },
      coloured = (x, c, canvas) => signedMap(x, n, c, height, width, 0, FULL * sizeOf(x === a ? a : b), inks, canvas);
    /** Six maps, of which one is large or all are seen; a number under them. */
    const block = (name, x, picked = true) => {
      const canvases = numbers.map((c) => coloured(x, c, el("canvas", {}))),
        marks = numbers.map(() => el("i", { className: "mark" })),
        value = el("b", {}),
        maps = el(
          "div",
          { className: "maps", role: "img", "aria-label": name },
          ...numbers.map((c) => el("span", {}, canvases[c], picked ? marks[c] : null)),
        );
      const point = (event) => {
        const c = canvases.indexOf(event.target);
        if (c < 0) return;
        const box = canvases[c].getBoundingClientRect(),
          [col, row] = [
            ((event.clientX - box.left) / box.width) * width,
            ((event.clientY - box.top) / box.height) * height,
          ].map(Math.floor);
        if (Math.min(col, row, width - 1 - col, height - 1 - row) < 0) return;
        at = (row * width + col) * n + c;
        place();
      };
      if (picked) for (const kind of ["pointermove", "pointerdown"]) maps.addEventListener(kind, point);
      const figure = el("figure", { className: "portion" }, maps, el("figcaption", {}, picked ? value : null, name));
      return { figure, canvases, marks, maps, value };
    };
    const sign = () => el("b", { "aria-hidden": "true" });
    const [read, given, first, second] = [sign(), sign(), sign(), sign()],
      blocks = [block("half B", b), block("A’s prediction", prediction), block("error", error)],
      half = (name) => block(name, a, false).figure;
    room.append(
      el(
        "div",
        { className: "halves", style: `--columns:${Math.ceil(n / 2)}` },
        half("half A"),
        read,
        el("figure", { className: "portion network" }, el("span", {}, "network"), el("b", {}, "↓")),
        given,
        half("half A, unchanged"),
        blocks[0].figure,
        first,
        blocks[1].figure,
        second,
        blocks[2].figure,
      ),
      el(
        "p",
        { className: "caption" },
        `Earlier steps mixed the ${word(2 * n)} channels into weighted sums. Blue above 0, orange below.`,
      ),
    );

    /** Bytes that differ once the prediction, made again from the unchanged half, is added to the error. */
    const differing = () => {
      const again = predictedFrom(a).map((v, i) => v + error[i]),
        input = level.undo(join(a, again, 2 * n), chosen.step),
        decoded = flow.quantise(unsqueeze(input, 2 * height, 2 * width, level.channels / 4));
      return decoded.reduce((count, v, i) => count + (v !== images[image].bytes[i]), 0);
    };
    /** Show one channel or all of them, and the three numbers of the value that is pointed at. */
    const place = () => {
      const [channel, pixel] = [at % n, Math.floor(at / n)],
        [whole, ...parts] = addedUp([prediction[at], error[at]]);
      blocks.forEach(({ maps, marks, value }, k) => {
        maps.classList.toggle("all", all);
        value.textContent = [whole, ...parts][k];
        marks.forEach((mark, c) => {
          mark.parentElement.hidden = !all && c !== channel;
          mark.hidden = c !== channel;
          mark.style.cssText = `left:${(100 * (pixel % width)) / width}%;top:${(100 * Math.floor(pixel / width)) / height}%;width:${100 / width}%;height:${100 / height}%`;
        });
      });
    };
    /** What comes out, when a part of the prediction is taken away, or added. */
    const draw = (part) => {
      const [from, to, by] = back ? [error, blocks[0], part] : [b, blocks[2], -part],
        x = from.map((v, i) => v + by * prediction[i]);
      to.canvases.forEach((canvas, c) => coloured(x, c, canvas));
    };
    const turn = (how, move) => {
      back = how === "back";
      stop();
      blocks[back ? 2 : 0].canvases.forEach((canvas, c) => coloured(back ? error : b, c, canvas));
      for (const arrow of [read, given]) arrow.textContent = back ? "←" : "→";
      [first.textContent, second.textContent] = back ? ["=", "+"] : ["−", "="];
      stage.say(
        back
          ? `Going back, A predicts the same. Add it: ${differing()} of ${flow.dimensions} values differ.`
          : `A predicts B. Keep only the error: over all pixels ${percent(Math.abs(smaller))} ${smaller < 0 ? "larger" : "smaller"} than B.`,
      );
      if (!move) return draw(1);
      stop = animate((s) => {
        draw(ease((s - 0.4) / 2));
        return s < 2.4;
      });
    };
    const remember = () => keep(`${back ? "back" : "forward"}.${all ? "all" : "one"}`);
    const ways = choices(
      "The way",
      [
        ["forward", "forward"],
        ["back", "going back"],
      ],
      (how) => {
        turn(how, !stage.reduced);
        remember();
      },
      back ? "back" : "forward",
    );
    const seenOf = choices(
      "Channels",
      [
        ["one", "one channel"],
        ["all", `all ${word(n)}`],
      ],
      (how) => {
        all = how === "all";
        place();
        remember();
      },
      all ? "all" : "one",
    );
    controls.append(ways.row, seenOf.row);
    place();
    turn(back ? "back" : "forward", state === "" && moving);
    return { play: () => ways.pick(back ? "forward" : "back"), stop: () => stop() };
  },
};
