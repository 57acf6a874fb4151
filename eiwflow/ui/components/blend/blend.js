// A picture that follows a slider through frames which lie side by side in one sheet.
// Milliseconds until a move is told that has no end, such as that of a screen reader; between two frames of a play.
const REST = 400, BEAT = 45;
const known = new WeakMap();                 // what a slider remembers between two runs of the script
const TOGETHER = "eiwflow-blend";            // pictures side by side move together

export default function ({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".blend"), box = root.querySelector("input");
  const canvas = root.querySelector("canvas"), out = root.querySelector("output"), play = root.querySelector("button");
  const me = known.get(box) ?? {};
  const first = !known.has(box);
  known.set(box, me);

  const draw = () => {
    const i = +box.value, t = (i / data.last).toFixed(2);
    if (me.sheet?.complete && me.sheet.naturalWidth) {
      canvas.getContext("2d").drawImage(
        me.sheet, i * data.width, 0, data.width, data.height, 0, 0, data.width, data.height);
    }
    out.value = "t = " + t;
    box.setAttribute("aria-valuetext", "t = " + t);
    canvas.setAttribute("aria-label", data.words + " Shown at t = " + t + ".");
  };
  const tell = () => {
    clearTimeout(me.late);
    if (me.told !== +box.value) setTriggerValue("moved", (me.told = +box.value));
  };
  const rest = () => { clearTimeout(me.late); me.late = setTimeout(tell, REST); };
  const label = () => {
    play.textContent = me.playing ? "❚❚" : "▶";
    play.ariaLabel = me.playing ? "Pause" : "Play from A on";
  };
  const stop = () => { clearInterval(me.playing); me.playing = undefined; label(); };
  const move = (i) => {
    box.value = i;
    draw();
    window.dispatchEvent(new CustomEvent(TOGETHER, { detail: { from: box, at: i / data.last } }));
  };

  root.style.setProperty("--ratio", data.width / data.height);
  root.querySelector(".blend-a").src = data.a;
  root.querySelector(".blend-b").parentElement.hidden = !data.b;
  if (data.b) root.querySelector(".blend-b").src = data.b;
  box.max = data.last;
  if (first) me.told = +(box.value = data.start);
  if (canvas.width !== data.width || canvas.height !== data.height) {
    canvas.width = data.width;
    canvas.height = data.height;
  }
  if (me.source !== data.sheet) {
    const sheet = new Image();
    sheet.onload = () => { me.sheet = sheet; draw(); };   // until then the picture before stands
    sheet.src = me.source = data.sheet;
  }
  label();
  draw();

  box.oninput = () => { stop(); move(+box.value); };
  box.onchange = rest;
  box.onkeyup = box.onpointerup = tell;      // what is held tells nothing until it is let go
  const drag = (event) => {
    const place = canvas.getBoundingClientRect();
    stop();
    move(Math.round(Math.min(1, Math.max(0, (event.clientX - place.left) / place.width)) * data.last));
  };
  canvas.onpointerdown = (event) => { canvas.setPointerCapture(event.pointerId); drag(event); };
  canvas.onpointermove = (event) => { if (event.buttons) drag(event); };
  canvas.onpointerup = tell;
  play.onclick = () => {
    if (me.playing) { stop(); rest(); return; }
    if (+box.value === data.last) move(0);
    me.playing = setInterval(() => {
      if (box.isConnected && +box.value < data.last) { move(+box.value + 1); return; }
      stop();
      if (box.isConnected) rest();
    }, BEAT);
    label();
  };

  const together = (event) => {
    if (event.detail.from === box) return;
    stop();
    box.value = Math.round(event.detail.at * data.last);
    draw();
  };
  window.removeEventListener(TOGETHER, me.together);
  me.together = together;
  window.addEventListener(TOGETHER, together);
  return () => { stop(); window.removeEventListener(TOGETHER, together); };
}
