// Scene 8: what each level holds: first by redrawing levels, then by attributes.
import { inBeats } from "../beats.js";
import { attributes } from "./attributes.js";
import { resampling } from "./resample.js";

export const levels = {
  number: 8,
  short: "What a level holds",
  title: "Which level holds what?",
  notes: "Draw again a few times: which of the pictures stay the same face?",
  asked:
    "Redraw: the prior is a network that draws the values of a level to fit those passed on. Error: root mean square, in " +
    "grey levels of 255; the eye does not judge as they do. Glasses and smile: an " +
    "edit adds the usual difference in one level, the mean of faces with it minus the mean of those without. The number: of " +
    "100 pairs of faces, one with it and one without, so many are told apart by where they lie along that difference, which " +
    "comes from other pictures; guessing gets 50. “Spread over all levels”: the numbers lie no further apart than they may " +
    "err. A level may tell an attribute and yet change few pixels when it is edited.",
  more: { page: "latents" },
  keepsChoice: true,
  build: (stage) => inBeats(stage, stage.pack.head.attributes ? [resampling, attributes] : [resampling]),
};
