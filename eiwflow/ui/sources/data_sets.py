"""The available data sets, in a flow's shape."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from torch import Tensor

from ... import data
from ...analysis import FEW_A_GROUP, REFERENCE_IMAGES
from ...analysis.words import numbers
from ...data.registry import bundled
from ...flow import FlowConfig
from . import checkpoints, store

#: Bytes of test images that are made to fit a flow, and the fewest of them: for a large flow all images took 220 MB.
MOST_BYTES, FEWEST_IMAGES = 48 * 2**20, 64


@dataclass(frozen=True, eq=False)
class Images:
    """A data set in a flow's shape: uint8 tensors (N, C, H, W).

    Attributes:
        name: the data set's.
        reference: a few training images.
        test: all test images.
        note: sentences on padding or resizing; empty for unchanged images.
        remade: whether they were resized and recoloured, which the command line does not do.
        sources: the photograph of each test image, where that is known.
        factors: known numbers of each test image (N,), by name: grain, its σ in grey levels, light, …
        cropped: whether they are parts of larger images.
        of: the factor and the class that all of them have, where a class was chosen; else empty.
        has: names of the factors that the data set has.
        whole: all test images, where ``test`` has the first alone.
        takes_first: as ``ImageData.takes_first``.
        stamp: what tells images apart that are alike in all else; empty where their name does.

    """

    name: str
    reference: Tensor
    test: Tensor
    note: str
    remade: bool
    sources: tuple[int, ...] | None = None
    factors: Mapping[str, np.ndarray] = field(default_factory=dict)
    cropped: bool = False
    of: tuple[str, str] = ("", "")
    has: frozenset[str] = frozenset()
    whole: Tensor | None = None
    takes_first: bool = False
    stamp: str = ""

    def picture(self, number: int) -> Tensor:
        """Return the test image of this number (1, C, H, W): of the same source image in every flow's shape."""
        return (self.test if self.whole is None else self.whole)[number : number + 1]

    @property
    def key(self) -> tuple[Hashable, ...]:
        """The identity of the images: name, shape, the note on padding or resizing, the class, and the stamp."""
        return self.name, tuple(self.test.shape), self.note, self.of, self.stamp


def images(name: str, shape: tuple[int, int, int], multiple: int, of: tuple[str, str] = ("", "")) -> Images:
    """Return a data set in the shape (C, H, W) of a flow.

    With ``of`` (factor, class) these are the images of the class alone, if the data set has the factor.

    Larger images are cropped, smaller images are resized; channels become grey or RGB.

    Raises:
        DataError: with one sentence.

    """
    key = name, shape, multiple, of
    return store.get("images", key, lambda: _images(*key), "Reading the images …")


def _images(name: str, shape: tuple[int, int, int], multiple: int, of: tuple[str, str]) -> Images:
    loaded = data.load(name, multiple=multiple, size=shape[1:], download=False)
    remarks, (factor, label) = [], of
    if factor in loaded.factors:
        loaded = data.only_class(loaded, factor, label)
        remarks.append(f"Only images whose {factor} is {label}.")
    elif factor:
        remarks.append(f"The flow is shown given {factor} {label}; {name} has no {factor}.")
    if loaded.note:
        remarks.insert(0, f"{name}: {loaded.note}.")
    fits = data.fits(loaded.test, shape)
    if not fits:
        size = "×".join(map(str, shape))
        remarks.append(f"This flow takes images of {size}: those of {name} were resized and recoloured.")
    most = len(loaded.test) if fits else max(FEWEST_IMAGES, MOST_BYTES // math.prod(shape))
    if most < len(loaded.test):
        remarks.append(f"Of the {len(loaded.test):,} test images the first {most} are here.")
    reference = loaded.train[data.chosen_places(len(loaded.train), REFERENCE_IMAGES, loaded.takes_first)]
    return Images(
        name,
        data.fitted(reference, shape),
        data.fitted(loaded.test[:most], shape),
        " ".join(remarks),
        remade=not fits,
        sources=loaded.sources and loaded.sources[:most],
        factors=loaded.measured if fits else {},
        cropped=fits and loaded.size != tuple(shape[1:]),
        of=of if factor in loaded.factors else ("", ""),
        has=frozenset(loaded.factors),
        takes_first=loaded.takes_first,
    )


def floor(
    name: str, validation: bool, multiple: int = 1, size: tuple[int, int] | None = None, bits: int = 8
) -> float | None:
    """Return the floor of bits/dim of a bundled set's test part, or of its held-out part; None where it is not known.

    Args:
        name: of the data set.
        validation: whether images held out from the train part replace the test part.
        multiple: as for :func:`eiwflow.data.load`; padded images have no floor.
        size: likewise.
        bits: of the flow's grey levels.

    """
    if name not in bundled():
        return None

    def lowest() -> float | None:
        loaded = data.load(name, multiple=multiple, size=size, download=False)
        return (data.hold_out(loaded) if validation else loaded).floor_bits_per_dim(bits=bits)

    return store.get("floor", (name, validation, multiple, size, bits), lowest, "Reading the images …")


def floor_in_words(name: str, validation: bool) -> str:
    """Return the floor as a sentence; empty where it is not known."""
    lowest = floor(name, validation)
    return "" if lowest is None else numbers.floor_in_words(lowest)


def few(images: Images, config: FlowConfig) -> Images:
    """Return the images, or for a large flow the first of them, with a note."""
    if not checkpoints.is_large(config) or len(images.test) <= checkpoints.FEW_IMAGES:
        return images
    count = checkpoints.FEW_IMAGES
    remark = (
        f"This flow is large. Averages are over the first {count} test images with seed 0, computed once. "
        f"Likelihood scores {FEW_A_GROUP} images a group, Latents draws once, and shows {checkpoints.FEW_FRAMES} "
        f"pictures on the way, {checkpoints.FEW_ALONE} where one level moves alone, and {checkpoints.FEW_SAMPLES} "
        "samples."
    )
    return replace(
        images,
        reference=images.reference[:count],
        test=images.test[:count],
        whole=images.test,
        note=f"{images.note} {remark}".lstrip(),
        sources=None if images.sources is None else images.sources[:count],
        factors={factor: values[:count] for factor, values in images.factors.items()},
    )
