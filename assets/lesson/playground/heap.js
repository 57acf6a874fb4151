// A heap of one's own pictures: read, cropped and reduced here; nothing is sent.
import { number } from "../draw.js";
import { bytesOf, squareOf } from "../photo.js";

/** The fewest pictures that a flow can learn from, and the most that are read. */
export const FEWEST = 64,
  MOST = 4000;
/** A picture is halved to this side, and then resampled to the flow's. */
const HALVED_TO = 64,
  PAUSE_AFTER_MS = 40;

/** All files of a drop, those of folders too. */
export async function filesOf(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean),
    files = [];
  if (!entries.length) return [...transfer.files];
  const all = async (reader) => {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    return some.length ? [...some, ...(await all(reader))] : [];
  };
  while (entries.length) {
    const entry = entries.shift();
    if (entry.isDirectory) entries.push(...(await all(entry.createReader())));
    else files.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
  }
  return files;
}

/**
 * The pictures among files, as bytes of a shape, and a sentence about what was left out; `progress` hears how many are
 * read. Without `pictures` there are too few.
 */
export async function readHeap(files, shape, progress = (/** @type {number} */ _) => {}) {
  const pictures = [],
    refused = [],
    size = shape[0] * shape[1] * shape[2];
  let pause = performance.now(),
    looked = 0;
  for (const file of files) {
    if (pictures.length === MOST) break;
    looked++;
    try {
      pictures.push(bytesOf(await squareOf(file, HALVED_TO), shape));
    } catch {
      refused.push(file.name);
    }
    if (performance.now() - pause > PAUSE_AFTER_MS) {
      progress(pictures.length);
      await new Promise((resolve) => setTimeout(resolve));
      pause = performance.now();
    }
  }
  const parts = [];
  if (refused.length === 1) parts.push(`“${refused[0].slice(0, 40)}” cannot be read as a picture.`);
  if (refused.length > 1)
    parts.push(`${number(refused.length)} files cannot be read as pictures, such as “${refused[0].slice(0, 40)}”.`);
  if (pictures.length < FEWEST) {
    parts.push(`${many(pictures.length)}; a flow needs ${FEWEST} or more. The data stay as they were.`);
    return { pictures: null, count: 0, sentence: parts.join(" ") };
  }
  if (looked < files.length) parts.push(`The first ${number(MOST)} pictures of ${number(files.length)} are used.`);
  const bytes = new Uint8Array(pictures.length * size);
  pictures.forEach((picture, i) => bytes.set(picture, i * size));
  return { pictures: bytes, count: pictures.length, sentence: parts.join(" ") };
}

const many = (n) =>
  n === 0 ? "There is no picture" : n === 1 ? "There is one picture" : `There are ${number(n)} pictures`;
