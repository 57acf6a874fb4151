// The stage: one scene at a time, full screen. Draws header, sentence, dots, notes, thumbnails; holds keys and URL.
import { Flow, readPack } from "./flow.js";
import { el, picture } from "./draw.js";
import { scenes } from "./scenes.js";

const CHANNEL = "eiwflow-lesson", REST_MS = 700;
const NEXT = ["ArrowRight", "PageDown"], BACK = ["ArrowLeft", "PageUp"];

/** Put the lesson into an element. Options: offline, home (scene 1 alone), onState(state), onLeave(page, query), photo(file). */
export function mount(root, bytes, options = {}) {
  root.eiwLesson?.stop();
  const stage = new Stage(root, bytes, options);
  root.eiwLesson = stage;
  return stage;
}

class Stage {
  constructor(root, bytes, options) {
    Object.assign(this, { root, bytes, options, pack: readPack(bytes), live: null, kept: {}, cleanup: [] });
    const { head, floats, blob } = this.pack;
    this.flow = new Flow(head.flow, floats);
    this.fixed = head.fixed && new Flow(head.fixed, floats);
    this.images = head.images.map((image) => ({ ...image, bytes: blob(image.bytes), name: image.name ?? `Image ${image.number}` }));
    const query = new URLSearchParams(options.home ? "" : location.search);
    const before = root.eiwKept?.flow === head.flow.name ? root.eiwKept : {};
    this.scenes = scenes.filter((scene) => !options.offline || !scene.needsServer);
    this.image = Math.max(0, this.images.findIndex((image) => String(image.number) === (before.image ?? query.get("image"))));
    this.at = Math.max(0, this.scenes.findIndex((scene) => String(scene.number) === String(before.scene ?? query.get("scene"))));
    if (query.get("choice")) this.kept[this.scenes[this.at].number] = query.get("choice");
    Object.assign(this.kept, before.kept);
    this.reduced = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.follower = query.get("notes") === "1";
    this.notesOpen = false;
    this.build();
    this.listen();
    this.show();
  }

  build() {
    const { head } = this.pack, { home } = this.options;
    this.count = el("b", {});
    this.dots = el("div", { className: "dots", role: "img" });
    this.title = el("h1", {});
    this.sentence = el("p", { className: "sentence", "data-lesson": "sentence", "aria-live": "polite" });
    this.host = el("div", { className: "picture" });
    this.notes = el("aside", { className: "notes", "aria-label": "Speaker notes", hidden: true });
    this.menu = el("details", { className: "menu" }, el("summary", {}, "Menu"), el("div", { className: "menu-list" }));
    this.back = el("button", { type: "button", onclick: () => this.go(-1) }, "← Back");
    this.next = el("button", { type: "button", className: "next", onclick: () => this.go(1) }, "Next →");
    this.more = el("button", { type: "button", onclick: () => this.leave(this.scene.more) }, "See more");
    this.thumbs = el("div", { className: "thumbs", role: "group", "aria-label": "The picture" });
    this.stage = el("section", { className: `stage${home ? " home" : ""}`, "data-lesson": "stage", tabIndex: -1, "aria-label": "The lesson" },
      el("header", {}, el("span", {}, this.count, el("span", { className: head.note ? "" : "wide" }, head.note ?? "Multi-scale flows in ten minutes")), this.dots, this.menu),
      el("div", { className: "words" }, this.title, this.sentence), this.host, this.notes,
      el("footer", {}, this.back, el("button", { type: "button", className: "wide", onclick: () => this.toggleNotes() }, "Notes (N)"),
        this.options.offline ? null : this.more, this.thumbs, this.next));
    this.root.replaceChildren(this.stage);
    this.fillMenu(head);
    this.fillThumbs();
  }

  fillMenu(head) {
    const list = this.menu.lastChild, item = (text, act) => list.append(el("button", { type: "button", onclick: act }, text));
    this.scenes.forEach((scene, i) => item(`${scene.number} ${scene.short}`, () => { this.menu.open = false; this.go(i - this.at); }));
    list.append(el("hr"));
    item("Notes in a second window", () => this.openNotes());
    for (const [path, label] of head.pages ?? []) item(label, () => this.leave({ page: path }));
  }

  fillThumbs() {
    const shape = this.pack.head.shape;
    this.thumbs.replaceChildren(...this.images.map((image, i) => {
      const button = el("button", { type: "button", className: "thumb", "aria-label": image.name, "aria-pressed": String(i === this.image),
        onclick: () => this.pickImage(i) }, picture(image.bytes, shape));
      return button;
    }));
    const file = el("input", { type: "file", accept: "image/*", className: "hidden-file", tabIndex: -1, "aria-label": "Your own photo",
      onchange: () => file.files[0] && this.ownPhoto(file.files[0]) });
    this.thumbs.append(el("button", { type: "button", onclick: () => file.click() }, "Your photo"), file);
  }

  async ownPhoto(file) {
    const [height, width, channels] = this.pack.head.shape;
    try {
      const bitmap = await createImageBitmap(file), side = Math.min(bitmap.width, bitmap.height);
      let canvas = el("canvas", { width: side, height: side });
      canvas.getContext("2d").drawImage(bitmap, (bitmap.width - side) / 2, (bitmap.height - side) / 2, side, side, 0, 0, side, side);
      for (let now = side; now > width;) {              // halve repeatedly: one large step would skip pixels
        const to = Math.max(width, now >> 1), small = el("canvas", { width: to, height: to });
        small.getContext("2d").drawImage(canvas, 0, 0, now, now, 0, 0, to, to);
        [canvas, now] = [small, to];
      }
      const last = el("canvas", { width, height });
      last.getContext("2d").drawImage(canvas, 0, 0, width, height);
      const { data } = last.getContext("2d").getImageData(0, 0, width, height), bytes = new Uint8Array(width * height * channels);
      for (let i = 0; i < width * height; i++) {
        const [r, g, b] = data.subarray(4 * i, 4 * i + 3);
        if (channels === 3) bytes.set([r, g, b], 3 * i);
        else bytes[i] = Math.round(0.299 * r + 0.587 * g + 0.114 * b);
      }
      this.images = [...this.images.filter((image) => image.number !== "own"), { number: "own", bytes, name: "Your photo" }];
      this.pickImage(this.images.length - 1);
    } catch {
      this.say(`“${file.name.slice(0, 40)}” cannot be read as a picture; choose a PNG, JPEG or WebP.`);
    }
  }

  pickImage(i) {
    this.image = i;
    this.traces_ = undefined;
    this.kept = {};
    this.fillThumbs();
    this.show();
  }

  get scene() { return this.scenes[this.at]; }

  /** The trace of the current picture, computed once. */
  get traces() { return this.traces_ ??= this.flow.encode(this.flow.dequantise(this.images[this.image].bytes)); }

  show() {
    this.live?.stop?.();
    const { scene } = this, { head } = this.pack;
    this.count.textContent = `${this.at + 1} of ${this.scenes.length}`;
    this.dots.setAttribute("aria-label", `Scene ${this.at + 1} of ${this.scenes.length}`);
    this.dots.replaceChildren(...this.scenes.map((_, i) => el("i", { className: i === this.at ? "here" : i < this.at ? "done" : "" })));
    this.title.textContent = head.attributes ? scene.title : scene.otherTitle ?? scene.title;
    this.notes.textContent = scene.notes;
    this.back.disabled = this.at === 0;
    this.next.disabled = this.at === this.scenes.length - 1;
    this.more.hidden = !scene.more;
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
    this.publish();
  }

  say(text) { if (this.sentence.textContent !== text) this.sentence.textContent = text; }

  get choice() { return this.kept[this.scene.number] ?? ""; }

  choose(text) {
    this.kept[this.scene.number] = String(text);
    this.publish();
  }

  go(by) {
    const to = Math.min(this.scenes.length - 1, Math.max(0, this.at + by));
    if (to === this.at) return;
    this.at = to;
    this.show();
    this.stage.focus({ preventScroll: true });
  }

  leave(more) {
    const image = this.images[this.image];
    this.options.onLeave?.(more.page, { ...(image.number === "own" ? {} : { image: String(image.number) }), ...(more.query ?? {}) });
  }

  publish() {
    const { scene } = this, image = this.images[this.image];
    this.root.eiwKept = { flow: this.pack.head.flow.name, scene: scene.number, image: String(image.number), kept: this.kept };
    this.channel?.postMessage({ at: this.at });
    if (this.options.home) return;
    const url = new URL(location.href);
    url.searchParams.set("scene", scene.number);
    if (image.number === "own") url.searchParams.delete("image");
    else url.searchParams.set("image", image.number);
    if (this.choice) url.searchParams.set("choice", this.choice);
    else url.searchParams.delete("choice");
    try { history.replaceState(history.state, "", url); } catch { /* a file opened from disk may not change its address */ }
    clearTimeout(this.late);
    const state = JSON.stringify({ scene: scene.number, image: image.number });
    if (this.options.onState) this.late = setTimeout(() => {
      if (this.told !== state) this.options.onState(JSON.parse(this.told = state));
    }, REST_MS);
  }

  toggleNotes() {
    this.notesOpen = !this.notesOpen;
    this.notes.hidden = !this.notesOpen;
  }

  openNotes() {
    const other = window.open("", "eiwflow-notes", "width=720,height=420");
    if (!other) return this.toggleNotes();
    other.document.title = "Speaker notes";
    const body = other.document.body, write = () => {
      body.style.cssText = "font:24px/1.5 system-ui,sans-serif;margin:32px;max-width:36em";
      body.replaceChildren();
      const h = other.document.createElement("h1"), p = other.document.createElement("p"), s = other.document.createElement("p");
      h.style.fontSize = "28px";
      [h.textContent, p.textContent] = [`${this.at + 1}. ${this.scene.title}`, this.scene.notes];
      s.textContent = this.scenes[this.at + 1] ? `Next: ${this.scenes[this.at + 1].title}` : "This is the last scene.";
      body.append(h, p, s);
    };
    write();
    const follow = new BroadcastChannel(CHANNEL);
    follow.onmessage = () => other.closed ? follow.close() : write();
    other.addEventListener("keydown", (event) => this.key(event));
    this.menu.open = false;
  }

  listen() {
    if (typeof BroadcastChannel === "function") this.channel = new BroadcastChannel(CHANNEL);
    if (this.options.home) return;
    const key = (event) => this.key(event);
    window.addEventListener("keydown", key, true);
    const theme = () => this.show(), dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", theme);
    this.cleanup.push(() => window.removeEventListener("keydown", key, true), () => dark.removeEventListener("change", theme));
    this.stage.focus({ preventScroll: true });
  }

  key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
    const target = event.composedPath()[0], tag = target.tagName;
    const typing = tag === "INPUT" && target.type === "range" || tag === "SELECT" || tag === "TEXTAREA";
    const take = () => { event.preventDefault(); event.stopPropagation(); };
    if (event.key === "PageDown" || event.key === "PageUp") { take(); this.go(event.key === "PageDown" ? 1 : -1); }
    else if (typing) return;
    else if (NEXT.includes(event.key)) { take(); this.go(1); }
    else if (BACK.includes(event.key)) { take(); this.go(-1); }
    else if (event.key === "Home") { take(); this.kept = {}; this.at = 0; this.show(); }
    else if (event.key === " " && tag !== "BUTTON" && tag !== "SUMMARY") { take(); this.live?.play?.(); }
    else if (event.key === "n" || event.key === "N") { take(); this.toggleNotes(); }
    else if (event.key === "Escape") this.menu.open = false;
  }

  stop() {
    clearTimeout(this.late);
    this.live?.stop?.();
    this.cleanup.forEach((act) => act());
    this.channel?.close();
  }
}
