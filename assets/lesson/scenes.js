// The scenes in their order.
import { noise } from "./scenes/noise.js";
import { squeezing } from "./scenes/squeeze.js";
import { predicting } from "./scenes/predict.js";
import { throwing } from "./scenes/throw.js";
import { sorting } from "./scenes/sort.js";
import { river } from "./scenes/river.js";
import { weighting } from "./scenes/weights.js";
import { resampling } from "./scenes/resample.js";
import { attributes } from "./scenes/attributes.js";
import { sampling } from "./scenes/samples.js";
import { worth } from "./scenes/worth.js";
import { training } from "./scenes/train.js";
import { likely } from "./scenes/likely.js";

export const scenes = [noise, squeezing, predicting, throwing, sorting, river, weighting, resampling, attributes, sampling, worth, training, likely];
