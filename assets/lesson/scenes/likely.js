// Scene 12: bits per value of the picture and of strange ones, each scored by the flow in the browser. Predict first.
import { cap, el, picture } from "../draw.js";
import { normals, uniforms } from "../flow.js";

const TILES = 4,
  SLICE_MS = 8,
  SEED = 4049;
/** A bar of so many times the picture's own bits fills the height; what needs more is written, not drawn. */
const MOST = 2.4;
const BLIND = 8,
  SHORT = `Bits per value: few bits = likely. Dashed: blind guess, ${BLIND}.`;

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

export const likely = {
  number: 12,
  short: "Likely or real?",
  votes: KINDS.map(([key, name]) => [key, name]),
  title: "Is a likely picture a real one?",
  keepsChoice: true, // a vote is not about one picture
  notes:
    "A short bar is a likely picture: likely pictures need few bits. Let the class vote for the likeliest of the " +
    "five, then look at the bars. Ask whether the likeliest is a face. Bits are noise and stretching, as in scene 4.",
  asked:
    "Flat grey may need fewer bits than the pictures that the flow was trained on: likely means few bits. A blurred picture need not, " +
    "probably because a blurred face has soft edges, which no face in training had. A guess that takes all 256 " +
    "values of a byte as equally likely costs 8 bits: noise costs more, since the flow bets on pictures.",
  more: { page: "likelihood" },

  build(stage) {
    const { flow, images, image } = stage,
      shape = stage.pack.head.shape,
      all = images.map((one) => KINDS.map(([, , make]) => make(one.bytes, shape)));
    const bits = images.map(() => []),
      score = (bytes) => flow.bitsPerDim(flow.encode(flow.dequantise(bytes)));
    let voted = KINDS.some(([key]) => key === stage.choice) ? stage.choice : "",
      timer;
    const caption = el("p", { className: "caption" }, SHORT);
    const columns = KINDS.map(([key, name], k) => {
      const bar = el("i", { className: "amount" }),
        value = el("b", { className: "bits" });
      const shown = picture(all[image][k], shape);
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
      caption,
    );
    const draw = () => {
      columns.forEach((one, k) => one.button.setAttribute("aria-pressed", String(KINDS[k][0] === voted)));
      if (!voted) return stage.say("Which of these does the flow find likeliest? Click it.");
      const here = bits[image];
      if (here.length < KINDS.length) return;
      const best = here.indexOf(Math.min(...here)),
        top = MOST * here[0];
      columns.forEach(({ button, bar, value }, k) => {
        bar.style.height = `${Math.max(1, Math.min(100, (100 * here[k]) / top))}%`;
        value.replaceChildren(
          here[k].toFixed(1),
          ...(k === best ? [el("span", { className: "wide" }, ", likeliest")] : []),
        );
        button.style.setProperty("--blind", Math.min(1, BLIND / top));
        button.classList.toggle("best", k === best);
      });
      // Against the picture's strongest rival; where the picture wins, that is the second.
      const rival = best || here.indexOf(Math.min(...here.slice(1))),
        scored = bits.filter((one) => one.length === KINDS.length);
      const wins = scored.filter((one) => one[rival] < one[0]).length,
        [, name] = KINDS[rival];
      const digits = here[0].toFixed(1) === here[rival].toFixed(1) ? 2 : 1,
        [own, other] = [here[0], here[rival]].map((v) => v.toFixed(digits)),
        verdict = voted === KINDS[best][0] ? "Right guess" : "Wrong guess";
      stage.say(
        best
          ? `${verdict}: ${name} needs ${other} bits, this picture ${own}: likely need not be real.`
          : `${verdict}: this picture is likeliest, at ${own} bits; ${name} needs ${other}.`,
      );
      if (scored.length > 1)
        caption.textContent = `${SHORT} ${cap(name)} is likelier than ${wins} of the ${scored.length} pictures below.`;
    };
    // The picture that is shown first, then all others, in slices between frames.
    const order = [image, ...images.keys()].filter((one, at, list) => list.indexOf(one) === at);
    const slice = () => {
      const end = performance.now() + SLICE_MS;
      do {
        const next = order.find((one) => bits[one].length < KINDS.length);
        if (next === undefined) return draw();
        bits[next].push(score(all[next][bits[next].length]));
      } while (performance.now() < end);
      timer = setTimeout(slice, 0);
    };
    timer = setTimeout(slice, 0);
    draw();
    return { stop: () => clearTimeout(timer) };
  },
};
