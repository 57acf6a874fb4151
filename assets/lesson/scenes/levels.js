// Scene 8: what each level holds: first by redrawing levels, then by attributes.
import { inBeats } from "../beats.js";
import { attributes } from "./attributes.js";
import { resampling } from "./resample.js";

export const levels = {
  number: 8,
  short: "What a level holds",
  title: "Which level holds what?",
  notes: "Redraw level 1, then level 2, then everything: when is it another face? Then edit one level at a time.",
  asked:
    "Redraw: the prior is a network that draws the values of a level to fit those passed on. Error: root mean square, in " +
    "grey levels of 255. “Sorted by position” is another flow, built like Glow: its half is fixed, whatever it holds. One " +
    "picture and one draw do not tell which is better, and the eye does not judge as grey levels do. The later levels work on few values at a smaller size, so they are cheap. Glasses and smile: an " +
    "edit adds the usual difference in one level: the mean of faces with it minus the mean of those without. A pair is told by where its two " +
    "faces lie along that difference, which comes from other pictures; the number is the AUROC times 100, and guessing gets 50. “In no single " +
    "level”: the numbers lie no further apart than they may err. To tell is not to draw: a level may give an attribute away and " +
    "change few pixels, or here fade the mouth where it should smile.",
  more: { page: "latents" },
  keepsChoice: true,
  build: (stage) => inBeats(stage, stage.pack.head.attributes ? [resampling, attributes] : [resampling]),
};
