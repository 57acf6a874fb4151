"""The ladder's charts: every bar stands where its rung begins, and every study at its number of steps."""

import re

import pytest

from eiwflow.figures import ladder as figures
from eiwflow.study.file import read_study
from eiwflow.study.ladder import ladder
from eiwflow.study.recipe import StudyRecipe

from ..studies import arms, write_study

P = "principal-alternating"
MEANS = {"last/random": 4.2, f"random/{P}": 4.1, f"variance/{P}": 4.15, f"entropy/{P}": 4.15}


@pytest.fixture
def made(tmp_path):
    return ladder(read_study(write_study(tmp_path / "made-up.zip", arms(MEANS, noise=0.002))))


def test_a_bar_goes_from_what_the_rung_below_saves_to_what_its_own_does(made):
    figure = figures.waterfall(made.rungs)
    bars = {row: (base, base + length, bar.name) for bar in figure.data if bar.type == "bar"
            for row, base, length in zip(bar.y, bar.base, bar.x, strict=True)}  # fmt: skip
    below = [0.0, *(rung.saved.lead for rung in made.rungs[1:])]
    for row in (1, 2, 3):
        assert bars[row][:2] == pytest.approx(below[row - 1 : row + 1], abs=1e-4)
    assert [bars[row][2] for row in (1, 2, 3)] == ["saves bits", "costs bits", "not shown (after correction)"]
    assert figure.layout.yaxis.ticktext[0] == "<b>Glow's half</b>"
    for row in (1, 2, 3):
        low, high = made.rungs[row].step.lead_interval
        label = figure.layout.yaxis.ticktext[row].replace("−", "-")
        said = [float(each) for each in re.fullmatch(r".*<br>(\S+) \((\S+) to (\S+)\)", label).groups()]
        assert said == pytest.approx([below[row] - below[row - 1], low, high], abs=6e-4)
        (bar,) = (bar for bar in figure.data if bar.type == "bar" and row in bar.y)
        end = bar.x[bar.y.index(row)]
        ends = end - bar.error_x.arrayminus[bar.y.index(row)], end + bar.error_x.array[bar.y.index(row)]
        assert ends == pytest.approx((low, high), abs=1e-4)
        assert bar.text[bar.y.index(row)].startswith(made.rungs[row].step.in_words())
        assert bar.text[bar.y.index(row)].endswith(made.rungs[row].detail)
    # Dotted lines lead up from the end of each bar to the next.
    dotted = figure.data[0]
    assert list(dotted.y) == [0, 1, None, 1, 2, None, 2, 3, None]
    assert [dotted.x[0], dotted.x[3], dotted.x[6]] == [dotted.x[1], dotted.x[4], dotted.x[7]]
    assert [dotted.x[0], dotted.x[3], dotted.x[6]] == pytest.approx(below[:3], abs=1e-4)
    low, high = figure.layout.xaxis.range
    assert low < 0 and max(rung.saved.lead for rung in made.rungs[1:]) < high


def test_studies_of_one_length_stand_side_by_side_and_a_set_has_a_colour_and_a_symbol(made):
    effect, less = made.answers["start"], made.answers["data"]
    assert less.lead < effect.lead - 0.02
    leads = {
        "a": (StudyRecipe(data="one"), effect),
        "b": (StudyRecipe(data="two"), less),
        "c": (StudyRecipe(data="one", iterations=2500), less),
    }
    one, two = figures.with_training(leads).data
    assert one.x[0] < 500 < two.x[0] and one.x[1] == 2500
    assert (*one.y, *two.y) == pytest.approx((effect.lead, less.lead, less.lead), abs=1e-5)
    assert [text.split(":")[0] for text in (*one.text, *two.text)] == ["a", "c", "b"]
    assert one.text[0] == f"a: {effect.figures}, {effect.claim}"
    assert one.error_y.arrayminus[0] == pytest.approx(effect.lead - effect.lead_interval[0], abs=1e-4)
    assert one.error_y.array[0] == pytest.approx(effect.lead_interval[1] - effect.lead, abs=1e-4)
    assert one.marker.color != two.marker.color and one.marker.symbol != two.marker.symbol


def test_larger_images_of_a_set_have_its_colour_an_open_symbol_and_their_size(made):
    effect = made.answers["start"]
    leads = {f"{data} {size}": (StudyRecipe(data=data, size=size), effect)
             for data, size in (("one", 16), ("one", 32), ("two", 32))}  # fmt: skip
    small, large, other = figures.with_training(leads).data
    assert [trace.name for trace in (small, large, other)] == ["one", "one, 32×32", "two, 32×32"]
    assert small.marker.color == large.marker.color != other.marker.color
    assert large.marker.symbol == f"{small.marker.symbol}-open" and other.marker.symbol.endswith("-open")
