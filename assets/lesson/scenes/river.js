// Scene 6: the rank of every channel over a training whose half was fixed in advance.
import { animate, choices, colours, el, number, slider, surface } from "../draw.js";

/** How many channels that go on are among the structured ones, at a recording step. */
const good = ({ kept, ranks }, i) => { const half = kept.filter(Boolean).length; return kept.reduce((sum, keeps, c) => sum + (keeps && ranks[i][c] < half ? 1 : 0), 0); };
const gain = (one) => one ? good(one, one.steps.length - 1) - good(one, 0) : 0;

/** Which recording is shown: the one that was chosen, or else the first, where the order is rebuilt most. */
const shownAt = (stage) => Math.min(stage.pack.head.rivers.length - 1, +(/^r(\d+)/.exec(stage.choice)?.[1] ?? 0));

export const river = {
  number: 6,
  noPicture: true,
  short: "Fixed in advance",
  title: "Fix the half in advance, and training must rebuild the order.",
  titleOf: (stage) => gain(stage.pack.head.rivers?.[shownAt(stage)]) > 1 ? undefined : "Fix the half in advance: this training leaves the order as it was.",
  notes: "Here the flow keeps the first half of the channels by their number, whatever they hold. Play the training: lines are channels, the top is " +
    "structure. To do what the sorting flow does, training has to lift the blue lines above the dashed one. Read off how far it gets; then switch to " +
    "the other recordings: where enough structure was kept from the start, nothing is rebuilt.",
  more: { page: "shuffle" },
  cannot: ({ pack }) => pack.head.rivers?.length ? null : "There is no record of a training with a fixed half here.",

  build(stage) {
    const { head, blob } = stage.pack, { steps, ranks, kept, samples } = head.rivers[shownAt(stage)], n = kept.length, last = steps.length - 1;
    const half = kept.filter(Boolean).length;
    let at = 0, stop = () => {};
    const room = el("div", { className: "room" }), image = el("img", { alt: "" }), caption = el("figcaption", {});
    stage.host.append(el("div", { className: "river" }, room, el("figure", {}, image, caption)));
    const films = samples.map((one) => ({ step: one.step, url: URL.createObjectURL(new Blob([blob(one.webp)], { type: "image/webp" })) }));
    const view = surface(room, (context, width, height) => {
      const ink = colours(stage.stage), pad = 8, left = 120, right = 12, bottom = 30, gap = (height - bottom - 2 * pad) / n;
      const x = (i) => left + (width - left - right) * i / last, y = (rank) => pad + gap * (rank + 0.5);
      context.font = `${width < 500 ? 16 : 18}px ${ink.sans}`;
      context.fillStyle = ink.quiet;
      context.fillText("structure", 0, y(0) + 6);
      context.fillText("noise", 0, y(n - 1) + 6);
      context.fillText("step 0", left, height - 6);
      context.textAlign = "right";
      context.fillText(`step ${number(steps[last])}`, width - right, height - 6);
      context.textAlign = "left";
      context.setLineDash([6, 5]);
      context.strokeStyle = ink.ink;
      context.lineWidth = 2;
      context.beginPath();
      context.moveTo(left - 10, pad + gap * half);
      context.lineTo(width, pad + gap * half);
      context.stroke();
      context.setLineDash([]);
      for (let c = 0; c < n; c++) {
        context.strokeStyle = kept[c] ? ink.accent : ink.warm;
        context.lineWidth = 5;
        context.lineJoin = "round";
        context.beginPath();
        for (let i = 0; i <= at; i++) context.lineTo(x(i), y(ranks[i][c]));
        context.stroke();
        context.fillStyle = context.strokeStyle;
        context.beginPath();
        context.arc(x(at), y(ranks[at][c]), 8, 0, 7);
        context.fill();
      }
    }, "The rank of every channel by structure over the training; blue channels are kept, orange ones factored out");
    const draw = () => {
      view.redraw();
      const film = films.filter((one) => one.step <= steps[at]).at(-1);
      if (film && image.src !== film.url) { image.src = film.url; image.alt = `Samples at step ${film.step}`; caption.textContent = `samples, step ${number(film.step)}`; }
      const here = head.rivers[shownAt(stage)];
      stage.say(at ? `Step ${number(steps[at])}: ${good(here, at)} of the ${half} kept channels (blue) hold structure; at the start ${good(here, 0)}.`
        : `Step 0: ${good(here, 0)} of the ${half} kept channels (blue) are in the structured half.`);
    };
    const control = slider({ label: "Training", min: 0, max: last, step: 1, value: 0, text: (v) => `step ${number(steps[v])}`, onmove: (v) => { stop(); at = v; draw(); stage.choose(`r${shownAt(stage)}.${v}`); } });
    const names = head.rivers.map((one, k) => [String(k), one.name.split("-")[0].replace(/\d+$/, "")]);
    const which = names.length > 1 && choices("Recording", names, (k) => { stage.choose(`r${k}`); stage.show(); }, String(shownAt(stage)));
    stage.host.append(control.row, ...(which ? [which.row] : []));
    const set = (v) => { at = v; control.input.value = v; control.show(); draw(); };
    const play = () => { stop(); stop = animate((s) => { const v = Math.min(last, Math.floor(s * last / 7)); if (v !== at || !v) set(v); return v < last; }); };
    const asked = stage.choice.split(".")[1] ?? (/^\d+$/.test(stage.choice) ? stage.choice : undefined);
    if (asked !== undefined) set(Math.min(last, Math.max(0, Math.round(+asked) || 0)));
    else if (stage.reduced) set(last);
    else play();
    return { play, stop: () => { stop(); view.stop(); films.forEach((one) => URL.revokeObjectURL(one.url)); } };
  },
};
