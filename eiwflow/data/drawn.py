"""The drawn data sets, faces16 and letters32, photographed when loaded: every factor of an image is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from .camera import camera_factors, photograph
from .images import Factor, ImageData
from .mosaic import read_arrays

FACES_SEED, TRAIN_LETTERS_SEED, TEST_LETTERS_SEED = 16, 32, 64
TEST_FACES, TRAIN_LETTERS, TEST_LETTERS = 1000, 20_000, 1000
MAX_FACE_GRAIN, MAX_LETTER_GRAIN = 4.0, 6.0
LETTER_SIDE, CANVAS = 32, 64
#: Pictures drawn at once, to save memory; the result does not depend on it.
DRAWN_AT_ONCE = 500
#: Largest rotation in degrees, range (from, to) of the size factor, and largest shift in pixels of the canvas.
MAX_ROTATION, SIZES, MAX_SHIFT = 8.0, (0.9, 1.15), 2.2
SWAPPED = 0.35
#: Ranges (from, to) of hue, saturation and value.
PAPER = (0.0, 1.0), (0.0, 0.4), (0.78, 0.96)
INK = (0.0, 1.0), (0.4, 1.0), (0.12, 0.55)


@lru_cache(maxsize=1)
def faces16(folder: Path) -> ImageData:
    """Return 13,000 + 1,000 faces, 16×16, photographed from flat faces in ``folder``; the last 1,000 for tests."""
    attributes = read_arrays(folder / "faces16.npz")
    flat = attributes.pop("image")
    rng = np.random.default_rng(FACES_SEED)
    factors = {**attributes, **camera_factors(len(flat), MAX_FACE_GRAIN, rng)}
    images = _photographed(flat.shape, lambda of: 8 + np.float32(0.92) * flat[of], factors, rng)
    train, test = slice(None, -TEST_FACES), slice(-TEST_FACES, None)
    parts = {name: Factor(values[train], values[test]) for name, values in factors.items()}
    return _unwritable(ImageData("faces16", images[train], images[test], factors=parts))


@lru_cache(maxsize=1)
def letters32(folder: Path) -> ImageData:
    """Return 20,000 + 1,000 letters, 32×32, of disjoint typefaces.

    Both parts are rendered from the masks in ``folder``, the same at every load, and kept in memory.
    """
    train, train_factors = render_letters(folder, "train")
    test, test_factors = render_letters(folder, "test")
    factors = {name: Factor(values, test_factors[name]) for name, values in train_factors.items()}
    return _unwritable(ImageData("letters32", train, test, factors=factors))


@lru_cache(maxsize=1)
def letters32_test(folder: Path) -> ImageData:
    """Return letters32 with its test part alone: drawing 20,000 letters to train on takes seconds and 60 MB."""
    test, factors = render_letters(folder, "test")
    of_none = {name: Factor(values[:0], values) for name, values in factors.items()}
    return _unwritable(ImageData("letters32", test[:0], test, factors=of_none))


def _unwritable(data: ImageData) -> ImageData:
    """Return the data, which all callers share, as arrays that cannot be changed."""
    for array in (np.asarray(data.train), data.test, *(array for factor in data.factors.values() for array in factor)):
        array.flags.writeable = False
    return data


def render_letters(folder: Path, part: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Draw and photograph letters of the typefaces of one part.

    Args:
        folder: holds ``letters64.npz``, coverage masks of capital letters.
        part: ``train`` (20,000, masks drawn with replacement) or ``test`` (1,000, each mask at most once).

    Returns:
        images (N, 32, 32, 3) uint8, and factors of length N: ``letter`` (A to Z), ``family`` (name of the typeface),
        ``paper`` and ``ink`` (RGB as seen, grey levels), ``swapped`` (dark paper, light ink), ``rotation`` (degrees,
        counter-clockwise), ``size`` (times), ``shift`` (right and down, pixels of the 64×64 canvas), and the factors of
        :func:`~eiwflow.data.camera.camera_factors`.

    """
    drawn = read_arrays(folder / "letters64.npz")
    masks, letters, families = drawn["mask"], drawn["letter"], drawn["family"]
    names, in_test = drawn["family_name"], np.isin(families, drawn["test_families"])
    rng = np.random.default_rng(TRAIN_LETTERS_SEED if part == "train" else TEST_LETTERS_SEED)
    count = TRAIN_LETTERS if part == "train" else TEST_LETTERS
    allowed = np.flatnonzero(in_test == (part == "test"))
    chosen = rng.choice(allowed, count, replace=part == "train")

    paper, ink = _colours(PAPER, count, rng), _colours(INK, count, rng)
    swapped = rng.random(count) < SWAPPED
    paper, ink = np.where(swapped[:, None], ink, paper), np.where(swapped[:, None], paper, ink)
    rotation = rng.uniform(-MAX_ROTATION, MAX_ROTATION, count).astype(np.float32)
    size = rng.uniform(*SIZES, count).astype(np.float32)
    shift = rng.uniform(-MAX_SHIFT, MAX_SHIFT, (count, 2)).astype(np.float32)
    factors = {
        "letter": np.array([chr(ord("A") + letter) for letter in letters[chosen]]),
        "family": names[families[chosen]],
        "paper": paper,
        "ink": ink,
        "swapped": swapped,
        "rotation": rotation,
        "size": size,
        "shift": shift,
        **camera_factors(count, MAX_LETTER_GRAIN, rng),
    }

    def drawn_part(of: slice) -> np.ndarray:
        coverage = _coverage(masks, chosen[of], rotation[of], size[of], shift[of])[..., None]
        return paper[of, None, None] + coverage * (ink - paper)[of, None, None]

    return _photographed((count, LETTER_SIDE, LETTER_SIDE, 3), drawn_part, factors, rng), factors


def _photographed(
    shape: tuple[int, ...],
    draw: Callable[[slice], np.ndarray],
    factors: Mapping[str, np.ndarray],
    rng: np.random.Generator,
) -> np.ndarray:
    """Return images (N, H, W, 3) uint8, drawn and photographed part by part.

    All letters at once would take half a gigabyte.
    """
    images = np.empty(shape, np.uint8)
    for start in range(0, len(images), DRAWN_AT_ONCE):
        of = slice(start, start + DRAWN_AT_ONCE)
        images[of] = photograph(draw(of), {name: values[of] for name, values in factors.items()}, rng)
    return images


def _colours(ranges: tuple[tuple[float, float], ...], count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw colours (N, 3), RGB in grey levels, uniform in ranges of hue, saturation and value."""
    hue, saturation, value = (rng.uniform(low, high, count) for low, high in ranges)
    # The usual formula without its six cases: each of red, green and blue is a clipped triangle over the hue.
    distance = (np.array([5, 3, 1]) + 6 * hue[:, None]) % 6
    dip = np.clip(np.minimum(distance, 4 - distance), 0, 1)
    return (255 * value[:, None] * (1 - saturation[:, None] * dip)).astype(np.float32)


def _coverage(
    masks: np.ndarray, chosen: np.ndarray, rotation: np.ndarray, size: np.ndarray, shift: np.ndarray
) -> np.ndarray:
    """Return the ink (N, 32, 32), 0 to 1, of the chosen masks after they were turned, resized and shifted."""
    radians = np.deg2rad(rotation.astype(np.float64))
    cos, sin = np.cos(radians) / size, np.sin(radians) / size
    # PIL takes the map from a point of the canvas to its source: a row for x = a·x' + b·y' + c, and a row for y. PIL
    # counts from corners of pixels, so that the middle of the canvas is at 32.
    middle = CANVAS / 2
    x, y = -middle - shift[:, 0].astype(np.float64), -middle - shift[:, 1].astype(np.float64)
    rows = np.stack([cos, -sin, cos * x - sin * y + middle, sin, cos, sin * x + cos * y + middle], axis=1)
    turned = np.empty((len(chosen), CANVAS, CANVAS), np.uint8)
    for canvas, mask, row in zip(turned, chosen, rows.tolist(), strict=True):
        picture = Image.fromarray(masks[mask])
        canvas[:] = np.asarray(picture.transform(picture.size, Image.Transform.AFFINE, row, Image.Resampling.BILINEAR))
    half = CANVAS // LETTER_SIDE
    summed = sum(turned[:, i::half, j::half].astype(np.uint16) for i in range(half) for j in range(half))
    return np.asarray(summed, dtype=np.float32) / np.float32(255 * half**2)
