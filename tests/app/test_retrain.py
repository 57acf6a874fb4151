"""Checkpoint leads to training its flow with another split: all else of the flow stays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from eiwflow.flow import FlowConfig
from eiwflow.study import worker
from eiwflow.study.recipe import StudyRecipe
from eiwflow.training import worker as run_worker
from eiwflow.ui.jobs.retrain import SPLITS, recipe

from .conftest import visit_page

CONFIGS = {
    "imported Glow": FlowConfig(order="last", init="random", coupling="sigmoid", bits=5, width=32, levels=2),
    "weighted": FlowConfig(order="entropy", weights="entropy", partition="information", shape=(3, 16, 16), levels=3),
    "all passed on": FlowConfig(order="variance", keep=0.75, prior="standard"),
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("split", SPLITS)
def test_the_first_arm_is_the_flow_itself_and_the_other_differs_in_its_split_alone(
    config: FlowConfig, split: str
) -> None:
    study = recipe(config, split, "photos32", seeds=2, iterations=50)
    own, other = (study.training(arm, 0, config.shape[0]).flow for arm in (study.arms[0], study.arms[-1]))
    assert own == config
    assert replace(other, order=own.order, init=own.init, partition=own.partition) == own
    assert (other.order, other.init) == SPLITS[split]


def test_a_click_starts_the_study_or_the_run_whose_command_is_printed(
    two_and_three_levels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[StudyRecipe] = []
    monkeypatch.setattr(worker, "start", lambda study, out: started.append(study))
    at = visit_page("pages/8_checkpoint.py")
    assert not at.exception
    at.button(key="retrain-study").click().run()
    assert not at.exception
    printed = next(code.value for code in at.code if code.value.startswith("python -m eiwflow study"))
    assert f"--arms {','.join(arm.choice for arm in started[0].arms)}" in printed
    runs = []
    monkeypatch.setattr(run_worker, "start", lambda recipe, *_: runs.append(recipe))
    at.button(key="retrain-run").click().run()
    assert runs[0].flow.order == started[0].arms[-1].order
