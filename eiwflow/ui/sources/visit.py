"""A visit to a page: what the page was asked to show, and the names of what it saves."""

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
    """What every page knows, also one that looks at no checkpoint.

    Attributes:
        label: the page's name in the side bar.
        links: what links to other pages carry in their URL.
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
    """What the side bar has chosen.

    Attributes:
        file: of the checkpoint.
        checkpoint: the flow, and what its file says.
        images: the data set in the flow's shape.
        image: uint8 (1, C, H, W), the image looked at.
        photo: the file of one's own photo where that is looked at, None where it is a test image.
        seed: of its dequantisation and of samples.
        level: the level that is wanted, from 1; a flow may have fewer.
        other: the same page of the checkpoint that this one is compared with, or None.
        second: whether this is the other one.

    """

    file: checkpoints.CheckpointFile
    checkpoint: Checkpoint
    images: data_sets.Images
    image: Tensor
    photo: bytes | None
    seed: int
    level: int
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
