// The same recipe for `python -m eiwflow train`, and own pictures as a file that it reads.

/** Images a step, and steps of a training. */
export const BATCH = 32,
  ITERATIONS = 1400;

const ORDERS = { entropy: "entropy", variance: "variance", position: "last", chance: "random" };
const FILES = { letters: "letters16.npz", own: "pictures.npz" };

/** The file that the command reads; empty where Python has these pictures. @param {Record<string, any>} settings */
export const fileOf = ({ data }) => FILES[data] ?? "";

/** The recipe of the settings, as trainer/client.js takes it. @returns {Partial<import("../trainer/api").Recipe>} */
export const recipeOf = (settings) => ({
  levels: settings.levels,
  steps: settings.steps,
  width: settings.width,
  start: settings.start,
  weights: settings.weights === "own",
  half: settings.half,
  partition: settings.start === "data" ? "random" : "alternating",
  mixing: settings.mixing === "on",
  coupling: settings.coupling === "on",
  learningRate: settings.rate,
  batch: BATCH,
  iterations: ITERATIONS,
});

/** The command, or null where Python has no such flow, and a remark. @param {Record<string, any>} settings */
export function pythonCommand(settings) {
  const off = ["mixing", "coupling"].filter((name) => settings[name] === "off");
  if (off.length)
    return {
      command: null,
      remark: `Python trains no flow without ${off.join(" and ")}: this is an experiment of the playground.`,
    };
  const options = {
    data: fileOf(settings) || "faces16",
    order: ORDERS[settings.half],
    weights: settings.weights === "own" ? "entropy" : "none",
    init: settings.start === "data" ? "principal" : "random",
    partition: settings.start === "data" ? "random" : "alternating",
    levels: settings.levels,
    "steps-per-level": settings.steps,
    width: settings.width,
    size: 16,
    batch: BATCH,
    iterations: ITERATIONS,
    "learning-rate": settings.rate,
    seed: settings.seed,
  };
  const command = `python -m eiwflow train ${Object.entries(options)
    .map(([name, value]) => `--${name} ${value}`)
    .join(" ")}`;
  return {
    command,
    remark: fileOf(settings)
      ? "It reads the pictures of this tab."
      : "Python trains on all 13,000 faces; its random numbers are others.",
  };
}

const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});
const crc32 = (bytes) => ~bytes.reduce((sum, byte) => CRC[(sum ^ byte) & 255] ^ (sum >>> 8), -1) >>> 0;

/** An array of bytes with a shape as a .npy file. */
function npy(bytes, shape) {
  const text = `{'descr': '|u1', 'fortran_order': False, 'shape': (${shape.join(", ")},), }`,
    header = `${text.padEnd(117)}\n`, // its 10 bytes before make 128
    file = new Uint8Array(128 + bytes.length);
  file.set([0x93, ...new TextEncoder().encode("NUMPY"), 1, 0, 118, 0, ...new TextEncoder().encode(header)]);
  file.set(bytes, 128);
  return file;
}

/** Arrays {name: {bytes, shape}} as a .npz file: a ZIP archive without compression. */
export function npz(arrays) {
  const parts = [],
    directory = [];
  let at = 0;
  for (const [name, { bytes, shape }] of Object.entries(arrays)) {
    const content = npy(bytes, shape),
      path = new TextEncoder().encode(`${name}.npy`),
      // version, flags, method, time, date (1 January 1980), CRC, two sizes, lengths of name and extra field
      common = [
        20,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        33,
        0,
        ...le(crc32(content)),
        ...le(content.length),
        ...le(content.length),
        path.length,
        0,
        0,
        0,
      ];
    const local = Uint8Array.from([0x50, 0x4b, 3, 4, ...common, ...path]);
    directory.push(
      Uint8Array.from([0x50, 0x4b, 1, 2, 20, 0, ...common, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ...le(at), ...path]),
    );
    parts.push(local, content);
    at += local.length + content.length;
  }
  const size = directory.reduce((sum, { length }) => sum + length, 0),
    count = directory.length;
  const end = Uint8Array.from([0x50, 0x4b, 5, 6, 0, 0, 0, 0, count, 0, count, 0, ...le(size), ...le(at), 0, 0]);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}

const le = (n) => [n & 255, (n >>> 8) & 255, (n >>> 16) & 255, n >>> 24];
