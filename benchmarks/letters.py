"""Whether samples of a letter can be read: a small classifier of pixels reads those that a flow with labels draws.

    python benchmarks/letters.py --write letters16.npz
    python -m eiwflow train --data letters16.npz --labels label --size 16 --steps-per-level 4 --width 48 ...
    python benchmarks/letters.py --read runs/RUN

``--write`` makes a set of 16×16 images: letters32, averaged over 2×2 pixels. ``--read`` trains the classifier on the
training images that the flow was trained on, states how many test images it reads right (of letters32: other
typefaces), and how many of the flow's samples of each class it reads as the class that was asked for.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from eiwflow import checkpoint, data
from eiwflow.cli.arguments import find_checkpoint
from eiwflow.flow import quantise

STEPS, BATCH = 3000, 64
#: An image for the classifier is shifted by up to so many pixels in training.
SHIFT = 1


def averaged(images: np.ndarray) -> np.ndarray:
    """Return images (N, H, W, C) averaged over 2×2 pixels, uint8."""
    n, height, width, channels = images.shape
    blocks = images.reshape(n, height // 2, 2, width // 2, 2, channels).astype(np.float32)
    return blocks.mean(axis=(2, 4)).round().astype(np.uint8)


def write(path: Path) -> None:
    """Write the averaged letters with their names as labels."""
    letters = data.load("letters32")
    labels = letters.factors["letter"]
    parts = {"train": averaged(letters.train[:]), "test": averaged(letters.test)}
    np.savez_compressed(path, **parts, train_labels=labels.train, test_labels=labels.test)


def contrast(images: Tensor) -> Tensor:
    """Return images (N, C, H, W) uint8 as real values, without their mean colour and at one contrast."""
    values = images.float() / 255
    values = values - values.mean(dim=(2, 3), keepdim=True)
    return values / values.std(dim=(1, 2, 3), keepdim=True).clamp(min=0.02)


def classifier(channels: int, side: int, classes: int) -> nn.Module:
    """Return a network of two convolutions and two linear layers."""
    return nn.Sequential(
        nn.Conv2d(channels, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64 * (side // 4) ** 2, 128), nn.ReLU(), nn.Dropout(0.3), nn.Linear(128, classes),
    )  # fmt: skip


def trained(images: Tensor, labels: Tensor, classes: int, steps: int) -> nn.Module:
    """Return a classifier of images (N, C, H, W) uint8, trained with Adam on shifted copies of them."""
    torch.manual_seed(0)
    network = classifier(images.shape[1], images.shape[2], classes)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        chosen = torch.randint(len(images), (BATCH,))
        down, across = torch.randint(-SHIFT, SHIFT + 1, (2,)).tolist()
        x = torch.roll(contrast(images[chosen]), (down, across), dims=(2, 3))
        loss = F.cross_entropy(network(x), labels[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return network.eval()


@torch.no_grad()
def right(network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Return which images are read as their labels, (N,) bool."""
    return network(contrast(images)).argmax(dim=1) == labels


def read(text: str, count: int, temperature: float | None, steps: int) -> dict[str, object]:
    """Return how many test images, and how many of ``count`` samples a class, the classifier reads right."""
    loaded = checkpoint.load(find_checkpoint(text))
    info, flow = loaded.info, loaded.flow
    images = data.load(info.data, size=flow.config.shape[1])
    labels = data.labels_of(images, info.labels, info.classes)
    network = trained(data.to_tensor(images.train[:]), torch.from_numpy(labels.train), len(info.classes), steps)
    of_test = right(network, data.to_tensor(images.test), torch.from_numpy(labels.test))
    asked = torch.arange(len(info.classes)).repeat_interleave(count)
    scale = info.temperature if temperature is None else temperature
    samples = quantise(flow.sample(len(asked), scale, torch.Generator().manual_seed(0), asked))
    by_class = right(network, samples, asked).view(-1, count).sum(dim=1).tolist()
    return {
        "checkpoint": loaded.name, "step": info.step, "temperature": scale,
        "test_images": len(of_test), "test_images_read_right": of_test.double().mean().item(),
        "samples": len(asked), "samples_read_right": sum(by_class) / len(asked),
        "by_class": dict(zip(info.classes, by_class, strict=True)),
    }  # fmt: skip


def main() -> None:
    """Write the set, or print what is read as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--write", type=Path, metavar="FILE", help="write the averaged letters into this .npz file")
    what.add_argument("--read", metavar="CHECKPOINT", help="of a flow with labels: a file or a run directory")
    parser.add_argument("--samples", type=int, default=10, help="a class")
    parser.add_argument("--temperature", type=float, help="of the samples (default: the flow's own)")
    parser.add_argument("--steps", type=int, default=STEPS, help="of the classifier's training")
    options = parser.parse_args()
    if options.write:
        write(options.write)
    else:
        print(json.dumps(read(options.read, options.samples, options.temperature, options.steps), indent=2))


if __name__ == "__main__":
    main()
