"""Likelihood and other scores of a flow's own test images and of strange images.

The groups are the flow's own test images, the same images transformed, the test images of other data sets, and
pictures from a folder. Every group is scored under the same dequantisation noise.

References:
    Nalisnick et al., Do Deep Generative Models Know What They Don't Know?, 2019, arXiv:1810.09136.
    Nalisnick et al., Detecting Out-of-Distribution Inputs Using Typicality, 2019, arXiv:1906.02994.
    Serrà et al., Input Complexity and Out-of-Distribution Detection, 2020, arXiv:1909.11480.
    Kirichenko et al., Why Normalizing Flows Fail to Detect Out-of-Distribution Data, 2020, arXiv:2006.08545.

"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch

from ..data import (
    DATASETS,
    DataError,
    ImageData,
    chosen_places,
    fits,
    fitted,
    from_picture,
    load,
    load_test,
    picture_file,
    to_tensor,
)
from ..data.folder import in_test_part, pictures_in
from ..data.images import pad_to_multiple
from ..data.registry import bundled
from ..flow import MultiScaleFlow, NonFiniteError
from ..flow.split import standard_normal_log_prob
from . import intervals, progress
from .intervals import Estimate
from .levels import to_pixels, traces

#: Images scored of each group by default, spread evenly over it.
IMAGES = 256
RESAMPLES = 1000
#: Bars of a histogram.
BARS = 40
OWN = "own test images"
#: The tiles of an image by row and column.
GRID = tuple(itertools.product(range(4), range(4)))
#: Bits per value of raw bytes.
RAW = 8.0
#: Scores that every flow has; a flow of L levels has "noise norm 1" … "noise norm L" as well.
BITS, TYPICALITY, PNG, WEBP = "bits/dim", "typicality", "minus PNG", "minus WebP"


@dataclass(frozen=True, eq=False)
class Group:
    """Images to score.

    Attributes:
        name: of the group, for a reader.
        kind: "own", "transformed", "data set" or "folder".
        images: uint8 (N, H, W, C) of the flow's shape.
        sources: (N,) the photograph of each image, where that is known; for a transformed image that of its original.
        made: how the images were made, in one clause.
        of_own: (N,) for a transformed image, the place of its original among the own images; else None.

    """

    name: str
    kind: str
    images: np.ndarray
    sources: np.ndarray | None
    made: str
    of_own: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class GroupScores:
    """A flow's scores of a group.

    Attributes:
        group: the images.
        scores: score -> (N,); bits/dim and its differences in bits/dim, norms of noise in √d.
        codecs: codec -> (N,) bits/dim of each image's file, header included.
        levels: (N, L) bits/dim of each level: −(log-det + log N(ε; 0, I)) / (D log 2). Their sum is bits/dim − 8.
        auroc: score -> how often an image of the group scores higher than an own image, with its interval.
        level_auroc: (L,) the AUROC of each column of ``levels``.
        level_difference: (L,) mean of each column of ``levels`` minus that of the own images, with its interval.

    """

    group: Group
    scores: dict[str, np.ndarray]
    codecs: dict[str, np.ndarray]
    levels: np.ndarray
    auroc: dict[str, Estimate]
    level_auroc: tuple[Estimate, ...]
    level_difference: tuple[Estimate, ...]

    @property
    def bits_per_dim(self) -> float:
        """Mean over the group's images."""
        return float(self.scores[BITS].mean())


@dataclass(frozen=True, eq=False)
class Likelihood:
    """Scores of all groups, side by side.

    Attributes:
        data: the data set of the own images.
        photographs: number that the bootstrap draws the own images from; 0 where it draws images.
        own: scores of the own test images, without AUROCs.
        groups: scores of all other groups.
        seed: of the dequantisation, of shuffled tiles and of noise.

    """

    data: str
    photographs: int
    own: GroupScores
    groups: tuple[GroupScores, ...]
    seed: int

    @property
    def likelier(self) -> tuple[GroupScores, ...]:
        """The groups that the flow finds likelier than the own images, the likeliest first."""
        below = [scored for scored in self.groups if differs(scored.auroc[BITS]) and scored.auroc[BITS].value < 0.5]
        return tuple(sorted(below, key=lambda scored: scored.bits_per_dim))

    def told_apart(self, score: str) -> int:
        """Count the groups that a score finds stranger than the own images: AUROC above ½ by more than its error."""
        return sum(differs(scored.auroc[score]) and scored.auroc[score].value > 0.5 for scored in self.groups)

    @cached_property
    def edges(self) -> np.ndarray:
        """Edges of the histograms' bars, (BARS + 1,) bits/dim, which hold the middle 99 % of every group.

        A group most of whose images cost more than raw bytes lies beyond them.
        """
        inside = (self.own, *(scored for scored in self.groups if not np.median(scored.scores[BITS]) > RAW))
        ends = np.array([np.percentile(scored.scores[BITS], [0.5, 99.5]) for scored in inside])
        low, high = ends[:, 0].min(), ends[:, 1].max()
        return np.linspace(low, max(high, low + 0.1), BARS + 1)

    def histogram(self, scored: GroupScores) -> np.ndarray:
        """Return the share (BARS,) of a group's images in every bar; the outer bars also count the images beyond."""
        inside = scored.scores[BITS].clip(self.edges[0], self.edges[-1])
        return np.histogram(inside, self.edges)[0] / len(inside)

    def auroc_table(self) -> list[dict[str, Any]]:
        """Return a row for every group and score."""
        return [
            {"group": scored.group.name, "score": name, **_interval(estimate)}
            for scored in self.groups
            for name, estimate in scored.auroc.items()
        ]

    def group_table(self) -> list[dict[str, Any]]:
        """Return a row for every group, the own images first: means over images."""
        return [
            {
                "group": scored.group.name,
                "kind": scored.group.kind,
                "images": len(scored.group.images),
                "photographs": intervals.photographs(scored.group.sources),
                "made": scored.group.made,
                "bits_per_dim": scored.bits_per_dim,
                **{f"{codec}_bits_per_dim": float(bits.mean()) for codec, bits in scored.codecs.items()},
                **{name: float(values.mean()) for name, values in scored.scores.items() if name != BITS},
            }
            for scored in (self.own, *self.groups)
        ]

    def level_table(self) -> list[dict[str, Any]]:
        """Return a row for every level of every group but the own images."""
        return [
            {
                "group": scored.group.name,
                "level": level,
                "difference_bits_per_dim": difference.value,
                "difference_error": difference.error,
                **_interval(auroc),
            }
            for scored in self.groups
            for level, (difference, auroc) in enumerate(
                zip(scored.level_difference, scored.level_auroc, strict=True), start=1
            )
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return all numbers as values for JSON."""
        return {
            "data_set": self.data,
            "images_per_group": IMAGES,
            "photographs": self.photographs,
            "groups": self.group_table(),
            "auroc": self.auroc_table(),
            "levels": self.level_table(),
            "histogram_edges": self.edges.tolist(),
            "histograms": {scored.group.name: self.histogram(scored).tolist() for scored in (self.own, *self.groups)},
        }


def differs(estimate: Estimate) -> bool:
    """Return whether an AUROC's interval excludes ½."""
    return abs(estimate.value - 0.5) > estimate.error


def _interval(auroc: Estimate) -> dict[str, Any]:
    low, high = np.clip([auroc.value - auroc.error, auroc.value + auroc.error], 0, 1)
    return {"auroc": auroc.value, "low": float(low), "high": float(high), "differs": differs(auroc)}


# ---------------------------------------------------------------------- groups


def blurred(images: np.ndarray) -> np.ndarray:
    """Return uint8 images (N, H, W, C) blurred by a Gaussian whose σ is a twentieth of their height."""
    from scipy.ndimage import gaussian_filter

    sigma = images.shape[1] / 20
    soft = gaussian_filter(images.astype(np.float64), (0, sigma, sigma, 0), mode="nearest")
    return soft.round().clip(0, 255).astype(np.uint8)


def tiles_shuffled(images: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return images (N, H, W, C) with their 4×4 tiles in a random order of each image.

    Rows and columns beyond the last multiple of 4 stay.
    """
    down, across = (side // 4 for side in images.shape[1:3])
    places = [np.s_[down * row : down * (row + 1), across * column : across * (column + 1)] for row, column in GRID]
    random, changed = np.random.default_rng(seed), images.copy()
    for before, after in zip(images, changed, strict=True):
        for place, other in enumerate(random.permutation(len(places))):
            after[places[place]] = before[places[other]]
    return changed


def transformed(own: Group, seed: int = 0) -> list[Group]:
    """Return the own images transformed in five ways."""
    images, sigma = own.images, own.images.shape[1] / 20
    means = images.mean(axis=(1, 2, 3), keepdims=True).round().astype(np.uint8)
    made = {
        "blurred": (blurred(images), f"own images under a Gaussian blur of σ = {sigma:.3g} pixels"),
        "flat grey": (np.broadcast_to(means, images.shape), "every value is the mean of an own image"),
        "upside down": (images[:, ::-1], "own images, first row last"),
        "tiles shuffled": (tiles_shuffled(images, seed), "own images cut into 4×4 tiles, which change places"),
    }
    noise = np.random.default_rng(seed).integers(0, 256, images.shape, dtype=np.uint8)
    return [
        *(
            Group(name, "transformed", np.ascontiguousarray(changed), own.sources, how, np.arange(len(images)))
            for name, (changed, how) in made.items()
        ),
        Group("uniform noise", "transformed", noise, None, "bytes drawn uniformly"),
    ]


def others(own_name: str, shape: tuple[int, int, int], multiple: int, most: int | None = None) -> list[Group]:
    """Return the test images of all other bundled data sets, in a flow's shape; ``multiple`` is 2**levels."""
    own = own_name.partition(", ")[0]  # of one class of it
    names = [name for name in bundled() if name != own]
    return [_fitted(_some(load_test(name), most)[0], shape, multiple) for name in names]


def also(path: str, shape: tuple[int, int, int], multiple: int, most: int | None = None) -> Group:
    """Return pictures of a folder, spread evenly over it or its test part, or the test images of a data set.

    A data set is one by name, or a file or folder of arrays or shards. All are made as a flow's own images are: of the
    shape (C, H, W), sides that are smaller padded to a multiple of ``multiple``, 2**levels.
    """
    folder = Path(path).expanduser()
    if path in DATASETS or not folder.is_dir() or next(pictures_in(folder), None) is None:
        some, places = _some(load(path, size=shape[1:]), most)
        group = _fitted(some, shape, multiple, places)
        return replace(group, made=f"{group.made}; {some.note}") if some.note else group
    folder = folder.resolve()
    names = in_test_part(folder)
    places = chosen_places(len(names), most or IMAGES)
    return pictures(folder.name or str(folder), [folder / names[place] for place in places], shape)


def pictures(name: str, files: Sequence[Path | BinaryIO], shape: tuple[int, int, int]) -> Group:
    """Return a visitor's pictures as a group, made as those of a folder are for a flow of the shape (C, H, W)."""
    images = np.stack([from_picture(file, shape) for file in files])
    return Group(name, "folder", images, None, f"pictures, centre-cropped and resized to {shape[1]}×{shape[2]}")


def _some(data_set: ImageData, most: int | None) -> tuple[ImageData, np.ndarray]:
    """Return a data set with some of its test images alone, and their numbers in it."""
    places = chosen_places(len(data_set.test), most or IMAGES)
    sources = None if data_set.test_source is None else np.asarray(data_set.test_source)[places]
    return replace(data_set, train=data_set.test[:0], test=data_set.test[places], test_source=sources), places


def _fitted(
    data_set: ImageData, shape: tuple[int, int, int], multiple: int, numbers: np.ndarray | None = None
) -> Group:
    """Return all test images in a flow's shape: padded as :func:`~eiwflow.data.load` does, then cut or resized."""
    padded = pad_to_multiple(data_set, multiple, shape[1:])
    how = f"test images, {_how_fitted(data_set, padded, shape)}"
    images = to_pixels(fitted(padded.test, shape, numbers))
    return Group(padded.name, "data set", images, padded.test_source, how)


def _how_fitted(data_set: ImageData, padded: ImageData, shape: tuple[int, int, int]) -> str:
    """Return in a clause how test images, padded and :func:`~eiwflow.data.fitted`, come to the shape (C, H, W)."""
    before, after, asked = ("×".join(map(str, size)) for size in (data_set.size, padded.size, shape[1:]))
    steps = [
        f"zero-padded to {after}" if after != before else "",
        f"{'cut' if fits(padded.test, shape) else 'resized'} to {asked}" if asked != after else "",
        f"made {'grey' if shape[0] == 1 else 'RGB'}" if padded.test.shape[3] != shape[0] else "",
    ]
    if not (how := " and ".join(filter(None, steps))):
        return data_set.made or "as they are"
    return f"{data_set.made} and {how}" if data_set.made else f"{before} {how}"


# ---------------------------------------------------------------------- scores


def codec_bits_per_dim(images: np.ndarray, codec: str) -> np.ndarray:
    """Return bits/dim (N,) of uint8 images (N, H, W, C) in files of a lossless codec, "PNG" or "WebP", header included.

    A WebP file is always in colour, so larger than necessary for grey images.
    """
    settings: dict[str, Any] = {"PNG": {"optimize": True}, "WebP": {"lossless": True}}[codec]
    sizes = [len(picture_file(pixels, codec.upper(), **settings)) for pixels in images]
    return 8 * np.array(sizes, dtype=np.float64) / images[0].size


def measure(flow: MultiScaleFlow, group: Group, typical: float | None = None, seed: int = 0) -> GroupScores:
    """Return the scores of a group, without AUROCs.

    Typicality is the distance from ``typical`` bits/dim, by default the group's own mean.
    """
    dimensions = flow.config.dimensions
    levels, norms = [], []
    try:
        for trace in traces(flow, to_tensor(group.images), seed):
            log_probs = [level.log_det.double() + standard_normal_log_prob(level.noise) for level in trace.levels]
            levels.append(-torch.stack(log_probs, dim=1) / (dimensions * math.log(2)))
            lengths = [level.noise.flatten(1).double().square().mean(dim=1).sqrt() for level in trace.levels]
            norms.append(torch.stack(lengths, dim=1))
    except NonFiniteError as error:
        raise NonFiniteError(f"{group.name}: {error}") from None
    of_levels = torch.cat(levels).numpy()
    bits = flow.config.bits + of_levels.sum(axis=1)
    seen = group.images & (256 - 2 ** (8 - flow.config.bits))  # the grey levels that the flow tells apart
    codecs = {codec: codec_bits_per_dim(seen, codec) for codec in ("PNG", "WebP")}
    scores = {
        BITS: bits,
        TYPICALITY: np.abs(bits - (bits.mean() if typical is None else typical)),
        PNG: bits - codecs["PNG"],
        WEBP: bits - codecs["WebP"],
        **{f"noise norm {level}": norm for level, norm in enumerate(torch.cat(norms).numpy().T, start=1)},
    }
    return GroupScores(group, scores, codecs, of_levels, {}, (), ())


def compare(own: GroupScores, other: GroupScores, seed: int = 0) -> GroupScores:
    """Return the group's scores with their AUROCs against the own images.

    Draws take the own images by photograph, together with their transformed images. The images of another group are
    drawn independently, by photograph where it has any. Intervals are widened by the smaller number that is drawn from:
    see :func:`.intervals.widened`.
    """
    count, theirs = len(own.group.images), len(other.group.images)
    drawn_own = intervals.draws(count, own.group.sources, RESAMPLES, seed)
    if other.group.of_own is None:
        drawn = intervals.draws(theirs, other.group.sources, RESAMPLES, seed + 1)
    else:
        drawn = drawn_own[:, other.group.of_own]
    # The photographs or images that the bootstrap draws from.
    fewer = min(intervals.photographs(each.group.sources) or len(each.group.images) for each in (own, other))

    def auroc(ours: np.ndarray, theirs: np.ndarray) -> Estimate:
        estimate = intervals.auroc(ours, theirs, drawn_own, drawn)
        return intervals.widened(estimate, min(len(ours), len(theirs)), fewer, paired=other.group.of_own is not None)

    moved = intervals.means(drawn, other.levels) - intervals.means(drawn_own, own.levels)
    difference = other.levels.mean(axis=0) - own.levels.mean(axis=0)
    return replace(
        other,
        auroc={name: auroc(own.scores[name], values) for name, values in other.scores.items()},
        level_auroc=tuple(map(auroc, own.levels.T, other.levels.T)),
        level_difference=tuple(
            intervals.by_t(intervals.estimate(value, draws), fewer)
            for value, draws in zip(difference, moved.T, strict=True)
        ),
    )


def beside(flow: MultiScaleFlow, result: Likelihood, groups: Iterable[Group]) -> Likelihood:
    """Return a result with additional groups, scored and compared in the same way."""
    own = result.own
    more = (compare(own, measure(flow, group, own.bits_per_dim, result.seed)) for group in groups)
    return replace(result, groups=(*result.groups, *more))


def groups(
    flow: MultiScaleFlow,
    data: str,
    test: torch.Tensor,
    sources: Sequence[int] | None = None,
    seed: int = 0,
    most: int | None = None,
) -> list[Group]:
    """Return the own images and all strange ones, unscored; arguments and errors as of :func:`likelihood`."""
    if len(test) < 2:
        raise DataError(f"{len(test)} test image cannot be compared with anything; at least 2 are needed")
    places = chosen_places(len(test), most or IMAGES)
    known = None if sources is None else np.asarray(sources)[places]
    own_group = Group(OWN, "own", to_pixels(test[places]), known, f"test images of {data}")
    return [
        own_group, *transformed(own_group, seed), *others(data, flow.config.shape, 2**flow.config.levels, most)
    ]  # fmt: skip


def likelihood(
    flow: MultiScaleFlow,
    data: str,
    test: torch.Tensor,
    sources: Sequence[int] | None = None,
    extra: Iterable[str] = (),
    seed: int = 0,
    most: int | None = None,
) -> Likelihood:
    """Score a flow's own test images and strange ones.

    Args:
        flow: an initialised flow.
        data: name of the data set of ``test``, which is left out of the other data sets.
        test: uint8 (N, C, H, W), the own images, N ≥ 2. Typicality is the distance from their mean bits/dim.
        sources: (N,) the photograph of each test image, where that is known.
        extra: folders, data sets or ``.npz`` files to score too. A second group of a name is called by its path.
        seed: of the dequantisation, of shuffled tiles and of noise.
        most: images scored of each group at most; by default :data:`IMAGES`.

    """
    shape, multiple = flow.config.shape, 2**flow.config.levels
    own_group, *every = groups(flow, data, test, sources, seed, most)
    known = own_group.sources
    for path in dict.fromkeys(extra):
        group, taken = also(path, shape, multiple, most), {group.name for group in every}
        every.append(replace(group, name=path if group.name in taken else group.name))
    progress.expect(sum(len(group.images) for group in (own_group, *every)))
    own = measure(flow, own_group, seed=seed)
    alone = Likelihood(data=data, photographs=intervals.photographs(known), own=own, groups=(), seed=seed)
    return beside(flow, alone, every)
