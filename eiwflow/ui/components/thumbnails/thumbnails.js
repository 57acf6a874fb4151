// A radio group of thumbnails cut from one sheet, and two buttons that turn to other images.

function button(text, name, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  made.ariaLabel = name;
  made.onclick = act;
  return made;
}

export default function ({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".thumbnails");
  const refocus = root.contains(document.activeElement) && document.activeElement.dataset.role;
  const pick = (number) => setTriggerValue("picked", number);
  const turn = (by) => setTriggerValue("page", data.page + by);

  const strip = document.createElement("div");
  strip.className = "thumbnails-strip";
  strip.setAttribute("role", "radiogroup");
  strip.ariaLabel = data.label;
  const within = (number) => number >= data.first && number < data.first + data.shown;
  if (data.own) {
    const cell = button("", "Your own photo", () => {});
    cell.setAttribute("role", "radio");
    cell.setAttribute("aria-checked", true);
    cell.style.background = `url("${data.own}") center / cover`;
    strip.append(cell);
  }
  for (let place = 0; place < data.shown; place++) {
    const number = data.first + place, name = data.names[place];
    const cell = button("", name ?? `${data.label} ${number}`, () => pick(number));
    const chosen = number === data.chosen, image = name ? document.createElement("i") : cell;
    if (name) cell.append(image, name);
    cell.dataset.role = "image";
    cell.dataset.number = number;
    cell.setAttribute("role", "radio");
    cell.setAttribute("aria-checked", chosen);
    cell.tabIndex = chosen || (!within(data.chosen) && place === 0) ? 0 : -1;
    image.style.backgroundImage = `url("${data.sheet}")`;
    image.style.backgroundSize = `${100 * data.shown}% 100%`;
    image.style.backgroundPosition = `${data.shown > 1 ? (100 * place) / (data.shown - 1) : 0}% 0`;
    strip.append(cell);
  }
  strip.onkeydown = (event) => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    const number = +(document.activeElement.dataset.number ?? data.first - 1) + by;
    if (number >= 0 && number < data.total) pick(number);
  };

  const back = button("‹", "Earlier images", () => turn(-1)), on = button("›", "Later images", () => turn(1));
  back.dataset.role = "back";
  on.dataset.role = "on";
  back.title = on.title = `Images ${data.first} to ${data.first + data.shown - 1} of ${data.total}`;
  root.replaceChildren(...(data.total > data.shown ? [back, strip, on] : [strip]));
  const checked = strip.querySelector('[aria-checked="true"]');
  if (checked) strip.scrollLeft = checked.offsetLeft - strip.offsetLeft - strip.clientWidth / 2;
  if (refocus === "image") (strip.querySelector('[tabindex="0"]') ?? strip.firstChild).focus();
  else if (refocus) root.querySelector(`[data-role="${refocus}"]`).focus();
}
