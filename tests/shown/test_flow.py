"""Figures of made flows of every kind stand on file, and any change of one is seen.

The files say nothing about whether a figure is right: the tests in tests/flow work that out. A change that is meant
rewrites the files.
"""

from __future__ import annotations

from typing import Any

import torch

from eiwflow.data import to_tensor
from eiwflow.flow import MultiScaleFlow, dequantise, quantise, to_bits_per_dim
from eiwflow.flow.information import entropy_rate, gaussian_entropy, marginal_entropy, redundancy
from eiwflow.flow.policies import drawn, last_first, structured_channels
from eiwflow.flow.score import score, work

from . import kit
from .shown import approved

FLOWS: dict[str, dict[str, Any]] = {
    "entropy weights, partitions by information": {},
    "Glow": {"order": "last", "weights": "none", "init": "random", "seed": 4},
    "first, pooled, random init": {"order": "first", "weights": "pooled", "init": "random"},
    "random order, pooled, standard prior": {
        "order": "random",
        "weights": "pooled",
        "prior": "standard",
        "partition": "random",
        "permutation_seed": 6,
    },
    "variance, means, random partition": {"order": "variance", "weights": "means", "partition": "random"},
    "variance reversed, constant weights, alternating": {
        "order": "variance-reversed",
        "weights": "constant",
        "partition": "alternating",
    },
    "a quarter": {"keep": 0.25},
    "three quarters": {"keep": 0.75, "prior": "unbounded"},
    "auto": {"keep": "auto"},
    "all passed on": {"keep": "all", "weights": "none"},
    "released": {"order": "released", "weights": "none", "prior": "standard", "init": "random"},
    "constant priors, ones": {"prior": "constant", "top_prior": "constant", "padding": "ones", "weights": "none"},
    "sigmoid": {"coupling": "sigmoid", "leaky": 0.1},
    "sigmoid inverse": {"coupling": "sigmoid-inverse", "weights": "none"},
    "exp": {"coupling": "exp", "weights": "none"},
    "additive": {"coupling": "additive", "weights": "none"},
    "other networks": {"network": "1-3-1-3", "scale_bound": 2.0, "steps": 3},
    "five bits": {"bits": 5},
    "grey, three levels": {"shape": (1, 16, 8), "levels": 3},
    "labels": {"context": 3},
    "labels, constant prior": {"context": 2, "prior": "constant"},
}


@torch.no_grad()
def figures(made: MultiScaleFlow) -> dict[str, Any]:
    """Return what a flow says of five images, level by level, and what it draws."""
    config = made.config
    images = kit.data_set(config.shape[1:])
    pixels = to_tensor((kit.grey(images) if config.shape[0] == 1 else images).test[:5])
    context = {"context": torch.arange(5) % config.context} if config.context else {}
    x = dequantise(pixels, torch.Generator().manual_seed(2), bits=config.bits)
    trace = made.trace(x, context.get("context"))
    log_prob, divergence = made(x, divergence=True, **context)
    drawn = made.sample(
        4,
        [0.5 + 0.2 * level for level in range(config.levels)],
        torch.Generator().manual_seed(8),
        **{key: value[:4] for key, value in context.items()},
    )
    result: dict[str, Any] = {
        "parameters": made.parameter_count(),
        "work": work(config),
        "kept": list(config.counts),
        "log p": log_prob.tolist(),
        "bits/dim": to_bits_per_dim(log_prob, config.dimensions, config.bits).tolist(),
        "score": score(made, pixels, seed=3, batch=2, **context).tolist(),
        "bound of 3 draws": score(made, pixels, seed=3, importance=3, **context).tolist(),
        "divergence": None if divergence is None else divergence.tolist(),
        "drawn": drawn,
        "drawn pixels": quantise(drawn, config.bits),
        "decoded": made.decode(made.encode(x, **context), **context),
        "entropies": [
            of(trace.levels[0].features).mean().item() for of in (entropy_rate, gaussian_entropy, marginal_entropy)
        ],
    }
    for level in trace.levels:
        result[f"level {level.number}"] = {
            "features": level.features,
            "order": None if level.order is None else level.order.tolist(),
            "log weights": None if level.log_weights is None else level.log_weights,
            "coupling weights": torch.cat([*level.coupling_weights.values()], dim=1)
            if level.coupling_weights
            else None,
            "log-dets": ", ".join(f"{name} {kit.figure(value[1].item())}" for name, value in level.log_dets.items()),
            "prior": torch.stack([level.prior_mean, level.prior_log_std]),
            "noise": level.noise,
            "redundancy": redundancy(level.features).mean(0),
            "partition of the last coupling": made.levels[level.number - 1].steps[-1].mixing.matrix(),
        }
    return result


def test_figures_of_flows() -> None:
    texts = []
    for name, fields in FLOWS.items():
        others = {key: value for key, value in fields.items() if key != "seed"}
        images = kit.grey(kit.data_set(fields["shape"][1:])) if fields.get("shape", (3,))[0] == 1 else None
        flow = kit.flow(fields.get("seed", 3), images, **others)
        texts.append(f"==== {name}\n{kit.text_of(figures(flow))}")
    texts.append(f"==== structure\n{kit.text_of(structures())}")
    approved("flows", "\n".join(texts))


def structures() -> dict[str, Any]:
    """Return the channels that ``keep="auto"`` passes on of ever smoother noise, and a flow as a distribution."""
    noise = torch.randn(64, 90, 8, 8, generator=torch.Generator().manual_seed(9))
    smooth = torch.linspace(0, 0.9, 90)[:, None, None]
    x = noise + smooth * sum(noise.roll((down, right), (-2, -1)) for down in range(3) for right in range(3))
    made = kit.flow(weights="none", order="random").as_distribution()
    pixels = to_tensor(kit.data_set().test[:3])
    return {
        "passed on": structured_channels(x),
        "redundancy": redundancy(x).mean(0)[::15].tolist(),
        "event": str(made.event_shape),
        "log p": made.log_prob(dequantise(pixels, torch.Generator().manual_seed(3))).tolist(),
        "drawn orders": [drawn(10, 5, seed).tolist() for seed in (0, 7)],
        "last first": last_first(10, 3).tolist(),
    }
