// Prints what the playground and the trials of scene 11 draw and say for stated inputs, and the seeds that trials take.
const root = process.argv[2];
const from = (name) => import(`file://${root}/assets/lesson/${name}`);
const { drawCurves, drawHistogram, REACH } = await from("playground/plots.js");
const { whatWasSeen } = await from("playground/seen.js");
const { DEFAULTS } = await from("playground/knobs.js");
const { normal } = await from("curve.js");
const { runTry, tryOf } = await from("tries.js");
const { shownBy } = await from("scenes/try.js");
const { measured } = await from("card.js");
const { pythonCommand } = await from("playground/python.js");

const rounded = (value) => (typeof value === "number" ? +value.toFixed(1) : value);
/** What is drawn by draw(context), a line a call. */
function drawn(draw) {
  const lines = [];
  draw(
    new Proxy(
      {},
      {
        get: (_, name) => (...values) => lines.push([name, ...values.map(rounded)].join(" ")),
        set: (_, name, value) => lines.push(`${name} = ${value}`),
      },
    ),
  );
  return lines;
}

const colours = { ink: "ink", quiet: "quiet", line: "line", paper: "paper", sans: "sans", size: 16 };
const bins = 16,
  shares = Array.from({ length: bins }, (_, i) => ((2 * REACH) / bins) * normal(REACH * ((2 * i + 1) / bins - 1)));
console.log("==== a histogram of the Gaussian itself");
console.log(drawn((to) => drawHistogram(to, 320, 100, { shares, fill: "fill", colours })).join("\n"));
for (const steps of [100, 101, 1400]) {
  const curve = (bits) => [[0, 7.9], [steps / 2, bits + 0.4], [steps, bits]],
    curves = [{ train: curve(5.1), test: curve(5.3), colour: "mine" }];
  console.log(`==== curves of ${steps} steps`);
  console.log(drawn((to) => drawCurves(to, 640, 300, { curves, lines: [[8, "blind guess"]], colours })).join("\n"));
}

const falling = [[0, 7.5], [100, 6], [200, 5.5], [300, 5.2]],
  risen = [[0, 7.5], [100, 5.2], [200, 5.3], [300, 5.6]],
  still = [[0, 7.5], [100, 5.201], [200, 5.2], [300, 5.2]];
const said = (test, more = {}, train = test, settings = DEFAULTS) =>
  console.log(whatWasSeen({ settings, seen: { train, test }, kept: null, playing: true, ...more }));
console.log("==== what was seen");
said([]);
said([[0, 7.5]]);
said([[0, 8.2]], { playing: false }, [], { ...DEFAULTS, start: "random" });
said([[0, 7.5]], {}, [[3, 7.4]]);
for (const test of [falling, risen, still]) said(test);
said(risen, {}, [[0, 7.5], [300, 4]]);
for (const bits of [5, 5.5]) said(falling, { bundled: bits });
said(falling.map(([step, bits]) => [step, bits + 4]));
said(falling, {}, falling, { ...DEFAULTS, mixing: "off" });
for (const test of [risen, still, [[0, 7], [400, 4]]])
  said(falling, { kept: { test, settings: { ...DEFAULTS, half: "position" } } });

console.log("==== seeds of trials");
const own = tryOf("weights");
own.pair = { run: async (seed) => console.log(`a run of seed ${seed}`), pause() {}, done: true, lead: 0.1, light: false, trouble: "" };
for (const trouble of ["", "", "It ended.", ""]) {
  Object.assign(own.pair, { trouble, done: !trouble });
  await runTry("weights", { options: {}, pack: { head: {} }, klass: null });
}
console.log(JSON.stringify(own.leads), own.sentence);
console.log("==== what leads show");
for (const leads of [[0.1], [0.1, 0.2], [0.1, 0.2, 0.15], [-0.1, 0.2, 0.15]]) console.log(shownBy(leads, "run", "Beside."));

console.log("==== a result card, of a stand-in for a flow");
const flow = {
  dequantise: (bytes) => bytes,
  encode: () => [{ noise: [0, 0] }],
  decode: ([noise]) => noise,
  quantise: (noise) => noise.map(Math.round),
  bitsPerDim: () => 3,
};
const { likelier, differ, redraws } = measured(flow, [0, 9], [2, 4, 5, 6]);
console.log(`likelier than ${likelier} of the known ones, ${differ} value differs, ${redraws.length} redraws`);

console.log("==== commands");
for (const more of [{}, { start: "random", half: "position", weights: "none" }, { data: "letters" }, { mixing: "off" }])
  console.log(JSON.stringify(pythonCommand({ ...DEFAULTS, ...more })));
