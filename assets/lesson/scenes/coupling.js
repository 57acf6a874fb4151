// Scene 3: a coupling, from the squeeze in front of it to the rule that it must keep.
import { inBeats } from "../beats.js";
import { breaking } from "./broken.js";
import { predicting } from "./predict.js";
import { squeezing } from "./squeeze.js";

export const coupling = {
  number: 3,
  short: "Coupling",
  title: "Coupling: one half predicts part of the other.",
  notes: "Drag the slider, then point at a pixel: where do its values go?",
  asked:
    "Channels: each 2×2 patch gives one pixel to each of four small pictures, and each colour is a picture of its own: " +
    "a channel (the step is called squeeze). Subtract: this is the coupling of level 1 whose prediction explains most, " +
    "over 256 test pictures; sizes are root mean squares over this picture. Before it, steps that can be undone mix the " +
    "channels. A coupling also scales the error. Break it: in all couplings of level 1 the network reads the half that " +
    "it changes. On the way back that half is gone, and the network reads something else. Error: root mean square, in " +
    "grey levels of 255.",
  more: { page: "entropy", query: { level: "1" } },
  keepsChoice: true,
  build: (stage) => inBeats(stage, [squeezing, predicting, breaking]),
};
