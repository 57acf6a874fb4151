// Scene 7: grain is added to the picture, and the channel weights answer.
import { choices, colours, el, picture, slider, surface } from "../draw.js";
import { normals } from "../flow.js";

const FROM = 1, TO = 6, DRAWS = 2;

const GUESSES = [["full", "by as much as the grain grows"], ["half", "about half way"], ["little", "only a little"]];

export const weighting = {
  number: 7,
  short: "Weights by picture",
  votes: GUESSES,
  title: "Each picture weights its own channels.",
  keepsChoice: true,
  notes: "The flow multiplies every channel by a weight that it computes from the picture. Ask: if the grain gets twice as loud, are the channels that " +
    "hold it turned down to a half? Vote, then move the slider. The weights follow the grain, but only a part of the way.",
  more: { page: "weights", query: { level: "1" } },
  cannot: ({ flow }) => flow.levels[0].weights ? null : "This flow weights no channels; the bundled one does.",

  build(stage) {
    const { flow } = stage, level = flow.levels[0], n = level.channels, { kept, gone } = level, shape = stage.pack.head.shape;
    const { bytes, grain = 0 } = stage.images[stage.image], x = flow.dequantise(bytes), noise = Array.from({ length: DRAWS }, (_, k) => normals(77 + k, x.length));
    // The picture's own grain counts too, where it is known; independent grains add as squares.
    const loudness = (sigma) => Math.hypot(grain, sigma);
    const grained = (sigma, k) => x.map((v, i) => v + sigma / 256 * noise[k][i]);
    const weightsAt = (sigma) => {
      const sum = new Float64Array(n);
      for (let k = 0; k < DRAWS; k++) flow.encode1(grained(sigma, k)).forEach((w, j) => { sum[j] += w / DRAWS; });
      return sum;
    };
    const mean = (w) => w.slice(kept).reduce((a, b) => a + b, 0) / gone;
    const full = (sigma) => Math.log(loudness(FROM) / loudness(sigma)), range = 1.15 * -full(TO);
    const base = weightsAt(FROM);
    let sigma = FROM, now = base, voted = stage.choice !== "";
    const shown = el("canvas", { role: "img", "aria-label": "The picture with grain" }), room = el("div", { className: "room" });
    stage.host.append(el("div", { className: "pair" }, el("figure", {}, shown, el("figcaption", {}, "the picture, with added grain")), room));
    const view = surface(room, (context, width, height) => {
      const ink = colours(stage.stage), cell = width / n, top = 34, mid = top + (height - top - 34) / 2, scale = (height - top - 34) / 2 / range;
      context.font = `${width < 500 ? 16 : 18}px ${ink.sans}`;
      context.fillStyle = ink.quiet;
      context.fillText("goes on", 0, 20);
      context.textAlign = "right";
      context.fillText("factored out", width, 20);
      context.textAlign = "left";
      for (let j = 0; j < n; j++) {
        const v = Math.max(-range, Math.min(range, now[j] - base[j]));
        context.fillStyle = j < kept ? ink.accent : ink.warm;
        const h = v * scale;
        context.fillRect(j * cell + 3, Math.min(mid, mid - h), cell - 6, Math.max(3, Math.abs(h)));
      }
      context.strokeStyle = ink.ink;
      context.lineWidth = 2;
      context.beginPath();
      context.moveTo(0, mid);
      context.lineTo(width, mid);
      context.moveTo(kept * cell, top);
      context.lineTo(kept * cell, height - 30);
      context.stroke();
      context.fillStyle = ink.quiet;
      context.fillText("change of the channel weights, log ω", 0, height - 8);
      if (!voted) return;
      const far = mid - full(sigma) * scale;         // where a weight would be that undoes the grain
      context.setLineDash([6, 5]);
      context.beginPath();
      context.moveTo(kept * cell + 4, far);
      context.lineTo(width, far);
      context.stroke();
      context.setLineDash([]);
      context.textAlign = "right";
      if (sigma > FROM) context.fillText("full compensation", width, far - 8);
      context.textAlign = "left";
    }, "The change of every channel's weight against the least grain");
    const draw = () => {
      picture(Uint8Array.from(flow.quantise(grained(sigma, 0))), shape, shown);
      if (!voted) return stage.say(`Add grain: by how much does the flow turn its channels down?`);
      now = weightsAt(sigma);
      view.redraw();
      const change = mean(now) - mean(base), share = (v) => Math.abs(Math.round(100 * (Math.exp(v) - 1)));
      stage.say(sigma === FROM ? "Slide to add grain; the weights answer at once."
        : `Grain ×${(loudness(sigma) / loudness(FROM)).toFixed(1)}: weights ${change > 0 ? "rise" : "fall"} by ${share(change)} %; full compensation would be ${share(full(sigma))} %.`);
    };
    const control = slider({ label: "Added grain", min: FROM, max: TO, step: 0.1, value: FROM, text: (v) => grain ? `σ ${loudness(v).toFixed(1)} in all` : `σ ${v.toFixed(1)}`, onmove: (v) => { sigma = v; draw(); } });
    const vote = choices("Your guess", GUESSES, (key) => {
      voted = true;
      stage.choose(key);
      control.input.disabled = false;
      sigma = TO;
      control.input.value = TO;
      control.show();
      draw();
    }, stage.choice);
    control.input.disabled = !voted;
    stage.host.append(vote.row, control.row);
    if (voted) { sigma = TO; control.input.value = TO; control.show(); }
    draw();
    return { stop: () => view.stop() };
  },
};
