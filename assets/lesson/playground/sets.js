// The pictures that the playground has of its own.
import { faces } from "../trainer/faces.js";
import { letters } from "./letters.js";

/** @returns {Promise<Record<string, {train: import("../trainer/api").Images, test: import("../trainer/api").Images}>>} */
export async function sets() {
  const [ofFaces, ofLetters] = await Promise.all([faces(), letters()]);
  return { faces: ofFaces, letters: ofLetters };
}
