"""Labels: a factor of a data set, such as the letter or the hat, whose classes a flow can be conditional on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..files import listed
from .images import DataError, Factor, ImageData

#: Most classes that a flow can be conditional on.
MAX_CLASSES = 1024
#: Letters of a class' name, and names that a sentence lists.
MAX_NAME, SHOWN = 60, 30
#: What a label in a file may be, in words.
LABEL = f"whole number or text of at most {MAX_NAME} letters"
#: The name of the class whose value is an empty text: no hat, no glasses.
NONE = "none"


class Labels(NamedTuple):
    """The class of every image, as its number.

    Attributes:
        classes: their names (K,).
        train: (N,) int64, from 0 to K − 1.
        test: (M,) likewise.

    """

    classes: tuple[str, ...]
    train: np.ndarray
    test: np.ndarray


def labels_of(images: ImageData, factor: str, classes: Sequence[str] | None = None) -> Labels:
    """Return the classes of a factor, and the class of every image.

    Classes are the factor's values in the train part, in the order of numbers or of the alphabet; a data set whose
    values are numbers may know their names. An empty text is the class "none".

    Args:
        images: a data set.
        factor: name of a factor that has a text, a whole number or a truth value for every image.
        classes: names of the classes, if a checkpoint states them. If none of the data's whole numbers is such a
            name, the number k stands for the class classes[k], unless the data know their classes' names.

    """
    factors = class_factors(images)
    if factor not in factors:
        kind = "has real numbers in" if factor in images.factors else "has no factor"
        has = f"choose one of {', '.join(factors)}" if factors else images.no_labels or "it has no labels at all"
        raise DataError(f"{images.name} {kind} {factor[:40]!r}; {has}")
    images = images if classes is None else _by_number(images, factor, classes)
    names = [_names(images, factor, values) for values in images.factors[factor]]
    order = np.unique(images.factors[factor].train)
    own = tuple(_names(images, factor, order).tolist()) if classes is None else tuple(classes)
    if not 2 <= len(set(own)) == len(own) <= MAX_CLASSES:
        raise DataError(f"{factor} of {images.name} has {len(set(own))} classes; choose a factor of 2 to {MAX_CLASSES}")
    place = {name: number for number, name in enumerate(own)}
    train, test = (np.array([place.get(name, -1) for name in part.tolist()], dtype=np.int64) for part in names)
    for part, numbers, values in (("train", train, names[0]), ("test", test, names[1])):
        if (numbers < 0).any():
            other = str(values[numbers < 0][0])[:40]
            raise DataError(f"{factor} of a {part} image of {images.name} is {other!r}, which is {none_of(own)}")
    return Labels(own, train, test)


def is_label(dtype: np.dtype) -> bool:
    """Return whether an array of a file may hold labels: whole numbers, or names."""
    return dtype.kind in "iu" or (dtype.kind == "U" and dtype.itemsize <= 4 * MAX_NAME)


def none_of(classes: Sequence[str]) -> str:
    """Return ``none of the K classes …`` with the first names."""
    return f"none of the {len(classes)} classes {listed(classes, SHOWN)}"


def class_factors(images: ImageData) -> list[str]:
    """Return the names of the factors that have a text, a whole number or a truth value for every image."""
    return [
        name
        for name, factor in images.factors.items()
        if all(part.ndim == 1 and part.dtype.kind in "Uiub" for part in factor)
    ]


def _by_number(images: ImageData, factor: str, classes: Sequence[str]) -> ImageData:
    """Return images with a checkpoint's class names, if images or checkpoint have class numbers instead of names."""
    values, named = images.factors[factor].train, images.class_names.get(factor)
    if values.dtype.kind not in "iu":
        return images
    if named is None:
        # Of classes whose names are numbers, other numbers are other classes, not their places.
        numbered = all(map(_is_number, classes))
        unknown = not numbered and set(np.unique(values).astype(str).tolist()).isdisjoint(classes)
        if not unknown:
            return images
        _check_places(images, factor, classes)
        return replace(images, class_names={**images.class_names, factor: tuple(classes)})
    numbers_alone = tuple(classes) == tuple(map(str, range(len(named))))
    if numbers_alone and set(named).isdisjoint(classes) and not all(map(_is_number, named)):
        return replace(images, class_names={key: names for key, names in images.class_names.items() if key != factor})
    return images


def _check_places(images: ImageData, factor: str, classes: Sequence[str]) -> None:
    """Raise DataError where a number of either part is no place among classes: such numbers may count from 1."""
    parts = (part for part in images.factors[factor] if part.dtype.kind in "iu")
    numbers = sorted(number for part in parts for number in np.unique(part).tolist())
    if not set(numbers).issubset(range(len(classes))):
        raise DataError(
            f"{factor} of {images.name} is a number from {numbers[0]} to {numbers[-1]}, and the {len(classes)} classes "
            f"{listed(classes, SHOWN)} are the numbers 0 to {len(classes) - 1}; count from 0, or give names"
        )


def _is_number(name: str) -> bool:
    return name.removeprefix("-").isdecimal()


def _names(images: ImageData, factor: str, values: np.ndarray) -> np.ndarray:
    """Return the class names (N,) of values (N,)."""
    texts: list[str] = values.astype(str).tolist()
    if (named := images.class_names.get(factor)) is not None and values.dtype.kind in "iu":
        texts = [named[n] if 0 <= n < len(named) else str(n) for n in values.tolist()]
    # A folder's name may hold bytes that are not UTF-8.
    readable = (text.encode(errors="replace").decode()[:MAX_NAME] for text in texts)
    return np.array([text or NONE for text in readable])


def given_class(images: ImageData, factor: str, name: str, classes: Sequence[str] | None = None) -> ImageData:
    """Return the images that a flow given a class looks at: those of the class, or all of images without classes.

    The note of the latter says so, also of data by name whose factors are others, such as letters without a hat.

    Args:
        images: a data set.
        factor: name of the flow's factor.
        name: of the class.
        classes: as for :func:`only_class`.

    """
    if factor in images.factors or images.no_labels or "label" in class_factors(images):
        return only_class(images, factor, name, classes)
    remark = f"it has no {factor}, so each of its test images ({len(images.test):,}) counts as {factor} {name}"
    return replace(images, note=images.note_with(remark))


def only_class(images: ImageData, factor: str, name: str, classes: Sequence[str] | None = None) -> ImageData:
    """Return the images of one class of a factor alone, for a flow that is trained: one of each part is enough.

    Args:
        images: a data set.
        factor: name of a factor that has classes.
        name: of the class.
        classes: a checkpoint's names of classes, for data with numbers, as :func:`labels_of` has them. The images may
            have classes of other names beyond them.

    """
    images = images if classes is None or factor not in images.factors else _by_number(images, factor, classes)
    labels = labels_of(images, factor)
    if name not in labels.classes:
        raise DataError(
            f"{factor} is {name[:40]!r}; {images.name} has {none_of(labels.classes).replace('none of ', '')}"
        )
    place = labels.classes.index(name)
    train, test = labels.train == place, labels.test == place
    if not test.any():
        others = listed([labels.classes[number] for number in np.unique(labels.test)], SHOWN)
        raise DataError(
            f"{images.name} has no test image of {factor} {name}, only of {others}; choose another class, as "
            "--label does"
        )
    sources = (images.train_source, train), (images.test_source, test)
    of_train, of_test = (None if source is None else source[chosen] for source, chosen in sources)
    return replace(
        images,
        name=f"{images.name}, {factor} {name}",
        train=images.train[train] if isinstance(images.train, np.ndarray) else images.train.select(train),
        test=images.test[test],
        train_source=of_train,
        test_source=of_test,
        factors={key: Factor(each.train[train], each.test[test]) for key, each in images.factors.items()},
    )
