"""The pictures of the Likelihood page: images of each group, histograms of bits/dim, and AUROCs of each score."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from ..data import montage
from . import palette
from .kit import Trace, error_bars, layout, legend_room, lines, marks, note, upright

if TYPE_CHECKING:
    from ..analysis.likelihood import Group, Likelihood

#: Pixels of a row, and of the names at its left.
ROW, NAMES = 36, 124
#: Images shown of each group: 2×2.
SHOWN = 4
LIKELIER = palette.ARMS[2]
#: Colour and symbol of each score.
_SCORES = {
    "bits/dim": (palette.SUBJECT, "circle"),
    "typicality": (palette.ARMS[1], "diamond"),
    "minus PNG": (palette.ARMS[2], "square"),
    "minus WebP": (palette.ARMS[3], "x"),
}


def thumbnail(group: Group) -> np.ndarray:
    """Return four images of a group as one, bytes (2H, 2W, C)."""
    return montage(group.images[np.linspace(0, len(group.images) - 1, SHOWN).astype(int)], 2)


def histograms(result: Likelihood, image: float) -> go.Figure:
    """Return histograms of bits/dim, one row per group; likelier groups stand out.

    A triangle marks the bits/dim of one ``image``. Groups beyond the axis are named with their mean at its edge.
    """
    groups = (result.own, *result.groups)
    likelier = {id(scored) for scored in result.likelier}
    edges, traces, beyond, names = result.edges.repeat(2), [], [], []
    for base, scored in zip(range(len(groups))[::-1], groups, strict=True):
        stands_out, name, mean = id(scored) in likelier, scored.group.name, scored.bits_per_dim
        colour = palette.SUBJECT if scored is result.own else LIKELIER if stands_out else palette.REFERENCE
        shares = result.histogram(scored)
        heights = base + np.concatenate([[0], shares.repeat(2), [0]]) * 0.86 / shares.max()
        label = f"{mean:.2f} bits per value on average<extra>{name}</extra>"
        filled: Trace = {"fill": "toself", "name": name, "showlegend": False, "label": label}
        traces.append(lines(edges, heights, colour, 2, **filled))
        names.append(f"<b>◀ {name}</b>" if stands_out else name)
        if mean > edges[-1]:
            edge = {"xanchor": "right", "bgcolor": "rgba(128, 128, 128, 0.15)"}
            beyond.append(note(edges[-1], base + 0.75, f"{mean:.1f} on average ▶", **edge))
    at = np.clip([image], edges[0], edges[-1])
    aside = "left" if at > edges.mean() else "right"
    words = {"text": ["this image"], "textposition": f"middle {aside}"}
    label = f"{image:.2f} bits per value<extra>this image</extra>"
    here = marks(at, [len(groups) + 0.15], palette.KEPT, 14, "triangle-down", label=label, **words)
    places = [len(groups) - 0.6 - row for row in range(len(groups))]
    return go.Figure(
        [*traces, here],
        {
            **layout(ROW * len(groups) + 90, above=8, left=NAMES, right=12),
            "annotations": beyond,
            "shapes": [upright(result.own.bits_per_dim, palette.SUBJECT)],
            "xaxis": {"title": "bits per value (bits/dim): left is likelier; dashed: mean of own test images"},
            "yaxis": {"tickvals": places, "ticktext": names, "showgrid": False, "range": [-0.1, len(groups) + 0.4]},
        },
    )


def aurocs(result: Likelihood) -> go.Figure:
    """Return the AUROCs of each group against the own images, by score, with intervals."""
    names, traces = [scored.group.name for scored in result.groups], []
    rows = np.arange(len(names))[::-1]
    for place, (score, (colour, symbol)) in enumerate(_SCORES.items()):
        estimates = [scored.auroc[score] for scored in result.groups]
        value, error = np.array([(estimate.value, estimate.error) for estimate in estimates]).T
        errors = error_bars(np.minimum(error, 1 - value), np.minimum(error, value), width=0)
        label = f"%{{x:.2f}}<extra>%{{text}}, {score}</extra>"
        y = rows + 0.27 - 0.18 * place
        traces.append(marks(value, y, colour, 10, symbol, error_x=errors, text=names, name=score, label=label))
    ends = {"range": [-0.02, 1.02], "tickvals": [0, 0.5, 1], "ticktext": ["0", "½", "1"]}
    return go.Figure(
        traces,
        {
            **layout(ROW * len(rows) + 70 + legend_room(2), legend_room(2), left=NAMES, right=24),
            "shapes": [upright(0.5)],
            "xaxis": {"title": "AUROC (½: no difference)", **ends},
            "yaxis": {"tickvals": rows.tolist(), "ticktext": names, "range": [-0.6, len(rows) - 0.4]},
        },
    )
