"""Many samples of a flow, written batch by batch into an array or a folder, as programs for FID read them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..data import png_file
from ..files import new_folder, write_atomically
from ..flow import ConfigError, Latents, MultiScaleFlow, quantise
from ..flow.bijection import generator_for
from ..flow.score import batch_size
from .evaluate import Processes


@torch.no_grad()
def draw(
    flow: MultiScaleFlow,
    n: int,
    temperature: float | Sequence[float] = 1.0,
    seed: int = 0,
    batch: int = 64,
    progress: Callable[[int], object] | None = None,
    team: Processes | None = None,
) -> Iterator[np.ndarray]:
    """Yield n samples as images (b, H, W, C) uint8, at most ``batch`` at once, or ``batch`` from every process.

    The noise of a sample depends on (seed, its number) alone, so the first samples of a longer draw are the same. A
    batch of another size may round a value to the next grey level. ``progress`` is called with the images of each part.
    Every process of a ``team`` draws one batch of a part, and receives the whole part.
    """
    most = batch_size(flow, batch)
    rank, size = (0, 1) if team is None else (team.rank, team.size)
    for start in range(0, n, most * size):
        first = start + most * rank
        drawn = _drawn(flow, range(first, min(first + most, n)), temperature, seed)
        part = (drawn if team is None else team.gather(drawn)).numpy()
        yield part
        if progress is not None:
            progress(len(part))


def _drawn(flow: MultiScaleFlow, numbers: range, temperature: float | Sequence[float], seed: int) -> Tensor:
    """Return the samples (n, H, W, C) uint8 with these numbers; an empty array without numbers."""
    if not numbers:
        channels, *size = flow.config.shape
        return torch.empty(0, *size, channels, dtype=torch.uint8)
    each = [flow.sample_latents(1, temperature, generator_for(seed, f"sample {number}")) for number in numbers]
    levels = zip(*(latents.levels for latents in each), strict=True)
    x = flow.decode(Latents([torch.cat(level) for level in levels]))
    return quantise(x, flow.config.bits).permute(0, 2, 3, 1).contiguous().cpu()


def write_array(path: Path, images: Iterable[np.ndarray], shape: tuple[int, ...]) -> None:
    """Write images into a ``.npy`` file (n, H, W, C) uint8 of this shape, part by part; a failure leaves no file."""
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}

    def parts() -> Iterator[bytes | memoryview]:
        start = io.BytesIO()
        np.lib.format.write_array_header_1_0(start, header)
        yield start.getvalue()
        for part in images:
            yield part.data

    write_atomically(path, parts())


def write_pictures(folder: Path, images: Iterable[np.ndarray]) -> None:
    """Write images into a new or empty folder as ``000000.png``, ``000001.png`` and so on; a failure leaves none."""
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"--out is {str(folder)[:200]!r}, which is a folder with files in it; name a new one.")
    with new_folder(folder) as unfinished:
        for number, image in enumerate(image for part in images for image in part):
            (unfinished / f"{number:06d}.png").write_bytes(png_file(image))
