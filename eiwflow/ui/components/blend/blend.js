// A picture that follows a slider through frames which lie side by side in one sheet.
const BEAT = 350;                            // milliseconds between two frames of a play
const TOGETHER = "eiwflow-blend";            // pictures side by side move together

export default function ({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".blend"), canvas = root.querySelector("canvas");
  const out = root.querySelector("output");
  const { box, me, first, stop, put, drag } = slider(root, {
    last: data.last,
    beat: BEAT,
    words: "Play from A on",
    show() {
      draw();
      window.dispatchEvent(new CustomEvent(TOGETHER, { detail: { from: box, at: +box.value / data.last } }));
    },
    tell: (place) => setTriggerValue("moved", place),
  });

  const draw = () => {
    const i = +box.value, t = (i / data.last).toFixed(2), way = `B: ${Math.round(100 * t)} %`;
    if (me.sheet?.complete && me.sheet.naturalWidth) {
      canvas.getContext("2d").drawImage(
        me.sheet, i * data.width, 0, data.width, data.height, 0, 0, data.width, data.height);
    }
    out.value = way;
    box.setAttribute("aria-valuetext", way);
    canvas.setAttribute("aria-label", data.words + ` Shown at ${way}.`);
  };

  root.style.setProperty("--ratio", data.width / data.height);
  root.querySelector(".blend-a").src = data.a;
  root.querySelector(".blend-b").parentElement.hidden = !data.b;
  if (data.b) root.querySelector(".blend-b").src = data.b;
  if (first) put(data.start);
  if (canvas.width !== data.width || canvas.height !== data.height) {
    canvas.width = data.width;
    canvas.height = data.height;
  }
  if (me.source !== data.sheet) {
    const sheet = new Image();
    sheet.onload = () => { me.sheet = sheet; draw(); };   // until then the picture before stands
    sheet.src = me.source = data.sheet;
  }
  draw();
  drag(canvas);

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
