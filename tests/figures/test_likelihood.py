"""What eiwflow.figures.likelihood draws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from eiwflow.analysis import likelihood
from eiwflow.analysis.likelihood import Likelihood
from eiwflow.data import to_tensor
from eiwflow.figures import kit
from eiwflow.figures import likelihood as figures
from tests.training.tiny import planes, tiny_flow


@pytest.fixture
def result(monkeypatch: pytest.MonkeyPatch) -> Likelihood:
    """Return the scores of planes and of what becomes of them."""
    monkeypatch.setattr(likelihood, "others", lambda *_: [])
    return likelihood.likelihood(tiny_flow(), "planes", to_tensor(planes(24, seed=2)))


def test_every_group_has_its_thumbnails_with_a_name(result: Likelihood) -> None:
    html = figures.thumbnails(result)
    assert html.count("<img") == html.count("alt=") == 6
    assert all(f">{name}<" in html for name in ("own test images", "blurred", "uniform noise"))


def test_every_histogram_is_drawn_on_its_own_line_and_likelier_groups_are_named_so(result: Likelihood) -> None:
    figure = figures.histograms(result, image=3.0)
    rows = [trace for trace in figure.data if trace.fill == "toself"]
    assert len(rows) == 6 and [min(trace.y) for trace in rows] == [5, 4, 3, 2, 1, 0]
    names = dict(zip(map(int, figure.layout.yaxis.tickvals), figure.layout.yaxis.ticktext, strict=True))
    assert all(trace.name in names[min(trace.y)] for trace in rows)
    for trace, scored in zip(rows, (result.own, *result.groups), strict=True):
        bits = np.clip(scored.scores["bits/dim"], *result.edges[[0, -1]])  # the last bars hold what lies beyond
        counts, _ = np.histogram(bits, result.edges)
        tops = np.array(trace.y[1:-1:2]) - min(trace.y)
        assert tops == pytest.approx(0.86 * counts / counts.max(), abs=2e-3)
        assert trace.x == pytest.approx(result.edges.repeat(2), abs=1e-4)
        assert trace.hovertemplate.startswith(f"{scored.scores['bits/dim'].mean():.2f} bits/dim on average")
        assert (trace.line.color == figures.LIKELIER) == (scored in result.likelier)
    marked = {name for name in figure.layout.yaxis.ticktext if "◀" in name}
    assert marked == {f"<b>◀ {scored.group.name}</b>" for scored in result.likelier}
    (mark,) = [trace for trace in figure.data if trace.text == ("this image",)]
    assert mark.x[0] == pytest.approx(np.clip(3.0, result.edges[0], result.edges[-1]), abs=1e-3)


def test_the_dashed_line_is_the_mean_of_the_own_images_and_that_of_aurocs_is_chance(result: Likelihood) -> None:
    bits = np.repeat([2.0, 8.0], [20, 4])  # the median is 2
    own = replace(result.own, scores={"bits/dim": bits})
    (line,) = figures.histograms(replace(result, own=own), image=3.0).layout.shapes
    assert line.x0 == line.x1 == pytest.approx((20 * 2 + 4 * 8) / 24)
    (line,) = figures.aurocs(result).layout.shapes
    assert line.x0 == line.x1 == 0.5


def test_aurocs_stand_where_they_are_and_bars_end_within_the_axis(result: Likelihood) -> None:
    figure = figures.aurocs(result)
    scores = [likelihood.BITS, likelihood.TYPICALITY, likelihood.PNG, likelihood.WEBP]
    assert [trace.name for trace in figure.data] == scores
    assert len({trace.marker.symbol for trace in figure.data}) == len(scores)
    names = dict(zip(figure.layout.yaxis.tickvals, figure.layout.yaxis.ticktext, strict=True))
    assert all([names[round(y)] for y in trace.y] == list(trace.text) for trace in figure.data)
    assert list(figure.data[0].text) == [scored.group.name for scored in result.groups]
    for trace in figure.data:
        values = [scored.auroc[trace.name].value for scored in result.groups]
        assert list(trace.x) == pytest.approx(values, abs=1e-4)
        for up, down, scored in zip(trace.error_x.array, trace.error_x.arrayminus, result.groups, strict=True):
            auroc = scored.auroc[trace.name]
            ends = max(auroc.value - auroc.error, 0), min(auroc.value + auroc.error, 1)
            assert (auroc.value - down, auroc.value + up) == pytest.approx(ends, abs=2e-4)
        assert all(x + up <= 1.0001 for x, up in zip(trace.x, trace.error_x.array, strict=True))
        assert all(x - down >= -0.0001 for x, down in zip(trace.x, trace.error_x.arrayminus, strict=True))


@pytest.mark.parametrize("draw", [lambda result: figures.histograms(result, 3.0), figures.aurocs])
def test_letters_can_be_read_from_the_last_row(result: Likelihood, draw) -> None:
    layout = kit.finished(draw(result).to_dict())["layout"]
    assert layout["font"]["size"] >= 14
    assert layout["xaxis"]["tickfont"]["size"] >= 14 and layout["xaxis"]["title"]["font"]["size"] >= 14
    assert layout["yaxis"]["tickfont"]["size"] >= 14
