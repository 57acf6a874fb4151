"""The ladder's charts: every bar stands where its rung begins, and every study at its number of steps."""

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


def test_larger_images_of_a_set_have_its_colour_an_open_symbol_and_their_size(made):
    effect = made.answers["start"]
    leads = {f"{data} {size}": (StudyRecipe(data=data, size=size), effect)
             for data, size in (("one", 16), ("one", 32), ("two", 32))}  # fmt: skip
    small, large, other = figures.with_training(leads).data
    assert [trace.name for trace in (small, large, other)] == ["one", "one, 32×32", "two, 32×32"]
    assert small.marker.color == large.marker.color != other.marker.color
    assert large.marker.symbol == f"{small.marker.symbol}-open" and other.marker.symbol.endswith("-open")
