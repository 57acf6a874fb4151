// A flow of one dimension, z(x) = offset + slope x + Σ height tanh((x − middle) / width), fitted by
// eiwflow/lesson/probe.py.

/** The noise z of a value x in grey levels. */
export const noiseOf = ({ offset, slope, steps }, x) =>
  steps.reduce((z, [height, middle, width]) => z + height * Math.tanh((x - middle) / width), offset + slope * x);

/** How far the way back stretches noise at x: grey levels per unit of noise, 1 / z'(x). */
export const stretchAt = ({ slope, steps }, x) =>
  1 /
  steps.reduce((sum, [height, middle, width]) => {
    const t = Math.tanh((x - middle) / width);
    return sum + (height / width) * (1 - t * t);
  }, slope);

/** The value whose noise is z: z(x) rises, so that halving finds it. */
export function valueWith(curve, z) {
  let [low, high] = [-1e3, 1e3];
  while (noiseOf(curve, low) > z) low *= 2;
  while (noiseOf(curve, high) < z) high *= 2;
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (noiseOf(curve, middle) < z) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Over so many units of noise a flat density as high as the normal one at its middle would reach. */
export const BREADTH = Math.sqrt(2 * Math.PI);

/** The standard normal density. */
export const normal = (z) => Math.exp((-z * z) / 2) / BREADTH;

/**
 * The two terms of the bits of a value x, a byte: how far the way back stretches noise, log₂ of the grey levels that
 * its breadth covers, and how unusual this noise is, nothing in the middle.
 */
export function termsOf(curve, x) {
  const z = noiseOf(curve, x);
  return { stretch: Math.log2(BREADTH * stretchAt(curve, x)), noise: (z * z) / 2 / Math.LN2 };
}

/**
 * The sum of some bits, then each of them, as they are written with so many digits: what is written adds up, so the
 * last takes the rounding.
 */
export function addedUp(bits, digits = 1) {
  const unit = 10 ** digits,
    parts = bits.map((one) => Math.round(unit * one)),
    sum = Math.round(unit * bits.reduce((all, one) => all + one, 0));
  parts[parts.length - 1] += sum - parts.reduce((all, one) => all + one, 0);
  return [sum, ...parts].map((one) => (one / unit).toFixed(digits).replace("-", "−"));
}
