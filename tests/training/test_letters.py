"""The script that lets a classifier read samples: it reads what it has learned, and counts samples by their class."""

from pathlib import Path

import numpy as np

from benchmarks import letters
from eiwflow import checkpoint

from .tiny import planes, tiny_flow


def bars(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return planes (N, 8, 8, 3) with a bright bar, and whether it lies (0) or stands (1)."""
    images, standing = planes(count, seed=seed).astype(int), np.arange(count) % 2
    images[standing == 0, 3:5] += 90
    images[standing == 1, :, 3:5] += 90
    return images.clip(0, 255).astype(np.uint8), standing


def test_images_are_averaged_over_four_pixels() -> None:
    images = np.array([[[0, 10, 4, 4], [20, 30, 4, 6]]], np.uint8)[..., None]
    assert letters.averaged(images)[0, 0, :, 0].tolist() == [15, 4]


def test_a_classifier_reads_test_images_and_samples_are_counted_by_class(tmp_path: Path) -> None:
    (train, train_labels), (test, test_labels) = bars(200, 1), bars(40, 2)
    path = tmp_path / "bars.npz"
    np.savez(path, train=train, test=test, train_labels=train_labels, test_labels=test_labels)
    flow, classes = tiny_flow(context=2), ("lying", "standing")
    info = checkpoint.CheckpointInfo(flow.config, str(path), labels="label", classes=classes, temperature=0.7)
    checkpoint.save(tmp_path / "bars.safetensors", flow, info)
    result = letters.read(str(tmp_path / "bars.safetensors"), 6, None, steps=150)
    assert result["test_images"] == 40 and result["test_images_read_right"] > 0.9
    assert (result["samples"], result["temperature"]) == (12, 0.7)
    by_class = result["by_class"]
    assert list(by_class) == list(classes) and sum(by_class.values()) == round(12 * result["samples_read_right"])
    # The flow has never seen a bar and ignores its labels: what is read as one class is not read as the other.
    assert 0 < sum(by_class.values()) < 12
