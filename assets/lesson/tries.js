// The studies of this tab, one for each choice of scene 11: they go on while other scenes are shown.
import { Listeners } from "./listeners.js";
import { ARMS, Pair } from "./pair.js";

/** @typedef {{seed: number, lead: number, light: boolean}} Lead bits per value saved by a choice, from one seed */
/** @typedef {{pair: Pair | null, next: number, leads: Lead[], sentence: string}} Try */

/** @type {{tries: Record<string, Try>, listeners: Listeners}} */
const study = (globalThis.eiwflowStudy ??= {
  tries: Object.fromEntries(Object.keys(ARMS).map((key) => [key, { pair: null, next: 1, leads: [], sentence: "" }])),
  listeners: new Listeners(),
});

const tell = () => study.listeners.tell();

/** Call f() whenever something is new; returns a function that ends it. */
export const hearTries = (f) => study.listeners.hear(f);

/** @returns {Try} */
export const tryOf = (choice) => study.tries[choice];

/** Pause what runs. */
export function pauseTries() {
  for (const { pair } of Object.values(study.tries)) pair?.pause();
  tell();
}

/**
 * Train a choice's two flows: in a class from its seed, alone from the next one.
 * @param {string} choice
 * @param {any} stage
 */
export async function runTry(choice, { options, pack, klass }) {
  const own = tryOf(choice);
  pauseTries();
  own.sentence = "";
  own.pair ??= new Pair(choice, pack.head.trial ?? {}, tell);
  const { pair } = own;
  if (klass) {
    const { seed, refused } = await klass.begin(choice);
    own.next = seed;
    own.sentence = refused ?? "";
  }
  if (own.next) {
    const going = pair.run(own.next, options.faces);
    tell();
    await going;
    const lead = { seed: own.next, lead: pair.lead, light: pair.light };
    // A seed without an end has no lead; the next one may have.
    if (pair.trouble) own.sentence = pair.trouble;
    else if (pair.done) {
      own.leads.push(lead);
      if (klass) own.sentence = (await klass.lead(choice, lead)) ?? "";
    }
    if (!klass && (pair.trouble || pair.done)) own.next++;
  }
  tell();
}
