"""The bundled flows in one table: training, settings, bits/dim and cost."""

from __future__ import annotations

from typing import Any

from .. import project
from ..checkpoint import read_info


def bundled_flows() -> list[dict[str, Any]]:
    """Return a row for every bundled flow, by name, from its own file.

    ``bits/dim`` is over the four corner crops of every test image of ``data``; ``CPU minutes`` are of the
    training, on one thread of the machine that ran it.
    """
    rows = []
    for path in sorted(project.CHECKPOINTS.glob("*.safetensors")):
        info = read_info(path)
        config = info.config
        row = {"flow": path.stem, "data": info.data, "bits/dim": info.metrics["test_bits_per_dim"]}
        row |= {"order": config.order, "start": config.init, "partition": config.partition, "weights": config.weights}
        rows.append(row | {"steps": info.step, "CPU minutes": info.metrics["cpu_seconds"] / 60})
    return rows
