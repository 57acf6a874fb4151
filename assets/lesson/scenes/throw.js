// Scene 4: which half of the channels would you throw away? Every answer is ranked among all halves.
import { el, greyMap, minus, number, ordinal, own, percent, pixels, word } from "../draw.js";
import { bitsOf, choicesOf, normals, psnr, score, without } from "../flow.js";
import { ownChoice, rankOf, scoreAll } from "../rank.js";

const cap = (text) => text[0].toUpperCase() + text.slice(1);
const LUCKY = 0.5;                                   // a rank below this part of the usual lower quartile is worth a word

export const throwing = {
  number: 4,
  short: "Throw half away",
  title: "Half must go. Which half would you throw away?",
  titleOf: ({ flow }) => {
    const { channels, gone } = flow.levels[0];
    return 2 * gone === channels ? undefined : `${cap(word(gone))} of ${word(channels)} channels must go. Which?`;
  },
  notes: "Let the class vote on every card. The cards are channels of level 1, in mixed order. A thrown channel is replaced by its average " +
    "over pictures, and the picture is decoded at once. All halves are ranked by its PSNR, that is, by how close it stays to the original. Then show the " +
    "flow’s choice. Stumbling block: “Another flow, half fixed” shows other cards, of a flow that was trained with that half. Compare decibels there, " +
    "not ranks: each flow has its own list of halves. PSNR adds up squared errors, and is not what the eye judges. Scene 8 does better with the same half: " +
    "there a prior predicts it from what is passed on.",
  more: { page: "latents", query: { level: "1" } },
  cannot: ({ flow }) => flow.levels[0].channels > 12 ? "Level 1 has more than twelve channels: too many halves to rank here." : null,

  build(stage) {
    const key = (i) => normals(i * 7919 + 12000, 1)[0];
    const { head, floats } = stage.pack, image = stage.images[stage.image], shape = head.shape;
    const which = (fixed) => {
      const flow = fixed ? stage.fixed : stage.flow, facts = fixed ? head.fixed : head.flow, n = flow.levels[0].channels;
      const features = fixed ? flow.encode(flow.dequantise(image.bytes))[0].features : stage.traces[0].features;
      // The cards' order says nothing of the flow's.
      const mixed = Array.from({ length: n }, (_, i) => i).sort((a, b) => key(a) - key(b));
      return { name: fixed ? "fixed" : "flow", flow, facts, features, average: floats(facts.average), n, mixed, scores: null, part: 0, level: flow.levels[0], own: ownChoice(flow.levels[0]) };
    };
    const mine = which(false), half = mine.level.gone, [noun, nouns] = 2 * half === mine.n ? ["half", "halves"] : ["choice", "choices"], total = choicesOf(mine.n, half).length;
    const fixedOne = stage.fixed?.levels[0].gone === half ? which(true) : null, ownDecibels = score(mine.flow, mine.features, mine.average, image.bytes, mine.own);
    const lead = fixedOne && head.lead;
    let now = mine, thrown = 0, shown = "mine", stopScores = [];
    const count = (mask) => bitsOf(mask, now.n).reduce((a, b) => a + b, 0);

    const big = el("canvas", { role: "img", "aria-label": "The picture decoded from the channels that are left" });
    const small = pixels(shape[1], shape[0], (i) => shape[2] === 3 ? image.bytes.subarray(3 * i, 3 * i + 3) : new Array(3).fill(image.bytes[i]));
    const hand = el("div", { className: "cards", role: "group", "aria-label": "Channels" }), bin = el("div", { className: "cards bin", role: "group", "aria-label": "Thrown away" });
    const whose = el("p", { className: "whose" }), left = el("span", {}), strip = el("canvas", { className: "strip", role: "img" }), marks = el("div", { className: "rank-marks" });
    const showFlow = el("button", { type: "button", onclick: () => reveal("flow") }, "The flow’s choice");
    const showFixed = fixedOne && el("button", { type: "button", onclick: () => reveal("fixed") }, "Another flow, half fixed");
    const again = el("button", { type: "button", className: "plain", onclick: () => { now = mine; thrown = 0; shown = "mine"; cards(); draw(); } }, "Start over");
    stage.host.append(el("div", { className: "throw" }, el("div", { className: "big" }, big),
      el("div", { className: "table", style: `--rows:${Math.ceil(mine.n / 6) + Math.ceil(half / 6)}` }, whose, hand,
        el("div", { className: "bin-head" }, el("span", {}, el("b", {}, "Thrown away"), ", replaced by their average over pictures"), left), bin,
        el("div", { className: "score" }, el("figure", {}, small, el("figcaption", {}, "original")),
          el("div", { className: "ranks" }, marks, strip, el("div", { className: "ends" }, el("span", {}, "1st: highest PSNR, closest to the original"), el("span", {}, ordinal(total))))),
        el("div", { className: "buttons" }, showFlow, showFixed, again))));

    const toggle = (channel, byKeyboard) => {
      if (shown !== "mine") { shown = "mine"; if (now !== mine) { now = mine; thrown = 0; cards(); return draw(); } }
      const bit = 1 << channel;
      if (!(thrown & bit) && count(thrown) >= half) return stage.say(`${cap(word(half))} are thrown. Take one back first.`);
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

    let all = [];
    const cards = () => {
      const level = now.flow.levels[0], of = own(now.features, now.n);
      all = now.mixed.map((channel, i) => {
        const map = greyMap(now.features, now.n, channel, level.height, level.width, of.middle[channel], of.spread[channel]);
        const card = el("button", { type: "button", className: "card", "data-channel": channel }, map);
        card.dataset.slot = i;
        drag(card, channel);
        // Else Chromium takes a fast throw for a fling and swallows the next tap, wherever that is.
        card.addEventListener("touchmove", (event) => event.preventDefault(), { passive: false });
        card.addEventListener("click", (event) => { if (!card.moved) toggle(channel, event.detail === 0); card.moved = false; });
        return card;
      });
      place();
    };
    const place = () => {
      const slots = (n) => Array.from({ length: n }, () => el("i", { className: "slot" }));
      const there = slots(now.n), gone = slots(half);
      let k = 0;
      all.forEach((card, i) => {
        const out = Boolean(thrown & (1 << +card.dataset.channel));
        card.setAttribute("aria-label", `Channel card ${i + 1}, ${out ? "thrown away" : "in the picture"}`);
        card.setAttribute("aria-pressed", String(out));
        if (out && k < half) gone[k++] = card; else there[i] = card;
      });
      hand.replaceChildren(...there);
      bin.replaceChildren(...gone);
    };
    const drag = (card, channel) => card.addEventListener("pointerdown", (down) => {
      if (down.button) return;
      const start = [down.clientX, down.clientY];
      card.setPointerCapture(down.pointerId);
      const move = (event) => {
        const dx = event.clientX - start[0], dy = event.clientY - start[1];
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
        const box = bin.getBoundingClientRect(), inBin = event.clientY > box.top - 20 && event.clientY < box.bottom + 20 && event.clientX > box.left - 20 && event.clientX < box.right + 20;
        if (inBin !== Boolean(thrown & (1 << channel))) toggle(channel, false);
      };
      card.addEventListener("pointermove", move);
      card.addEventListener("pointerup", up, { once: true });
      card.addEventListener("pointercancel", up, { once: true });
    });

    const draw = () => {
      const x = now.flow.fromFeatures(without(now.features, now.average, bitsOf(thrown, now.n))), grey = now.flow.quantise(x), c = shape[2];
      pixels(shape[1], shape[0], (i) => c === 3 ? grey.subarray(3 * i, 3 * i + 3) : new Array(3).fill(grey[i]), big);
      const gone = count(thrown), more = half - gone, done = more === 0;
      whose.replaceChildren(...now === mine ? [el("b", {}, "This flow’s channels")] : [el("b", {}, "Another flow’s channels"),
        `, trained with this ${noun}${stage.fixed.spec.split === "variance-reversed" ? ", of least variance" : ""}. On ours the test would be unfair.`]);
      left.textContent = done ? "" : `${more} more`;
      showFlow.disabled = !done || shown === "flow";
      if (showFixed) showFixed.disabled = !done || shown === "fixed";
      stage.stage.dataset.left = more;
      const db = psnr(x, image.bytes);
      if (!done) stage.say(gone === 0 ? `These ${word(now.n)} channels hold the picture. Throw away the ${word(half)} it needs least.` : `This is what is left. ${cap(word(more))} more must go.`);
      else if (shown === "fixed") stage.say(lead ? `Another flow, ${noun} fixed: ${db.toFixed(1)} dB; ours ${ownDecibels.toFixed(1)}. Median lead over ${lead.images} pictures: ${minus(lead.median.toFixed(1))} dB.`
        : `Another flow, its ${noun} fixed, reaches ${db.toFixed(1)} dB PSNR; this flow’s choice ${ownDecibels.toFixed(1)} dB.`);
      else if (!now.scores) stage.say(`Ranking all ${number(total)} ${nouns} by PSNR: ${percent(now.part)} done.`);
      else {
        const rank = rankOf(now.scores, now.level, thrown), best = Math.max(...now.scores), usual = now.facts.usual;
        const lucky = usual && rank < LUCKY * usual.low ? " Lucky here." : "";
        if (shown === "mine") stage.say(rank === 1 ? `Your ${noun} ranks 1st of ${number(total)} by PSNR: none is better.`
          : `Your ${noun} ranks ${ordinal(rank)} of ${number(total)} by PSNR, ${(best - db).toFixed(1)} dB below the best.`);
        else stage.say(usual ? `The flow’s ${noun} ranks ${ordinal(rank)} here; its median over ${usual.images} pictures is ${ordinal(usual.median)}.${lucky}`
          : `The flow’s ${noun} ranks ${ordinal(rank)} of ${number(total)} for this picture.`);
      }
      drawStrip(done, db);
    };
    const drawStrip = (done, db) => {
      const sorted = now.scores && [...now.scores].sort((a, b) => b - a);
      marks.replaceChildren();
      pixels(total, 1, (i) => {
        if (!sorted) return [150, 150, 150];
        const part = (sorted[i] - sorted.at(-1)) / (sorted[0] - sorted.at(-1) || 1);
        return [0, 114, 178].map((v) => Math.round(v * part + 205 * (1 - part)));
      }, strip);
      strip.setAttribute("aria-label", sorted ? `All ${total} choices from ${sorted[0].toFixed(1)} to ${sorted.at(-1).toFixed(1)} dB` : "All choices");
      if (!sorted || !done) return;
      const rank = rankOf(now.scores, now.level, thrown), at = 100 * (rank - 0.5) / total;
      const name = shown === "mine" ? "yours" : shown === "flow" ? "the flow’s" : "of its own list";
      marks.append(el("span", { style: `left:${at}%`, className: at > 60 ? "end" : "" }, shown === "fixed" ? `${db.toFixed(1)} dB, ${ordinal(rank)} ${name}` : `${name}: ${db.toFixed(1)} dB, ${ordinal(rank)}`));
    };
    const rank = (one, then) => {
      stopScores.push(scoreAll({ pack: stage.bytes, which: one.name, flow: one.flow, features: one.features, average: one.average, bytes: image.bytes,
        part: (share) => { one.part = share; if (one === now && shown !== "fixed" && count(thrown) === half) draw(); },
        done: (scores) => { one.scores = scores; if (one === now) draw(); then?.(); } }));
    };
    const reveal = (kind) => {
      const next = kind === "fixed" ? fixedOne : mine;
      shown = kind;
      if (next !== now) { now = next; thrown = now.own; cards(); } else { thrown = now.own; place(); }
      draw();
    };
    const asked = /^m([0-9a-f]{1,3})$/.exec(stage.choice);
    if (asked) {
      const mask = parseInt(asked[1], 16);
      if (mask < 1 << mine.n && count(mask) <= half) thrown = mask;
    }
    cards();
    draw();
    rank(mine, () => { if (fixedOne) rank(fixedOne); });
    return { stop: () => stopScores.forEach((stop) => stop()) };
  },
};
