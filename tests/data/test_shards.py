"""Shards as WebDataset writes them."""

from __future__ import annotations

import gzip
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

from eiwflow.data import DataError, labels_of, load
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


def test_the_test_part_of_very_many_pictures_comes_from_all_of_them_and_not_from_earlier_train_parts() -> None:
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


@pytest.mark.parametrize("name", ["dev-{}-0", "test-set-{}-0", "training_eval-{}-0", "val.{}.000"])
def test_of_several_words_in_a_shard_s_name_the_last_is_its_part(tmp_path: Path, name: str) -> None:
    for part, images in (("train", IMAGES[:40]), ("test", IMAGES[40:])):
        write_shard(tmp_path / f"{name.format(part)}.tar", samples(images, labels=False))
    shards = load(tmp_path, size=8)
    assert (shards.train[:] == IMAGES[:40]).all() and (shards.test == IMAGES[40:]).all()


def test_shards_of_a_third_part_are_left_out(tmp_path: Path) -> None:
    for part, images in (("train", IMAGES[:40]), ("val", IMAGES[40:50]), ("test", IMAGES[50:])):
        write_shard(tmp_path / f"planes-{part}-0.tar", samples(images, labels=False))
    shards = load(tmp_path, size=8)
    assert (shards.train[:] == IMAGES[:40]).all() and (shards.test == IMAGES[50:]).all()
    assert "; left out: 10 pictures beside train and test" in shards.note


@pytest.mark.parametrize("name", ["{}-{}.tar", "{}/{}.tar", "planes-{}2017-{}.tar"])
@pytest.mark.parametrize("said", ["train", "evaluation"])
def test_of_two_names_of_shards_both_say_a_part_or_none_does(tmp_path: Path, said: str, name: str) -> None:
    for number in range(4):
        path = tmp_path / name.format(said if number % 2 else "query", f"{number:03}")
        path.parent.mkdir(exist_ok=True)
        write_shard(path, samples(IMAGES[10 * number : 10 * number + 10], 10 * number))
    both = ", ".join(sorted(repr(name.replace("2017", "*").format(word, "*")) for word in (said, "query")))
    with pytest.raises(DataError) as caught:
        load(tmp_path, size=8)
    assert str(caught.value).startswith(f"it is not clear which shards are the parts, of {both}: name them train and")
    write_shard(tmp_path / "gallery.tar", samples(IMAGES[40:], 40))
    shards = load(tmp_path, size=8)
    assert len(shards.train) + len(shards.test) == 60 and "no parts of its own" in shards.note


def inside(first: int, *folders: str) -> dict[str, bytes]:
    """Return members of a shard: ten pictures in each of these folders."""
    members = {}
    for place, folder in enumerate(folders):
        of_folder = samples(IMAGES[first + 10 * place : first + 10 * place + 10], first + 10 * place)
        members |= {name.replace("part/", folder): content for name, content in of_folder.items()}
    return members


ADVICE = ": pack each part as a shard of its own, train.tar and test.tar, or unpack all and name the folder."
UNCLEAR = ": name them train and test, or, if they are classes, leave such words out of their names."
#: The folders inside each shard, and the sentence with which they are refused; empty where they are read.
INSIDE = {
    "both parts": ({"p.tar": ("train/", "test/")}, "'test', 'train' inside 'p.tar' say parts"),
    "of words": (
        {"p.tar": ("./images_val/a/", "./trainset/b/", "./c/")},
        "'images_val', 'trainset' inside 'p.tar' say",
    ),
    "deeper": ({"p.tar": ("/a/x/train/", "/a/x/dev/", "/b/")}, "'a/x/dev', 'a/x/train' inside 'p.tar' say parts"),
    "15 folders above": (
        {"p.tar": ("a/" * 15 + "train/", "a/" * 15 + "test/")},
        f"{'a/' * 15}train' inside 'p.tar' say",
    ),
    "16 folders above": ({"p.tar": ("a/" * 16 + "train/", "a/" * 16 + "test/")}, ""),
    "one in each": ({"p.tar": ("train/",), "q.tar": ("test/",)}, "'test', 'train' inside 'PLACE' say parts"),
    "one of two": (
        {"p.tar": ("x/train/", "x/query/")},
        "it is not clear which folders in 'p.tar' are the parts, of 'query'",
    ),
    "one of three": ({"p.tar": ("train/", "query/", "gallery/")}, ""),
    "one part": ({"p.tar": ("train/",)}, ""),
    "names of shards": ({"p.tar": ("p/",), "q.tar": ("0af3/",)}, ""),
    "no words": ({"p.tar": ("trains/", "attest/")}, ""),
    "as the shards": ({"s-train-0.tar": ("train/", "s-train-0/"), "s-val-0.tar": ("test/", "s-val-0/")}, ""),
    "swapped": (
        {"train.tar": ("train/",), "test.tar": ("a/train/",)},
        "'a/train' inside the shards of 'test' in 'PLACE' says",
    ),
    "swapped, of train": (
        {"train.tar": ("val/",), "test.tar": ("a/",)},
        "'val' inside the shards of 'train' in 'PLACE' says",
    ),
    "both in one": ({"train.tar": ("train/", "test/"), "test.tar": ("a/",)}, "'test' inside the shards of 'train' in"),
    "a class": ({"train.tar": ("test_bench/", "train_station/", "sea/"), "test.tar": ("train_station/", "sea/")}, ""),
    "left out": ({"train.tar": ("a/",), "test.tar": ("a/",), "more.tar": ("train/", "test/")}, ""),
}


@pytest.mark.parametrize(("folders", "sentence"), INSIDE.values(), ids=INSIDE.keys())
def test_folders_inside_shards_that_are_parts_are_refused_and_others_are_read(
    tmp_path: Path, folders: dict[str, tuple[str, ...]], sentence: str
) -> None:
    first = 0
    for name, within in folders.items():
        path = write_shard(tmp_path / name, inside(first, *within))
        first += 10 * len(within)
    source = path if len(folders) == 1 else tmp_path
    if not sentence:
        shards = load(source, size=8)
        kept = first - 20 * ("more.tar" in folders)
        assert len(shards.train) + len(shards.test) == kept and set(shards.factors) == {"label"}
        return
    with pytest.raises(DataError) as caught:
        load(source, size=8)
    said = str(caught.value)
    assert sentence.replace("PLACE", tmp_path.name) in said and said.endswith((ADVICE, UNCLEAR))


def test_folders_inside_shards_may_be_many_and_have_any_bytes_for_names(tmp_path: Path) -> None:
    """Each picture has a folder of its own, with a name that is no UTF-8, is long, or lies deep."""
    path = tmp_path / "many.tar"
    ends = [b"\xff\n0".decode("utf-8", "surrogateescape"), "x" * 3000, "/".join("y" * 2000)]
    members = {f"{number}/{ends[number % 3]}/a.png": encoded(IMAGES[number]) for number in range(60)}
    shards = load(write_shard(path, members), size=8)
    assert len(shards.train) + len(shards.test) == 60
    for part in ("train", "test"):
        members[f"{ends[0]}/{part}/a.png"] = encoded(IMAGES[0])
    with pytest.raises(DataError, match=r"^'\\udcff\\n0/test', '\\udcff\\n0/train' inside 'many\.tar' say parts"):
        load(write_shard(path, members), size=8)


def test_labels_of_some_pictures_are_no_labels(tmp_path: Path) -> None:
    members = samples(IMAGES)
    del members["part/000003.cls"]
    shards = load(write_shard(tmp_path / "some.tar", members), size=8)
    assert not shards.factors and "1 of 60 pictures have no .cls" in shards.note
    with pytest.raises(DataError, match=r"has no factor 'label'; 1 of 60 pictures have no \.cls"):
        labels_of(shards, "label")


def test_pictures_that_are_links_are_counted(tmp_path: Path) -> None:
    """``tar`` stores the second name of a file as a hard link, without its content."""
    path = write_shard(tmp_path / "links.tar", samples(IMAGES))
    with tarfile.open(path, "a") as shard:
        for number, (suffix, kind) in enumerate(
            [("png", tarfile.LNKTYPE), ("jpg", tarfile.SYMTYPE), ("cls", tarfile.LNKTYPE), ("png", tarfile.DIRTYPE)]
        ):
            member = tarfile.TarInfo(f"part/{100 + number}.{suffix}")
            member.type, member.linkname = kind, "part/000000.png"
            shard.addfile(member)
    shards = load(path, size=8)
    assert len(shards.train) + len(shards.test) == 60 and set(shards.factors) == {"label"}
    assert "; left out: 2 pictures stored as links or sparse files" in shards.note
    (member := tarfile.TarInfo("a.png")).type = tarfile.SYMTYPE
    with tarfile.open(path, "w") as shard:
        shard.addfile(member)
    with pytest.raises(DataError, match="holds 0 pictures; .*; left out: 1 picture stored as links or sparse files"):
        load(path, size=8)


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


def link_to_nothing(path: Path) -> None:
    path.unlink()
    path.symlink_to("gone.tar")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def overwrite_a_header(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[2048 : 2048 + 512] = b"\xff" * 512
    path.write_bytes(content)


def cut_between_files(path: Path) -> None:
    with tarfile.open(path) as shard:
        os.truncate(path, shard.getmembers()[30].offset)


def join(path: Path) -> None:
    path.write_bytes(2 * path.read_bytes())


def header(name: str, size: bytes, kind: bytes) -> bytes:
    """Return a header with any 12 bytes as its size."""
    block = bytearray(tarfile.TarInfo(name).tobuf(tarfile.USTAR_FORMAT))
    block[124:136], block[148:156], block[156:157] = size, b" " * 8, kind
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def negative(kind: bytes):
    """Write a header whose file ends where the header begins, which tarfile reads for ever."""
    return lambda path: path.write_bytes(path.read_bytes()[:1024] + header("a", b"\xff" * 10 + b"\xfe\0", kind))


def long_attributes(path: Path) -> None:
    """Write attributes of 2 GiB, which take no room on the disk."""
    path.write_bytes(header("a", b"%011o\0" % 2**31, b"x"))
    os.truncate(path, 2**32)


def back(path: Path) -> None:
    """Have an attribute, not a header, say that a file is of negative size."""
    whole = tarfile.TarInfo("a.txt")
    whole.pax_headers = {"size": "-2048"}
    path.write_bytes(path.read_bytes()[:1024] + whole.tobuf(tarfile.PAX_FORMAT) + bytes(1024))


def swap(name: str, content: bytes):
    def change(path: Path) -> None:
        write_shard(path, {**samples(IMAGES), name: content})

    return change


BROKEN = {
    "cut short": (cut, r"'a\.tar' (cannot be read as a \.tar file: unexpected end of data|is damaged at byte)"),
    "cut between two files": (cut_between_files, r"'a\.tar' lacks the end of a \.tar file: it was cut short"),
    "joined to another": (join, r"'a\.tar' goes on after its end, as \.tar files that were joined do"),
    "a damaged header": (overwrite_a_header, r"'a\.tar' is damaged at byte 2,048, where no header of a file stands"),
    "no tar": (lambda path: path.write_bytes(noise(4000).tobytes()), r"'a\.tar' cannot be read as a \.tar file: "),
    "empty": (lambda path: path.write_bytes(b""), r"'a\.tar' cannot be read as a \.tar file: empty file"),
    "compressed": (
        lambda path: path.write_bytes(gzip.compress(path.read_bytes())),
        r"; it is compressed, so unpack it with gunzip",
    ),
    "a label in words": (
        swap("part/000003.cls", b"cat"),
        r"'part/000003\.cls' in 'a\.tar' holds b'cat'; a whole number",
    ),
    "two pictures": (swap("part/000059.jpg", b""), r"'a\.tar' has two pictures of the sample 'part/000059'"),
    "a link to nothing": (link_to_nothing, r"'a\.tar' cannot be read as a \.tar file: No such file or directory\.$"),
    "a negative size": (negative(b"0"), r"'a\.tar' cannot be read as a \.tar file: a header of -512 bytes\.$"),
    "a negative size of holes": (negative(b"S"), r"'a\.tar' cannot be read as a \.tar file: a header of -512 bytes\.$"),
    "a negative size by an attribute": (back, r"'a\.tar' cannot be read as a \.tar file: a file of -2,048 bytes\.$"),
    "attributes of 2 GiB": (long_attributes, r"'a\.tar' cannot be .*: a header of 2,147,483,648 bytes\.$"),
    "no pictures": (lambda path: write_shard(path, {"a.txt": b"b"}), r"'a\.tar' holds 0 pictures"),
}


def test_a_picture_counts_whatever_letters_its_name_has(tmp_path: Path) -> None:
    members = {name.replace("part/", "a\nb/"): content for name, content in samples(IMAGES, labels=False).items()}
    shards = load(write_shard(tmp_path / "a.tar", members), size=8)
    assert len(shards.train) + len(shards.test) == len(IMAGES)


@pytest.mark.parametrize(("damage", "sentence"), BROKEN.values(), ids=BROKEN.keys())
def test_a_shard_that_cannot_be_used_is_refused_in_one_sentence(tmp_path: Path, damage, sentence: str) -> None:
    path = write_shard(tmp_path / "a.tar", samples(IMAGES))
    damage(path)
    with pytest.raises(DataError, match=sentence.replace("'a\\.tar' holds 0", "holds 0")) as caught:
        load(tmp_path, size=8)
    assert "\n" not in str(caught.value)


def test_a_shard_that_is_cut_short_later_stops_the_training_in_a_sentence(folder: Path) -> None:
    shards = load(folder, size=8)
    cut(folder / "planes-train-1.tar")
    with pytest.raises(DataError, match=r"'planes-train-1\.tar' ends before byte [\d,]+: it was cut short"):
        shards.train[44:45]
