"""The built-in data sets, their splits, factors and crops stand on file, and any change of one is seen.

The files say nothing about whether a figure is right: the tests in tests/data work that out. A change that is meant
rewrites the files.
"""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from eiwflow import data
from eiwflow.analysis.attributes import attribute_values
from eiwflow.data import corner_crops, fixed_crops, from_picture, hold_out, labels_of, resized, to_tensor
from eiwflow.data.camera import grain_entropy
from eiwflow.data.images import pad_to_multiple
from eiwflow.data.registry import DATASETS

from . import kit
from .shown import approved

BUNDLED = ("photos32", "faces16", "letters32")


def described(images: data.ImageData, most: int = 300) -> dict[str, Any]:
    """Return the facts of a data set: both parts, what is known of every image, and where it was cut from."""
    train, test = np.asarray(images.train[:most]), images.test[:most]
    return {
        "name": f"{images.name}; {images.note}",
        "shapes": f"train {images.train.shape}, test {images.test.shape}",
        "size": [*images.size, images.channels],
        "train": train,
        "test": test,
        "colours of test": test.mean(axis=(0, 1, 2)).tolist(),
        "floor": [images.floor_bits_per_dim(limit) for limit in (10, 100)],
        "sources": None
        if images.test_source is None
        else f"{np.unique(images.train_source).size} of train, {np.unique(images.test_source).size} of test",
        "source of each": [] if images.test_source is None else [images.train_source[:most], images.test_source[:most]],
        "source names": f"{len(images.source_names)}: {' | '.join(images.source_names[:3] + images.source_names[-2:])}",
        "factors": {
            name: of_factor(factor.train[:most], factor.test[:most]) for name, factor in images.factors.items()
        },
        "class names": {name: " | ".join(names[:12]) for name, names in images.class_names.items()},
    }


def of_factor(train: np.ndarray, test: np.ndarray) -> str:
    """Return a factor of both parts on a line: numbers by their sums, words by their counts."""
    if train.dtype.kind in "fiub":
        return f"train {kit.summed(train)}; test {kit.summed(test)}"
    words, counts = np.unique(test, return_counts=True)
    counted = ", ".join(f"{word!s} {count}" for word, count in zip(words[:6], counts[:6], strict=True))
    return f"first of train {' | '.join(map(str, train[:3]))}; of {len(words)} in test: {counted}; last {test[-1]}"


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_sets(name: str) -> None:
    images = data.load(name, download=False)
    facts = described(images)
    if images.factors:
        values = attribute_values(images, "test")
        facts["attributes"] = {
            key: f"{value.dtype.kind} {kit.summed(value[:300])}"
            for key, value in [*values.items()][:12] + [*values.items()][-4:]
        }
        factor = {"faces16": "glasses", "letters32": "letter"}[name]
        labels = labels_of(images, factor)
        facts["labels"] = (
            f"{' | '.join(labels.classes)}; train {kit.summed(labels.train[:300])}; test {kit.summed(labels.test)}"
        )
    padded = data.load(name, download=False, multiple=24)
    facts["padded"] = {"note": f"{padded.note}", "test": padded.test[:20], "factors": ", ".join(padded.factors)}
    held = hold_out(images)
    facts["held out"] = {
        "sizes": f"{len(held.train)} to train on, {len(held.test)} to score; {held.note}",
        "train": np.asarray(held.train[:100]),
        "test": np.asarray(held.test[:100]),
        "sources": None
        if held.test_source is None
        else ", ".join(held.source_names[k] for k in np.unique(held.test_source)[:12]),
    }
    test_only = data.registry.load_test(name)
    facts["test part alone"] = f"train {test_only.train.shape}, test {kit.summed(test_only.test[:100])}"
    approved(f"data-{name}", kit.text_of(facts))


def test_crops_flips_and_floors() -> None:
    images = kit.data_set((12, 20))
    pixels = to_tensor(images.test)
    facts: dict[str, Any] = {
        "fixed crops": fixed_crops(pixels, (8, 12)),
        "fixed crops of another size": fixed_crops(pixels, (12, 8)),
        "corners": corner_crops(pixels[:6], (8, 12)),
        "first corners": corner_crops(pixels[:1], (8, 12))[:, 0, 0, 0].tolist(),
        "grain": grain_entropy(np.array([0.05, 0.3, 1.0, 2.5, 6.0])).tolist(),
        "padded by odd numbers": pad_to_multiple(images, 7).test[:9],
        "flips": {name: str(data.flips(name)) for name in DATASETS},
        "made": described(images),
        "only striped": described(data.only_class(images, "kind", "striped", kit.KINDS)),
    }
    approved("data-crops", kit.text_of(facts))


def test_files_of_every_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EIWFLOW_DATA", str(tmp_path / "cache"))
    images = kit.data_set((12, 10), train=40, test=9)
    np.savez(
        tmp_path / "both.npz",
        train=images.train,
        test=images.test,
        train_labels=np.arange(40) % 3,
        test_labels=np.arange(9) % 3,
    )
    np.savez(tmp_path / "one.npz", images=images.train)
    np.save(tmp_path / "array.npy", images.train)
    (tmp_path / "arrays").mkdir()
    np.save(tmp_path / "arrays" / "train.npy", images.train)
    np.save(tmp_path / "arrays" / "test.npy", images.test)
    wide, _ = kit.pictures(30, (24, 34), 9)
    for folder in ("class a", "class b"):
        (tmp_path / "folder" / folder).mkdir(parents=True)
    for number, picture in enumerate(wide):
        Image.fromarray(picture).save(
            tmp_path / "folder" / ("class b" if number % 3 else "class a") / f"{number:02}.png"
        )
    with tarfile.open(tmp_path / "shard-000.tar", "w") as shard:
        for path in sorted((tmp_path / "folder").rglob("*.png")):
            shard.add(path, path.name)
    (tmp_path / "batches").mkdir()
    rows = kit.pictures(45, (8, 8), 10)[0].transpose(0, 3, 1, 2).reshape(45, -1)
    for number, part in enumerate((slice(0, 20), slice(20, 36)), start=1):
        labels = np.arange(45)[part] % 4 + 1
        np.savez(tmp_path / "batches" / f"train_data_batch_{number}.npz", data=rows[part], labels=labels)
    np.savez(tmp_path / "batches" / "val_data.npz", data=rows[36:], labels=np.arange(9) % 4 + 1)
    facts = {}
    for name in ("both.npz", "one.npz", "array.npy", "arrays", "folder", "shard-000.tar", "batches"):
        try:
            facts[name] = described(data.load(tmp_path / name, size=16, multiple=4))
        except data.DataError as error:
            facts[name] = str(error)
    labels = labels_of(data.load(tmp_path / "folder", size=16), "label")
    facts["labels of the folder"] = f"{labels.classes}; {labels.train.tolist()} {labels.test.tolist()}"
    picture = Image.fromarray(wide[0]).convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    turned = Image.Exif()
    turned[0x0112] = 8
    for name, kind, more in (
        ("alpha", "PNG", {}),
        ("turned", "PNG", {"exif": turned}),
        ("lossless", "WEBP", {"lossless": True}),
    ):
        file = io.BytesIO()
        picture.save(file, kind, **more)
        facts[f"picture, {name}"] = from_picture(file.getvalue(), (3, 8, 12))
        facts[f"picture, {name}, grey"] = from_picture(file.getvalue(), (1, 12, 8))
    facts["resized"] = resized(images.test, (1, 8, 8))
    approved("data-files", kit.text_of(facts).replace(str(tmp_path), "PLACE"))
