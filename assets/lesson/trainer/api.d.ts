// What a page and a training say to each other. `Trainer` in client.js is the page's side; worker.js is the other.

/** A flow and how it is trained. Every field has a value in `usual` of client.js. */
export interface Recipe {
  /** Channels, height and width of a picture; both sides are divisible by 2 to the number of levels. */
  shape: [number, number, number];
  /** 1 to 3. */
  levels: number;
  /** Steps a level, 1 to 6. */
  steps: number;
  /** Hidden channels of a coupling's network, 8 to 64. */
  width: number;
  /** From principal channels of the data, or from random rotations. */
  start: "data" | "random";
  /** Whether couplings compute weights from the entropies of this picture's channels. */
  weights: boolean;
  /** Which half of a level's channels is passed on. */
  half: "entropy" | "variance" | "position" | "chance";
  /** Which half each coupling reads, with start "data". */
  partition: "random" | "alternating";
  /** Whether 1×1 convolutions mix channels; without, half of the values never change. */
  mixing: boolean;
  /** Whether couplings learn; without, every step is affine. */
  coupling: boolean;
  /** Peak learning rate of AdamW; Muon's is five times as large. */
  learningRate: number;
  /** Pictures a step. */
  batch: number;
  /** Steps after which the learning rate is 0. */
  iterations: number;
}

/** Bytes [picture][row][column][channel]. */
export interface Images {
  pixels: Uint8Array;
  count: number;
}

/** A picture of what the flow makes of noise: bytes [picture][row][column][channel]. */
export interface Samples extends Images {
  step: number;
}

/** The share of noise values of a level in bins of width 0.25 from −4 to 4 (32 of them), and the Gaussian's. */
export interface Histogram {
  levels: number[][];
  gaussian: number[];
}

export type TrainerEvent =
  /** The flow has its start. `startBits`: test bits per value at step 0; `simd`: whether WebAssembly computes. */
  | { type: "ready"; parameters: number; startBits: number; simd: boolean }
  /** At most 30 a second: `trainBits` is the mean over the steps since the last such event. */
  | { type: "step"; step: number; trainBits: number; millisecondsAStep: number }
  /** Bits per value of the averaged weights, over 256 held-out pictures, or all if there are fewer. */
  | { type: "test"; step: number; bits: number }
  /** Pictures from fixed noise, every second and a half while it runs. */
  | ({ type: "samples" } & Samples)
  | ({ type: "histogram"; step: number } & Histogram)
  /** It no longer runs: it got there, was paused, or diverged. */
  | { type: "stopped"; step: number; reason: "reached" | "paused" | "diverged" }
  /** The message is a sentence. The averaged weights are the last good ones: sample, save and flow still work. */
  | { type: "diverged"; step: number; message: string }
  /** The message is a sentence; nothing can be asked any more but start(). */
  | { type: "error"; message: string };

/** What is known of a training; a scene that opens late draws from it. */
export interface State {
  recipe: Recipe | null;
  seed: number;
  running: boolean;
  step: number;
  parameters: number;
  startBits: number;
  millisecondsAStep: number;
  /** [step, bits] of training batches and of held-out pictures. */
  train: [number, number][];
  test: [number, number][];
  samples: Samples | null;
  histogram: Histogram | null;
  /** The sentence of the last divergence or error; empty without one. */
  message: string;
}

export interface Start {
  recipe?: Partial<Recipe>;
  /** Of networks, rotations, the order of pictures and the noise of samples. */
  seed?: number;
  train: Images;
  test: Images;
  /** The data set's name in saved files. */
  data?: string;
  /** false: without WebAssembly, even where there is some. */
  simd?: boolean;
}
