// What a visitor, or a class, chose on the way: for the last scene.
import { cap } from "./draw.js";

/** A class's favourite among the options of a scene: "name, 12 of 20". */
function favourite(options, votes) {
  const counted = options.map(([key, name]) => [votes[key] ?? 0, name]),
    all = counted.reduce((sum, [count]) => sum + count, 0),
    [most, name] = counted.reduce((best, one) => (one[0] > best[0] ? one : best));
  return all ? `${name} (${most} of ${all})` : "";
}

/**
 * The vote in a choice as a link has it: one of a scene's options, behind which the data that are shown may stand, or
 * what its ballot takes; nothing where it is neither.
 * @param {{ votes?: string[][], ballot?: RegExp }} scene
 * @param {string} choice
 */
export function voteOf({ votes, ballot }, choice) {
  const [key] = choice.split(".");
  return votes ? (votes.find(([one]) => one === key)?.[0] ?? "") : ballot?.test(choice) ? choice : "";
}

/**
 * One's own choices, or in front of a class its favourites, in sentences, each with what came of it, by scene; what a
 * scene found, where it has no vote. Nothing where nothing was chosen.
 * @param {any} stage
 * @param {Record<string, string | undefined>} outcomes
 */
export function choicesNamed({ possible, kept, results, tallies, votes: before = {} }, outcomes = {}) {
  const said = possible.flatMap(({ number, short, votes }) => {
    const tally = votes && tallies[number] && favourite(votes, tallies[number]),
      own = votes?.find(([key]) => key === (before[number] ?? voteOf({ votes }, kept[number] ?? "")))?.[1],
      came = outcomes[number] ? `; ${outcomes[number]}` : "",
      text = tally ? `the class said ${tally}${came}` : own ? `you said ${own}${came}` : results[number];
    return text ? [short.endsWith("?") ? `${short} ${cap(text)}.` : `${short}: ${text}.`] : [];
  });
  return said.join(" ");
}
