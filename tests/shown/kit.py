"""Pictures, flows and lines: what the files of this folder are made of.

The pictures and flows are lopsided on purpose: sides, colours, halves, classes and sources all differ, so that a
changed axis, sign, order, subset or unit changes a number.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eiwflow.data import Factor, ImageData, to_tensor
from eiwflow.flow import FlowConfig, MultiScaleFlow, dequantise

#: A number below this is a rounding error, whose digits differ from machine to machine.
ROUNDING = 2e-5
KINDS = ("calm", "striped", "wild")


def pictures(n: int, size: tuple[int, int], seed: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return n images (n, H, W, 3) uint8 and their factors: the kind, the grain and the height of every image.

    Red is loud and green slopes down, blue is quiet and slopes across; the kinds differ in stripes and in number.
    """
    random = np.random.default_rng(seed)
    rows, columns = (
        axis[None, :, :, None] / length for axis, length in zip(np.mgrid[: size[0], : size[1]], size, strict=True)
    )
    kind = random.choice(3, n, p=(0.5, 0.3, 0.2))
    height, slope = random.uniform(30, 150, n), random.uniform(-60, 90, (n, 2))
    grain = np.exp(random.uniform(math.log(2), math.log(5), n))
    stripes = np.array([0, 12, 30])[kind][:, None, None, None] * np.sin(2 * np.pi * (3 * columns + rows))
    red, green, blue = (np.eye(3)[colour] for colour in range(3))
    values = height[:, None, None, None] * (red + 0.7 * green + 0.4 * blue) + stripes * (red + 0.5 * blue)
    values = values + slope[:, :1, None, None] * rows * (green + 0.3 * red) + slope[:, 1:, None, None] * columns * blue
    values = values + 20 + grain[:, None, None, None] * random.standard_normal((n, *size, 3))
    factors = {
        "kind": np.array(KINDS)[kind],
        "grain": grain.astype(np.float32),
        "height": height.astype(np.float32),
        "glasses": np.where(kind == 2, "round", ""),
        "beard": np.where(slope[:, 0] > 30, "full", ""),
        "hat": np.full(n, ""),
        "hair": np.where(height > 90, "long red", "short"),
        "mouth": np.where(slope[:, 1] > 0, "happy wide", "flat"),
        "skin_color": np.array([f"#{int(level):02x}8040" for level in height]),
        "background": np.array([f"#20{int(level + 80):02x}60" for level in slope[:, 1]]),
    }
    return np.rint(values).clip(0, 255).astype(np.uint8), factors


def data_set(size: tuple[int, int] = (8, 12), train: int = 160, test: int = 40, name: str = "made") -> ImageData:
    """Return a data set of made pictures with factors, and with three test images of every source."""
    (first, known), (second, other) = pictures(train, size, 1), pictures(test, size, 2)
    factors = {key: Factor(known[key], other[key]) for key in known}
    names = tuple(f"photo {number}" for number in range(30))
    sources = np.arange(train) // 10, 16 + np.arange(test) // 3
    return ImageData(name, first, second, *sources, names, factors=factors)


def grey(images: ImageData) -> ImageData:
    """Return the data set in grey, with more of the red than of the blue."""
    # In whole numbers: half a level is rounded in two ways on two machines.
    mixed = [
        ((part.astype(int) * (5, 3, 2)).sum(axis=3, keepdims=True) // 10).astype(np.uint8)
        for part in (images.train, images.test)
    ]
    return ImageData("grey", *mixed)


def flow(seed: int = 3, images: ImageData | None = None, **fields: Any) -> MultiScaleFlow:
    """Return a flow initialised on the training images, in which every part does something."""
    config = FlowConfig(**{"shape": (3, 8, 12), "levels": 2, "steps": 2, "width": 8, **fields})
    return deepcopy(_flow(seed, config, images))


@cache
def _flow(seed: int, config: FlowConfig, images: ImageData | None) -> MultiScaleFlow:
    images = images or data_set(config.shape[1:])
    made = MultiScaleFlow(config, seed)
    made.initialise(dequantise(to_tensor(images.train), torch.Generator().manual_seed(5), bits=config.bits))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            # A mixing or an ActNorm that moved as far would undo the initialisation.
            scale = 0.004 if "mixing" in name or "actnorm" in name else 0.04
            parameter += scale * torch.randn(parameter.shape, generator=generator)
    return made.eval()


# ---------------------------------------------------------------------- numbers as lines


def figure(value: float) -> str:
    """Return a number with five significant digits, with zeros at its end, since the last digit is what may differ."""
    if isinstance(value, (bool, np.bool_)) or value is None:
        return str(value)
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    if not math.isfinite(value):
        return str(float(value))
    # Machines differ in whether a rounding error is 0.
    return "tiny" if abs(value) < ROUNDING else f"{value:#.5g}"


def summed(values: Tensor | np.ndarray | list[Any]) -> str:
    """Return an array on a line: shape, sum Σ, root of the sum of squares ‖, order ~, first and last value.

    The order is the sum with every value times the cosine of its place, as a part of ‖: it sees what changes places.
    """
    array = values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
    flat = array.astype(np.float64).reshape(-1)
    size = math.sqrt(np.square(flat).sum())
    order = float(flat @ np.cos(np.arange(len(flat)) + 1.0)) / (size or 1.0)
    ends = f" [{figure(flat[0])} … {figure(flat[-1])}]" if len(flat) else ""
    return f"{'×'.join(map(str, array.shape))} Σ {figure(flat.sum())} ‖ {figure(size)} ~ {order:.4f}{ends}"


def lines(value: Any, name: str = "") -> Iterator[str]:
    """Yield values as JSON has them as lines ``name  value``: long lists by their sums, rows of one kind as a table."""
    if isinstance(value, dict) and name and value and all(map(is_plain, value.values())):
        yield f"{name}  {'; '.join(f'{key} {written(entry)}' for key, entry in value.items())}"
    elif isinstance(value, dict):
        for key, entry in value.items():
            yield from lines(entry, f"{name}.{key}" if name else str(key))
    elif isinstance(value, (Tensor, np.ndarray)) or is_array(value):
        yield f"{name}  {summed(value)}"
    elif isinstance(value, (list, tuple)) and all(is_plain(entry) for entry in value):
        yield f"{name}  {written(value)}"
    elif is_table(value) and len(value) > 24:
        for key in value[0]:
            column = [row[key] for row in value]
            yield f"{name}.{key}  {summed(column) if is_array(column) else ' '.join(written(cell) for cell in column)}"
    elif is_table(value):
        yield f"{name}  {' | '.join(map(str, value[0]))}"
        yield from (f"  {' | '.join(map(written, row.values()))}" for row in value)
    elif isinstance(value, (list, tuple)):
        for place, entry in enumerate(value):
            yield from lines(entry, f"{name}[{place}]")
    else:
        yield f"{name}  {written(value)}"


def written(value: Any) -> str:
    """Return a number, a text, or a short list of these, on one line."""
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)):
        return (
            f"[{' | '.join(value)}]"
            if all(isinstance(entry, str) for entry in value)
            else f"[{' '.join(map(written, value))}]"
        )
    return figure(value)


def is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (str, int, float))


def is_table(value: Any) -> bool:
    """Return whether a value is a list of rows with the same names, whose cells fit on a line."""
    return (
        isinstance(value, (list, tuple))
        and all(isinstance(row, dict) and row.keys() == value[0].keys() for row in value)
        and all(
            is_plain(cell) or (isinstance(cell, (list, tuple)) and len(cell) <= 12 and all(map(is_plain, cell)))
            for row in value
            for cell in row.values()
        )
    )


def is_array(value: Any) -> bool:
    """Return whether a value is a list of more than 24 numbers, or lists of numbers of one shape."""
    if not isinstance(value, (list, tuple)) or not value or (isinstance(value[0], (int, float)) and len(value) <= 24):
        return False
    try:
        return np.asarray(value).dtype.kind in "if"
    except ValueError:
        return False


#: Fields that hold a time, a machine, a version or a hash of bytes.
CLOCKS = re.compile(r"\w*seconds|sha256|versions|time|pid|process|memory_mib|cpu_s")


def without_clocks(value: Any) -> Any:
    """Return values as JSON has them without what another machine, day or version changes."""
    if isinstance(value, dict):
        return {key: "…" if CLOCKS.fullmatch(key) else without_clocks(entry) for key, entry in value.items()}
    return [without_clocks(entry) for entry in value] if isinstance(value, list) else value


def text_of(value: Any) -> str:
    """Return values as text, a line each."""
    return "\n".join(lines(value)) + "\n"


def without_rounding(text: str) -> str:
    """Return a command's text with rounding errors, such as 2.4e-07 and 0.0e+00, by a word."""

    def small(match: re.Match[str]) -> str:
        return "tiny" if abs(float(match[0])) < ROUNDING else match[0]

    return re.sub(r"off by 0(?= nats)", "off by <tiny>", re.sub(r"-?\d+(?:\.\d+)?e[-+]\d+", small, text))
