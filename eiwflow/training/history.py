"""What a run writes down of its flow on recording steps: orders, weights, entropies, and samples at fixed ε."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..data import as_picture
from ..files import write_atomically
from ..flow import MultiScaleFlow, NonFiniteError, quantise
from ..flow.bijection import generator_for
from ..flow.information import entropy_rate, marginal_entropy, redundancy
from ..flow.multiscale import LevelTrace
from ..flow.policies import entropy_order

#: Images that a recording step looks at.
PROBE_IMAGES = 128
#: Values a channel that its marginal entropy is estimated from on a recording step.
RECORDED_VALUES = 4096
SAMPLES = 16
SAMPLE_TEMPERATURE = 1.0


@torch.no_grad()
def level_records(flow: MultiScaleFlow, probe: Tensor) -> list[dict[str, Any]]:
    """Return one record a level, of dequantised images ``probe`` (N, C, H, W).

    Per channel number before the Shuffle: ``redundancy`` J and ``entropy_rate`` Ĥ (nats a pixel, mean over images) and
    ``log_std``; a level of 1×1 pixels has no spectrum, its J and Ĥ are None. Where the level splits: ``order`` (in
    force) and ``entropy_order`` (what it would be now), kept first. Where the policy weighs: ``weights_mean`` and
    ``weights_std`` over images of log ω, by position after the order.
    """
    return [_level_record(level) for level in flow.trace(probe).levels]


def _level_record(level: LevelTrace) -> dict[str, Any]:
    features = level.features
    has_spectrum = features[0, 0].numel() > 1
    record: dict[str, Any] = {
        "redundancy": _rounded(redundancy(features).mean(dim=0)) if has_spectrum else None,
        "entropy_rate": _rounded(entropy_rate(features).mean(dim=0)) if has_spectrum else None,
        "entropy": _rounded(marginal_entropy(features, RECORDED_VALUES)),
        "log_std": _rounded(_std(features.transpose(0, 1).flatten(1), dim=1).clamp_min(1e-12).log()),
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


def sample_montage(flow: MultiScaleFlow, seed: int, count: int = SAMPLES) -> bytes | None:
    """Return samples of fixed ε as one lossy WEBP, four in a row, or None where they are not finite."""
    latents = flow.sample_latents(count, SAMPLE_TEMPERATURE, generator_for(seed, "samples"))
    try:
        return encode_webp(montage(quantise(flow.decode(latents), flow.config.bits).cpu(), columns=4))
    except NonFiniteError:
        return None


def montage(images: Tensor, columns: int) -> Tensor:
    """Return bytes (N, C, H, W) laid out row by row as one image (C, rows H, columns W), without gaps."""
    from torchvision.utils import make_grid

    return make_grid(images, nrow=columns, padding=0)


def encode_webp(image: Tensor, quality: int = 85) -> bytes:
    """Return bytes (C, H, W) as a lossy WEBP."""
    out = io.BytesIO()
    as_picture(image.permute(1, 2, 0).numpy()).save(out, "WEBP", quality=quality, method=4)
    return out.getvalue()


def write_samples(folder: Path, flow: MultiScaleFlow, seed: int, step: int) -> None:
    """Write ``step_*.webp``, unless the samples are not finite."""
    if (content := sample_montage(flow, seed)) is not None:
        write_atomically(folder / f"step_{step:07d}.webp", content)
