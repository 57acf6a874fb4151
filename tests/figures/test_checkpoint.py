"""The Checkpoint page's pictures: areas, sums, ends and colours are those of the flow and its record."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from eiwflow.analysis.checkpoint import Anatomy, Inversion, anatomy, inversion
from eiwflow.analysis.record import TrainingCurve
from eiwflow.figures import checkpoint as figures
from eiwflow.figures import palette
from tests.training.tiny import planes, tiny_flow
from tests.words import SPLITS


def looked_at(**fields: object) -> tuple[Anatomy, Inversion]:
    """Return make and inversion of a small flow."""
    flow = tiny_flow(**fields)
    colours, *size = flow.config.shape
    images = torch.from_numpy(planes(4, (size[0], size[1]), colours)).permute(0, 3, 1, 2).contiguous()
    return anatomy(flow), inversion(flow, images)


FLOWS = pytest.mark.parametrize(
    "fields",
    [{}, {"levels": 1}, {"levels": 3, "steps": 2}, {"shape": (1, 64, 64), "levels": 6}, {"shape": (3, 16, 8)}],
    ids=str,
)


# ---------------------------------------------------------------------- the strip


@FLOWS
def test_area_of_a_box_is_its_share_of_the_images_numbers(fields: dict) -> None:
    made, _ = looked_at(**fields)
    boxes = re.findall(r'<div class="(eiw-\w+|)" style="[^"]*?height: (\d+)px; width: ([\d.e-]+)%', figures.strip(made))
    assert boxes[0] == ("", "52", "100") and {height for _, height, _ in boxes} == {"52"}
    widths = {part: [float(w) for name, _, w in boxes if name == f"eiw-{part}"] for part in ("kept", "emitted")}
    assert sum(widths["emitted"]) == pytest.approx(100, abs=0.1)
    assert widths["kept"] == widths["emitted"][: len(made.levels) - 1]
    assert widths["kept"] == pytest.approx([50 / 2**n for n in range(len(made.levels) - 1)], rel=1e-3)


def test_a_level_that_passes_on_all_channels_has_no_split() -> None:
    html = figures.strip(looked_at(keep="all")[0])
    levels = [re.search(rf"Level {number}</h4>.*?</section>", html).group() for number in (1, 2)]
    assert "passed on · nothing factored out" in levels[0] and "eiw-emitted" not in levels[0]
    assert "prior" not in levels[0] and "width: 100%" in levels[0].replace("100.0", "100")
    assert "passed on" not in levels[1] and "factored out" in levels[1]


@FLOWS
def test_every_level_names_its_parts_and_their_parameters(fields: dict) -> None:
    made, _ = looked_at(**fields)
    html = figures.strip(made)
    for level in made.levels:
        entering, inside, kept, emitted = (
            "×".join(map(str, shape or ())) for shape in (level.shape_in, level.shape, level.kept, level.emitted)
        )
        on = f"{kept} passed on · " if kept else ""
        head = f"<h4>Level {level.number}</h4><p>{entering},<br>squeezed to {inside}</p>"
        assert head in html and f"<p>{on}{emitted} factored out</p>" in html
        assert f"<h4>Level {level.number}</h4>" in html and f">{level.total:,}</td>" in html
        assert all(f">{count:,}</td>" in html for count in level.parameters.values() if count)
    assert f">{made.total:,}</td>" in html and html.count("<section>") == 1 + len(made.levels)
    assert "passed on</p>" not in html


@pytest.mark.parametrize("split", SPLITS)
def test_split_policies_are_told_apart(split: str) -> None:
    html = figures.strip(looked_at(split=split)[0])
    words = {
        "variance": "largest variance passed on",
        "last": "the last channels factored out",
        "random": "a fixed random order",
        "entropy": "Shuffle, order by redundancy<",
        "entropy+pooled": "Shuffle, order by redundancy, weights ω(x)",
    }
    assert [name for name, said in words.items() if said in html] == [split]


# ---------------------------------------------------------------------- charts


def test_bars_add_up_to_what_stands_beside_them() -> None:
    made, _ = looked_at(levels=3, weights="pooled")
    *bars, ends = figures.parameters(made).data
    assert np.sum([bar.x for bar in bars], axis=0).tolist() == list(ends.x)
    assert list(ends.y) == list(bars[0].y) == ["couplings", "1×1 conv.", "weights", "prior", "ActNorm"]
    assert sum(ends.x) == made.total and dict(zip(figures.PARTS, ends.x, strict=True)) == made.parameters
    assert all(f"{count:,}" in text for count, text in zip(ends.x, ends.text, strict=True))
    assert [(bar.name, bar.marker.pattern.shape) for bar in bars] == [
        ("level 1", ""),
        ("level 2", "/"),
        ("level 3", "x"),
    ]
    for bar, level in zip(bars, made.levels, strict=True):
        assert list(bar.x) == [level.parameters[part] for part in figures.PARTS]
    shares = [float(re.search(r"\(([\d.e+]+) %\)", text)[1]) for text in ends.text]
    assert shares == pytest.approx([100 * count / made.total for count in ends.x], rel=0.06)


def test_lines_end_at_the_smallest_and_the_largest_factor_of_every_step() -> None:
    made, seen = looked_at(levels=2, steps=3)
    convolutions, couplings = figures.conditioning(made, seen).data
    for trace, known in (
        (convolutions, np.concatenate([level.singular_values[:, [-1, 0]] for level in made.levels])),
        (couplings, np.concatenate([level.coupling for level in seen.levels])),
    ):
        assert np.array(trace.y[0::3]) == pytest.approx(known[:, 0])
        assert np.array(trace.y[1::3]) == pytest.approx(known[:, 1])
        assert set(trace.y[2::3]) == {None}
        expected = [(level, step) for level in (1, 2) for step in (1, 2, 3)]
        for text, (level, step), (low, high) in zip(trace.text[::3], expected, known, strict=True):
            assert text.startswith(f"level {level}, step {step}: ")
            said = [float(number) for number in re.findall(r"×(\S+) to ×(\S+), (\S+) apart", text)[0]]
            assert said == pytest.approx([low, high, high / low], rel=6e-3)
        # A line stands at its step; a gap is between the levels.
        assert [round(x) for x in trace.x[::3]] == [0, 1, 2, 4, 5, 6] and trace.x[::3] == trace.x[1::3]
    axis = figures.conditioning(made, seen).layout.xaxis
    assert dict(zip(axis.tickvals, axis.ticktext, strict=True)) == {0: "1", 1: "2", 2: "3", 4: "1", 5: "2", 6: "3"}
    assert convolutions.marker.symbol != couplings.marker.symbol
    used = {convolutions.line.color, couplings.line.color}
    assert len(used) == 2 and not used & {palette.KEPT, palette.EMITTED}


def test_axis_of_factors_holds_all_of_them_and_is_labelled() -> None:
    figure = figures.conditioning(*looked_at(levels=3, steps=2))
    low, high = (10**end for end in figure.layout.yaxis.range)
    ends = [y for trace in figure.data for y in trace.y if y is not None]
    assert low < min(ends) and max(ends) < high and figure.layout.yaxis.type == "log"
    assert len(figure.layout.yaxis.tickvals) >= 3 and "×1" in figure.layout.yaxis.ticktext


def test_a_flat_direction_has_a_place_on_an_axis_of_powers() -> None:
    flow = tiny_flow()
    with torch.no_grad():
        flow.levels[0].steps[0].actnorm.log_scale.fill_(-2000.0)
    figure = figures.conditioning(anatomy(flow), looked_at()[1])
    assert min(figure.data[0].y[:2]) == figures.SMALLEST and np.isfinite(figure.layout.yaxis.range).all()


@pytest.mark.slow
def test_many_steps_have_fewer_labels() -> None:
    figure = figures.conditioning(*looked_at(levels=2, steps=20))
    assert len(figure.layout.xaxis.tickvals) == len(figure.layout.xaxis.ticktext) <= figures.LABELS


def curve() -> TrainingCurve:
    """Return a noisy fall over 200 points."""
    steps = np.arange(10, 2010, 10)
    bits = 4 - steps / 2000 + np.random.default_rng(0).normal(0, 0.1, 200)
    return TrainingCurve(steps, bits, np.linspace(2e-3, 0, 200), np.zeros(200), steps[::50], bits[::50], 3.1)


def test_curve_has_raw_points_faint_and_smoothed_ones_bold() -> None:
    raw, smooth, probes = figures.training(curve()).data
    assert raw.y == pytest.approx(curve().bits_per_dim, abs=1e-4) and smooth.y == pytest.approx(
        curve().smoothed, abs=1e-4
    )
    assert raw.line.color == smooth.line.color and raw.opacity < 0.5 and smooth.line.width > raw.line.width
    assert list(probes.x) == curve().probe_steps.tolist() and probes.mode == "markers"
    assert probes.y == pytest.approx(curve().probe_bits_per_dim, abs=1e-4)
    assert list(raw.x) == list(smooth.x) == curve().steps.tolist()
