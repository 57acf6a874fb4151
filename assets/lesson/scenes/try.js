// The first half of scene 11: a choice is tried here, by two flows from one seed, or by a class.
import { BLIND_GUESS, colours, drawFilm, el, minus, number, surface, word } from "../draw.js";
import { intervalOf, verdictOf } from "../interval.js";
import { hearTries, pauseTries, runTry, tryOf } from "../tries.js";

const SIDE = 16,
  /** Faces that are drawn of each flow, from the same noise. */
  FACES = 8,
  /** Bits that the axis of leads shows at least. */
  AXIS = [-0.06, 0.22];

/** Fewer leads have no interval: two that happen to agree would make it tiny. */
const INTERVAL_FROM = 3;

const meanOf = (leads) => {
  const all = intervalOf(leads);
  return all && { ...all, low: Number.NaN, high: Number.NaN };
};
const bits = (value) => `${Math.abs(value).toFixed(3)} bits ${value < 0 ? "lost" : "saved"}`;
const signed = (value, digits = 3) => minus(value.toFixed(digits));

/** What leads show, in a sentence. @param {number[]} leads @param {string} noun @param {string} beside said of a single one */
export function shownBy(leads, noun, beside) {
  const all = intervalOf(leads);
  if (!all) return "";
  if (all.seeds === 1) return `${noun === "run" ? "You" : "One lead"}: ${bits(all.mean)}. ${beside}`;
  const what = `${number(all.seeds)} ${noun}s: `;
  if (all.seeds < INTERVAL_FROM) return `${what}${bits(all.mean)} in the mean; more ${noun}s make an interval.`;
  return verdictOf(all)
    ? `${what}${bits(all.mean)}, 95 % interval ${signed(all.low)} to ${signed(all.high)}.`
    : `${what}no conclusion, the 95 % interval ${signed(all.low)} to ${signed(all.high)} holds 0.`;
}

/**
 * Draw it into a room. `voted()` is the choice of this visitor, `arms(choice)` names the flow without it and
 * the one with it, `differ(choice)` says in what they differ, `studied(choice)` is the lead of the study.
 * @param {any} stage
 * @param {HTMLElement} room
 * @param {{voted: () => string, arms: (choice: string) => string[], differ: (choice: string) => string, studied: (choice: string) => any}} options
 */
export function trial(stage, room, { voted, arms, differ, studied }) {
  const { klass, pack } = stage,
    leads = Boolean(pack.head.class?.teacher);
  /** What the server knows of the class's study. */
  const known = () => (klass ? (stage.study ?? {}) : {}),
    choice = () => (klass ? (known().choice ?? (leads ? voted() : "")) : voted());
  const button = el("button", { type: "button", className: "strong", onclick: act }),
    caption = el("p", { className: "caption" }),
    films = ["without", "with"].map((name) => {
      const canvas = el("canvas", { role: "img", "aria-label": `Faces of the flow ${name} it`, hidden: true }),
        words = el("figcaption", {}, "\u00a0");
      return {
        canvas,
        drawn: null,
        words,
        figure: el("figure", {}, el("div", {}, canvas), words),
      };
    }),
    curves = el("div", { className: "trial-curves" }),
    dots = el("div", { className: "trial-dots" }),
    tried = el(
      "div",
      { className: `trial${leads ? " board" : ""}` },
      ...(leads ? [] : [curves, el("div", { className: "trial-films" }, ...films.map(({ figure }) => figure))]),
      dots,
    );
  room.append(tried, caption);

  function act() {
    const { pair } = tryOf(choice()) ?? {};
    if (leads) klass.tryIt(voted());
    else if (pair?.going) pauseTries();
    else runTry(choice(), stage);
    show();
  }

  /** Leads that are compared, and those of smaller flows, which a class does not mix with the others. */
  function collected() {
    const of = tryOf(choice());
    if (leads) {
      const all = known().leads ?? [];
      return {
        counted: all.filter((one) => !one.light).map(({ lead }) => lead),
        light: all.filter((one) => one.light),
      };
    }
    const own = known().lead;
    if (klass && Number.isFinite(own) && !of?.leads.length) return { counted: [own], light: [] };
    return { counted: of?.leads.map(({ lead }) => lead) ?? [], light: [] };
  }

  const curveView = leads ? null : surface(curves, drawCurves, "Bits per value by step, of both flows");
  const dotsView = surface(dots, drawDots, "Bits per value saved, one dot a run, their mean and its 95 % interval");
  /** Whether there is something to show of the choice. */
  const begun = () =>
    leads ? Boolean(known().choice) : Boolean(tryOf(choice())?.pair) || collected().counted.length > 0;

  function drawCurves(context, width, height) {
    const { quiet, line, accent, warm, size, sans } = colours(stage.stage),
      states = tryOf(choice())?.pair?.states ?? [],
      all = states.flatMap(({ train, test }) => [...train, ...test].map(([, value]) => value)),
      low = Math.floor(2 * Math.min(6, ...all)) / 2,
      last = states[0]?.recipe?.iterations ?? pack.head.trial?.iterations ?? 500,
      left = 2 * size,
      bottom = height - 1.5 * size,
      x = (at) => left + ((width - left - 6) * at) / last,
      y = (value) => bottom - ((bottom - 6) * (Math.min(BLIND_GUESS, value) - low)) / (BLIND_GUESS - low);
    context.font = `${0.8 * size}px ${sans}`;
    context.fillStyle = quiet;
    context.strokeStyle = line;
    context.lineWidth = 1;
    for (let value = Math.ceil(low); value <= BLIND_GUESS; value++) {
      context.beginPath();
      context.moveTo(left, y(value));
      context.lineTo(width, y(value));
      context.stroke();
      context.fillText(String(value), 0.5 * size, y(value) + (value === BLIND_GUESS ? 0.7 : 0.3) * size);
    }
    context.textAlign = "right";
    context.fillText("blind guess", width - 6, y(BLIND_GUESS) + 0.9 * size);
    context.fillText(`step ${number(last)}`, width - 6, height - 0.2 * size);
    states.forEach(({ train, test }, i) => {
      context.strokeStyle = context.fillStyle = i ? accent : warm;
      for (const { points, thick, opaque } of [
        { points: train, thick: 1, opaque: 0.5 },
        { points: test, thick: 3, opaque: 1 },
      ]) {
        context.globalAlpha = opaque;
        context.lineWidth = thick;
        context.beginPath();
        points.forEach(([at, value], k) => {
          context[k ? "lineTo" : "moveTo"](x(at), y(value));
        });
        context.stroke();
      }
      context.globalAlpha = 1;
    });
    (choice() ? arms(choice()) : []).forEach((name, i) => {
      context.fillStyle = i ? accent : warm;
      context.fillText(name, width - 6, y(BLIND_GUESS) + (2.1 + 1.1 * i) * size);
    });
    context.textAlign = "left";
  }

  function drawDots(context, width, height) {
    const { ink, quiet, line, accent, size, sans } = colours(stage.stage),
      { counted, light } = collected(),
      { pair } = tryOf(choice()) ?? {},
      /** Leads that do not count: of smaller flows, and of the seed that is under way. */
      running = pair?.working ? pair.lead : Number.NaN,
      hollow = [...light.map(({ lead }) => lead), running].filter(Number.isFinite),
      all = counted.length < INTERVAL_FROM ? meanOf(counted) : intervalOf(counted),
      study = counted.length && !stage.hidesAnswer ? studied(choice()) : null,
      values = [...counted, ...hollow, all?.low, all?.high, study?.low, study?.high],
      finite = values.filter((value) => Number.isFinite(value)),
      low = Math.min(AXIS[0], ...finite) - 0.01,
      high = Math.max(AXIS[1], ...finite) + 0.01,
      x = (value) => 8 + ((width - 16) * (value - low)) / (high - low),
      foot = height - 1.3 * size,
      rows = leads ? 0.62 : 0.42,
      radius = Math.max(4, Math.min(9, height / 24));
    context.font = `${0.8 * size}px ${sans}`;
    context.strokeStyle = line;
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(0, foot);
    context.lineTo(width, foot);
    context.moveTo(x(0), 0);
    context.lineTo(x(0), foot);
    context.stroke();
    context.fillStyle = quiet;
    context.textAlign = "center";
    context.fillText("0", x(0), height - 2);
    const step = high - low > 1 ? 0.5 : high - low > 0.5 ? 0.2 : 0.1;
    for (let value = Math.ceil(low / step) * step; value < high; value += step)
      if (Math.abs(value) > step / 2) context.fillText(signed(value, 2), x(value), height - 2);
    context.textAlign = "right";
    context.fillText("bits saved →", width, 0.8 * size);
    // Dots that would cover each other stand above each other.
    const placed = [];
    for (const { lead, counts } of [
      ...counted.map((lead) => ({ lead, counts: true })),
      ...hollow.map((lead) => ({ lead, counts: false })),
    ].sort((a, b) => a.lead - b.lead)) {
      const at = x(lead),
        taken = placed.filter((one) => Math.abs(one.at - at) < 2 * radius).map((one) => one.row);
      let row = 0;
      while (taken.includes(row)) row++;
      placed.push({ at, row });
      context.beginPath();
      context.arc(at, Math.max(radius, rows * foot - radius - 3 - 2 * radius * row), radius, 0, 7);
      context.fillStyle = context.strokeStyle = accent;
      if (counts) context.fill();
      else context.stroke();
      if (lead !== running) continue;
      context.textAlign = "left";
      context.fillText(
        "running",
        at + radius + 6,
        Math.max(radius, rows * foot - radius - 3 - 2 * radius * row) + 0.3 * size,
      );
    }
    const bar = ({ lead, low: from, high: to }, top, colour, text) => {
      context.strokeStyle = context.fillStyle = colour;
      context.lineWidth = 4;
      context.beginPath();
      if (Number.isFinite(from)) {
        context.moveTo(x(from), top);
        context.lineTo(x(to), top);
      }
      context.moveTo(x(lead), top - 8);
      context.lineTo(x(lead), top + 8);
      context.stroke();
      const end = Number.isFinite(to) ? to : lead,
        room = x(end) + 10 + context.measureText(text).width < width;
      context.textAlign = room ? "left" : "right";
      context.fillText(text, room ? x(end) + 10 : x(Number.isFinite(from) ? from : lead) - 10, top + 0.3 * size);
    };
    const between = (foot - rows * foot) / 3;
    if (all)
      bar(
        { ...all, lead: all.mean },
        rows * foot + between,
        ink,
        `${leads ? "the class" : "here"}: ${signed(all.mean)}`,
      );
    if (study)
      bar(
        study,
        rows * foot + 2.2 * between,
        quiet,
        `${width < 640 ? "study" : `our study, ${study.seeds} runs`}: ${signed(study.lead)}`,
      );
    context.textAlign = "left";
  }

  function showFilm(film, samples) {
    film.canvas.hidden = !samples;
    if (!samples || samples === film.drawn) return;
    film.drawn = samples;
    drawFilm({ ...samples, count: FACES }, SIDE, film.canvas);
  }

  function sentence() {
    const what = choice(),
      { pair, sentence: trouble } = tryOf(what) ?? {},
      { counted } = collected();
    if (trouble) return trouble;
    if (leads) {
      if (!known().choice)
        return voted() ? "Start the study: every tab trains a run of its own." : "Choose what the class tries.";
      return (
        shownBy(counted, "lead", "More are on the way.") ||
        `The class tries: ${arms(what)[1]}. No lead has arrived yet.`
      );
    }
    if (!klass && !what) return "Three changes to a plain flow. Vote for the one that helps most.";
    if (klass && !what)
      return voted()
        ? "Your vote counts. The lecturer starts the study."
        : "Three changes to a plain flow. Vote for the one that helps most.";
    if (pair?.working && !counted.length && !pair.step) return "Both flows get their start from the faces …";
    if (pair?.working && !counted.length)
      return `Step ${number(pair.step)} of ${number(pair.last)}: ${bits(pair.lead)} so far.`;
    if (counted.length) {
      const study = stage.hidesAnswer ? null : studied(what),
        ours = study ? `Our study, on more faces: ${signed(study.lead)}.` : "One run decides nothing.";
      return shownBy(counted, "run", klass && !study ? "It is a dot on the board." : ours);
    }
    if (pair?.seed) return `Paused at step ${number(pair.step)} of ${number(pair.last)}.`;
    return klass
      ? `The class tries ${arms(what)[1]}: two flows, all else is equal.`
      : `Two flows, equal except for ${differ(what)}. Same random numbers.`;
  }

  function words() {
    const what = choice(),
      { pair } = tryOf(what) ?? {},
      { counted, light } = collected();
    if (leads && known().choice) {
      const done = counted.length + light.length,
        small = light.length ? ` ${light.length} of smaller flows, hollow, not in the mean.` : "";
      return `${done} of ${known().begun} tabs are done.${small}`;
    }
    if (pair?.light)
      return `No WebAssembly here: smaller flows, ${number(pair.last)} steps${klass ? ", apart from the others" : ", unlike our study’s"}.`;
    if (!begun()) return "Orange: the plain flow. Blue: with the change. All else stays the same.";
    const study = counted.length && !leads && !stage.hidesAnswer ? studied(what) : null,
      others = study ? `Our study: ${word(study.seeds)} runs on more faces` : "Every run counts";
    if (pair?.working && counted.length)
      return `Run ${pair.seed}, step ${number(pair.step)} of ${number(pair.last)}. ${others}.`;
    if (study) return `${others}. One run on few faces may well save less, or more.`;
    return leads
      ? "Each tab trains both flows; its lead becomes a dot."
      : "Thick: new pictures. Thin: training pictures.";
  }

  function show() {
    const what = choice(),
      { pair, leads: own } = tryOf(what) ?? {},
      finished = klass && !leads && (Number.isFinite(known().lead) || own?.length > 0);
    button.textContent = leads
      ? "The class tries it"
      : pair?.going
        ? "Pause"
        : pair?.working
          ? "Pausing …"
          : own?.length && !klass && pair?.done
            ? "Next run"
            : pair?.seed && !finished
              ? "Go on"
              : klass
                ? "Train mine"
                : "Train both";
    button.disabled = leads
      ? !voted() || voted() === known().choice
      : !what || finished || (pair?.working && !pair.going);
    const text = words();
    if (caption.textContent !== text) caption.textContent = text;
    films.forEach((film, i) => {
      film.words.textContent = what ? arms(what)[i] : "\u00a0";
      showFilm(film, pair?.states[i]?.samples);
    });
    tried.hidden = !begun();
    for (const view of [curveView, dotsView]) view?.redraw();
    stage.say(sentence());
  }

  const leave = hearTries(show);
  show();
  return {
    button,
    show,
    study: show,
    begun,
    play: () => button.disabled || act(),
    stop: () => {
      leave();
      curveView?.stop();
      dotsView.stop();
    },
  };
}
