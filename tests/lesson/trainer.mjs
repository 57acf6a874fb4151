// Runs the trainer of the lesson on values from test_trainer.py: node trainer.mjs FOLDER, which holds request.json.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Engine } from "../../assets/lesson/trainer/engine.js";
import { facts as statedBy } from "../../assets/lesson/trainer/facts.js";
import { gradientNorm, update } from "../../assets/lesson/trainer/optimiser.js";
import { checkpoint, pack } from "../../assets/lesson/trainer/save.js";
import { randomOf, start } from "../../assets/lesson/trainer/start.js";

const folder = process.argv[2],
  at = (name) => join(folder, name),
  { recipe, simd, moved, steps, images } = JSON.parse(readFileSync(at("request.json"), "utf8")),
  x = new Float32Array(readFileSync(at("x")).buffer.slice(0)),
  facts = { data: "faces16", step: steps, seed: 5, metrics: {} },
  engine = new Engine(recipe, Math.max(recipe.batch, images), simd),
  { dimensions, f, trained } = engine,
  batch = (number, count) => x.subarray(number * recipe.batch * dimensions, (number * recipe.batch + count) * dimensions),
  mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;

const arrangements = start(engine, batch(0, images), images, facts.seed);
writeFileSync(at("start.safetensors"), checkpoint(engine, facts, trained));

// Where nothing is zero or the identity, every gradient shows.
const uniform = randomOf(1, "moved");
for (const { name, shape, at: place, size, by } of engine.parameters) {
  const columns = shape.length === 4 ? size / (shape[1] * shape[2] * shape[3]) : shape.at(-1),
    [rows] = shape;
  for (let i = 0; i < size; i++) {
    const [row, column] = [Math.floor(i / columns), i % columns];
    const apart =
      (shape.length === 4 && column >= rows) ||
      (shape.length < 4 && row * columns + column >= shape.reduce((a, b) => a * b, 1)) ||
      (name.endsWith("lower") && column >= row) ||
      (name.endsWith("upper") && column <= row);
    if (by !== "none" && !apart) f[trained + place + i] += moved * (uniform() - 0.5);
  }
}
f.copyWithin(engine.average, trained, trained + engine.size);
writeFileSync(at("moved.safetensors"), checkpoint(engine, facts, trained));
engine.load(batch(0, recipe.batch), recipe.batch);
const logP = engine.forward(recipe.batch);
engine.backward(recipe.batch);
writeFileSync(at("gradient.safetensors"), checkpoint(engine, facts, engine.gradient));
const noises = engine.levels.map(({ noise, pixels, channels, half, last }) =>
  f.slice(noise, noise + pixels * recipe.batch * (last ? channels : half)),
);
const work = engine.inverse(noises, recipe.batch, trained);
let part = work.next();
while (!part.done) part = work.next();
const roundTrip = part.value.reduce((most, v, i) => Math.max(most, Math.abs(v - x[i])), 0);

const began = process.cpuUsage(),
  curve = [];
for (let step = 0; step < steps; step++) {
  engine.load(batch(step, recipe.batch), recipe.batch);
  curve.push(engine.bits(mean(engine.forward(recipe.batch))));
  engine.backward(recipe.batch);
  update(engine, gradientNorm(engine), step);
}
const { user, system } = process.cpuUsage(began),
  seconds = (user + system) / 1e6;
engine.load(batch(0, images), images);
const scores = Array.from(engine.forward(images, engine.average), (value) => engine.bits(value));
writeFileSync(at("trained.safetensors"), checkpoint(engine, facts));
writeFileSync(at("pack"), pack(engine, facts));
// Of more pictures than the engine takes at once.
const count = Math.min(2 * images, x.length / dimensions),
  stating = statedBy(engine, { pixels: Uint8Array.from(x.subarray(0, count * dimensions), (v) => 256 * (v + 0.5)), count });
let stated = stating.next();
while (!stated.done) stated = stating.next();
stated.value.average = Array.from(stated.value.average);
console.log(
  JSON.stringify({
    simd: engine.simd, arrangements, logP: Array.from(logP), roundTrip, curve, scores, seconds, stated: stated.value,
  }),
);
