"""A visit to a page: its choices in the side bar, and the names of its exported files."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import checkpoints, data_sets

if TYPE_CHECKING:
    from torch import Tensor

    from ...checkpoint import Checkpoint


@dataclass(frozen=True, eq=False)
class Visit:
    """The choices of every page, also of a page without a checkpoint.

    Attributes:
        label: the page's name in the side bar.
        links: the URL's parameters that links to other pages carry.
        for_print: whether figures are drawn in light colours, to be saved as SVG.

    """

    label: str
    links: dict[str, str]
    for_print: bool

    def file_name(self, what: str, suffix: str) -> str:
        """Return the name of an exported file."""
        return f"eiwflow-{self.label.lower()}-{what}.{suffix}"

    def key(self, what: str) -> str:
        """Return the key of an element, apart from those of the same name in another column."""
        return what


@dataclass(frozen=True, eq=False)
class Page(Visit):
    """The choices of the side bar.

    Attributes:
        file: of the checkpoint.
        checkpoint: the flow and its file's metadata.
        images: the data set in the flow's shape.
        image: uint8 (1, C, H, W), the image looked at.
        photo: the file of the visitor's photo, None for a test image.
        seed: of its dequantisation and of samples.
        level: the level that is wanted, from 1; a flow may have fewer.
        given_label: the class that a flow with labels is shown for; empty for any other.
        other: the same page of the compared checkpoint, or None.
        second: whether this page stands second.

    """

    file: checkpoints.CheckpointFile
    checkpoint: Checkpoint
    images: data_sets.Images
    image: Tensor
    photo: bytes | None
    seed: int
    level: int
    given_label: str = ""
    other: Page | None = None
    second: bool = False

    def floor_bits_per_dim(self) -> float | None:
        """Return the bits/dim of the grain of the image looked at; None of a photo, and where grain is not known."""
        number = min(int(self.links["image"]), len(self.images.test) - 1)
        return None if self.photo is not None else self.images.floor_bits_per_dim(slice(number, number + 1))

    @property
    def argument(self) -> str:
        """The checkpoint's name on the command line, quoted for a shell."""
        return shlex.quote(self.file.argument)

    def file_name(self, what: str, suffix: str) -> str:
        """Return the name of an exported file: it says from which checkpoint and seed it is."""
        return super().file_name(f"{what}-{self.checkpoint.sha256[:8]}-seed{self.seed}", suffix)

    def key(self, what: str) -> str:
        """Return the key of an element: the compared checkpoint's elements have their own."""
        return f"{what}-second" if self.second else what
