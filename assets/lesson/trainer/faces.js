// The faces that a flow is trained on in the tab, from one sheet of them.
import { SHEET } from "./sheet.js";

/** Faces as bytes: {train, test}. @returns {Promise<{train: import("./api").Images, test: import("./api").Images}>} */
export async function faces() {
  const { side, across, train, test, webp } = SHEET,
    bytes = Uint8Array.from(atob(webp), (letter) => letter.charCodeAt(0)),
    sheet = await createImageBitmap(new Blob([bytes], { type: "image/webp" })),
    canvas = document.createElement("canvas");
  canvas.width = sheet.width;
  canvas.height = sheet.height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(sheet, 0, 0);
  const { data } = context.getImageData(0, 0, sheet.width, sheet.height),
    part = (first, count) => {
      const pixels = new Uint8Array(count * side * side * 3);
      let to = 0;
      for (let n = first; n < first + count; n++)
        for (let row = 0; row < side; row++)
          for (let col = 0; col < side; col++) {
            const y = Math.floor(n / across) * side + row,
              x = (n % across) * side + col,
              from = 4 * (y * sheet.width + x);
            for (let c = 0; c < 3; c++) pixels[to++] = data[from + c];
          }
      return { pixels, count };
    };
  return { train: part(0, train), test: part(train, test) };
}
