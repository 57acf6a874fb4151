"""Tensors from images, and smaller images from larger ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .images import DataError
from .picture import resized

if TYPE_CHECKING:
    import torch


def to_tensor(images: np.ndarray) -> torch.Tensor:
    """Return uint8 images (N, H, W, C) as a contiguous uint8 tensor (N, C, H, W) of its own memory."""
    import torch

    if images.ndim != 4 or images.dtype != np.uint8:
        raise DataError(f"images are {images.dtype} of shape {images.shape}; uint8 N×H×W×C is needed")
    return torch.from_numpy(np.array(images.transpose(0, 3, 1, 2), order="C"))


def random_crops(
    images: torch.Tensor, size: int | tuple[int, int], generator: torch.Generator, of: int | None = None, first: int = 0
) -> torch.Tensor:
    """Return one crop (N, C, h, w) of every image (N, C, H, W), each at a place drawn by the generator.

    ``size`` is the side of a square or (h, w). Images that have the size already are returned as they are, and nothing
    is drawn. If x is the part of a batch of ``of`` images that begins with image ``first``, places are drawn for the
    whole batch. Raises DataError for images smaller than ``size``.
    """
    import torch

    room = _room(images, size)
    if room == (0, 0):
        return images
    count, device = of or len(images), generator.device
    drawn = [torch.randint(most + 1, (count,), generator=generator, device=device) for most in room]
    own = slice(first, first + len(images))
    return _cut(images, room, *(positions[own].to(images.device) for positions in drawn))


def fixed_crops(
    images: torch.Tensor, size: int | tuple[int, int], seed: int = 0, numbers: np.ndarray | None = None
) -> torch.Tensor:
    """Return one crop (N, C, h, w) of every image (N, C, H, W), the same crops at every call.

    The place of crop i depends on the seed, on i and on the two sizes alone, so the first images of a longer set get
    the same crops. Images chosen from a set get those of the whole set by their ``numbers`` (N,) in it, 0 to N − 1 if
    not given. Raises DataError where the images are smaller than ``size``.
    """
    import torch

    room = _room(images, size)
    numbers = np.arange(len(images)) if numbers is None else numbers
    # Two draws an image, row by row, so that the first images' draws do not depend on the number of images.
    drawn = np.random.default_rng(seed).random((numbers.max(initial=-1) + 1, 2))[numbers]
    positions = torch.from_numpy((drawn * (np.array(room) + 1)).astype(np.int64)).to(images.device)
    return _cut(images, room, positions[:, 0], positions[:, 1])


def corner_crops(images: torch.Tensor, size: int | tuple[int, int]) -> torch.Tensor:
    """Return the four corners of every image: (4N, C, h, w), an image's four in a row.

    The corners come in reading order. Images that have the size already are returned as they are. Raises DataError
    where the images are smaller than ``size``.
    """
    import torch

    down, across = _room(images, size)
    if (down, across) == (0, 0):
        return images
    height, width = images.shape[2] - down, images.shape[3] - across
    corners = [images[:, :, y : y + height, x : x + width] for y in (0, down) for x in (0, across)]
    return torch.stack(corners, dim=1).flatten(0, 1)


def fits(images: np.ndarray, shape: tuple[int, int, int]) -> bool:
    """Return whether images (N, H', W', C') can be cut to the shape (C, H, W)."""
    channels, height, width = shape
    return images.shape[3] == channels and images.shape[1] >= height and images.shape[2] >= width


def fitted(images: np.ndarray, shape: tuple[int, int, int], numbers: np.ndarray | None = None) -> torch.Tensor:
    """Return uint8 images (N, H', W', C') as a tensor (N, C, H, W): cut where they fit, else resized and recoloured.

    ``numbers`` are those of :func:`fixed_crops`.
    """
    if fits(images, shape):
        return fixed_crops(to_tensor(images), shape[1:], numbers=numbers)
    return to_tensor(resized(images, shape))


def _room(images: torch.Tensor, size: int | tuple[int, int]) -> tuple[int, int]:
    """Return how many pixels a crop can be moved down and to the right."""
    height, width = (size, size) if isinstance(size, int) else size
    down, across = images.shape[2] - height, images.shape[3] - width
    if min(height, width) < 1 or min(down, across) < 0:
        allowed = f"1×1 to {images.shape[2]}×{images.shape[3]}"
        raise DataError(f"crops of {height}×{width} pixels were asked for; the images allow {allowed}")
    return down, across


def _cut(images: torch.Tensor, room: tuple[int, int], top: torch.Tensor, left: torch.Tensor) -> torch.Tensor:
    """Return the crop of each image i that begins at (top[i], left[i])."""
    import torch

    height, width = images.shape[2] - room[0], images.shape[3] - room[1]
    # A view of every window of every image; the index copies one of each.
    windows = images.unfold(2, height, 1).unfold(3, width, 1)
    return windows[torch.arange(len(images), device=images.device), :, top, left].contiguous()
