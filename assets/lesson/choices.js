// What a visitor, or a class, chose on the way: for the last scene.

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
 * One's own choices, or in front of a class its favourites, in a sentence; what a scene found beside it, where it did.
 */
export function choicesNamed({ possible, kept, results, tallies }) {
  const said = possible.flatMap(({ number, short, votes }) => {
    const tally = tallies[number],
      own = votes?.find(([key]) => key === voteOf({ votes }, kept[number] ?? ""));
    const text = (votes && tally && favourite(votes, tally)) || own?.[1] || results[number];
    return text ? [`${short}${short.endsWith("?") ? "" : ":"} ${text}`] : [];
  });
  return said.length ? `You chose. ${said.join(" · ")}.` : "No choices yet; the menu leads back to the votes.";
}
