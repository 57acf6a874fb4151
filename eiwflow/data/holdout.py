"""A validation part, for decisions that must not look at the test part."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import numpy as np

from .images import Factor, ImageData, check_parts
from .split import tenth_by_hash, tenth_by_number

HELD_OUT_SHARE = 0.15


def hold_out(data: ImageData) -> ImageData:
    """Return the data with its test part replaced by images held out from the train part.

    Where the source photographs are known, whole photographs are held out, so that no content is on both sides: in the
    order of a hash of their names, until 15 % of the images are held out, and never more than half. Otherwise a hash of
    each image's bytes chooses about a tenth.

    Raises DataError if fewer than 8 images are left to train on, or if no image is held out.
    """
    if data.train_source is not None and len(np.unique(data.train_source)) > 1:
        held_out = np.isin(data.train_source, _chosen_sources(data.train_source, data.source_names))
        remark = "validation: whole source photographs of the train part stand in for the test part"
    elif not isinstance(data.train, np.ndarray):
        held_out = tenth_by_number(len(data.train), salt=1)
        remark = "validation: images of the train part, chosen by their numbers, stand in for the test part"
    else:
        # A data set of one array has chosen its test part by unsalted hashes, so these are salted.
        held_out = tenth_by_hash(b"validation" + image.tobytes() for image in data.train)
        remark = "validation: a tenth of the train part stands in for the test part"
    source, train = data.train_source, data.train
    return check_parts(
        replace(
            data,
            train=train[~held_out] if isinstance(train, np.ndarray) else train.select(~held_out),
            test=train[held_out] if isinstance(train, np.ndarray) else train.select(held_out)[:],
            train_source=None if source is None else source[~held_out],
            test_source=None if source is None else source[held_out],
            note=data.note_with(remark),
            factors={
                name: Factor(factor.train[~held_out], factor.train[held_out]) for name, factor in data.factors.items()
            },
        )
    )


def _chosen_sources(train_source: np.ndarray, names: tuple[str, ...]) -> list[int]:
    """Return the sources to hold out; if there are two or more sources, some source has at most half of the images."""
    sources, counts = (array.tolist() for array in np.unique(train_source, return_counts=True))
    by_hash = sorted(
        zip(sources, counts, strict=True),
        key=lambda pair: sha256(names[pair[0]].encode(errors="surrogatepass")).digest(),
    )
    chosen: list[int] = []
    held_out = 0
    for source, count in by_hash:
        if held_out < HELD_OUT_SHARE * len(train_source) and held_out + count <= len(train_source) / 2:
            chosen.append(source)
            held_out += count
    return chosen
