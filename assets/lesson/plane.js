// A flow of two dimensions that a page trains: affine couplings in turns, each with a small network of one input.
import { normals, uniforms } from "./flow.js";

const COUPLINGS = 6,
  HIDDEN = 16,
  BOUND = 1.5,
  RATE = 0.01,
  BATCH = 200,
  AVERAGED = 0.98;

/** Points [x, y, x, y, …] of two half moons, of mean 0 and about spread 1. */
export function twoMoons(count, seed) {
  const angle = uniforms(seed, count),
    noise = normals(seed + 1, 2 * count),
    points = new Float64Array(2 * count);
  for (let i = 0; i < count; i++) {
    const a = Math.PI * angle[i],
      [x, y] = i % 2 ? [1 - Math.cos(a), 0.5 - Math.sin(a)] : [Math.cos(a), Math.sin(a)];
    points[2 * i] = (x - 0.5) / 0.87 + 0.16 * noise[2 * i];
    points[2 * i + 1] = (y - 0.25) / 0.5 + 0.2 * noise[2 * i + 1];
  }
  return points;
}

/**
 * The flow from points to noise. Of every coupling: h = tanh(w a + c), s = B tanh((u·h + d) / B), t = v·h + e, and
 * b becomes b exp(s) + t.
 */
export class PlaneFlow {
  constructor(seed) {
    const start = normals(seed, 2 * COUPLINGS * HIDDEN);
    this.size = 4 * HIDDEN + 2;
    this.parameters = new Float64Array(COUPLINGS * this.size);
    for (let k = 0; k < COUPLINGS; k++)
      for (let j = 0; j < HIDDEN; j++) {
        this.parameters[k * this.size + j] = start[2 * (k * HIDDEN + j)];
        this.parameters[k * this.size + HIDDEN + j] = start[2 * (k * HIDDEN + j) + 1];
      }
    this.mean = new Float64Array(this.parameters.length);
    this.square = new Float64Array(this.parameters.length);
    this.averaged = this.parameters.slice();
    this.steps = 0;
  }

  /** log-scale s and shift t of coupling k from value a, with the hidden values in `hidden`. */
  affine(k, a, hidden, p = this.averaged) {
    const at = k * this.size;
    let s = p[at + 4 * HIDDEN],
      t = p[at + 4 * HIDDEN + 1];
    for (let j = 0; j < HIDDEN; j++) {
      const h = Math.tanh(p[at + j] * a + p[at + HIDDEN + j]);
      if (hidden) hidden[j] = h;
      s += p[at + 2 * HIDDEN + j] * h;
      t += p[at + 3 * HIDDEN + j] * h;
    }
    return [BOUND * Math.tanh(s / BOUND), t];
  }

  /** The noise of a point, and the log-determinant of the way there. */
  forward(x, y) {
    if (!this.steps) return [x, y, 0]; // it starts as the identity
    const z = [x, y];
    let logDet = 0;
    for (let k = 0; k < COUPLINGS; k++) {
      const [s, t] = this.affine(k, z[k % 2]);
      z[1 - (k % 2)] = z[1 - (k % 2)] * Math.exp(s) + t;
      logDet += s;
    }
    return [z[0], z[1], logDet];
  }

  /** The point of noise, and the log-determinant of the way back: by how much, as a logarithm, an area grows. */
  inverse(x, y) {
    if (!this.steps) return [x, y, 0];
    const z = [x, y];
    let logDet = 0;
    for (let k = COUPLINGS - 1; k >= 0; k--) {
      const [s, t] = this.affine(k, z[k % 2]);
      z[1 - (k % 2)] = (z[1 - (k % 2)] - t) * Math.exp(-s);
      logDet -= s;
    }
    return [z[0], z[1], logDet];
  }

  /** Nats of a point under the parameters that are trained, whose gradient is added to `gradient` where it is given. */
  loss(x, y, gradient) {
    const z = [x, y],
      p = this.parameters,
      seen = [];
    let logDet = 0;
    for (let k = 0; k < COUPLINGS; k++) {
      const hidden = new Float64Array(HIDDEN),
        a = z[k % 2],
        b = z[1 - (k % 2)],
        [s, t] = this.affine(k, a, hidden, p);
      seen.push({ hidden, a, b, s });
      z[1 - (k % 2)] = b * Math.exp(s) + t;
      logDet += s;
    }
    const nats = (z[0] ** 2 + z[1] ** 2) / 2 + Math.log(2 * Math.PI) - logDet;
    if (!gradient) return nats;
    const back = [...z]; // the gradient of the noise is the noise
    for (let k = COUPLINGS - 1; k >= 0; k--) {
      const { hidden, a, b, s } = seen[k],
        at = k * this.size,
        ofB = back[1 - (k % 2)],
        ofS = (ofB * b * Math.exp(s) - 1) * (1 - (s / BOUND) ** 2);
      let ofA = 0;
      for (let j = 0; j < HIDDEN; j++) {
        const h = hidden[j],
          inner = (ofS * p[at + 2 * HIDDEN + j] + ofB * p[at + 3 * HIDDEN + j]) * (1 - h * h);
        gradient[at + j] += inner * a;
        gradient[at + HIDDEN + j] += inner;
        gradient[at + 2 * HIDDEN + j] += ofS * h;
        gradient[at + 3 * HIDDEN + j] += ofB * h;
        ofA += inner * p[at + j];
      }
      gradient[at + 4 * HIDDEN] += ofS;
      gradient[at + 4 * HIDDEN + 1] += ofB;
      back[k % 2] += ofA;
      back[1 - (k % 2)] = ofB * Math.exp(s);
    }
    return nats;
  }

  /** One step of Adam on a batch of points, in their order; return its mean nats. */
  train(points) {
    const gradient = new Float64Array(this.parameters.length),
      count = points.length / 2;
    let nats = 0;
    for (let i = 0; i < BATCH; i++) {
      const at = (this.steps * BATCH + i) % count;
      nats += this.loss(points[2 * at], points[2 * at + 1], gradient) / BATCH;
    }
    this.steps++;
    const [first, second] = [1 - 0.9 ** this.steps, 1 - 0.99 ** this.steps],
      part = Math.min(AVERAGED, this.steps / (this.steps + 10));
    gradient.forEach((sum, i) => {
      const g = sum / BATCH;
      this.mean[i] += 0.1 * (g - this.mean[i]);
      this.square[i] += 0.01 * (g * g - this.square[i]);
      this.parameters[i] -= (RATE * (this.mean[i] / first)) / (Math.sqrt(this.square[i] / second) + 1e-8);
      this.averaged[i] += (1 - part) * (this.parameters[i] - this.averaged[i]);
    });
    return nats;
  }
}
