// The scenes in their order.
import { noise } from "./scenes/noise.js";
import { squeezing } from "./scenes/squeeze.js";
import { throwing } from "./scenes/throw.js";
import { sorting } from "./scenes/sort.js";
import { resampling } from "./scenes/resample.js";
import { sampling } from "./scenes/samples.js";

export const scenes = [noise, squeezing, throwing, sorting, resampling, sampling];
