// Runs the stage's flow on a pack's image and latents; prints what it found as JSON. Arguments: flow.js, pack.
import { readFileSync } from "node:fs";
const [, , script, path] = process.argv;
const { readPack, Flow, choicesOf, psnr } = await import(script);
const { ownChoice, rankOf, scoreAll } = await import(script.replace("flow.js", "rank.js"));
const { head, floats } = readPack(new Uint8Array(readFileSync(path)));
const flow = new Flow(head.flow, floats);
const traces = flow.encode(Float64Array.from(floats(head.x)));
const inputs = [];
const decoded = flow.decode(head.latents.map((l) => Float64Array.from(floats(l))), (_, features) => inputs.push([...features]));
const back = flow.decode(traces.map((t) => t.noise));
const first = flow.levels[0], n = first.channels;
const bytes = flow.quantise(Float64Array.from(floats(head.x))), choices = head.average ? choicesOf(n, first.gone) : [];
const { features } = flow.encode(flow.dequantise(bytes))[0];
const parts = [];
const scores = choices.length ? await new Promise((done) => scoreAll({ flow, features, average: floats(head.average), bytes, part: (share) => parts.push(share), done })) : [];
const weights = flow.levels.map((level, l) => {
  const seen = [];
  level.run(traces[l].input, ({ number, a }) => {
    const w = level.couplingWeights(level.steps[number], a);
    seen.push(w && { read: [...w.read], given: [...w.given] });
  });
  return seen;
});
const values = Float64Array.from(floats(head.x));
const frozen = head.averages && flow.frozen(head.averages);
console.log(JSON.stringify({
  weights, frozenBits: frozen && frozen.bitsPerDim(frozen.encode(values)),
  levels: traces.map((t) => ({ steps: t.steps.map((s) => [...s]), features: [...t.features], kept: t.kept && [...t.kept], noise: [...t.noise],
    logWeights: t.logWeights && [...t.logWeights] })),
  choices: choices.length, parts, rank: scores.length ? rankOf(scores, first, ownChoice(first)) : null, bitsPerDim: flow.bitsPerDim(traces), running: flow.running(traces, head.rest), decoded: [...decoded], psnr: psnr(decoded, bytes), decodedFeatures: inputs.reverse(), back: [...back],
}));
