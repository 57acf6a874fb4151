// Trains as a page does, by the Trainer of client.js in this thread: node tab.mjs FACES FOLDER.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Trainer } from "../../assets/lesson/trainer/client.js";

const [, , faces, folder] = process.argv,
  bytes = new Uint8Array(readFileSync(faces)),
  values = 16 * 16 * 3,
  part = (from, count) => ({ pixels: bytes.slice(from * values, (from + count) * values), count }),
  pictures = { train: part(0, 100), test: part(100, 40) },
  recipe = { levels: 2, steps: 2, width: 16, batch: 8, iterations: 40 };
const trainer = new Trainer(),
  events = [];
trainer.listen(({ type, step, message }) => events.push({ type, step, message }));
const ready = await trainer.start({ recipe, seed: 3, ...pictures });
const running = trainer.run();
await new Promise((resolve) => setTimeout(resolve, 30));
await trainer.pause();
const paused = await running,
  one = await trainer.step(),
  reached = await trainer.run();
const scores = await trainer.score(part(100, 40)),
  samples = await trainer.sample({ count: 5, temperature: 0.8, seed: 2 }),
  again = await trainer.sample({ count: 5, temperature: 0.8, seed: 2 });
writeFileSync(join(folder, "saved.safetensors"), await trainer.save());
writeFileSync(join(folder, "pack"), await trainer.flow());
const { test } = trainer.state;
await trainer.start({ recipe: { ...recipe, learningRate: 1e6 }, seed: 3, ...pictures });
const lost = await trainer.run(),
  message = trainer.state.message,
  after = await trainer.score(part(100, 40));
const refused = await trainer
  .start({ recipe, seed: 1, train: part(0, 0), test: part(0, 0) })
  .then(() => "", (error) => error.message);
trainer.close();
const same = samples.pixels.every((v, i) => v === again.pixels[i]);
console.log(
  JSON.stringify({ ready, paused, one, reached, scores: Array.from(scores), samples: samples.pixels.length, same, test, events, lost, message, after: Array.from(after), refused }),
);
