"""The records of a run, and reading them: a line of numbers a step, orders, entropies, samples."""

from __future__ import annotations

import gzip
import json
import math
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .. import files
from ..data import chosen_places, montage, picture_file
from ..files import write_atomically
from ..flow import MultiScaleFlow, NonFiniteError, quantise
from ..flow.bijection import generator_for
from ..flow.information import entropy_rate, marginal_entropy, redundancy
from ..flow.multiscale import LevelTrace, Trace
from ..flow.policies import entropy_order

#: Images that a recording step analyses.
PROBE_IMAGES = 128
#: Values of a channel from which a recording step estimates its marginal entropy.
RECORDED_VALUES = 4096
#: Most montages that are read of a training; of more, evenly spaced ones.
MAX_MONTAGES = 64
SAMPLES = 16
SAMPLE_TEMPERATURE = 1.0


def level_records(trace: Trace) -> list[dict[str, Any]]:
    """Return one record a level of the trace of dequantised images.

    Per channel number before the Shuffle: ``redundancy`` J and ``entropy_rate`` Ĥ (nats a pixel, mean over images) and
    ``log_std``; a level of 1×1 pixels has no spectrum, its J and Ĥ are None. Where the level splits: ``order`` (the
    one used) and ``entropy_order`` (by redundancy now), those passed on first. With weights before the split:
    ``weights_mean`` and ``weights_std`` over images of log ω, by position after the order. ``noise_square`` is the
    mean of ε², which is 1 for a flow that fits, and 0 where a level factors nothing out.
    """
    return [_level_record(level) for level in trace.levels]


def _level_record(level: LevelTrace) -> dict[str, Any]:
    features = level.features
    has_spectrum = features[0, 0].numel() > 1
    record: dict[str, Any] = {
        "redundancy": _rounded(redundancy(features).mean(dim=0)) if has_spectrum else None,
        "entropy_rate": _rounded(entropy_rate(features).mean(dim=0)) if has_spectrum else None,
        "entropy": _rounded(marginal_entropy(features, RECORDED_VALUES)),
        "log_std": _rounded(_std(features.transpose(0, 1).flatten(1), dim=1).clamp_min(1e-12).log()),
        "noise_square": round(level.noise.double().square().mean().item() if level.noise.numel() else 0.0, 5),
        "order": None,
        "entropy_order": None,
        "weights_mean": None,
        "weights_std": None,
    }
    if level.order is not None:
        record["order"] = level.order.tolist()
        record["entropy_order"] = entropy_order(features).tolist()
    if level.log_weights is not None:
        record["weights_mean"] = _rounded(level.log_weights.mean(dim=0))
        record["weights_std"] = _rounded(_std(level.log_weights, dim=0))
    return record


def _std(values: Tensor, dim: int) -> Tensor:
    """Return the standard deviation; that of a single value is 0, not NaN."""
    return values.std(dim=dim, correction=min(1, values.shape[dim] - 1))


def _rounded(values: Tensor) -> list[float | None]:
    return [round(value, 4) if math.isfinite(value) else None for value in values.tolist()]


@torch.no_grad()
def sample_montage(flow: MultiScaleFlow, seed: int, count: int = SAMPLES) -> bytes | None:
    """Return samples of fixed ε as one lossy WEBP, four in a row, or None where they are not finite.

    For a flow with labels, consecutive samples are of consecutive classes.
    """
    labels = torch.arange(count) % flow.config.context if flow.config.context else None
    latents = flow.sample_latents(count, SAMPLE_TEMPERATURE, generator_for(seed, "samples"))
    try:
        images = quantise(flow.decode(latents, labels), flow.config.bits)
        picture = montage(images.permute(0, 2, 3, 1).cpu().numpy(), columns=4)
        return picture_file(picture, "WEBP", quality=85, method=4)
    except NonFiniteError:
        return None


def write_samples(folder: Path, flow: MultiScaleFlow, seed: int, step: int) -> bytes | None:
    """Write ``step_*.webp`` and return its content, unless the samples are not finite."""
    if (content := sample_montage(flow, seed)) is not None:
        write_atomically(folder / f"step_{step:07d}.webp", content)
    return content


def read_records(path: Path) -> list[dict[str, Any]]:
    """Return the records of a ``metrics.jsonl``; none without such a file.

    A half-written last line is left out, and so are damaged lines.
    """
    if path.exists():
        content = path.read_bytes()
    elif (packed := path.with_suffix(".jsonl.gz")).is_file():  # those of a bundled flow
        content = gzip.decompress(packed.read_bytes())
    else:
        return []
    records = []
    for line in content.split(b"\n")[:-1]:
        try:  # a context manager would take a fifth of the time
            record = json.loads(line)
            if isinstance(record["step"], int) and record["step"] >= 0:
                records.append(record)
        except (ValueError, LookupError, TypeError):
            continue
    return records


def read_samples(folder: Path) -> dict[int, bytes]:
    """Return the montages of samples in a folder by their step, as a training writes them.

    Of more than :data:`MAX_MONTAGES` they are evenly spaced, the last one among them.
    """
    paths = [*sample_files(folder).items()]
    return {paths[place][0]: paths[place][1].read_bytes() for place in chosen_places(len(paths), MAX_MONTAGES)}


def sample_files(folder: Path) -> dict[int, Path]:
    """Return the montages of samples in a folder by their step, in the order of steps; ignore other file names."""
    matches = ((re.fullmatch(r"step_([0-9]{1,15})\.webp", path.name), path) for path in files.entries(folder))
    return dict(sorted((int(match[1]), path) for match, path in matches if match))
