"""Images that are read from their source when they are indexed."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

Border = tuple[tuple[int, int], tuple[int, int], tuple[int, int], tuple[int, int]]


class Source(Protocol):
    """Where images come from: ``shape`` is (N, H, W, C)."""

    shape: tuple[int, int, int, int]

    def read(self, numbers: np.ndarray, among: np.ndarray | None = None) -> np.ndarray:
        """Return the images of these numbers (n,) as (n, H, W, C) uint8.

        Images that cannot be read may be replaced by others of the numbers ``among`` (m,), or of all.
        """


class OnDisk:
    """Images (N, H, W, C) uint8 that are read when they are indexed, by a slice or by numbers.

    No image of ``source`` beyond these numbers stands in for an unreadable one.

    Arguments:
        source: reads them.
        numbers: of the images of ``source``, in order; all by default.
        border: black pixels around each image, as for ``np.pad``.

    """

    dtype, ndim = np.dtype(np.uint8), 4

    def __init__(self, source: Source, numbers: np.ndarray | None = None, border: Border | None = None) -> None:
        self._source, self._numbers, self._border = source, numbers, border

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(N, H, W, C)."""
        _, height, width, channels = self._source.shape
        if self._border is not None:
            height, width = height + sum(self._border[1]), width + sum(self._border[2])
        return len(self), height, width, channels

    def __len__(self) -> int:
        return self._source.shape[0] if self._numbers is None else len(self._numbers)

    def __getitem__(self, index: Any) -> np.ndarray:  # noqa: ANN401 (a slice, numbers or a mask)
        images = self._source.read(self._chosen(index), self._numbers)
        return images if self._border is None else np.pad(images, self._border)

    def _chosen(self, index: Any) -> np.ndarray:  # noqa: ANN401 (see above)
        if isinstance(index, slice):
            numbers = np.arange(*index.indices(len(self)))
        else:
            numbers = np.asarray(index)
            numbers = np.flatnonzero(numbers) if numbers.dtype == bool else numbers
        return numbers if self._numbers is None else self._numbers[numbers]

    def select(self, index: Any) -> OnDisk:  # noqa: ANN401 (see above)
        """Return some of the images, without reading them."""
        return OnDisk(self._source, self._chosen(index).astype(np.uint32), self._border)

    def padded(self, border: Border) -> OnDisk:
        """Return the images with a black border."""
        return OnDisk(self._source, self._numbers, border)
