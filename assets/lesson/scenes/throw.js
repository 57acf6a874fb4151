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
  notes: "Click a card: what is missing from the picture now?",
  asked:
    "In a flow half of the channels leaves after level 1, as noise, and nothing is lost. To test which half that should " +
    "be, a thrown channel is replaced by its average over pictures, and the picture is decoded at once. All choices are " +
    "ranked by the root mean square error, which is not what the eye judges. A visitor chooses for this picture and sees " +
    "the result; the flow chose once, before training, for all pictures. Usual is the median. Training shapes the " +
    "channels around their split, so a good rank does not show that the flow chooses well: scene 11 compares flows.",
  ballot: CHOICE,
  opensOn: 2, // of the bundled pictures: here the flow's half ranks about as it usually does
  more: { page: "latents", query: { level: "1" } },
  keepsChoice: true, // so one choice is compared on two pictures
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
      masks = choicesOf(n, half),
      total = masks.length;
    const ways = [`${number(total)} ways`, ` to choose ${half} of ${n}`];
    let scores = null,
      part = 0,
      thrown = 0,
      mine = 0, // the visitor's, while another is shown
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
      first = el("span", {});
    /** A button that shows another choice beside the visitor's. */
    const shows = (name, label, mask) =>
      el(
        "button",
        {
          type: "button",
          onclick: () => {
            if (shown === "mine") mine = thrown;
            shown = name;
            thrown = mask();
            place();
            draw();
          },
        },
        label,
      );
    const showFlow = shows("flow", "The flow’s choice", () => flows),
      showBest = shows("best", `Best ${noun}`, () => masks[scores.indexOf(Math.max(...scores))]);
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
            el("span", {}, el("b", {}, "Thrown away"), el("span", { className: "wide" }, " only here, as a test.")),
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
              el(
                "div",
                { className: "ends" },
                first,
                el("span", {}, ways[0], el("span", { className: "wide" }, ways[1])),
              ),
            ),
          ),
          el("div", { className: "buttons" }, showFlow, showBest, again),
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
      showBest.disabled = !done || !scores || shown === "best";
      stage.stage.dataset.left = more;
      const db = psnr(x, image.bytes);
      if (!done)
        stage.say(
          gone === 0
            ? `Leaving early saves work. Throw ${word(half)} channels away: can you beat the flow?`
            : `Thrown = replaced by an average. ${cap(word(more))} more to go.`,
        );
      else if (!scores) stage.say(`Ranking all ${ways.join("")}: ${percent(part)} done.`);
      else {
        const own = rankOf(scores, level, shown === "mine" ? thrown : mine),
          rank = rankOf(scores, level, thrown),
          yours = `You: place ${number(own)} of ${number(total)}`,
          best = off(Math.max(...scores));
        stage.results[throwing.number] =
          `your ${noun} ${ordinal(own)}${shown === "flow" ? `, the flow’s ${ordinal(rank)}` : ""} of ${number(total)}`;
        stage.say(
          shown === "flow"
            ? `${mine === flows ? "A tie, you threw the same" : yours}. The flow chose once, for all pictures: ${usual ? `usually ${ordinal(usual.median)}, here ` : ""}${ordinal(rank)}.`
            : own === 1
              ? `${yours}: no other ${noun} is better.`
              : shown === "best"
                ? `${yours}. Best on this picture alone: error ${best} of 255.`
                : `${yours}, error ${off(db)} of 255. The best ${noun}: ${best}.`,
        );
      }
      drawStrip(done);
    };
    const drawStrip = (done) => {
      const sorted = scores && [...scores].sort((a, b) => b - a);
      marks.replaceChildren();
      first.replaceChildren(
        ...(sorted
          ? [`1: error ${off(sorted[0])}`, el("span", { className: "wide" }, " of 255")]
          : ["1: closest", el("span", { className: "wide" }, " to the original")]),
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
            `${who}: ${number(rank)}, error ${value}`,
          ),
        );
      };
      if (shown !== "mine") mark("yours", rankOf(scores, level, mine), "above");
      mark(shown === "mine" ? "yours" : shown, rankOf(scores, level, thrown), "");
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
        pack: stage.pack.head.ownSteps ? null : stage.bytes,
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
