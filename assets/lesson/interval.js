// The mean of leads with its 95 % t interval, as eiwflow/study computes it, and what may be said of it.

/** The 97.5 % quantiles of Student's t with 1 to 9 degrees of freedom. */
const FIRST = [12.7062047, 4.3026527, 3.1824463, 2.7764451, 2.5705818, 2.4469119, 2.3646243, 2.3060041, 2.2621572],
  /** The Gaussian's. */
  Z = 1.959963985;

/** The 97.5 % quantile of Student's t, by Fisher's expansion from 10 degrees of freedom on. */
export function tQuantile(n) {
  if (n < 10) return FIRST[n - 1];
  const z2 = Z * Z,
    terms = [
      (z2 + 1) / 4,
      ((5 * z2 + 16) * z2 + 3) / 96,
      (((3 * z2 + 19) * z2 + 17) * z2 - 15) / 384,
      ((((79 * z2 + 776) * z2 + 1482) * z2 - 1920) * z2 - 945) / 92160,
    ];
  return Z * terms.reduce((sum, term, k) => sum + term / n ** (k + 1), 1);
}

/**
 * {mean, low, high, seeds} of leads; without an interval where there is one lead, null without any.
 * @param {number[]} leads
 */
export function intervalOf(leads) {
  const seeds = leads.length;
  if (!seeds) return null;
  const mean = leads.reduce((a, b) => a + b, 0) / seeds;
  if (seeds === 1) return { mean, low: Number.NaN, high: Number.NaN, seeds };
  const variance = leads.reduce((sum, lead) => sum + (lead - mean) ** 2, 0) / (seeds - 1),
    half = tQuantile(seeds - 1) * Math.sqrt(variance / seeds);
  return { mean, low: mean - half, high: mean + half, seeds };
}

/** "saves", "costs", or "" where the interval holds 0, or where there is none. */
export function verdictOf({ low, high }) {
  return low > 0 ? "saves" : high < 0 ? "costs" : "";
}
