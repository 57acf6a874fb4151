"""What a photograph that training never saw costs more, and how much of that is a harder picture.

A flow that was trained with ``--validation`` has seen no crop of some photographs (held out whole). The test part of a
data set is the right-hand fifth of every photograph, those included. So one flow gives three groups of crops:

- the right-hand fifth of photographs whose other part was trained on,
- the right-hand fifth of photographs held out,
- the other part of photographs held out.

A coder that is not trained says how hard the crops of each group are: the predictor of LOCO-I (JPEG-LS), with the
entropy of its errors by context. It also needs no photograph to have been seen.

    python -m eiwflow train --data photos32 --validation --iterations 1500 --weights none --flip
    python benchmarks/unseen.py runs/RUN

References: Weinberger, Seroussi and Sapiro, The LOCO-I lossless image compression algorithm, IEEE Trans. Image
Processing 9, 2000.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from eiwflow import checkpoint, data
from eiwflow.analysis.intervals import draws
from eiwflow.cli.arguments import find_checkpoint
from eiwflow.flow.score import score

#: Contexts of the coder: its errors are told apart by how uneven the neighbours of a pixel are.
CONTEXTS = 12
RESAMPLES = 1000


def neighbours(images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return left, upper and upper left values of every value but those of the first row and column, as int."""
    values = images.astype(np.int64)
    return values[:, 1:, :-1], values[:, :-1, 1:], values[:, :-1, :-1]


def residuals(images: np.ndarray) -> np.ndarray:
    """Return the errors of LOCO-I's predictor, of images (N, H, W, C) uint8 without their first row and column.

    It predicts min(a, b), max(a, b) or a + b − c from left a, upper b and upper left c. Green is predicted first, and
    its errors from the other colours' errors taken away, as every lossless coder of colour pictures does.
    """
    left, up, corner = neighbours(images)
    low, high = np.minimum(left, up), np.maximum(left, up)
    predicted = np.where(corner >= high, low, np.where(corner <= low, high, left + up - corner))
    errors = images[:, 1:, 1:].astype(np.int64) - predicted
    if errors.shape[3] == 3:
        errors[..., [0, 2]] -= errors[..., [1]]
    return errors


def contexts(images: np.ndarray) -> np.ndarray:
    """Return the context (N, H − 1, W − 1, C) of every error, from 0: the logarithm of the neighbours' differences."""
    left, up, corner = neighbours(images)
    activity = np.abs(left - corner) + np.abs(up - corner)
    return np.minimum(np.log2(1 + activity) * CONTEXTS / 8, CONTEXTS - 1).astype(np.int64)


def coder(train: np.ndarray) -> np.ndarray:
    """Return the code lengths in bits (C, CONTEXTS, 1021) of errors, from their frequencies in training images."""
    errors, context = residuals(train), contexts(train)
    channels = errors.shape[3]
    counts = np.zeros((channels, CONTEXTS, 1021))
    np.add.at(counts, (np.broadcast_to(np.arange(channels), errors.shape), context, errors + 510), 1)
    counts += 1e-2
    return -np.log2(counts / counts.sum(axis=2, keepdims=True))


def code_lengths(images: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return bits/dim (N,) of images by a coder."""
    errors, context = residuals(images), contexts(images)
    bits = lengths[np.broadcast_to(np.arange(errors.shape[3]), errors.shape), context, errors + 510]
    return bits.mean(axis=(1, 2, 3))


def interval(values: np.ndarray, sources: np.ndarray) -> list[float]:
    """Return the 95 % bootstrap interval of a mean over photographs."""
    counts = draws(len(values), sources, RESAMPLES)
    return np.quantile(counts @ values / counts.sum(axis=1), [0.025, 0.975]).tolist()


def main() -> None:
    """Print the table of groups as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="of a training with --validation: a file or a run directory")
    parser.add_argument("--limit", type=int, default=300, help="crops scored a group, evenly spaced")
    options = parser.parse_args()
    opened = checkpoint.load(find_checkpoint(options.checkpoint))
    if not opened.info.recipe.get("validation"):
        parser.error("the flow was trained on all photographs; train one with --validation")
    images = data.load(opened.info.data)
    held = data.hold_out(images)
    unseen = np.unique(held.test_source)
    lengths = coder(held.train)
    in_unseen = np.isin(images.test_source, unseen)
    groups = {
        "right-hand fifth of photographs trained on": (images.test[~in_unseen], images.test_source[~in_unseen]),
        "right-hand fifth of photographs held out": (images.test[in_unseen], images.test_source[in_unseen]),
        "other part of photographs held out": (held.test, held.test_source),
    }
    rows = {}
    for name, (part, sources) in groups.items():
        chosen = np.linspace(0, len(part) - 1, min(options.limit, len(part))).astype(int)
        crops = part[chosen]
        flow = score(opened.flow, data.to_tensor(crops)).double().numpy()
        plain = code_lengths(crops, lengths)
        rows[name] = {
            "crops": len(crops),
            "photographs": len(np.unique(sources[chosen])),
            "flow": flow.mean(),
            "loco": plain.mean(),
            "flow_minus_loco": (flow - plain).mean(),
            "flow_minus_loco_95": interval(flow - plain, sources[chosen]),
        }
    print(json.dumps({"checkpoint": Path(options.checkpoint).name, "step": opened.info.step, "groups": rows}, indent=2))


if __name__ == "__main__":
    main()
