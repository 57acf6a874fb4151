"""A visit to a page: its choices in the side bar, and the names of its exported files."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ...checkpoint import Checkpoint
from ...data.camera import floor_bits_per_dim
from . import checkpoints, data_sets


@dataclass(frozen=True, eq=False)
class Visit:
    """The choices of every page, with or without a checkpoint.

    Attributes:
        label: the page's name in the side bar.
        links: the URL's parameters for links to other pages.
        for_print: whether figures are drawn in light colours, for SVG.

    """

    label: str
    links: dict[str, str]
    for_print: bool

    def file_name(self, what: str, suffix: str) -> str:
        """Return the name of an exported file."""
        return f"eiwflow-{self.label.lower()}-{what}.{suffix}"

    def links_to(self, checkpoint: str) -> dict[str, str]:
        """Return the URL's parameters for links to another checkpoint, which may show a data set of its own."""
        return {key: text for key, text in self.links.items() if key != "data"} | {"ck": checkpoint}

    def key(self, what: str) -> str:
        """Return the key of an element, unique among columns."""
        return what


@dataclass(frozen=True, eq=False)
class Page(Visit):
    """The choices of the side bar.

    Attributes:
        file: of the checkpoint.
        checkpoint: the flow and its file's metadata.
        images: the data set in the flow's shape.
        image: uint8 (1, C, H, W), the chosen image.
        photo: the file of the visitor's photo, None for a test image.
        seed: of its dequantisation and of samples.
        level: the wanted level, from 1; a flow may have fewer.
        given_factor: the factor that a flow with labels is conditional on; empty for other flows.
        given_label: its class.
        other: the same page of the compared checkpoint, or None.
        second: whether this is the second page.

    """

    file: checkpoints.CheckpointFile
    checkpoint: Checkpoint
    images: data_sets.Images
    image: Tensor
    photo: bytes | None
    seed: int
    level: int
    given_factor: str = ""
    given_label: str = ""
    other: Page | None = None
    second: bool = False

    @property
    def views(self) -> tuple[Page, ...]:
        """The page, and the page that stands beside it."""
        return (self,) if self.other is None else (self, self.other)

    @property
    def number(self) -> int:
        """The number of the chosen test image."""
        return int(self.links["image"])

    def floor_bits_per_dim(self) -> float | None:
        """Return the bits/dim of the chosen image's grain; None for a photo, and where it is not known."""
        number = min(self.number, len(self.images.test) - 1)
        grain = self.images.factors.get("grain")
        if self.photo is not None or grain is None:
            return None
        return floor_bits_per_dim(grain[number : number + 1], self.checkpoint.info.config.bits)

    @property
    def images_by_command(self) -> tuple[str, str]:
        """The factor and the class of the images on which the command line measures the flow; empty for all."""
        return (self.given_factor, self.given_label) if self.given_factor in self.images.has else ("", "")

    def file_name(self, what: str, suffix: str) -> str:
        """Return the name of an exported file, with checkpoint and seed."""
        return super().file_name(f"{what}-{self.checkpoint.sha256[:8]}-seed{self.seed}", suffix)

    def key(self, what: str) -> str:
        """Return the key of an element: the compared checkpoint's elements have their own."""
        return f"{what}-second" if self.second else what
