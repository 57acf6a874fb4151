// Notes what canvases are told to draw, so that a test reads a scene: its words, the labels of its axes, its figures.
// Widths of letters and sizes of canvases are fixed here, since fonts differ from machine to machine.

(() => {
  const WIDE = 900,
    HIGH = 420,
    FEW = 10;
  const drawn = new WeakMap();
  const of = (canvas) => {
    if (!drawn.has(canvas)) drawn.set(canvas, []);
    return drawn.get(canvas);
  };
  const draws = CanvasRenderingContext2D.prototype,
    size = (font) => parseFloat(/([\d.]+)px/.exec(font)?.[1] ?? "10");
  draws.measureText = function (text) {
    const width = 0.5 * size(this.font) * String(text).length;
    return { width, actualBoundingBoxAscent: 0.7 * size(this.font), actualBoundingBoxDescent: 0.2 * size(this.font) };
  };
  for (const [name, own] of [
    ["clientWidth", WIDE],
    ["clientHeight", HIGH],
  ])
    Object.defineProperty(HTMLCanvasElement.prototype, name, { configurable: true, get: () => own });
  for (const name of ["width", "height"]) {
    const { get, set } = Object.getOwnPropertyDescriptor(HTMLCanvasElement.prototype, name);
    Object.defineProperty(HTMLCanvasElement.prototype, name, {
      configurable: true,
      get,
      set(value) {
        drawn.set(this, []);
        set.call(this, value);
      },
    });
  }

  const at = (context, x, y) => {
    const m = context.getTransform();
    return [m.a * x + m.c * y + m.e, m.b * x + m.d * y + m.f];
  };
  /** A colour of the theme by its name, any other as it is. */
  const named = new Map();
  const nameColours = () => {
    const canvas = document.createElement("canvas").getContext("2d"),
      probe = host().appendChild(document.createElement("i"));
    named.clear();
    for (const name of ["ink", "quiet", "line", "accent", "warm", "paper"]) {
      probe.style.color = `var(--${name})`;
      canvas.fillStyle = getComputedStyle(probe).color;
      named.set(canvas.fillStyle, name);
    }
    probe.remove();
  };
  const opacity = ({ globalAlpha }) => (globalAlpha < 1 ? ` alpha ${globalAlpha.toFixed(2)}` : "");
  const look = (context, style) => (typeof style === "string" ? style : "pattern") + opacity(context);
  /** The look with a colour's name; and the red, green and blue of a colour that is not one of the theme's. */
  const looked = (key) => {
    for (const [colour, name] of named) if (key.includes(colour)) return [key.replace(colour, name), []];
    const hex = /#([0-9a-f]{6})/.exec(key);
    if (!hex) return [key, []];
    return [key.replace(hex[0], "own colour"), [0, 2, 4].map((k) => parseInt(hex[1].slice(k, k + 2), 16))];
  };
  const wrap = (name, note) => {
    const own = draws[name];
    draws[name] = function (...given) {
      note(this, of(this.canvas), ...given);
      return own.apply(this, given);
    };
  };
  /** A picture as numbers: its mean, and its mean with every value times the cosine of its place. */
  const means = (data) => {
    let [sum, weighted] = [0, 0];
    for (let i = 0; i < data.length; i++) {
      sum += data[i];
      weighted += data[i] * Math.cos(i + 1);
    }
    return [sum / data.length, weighted / Math.sqrt(data.length)];
  };
  const known = (image) => {
    if (!(image instanceof HTMLCanvasElement)) return [0, 0];
    let [mean, weighted] = [0, 0];
    of(image).forEach((one, i) => {
      mean += (one.means?.[0] ?? 1) / of(image).length;
      weighted +=
        (one.means?.[1] ?? 1) * Math.cos(i) + 0.01 * (one.box ?? []).reduce((all, v, k) => all + (k + 1) * v, 0);
    });
    return [mean, weighted];
  };
  wrap("putImageData", (_, list, data) => {
    list.length = 0;
    list.push({ kind: "pixels", key: `${data.width}×${data.height}`, means: means(data.data), box: [] });
  });
  wrap("clearRect", (_, list, _x, _y, width, height) => {
    if (width >= WIDE && height >= HIGH) list.length = 0;
  });
  wrap("fillText", (context, list, text, x, y) =>
    list.push({
      kind: "text",
      key: [
        `“${text}” ${context.textAlign}`,
        context.textBaseline,
        look(context, context.fillStyle),
        ...(/bold|\b[67]00/.test(context.font) ? ["bold"] : []),
        `${size(context.font)}px`,
      ].join(", "),
      box: at(context, x, y),
    }),
  );
  wrap("strokeText", (context, list, text, x, y) =>
    list.push({ kind: "text", key: `outline of “${text}”`, box: at(context, x, y) }),
  );
  for (const [name, style] of [
    ["fillRect", "fillStyle"],
    ["strokeRect", "strokeStyle"],
  ])
    wrap(name, (context, list, x, y, width, height) =>
      list.push({ kind: name, key: look(context, context[style]), box: [...at(context, x, y), width, height] }),
    );
  wrap("drawImage", (context, list, image, ...box) => {
    const [x, y, ...rest] = box.length > 4 ? box.slice(4) : box;
    list.push({
      kind: "image",
      key: `${image.width}×${image.height}${opacity(context)}`,
      means: known(image),
      box: [...at(context, x, y), ...rest],
    });
  });
  const paths = new WeakMap();
  wrap("beginPath", (context) => paths.set(context, []));
  for (const name of [
    "moveTo",
    "lineTo",
    "arc",
    "rect",
    "roundRect",
    "ellipse",
    "quadraticCurveTo",
    "bezierCurveTo",
    "arcTo",
  ])
    wrap(name, (context, _, ...given) => {
      const points = paths.get(context) ?? [],
        numbers = given.flat().filter((value) => typeof value === "number"),
        [x, y, ...rest] = name.endsWith("CurveTo") ? numbers.slice(-2) : numbers;
      points.push([...at(context, x, y), ...rest]);
      paths.set(context, points);
    });
  for (const [name, style] of [
    ["stroke", "strokeStyle"],
    ["fill", "fillStyle"],
  ])
    wrap(name, (context, list) => {
      const dashed =
        name === "stroke" ? `, ${context.lineWidth}px${context.getLineDash().length ? ", dashed" : ""}` : "";
      list.push({
        kind: name,
        key: `${look(context, context[style])}${dashed}`,
        box: [],
        points: paths.get(context) ?? [],
      });
    });

  /** Words whose numbers must be equal to the last digit: a file allows for a step of it in a number with a point. */
  const exact = (words) => words.replace(/(\d)\.(?=\d)/g, "$1·").replace(/(\d)[ \u00a0]%/g, "$1·%");
  const digits = (value) => (Math.abs(value) < 0.05 ? "0.0" : value.toFixed(1));
  /** Many things of one kind in a line: how many, sum and weighted sum of each of their numbers. */
  const together = (rows) => {
    const most = Math.max(...rows.map((row) => row.length)),
      sums = Array.from({ length: most }, (_, k) => {
        let [sum, weighted] = [0, 0];
        rows.forEach((row, i) => {
          sum += row[k] ?? 0;
          weighted += (row[k] ?? 0) * Math.cos(i + 1);
        });
        return `${digits(sum / rows.length)} ~ ${digits(weighted / Math.sqrt(rows.length))}`;
      });
    return `${rows.length}, means ${sums.join(", ")}`;
  };
  const canvasLines = (canvas) => {
    const kinds = new Map(),
      lines = [];
    for (const one of of(canvas)) {
      const [looks, colour] = looked(one.key);
      if (one.kind === "text") {
        lines.push(`text ${exact(looks)} at ${one.box.map(digits).join(" ")}`);
        continue;
      }
      const key = `${one.kind} ${looks}`;
      if (!kinds.has(key)) kinds.set(key, []);
      kinds.get(key).push({ ...one, box: [...one.box, ...colour] });
    }
    for (const [key, those] of kinds) {
      const rows = those
        .flatMap((one) => one.points ?? [[...one.box, ...(one.means ?? [])]])
        .filter((row) => row.length);
      const some = rows.length * Math.max(0, ...rows.map((row) => row.length)) <= FEW;
      if (!rows.length) lines.push(`${key}: ${those.length}`);
      else if (some) lines.push(`${key}: ${rows.map((row) => row.map(digits).join(" ")).join("; ")}`);
      else lines.push(`${key}: ${those.length} of ${together(rows)}`);
    }
    return lines;
  };

  const shown = [
    "aria-label",
    "aria-pressed",
    "aria-valuetext",
    "aria-checked",
    "data-left",
    "min",
    "max",
    "step",
    "open",
  ];
  const pictureOf = (image) => {
    if (!image.complete || !image.naturalWidth) return "none yet";
    const canvas = document.createElement("canvas"),
      [width, height] = [image.naturalWidth, image.naturalHeight];
    [canvas.width, canvas.height] = [width, height];
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    return `${width}×${height} ${means(context.getImageData(0, 0, width, height).data)
      .map(digits)
      .join(" ")}`;
  };
  const facts = (node) => {
    const said = shown.filter((name) => node.hasAttribute(name)).map((name) => `${name} ${node.getAttribute(name)}`);
    if (node.style?.cssText && !node.matches(".probe"))
      said.push(`style ${node.style.cssText.replace(/url\(.*?\)/g, "url")}`);
    if (node.disabled) said.push("disabled");
    if (node.value !== undefined && node.matches("input, select, progress")) said.push(`value ${node.value}`);
    if (node.matches("img")) said.push(`picture ${pictureOf(node)}`);
    return said.join("; ");
  };
  const elementLines = (node, lines) => {
    if (node.hidden || node.matches("option, .probe")) return;
    const own = [...node.childNodes]
        .filter((one) => one.nodeType === Node.TEXT_NODE)
        .map((one) => one.textContent.trim()),
      words = own.filter(Boolean).join(" … "),
      said = facts(node),
      classes =
        typeof node.className === "string" && node.className.trim()
          ? `.${node.className.trim().replace(/\s+/g, ".")}`
          : "";
    const drawing = node.matches("canvas") ? canvasLines(node) : [],
      [only] = drawing.length === 1 ? drawing : [""];
    if (words || said || drawing.length)
      lines.push(
        [`${node.tagName.toLowerCase()}${classes}`, exact(words), said && `{${said}}`, only].filter(Boolean).join("  "),
      );
    if (!only) lines.push(...drawing.map((line) => `    ${line}`));
    for (const child of node.children) elementLines(child, lines);
  };

  function host() {
    return root().querySelector(".stage > .picture");
  }
  const root = () => document.getElementById("lesson").shadowRoot;
  const read = () => {
    const text = (selector) => exact(root().querySelector(`[data-lesson=stage] ${selector}`).textContent),
      lines = [
        `header  ${text("header span")} ${text(".status")}`,
        `title  ${text("h1")}`,
        `sentence  ${text("[data-lesson=sentence]")}`,
      ];
    elementLines(host(), lines);
    lines.push(`link  ${location.search}`);
    return lines;
  };
  const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  /** Read the scene once it has said its last word: nothing changes any more, and no part of a work is done only. */
  const settled = async (until) => {
    let [before, same] = ["", 0];
    for (let i = 0; i < 2000 && same < 3; i++) {
      await new Promise(requestAnimationFrame);
      await wait(15);
      const now = read().join("\n"),
        asked = until && (!until.after || host().querySelector(until.after)),
        busy = /% done|none yet|^sentence *$/m.test(now) || host().querySelector("[aria-busy=true]") || (asked && !now.includes(exact(until.says)));
      same = now === before && !busy ? same + 1 : 0;
      before = now;
    }
    return before.split("\n");
  };
  const news = (now, before) => {
    const left = new Map();
    for (const line of before) left.set(line, (left.get(line) ?? 0) + 1);
    return now.filter((line) => {
      const count = left.get(line) ?? 0;
      left.set(line, count - 1);
      return count <= 0;
    });
  };
  const send = (node, kind, x, y) => {
    const box = node.getBoundingClientRect();
    const place = {
      clientX: box.left + x * box.width,
      clientY: box.top + y * box.height,
      pointerId: 1,
      buttons: 1,
      bubbles: true,
    };
    node.setPointerCapture = () => {};
    node.dispatchEvent(new PointerEvent(kind, place));
  };

  /** Read the present scene once it is settled; or what of it did not stand there before. */
  window.wholeScene = () => {
    nameColours();
    return settled(null);
  };
  /** Use every control of the present scene once; return what stood there, and what each use changed. */
  window.walkScene = async (number, until, most) => {
    nameColours();
    const lines = [`==== scene ${number}`];
    let before = await settled(until);
    const first = before;
    lines.push(...before);
    const use = async (name, act) => {
      act();
      const now = await settled(until);
      lines.push(`-- ${name}`, ...news(now, before));
      before = now;
    };
    const inputs = () => [...host().querySelectorAll("input[type=range]")].filter((one) => !one.disabled);
    const slid = new Set(),
      slide = async () => {
        const parts = inputs().length > 1 ? [0.3] : [0.3, 0.8];
        for (const name of inputs().map((input) => input.getAttribute("aria-label")))
          for (const part of slid.has(name) ? [] : parts) {
            slid.add(name);
            await use(`${name} to ${part}`, () => {
              const input = inputs().find((one) => one.getAttribute("aria-label") === name),
                [low, high] = [+input.min, +input.max];
              input.value = String(low + part * (high - low));
              input.dispatchEvent(new Event("input", { bubbles: true }));
            });
          }
      };
    await slide();
    const selects = [...host().querySelectorAll("select")];
    for (const select of selects)
      await use(`choose ${select.options[1].text}`, () => {
        select.selectedIndex = 1;
        select.dispatchEvent(new Event("change", { bubbles: true }));
      });
    const used = new Set(),
      words = (node) =>
        [...node.childNodes]
          .map((one) => (one.nodeType === Node.TEXT_NODE ? one.textContent : words(one)))
          .find(Boolean),
      label = (button) => words(button) || button.getAttribute("aria-label");
    for (let i = 0; i < most; i++) {
      const next = [...host().querySelectorAll("button")].find(
        (one) => !one.disabled && !one.closest("[hidden]") && !used.has(label(one)),
      );
      if (!next) break;
      used.add(label(next));
      await use(`press ${label(next)}`, () => next.click());
      if (!host().classList.contains(`scene-${number}`)) break;
      await slide(); // what is there only now
    }
    for (const canvas of [...host().querySelectorAll("canvas.fill, canvas.original, .original canvas")].slice(0, 1))
      await use("point at the figure", () => {
        for (const kind of ["pointerdown", "pointermove"]) send(canvas, kind, 0.3, 0.7);
      });
    const thumb = root().querySelectorAll(".thumb")[2];
    if (thumb && !thumb.closest("[hidden]") && number !== 6) {
      // scene 6 would rank all halves again
      before = first;
      await use("the third picture", () => thumb.click());
    }
    return lines;
  };
})();
