"""The flat arms of research/flat.md, of as many parameters as the multi-scale flow of 3 levels of 4 steps, width 48."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "docs" / "examples"))

from tarflow import TarFlow

from eiwflow.flow import FlowConfig, MultiScaleFlow

Shape = tuple[int, int, int]


def coupling(shape: Shape, seed: int) -> MultiScaleFlow:
    """Return one level of 16 steps of ours: 277,248 parameters, against 275,340 of three levels."""
    config = FlowConfig(
        shape=shape, levels=1, steps=16, width=72, order="variance", weights="none", partition="alternating"
    )
    return MultiScaleFlow(config, seed)


def tarflow(shape: Shape, seed: int) -> TarFlow:
    """Return four autoregressive blocks over patches of 2×2, of one layer: 281,760 parameters."""
    torch.manual_seed(seed)
    return TarFlow(shape, patch=2, width=72, blocks=4, layers=1)
