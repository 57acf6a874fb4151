"""Classes of a factor: their names and numbers, and factors that have none."""

from dataclasses import replace

import numpy as np
import pytest

from eiwflow.data import DataError, Factor, ImageData, given_class, labels_of, only_class
from eiwflow.data.images import pad_to_multiple


def images_with(**factors):
    pixels = np.arange(12 * 64, dtype=np.uint32).astype(np.uint8).reshape(12, 8, 8, 1)
    parts = {name: Factor(np.array(train), np.array(test)) for name, (train, test) in factors.items()}
    return ImageData("ours", pixels[:9], pixels[9:], factors=parts)


HATS = ["", "top", "", "cap", "cap", "top", "", "", ""]


def test_classes_are_the_values_of_the_train_part_in_order():
    hats = labels_of(images_with(hat=(HATS, ["top", "", "cap"])), "hat")
    assert hats.classes == ("none", "cap", "top")
    assert hats.train.tolist() == [0, 2, 0, 1, 1, 2, 0, 0, 0] and hats.test.tolist() == [2, 0, 1]
    numbers = labels_of(images_with(n=([10, 9, 2, 10, 2, 2, 2, 9, 9], [2, 2, 10])), "n")
    assert numbers.classes == ("2", "9", "10") and numbers.test.tolist() == [0, 0, 2]
    truths = labels_of(images_with(dark=([True, False] * 4 + [True], [True, True, False])), "dark")
    assert truths.classes == ("False", "True") and truths.test.tolist() == [1, 1, 0]


def test_names_of_numbers_are_the_data_sets_own():
    images = images_with(label=([0, 1, 2] * 3, [2, 1, 0]))
    named = ImageData(
        images.name, images.train, images.test, factors=images.factors, class_names={"label": ("b", "a", "c")}
    )
    assert labels_of(named, "label").classes == ("b", "a", "c")
    # Those of a checkpoint may stand in another order.
    assert labels_of(named, "label", ("a", "b", "c", "d")).test.tolist() == [2, 0, 1]


def test_numbers_stand_for_a_checkpoint_s_classes_where_one_of_the_two_has_no_names():
    numbers = images_with(label=([0, 1, 2] * 3, [2, 1, 0]))
    assert labels_of(numbers, "label", ("ring", "cross", "dot")).test.tolist() == [2, 1, 0]
    rings = only_class(images_with(label=([0] * 8 + [1], [1, 1, 0])), "label", "ring", ("ring", "dot"))
    assert (len(rings.train), len(rings.test)) == (8, 1)
    # Numbers that are names of classes stay what they are.
    assert labels_of(images_with(label=([1, 2, 3] * 3, [3, 2, 1])), "label", ("1", "2", "3")).test.tolist() == [2, 1, 0]
    named = replace(numbers, class_names={"label": ("plane", "car", "bird")})
    assert labels_of(named, "label", ("0", "1", "2")).test.tolist() == [2, 1, 0]


SIGNS = ("ring", "cross", "dot")


@pytest.mark.parametrize(
    ("train", "test", "least", "most"),
    [
        ([1, 2, 3] * 3, [3, 2, 1], 1, 3),
        ([0, 1, 2] * 3, [2, 1, 3], 0, 3),
        ([1, 2, 3] * 3, [1, 1, 2], 1, 3),
        ([-1, 0, 1] * 3, [0, 1, 2], -1, 2),
        (np.array([0, 1, 2] * 3, np.uint64), np.array([0, 1, 2**64 - 1], np.uint64), 0, 2**64 - 1),
    ],
    ids=["from 1", "test alone", "train alone", "negative", "huge"],
)
def test_numbers_that_are_no_places_of_a_checkpoint_s_classes_are_refused(train, test, least, most):
    images = images_with(label=(train, test))
    sentence = (
        f"label of ours is a number from {least} to {most}, and the 3 classes ring, cross, dot are the numbers 0 to 2; "
        "count from 0, or give names."
    )
    for take in (lambda: labels_of(images, "label", SIGNS), lambda: only_class(images, "label", "cross", SIGNS)):
        with pytest.raises(DataError) as refusal:
            take()
        assert str(refusal.value) == sentence


def test_images_of_one_class_keep_what_is_known_of_them():
    images = images_with(hat=(["", "top"] * 4 + ["top"], ["top", "", "top"]), size=([*range(9)], [1.0, 2.0, 3.0]))
    tops = only_class(
        images_with(hat=(["top"] * 8 + [""], ["top", "", "top"]), size=images.factors["size"]), "hat", "top"
    )
    assert tops.name == "ours, hat top"
    assert np.array_equal(tops.train, images.train[:8]) and np.array_equal(tops.test, images.test[[0, 2]])
    assert tops.factors["size"].test.tolist() == [1, 3] and tops.factors["size"].train.tolist() == [*range(8)]
    assert len(only_class(images, "hat", "none").train) == 4  # too few to train on, and enough to score a flow
    with pytest.raises(DataError, match="^ours has no test image of hat none, only of top; choose another class"):
        only_class(images_with(hat=(["", "top"] * 4 + ["top"], ["top"] * 3)), "hat", "none")


def test_a_flow_given_a_class_looks_at_all_of_images_without_classes():
    hats = images_with(hat=(HATS, ["top", "", "cap"]), grain=([1.0] * 9, [1.0] * 3))
    assert given_class(hats, "hat", "top").note == "" and len(given_class(hats, "hat", "top").test) == 1
    for images in (hats, replace(images_with(), note="padded"), images_with(label=([1.0] * 9, [1.0] * 3))):
        whole = given_class(images, "letter", "A")
        assert whole.test is images.test and whole.name == "ours"
        assert whole.note.endswith("it has no letter, so each of its test images (3) counts as letter A")
        assert whole.note.startswith(images.note)
    for images, said in (
        (replace(images_with(), no_labels="one lacks its own"), "ours has no factor 'letter'; one lacks its own"),
        (images_with(label=([0, 1, 2] * 3, [2, 1, 0])), "ours has no factor 'letter'; choose one of label"),
        (hats, "hat is 'cape'; ours has"),
    ):
        with pytest.raises(DataError, match=said):
            given_class(images, *(("hat", "cape") if images is hats else ("letter", "A")))


def test_padded_images_keep_their_classes_and_lose_their_numbers():
    padded = pad_to_multiple(images_with(hat=(HATS, ["", "", ""]), grain=([1.0] * 9, [1.0] * 3)), 16)
    assert padded.size == (16, 16) and [*padded.factors] == ["hat"]


REFUSALS = {
    "no such factor": ("letter", "ours has no factor 'letter'; choose one of hat, alone, unseen"),
    "real numbers": ("grain", "ours has real numbers in 'grain'; choose one of hat, alone, unseen"),
    "one class": ("alone", "alone of ours has 1 classes; choose a factor of 2 to 1024"),
    "a class of the test part alone": (
        "unseen", "unseen of a test image of ours is 'c', which is none of the 2 classes a, b"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("factor", "sentence"), REFUSALS.values(), ids=REFUSALS.keys())
def test_a_factor_without_classes_is_refused(factor, sentence):
    images = images_with(
        hat=(HATS, ["", "", ""]), grain=([1.0] * 9, [1.0] * 3), alone=(["a"] * 9, ["a"] * 3),
        unseen=(["a", "b", "b"] * 3, ["a", "b", "c"]),
    )  # fmt: skip
    with pytest.raises(DataError) as refusal:
        labels_of(images, factor)
    assert str(refusal.value) == f"{sentence}."
    with pytest.raises(DataError, match="it has no labels at all"):
        labels_of(images_with(), factor)
