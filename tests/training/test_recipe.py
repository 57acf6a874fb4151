"""A recipe: its bounds, its schedule, and which steps are recorded."""

import dataclasses
import json
import math
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from eiwflow.cli.parser import build_parser
from eiwflow.flow import ConfigError, FlowConfig
from eiwflow.flow.config import WEIGHTS
from eiwflow.options import FLOW, TRAINING, without_effect
from eiwflow.training.recipe import Recipe, recording_steps

from .tiny import tiny_recipe

BOUNDS = {name: setting.bounds for name, setting in TRAINING.items() if setting.bounds is not None}
WHOLE = ("batch", "iterations", "seed", "warmup", "accumulate")


# ---------------------------------------------------------------------- bounds


def of(name, value):
    """Return a recipe with one number set; a batch that the most parts divide."""
    return Recipe(**({"batch": 4096} if name == "accumulate" else {}), **{name: value})


@given(st.sampled_from(sorted(BOUNDS)), st.integers() | st.floats() | st.sampled_from([True, "8", None, [8]]))
@example("learning_rate", float("nan"))
@example("ema", 1.0)
@example("batch", 0)
@example("batch", 4096)
@example("seed", 2**31)
def test_a_number_is_taken_within_its_bounds_and_refused_beyond(name, value):
    low, high = BOUNDS[name]
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    fits = name != "accumulate" or (isinstance(value, int) and value > 0 and 4096 % value == 0)
    if number and low <= value <= high and (isinstance(value, int) or name not in WHOLE) and fits:
        assert getattr(of(name, value), name) == value
    else:
        with pytest.raises(ConfigError, match=f"^{name} is "):
            of(name, value)


# ---------------------------------------------------------------------- as JSON


recipes = st.builds(
    Recipe,
    flow=st.builds(
        FlowConfig,
        shape=st.sampled_from([(1, 16, 16), (3, 8, 32)]),
        levels=st.integers(1, 3),
        order=st.sampled_from(["entropy", "variance-reversed", "random"]),
        weights=st.sampled_from(list(WEIGHTS)),
        scale_bound=st.floats(0.1, 4.0),
        memory=st.sampled_from(FLOW["memory"].words),
    ),
    data=st.text(st.characters(exclude_characters="\0-", exclude_categories=["Cs"]), min_size=1),
    batch=st.integers(1, 4096),
    seed=st.integers(0, 2**31 - 1),
    learning_rate=st.floats(1e-6, 1.0),
    precision=st.sampled_from(TRAINING["precision"].words),
    optimiser=st.sampled_from(TRAINING["optimiser"].words),
    flip=st.booleans(),
    schedule=st.sampled_from(TRAINING["schedule"].words),
    init_from=st.sampled_from(["", "runs/a"]),
)


@given(recipes)
def test_a_recipe_comes_back_from_json(recipe):
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


def without(name):
    return {field: value for field, value in tiny_recipe().to_dict().items() if field != name}


def test_a_missing_or_unknown_field_is_refused_by_name():
    with pytest.raises(ConfigError, match="optimiser"):
        Recipe.from_dict(without("optimiser"))
    with pytest.raises(ConfigError, match="momentum"):
        Recipe.from_dict({**tiny_recipe().to_dict(), "momentum": 0.9})
    with pytest.raises(ConfigError):
        Recipe.from_dict({**tiny_recipe().to_dict(), "flow": [3]})


@given(recipes)
def test_the_command_of_a_recipe_gives_it_again_and_has_no_setting_without_effect(recipe):
    words = recipe.arguments()
    parsed = vars(build_parser().parse_args([words[0], *(f"{a}={b}" if b else a for a, b in pairs(words[1:]))]))
    flow = dataclasses.asdict(recipe.flow)
    idle = without_effect({**flow, **vars(recipe)})
    for name, value in {**flow, **vars(recipe)}.items():
        if name in idle:
            assert parsed[name] is None
        elif parsed.get(name) is not None and name != "flow":
            assert parsed[name] == value


def pairs(words):
    """Yield each option with its value; a flag has none."""
    for option, following in zip(words, [*words[1:], "--"], strict=True):
        if option.startswith("--"):
            yield option, "" if following.startswith("--") else following


# ---------------------------------------------------------------------- the learning rate


@given(st.integers(1, 20_000), st.integers(0, 3000))
@example(1, 100)
@example(9, 100)
@example(10, 100)
def test_warm_up_takes_a_tenth_of_the_steps_at_most(iterations, warmup):
    recipe = Recipe(iterations=iterations, warmup=warmup)
    length = min(warmup, iterations // 10)
    rising = [recipe.learning_rate_at(step) for step in range(length)]
    assert rising == pytest.approx([2e-3 * (step + 1) / length for step in range(length)])
    assert recipe.learning_rate_at(length) == 2e-3
    assert length <= iterations / 10


def test_the_learning_rate_falls_along_a_cosine_to_nothing():
    recipe = Recipe(iterations=1000, warmup=100, learning_rate=0.01)
    rates = [recipe.learning_rate_at(step) for step in range(1000)]
    assert rates[0] == pytest.approx(1e-4)
    assert max(rates) == rates[99] == rates[100] == 0.01
    assert rates[550] == pytest.approx(0.005)
    assert all(before > after > 0 for before, after in pairwise(rates[100:]))
    assert rates[-1] < 1e-7
    assert recipe.learning_rate_at(1000) == pytest.approx(0, abs=1e-15)


def test_a_constant_learning_rate_stays_at_its_peak_after_the_warm_up():
    cosine, constant = (Recipe(iterations=100, warmup=10, schedule=word) for word in TRAINING["schedule"].words)
    assert [constant.learning_rate_at(step) for step in range(10)] == [cosine.learning_rate_at(s) for s in range(10)]
    assert {constant.learning_rate_at(step) for step in range(10, 100)} == {2e-3}


def test_a_recipe_that_version_0_2_could_state_has_no_later_field():
    later = {"schedule": "constant", "accumulate": 2, "init_from": "flow.safetensors"}
    assert not later.keys() & tiny_recipe().to_dict().keys()
    stated = tiny_recipe(**later).to_dict()
    assert {name: stated[name] for name in later} == later


# ---------------------------------------------------------------------- recording steps


@given(st.integers(1, 10_000_000))
@example(1)
@example(39)
@example(40)
@example(48)
@example(10_000_000)
def test_recording_steps_run_from_0_to_the_last_without_a_repetition(iterations):
    steps = recording_steps(iterations)
    assert steps == sorted(set(steps))
    assert (steps[0], steps[-1]) == (0, iterations)
    assert all(isinstance(step, int) for step in steps)
    assert len(steps) == min(48, iterations + 1)
    assert len(steps) >= 40 or iterations < 40


@given(st.integers(1000, 10_000_000))
def test_recording_steps_are_log_spaced(iterations):
    steps = recording_steps(iterations)
    ratios = [after / before for before, after in pairwise(steps[20:])]
    even = math.exp(math.log(iterations / steps[20]) / (len(steps) - 21))
    assert all(even / 1.25 < ratio < even * 1.25 for ratio in ratios)
    assert steps[1] == 1
