// Scene 8: what each level holds: first by redrawing levels, then by attributes.
import { inBeats } from "../beats.js";
import { attributes } from "./attributes.js";
import { resampling } from "./resample.js";

export const levels = {
  number: 8,
  short: "What a level holds",
  title: "Which level holds what?",
  notes: "Redraw half, three quarters, everything: when is it another face? Then edit one level at a time.",
  asked:
    "Redraw: the prior is a network that draws the values of a level to fit those passed on. Error: root mean square, in " +
    "grey levels of 255. “Half by position” is another flow, built like Glow; one picture and one draw do not tell which " +
    "half is better. The later levels work on few values at a smaller size, so they are cheap. Glasses and smile: an " +
    "edit adds the mean of faces with it minus the mean of those without, in one level. A pair is told by where its two " +
    "faces lie along that difference, which comes from other pictures; the number is the AUROC times 100. “Every level”: " +
    "the numbers lie no further apart than they may err. To tell is not to draw: a level may give an attribute away and " +
    "change few pixels.",
  more: { page: "latents" },
  keepsChoice: true,
  build: (stage) => inBeats(stage, stage.pack.head.attributes ? [resampling, attributes] : [resampling]),
};
