// Ranks every choice of level 1's channels by the picture that is left: in a Worker, or in slices between frames.
import { choicesOf, score } from "./flow.js";

/** Channels of which all choices can be tried in a moment. */
export const MOST_CHANNELS = 12;

const SLICE_MS = 8,
  REPORT_EVERY = 32;

/** What the Worker runs, next to the flow's source. */
function work(flowModule) {
  self.onmessage = ({ data: { pack, bytes, every } }) => {
    const { head, floats } = flowModule.readPack(pack),
      spec = head.flow;
    const flow = new flowModule.Flow(spec, floats),
      level = flow.levels[0],
      average = floats(spec.average);
    const features = flow.encode(flow.dequantise(bytes))[0].features;
    const masks = flowModule.choicesOf(level.channels, level.gone);
    const scores = masks.map((mask, i) => {
      if (i % every === 0) postMessage(i / masks.length);
      return flowModule.score(flow, features, average, bytes, mask);
    });
    postMessage(Float64Array.from(scores));
  };
}

/**
 * Rank the choices of a flow: in a Worker if a pack holds that flow, else here, in slices. Call part(share of the work
 * that is done) on the way, then done(scores of every choice, in the order of choicesOf()).
 * Returns a function that stops the work.
 */
export function scoreAll({ pack, flow, features, average, bytes, part, done }) {
  if (pack && typeof make_flow_js === "function" && typeof Worker === "function") {
    try {
      const source = `(${work})((${make_flow_js})());`;
      const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
      const worker = new Worker(address);
      URL.revokeObjectURL(address);
      let fallback = () => {};
      worker.onmessage = ({ data }) => {
        if (typeof data === "number") return part(data);
        worker.terminate();
        done(data);
      };
      worker.onerror = (event) => {
        event.preventDefault();
        worker.terminate();
        fallback = inSlices({ flow, features, average, bytes, part, done });
      };
      worker.postMessage({ pack, bytes, every: REPORT_EVERY });
      return () => {
        worker.terminate();
        fallback();
      };
    } catch {
      /* a policy forbids Workers: slices do it too */
    }
  }
  return inSlices({ flow, features, average, bytes, part, done });
}

function inSlices({ flow, features, average, bytes, part, done }) {
  const { channels: n, gone } = flow.levels[0],
    masks = choicesOf(n, gone),
    scores = new Float64Array(masks.length);
  let at = 0,
    timer;
  const slice = () => {
    const end = performance.now() + SLICE_MS;
    for (; at < masks.length && performance.now() < end; at++)
      scores[at] = score(flow, features, average, bytes, masks[at]);
    if (at === masks.length) return done(scores);
    part(at / masks.length);
    timer = setTimeout(slice, SLICE_MS);
  };
  timer = setTimeout(slice, 0);
  return () => clearTimeout(timer);
}

/** Rank from 1 of the choice with this mask. */
export function rankOf(scores, level, mask) {
  const mine = scores[choicesOf(level.channels, level.gone).indexOf(mask)];
  return 1 + scores.filter((s) => s > mine + 1e-9).length;
}

/** The mask of the channels that a flow factors out at level 1. */
export function ownChoice(level) {
  return level.order.slice(level.kept).reduce((mask, channel) => mask | (1 << channel), 0);
}
