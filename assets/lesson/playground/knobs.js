// The knobs of the playground: what each may be, how an address holds them, and the same recipe for Python.

/**
 * Every knob: its default, what it may be, and its key in an address, where that is not its name: links between pages
 * carry a `data` and a `seed` of their own. A knob that is not `free` starts the training anew.
 * @type {Record<string, {is: any, of: any[], key?: string, free?: boolean}>}
 */
export const KNOBS = {
  data: { is: "faces", of: ["faces", "letters", "own"], key: "pictures" },
  levels: { is: 3, of: [1, 2, 3] },
  steps: { is: 4, of: [1, 2, 3, 4, 5, 6] },
  width: { is: 48, of: [8, 16, 24, 32, 40, 48, 56, 64] },
  start: { is: "data", of: ["data", "random"] },
  weights: { is: "own", of: ["own", "none"] },
  half: { is: "entropy", of: ["entropy", "variance", "position", "chance"] },
  mixing: { is: "on", of: ["on", "off"] },
  coupling: { is: "on", of: ["on", "off"] },
  rate: { is: 0.002, of: [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1] },
  seed: { is: 1, of: Array.from({ length: 999 }, (_, i) => i + 1), key: "draw" },
  temperature: { is: 0.8, of: Array.from({ length: 16 }, (_, i) => i / 10), free: true },
};

/** The knobs at their defaults. @type {Record<string, any>} */
export const DEFAULTS = Object.fromEntries(Object.entries(KNOBS).map(([name, { is }]) => [name, is]));

/**
 * The given experiments: a name, the knobs that differ from their defaults, and what is special.
 * @type {[string, Record<string, any>, string][]}
 */
export const EXPERIMENTS = [
  ["EIW-Flow", {}, "looks at the data for its start, its half and its weights"],
  ["Glow", { start: "random", weights: "none", half: "position" }, "random start, fixed half, no weights"],
  ["One level", { levels: 1 }, "nothing leaves early"],
  ["Without mixing", { mixing: "off" }, "half of the values never change"],
  ["Without own weights", { weights: "none" }, "all pictures go through the same networks"],
];

/** The knobs that an address holds, and the names of those in which it holds nonsense, which have their default. */
export function fromAddress(search) {
  const query = new URLSearchParams(search),
    settings = { ...DEFAULTS },
    wrong = [];
  for (const [name, { of, key = name }] of Object.entries(KNOBS)) {
    if (!query.has(key)) continue;
    const value = of.find((one) => String(one) === query.get(key));
    if (value === undefined) wrong.push(name);
    else settings[name] = value;
  }
  return { settings, wrong };
}

/** An address with every knob in it; what else it holds stays. */
export function withKnobs(address, settings) {
  const url = new URL(address);
  for (const [name, { key = name }] of Object.entries(KNOBS)) url.searchParams.set(key, String(settings[name]));
  return url;
}

/** The names of the knobs in which two settings differ, of those that start a training anew. */
export const changed = (a, b) => Object.keys(KNOBS).filter((name) => !KNOBS[name].free && a[name] !== b[name]);

const WORDS = {
  data: (value) => ({ faces: "faces", letters: "letters", own: "own pictures" })[value],
  levels: (value) => (value === 1 ? "one level" : `${value} levels`),
  steps: (value) => `${value === 1 ? "one step" : `${value} steps`} a level`,
  width: (value) => `width ${value}`,
  start: (value) => (value === "data" ? "start from the data" : "random start"),
  weights: (value) => (value === "own" ? "own weights" : "without own weights"),
  half: (value) => `half by ${value}`,
  mixing: (value) => (value === "on" ? "mixing" : "without mixing"),
  coupling: (value) => (value === "on" ? "coupling" : "without coupling"),
  rate: (value) => `learning rate ${value}`,
  seed: (value) => `seed ${value}`,
  temperature: (value) => `temperature ${value}`,
};

/** One knob in words. */
export const inWords = (name, settings) => WORDS[name](settings[name]);

const SWITCHES = { start: "start from the data", weights: "own weights", mixing: "mixing", coupling: "coupling" };

/** A knob that was moved in words: "coupling is on", "3 levels". */
export const movedTo = (name, settings) =>
  name in SWITCHES
    ? `${SWITCHES[name]} ${name === "weights" ? "are" : "is"} ${settings[name] === KNOBS[name].of[0] ? "on" : "off"}`
    : inWords(name, settings);

/** The experiment that settings are, but for data and seed; undefined where they are none. */
export const experimentOf = (settings) =>
  EXPERIMENTS.find(([, knobs]) =>
    changed({ ...DEFAULTS, ...knobs }, settings).every((name) => name === "seed" || name === "data"),
  );

/** Settings in a few words: the experiment that they are, or what differs from EIW-Flow. */
export function named(settings) {
  const known = experimentOf(settings);
  const parts = known
    ? [known[0]]
    : changed(DEFAULTS, settings)
        .filter((name) => name !== "seed" && name !== "data")
        .map((name) => inWords(name, settings));
  if (settings.data !== DEFAULTS.data) parts.push(inWords("data", settings));
  if (settings.seed !== DEFAULTS.seed) parts.push(inWords("seed", settings));
  return parts.join(", ");
}
