// Scene 5: bits per value of the picture and of strange ones, each scored by the flow in the browser. Predict first.
// A photo of one's own gets a card to keep.
import { cardPanel } from "../card.js";
import { afterFrame, BLIND_GUESS, el, picture } from "../draw.js";
import { normals, uniforms } from "../flow.js";

const TILES = 4,
  SLICE_MS = 8,
  SEED = 4049;
/** A bar of so many bits fills the height, for every picture; what needs more is written, not drawn. */
const MOST = 13;
const CAPTION = `Bits per value: fewer bits, likelier. Dashed: a blind guess, ${BLIND_GUESS}.`,
  SOFT = "Flat is easy to guess; soft edges surprise a flow that knows crisp faces.",
  WHY = `Flat is easy to guess: each pixel equals its neighbour. Dashed: blind guess, ${BLIND_GUESS}.`;

/** Bytes [pixel][channel] under a Gaussian blur of σ = a twentieth of the height, edges repeated. */
function blurred(bytes, [height, width, channels]) {
  const sigma = height / 20,
    reach = Math.floor(4 * sigma + 0.5),
    weights = [];
  for (let d = -reach; d <= reach; d++) weights.push(Math.exp((-d * d) / (2 * sigma * sigma)));
  const sum = weights.reduce((a, b) => a + b, 0),
    inside = (v, size) => Math.min(size - 1, Math.max(0, v));
  let x = Float64Array.from(bytes);
  for (const down of [1, 0])
    x = x.map((_, i) => {
      const c = i % channels,
        p = (i - c) / channels,
        row = Math.floor(p / width),
        col = p % width;
      return weights.reduce((all, weight, k) => {
        const d = k - reach,
          r = inside(row + down * d, height),
          q = inside(col + (1 - down) * d, width);
        return all + (weight / sum) * x[(r * width + q) * channels + c];
      }, 0);
    });
  return Uint8Array.from(x, (v) => Math.min(255, Math.max(0, Math.round(v))));
}

/** The same bytes, cut into 4×4 tiles that change places. */
function shuffled(bytes, [height, width, channels]) {
  const [high, wide] = [height / TILES, width / TILES],
    order = Array.from({ length: TILES * TILES }, (_, i) => i),
    keys = normals(SEED, order.length);
  order.sort((a, b) => keys[a] - keys[b]);
  return bytes.map((_, i) => {
    const c = i % channels,
      p = (i - c) / channels,
      row = Math.floor(p / width),
      col = p % width;
    const from = order[Math.floor(row / high) * TILES + Math.floor(col / wide)];
    return bytes[
      ((Math.floor(from / TILES) * high + (row % high)) * width + (from % TILES) * wide + (col % wide)) * channels + c
    ];
  });
}

/**
 * What the flow scores: a word for the link, a name, and how it is made of the picture.
 * @type {[string, string, (bytes: Uint8Array, shape: number[]) => Uint8Array][]}
 */
const KINDS = [
  ["own", "this picture", (bytes) => bytes],
  ["blurred", "blurred", blurred],
  ["flat", "flat grey", (bytes) => bytes.slice().fill(Math.round(bytes.reduce((a, b) => a + b, 0) / bytes.length))],
  ["tiles", "shuffled", shuffled],
  ["noise", "pure noise", (bytes) => Uint8Array.from(uniforms(SEED, bytes.length), (u) => 256 * u)],
];

/** The places of the blurred picture and of flat grey. */
const [BLURRED, GREY] = ["blurred", "flat"].map((name) => KINDS.findIndex(([key]) => key === name));

export const likely = {
  number: 5,
  short: "Likely or real?",
  votes: KINDS.map(([key, name]) => [key, name]),
  title: "Is a likely picture a real one?",
  keepsChoice: true, // a vote is not about one picture
  answers: Boolean,
  notes: "Vote for the likeliest of the five, then look at the bars.",
  asked:
    "Each of the five is scored by the flow in this tab. Flat grey may need fewer bits than the pictures that the flow " +
    "was trained on: likely means few bits. A blurred picture need not: no picture in training had soft edges. A guess " +
    "that takes all 256 values of a byte as equally likely costs 8 bits. The flow expects pictures, so noise surprises it " +
    "more than that. The card compares with 256 test pictures.",
  more: { page: "likelihood" },

  build(stage) {
    const { flow, images, image } = stage,
      shape = stage.pack.head.shape,
      all = KINDS.map(([, , make]) => make(images[image].bytes, shape));
    const here = [],
      score = (bytes) => flow.bitsPerDim(flow.encode(flow.dequantise(bytes)));
    let voted = KINDS.some(([key]) => key === stage.choice) ? stage.choice : "",
      stopScoring = () => {};
    const caption = el("p", { className: "caption" }, CAPTION),
      own = images[image].number === "own";
    const columns = KINDS.map(([key, name], k) => {
      const bar = el("i", { className: "amount" }),
        value = el("b", { className: "bits" });
      const shown = picture(all[k], shape);
      const button = el(
        "button",
        {
          type: "button",
          className: "kind",
          "aria-pressed": "false",
          onclick: () => {
            voted = key;
            stage.choose(key);
            draw();
          },
        },
        shown,
        el("span", {}, name),
        value,
        el("span", { className: "amounts" }, bar, el("u", { className: "blind" })),
      );
      return { button, bar, value };
    });
    stage.host.append(
      el(
        "div",
        { className: "likely", role: "group", "aria-label": "Which is the likeliest?" },
        ...columns.map((one) => one.button),
      ),
      el(
        "div",
        { className: "captioned" },
        caption,
        own
          ? el("button", { type: "button", className: "strong", onclick: () => showCard() }, "Result card")
          : el("button", { type: "button", onclick: () => stage.askForPhoto() }, "Try your own photo"),
      ),
    );
    const showCard = () =>
      cardPanel(stage.host, {
        flow,
        bytes: images[image].bytes,
        shape,
        known: stage.pack.head.flow.bits,
        nouns: stage.pack.head.faces ? "faces" : "pictures",
      });
    const draw = () => {
      columns.forEach((one, k) => one.button.setAttribute("aria-pressed", String(KINDS[k][0] === voted)));
      if (!voted) return stage.say("Which of these does the flow find likeliest? Click it.");
      if (stage.hidesAnswer) return stage.say("Your vote counts. The answer comes when the lecturer shows it.");
      if (here.length < KINDS.length) return;
      const best = here.indexOf(Math.min(...here));
      columns.forEach(({ button, bar, value }, k) => {
        bar.style.height = `${Math.max(1, Math.min(100, (100 * here[k]) / MOST))}%`;
        value.replaceChildren(
          here[k].toFixed(1),
          ...(k === best ? [el("span", { className: "wide" }, ", likeliest")] : []),
        );
        button.style.setProperty("--blind", BLIND_GUESS / MOST);
        button.classList.toggle("best", k === best);
      });
      // Against the picture's strongest rival; where the picture wins, that is the second.
      const rival = best || 1 + here.slice(1).indexOf(Math.min(...here.slice(1))),
        [, name] = KINDS[rival],
        digits = here[0].toFixed(1) === here[rival].toFixed(1) ? 2 : 1,
        [mine, other] = [here[0], here[rival]].map((v) => v.toFixed(digits)),
        verdict = stage.answerTo(voted) === KINDS[best][0] ? "Right" : "Wrong";
      const soft = KINDS[BLURRED][0] === voted && best === GREY && here[BLURRED] > here[0] && stage.pack.head.faces;
      caption.textContent = soft ? SOFT : best === GREY ? WHY : CAPTION;
      if (own)
        return stage.say(
          `This flow expects ${stage.pack.head.faces ? "faces" : "its pictures"}: yours needs ${here[0].toFixed(1)} bits per value, flat grey ${here[GREY].toFixed(1)}.`,
        );
      stage.say(
        best
          ? `${verdict}: ${name} needs fewest bits, ${other}; this picture ${mine}. Likely need not be real.`
          : `${verdict}: this picture is likeliest, at ${mine} bits; ${name} needs ${other}.`,
      );
    };
    const slice = () => {
      const end = performance.now() + SLICE_MS;
      do {
        if (here.length === KINDS.length) return draw();
        here.push(score(all[here.length]));
      } while (performance.now() < end);
      stopScoring = afterFrame(slice);
    };
    stopScoring = afterFrame(slice);
    draw();
    return { stop: () => stopScoring(), study: draw };
  },
};
