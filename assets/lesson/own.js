// The flow that was trained in this tab, in place of a pack's own. It stays until the tab closes: the window keeps it,
// since pages of the app have scripts of their own.
import { readPack } from "./flow.js";

/**
 * @typedef {{bytes: Uint8Array, data: string, test: import("./trainer/api").Images}} OwnFlow a pack of Trainer.flow(),
 *   the name of its data, and pictures that it did not train on
 */

const FACES = "faces16",
  SHOWN = 8;

/** @param {OwnFlow | undefined} own */
export function keepOwn(own) {
  globalThis.eiwflowOwn = own;
}

/** @returns {OwnFlow | undefined} */
export const ownFlow = () => globalThis.eiwflowOwn;

/** Put the flow of this tab into a pack, without what is known of the pack's flow alone. */
export function adoptOwn(pack) {
  const own = ownFlow();
  if (!own) return;
  const { head, floats, blob } = pack,
    trained = readPack(own.bytes),
    flow = withArrays(trained.head.flow, trained.floats),
    faces = own.data === FACES;
  pack.floats = (reference) => (reference instanceof Float32Array ? reference : floats(reference));
  pack.blob = (reference) => (reference instanceof Uint8Array ? reference : blob(reference));
  Object.assign(head, { flow, faces, note: `Your flow, ${flow.step} steps`, attributes: null, before: null });
  Object.assign(head, { homework: null, partial: false, ownSteps: flow.step });
  if (faces) return;
  const values = flow.shape.reduce((a, b) => a * b);
  head.probe = null;
  head.images = Array.from({ length: Math.min(SHOWN, own.test.count) }, (_, number) => ({
    number,
    bytes: own.test.pixels.slice(number * values, (number + 1) * values),
  }));
}

/** The same with arrays for references to them. */
function withArrays(value, floats) {
  if (!value || typeof value !== "object") return value;
  if (typeof value.at === "number" && value.shape) return floats(value);
  if (Array.isArray(value)) return value.map((each) => withArrays(each, floats));
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, withArrays(each, floats)]));
}
