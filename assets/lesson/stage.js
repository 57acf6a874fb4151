// The stage: one scene at a time, full screen. Draws header, sentence, dots, notes, thumbnails; holds keys and URL.
// The server's word on an uploaded photo comes as the window's event "eiwflow-live": {key, bytes} or {error}.

import { voteOf } from "./choices.js";
import { joinClass } from "./classroom.js";
import { el, picture } from "./draw.js";
import { Flow, readPack } from "./flow.js";
import { adoptOwn } from "./own.js";
import { bytesOf, squareOf } from "./photo.js";
import { beginInTab, hearTraining, progressInTab, trainingInTab } from "./scenes/tab.js";
import { scenes } from "./scenes.js";

const CHANNEL = "eiwflow-lesson",
  NOTICE_MS = 6000,
  AHEAD_MS = 500;
/** Number of the visitor's own photo among the images; side of the square that is kept of it. */
const OWN = "own",
  PHOTO_SIDE = 512;
/** Scenes of the lesson in ten minutes; the URL says minutes=10. */
const TEN = [1, 2, 3, 4, 5, 6, 12];
const NEXT = ["ArrowRight", "PageDown"],
  BACK = ["ArrowLeft", "PageUp"];

/**
 * What to say of a scene, and how we know.
 * @param {import("./scenes.js").Scene} scene
 */
const notesOf = ({ notes, asked }) => [
  el("p", {}, notes),
  ...(asked ? [el("h2", {}, "How do we know?"), el("p", { className: "asked" }, asked)] : []),
];

/**
 * Put the lesson into an element. Options: more (what is added to the pack's head), offline, onLeave(page, query),
 * onPhoto(photo), faces() (what scenes 10 and 11 train on).
 */
export function mount(root, bytes, options = {}) {
  root.eiwLesson?.stop();
  const stage = new Stage(root, bytes, options);
  root.eiwLesson = stage;
  return stage;
}

function ownImage({ key, bytes }) {
  return {
    number: OWN,
    key,
    bytes: typeof bytes === "string" ? Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0)) : bytes,
    name: "Your photo",
  };
}

class Stage {
  constructor(root, bytes, options) {
    this.root = root;
    this.bytes = bytes;
    this.options = options;
    this.pack = readPack(bytes);
    this.live = null;
    /** Of a class: the scenes whose answer the lecturer has shown. @type {string[]} */
    this.answered = [];
    this.kept = {};
    /** What came of a choice, in words, by scene. */
    this.results = root.eiwResults ??= {};
    this.tallies = root.eiwTallies ??= {};
    /** The vote that stood when an answer was shown first, by scene. */
    this.votes = root.eiwVotes ??= {};
    this.cleanup = [];
    const { head } = this.pack;
    Object.assign(head, options.more);
    if (!head.note) adoptOwn(this.pack);
    this.takePack();
    if (head.photo) this.images.push(ownImage(head.photo));
    const query = new URLSearchParams(location.search);
    const before = root.eiwKept?.flow === head.flow.parameters ? root.eiwKept : {};
    if (before.photo && !head.photo) this.images.push(before.photo);
    this.possible = scenes;
    const tour = query.get("scenes")?.split(","); // a few scenes of a flow of one's own
    this.scenes = tour ? this.possible.filter((scene) => tour.includes(String(scene.number))) : this.possible;
    if (!tour && query.get("minutes") === "10") this.scenes = this.inTenMinutes;
    if (!this.scenes.length) this.scenes = this.possible;
    const inVain = [],
      /** The place of what is asked for by its number; the first, where it is not here. */
      placeOf = (numbered, name, number) => {
        const at = numbered.findIndex((one) => String(one.number) === String(number));
        if (at < 0 && number) inVain.push(`${name} “${String(number).slice(0, 40)}”`);
        return Math.max(0, at);
      };
    const picture = before.image ?? (head.photo ? OWN : query.get("image"));
    this.image = placeOf(this.images, "image", picture);
    this.at = placeOf(this.scenes, "scene", before.scene ?? query.get("scene"));
    // The browser's Back leads here without the choice, which the server remembers.
    const left = head.place?.scene === query.get("scene") ? head.place?.choice : "",
      chosen = query.get("choice") ?? left ?? "",
      votes = head.class && !head.class.teacher && voteOf(this.scenes[this.at], chosen);
    /** Whether a visitor chose the picture, or a link: one with a choice alone is of the first. */
    this.picked = Boolean(picture || chosen);
    // A link casts no vote: a student's own comes from the server.
    if (chosen && !votes) this.kept[this.scenes[this.at].number] = chosen;
    Object.assign(this.kept, before.kept);
    this.reduced = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.notesOpen = false;
    this.build();
    this.listen();
    this.klass = head.class ? joinClass(this) : null;
    this.show();
    if (inVain.length)
      this.notice(`This link asks for ${inVain.join(" and ")}, which ${inVain.length > 1 ? "are" : "is"} not here.`);
  }

  build() {
    const { head } = this.pack;
    this.count = el("b", {});
    this.lesson = el("span", { className: head.note ? "" : "wide" });
    this.dots = el("div", { className: "dots", role: "img" });
    this.status = el("button", {
      type: "button",
      className: "status",
      hidden: true,
      onclick: () => this.goTo(this.possible.indexOf(trainingInTab)),
    });
    this.title = el("h1", {});
    this.sentence = el("p", { className: "sentence", "data-lesson": "sentence", "aria-live": "polite" });
    this.host = el("div", { className: "picture" });
    this.hint = el("p", { className: "hint", hidden: Boolean(head.class) });
    this.notes = el("aside", { className: "notes", "aria-label": "Notes", hidden: true, tabIndex: 0 });
    this.menu = el("details", { className: "menu" }, el("summary", {}, "Menu"), el("div", { className: "menu-list" }));
    this.back = el("button", { type: "button", onclick: () => this.step(-1) }, "← Back");
    this.next = el(
      "button",
      {
        type: "button",
        className: "next",
        onclick: () => (this.isLast ? this.leave({ page: "levels" }) : this.step(1)),
      },
      "Next →",
    );
    this.more = el("button", { type: "button", onclick: () => this.leave(this.scene.more) }, "See more");
    this.thumbs = el("div", { className: "thumbs", role: "group", "aria-label": "The picture" });
    this.stage = el(
      "section",
      { className: "stage", "data-lesson": "stage", tabIndex: -1, "aria-label": "The lesson" },
      el("header", {}, el("span", {}, this.count, this.lesson), this.status, this.dots, this.menu),
      el("div", { className: "words" }, this.title, this.sentence),
      this.host,
      this.hint,
      this.notes,
      el(
        "footer",
        {},
        this.back,
        el(
          "button",
          { type: "button", onclick: () => this.toggleNotes() },
          "How do we know?",
          el("span", { className: "wide" }, " (N)"),
        ),
        this.options.offline ? null : this.more,
        this.thumbs,
        this.next,
      ),
    );
    this.root.replaceChildren(this.stage);
    this.fillMenu(head);
    this.fillThumbs();
  }

  /** Name the lesson in its header, and list its scenes in the menu. */
  fillMenu(head) {
    this.lesson.textContent = head.note ?? `Multi-scale flows${this.takesTenMinutes ? " in ten minutes" : ""}`;
    const list = this.menu.lastChild;
    list.replaceChildren();
    const item = (text, act) => list.append(el("button", { type: "button", onclick: act }, text));
    const choice = (text, scenes) => {
      const pressed = String(this.scenes.length === scenes.length);
      list.append(
        el("button", { type: "button", "aria-pressed": pressed, onclick: () => this.showOnly(scenes) }, text),
      );
    };
    choice("Ten minutes", this.inTenMinutes);
    choice("All scenes", this.possible);
    list.append(el("hr"));
    this.scenes.forEach((scene, i) =>
      item(`${scene.number} ${scene.short}`, () => {
        this.menu.open = false;
        this.go(i - this.at);
      }),
    );
    list.append(el("hr"));
    if (this.options.faces && !progressInTab())
      item("Start a training now", () => {
        this.menu.open = false;
        beginInTab(this.options.faces);
        this.notice("The training starts; the header tells how far it is.");
      });
    item("Notes in a second window", () => this.openNotes());
    for (const [path, label] of head.pages ?? []) item(label, () => this.leave({ page: path }));
  }

  fillThumbs() {
    const shape = this.pack.head.shape;
    this.thumbs.replaceChildren(
      ...this.images.map((image, i) => {
        const button = el(
          "button",
          {
            type: "button",
            className: "thumb",
            "aria-label": image.name,
            "aria-pressed": String(i === this.image),
            onclick: () => this.pickImage(i),
          },
          picture(image.bytes, shape),
        );
        return button;
      }),
    );
    const file = el("input", {
      type: "file",
      accept: "image/*",
      className: "hidden-file",
      tabIndex: -1,
      "aria-label": "Your own photo",
      onchange: () => file.files[0] && this.ownPhoto(file.files[0]),
    });
    this.thumbs.append(el("button", { type: "button", onclick: () => this.askForPhoto() }, "Your photo"), file);
    this.file = file;
  }

  askForPhoto() {
    this.file.click();
  }

  /** Take a photo: with a server, through it, so that all pages show the same; else here. */
  async ownPhoto(file) {
    const { onPhoto } = this.options;
    try {
      const canvas = await squareOf(file, PHOTO_SIDE);
      if (!onPhoto) return this.takePhoto({ bytes: bytesOf(canvas, this.pack.head.shape) });
      this.notice("Reading your photo …");
      this.waits = true;
      onPhoto({ name: file.name.slice(0, 80), content: canvas.toDataURL("image/png").split(",")[1] });
    } catch {
      this.notice(`“${file.name.slice(0, 40)}” cannot be read as a picture; choose a PNG, JPEG or WebP.`);
    }
  }

  takePhoto(photo) {
    this.images = [...this.images.filter((image) => image.number !== OWN), ownImage(photo)];
    this.pickImage(this.images.length - 1);
  }

  /** Hear what the server says of a photo. */
  hear(photo) {
    if (!this.waits) return;
    this.waits = false;
    if (photo.error) this.notice(photo.error);
    else this.takePhoto(photo);
  }

  /** The training of this tab, wherever in the lesson one is by now. */
  showTraining() {
    const text = progressInTab();
    this.status.hidden = !text || this.scene === trainingInTab;
    if (this.status.textContent !== text) this.status.textContent = text;
  }

  /** Take the flow and the pictures of the pack. */
  takePack() {
    const { head, floats, blob } = this.pack;
    this.flow = new Flow(head.flow, floats);
    this.traces_ = undefined;
    this.images = head.images.map((image) => ({
      ...image,
      bytes: blob(image.bytes),
      name: image.name ?? `Image ${image.number}`,
    }));
  }

  /** Show the flow that was trained in this tab in all scenes. */
  showOwn() {
    const photo = this.images.find((one) => one.number === OWN);
    adoptOwn(this.pack);
    this.takePack();
    if (photo) this.images.push(photo);
    this.image = Math.min(this.image, this.images.length - 1);
    this.fillMenu(this.pack.head);
    this.fillThumbs();
    this.publish();
    this.notice("Your flow is in all scenes now, until this tab closes.");
  }

  /** Open a scene in a state: {scene, image, choice}, as a link has them. */
  openState({ scene, image, choice }) {
    const i = this.images.findIndex((one) => String(one.number) === image);
    if (i >= 0 && i !== this.image) this.pickImage(i);
    this.kept[scene] = choice;
    this.goTo(this.possible.findIndex((one) => String(one.number) === scene));
  }

  pickImage(i) {
    this.image = i;
    this.picked = true;
    this.traces_ = undefined;
    this.kept = Object.fromEntries(
      this.scenes
        .filter((scene) => scene.keepsChoice && this.kept[scene.number])
        .map((scene) => [scene.number, this.kept[scene.number]]),
    );
    this.fillThumbs();
    this.show();
  }

  get scene() {
    return this.scenes[this.at];
  }

  get isLast() {
    return this.at === this.scenes.length - 1;
  }

  /** The trace of the current picture, computed once. */
  get traces() {
    return (this.traces_ ??= this.flow.encode(this.flow.dequantise(this.images[this.image].bytes)));
  }

  show() {
    this.live?.stop?.();
    clearTimeout(this.noticed);
    this.noticed = 0;
    const { scene } = this,
      { head } = this.pack;
    const first = scene.opensOn ?? 0;
    if (!this.picked && first !== this.image && first < this.images.length) {
      this.image = first;
      this.traces_ = undefined;
      this.fillThumbs();
    }
    this.count.textContent = `${this.at + 1} of ${this.scenes.length}`;
    this.dots.setAttribute("aria-label", `Scene ${this.at + 1} of ${this.scenes.length}`);
    this.dots.replaceChildren(
      ...this.scenes.map((_, i) => el("i", { className: i === this.at ? "here" : i < this.at ? "done" : "" })),
    );
    this.title.textContent = scene.titleOf?.(this) ?? (head.faces ? scene.title : (scene.otherTitle ?? scene.title));
    const close = el(
      "button",
      { type: "button", "aria-label": "Close the notes", onclick: () => this.toggleNotes() },
      "✕",
    );
    this.notes.replaceChildren(close, ...notesOf(scene));
    this.hint.textContent = scene.notes;
    this.back.disabled = this.at === 0;
    this.next.disabled = this.isLast && Boolean(this.options.offline);
    this.next.textContent = this.isLast && !this.options.offline ? "Explore →" : "Next →";
    this.more.hidden = !scene.more;
    this.thumbs.hidden = Boolean(scene.noPicture);
    this.host.replaceChildren();
    this.host.className = `picture scene-${scene.number}`;
    this.say("");
    const why = scene.cannot?.(this);
    if (why) this.say(why);
    try {
      this.live = why ? null : scene.build(this);
    } catch (error) {
      this.live = null;
      this.say(`This scene cannot be drawn for this flow: ${error.message}.`);
      console.error(error);
    }
    this.showTraining();
    this.publish();
    // The next scene may need them in its first frame.
    clearTimeout(this.ahead);
    this.ahead = setTimeout(() => this.traces, AHEAD_MS);
  }

  /** The scene's sentence. */
  say(text) {
    this.said = text;
    if (!this.noticed && this.sentence.textContent !== text) this.sentence.textContent = text;
  }

  /** A sentence that what the scene says does not cover for a while. */
  notice(text) {
    clearTimeout(this.noticed);
    this.sentence.textContent = text;
    this.noticed = setTimeout(() => {
      this.noticed = 0;
      this.say(this.said);
    }, NOTICE_MS);
  }

  /** The vote for this scene that counts: that before its answer was shown, which a later click does not change. */
  answerTo(vote) {
    return (this.votes[this.scene.number] ??= vote);
  }

  get choice() {
    return this.kept[this.scene.number] ?? "";
  }

  /** Whether the answer of this scene is kept from a student, as the lecturer has not shown it yet. */
  get hidesAnswer() {
    const leads = this.pack.head.class?.teacher;
    return Boolean(this.klass) && !leads && !this.answered?.includes(String(this.scene.number));
  }

  choose(text) {
    this.kept[this.scene.number] = String(text);
    this.publish();
  }

  /** One step on or back: a beat of the scene, where it has more of them, or else a scene. */
  step(by) {
    if (!this.live?.turn?.(by)) this.go(by);
  }

  go(by) {
    const to = Math.min(this.scenes.length - 1, Math.max(0, this.at + by));
    if (to === this.at) return;
    this.at = to;
    this.show();
    this.stage.focus({ preventScroll: true });
  }

  /** Leave a tour of a few scenes for the whole lesson, at scene i of it. */
  goTo(i) {
    const to = this.possible[i];
    if (this.scenes.includes(to)) return this.go(this.scenes.indexOf(to) - this.at);
    this.showOnly(this.possible, to);
  }

  /** The scenes of the lesson in ten minutes. */
  get inTenMinutes() {
    return this.possible.filter((scene) => TEN.includes(scene.number));
  }

  get takesTenMinutes() {
    return String(this.scenes.map((one) => one.number)) === String(this.inTenMinutes.map((one) => one.number));
  }

  /** Show some of the scenes only, from one of them on: the present one, or the next one that is among them. */
  showOnly(scenes, from = this.scene) {
    const at = Math.max(
      0,
      scenes.findIndex((scene) => this.possible.indexOf(scene) >= this.possible.indexOf(from)),
    );
    if (this.pack.head.partial) {
      // the other scenes need more of the server
      const url = new URL(location.href);
      url.searchParams.delete("scenes");
      url.searchParams.set("scene", String(scenes[at].number));
      if (scenes !== this.possible) url.searchParams.set("minutes", "10");
      return location.assign(url);
    }
    this.scenes = scenes;
    this.at = at;
    this.menu.open = false;
    this.fillMenu(this.pack.head);
    this.show();
    this.stage.focus({ preventScroll: true });
  }

  leave(more) {
    const image = this.images[this.image],
      chosen = image.number !== OWN ? { image: String(image.number) } : image.key ? { photo: image.key } : {};
    this.options.onLeave?.(more.page, { ...chosen, ...(more.query ?? {}) });
  }

  publish() {
    const { scene } = this,
      image = this.images[this.image];
    const photo = this.images.find((one) => one.number === OWN);
    this.root.eiwKept = {
      flow: this.pack.head.flow.parameters,
      scene: scene.number,
      image: String(image.number),
      photo,
      kept: this.kept,
    };
    this.channel?.postMessage({ at: this.at });
    this.klass?.moved();
    const url = new URL(location.href);
    url.searchParams.set("scene", String(scene.number));
    const put = (key, text) => (text ? url.searchParams.set(key, text) : url.searchParams.delete(key));
    put("image", image.number === OWN ? "" : String(image.number));
    put("photo", image.number === OWN ? image.key : "");
    if (this.scenes === this.possible) url.searchParams.delete("scenes");
    put("minutes", this.takesTenMinutes ? "10" : "");
    put("choice", this.choice);
    try {
      history.replaceState(history.state, "", url);
    } catch {
      /* a file opened from disk may not change its address */
    }
  }

  toggleNotes() {
    this.notesOpen = !this.notesOpen;
    this.notes.hidden = !this.notesOpen;
  }

  openNotes() {
    const other = window.open("", "eiwflow-notes", "width=720,height=420");
    if (!other) return this.toggleNotes();
    other.document.title = "Speaker notes";
    const body = other.document.body,
      write = () => {
        body.style.cssText = "font:24px/1.5 system-ui,sans-serif;margin:32px;max-width:36em";
        body.replaceChildren();
        const next = this.scenes[this.at + 1];
        body.append(
          el("h1", { style: "font-size: 28px" }, `${this.scene.number}. ${this.title.textContent}`),
          ...notesOf(this.scene),
          el("p", {}, next ? `Next: ${next.title}` : "This is the last scene."),
        );
      };
    write();
    const follow = new BroadcastChannel(CHANNEL);
    follow.onmessage = () => (other.closed ? follow.close() : write());
    other.addEventListener("keydown", (event) => this.key(event));
    this.menu.open = false;
  }

  listen() {
    if (typeof BroadcastChannel === "function") this.channel = new BroadcastChannel(CHANNEL);
    const hear = (event) => this.hear(event.detail.photo);
    window.addEventListener("eiwflow-live", hear);
    this.cleanup.push(
      () => window.removeEventListener("eiwflow-live", hear),
      hearTraining(() => this.showTraining()),
    );
    const key = (event) => this.key(event);
    window.addEventListener("keydown", key, true);
    const theme = () => this.show(),
      dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", theme);
    this.cleanup.push(
      () => window.removeEventListener("keydown", key, true),
      () => dark.removeEventListener("change", theme),
    );
    this.stage.focus({ preventScroll: true });
  }

  key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
    const target = event.composedPath()[0],
      tag = target.tagName;
    const notes = event.key === "n" || event.key === "N",
      typing = (tag === "INPUT" && target.type === "range" && !notes) || tag === "SELECT" || tag === "TEXTAREA";
    const take = () => {
      event.preventDefault();
      event.stopPropagation();
    };
    if (event.key === "PageDown" || event.key === "PageUp") {
      take();
      this.go(event.key === "PageDown" ? 1 : -1);
    } else if (typing) return;
    else if (NEXT.includes(event.key)) {
      take();
      this.step(1);
    } else if (BACK.includes(event.key)) {
      take();
      this.step(-1);
    } else if (event.key === "Home") {
      take();
      this.kept = {};
      this.votes = this.root.eiwVotes = {};
      this.at = 0;
      this.show();
    } else if (event.key === " " && tag !== "BUTTON" && tag !== "SUMMARY") {
      take();
      this.live?.play?.();
    } else if (notes) {
      take();
      this.toggleNotes();
    } else if (event.key === "Escape") {
      this.menu.open = false;
      if (this.notesOpen) this.toggleNotes();
    }
  }

  /** End it; another may be put in its place. */
  stop() {
    this.root.eiwLesson = undefined;
    clearTimeout(this.noticed);
    clearTimeout(this.ahead);
    this.live?.stop?.();
    this.cleanup.forEach((act) => act());
    this.channel?.close();
  }
}
