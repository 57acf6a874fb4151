// A scene of several beats: one is drawn at a time, and the row below leads from one to the next.
import { choices, el } from "./draw.js";

/**
 * A beat. build() draws it into a room, puts what moves it into controls, and returns what runs, as a scene does. The
 * state is what a link says of it; keep(state) puts it there.
 * @typedef {object} Beat
 * @property {string} key its word in the link
 * @property {string} label its name in the row
 * @property {string} [title] its headline; without one that of the scene
 * @property {string} [notes] what to do; without it that of the scene
 * @property {(stage: any, room: HTMLElement, more: {state: string, controls: HTMLElement,
 *   keep: (state: string | number) => void, moving: boolean}) => {play?: () => void, stop?: () => void}} build
 */

/**
 * Draw the beat that the link names, or the first.
 * @param {Beat[]} parts
 */
export function inBeats(stage, parts) {
  const room = el("div", { className: "beat-room" }),
    controls = el("div", { className: "beat" }),
    [asked, ...state] = stage.choice.split("."),
    placeOf = (key) => parts.findIndex((part) => part.key === key);
  let at = Math.max(0, placeOf(asked)),
    live = null;
  const show = (to, known, moving) => {
    live?.stop?.();
    at = to;
    const { key, title, notes, build } = parts[at];
    if (title) stage.title.textContent = title;
    for (const place of [stage.hint, stage.notes.querySelector("p")]) place.textContent = notes ?? stage.scene.notes;
    room.replaceChildren();
    controls.replaceChildren();
    room.className = `beat-room beat-${key}`;
    row.pick(key, true);
    live = build(stage, room, { state: known, controls, moving, keep: (text) => stage.choose(`${key}.${text}`) });
  };
  const goTo = (key) => {
    stage.choose(key);
    show(placeOf(key), "", !stage.reduced);
  };
  const row = choices(
    "Beat",
    parts.map(({ key, label }, i) => [key, `${i + 1} ${label}`]),
    goTo,
    parts[at].key,
  );
  stage.host.append(room, el("div", { className: "beats" }, row.row, controls));
  show(at, state.join("."), !stage.reduced);
  return {
    play: () => live?.play?.(),
    stop: () => live?.stop?.(),
    /** One beat on or back; false where there is none. */
    turn(by) {
      const to = parts[at + by];
      if (to) goTo(to.key);
      return Boolean(to);
    },
  };
}
