// The scenes in their order.

import { counting } from "./scenes/count.js";
import { coupling } from "./scenes/coupling.js";
import { ending } from "./scenes/ending.js";
import { levels } from "./scenes/levels.js";
import { likely } from "./scenes/likely.js";
import { noise } from "./scenes/noise.js";
import { sampling } from "./scenes/samples.js";
import { sorting } from "./scenes/sort.js";
import { trainingInTab } from "./scenes/tab.js";
import { throwing } from "./scenes/throw.js";
import { weighting } from "./scenes/weights.js";
import { worth } from "./scenes/worth.js";

/**
 * A scene. build() draws it into the stage's host and returns what runs: play() for the space bar, stop() at the end,
 * turn(by) for scenes of several beats: whether there is one on (1) or back (−1).
 * @typedef {object} Scene
 * @property {number} number its place in the lesson and in the URL
 * @property {string} short its name in the menu
 * @property {string} title its headline
 * @property {string} [otherTitle] the headline for flows that were not trained on faces
 * @property {(stage: any) => string | undefined} [titleOf] the headline for a flow; undefined where title holds
 * @property {string} notes what to do and to look for: a lecturer says it, a visitor alone reads it
 * @property {string} [asked] how we know: what was measured, and how
 * @property {{page: string, query?: Record<string, string>}} [more] the page behind "See more"
 * @property {string[][]} [votes] the choices that a class votes on: a word for the link and a label
 * @property {(choice: string) => boolean} [answers] whether the answer is shown with this choice
 * @property {RegExp} [ballot] what a vote looks like where there is no list of choices
 * @property {number} [opensOn] the picture, from 0, that it opens on where nobody chose one
 * @property {boolean} [noPicture] whether the row of pictures is hidden
 * @property {boolean} [keepsChoice] whether the choice stays when the picture changes
 * @property {(stage: any) => string | null} [cannot] why this flow cannot be shown here; null where it can
 * @property {(stage: any) => {play?: () => void, stop?: () => void,
 *   study?: (known: any) => void, turn?: (by: number) => boolean,
 *   tally?: (votes: Record<string, number>) => void}} build
 */

/** @type {Scene[]} */
export const scenes = [
  noise,
  sampling,
  coupling,
  counting,
  likely,
  throwing,
  sorting,
  levels,
  weighting,
  trainingInTab,
  worth,
  ending,
];
