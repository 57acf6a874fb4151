"""A shorthand of tests: order and channel weights of a flow in one word."""

from __future__ import annotations

from typing import Any

#: A split policy of each kind.
SPLITS = ("variance", "last", "random", "entropy", "entropy+pooled")


def spelled_out(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a flow's config, with ``split="ORDER+WEIGHTS"`` as the fields that it stands for.

    Without weights the order alone is enough. The orders first and last come with random rotations.
    """
    fields = dict(fields)
    if (split := fields.pop("split", None)) is None:
        return fields
    order, _, weights = split.partition("+")
    init = {"init": "random"} if order in ("first", "last") else {}
    return {"order": order, "weights": weights or "none", **init, **fields}
