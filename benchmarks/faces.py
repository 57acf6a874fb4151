"""Write the faces that a flow is trained on in the visitor's tab, ``assets/lesson/trainer/sheet.js``, again.

    python benchmarks/faces.py

They are one lossless WebP of faces side by side: first those to train on, then those to test on.
"""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from eiwflow import data, project

#: A thousand are 0.66 MB: noise does not compress, and what is lossy here would train on other pictures.
TRAIN, TEST, COLUMNS = 1000, 256, 8
PATH = project.ASSETS / "lesson" / "trainer" / "sheet.js"


def sheet() -> Image.Image:
    """Return the faces, row by row."""
    images = data.load("faces16", download=False)
    faces = np.concatenate([images.train[:TRAIN], images.test[:TEST]])
    count, height, width, channels = faces.shape
    rows = faces.reshape(count // COLUMNS, COLUMNS, height, width, channels).swapaxes(1, 2)
    return Image.fromarray(rows.reshape(-1, COLUMNS * width, channels))


def module() -> str:
    """Return the JavaScript module that holds them."""
    buffer = io.BytesIO()
    sheet().save(buffer, "WEBP", lossless=True, quality=100, method=6)
    return (
        "// Made by benchmarks/faces.py: faces in one lossless picture, those to train on, then those to test on.\n"
        f"export const SHEET = {{\n  side: 16,\n  across: {COLUMNS},\n  train: {TRAIN},\n  test: {TEST},\n"
        f'  webp: "{base64.b64encode(buffer.getvalue()).decode()}",\n}};\n'
    )


if __name__ == "__main__":
    PATH.write_text(module(), encoding="utf-8")
    print(PATH)
