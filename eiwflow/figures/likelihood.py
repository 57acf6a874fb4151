"""The pictures of the Likelihood page: images of each group, histograms of bits/dim, and AUROCs of each score."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from ..data import montage
from . import palette
from .kit import layout, legend_room
from .pixels import appearance, data_uri

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


def thumbnails(groups: Sequence[Group]) -> str:
    """Return four images of each group as HTML, the own images first, under their names."""
    figures = "".join(map(_thumbnail, groups))
    style = "display: grid; gap: 6px 12px; grid-template-columns: repeat(auto-fill, minmax(112px, 1fr))"
    return f'<div class="eiw-row" style="{style}">{figures}</div>'


def _thumbnail(group: Group) -> str:
    places = np.linspace(0, len(group.images) - 1, SHOWN).astype(int)
    name, pixels = escape(group.name), montage(group.images[places], 2)
    return (
        f'<figure><img style="max-width: 64px" alt="{name}: {escape(group.made)}; {appearance(pixels)}" '
        f'src="{data_uri(pixels)}"><figcaption>{name}</figcaption></figure>'
    )


def histograms(result: Likelihood, image: float) -> go.Figure:
    """Return histograms of bits/dim, one row per group; likelier groups stand out.

    A triangle marks the bits/dim of one ``image``. Groups beyond the axis are named with their mean at its edge.
    """
    groups = (result.own, *result.groups)
    likelier = {id(scored) for scored in result.likelier}
    figure = go.Figure()
    figure.add_vline(result.own.bits_per_dim, line={"color": palette.SUBJECT, "dash": "dash", "width": 2})
    edges = result.edges.round(4).repeat(2)
    names = []
    for row, scored in enumerate(groups):
        stands_out = id(scored) in likelier
        colour = palette.SUBJECT if scored is result.own else LIKELIER if stands_out else palette.REFERENCE
        shares = result.histogram(scored)
        heights = np.concatenate([[0], shares.repeat(2), [0]]) * 0.86 / shares.max()
        base = len(groups) - 1 - row
        figure.add_scatter(
            x=[edges[0]], y=[base], mode="lines", line={"width": 0}, showlegend=False, hoverinfo="skip",
        )  # fmt: skip
        figure.add_scatter(
            x=edges.tolist(), y=(base + heights).round(3).tolist(), mode="lines", fill="toself",
            line={"color": colour, "width": 2}, name=scored.group.name, showlegend=False,
            hovertemplate=f"{scored.bits_per_dim:.2f} bits per value on average<extra>{scored.group.name}</extra>",
        )  # fmt: skip
        if scored in result.beyond:
            figure.add_annotation(
                x=edges[-1], y=base + 0.75, text=f"{scored.bits_per_dim:.0f} on average ▶", showarrow=False,
                xanchor="right", bgcolor="rgba(128, 128, 128, 0.15)",
            )  # fmt: skip
        names.append(f"<b>◀ {scored.group.name}</b>" if stands_out else scored.group.name)
    at = float(np.clip(image, result.edges[0], result.edges[-1]))
    right = at > result.edges.mean()
    figure.add_scatter(
        x=[round(at, 4)], y=[len(groups) + 0.15], mode="markers+text", text=["this image"],
        textposition="middle left" if right else "middle right",
        marker={"symbol": "triangle-down", "size": 14, "color": palette.KEPT}, showlegend=False,
        hovertemplate=f"{image:.2f} bits per value<extra>this image</extra>",
    )  # fmt: skip
    figure.update_layout(layout(ROW * len(groups) + 90, above=8, left=NAMES, right=12))
    figure.update_xaxes(title_text="bits per value (bits/dim): left is likelier")
    places = [len(groups) - 0.6 - row for row in range(len(groups))]
    return figure.update_yaxes(tickvals=places, ticktext=names, showgrid=False, range=[-0.1, len(groups) + 0.4])


def aurocs(result: Likelihood) -> go.Figure:
    """Return the AUROCs of each group against the own images, by score, with intervals."""
    figure = go.Figure()
    figure.add_vline(0.5, line={"color": palette.REFERENCE, "dash": "dash", "width": 2})
    rows = len(result.groups)
    for place, (name, (colour, symbol)) in enumerate(_SCORES.items()):
        estimates = [scored.auroc[name] for scored in result.groups]
        values = np.array([estimate.value for estimate in estimates])
        errors = np.array([estimate.error for estimate in estimates])
        figure.add_scatter(
            x=values.round(4).tolist(),
            y=[rows - 1 - row + 0.27 - 0.18 * place for row in range(rows)],
            mode="markers",
            name=name,
            marker={"color": colour, "symbol": symbol, "size": 10},
            error_x={
                "array": np.minimum(errors, 1 - values).round(4).tolist(),
                "arrayminus": np.minimum(errors, values).round(4).tolist(),
                "thickness": 2,
                "width": 0,
            },
            text=[scored.group.name for scored in result.groups],
            hovertemplate=f"%{{x:.2f}}<extra>%{{text}}, {name}</extra>",
        )
    figure.update_layout(layout(ROW * rows + 70 + legend_room(2), legend_room(2), left=NAMES, right=24))
    figure.update_xaxes(
        title_text="AUROC (½: no difference)", range=[-0.02, 1.02], tickvals=[0, 0.5, 1], ticktext=["0", "½", "1"]
    )
    names = [scored.group.name for scored in result.groups]
    return figure.update_yaxes(tickvals=list(range(rows))[::-1], ticktext=names, range=[-0.6, rows - 0.4])
