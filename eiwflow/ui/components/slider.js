// A slider with a play button that moves something in the browser, and tells the server where it rests.
const REST = 200;                            // milliseconds until a move is told
const sliders = new WeakMap();               // what a slider remembers between two runs of the script

// Its places are 0 to last. A play goes from place to place in beats of milliseconds; words name its button. A move
// calls show(), a rest calls tell(place), and a walk plays to a place. It returns what it remembers, whether it is new,
// and its moves.
function slider(root, { last, beat, words, show, tell }) {
  const box = root.querySelector("input"), play = root.querySelector("button");
  const first = !sliders.has(box), me = sliders.get(box) ?? {};
  sliders.set(box, me);
  const label = () => {
    play.textContent = me.playing ? "❚❚" : "▶";
    play.ariaLabel = me.playing ? "Pause" : words;
  };
  const stop = () => { clearInterval(me.playing); me.playing = undefined; label(); };
  const put = (place) => { stop(); clearTimeout(me.late); me.told = place; box.value = place; };   // by the server
  const move = (place) => { clearTimeout(me.late); box.value = place; show(); };
  const rest = () => {
    clearTimeout(me.late);
    me.late = setTimeout(() => { if (me.told !== +box.value) tell(me.told = +box.value); }, REST);
  };
  // The place of a pointer along an element, between a left edge and an edge so many pixels right of it.
  const along = (event, element, left, length) => {
    const share = (event.clientX - element.getBoundingClientRect().left - left) / length;
    return Math.round(Math.min(1, Math.max(0, share)) * last);
  };
  // Let a pointer that is dragged over an element, without its margins, move the slider.
  const drag = (element, left = 0, right = 0) => {
    const go = (event) => { stop(); move(along(event, element, left, element.clientWidth - left - right)); };
    element.onpointerdown = (event) => { element.setPointerCapture(event.pointerId); go(event); };
    element.onpointermove = (event) => { if (event.buttons) go(event); };
    element.onpointerup = rest;
  };

  box.max = last;
  box.oninput = () => { stop(); move(+box.value); };
  box.onchange = rest;
  const walk = (end) => {
    me.playing = setInterval(() => {
      if (box.isConnected && +box.value < end) { move(+box.value + 1); return; }
      stop();
      if (box.isConnected) rest();
    }, beat);
    label();
  };
  play.onclick = () => {
    if (me.playing) { stop(); rest(); return; }
    if (+box.value === last) move(0);
    walk(last);
  };
  label();
  return { box, me, first, stop, put, move, rest, along, drag, walk };
}
