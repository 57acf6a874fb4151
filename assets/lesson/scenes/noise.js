// Scene 1: a picture runs through all levels, halves leave as noise, and everything runs backwards.
import { animate, colours, ease, el, featurePicture, maps, mixed, number, own, picture, surface } from "../draw.js";
import { unsqueeze } from "../flow.js";

const BACK_S = 3.6;

/** What one level shows: pictures or maps after each step, channel maps, the half that goes on, the noise. */
function film(stage) {
  const { flow, traces, images, image, pack } = stage,
    channels = flow.shape[0],
    levels = [];
  let columns = channels === 3 ? 4 : 2,
    rows = channels === 3 ? 3 : 2;
  flow.levels.forEach((level, l) => {
    const trace = traces[l],
      n = level.channels,
      size = [level.height, level.width],
      whole = [2 * size[0], 2 * size[1]];
    const of = own(trace.features, n);
    const steps = trace.steps.map((x) => {
      const y = unsqueeze(x, ...whole, n / 4);
      return l ? maps(y, n / 4, ...whole, null, null) : featurePicture(y, [...whole, channels]);
    });
    const { kept, gone } = level,
      ownKept = trace.kept && own(trace.kept, kept);
    // Maps stand in columns of one height: those that go on to the left, the others to the right.
    const [left, right] = kept ? [Math.ceil(kept / rows), Math.ceil(gone / rows)] : [0, columns];
    levels.push({
      level,
      columns: Math.max(columns, left + right),
      rows,
      left,
      right,
      steps,
      order: level.order ?? Array.from({ length: n }, (_, c) => c),
      channels: maps(trace.features, n, ...size, of.middle, of.spread),
      kept: trace.kept && maps(trace.kept, kept, ...size, ownKept.middle, ownKept.spread),
      noise: maps(trace.noise, gone, ...size),
    });
    [columns, rows] = [2 * left, 2 * rows];
  });
  const bytes = images[image].bytes,
    decoded = flow.quantise(flow.decode(traces.map((t) => t.noise)));
  const differ = decoded.reduce((count, v, i) => count + (v !== bytes[i]), 0);
  return {
    levels,
    start: picture(bytes, pack.head.shape),
    end: picture(decoded, pack.head.shape),
    differ,
    size: flow.shape[1],
    channels,
  };
}

/** Draws maps in a grid of columns × rows that is `side` wide per map; place(i) is the cell of map i. */
function grid(context, all, x, y, columns, side, place = (i) => i, alpha = 1, gap = 0) {
  context.globalAlpha = alpha;
  all.forEach((map, i) => {
    const at = place(i),
      col = at % columns,
      row = Math.floor(at / columns);
    context.drawImage(map, x + col * side + gap / 2, y + row * side + gap / 2, side - gap, side - gap);
  });
  context.globalAlpha = 1;
}

export const noise = {
  number: 1,
  short: "Noise and back",
  title: "A flow turns a picture into noise, and back.",
  notes: "Click “after level 1”: what has left, and what is still there?",
  asked:
    "The picture that comes back is computed from the noise alone, and its bytes are compared with those of the " +
    "picture. This noise is not random: it is the picture in another form. A level is a few steps, then half of the " +
    "values leave and the other half is passed on. An unfamiliar photo does not turn into noise fully.",
  more: { page: "levels" },

  build(stage) {
    const { levels, start, end, differ, size, channels } = film(stage),
      total = stage.flow.dimensions;
    const value = Math.sqrt(1 / channels); // side of one value; a pixel has area 1
    const wide = levels[0].columns * levels[0].level.width * value,
      high = levels[0].rows * levels[0].level.height * value;
    // Of a picture unlike those of the training, more than noise is left: its values lie further out.
    const { traces, pack, images, image } = stage,
      squares = traces.reduce((sum, trace) => sum + trace.noise.reduce((all, v) => all + v * v, 0), 0) / total,
      whose = images[image].number === "own" ? "your photo" : "the picture",
      unknown = squares > (pack.head.flow.loudest ?? Number.POSITIVE_INFINITY);
    const parts = [],
      ticks = [],
      add = (seconds, draw, say, leaves) => parts.push({ seconds, draw, say, leaves });
    const until = () => parts.reduce((sum, part) => sum + part.seconds, 0);
    let wholeUntil = 0; // a picture in one piece has another shape than its channels
    const left = (l) =>
      levels.slice(l).reduce((sum, one) => sum + one.noise.length * one.level.height * one.level.width, 0);
    const xOfNoise = levels.map((_, l) => levels.slice(0, l).reduce((x, one) => x + blockWidth(one) + 0.7, 0));

    function blockWidth(one) {
      return one.right * one.level.width * value;
    }
    const drawNoise = (g, upTo) => {
      for (let l = 0; l < upTo; l++) {
        const one = levels[l];
        grid(g.context, one.noise, g.rx + xOfNoise[l] * g.u, g.ry, one.right, one.level.width * value * g.u);
      }
    };
    const square = (g, map, alpha = 1) => {
      g.context.globalAlpha = alpha;
      g.context.drawImage(map, g.lx + ((wide - size) / 2) * g.u, g.ly, size * g.u, size * g.u);
      g.context.globalAlpha = 1;
    };
    add(
      0.9,
      (g) => square(g, start),
      `All ${number(total)} values become noise; from that noise the same picture comes back.`,
    );
    levels.forEach((one, l) => {
      const { level, columns, left: keptColumns, right, steps } = one,
        map = level.width * value,
        n = level.channels,
        before = l ? levels[l - 1].kept : null;
      const inner = l ? levels[l - 1] : null,
        gridBefore = (g, all, alpha) =>
          grid(g.context, all, g.lx, g.ty, inner.left, inner.level.width * value * g.u, undefined, alpha);
      const slow = l ? 0.35 : 0.5;
      steps.forEach((step, k) =>
        add(
          slow,
          (g, f) => {
            drawNoise(g, l);
            const old = k ? steps[k - 1] : l ? before : start;
            if (l) {
              gridBefore(g, old, 1);
              gridBefore(g, step, ease(f));
            } else {
              square(g, old);
              square(g, step, ease(f));
            }
          },
          l
            ? `Level ${level.number} does the same with the ${number(left(l))} values passed on.`
            : `Level 1: ${steps.length} steps change the values; then ${number(total - left(1))} of ${number(total)} leave.`,
        ),
      );
      if (!l) wholeUntil = until();
      add(
        l ? 0.6 : 1.1,
        (g, f) => {
          drawNoise(g, l);
          if (l) gridBefore(g, steps.at(-1), 1 - ease(f));
          else square(g, steps.at(-1), 1 - ease(f));
          grid(g.context, one.channels, g.lx, g.ty, columns, map * g.u, undefined, ease(f), 2 * ease(f));
        },
        `Cut up, they are ${n} small pictures of ${level.height}×${level.width}: the channels.`,
      );
      if (!level.order) {
        add(
          0.9,
          (g, f, ink) => {
            drawNoise(g, l);
            const x = mixed(g.lx, g.rx + xOfNoise[l] * g.u, ease(f)),
              y = mixed(g.ty, g.ry, ease(f));
            grid(g.context, one.noise, x, y, columns, map * g.u);
            g.context.save();
            Object.assign(g.context, { strokeStyle: ink.accent, lineWidth: 3 }); // it passes over noise that looks the same
            if (f < 1) g.context.strokeRect(x, y, columns * map * g.u, one.rows * map * g.u);
            g.context.restore();
          },
          `The last ${number(left(l))} values become noise too.`,
          true,
        );
        return;
      }
      const place = new Array(n); // what goes on stands in the columns to the left
      level.order.forEach((channel, j) => {
        const goes = j < level.kept,
          k = goes ? j : j - level.kept,
          wide = goes ? keptColumns : right;
        place[channel] = Math.floor(k / wide) * columns + (k % wide) + (goes ? 0 : keptColumns);
      });
      const slide = (g, f) =>
        one.channels.forEach((channel, c) => {
          const side = map * g.u,
            from = c,
            to = place[c],
            e = ease(f);
          const x = mixed(from % columns, to % columns, e),
            y = mixed(Math.floor(from / columns), Math.floor(to / columns), e);
          g.context.drawImage(channel, g.lx + x * side + 1, g.ty + y * side + 1, side - 2, side - 2);
        });
      add(
        l ? 0.7 : 1.3,
        (g, f) => {
          drawNoise(g, l);
          slide(g, f);
        },
        "The flow puts its channels in order: those to the right will leave.",
      );
      add(
        l ? 0.7 : 1.1,
        (g, f) => {
          const side = map * g.u,
            e = ease(f);
          drawNoise(g, l);
          grid(g.context, one.kept, g.lx, g.ty, keptColumns, side, undefined, 1, 2 * (1 - e));
          grid(
            g.context,
            one.noise,
            mixed(g.lx + keptColumns * side, g.rx + xOfNoise[l] * g.u, e),
            mixed(g.ty, g.ry, e),
            right,
            side,
            undefined,
            1,
            2 * (1 - e),
          );
        },
        `${number(one.noise.length * level.height * level.width)} values leave as noise.`,
        true,
      );
      add(
        l ? 1.2 : 2.4,
        (g) => {
          drawNoise(g, l + 1);
          grid(g.context, one.kept, g.lx, g.ty, keptColumns, map * g.u);
        },
        l
          ? `${number(left(l + 1))} values are passed on.`
          : unknown
            ? `The flow does not know such pictures: some of ${whose} shows in the noise.`
            : `${number(total - left(1))} values have gone out as noise. The ${number(left(1))} others still show the picture.`,
      );
      ticks.push([until() - 0.1, `after level ${level.number}`]);
    });
    const arrival = unknown
      ? `The flow knows only ${pack.head.faces ? "faces" : "its pictures"}: ${whose} still shows, its noise ${Math.sqrt(squares).toFixed(1)} times too strong.`
      : `All ${number(total)} values are noise now: not random, but the picture in another form.`;
    add(unknown ? 2.4 : 0.8, (g) => drawNoise(g, levels.length), arrival);
    const forward = until(),
      length = forward + BACK_S + 0.6;

    let time = 0,
      playing = false,
      stopPlaying = () => {};
    const view = surface(
      stage.host,
      (context, width, height) => {
        const ink = colours(stage.stage),
          small = width < 640,
          text = ink.size,
          foot = text + 14;
        const u = small
          ? width / (wide + 0.2)
          : Math.min(width / (2 * wide + 3.4), (height - foot) / Math.max(size, high));
        const g = {
          context,
          u,
          lx: 0,
          ly: 0,
          ty: ((Math.max(size, high) - high) / 2) * u,
          rx: width - (wide + 1.4) * u,
          ry: 0,
        };
        if (small) Object.assign(g, { u: Math.min(u, (height - 2 * foot - 8) / (size + high)), rx: 0 });
        if (small) g.ry = size * g.u + foot;
        else {
          g.lx = Math.max(0, Math.min(width * 0.04, g.rx - wide * u - 2 * u));
          g.ry = g.ty;
        }
        context.imageSmoothingEnabled = false;
        context.strokeStyle = ink.line;
        context.setLineDash([3, 4]);
        const at = time <= forward ? time : Math.max(0, forward * (1 - (time - forward) / BACK_S));
        if (at >= wholeUntil) context.strokeRect(g.lx + 0.5, g.ty + 0.5, wide * g.u - 1, high * g.u - 1);
        levels.forEach((one, l) =>
          context.strokeRect(g.rx + xOfNoise[l] * g.u + 0.5, g.ry + 0.5, blockWidth(one) * g.u - 1, high * g.u - 1),
        );
        context.setLineDash([]);
        let before = 0,
          part = parts[0];
        for (const one of parts) {
          part = one;
          if (at < before + one.seconds) break;
          before += one.seconds;
        }
        if (time >= forward + BACK_S) {
          square(g, end);
          drawNoise(g, levels.length); // the same values, in both forms
        } else part.draw(g, Math.min(1, (at - before) / part.seconds), ink);
        context.fillStyle = ink.quiet;
        context.font = `${text}px ${ink.sans}`;
        const ended = time >= forward + BACK_S,
          out = levels
            .slice(0, goneAt(at))
            .reduce((n, one) => n + one.noise.length * one.level.height * one.level.width, 0);
        context.fillText(
          ended ? `the picture: ${number(total)} values` : `${number(total - out)} values in the flow`,
          g.lx,
          (small ? size * g.u : Math.max(size, high) * g.u) + text + 4,
        );
        context.fillText(
          ended ? `its noise: ${number(total)} values` : `${number(out)} values of noise`,
          g.rx,
          (small ? g.ry + high * g.u : Math.max(size, high) * g.u) + text + 4,
        );
        stage.say(
          time >= forward + BACK_S
            ? `And back: ${differ} of ${number(total)} values differ${differ ? "" : ". The noise is the picture in another form"}.`
            : time > forward
              ? "Now every step runs backwards."
              : part.say,
        );
      },
      "A picture on its way through the levels of the flow: the values still in it to the left, noise to the right",
    );
    const leftAt = [];
    let sum = 0;
    for (const part of parts) {
      sum += part.seconds;
      if (part.leaves) leftAt.push(sum - part.seconds / 2);
    } // half-way out
    function goneAt(at) {
      return leftAt.filter((t) => at >= t - 1e-6).length;
    }

    const icon = () => {
      button.textContent = playing ? "❚❚" : "▶";
      button.setAttribute("aria-label", playing ? "Pause" : "Play");
    };
    const show = (t) => {
      time = t;
      bar.value = t;
      view.redraw();
    };
    const pause = () => {
      stopPlaying();
      playing = false;
      icon();
    };
    const play = () => {
      if (playing) return pause();
      const from = time >= length - 0.01 ? 0 : time;
      playing = true;
      icon();
      stopPlaying = animate((seconds) => {
        show(Math.min(length, from + seconds));
        if (time < length) return true;
        playing = false;
        icon();
        return false;
      });
    };
    const stopAt = (at) => {
      pause();
      show(at);
    };
    const button = el("button", { type: "button", className: "play", onclick: play });
    const bar = el("input", {
      type: "range",
      min: 0,
      max: length,
      step: 0.01,
      value: 0,
      "aria-label": "Time",
      oninput: () => {
        pause();
        show(+bar.value);
      },
    });
    const marks = el(
      "div",
      { className: "marks", role: "group", "aria-label": "Stop at" },
      ...[...ticks, [forward - 0.1, "all noise"], [length, "back"]].map(([at, text]) =>
        el("button", { type: "button", style: `left:${(100 * at) / length}%`, onclick: () => stopAt(at) }, text),
      ),
    );
    stage.host.append(el("div", { className: "time" }, button, el("div", { className: "bar" }, bar, marks)));
    icon();
    if (stage.reduced) show(leftAt[0] + 1);
    else play();
    return {
      play,
      stop: () => {
        stopPlaying();
        playing = true;
        view.stop();
      },
    };
  },
};
