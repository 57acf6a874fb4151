// The studies of this tab, one for each choice of scene 11: they go on while other scenes are shown.
import { Listeners } from "./listeners.js";
import { ARMS, Pair } from "./pair.js";

/** Alone, so many seeds follow each other by themselves. */
const BY_ITSELF = 8;

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
 * Train a choice's two flows. In a class from its seed, once; alone from one seed after the other.
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
  const until = Math.max(BY_ITSELF, own.leads.length + 1);
  while (own.next && own.leads.length < until) {
    const going = pair.run(own.next, options.faces);
    tell();
    await going;
    if (pair.trouble) {
      // A seed without an end has no lead; the next one may have.
      own.sentence = pair.trouble;
      if (!klass) own.next++;
      break;
    }
    if (!pair.done) break;
    const lead = { seed: own.next, lead: pair.lead, light: pair.light };
    own.leads.push(lead);
    if (klass) {
      own.sentence = (await klass.lead(choice, lead)) ?? "";
      break;
    }
    own.next++;
    tell();
  }
  tell();
}
