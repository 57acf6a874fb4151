"""The table of measures: each depends on the fields of a look that its key names, and on no other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from eiwflow.analysis import compression, entropy, likelihood
from eiwflow.analysis.subjects import MEASURES, Look
from eiwflow.checkpoint import Checkpoint
from tests.training.tiny import planes, tiny_flow, tiny_info

FIELDS = ("train", "test", "image", "level", "seed", "record")
PIXELS = torch.from_numpy(planes(48, seed=2)).permute(0, 3, 1, 2).contiguous()
OTHER = PIXELS[1:2]
#: What measures are asked for beside a look.
CHOICES: dict[str, dict[str, Any]] = {
    "one_level": {"treatment": "zero"},
    "mixed": {"way": ("zero", "keep")},
    "ends": {"other": OTHER},
    "interpolation": {"other": OTHER, "path": "linear"},
    "blend": {"other": OTHER, "path": "linear", "levels": (1,)},
    "samples": {"n": 2, "temperatures": (1.0, 1.0)},
    "channel_maps": {"step": 1},
    "likelihood_beside": {"pictures": PIXELS[:4], "label": "mine", "made": "by hand"},
    "score": {"limit": 4},
}


class Watched(Look):
    """A look that notes which of its fields are read."""

    read: set[str]

    def __getattribute__(self, name: str) -> Any:
        if name in FIELDS:
            object.__getattribute__(self, "read").add(name)
        return super().__getattribute__(name)


def watched(weights: str) -> Watched:
    flow = tiny_flow(weights=weights)
    checkpoint = Checkpoint("tiny", flow, tiny_info(flow), "0" * 64)
    factors = {"grain": np.linspace(1, 4, len(PIXELS))}
    look = Watched(checkpoint, "planes", PIXELS[:8], PIXELS, None, PIXELS[:1], 1, 3, factors=factors)
    object.__setattr__(look, "read", set())
    return look


@pytest.mark.parametrize("name", MEASURES)
def test_a_result_is_kept_by_all_that_it_depends_on_and_by_nothing_else(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(likelihood, "others", lambda name, shape, most=None: [])
    monkeypatch.setattr(entropy, "RESAMPLES", 4)
    monkeypatch.setattr(compression, "MOST_VALUES", 400)
    inside = name in ("omegas_of_test_images", "coupling_weights", "channel_maps", "frozen", "factor_readings")
    look = watched("entropy" if inside else "pooled")
    look.measure(name, **CHOICES.get(name, {}))
    assert look.read == set(MEASURES[name].depends_on)
