"""Shards as WebDataset writes them."""

from __future__ import annotations

import gzip
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from eiwflow.data import DataError, load
from eiwflow.data.split import tenth_by_hash
from eiwflow.training.input import Batches, Input
from tests.training.tiny import tiny_recipe

from .samples import as_set, encoded, noise, write_shard

IMAGES = noise(60, 8, 8, 3)


def samples(images: np.ndarray, first: int = 0, labels: bool = True) -> dict[str, bytes]:
    """Return members of a shard: a picture a sample, and its label beside it, now before and now behind it."""
    members = {}
    for number, image in enumerate(images, start=first):
        pair = {f"part/{number:06}.png": encoded(image), f"part/{number:06}.cls": str(number % 7).encode()}
        names = list(pair)[:: 1 if number % 2 else -1] if labels else list(pair)[:1]
        members |= {name: pair[name] for name in names}
    return members


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three shards: two to train on, one to test on."""
    write_shard(tmp_path / "planes-train-0.tar", {"README": b"", **samples(IMAGES[:25])})
    write_shard(tmp_path / "planes-train-1.tar", samples(IMAGES[25:45], 25), format=tarfile.PAX_FORMAT)
    write_shard(tmp_path / "planes-val-0.tar", samples(IMAGES[45:], 45))
    return tmp_path


def test_shards_are_read_in_order_with_their_own_parts_and_labels(folder: Path) -> None:
    shards = load(folder, size=8)
    assert (shards.train[:] == IMAGES[:45]).all() and (shards.test == IMAGES[45:]).all()
    assert "no parts" not in shards.note
    numbers = np.arange(60) % 7
    assert [part.tolist() for part in shards.factors["label"]] == [numbers[:45].tolist(), numbers[45:].tolist()]
    assert (shards.train[np.array([44, 3, 25])] == IMAGES[[44, 3, 25]]).all()


def test_a_shard_of_which_one_picture_has_no_label_has_none(tmp_path: Path) -> None:
    members = samples(IMAGES[:40])
    del members["part/000007.cls"]
    shards = load(write_shard(tmp_path / "m.tar", members), size=8)
    assert not shards.factors and "1 of 40" in shards.no_labels


def test_shards_without_parts_are_divided_by_the_names_of_their_pictures(tmp_path: Path) -> None:
    shard = write_shard(tmp_path / "m.tar", samples(IMAGES[:40], labels=False))
    once, again = load(shard, size=8), load(str(tmp_path), size=8)
    assert as_set(once.train[:]) | as_set(once.test) == as_set(IMAGES[:40]) and 1 <= len(once.test) <= 12
    assert as_set(once.train[:]).isdisjoint(as_set(once.test)) and (again.test == once.test).all()
    assert not once.factors
    words = f"; no parts of its own, so the test part is {len(once.test)} of the 40 pictures, chosen by a hash"
    assert once.note.endswith(words) and again.note == once.note
    # A shard that comes first moves no image into the other part.
    write_shard(tmp_path / "a.tar", samples(IMAGES[40:], 40, labels=False))
    more = load(tmp_path, size=8)
    assert as_set(once.test) <= as_set(more.test) and as_set(once.train[:]) <= as_set(more.train[:])
    assert len(more.train) + len(more.test) == 60


def test_the_test_part_of_very_many_pictures_comes_from_all_of_them() -> None:
    keys = [str(number).encode() for number in range(20_000)]
    small, large = tenth_by_hash(keys[10_000:], 1000), tenth_by_hash(keys, 1000)
    assert 900 < small.sum() < 1100 and 900 < large.sum() < 1100
    assert 400 < large[10_000:].sum() < 600 and (small | ~large[10_000:]).all()


@pytest.mark.parametrize("folder", ["training_data", "train-val", "test_bench", "validation/train"])
def test_a_shard_s_own_name_says_its_part_before_its_folders_do(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir(parents=True)
    for part, images in (("train", IMAGES[:40]), ("val", IMAGES[40:])):
        write_shard(tmp_path / folder / f"{part}-0.tar", samples(images, labels=False))
    shards = load(tmp_path, size=8)
    assert (len(shards.train), len(shards.test)) == (40, len(IMAGES) - 40)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_batches_from_shards_are_those_from_memory(folder: Path, workers: int) -> None:
    recipe = tiny_recipe(iterations=20)
    whole = Batches(IMAGES[:45], recipe)
    images = load(folder, size=8).train
    inputs = [Input(Batches(images, recipe, (rank, 2)), torch.device("cpu"), workers) for rank in (0, 1)]
    for step in (0, 1, 5, 6, 12):
        assert torch.equal(torch.cat([each.batch(step) for each in inputs]), whole.of_step(step, 8))
    for each in inputs:
        each.close()


def test_a_picture_that_cannot_be_read_is_named_and_passed_over_unless_strict(folder: Path, capsys) -> None:
    members = samples(IMAGES[:25])
    members["part/000007.png"] = b"no picture"
    write_shard(folder / "planes-train-0.tar", members)
    shards = load(folder, size=8)
    assert (shards.train[7:8] == IMAGES[14]).all()  # the next one with the label 0
    assert "picture 'planes-train-0.tar/part/000007.png' cannot be read" in capsys.readouterr().err
    with pytest.raises(DataError, match=r"part/000007\.png"):
        load(folder, size=8, strict=True).train[7:8]
    members = samples(IMAGES[45:], 45)
    members["part/000050.png"] = b"no picture"
    write_shard(folder / "planes-val-0.tar", members)
    shards = load(folder, size=8)
    assert len(shards.test) == 14 and len(shards.factors["label"].test) == 14
    assert "1 left out: picture 'planes-val-0.tar/part/000050.png'" in shards.note


def test_a_shard_that_is_cut_short_later_stops_the_training_in_a_sentence(folder: Path) -> None:
    shards = load(folder, size=8)
    os.truncate(folder / "planes-train-1.tar", 5000)
    with pytest.raises(DataError, match=r"'planes-train-1\.tar' ends before byte [\d,]+: it was cut short"):
        shards.train[44:45]


def test_of_two_names_of_shards_both_say_a_part_or_none_does(tmp_path: Path) -> None:
    for number in range(4):
        write_shard(tmp_path / f"{'train' if number % 2 else 'query'}-{number:03}.tar", samples(IMAGES[:20]))
    with pytest.raises(DataError, match="query"):
        load(tmp_path, size=8)
    write_shard(tmp_path / "gallery.tar", samples(IMAGES[40:], 40))
    assert "no parts of its own" in load(tmp_path, size=8).note


@pytest.mark.parametrize(
    ("folders", "is_read"),
    [
        (("train", "test"), False),
        (("a/x/train", "a/x/dev", "b"), False),
        (("x/train", "x/query"), False),
        (("train", "query", "gallery"), True),
        (("trains", "attest"), True),
    ],
)
def test_folders_inside_a_shard_that_are_parts_are_refused(
    tmp_path: Path, folders: tuple[str, ...], is_read: bool
) -> None:
    members: dict[str, bytes] = {}
    for number, name in enumerate(folders):
        of_folder = samples(IMAGES[10 * number : 10 * number + 10], 10 * number)
        members |= {key.replace("part", name): content for key, content in of_folder.items()}
    path = write_shard(tmp_path / "p.tar", members)
    if is_read:
        assert len(load(path, size=8).train) > 8
    else:
        with pytest.raises(DataError, match=folders[1]):
            load(path, size=8)


def cut_between_files(path: Path) -> None:
    with tarfile.open(path) as shard:
        os.truncate(path, shard.getmembers()[30].offset)


def overwrite_a_header(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[2048 : 2048 + 512] = b"\xff" * 512
    path.write_bytes(content)


def back(path: Path) -> None:
    """Have an attribute, not a header, say that a file is of negative size."""
    whole = tarfile.TarInfo("a.txt")
    whole.pax_headers = {"size": "-2048"}
    path.write_bytes(path.read_bytes()[:1024] + whole.tobuf(tarfile.PAX_FORMAT) + bytes(1024))


BROKEN = {
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:5000]),
    "cut between two files": cut_between_files,
    "a damaged header": overwrite_a_header,
    "joined": lambda path: path.write_bytes(2 * path.read_bytes()),
    "backwards": back,
    "compressed": lambda path: path.write_bytes(gzip.compress(path.read_bytes())),
    "a word as label": lambda path: write_shard(path, {**samples(IMAGES), "part/000000.cls": b"dog"}),
}


@pytest.mark.parametrize("damage", BROKEN.values(), ids=BROKEN.keys())
def test_a_damaged_shard_is_refused_by_its_name(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    damage(write_shard(tmp_path / "a.tar", samples(IMAGES)))
    with pytest.raises(DataError, match=r"'a\.tar'"):
        load(tmp_path / "a.tar", size=8)
