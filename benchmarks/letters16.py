"""Write the letters of the playground, ``assets/lesson/playground/letters16.js``: 16×16, as one sheet of ink.

    python benchmarks/letters16.py

The browser draws them in two inks and photographs them, as ``eiwflow/data/drawn.py`` does at 32×32. Typefaces of the
test part are disjoint from those of the train part.
"""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from eiwflow import project
from eiwflow.data import drawn
from eiwflow.data.mosaic import read_arrays

FILE = project.ASSETS / "lesson/playground/letters16.js"
SEED, TRAIN, TEST, SIDE, ACROSS = 16, 2048, 256, 16, 48
#: Grey levels of ink: few, so that the sheet is small.
LEVELS = 15


def ink() -> np.ndarray:
    """Return the ink (N, 16, 16), 0 to 1, of the test letters and then of the train letters."""
    masks = read_arrays(project.ASSETS / "data/letters64.npz")
    in_test = np.isin(masks["family"], masks["test_families"])
    rng = np.random.default_rng(SEED)
    chosen = np.concatenate(
        [rng.choice(np.flatnonzero(in_test == part), count, replace=False) for part, count in ((1, TEST), (0, TRAIN))]
    )
    rotation = rng.uniform(-drawn.MAX_ROTATION, drawn.MAX_ROTATION, len(chosen)).astype(np.float32)
    size = rng.uniform(*drawn.SIZES, len(chosen)).astype(np.float32)
    shift = rng.uniform(-drawn.MAX_SHIFT, drawn.MAX_SHIFT, (len(chosen), 2)).astype(np.float32)
    large = drawn._coverage(masks["mask"], chosen, rotation, size, shift)
    return large.reshape(len(chosen), SIDE, 2, SIDE, 2).mean(axis=(2, 4))


def module() -> str:
    """Return the JavaScript module that holds the sheet as WebP in base64."""
    grey = np.rint(np.rint(ink() * LEVELS) * (255 / LEVELS)).astype(np.uint8)
    down = len(grey) // ACROSS
    sheet = grey.reshape(down, ACROSS, SIDE, SIDE).transpose(0, 2, 1, 3).reshape(down * SIDE, ACROSS * SIDE)
    buffer = io.BytesIO()
    Image.fromarray(sheet).save(buffer, "webp", lossless=True, quality=100, method=6)
    text = base64.b64encode(buffer.getvalue()).decode()
    return (
        "// Made by benchmarks/letters16.py: the ink of letters, test ones first, as a sheet.\n"
        f'export const SHEET = {{ test: {TEST}, train: {TRAIN}, side: {SIDE}, across: {ACROSS}, webp: "{text}" }};\n'
    )


if __name__ == "__main__":
    FILE.write_text(module(), encoding="utf-8")
    print(FILE, FILE.stat().st_size)
