"""A study's recipe: its arms, and what makes arms paired."""

import json
import time
from itertools import count

import pytest
import torch

from eiwflow.flow import ConfigError, MultiScaleFlow
from eiwflow.study.cost import seconds_per_step, step_of
from eiwflow.study.recipe import (
    AGAIN,
    DEFAULT_ARMS,
    Arm,
    StudyRecipe,
    arms_of,
    control,
    crossed,
    kind_of_step,
    relative_costs,
)

from ..training.tiny import tiny_data, tiny_recipe

TEXTS = {
    "entropy/principal-random/conditional": Arm("entropy"),
    "entropy+pooled@0.25/principal-information/standard": Arm(
        "entropy", "pooled", "principal", "information", "0.25", "standard"
    ),
    "variance@auto/principal-alternating/conditional": Arm("variance", partition="alternating", keep="auto"),
    "first/random/conditional": Arm("first", init="random", partition="alternating"),
    f"{AGAIN}/principal-random/conditional": Arm(AGAIN),
}
OTHER_WORDS = {
    "entropy+pooled/principal": "entropy+pooled/principal-random/conditional",
    "random-again/principal-random": "random-again/principal-random/conditional",
    "entropy@¼/principal-random": "entropy@0.25/principal-random/conditional",
    "entropy+pooled@3/4/principal-random/standard": "entropy+pooled@0.75/principal-random/standard",
    "variance@½/principal-random": "variance/principal-random/conditional",
    "entropy@all/principal-random": "entropy@all/principal-random/conditional",
}


@pytest.mark.parametrize(("text", "arm"), TEXTS.items())
def test_an_arm_is_read_from_its_own_text(text, arm):
    assert Arm.parse(text) == arm
    assert arm.text == text
    assert arm.name == text.replace("/", "-")


@pytest.mark.parametrize(("text", "expected"), OTHER_WORDS.items())
def test_an_arm_is_read_from_fractions_and_without_what_it_may_leave_out(text, expected):
    assert Arm.parse(text).text == expected


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("entropy", "ORDER"), ("a/b/c/d", "ORDER"), ("middle/principal-random", "middle"), ("entropy/glow", "glow"),
        ("entropy/principal-odd", "odd"), ("entropy/principal-random/flat", "flat"), ("entropy@x/principal", "'x'"),
        ("entropy@0.3/principal", "0.3"),
    ],
)  # fmt: skip
def test_a_text_that_is_no_arm_is_refused_by_name(text, named):
    with pytest.raises(ConfigError, match=named):
        Arm.parse(text)


def test_arms_are_all_combinations_and_impossible_ones_are_left_out_with_a_sentence():
    arms, left_out = crossed(
        ["entropy", "released"], ["none", "pooled"], ["principal", "random"], ["random", "information"], ["0.5", "¼"],
        ["standard"],
    )  # fmt: skip
    # Partitions do not matter from random rotations; the released operation has no weights.
    assert len([arm for arm in arms if arm.order == "entropy"]) == 2 * 2 * 2 + 2 * 2
    assert len([arm for arm in arms if arm.order == "released"]) == 2 * 2 + 2
    assert left_out and all("released+pooled" in text for text in left_out)


@pytest.mark.parametrize("words", [{"orders": ["middle"]}, {"inits": ["zeros"]}, {"priors": ["flat"]}, {"orders": []}])
def test_a_word_that_no_arm_can_have_is_refused(words):
    with pytest.raises(ConfigError):
        crossed(**{"orders": ["entropy"], **words})


def test_an_arm_that_names_no_prior_has_every_prior_that_is_asked_for():
    priors = ("standard", "conditional")
    assert arms_of("first/random", priors) == [Arm.parse(f"first/random/{prior}") for prior in priors]
    assert arms_of("entropy/random/standard", priors) == [Arm.parse("entropy/random/standard")]


def test_runs_go_seed_by_seed_so_that_a_study_under_way_is_paired():
    recipe = StudyRecipe(arms=DEFAULT_ARMS[:2], seeds=3)
    assert [seed for _, seed in recipe.runs()] == [0, 0, 1, 1, 2, 2]
    assert len(set(recipe.runs())) == 6


def test_a_control_is_random_against_random_with_permutations_drawn_anew_for_every_seed():
    recipe = StudyRecipe(arms=control(), seeds=4)
    one, other = recipe.arms
    assert recipe.is_control and not StudyRecipe(arms=(*control(), DEFAULT_ARMS[0])).is_control
    ours, theirs = ([recipe.training(arm, seed).flow for seed in range(4)] for arm in (one, other))
    assert len({flow.permutation_seed for flow in ours + theirs}) == 8
    assert {(flow.order, flow.weights) for flow in ours + theirs} == {("random", "none")}
    orders = [MultiScaleFlow(flow).levels[0].shuffle.order.tolist() for flow in ours + theirs]
    assert len({tuple(order) for order in orders}) == 8


def test_weights_are_compared_on_the_same_permutation():
    recipe = StudyRecipe(arms=("random/principal-random", "random+pooled/principal-random"))
    for seed in range(3):
        one, other = (recipe.training(arm, seed).flow.permutation_seed for arm in recipe.arms)
        assert one == other


def test_an_arm_s_flow_has_its_choices():
    flow = Arm.parse("entropy+pooled@0.25/principal-information/standard").flow(3, shape=(3, 8, 8), levels=2)
    assert (flow.order, flow.weights, flow.partition, flow.keep, flow.prior) == (
        "entropy", "pooled", "information", 0.25, "standard",
    )  # fmt: skip
    assert flow.permutation_seed == 3
    assert Arm.parse("entropy@all/principal-random").flow(shape=(3, 8, 8), levels=2).counts == (12,)


WRONG = {
    "arms": ({"arms": ("middle/principal",)}, "middle"),
    "no arm": ({"arms": ()}, "0 arms"),
    "seeds": ({"seeds": 0}, "seeds is 0"),
    "runs": ({"arms": (*DEFAULT_ARMS, *control()), "seeds": 1000}, "seeds is 1000"),
    "part": ({"evaluate_on": "train"}, "train"),
    "iterations": ({"iterations": 0}, "iterations is 0"),
    "size": ({"size": 12}, "divisible"),
}


@pytest.mark.parametrize(("fields", "named"), WRONG.values(), ids=WRONG.keys())
def test_a_setting_out_of_its_bounds_is_refused_by_name(fields, named):
    with pytest.raises(ConfigError, match=named):
        StudyRecipe(**fields)


RECIPES = {
    "defaults": {},
    "all else": {
        "arms": ("random@0.25/random/standard", "entropy+pooled/principal-information/conditional"), "seeds": 7,
        "evaluate_on": "validation", "equal_time": True, "size": 8, "levels": 2, "steps": 2, "width": 9,
        "network": "3-3", "scale_bound": 1.5, "batch": 7, "iterations": 11, "optimiser": "adamw",
        "learning_rate": 1e-3, "weight_decay": 0.1, "warmup": 3, "clip": 2.5, "ema": 0.5, "divergence": 0.25,
        "flip": True, "data": "faces16",
    },
    "both priors": {"arms": tuple(arm.under(prior) for prior in ("standard", "conditional") for arm in DEFAULT_ARMS)},
    "the control alone": {"arms": control()},
}  # fmt: skip


@pytest.mark.parametrize("fields", RECIPES.values(), ids=RECIPES.keys())
def test_a_recipe_survives_its_file(fields):
    recipe = StudyRecipe(**fields)
    assert StudyRecipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_a_field_that_is_not_known_is_refused_by_name():
    with pytest.raises(ConfigError, match="splits"):
        StudyRecipe.from_dict({"splits": ["static-last", "weighted"], "seeds": 2})
    assert len(StudyRecipe.from_dict({}).arms) == 7


def test_arms_and_seeds_may_be_added_and_nothing_else_may_differ():
    recipe = StudyRecipe(arms=DEFAULT_ARMS[:2], seeds=2)
    more = StudyRecipe(arms=DEFAULT_ARMS[1:3], seeds=3)
    assert recipe.difference(more) == ""
    assert recipe.extended(more) == StudyRecipe(arms=DEFAULT_ARMS[:3], seeds=3)
    # A name goes before a path, so the folder of that name is other data.
    assert StudyRecipe(data="photos32").difference(StudyRecipe(data="./photos32")).startswith("data ./photos32, not ")
    assert recipe.difference(StudyRecipe(iterations=7)).startswith("iterations 7, not 500")


def test_iterations_at_equal_time_are_divided_by_the_cost_of_a_step():
    arm = Arm("entropy", "pooled")
    assert StudyRecipe(iterations=500).training(arm, 0, cost=1.25).iterations == 400
    assert StudyRecipe(iterations=1).training(arm, 0, cost=3.0).iterations == 1


def test_a_step_costs_relative_to_the_cheapest_arm_of_its_prior():
    seconds = {"none/standard": 2.0, "pooled/standard": 3.0, "none/conditional": 4.0, "pooled@0.25/conditional": 4.2}
    expected = {"none/standard": 1.0, "pooled/standard": 1.5, "none/conditional": 1.0, "pooled@0.25/conditional": 1.05}
    assert relative_costs(seconds) == expected
    assert kind_of_step(StudyRecipe(), Arm("entropy", "pooled", keep="0.25")) == "pooled@0.25/conditional"


def test_every_split_that_chooses_how_much_it_passes_on_has_a_cost_of_its_own():
    texts = [f"{split}/conditional" for split in ("entropy@auto/principal-random", "variance@auto/principal-random",
             "entropy@auto/principal-information", "entropy@auto/random")]  # fmt: skip
    kinds = [kind_of_step(StudyRecipe(), Arm.parse(text)) for text in texts]
    assert len({*kinds}) == 4
    assert relative_costs(dict(zip(kinds, (2.0, 3.0, 4.0, 5.0), strict=True)))[kinds[3]] == 2.5


def test_a_step_that_is_slow_now_and_then_costs_what_it_mostly_does():
    calls = count()

    def step():
        end = time.process_time() + 0.01 * (next(calls) % 5 == 0)
        while time.process_time() < end:
            pass

    assert seconds_per_step({"none/conditional": step}, torch.device("cpu"))["none/conditional"] < 0.001


@pytest.mark.slow
def test_a_wider_flow_costs_more_a_step():
    cpu = torch.device("cpu")
    steps = {width: step_of(tiny_recipe(width=width), "", tiny_data(), cpu) for width in (8, 128)}
    narrow, wide = seconds_per_step(steps, cpu).values()
    assert wide > narrow > 0
