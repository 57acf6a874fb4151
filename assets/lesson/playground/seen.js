// One sentence about a training, computed from what was seen of it.
import { BLIND_GUESS, number } from "../draw.js";
import { changed, inWords } from "./knobs.js";

/** Differences below this, in bits per value, are no difference. */
const SAME = 0.01,
  /** Share of the training in which a curve may have come to a rest; and how far train and test lie apart by heart. */
  RECENT = 3,
  BY_HEART = 0.3;

const bitsOf = (value) => value.toFixed(2);

/** The bits of a curve at a step, on the line between its points as the chart draws it; undefined outside of it. */
export function bitsAt(curve, step) {
  const after = curve.findIndex(([at]) => at >= step);
  if (after < 0) return undefined;
  const [end, bits] = curve[after],
    [start, before] = curve[after - 1] ?? [end, bits];
  if (end === step) return bits;
  return after ? before + ((bits - before) * (step - start)) / (end - start) : undefined;
}

/** What a curve of [step, bits] did in the last third of it: bits saved; undefined while it is short. */
function savedLately(curve) {
  const [last, bits] = curve.at(-1);
  const before = bitsAt(curve, last - last / RECENT);
  return last >= 60 && before !== undefined ? before - bits : undefined;
}

/** A sentence about the lead over a kept curve of other settings, at the last step that both have. */
function beside(settings, test, kept) {
  if (!changed(settings, kept.settings).length) return "";
  const step = Math.min(test.at(-1)[0], kept.test.at(-1)[0]),
    lead = bitsAt(kept.test, step) - bitsAt(test, step);
  if (!step || !Number.isFinite(lead)) return "";
  const at = `At step ${number(step)}`;
  if (Math.abs(lead) < SAME) return `${at} both curves need the same bits, within ${SAME}.`;
  return `${at} it needs ${bitsOf(Math.abs(lead))} bits ${lead > 0 ? "fewer" : "more"} than the orange curve. One seed proves little.`;
}

/**
 * The sentence; none where the training diverged, which has a sentence of its own.
 * @param {{settings: any, seen: {train: number[][], test: number[][], diverged?: boolean}, playing: boolean,
 *   bundled?: number, kept: {test: number[][], settings: any} | null}} what
 */
export function whatWasSeen({ settings, seen: { train, test, diverged }, kept, playing, bundled }) {
  const off = ["mixing", "coupling"].filter((name) => settings[name] === "off");
  if (diverged) return "";
  if (!test.length) return "The flow takes its start …";
  const [step, bits] = test.at(-1),
    saved = BLIND_GUESS - bits;
  const at = train.at(-1)?.[0] ?? 0;
  if (!step && at) return `Step ${number(at)} of the training; the test pictures are scored next.`;
  if (!step) {
    const press = playing ? "" : " Press play.",
      start = settings.start === "data" ? "the start from the data" : "a random start";
    return saved > SAME
      ? `Untrained, ${start} already saves ${bitsOf(saved)} bits per value over a blind guess.${press}`
      : `Untrained, ${start} needs ${bitsOf(bits)} bits per value, no fewer than a blind guess.${press}`;
  }
  const comparison = kept ? beside(settings, test, kept) : "";
  if (comparison) return comparison;
  const lately = savedLately(test);
  if (off.length && lately !== undefined) {
    const name = inWords(off.at(-1), settings);
    return `${name[0].toUpperCase()}${name.slice(1)} it needs ${bitsOf(bits)} bits; the last third of its steps saved ${bitsOf(Math.max(0, lately))}.`;
  }
  const learned = train.slice(-10),
    own = learned.reduce((sum, [, one]) => sum + one, 0) / Math.max(1, learned.length);
  if (learned.length && bits - own > BY_HEART && lately !== undefined && lately < 0)
    return `Test bits rise while train bits fall to ${bitsOf(own)}: it learns these pictures by heart.`;
  if (bundled && bits <= bundled + 0.5)
    return `${bitsOf(bits)} bits per value: ${bitsOf(Math.abs(bits - bundled))} ${bits > bundled ? "more" : "fewer"} than the finished flow after 14,000 steps.`;
  if (saved < 0) return `It needs ${bitsOf(bits)} bits per value, more than a blind guess.`;
  if (lately !== undefined && lately < SAME)
    return `${bitsOf(bits)} bits per value, and the last third of its steps saved nothing.`;
  return `${bitsOf(bits)} bits per value, ${bitsOf(saved)} fewer than a blind guess.`;
}

/**
 * Knobs without effect in these settings, each with its reason.
 * @returns {Record<string, string>}
 */
export const withoutEffect = ({ levels, coupling }) => ({
  ...(levels === 1 ? { half: "One level passes nothing on", weights: "The last level has no own weights" } : {}),
  ...(coupling === "off" ? { weights: "Own weights are part of the couplings" } : {}),
});
