// Scene 6: which half of the channels would you throw away? Every answer is ranked among all halves.
import { afterFrame, cap, el, greyMap, number, ordinal, own, percent, pixels, word } from "../draw.js";
import { bitsOf, choicesOf, greyLevels, normals, psnr, without } from "../flow.js";
import { MOST_CHANNELS, ownChoice, rankOf, scoreAll } from "../rank.js";

/** How far a picture is from the original, of its PSNR in dB. */
const off = (db) => greyLevels(db).toFixed(1);

/** A choice in the link: the thrown channels as bits. */
const CHOICE = /^m([0-9a-f]{1,3})$/;

export const throwing = {
  number: 6,
  short: "Throw half away",
  title: "Half leaves early. Which half is missed least?",
  titleOf: ({ flow }) => {
    const { channels, gone } = flow.levels[0];
    return 2 * gone === channels
      ? undefined
      : `${cap(word(gone))} of ${word(channels)} channels leave early. Which are missed least?`;
  },
  notes: "Throw six cards away, and look at what is missed. Then compare with the flow’s choice.",
  asked:
    "In a flow half of the channels leaves after level 1, as noise, and nothing is lost. To test which half that should " +
    "be, a thrown channel is replaced by its average over pictures, and the picture is decoded at once. All choices are " +
    "ranked by the root mean square error, which is not what the eye judges. A visitor chooses for this picture and sees " +
    "the result; the flow chose once, before training, for all pictures, by entropy. Usual is the median. Training shapes the channels around " +
    "their split, so a good rank does not show that entropy chooses well: scene 11 compares flows.",
  ballot: CHOICE,
  more: { page: "latents", query: { level: "1" } },
  cannot: ({ flow }) =>
    flow.levels[0].channels > MOST_CHANNELS
      ? "Level 1 has more than twelve channels: too many halves to rank here."
      : null,

  build(stage) {
    const key = (i) => normals(i * 7919 + 12000, 1)[0];
    const { head, floats } = stage.pack,
      image = stage.images[stage.image],
      shape = head.shape;
    const { flow } = stage,
      level = flow.levels[0],
      { features } = stage.traces[0],
      n = level.channels,
      half = level.gone,
      average = floats(head.flow.average),
      usual = head.flow.usual;
    // The cards' order says nothing of the flow's.
    const mixed = Array.from({ length: n }, (_, i) => i).sort((a, b) => key(a) - key(b)),
      flows = ownChoice(level);
    const [noun, nouns] = 2 * half === n ? ["half", "halves"] : ["choice", "choices"],
      total = choicesOf(n, half).length;
    let scores = null,
      part = 0,
      thrown = 0,
      mine = 0,
      shown = "mine";
    const count = (mask) => bitsOf(mask, n).reduce((a, b) => a + b, 0);

    const big = el("canvas", { role: "img", "aria-label": "The picture decoded from the channels that are left" });
    const small = pixels(shape[1], shape[0], (i) =>
      shape[2] === 3 ? image.bytes.subarray(3 * i, 3 * i + 3) : new Array(3).fill(image.bytes[i]),
    );
    const hand = el("div", { className: "cards", role: "group", "aria-label": "Channels" }),
      bin = el("div", { className: "cards bin", role: "group", "aria-label": "Thrown away" });
    const left = el("span", {}),
      strip = el("canvas", { className: "strip", role: "img" }),
      marks = el("div", { className: "rank-marks" }),
      first = el("span", {}),
      beside = el("span", { className: "beside" });
    const showFlow = el(
      "button",
      {
        type: "button",
        onclick: () => {
          shown = "flow";
          mine = thrown;
          thrown = flows;
          place();
          draw();
        },
      },
      "The flow’s choice",
    );
    const again = el(
      "button",
      {
        type: "button",
        className: "plain",
        onclick: () => {
          thrown = 0;
          shown = "mine";
          place();
          draw();
        },
      },
      "Start over",
    );
    stage.host.append(
      el(
        "div",
        { className: "throw" },
        el("div", { className: "big" }, big),
        el(
          "div",
          { className: "table", style: `--rows:${Math.ceil(n / 6) + Math.ceil(half / 6)}` },
          hand,
          el(
            "div",
            { className: "bin-head" },
            el(
              "span",
              {},
              el("b", {}, "Thrown away"),
              el("span", { className: "wide" }, " here; in the flow it becomes noise"),
            ),
            left,
          ),
          bin,
          el(
            "div",
            { className: "score" },
            el("figure", {}, small, el("figcaption", {}, "original")),
            el(
              "div",
              { className: "ranks" },
              marks,
              strip,
              el("div", { className: "ends" }, first, el("span", {}, `last of ${number(total)}`)),
            ),
          ),
          el("div", { className: "buttons" }, showFlow, again, beside),
        ),
      ),
    );

    const toggle = (channel, byKeyboard) => {
      shown = "mine";
      const bit = 1 << channel;
      if (!(thrown & bit) && count(thrown) >= half)
        return stage.say(`${cap(word(half))} are thrown. Take one back first.`);
      const before = [...hand.querySelectorAll("button")].findIndex((b) => +b.dataset.channel === channel);
      thrown ^= bit;
      stage.choose(`m${thrown.toString(16)}`);
      place();
      draw();
      if (byKeyboard) {
        const next = [...hand.querySelectorAll("button")];
        (next[Math.min(Math.max(before, 0), next.length - 1)] ?? showFlow).focus();
      }
    };

    const of = own(features, n),
      all = mixed.map((channel, i) => {
        const card = el(
          "button",
          { type: "button", className: "card", "data-channel": channel },
          greyMap(features, n, channel, level.height, level.width, of.middle[channel], of.spread[channel]),
          el("b", { hidden: true, "aria-hidden": "true" }),
        );
        card.dataset.slot = i;
        // Else Chromium takes a fast throw for a fling and swallows the next tap, wherever that is.
        card.addEventListener("touchmove", (event) => event.preventDefault(), { passive: false });
        card.addEventListener("click", (event) => {
          if (!card.moved) toggle(channel, event.detail === 0);
          card.moved = false;
        });
        return card;
      });
    const place = () => {
      const slots = (n) => Array.from({ length: n }, () => el("i", { className: "slot" }));
      const there = slots(n),
        gone = slots(half);
      let k = 0;
      all.forEach((card, i) => {
        const out = Boolean(thrown & (1 << +card.dataset.channel));
        card.setAttribute("aria-label", `Channel card ${i + 1}, ${out ? "thrown away" : "in the picture"}`);
        card.setAttribute("aria-pressed", String(out));
        if (out && k < half) gone[k++] = card;
        else there[i] = card;
      });
      hand.replaceChildren(...there);
      bin.replaceChildren(...gone);
    };
    const drag = (card, channel) =>
      card.addEventListener("pointerdown", (down) => {
        if (down.button) return;
        const start = [down.clientX, down.clientY];
        card.setPointerCapture(down.pointerId);
        const move = (event) => {
          const dx = event.clientX - start[0],
            dy = event.clientY - start[1];
          if (!card.moved && Math.hypot(dx, dy) < 8) return;
          card.moved = true;
          card.style.transform = `translate(${dx}px, ${dy}px)`;
          card.classList.add("dragged");
        };
        const up = (event) => {
          card.removeEventListener("pointermove", move);
          card.style.transform = "";
          card.classList.remove("dragged");
          if (!card.moved || event.type === "pointercancel") return;
          const box = bin.getBoundingClientRect(),
            inBin =
              event.clientY > box.top - 20 &&
              event.clientY < box.bottom + 20 &&
              event.clientX > box.left - 20 &&
              event.clientX < box.right + 20;
          if (inBin !== Boolean(thrown & (1 << channel))) toggle(channel, false);
        };
        card.addEventListener("pointermove", move);
        card.addEventListener("pointerup", up, { once: true });
        card.addEventListener("pointercancel", up, { once: true });
      });

    const draw = () => {
      const x = flow.fromFeatures(without(features, average, bitsOf(thrown, n))),
        grey = flow.quantise(x),
        c = shape[2];
      pixels(shape[1], shape[0], (i) => (c === 3 ? grey.subarray(3 * i, 3 * i + 3) : new Array(3).fill(grey[i])), big);
      const gone = count(thrown),
        more = half - gone,
        done = more === 0;
      left.textContent = done ? "" : `${more} more`;
      showFlow.disabled = !done || shown === "flow";
      const compared = shown === "flow" && usual;
      beside.textContent = compared
        ? `on most pictures: flow ${ordinal(usual.median)}, chance ${ordinal(Math.ceil(total / 2))}`
        : "";
      stage.stage.dataset.left = more;
      const db = psnr(x, image.bytes);
      if (!done)
        stage.say(
          gone === 0
            ? `Throw ${word(half)} of ${word(n)} channels away. The flow chose once, for all pictures.`
            : `What is thrown is set to its average. ${cap(word(more))} more must go.`,
        );
      else if (!scores)
        stage.say(`Ranking all ${number(total)} ${nouns}, the closest to the original first: ${percent(part)} done.`);
      else {
        const rank = rankOf(scores, level, thrown),
          best = Math.max(...scores);
        if (shown === "mine") {
          stage.results[throwing.number] = `your ${noun} ${ordinal(rank)} of ${number(total)}`;
          stage.say(
            rank === 1
              ? `Your ${noun} ranks 1st of ${number(total)}: none is better.`
              : `Your ${noun} ranks ${ordinal(rank)} of ${number(total)}: error ${off(db)} grey levels, the best ${off(best)}.`,
          );
        } else {
          const own = rankOf(scores, level, mine);
          stage.results[throwing.number] =
            `your ${noun} ${ordinal(own)}, the flow’s ${ordinal(rank)} of ${number(total)}`;
          const why = flow.sortsByEntropy
            ? ["it chose once, for all pictures, before training", "it kept what held most structure"]
            : ["its half is one for all pictures", "though its half is one for all pictures"];
          stage.say(
            own < rank && usual
              ? `Yours ranks ${ordinal(own)} here, the flow’s ${ordinal(rank)}; on most pictures the flow’s ranks about ${ordinal(usual.median)}.`
              : `Yours ranks ${ordinal(own)}, the flow’s ${ordinal(rank)}: ${why[own < rank ? 0 : 1]}.`,
          );
        }
      }
      drawStrip(done);
    };
    const drawStrip = (done) => {
      const sorted = scores && [...scores].sort((a, b) => b - a);
      marks.replaceChildren();
      first.replaceChildren(
        ...(sorted
          ? [`1st: error ${off(sorted[0])} of 255`]
          : ["1st: closest", el("span", { className: "wide" }, " to the original")]),
      );
      pixels(
        total,
        1,
        (i) => {
          if (!sorted) return [150, 150, 150];
          const part = (sorted[i] - sorted.at(-1)) / (sorted[0] - sorted.at(-1) || 1);
          return [0, 114, 178].map((v) => Math.round(v * part + 205 * (1 - part)));
        },
        strip,
      );
      strip.setAttribute(
        "aria-label",
        sorted ? `All ${total} ${nouns}: ${off(sorted[0])} to ${off(sorted.at(-1))} grey levels off` : `All ${nouns}`,
      );
      if (!sorted || !done) return;
      const mark = (who, rank, above) => {
        const at = (100 * (rank - 0.5)) / total,
          value = off(sorted[rank - 1]);
        marks.append(
          el(
            "span",
            { style: `left:${at}%`, className: `${at > 50 ? "end" : ""} ${above}` },
            `${who}: ${ordinal(rank)}, error ${value}`,
          ),
        );
      };
      if (shown === "flow") mark("yours", rankOf(scores, level, mine), "above");
      mark(shown === "mine" ? "yours" : "flow", rankOf(scores, level, thrown), "");
    };
    all.forEach((card) => drag(card, +card.dataset.channel));
    const asked = CHOICE.exec(stage.choice);
    if (asked) {
      const mask = parseInt(asked[1], 16);
      if (mask < 1 << n && count(mask) <= half) thrown = mask;
    }
    place();
    draw();
    if (!stage.reduced)
      all.forEach((card, i) => {
        const from = [
          { opacity: 0, transform: "translateY(24px)" },
          { opacity: 1, transform: "none" },
        ];
        card.animate(from, { duration: 300, delay: 40 * i, fill: "backwards" }); // the cards are dealt
      });
    let stop = afterFrame(() => {
      stop = scoreAll({
        pack: stage.bytes,
        flow,
        features,
        average,
        bytes: image.bytes,
        part: (share) => {
          part = share;
          if (count(thrown) === half) draw();
        },
        done: (all) => {
          scores = all;
          draw();
        },
      });
    });
    /** How often a class threw each card. */
    const tally = (votes) => {
      for (const card of all) {
        const bit = 1 << +card.dataset.channel,
          badge = card.querySelector("b");
        const times = Object.entries(votes).reduce((sum, [choice, count]) => {
          const mask = CHOICE.exec(choice);
          return sum + (mask && parseInt(mask[1], 16) & bit ? count : 0);
        }, 0);
        badge.hidden = !times;
        badge.textContent = String(times);
      }
    };
    return { stop: () => stop(), tally };
  },
};
