// Scene 4, first beat: a flow of two dimensions learns two moons while one watches, and two cells of its grid are followed.
import { animate, colours, el, surface } from "../draw.js";
import { PlaneFlow, twoMoons } from "../plane.js";

/** Steps of the training, seconds they are spread over, and the most of one frame; points trained on, those drawn. */
const STEPS = 500,
  SECONDS = 4,
  A_FRAME_MS = 6,
  POINTS = 2000,
  DRAWN = 400;
/** The grid reaches from −REACH to REACH in noise, in cells of side CELL; a side of a cell is drawn as PARTS lines. */
const REACH = 2.5,
  CELL = 0.5,
  PARTS = 6,
  SIDE = Math.round((2 * REACH) / CELL),
  ALONG = Array.from({ length: SIDE * PARTS + 1 }, (_, k) => (k * CELL) / PARTS - REACH),
  /** The lines of the grid, upright ones and level ones. @type {number[][][]} */
  GRID = Array.from({ length: SIDE + 1 }, (_, i) => i * CELL - REACH).flatMap((at) => [
    ALONG.map((v) => [at, v]),
    ALONG.map((v) => [v, at]),
  ]);
/** The picture of the points reaches from −FAR to FAR. */
const FAR = 2.5;
/** The seed of a flow whose two FOLLOWED cells (column, row), one that grows and one that shrinks, stay compact. */
const SEED = 26,
  FOLLOWED = [
    [3, 3],
    [2, 5],
  ];

/** @type {import("../beats.js").Beat} */
export const moons = {
  key: "1",
  label: "Two values",
  title: "Stretching costs bits, shrinking saves them.",

  build(stage, room, { controls, moving }) {
    const points = twoMoons(POINTS, 5);
    let flow,
      cell = null, // column and row of the cell that is pointed at
      stop = () => {};
    const canvas = el("div", { className: "room" });
    room.append(
      canvas,
      el("p", { className: "caption" }, "A bit is a halving: twice the area, half as likely, one bit more."),
    );

    /** The four corners of a cell, with points between them, in noise. */
    const outline = (column, row) => {
      const [x, y] = [column * CELL - REACH, row * CELL - REACH],
        corners = [
          [0, 0],
          [1, 0],
          [1, 1],
          [0, 1],
        ];
      return corners.flatMap(([a, b], i) => {
        const [c, d] = corners[(i + 1) % 4];
        return Array.from({ length: PARTS }, (_, k) => [
          x + CELL * (a + ((c - a) * k) / PARTS),
          y + CELL * (b + ((d - b) * k) / PARTS),
        ]);
      });
    };
    /** The area of a polygon. */
    const areaOf = (polygon) =>
      Math.abs(
        polygon.reduce((sum, [x, y], i) => {
          const [u, v] = polygon[(i + 1) % polygon.length];
          return sum + (x * v - u * y) / 2;
        }, 0),
      );
    const mapped = (polygon) => polygon.map(([x, y]) => flow.inverse(x, y));
    /** By how much a cell grows on its way from noise to points. */
    const growth = ([column, row]) => areaOf(mapped(outline(column, row))) / CELL ** 2;
    /** Column and row of the cell that holds a point of noise. */
    const cellOf = (point) => point.map((one) => Math.floor((one + REACH) / CELL));
    /** The cell that is pointed at, or the two. */
    const followed = () => (cell ? [cell] : FOLLOWED);
    const plan = (width, height, size) => {
      const side = Math.min((width - 60) / 2, height - 1.5 * size),
        gap = Math.min(120, width - 2 * side);
      const left = (width - 2 * side - gap) / 2;
      return { side, from: [left, left + side + gap] };
    };
    const view = surface(
      canvas,
      (context, width, height) => {
        const ink = colours(stage.stage),
          { side, from } = plan(width, height, ink.size),
          place = (which, [x, y]) => [from[which] + side * (0.5 + x / 2 / FAR), side * (0.5 - y / 2 / FAR)];
        context.font = `${ink.size}px ${ink.sans}`;
        const path = (which, line) => {
          context.beginPath();
          line.forEach((point) => context.lineTo(...place(which, point)));
        };
        const noise = Array.from({ length: DRAWN }, (_, i) => flow.forward(points[2 * i], points[2 * i + 1])),
          cells = followed(),
          marked = cells.map((one) => ({ sides: outline(...one), colour: growth(one) > 1 ? ink.warm : ink.accent })),
          isFollowed = noise.map(([u, v]) => {
            const [column, row] = cellOf([u, v]);
            return cells.some((one) => one[0] === column && one[1] === row);
          });
        const dots = (which) => {
          noise.forEach(([u, v], i) => {
            const inside = isFollowed[i],
              [x, y] = place(which, which ? [points[2 * i], points[2 * i + 1]] : [u, v]);
            context.fillStyle = inside ? ink.ink : ink.quiet;
            context.beginPath();
            context.arc(x, y, inside ? 4 : 2.5, 0, 7);
            context.fill();
          });
        };
        for (const which of [0, 1]) {
          context.save();
          context.beginPath();
          context.rect(from[which], 0, side, side);
          context.clip();
          context.strokeStyle = ink.quiet;
          context.globalAlpha = 0.75;
          context.lineWidth = 1;
          for (const line of GRID) {
            path(which, which ? mapped(line) : line);
            context.stroke();
          }
          for (const { sides, colour } of marked) {
            path(which, which ? mapped(sides) : sides);
            context.closePath();
            context.fillStyle = context.strokeStyle = colour;
            context.globalAlpha = 0.45;
            context.fill();
            context.globalAlpha = 1;
            context.lineWidth = 3;
            context.stroke();
          }
          dots(which);
          context.restore();
          context.strokeStyle = ink.line;
          context.lineWidth = 1;
          context.strokeRect(from[which] + 0.5, 0.5, side - 1, side - 1);
          context.fillStyle = ink.quiet;
          context.fillText(which ? "pictures of two values: two moons" : "noise", from[which], side + 1.2 * ink.size);
        }
        context.textAlign = "center";
        context.fillStyle = ink.quiet;
        const between = (from[0] + side + from[1]) / 2;
        context.fillText("→", between, side / 2);
        context.textAlign = "left";
      },
      "A grid in noise and the same grid among the points of two moons; cells that grow or shrink are marked in both",
    );
    const say = () => {
      if (flow.steps < STEPS)
        return stage.say(`The flow learns to turn two moons into noise, and back: step ${flow.steps} of ${STEPS}.`);
      const [first, second] = followed().map((one) => {
        const bits = Math.log2(growth(one)),
          times = 2 ** Math.abs(bits);
        return { grows: bits > 0, times: `${times.toFixed(times < 10 ? 1 : 0)}×`, cost: Math.abs(bits).toFixed(1) };
      });
      stage.say(
        second
          ? [first, second]
              .map(({ grows, times, cost }) =>
                grows ? `Orange grows ${times}: ${cost} bits more.` : `Blue shrinks ${times}: ${cost} bits fewer.`,
              )
              .join(" ")
          : first.grows
            ? `This cell’s area grows ${first.times}, its points lie ${first.times} thinner: that costs ${first.cost} bits.`
            : `This cell’s area shrinks ${first.times}, its points lie ${first.times} denser: that saves ${first.cost} bits.`,
      );
    };
    const draw = () => {
      view.redraw();
      say();
    };
    const learn = () => {
      stop();
      flow = new PlaneFlow(SEED);
      stop = animate((seconds) => {
        const end = performance.now() + A_FRAME_MS,
          due = Math.min(STEPS, (STEPS * seconds) / SECONDS); // none in the first frame, which shows what is there
        while (flow.steps < due && performance.now() < end) flow.train(points);
        draw();
        return flow.steps < STEPS;
      });
    };
    const point = (event) => {
      const box = view.canvas.getBoundingClientRect(),
        { side, from } = plan(box.width, box.height, colours(stage.stage).size),
        which = event.clientX - box.left > (from[0] + side + from[1]) / 2 ? 1 : 0,
        x = ((event.clientX - box.left - from[which]) / side - 0.5) * 2 * FAR,
        y = (0.5 - (event.clientY - box.top) / side) * 2 * FAR,
        [u, v] = which ? flow.forward(x, y) : [x, y],
        found = cellOf([u, v]);
      if (found.some((one) => one < 0 || one >= SIDE)) return;
      cell = found;
      if (flow.steps >= STEPS) draw();
    };
    view.canvas.addEventListener("pointermove", point);
    view.canvas.addEventListener("pointerdown", point);
    view.canvas.style.cursor = "crosshair";
    controls.append(el("button", { type: "button", onclick: learn }, "Watch it learn"));
    stage.thumbs.hidden = true; // these points are of no picture
    if (moving) learn();
    else {
      flow = new PlaneFlow(SEED);
      while (flow.steps < STEPS) flow.train(points);
    }
    draw();
    return {
      play: learn,
      stop: () => {
        stop();
        view.stop();
        stage.thumbs.hidden = false;
      },
    };
  },
};
