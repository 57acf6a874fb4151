"""What a study may say: reading a stranger's file, contrasts over seeds, and a verdict that can say no."""

import base64
import io
import json
import math
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from eiwflow.analysis.compare import (
    comparisons,
    contrast,
    corrected,
    effect,
    factorial,
    false_alarms,
    report,
    residuals,
    subjects,
    verdict,
)
from eiwflow.analysis.compare_arms import arm_curve, arm_table
from eiwflow.analysis.study_file import StudyError, read_record, read_study
from eiwflow.training.study import run_study
from eiwflow.training.study_recipe import AGAIN, Arm, StudyRecipe

from ..studies import arms, document, write_study
from ..test_cli import json_of, printed, refused
from ..training.tiny import write_npz

ROOT = Path(__file__).resolve().parents[2]
BUNDLED = sorted((ROOT / "assets" / "studies").glob("*.json"))
FULL = {
    "static-first/principal": 3.90, "static-last/principal": 4.10, "random/principal": 4.05, "shuffle/principal": 3.90,
    "first+pooled/principal": 3.88, "last+pooled/principal": 4.08, "random+pooled/principal": 4.03,
    "weighted/principal": 3.84, "static-first/random": 4.10, "static-last/random": 4.15, "weighted/random": 4.08,
}  # fmt: skip
PRINCIPAL = {name: mean for name, mean in FULL.items() if name.endswith("principal")}


@pytest.fixture
def study_of(tmp_path):
    """Return a function that writes a study and reads it."""

    def write_and_read(bits, **fields):
        return read_study(write_study(tmp_path / "made-up.json", bits, **fields))

    return write_and_read


# ---------------------------------------------------------------------- one contrast


def test_a_contrast_is_the_paired_t_test_of_scipy(study_of):
    study = study_of(arms(FULL))
    ours, theirs = (Arm(split, "principal", "conditional") for split in ("weighted", "static-first"))
    one = contrast(study, "weighted − static-first", {ours: 1.0, theirs: -1.0})
    bits = [[run.bits_per_dim for run in study.of(arm)] for arm in (ours, theirs)]
    test = stats.ttest_rel(*bits)
    assert one.p == pytest.approx(test.pvalue)
    assert (one.low, one.high) == pytest.approx(tuple(test.confidence_interval(0.95)))
    assert one.mean == pytest.approx(np.mean(bits[0]) - np.mean(bits[1]))


def test_what_a_seed_shares_leaves_no_trace_in_a_contrast(study_of):
    weights = {Arm(split, "principal", "conditional"): weight for split, weight in (("weighted", 1), ("shuffle", -1))}
    bits = arms(PRINCIPAL)
    shift = np.linspace(-1, 1, 6)
    moved = {arm: (np.array(values) + shift).tolist() for arm, values in bits.items()}
    before, after = (contrast(study_of(values), "", weights) for values in (bits, moved))
    assert after.values == pytest.approx(before.values)
    assert (after.low, after.p) == pytest.approx((before.low, before.p))


def test_a_contrast_is_over_the_seeds_that_all_its_arms_have(study_of):
    bits = arms({"weighted/principal": 3.8, "shuffle/principal": 3.9})
    short = {arm: values[:4] if arm.split == "shuffle" else values for arm, values in bits.items()}
    assert comparisons(study_of(short)).effects[0].seeds.tolist() == [0, 1, 2, 3]


def test_one_seed_is_no_conclusion_however_large_the_difference(study_of):
    found = verdict(study_of(arms(PRINCIPAL, seeds=1)))
    assert {one.claim for one in found.comparisons.effects} == {"no conclusion"}
    assert math.isnan(found.comparisons.effects[0].low)
    assert found.in_words().startswith("No conclusion: over 1 seed on photos32, weighted needs 0.0")
    assert "no conclusion" in found.comparisons.effects[0].in_words()


def test_an_interval_that_holds_0_is_no_conclusion():
    one = corrected([effect("", {}, np.arange(4), np.array([-0.02, 0.01, -0.03, 0.01]))])[0]
    assert one.low < 0 < one.high
    assert one.claim == "no conclusion"


def test_differences_without_scatter_have_an_interval_of_no_width():
    none, some = (corrected([effect("", {}, np.arange(3), np.full(3, value))])[0] for value in (0.0, -0.1))
    assert (none.low, none.high, none.p, none.claim) == (0, 0, 1, "no conclusion")
    assert (some.low, some.p, some.claim) == (-0.1, 0, "better")


def with_p(p):
    """Return an effect of six seeds whose p is near the one given."""
    base = np.array([-1.0, -0.6, -0.2, 0.2, 0.6, 1.0])
    t = stats.t.isf(p / 2, 5)
    return effect("", {}, np.arange(6), base - t * base.std(ddof=1) / math.sqrt(6))


def test_holm_s_correction_is_that_of_a_worked_example():
    # Sorted 0.005, 0.01, 0.03, 0.04 with 4, 3, 2, 1: 0.02, 0.03, 0.06, and 0.04 raised to the 0.06 before it.
    found = corrected([with_p(0.01), with_p(0.04), None, with_p(0.03), with_p(0.005)])
    assert [one.p_corrected for one in found] == pytest.approx([0.03, 0.06, 0.06, 0.02], abs=1e-6)
    assert [one.claim for one in found] == ["better", "no conclusion", "no conclusion", "better"]


def test_an_interval_clear_of_0_may_still_be_no_conclusion_among_many():
    found = corrected([with_p(0.04)] * 3)
    assert found[0].high < 0
    assert found[0].claim == "no conclusion"
    assert "no conclusion after correction" in found[0].in_words()


def test_corrected_p_never_fall_below_those_that_are_not():
    found = corrected([with_p(p) for p in (0.5, 0.001, 0.2, 0.049, 0.9)])
    assert all(one.p_corrected >= one.p for one in found)
    assert max(one.p_corrected for one in found) <= 1


# ---------------------------------------------------------------------- the factorial reading


def test_the_factorial_reading_finds_the_parts_that_the_numbers_were_made_of(study_of):
    order = {"first": 0.03, "last": 0.2, "random": 0.15, "entropy": 0.0}
    names = {"first": "static-first", "last": "static-last", "random": "random", "entropy": "shuffle"}
    made = {}
    for rule, cost in order.items():
        made[f"{names[rule]}/principal"] = 4 + cost
        pooled = "weighted" if rule == "entropy" else f"{rule}+pooled"
        made[f"{pooled}/principal"] = 4 + cost - 0.02 - 0.01 * (rule == "entropy")
    made |= {"static-first/random": 4.43, "static-last/random": 4.6, "weighted/random": 4.07}
    found = factorial(study_of(arms(made, noise=1e-4)), "conditional")
    said = {one.name: one.mean for one in found.effects}
    assert said == pytest.approx(
        {
            "entropy order − first": -0.035,
            "entropy order − last": -0.205,
            "entropy order − random": -0.155,
            "weights − none": -0.0225,
            "principal − random initialisation": -(0.4 + 0.4 + 0.1) / 3,
            "weights × entropy order": -0.01,
            "principal over random × weighted": 0.3,
        },
        abs=5e-4,
    )


def test_the_factorial_reading_is_on_the_initialisation_that_the_recipe_crosses_with_the_splits(study_of):
    made = {
        "static-first/dealt": 3.95, "static-last/dealt": 4.15, "first+pooled/dealt": 3.92, "weighted/dealt": 3.80,
        "static-first/principal": 4.0, "weighted/principal": 3.9, "static-first/random": 4.4, "weighted/random": 4.2,
    }  # fmt: skip
    study = study_of(arms(made, noise=1e-4), inits=("dealt",))
    found = factorial(study, "conditional")
    said = {one.name: one.mean for one in found.effects}
    assert said == pytest.approx(
        {
            "entropy order and deal − first": -0.12,
            "weights − none": -0.03,
            "dealt − principal initialisation": -(0.05 + 0.1) / 2,
            "dealt − random initialisation": -(0.45 + 0.4) / 2,
            "dealt over principal × weighted": -0.1 + 0.05,
            "dealt over random × weighted": -0.4 + 0.45,
        },
        abs=5e-4,
    )
    # Holm's correction is over all that are looked at together.
    largest = max(found.effects, key=lambda one: one.p)
    smallest = min(found.effects, key=lambda one: one.p)
    assert smallest.p_corrected == pytest.approx(len(found.effects) * smallest.p)
    assert largest.p_corrected >= largest.p
    assert subjects(study)[0] == ("weighted", "dealt")
    informed = verdict(study).entropy_informed()
    assert "nothing is claimed of the entropy order by itself" in informed and "− first −0.12" in informed


def test_where_all_orders_are_dealt_alike_order_and_deal_are_told_apart(study_of):
    orders = {"first+pooled": 0.05, "last+pooled": 0.2, "random+pooled": 0.1, "weighted": 0.0}
    deals = {"dealt-by-information": 0.0, "dealt-by-chance": 0.02}
    made = {f"{split}/{init}": 3.9 + order + deal for split, order in orders.items() for init, deal in deals.items()}
    study = study_of(arms(made, noise=1e-4), inits=tuple(deals))
    said = {one.name: one.mean for one in factorial(study, "conditional").effects}
    assert said["entropy order − first"] == pytest.approx(-0.05, abs=5e-4)
    assert said["dealt-by-information − dealt-by-chance initialisation"] == pytest.approx(-0.02, abs=5e-4)
    assert verdict(study).entropy_informed().startswith("With the conditional prior the gain is entropy-informed")
    found = verdict(study)
    assert "with channels dealt by information, weighted needs" in found.in_words()
    # Without a static split the question is about the other splits that are dealt alike.
    assert {arm.init for arm in found.rivals["conditional"]} == {"dealt-by-information"}


@pytest.mark.parametrize("inits", [("principal", "dealt"), ("dealt", "principal")])
def test_which_initialisation_is_asked_for_first_does_not_matter(study_of, inits):
    made = {f"{split}/{init}": 4.0 for split in ("static-first", "weighted") for init in ("dealt", "principal")}
    found = factorial(study_of(arms(made), inits=inits), "conditional")
    assert [one.name for one in found.init] == ["dealt − principal initialisation"]


def test_a_study_that_crosses_nothing_is_read_on_the_initialisation_of_its_first_arm(study_of):
    made = {"static-first/random": 4.0, "weighted/random": 3.9}
    assert subjects(study_of(arms(made), inits=()))[0] == ("weighted", "random")


def test_every_effect_is_a_contrast_whose_weights_sum_to_0(study_of):
    for one in factorial(study_of(arms(FULL)), "conditional").effects:
        assert sum(one.arms.values()) == pytest.approx(0)
        assert sum(abs(weight) for weight in one.arms.values()) > 1


def test_what_a_study_has_no_arms_for_is_not_in_the_reading(study_of):
    found = factorial(study_of(arms({"static-first/principal": 4.0, "weighted/principal": 3.9})), "conditional")
    assert found.effects == ()
    found = factorial(study_of(arms({"shuffle/principal": 4.0, "weighted/principal": 3.9})), "conditional")
    assert [one.name for one in found.effects] == ["weights − none"]


# ---------------------------------------------------------------------- the verdict


def test_yes_takes_every_static_split_of_the_same_initialisation(study_of):
    found = verdict(study_of(arms(FULL)))
    assert found.answer == "Yes"
    assert {arm.name for arm in found.rivals["conditional"]} == {
        "static-first-principal-conditional", "static-last-principal-conditional", "shuffle-principal-conditional",
    }  # fmt: skip
    assert "less than static-first" in found.in_words()


def test_one_static_split_that_is_as_good_is_no_conclusion(study_of):
    assert verdict(study_of(arms({**PRINCIPAL, "static-first/principal": 3.84}))).answer == "No conclusion"


def test_one_static_split_that_is_better_is_a_no(study_of):
    found = verdict(study_of(arms({**PRINCIPAL, "static-first/principal": 3.70})))
    assert found.answer == "No"
    assert "more than static-first" in found.in_words()


def test_the_same_order_without_weights_is_a_rival_that_yes_has_to_beat(study_of):
    as_good = verdict(study_of(arms({**PRINCIPAL, "shuffle/principal": 3.84})))
    assert as_good.answer == "No conclusion" and "than shuffle (" in as_good.in_words()
    better = verdict(study_of(arms({**PRINCIPAL, "shuffle/principal": 3.70})))
    assert better.answer == "No" and "more than shuffle" in better.in_words()


def test_an_answer_says_where_the_same_order_without_weights_was_not_run(study_of):
    missing = " shuffle, the same order without weights, was not run."
    without = {name: mean for name, mean in PRINCIPAL.items() if name != "shuffle/principal"}
    assert verdict(study_of(arms(without))).in_words().endswith(missing)
    assert "was not run" not in verdict(study_of(arms(PRINCIPAL))).in_words()
    assert "was not run" not in verdict(study_of(arms(without)), ("static-last", "principal")).in_words()


@pytest.mark.parametrize("rival", ["first+pooled/principal", "random+pooled/principal", "static-first/random"])
def test_there_is_no_yes_while_any_arm_is_better(study_of, rival):
    found = verdict(study_of(arms({**FULL, rival: 3.70})))
    assert found.answer == "No"
    assert f"more than {rival.split('/')[0]}" in found.in_words()


def test_the_correlation_of_paired_arms_is_reported(study_of):
    study = study_of(arms(PRINCIPAL))
    row = verdict(study).comparisons.table()[0]
    ours, theirs = ([run.bits_per_dim for run in study.of(arm)] for arm in verdict(study).comparisons.effects[0].arms)
    assert row["pairing_correlation"] == pytest.approx(np.corrcoef(ours, theirs)[0, 1])
    assert 0.5 < row["pairing_correlation"] < 1
    few = study_of(arms(PRINCIPAL, seeds=2))
    assert np.isnan(verdict(few).comparisons.table()[0]["pairing_correlation"])


def test_one_prior_that_says_no_outweighs_one_that_says_yes(study_of):
    bits = arms(PRINCIPAL) | arms({**PRINCIPAL, "static-first/principal": 3.70}, prior="standard")
    found = verdict(study_of(bits))
    assert found.answer == "No"
    assert "with the conditional prior; " in found.in_words()
    assert "with the standard prior" in found.in_words()


def test_entropy_informed_takes_each_other_order_with_weights(study_of):
    said = verdict(study_of(arms(FULL))).entropy_informed()
    assert "the gain is entropy-informed" in said
    for split in ("first+pooled", "last+pooled", "random+pooled"):
        assert split in said


@pytest.mark.parametrize("split", ["first+pooled", "last+pooled", "random+pooled"])
def test_entropy_informed_is_not_claimed_where_one_other_order_is_as_good(study_of, split):
    said = verdict(study_of(arms({**FULL, f"{split}/principal": 3.84}))).entropy_informed()
    assert "the gain is not called entropy-informed" in said
    assert f"does not beat {split} (" in said
    assert "weights − none −0.0" in said
    assert "principal − random initialisation −0.1" in said


def test_entropy_informed_is_not_claimed_where_an_order_is_missing(study_of):
    some = {name: mean for name, mean in FULL.items() if not name.startswith("random+pooled")}
    said = verdict(study_of(arms(some))).entropy_informed()
    assert said == "With the conditional prior nothing is claimed of the entropy: this study has no random+pooled."


def test_what_is_said_alike_of_both_priors_is_said_once(study_of):
    some = {name: mean for name, mean in PRINCIPAL.items() if name != "random+pooled/principal"}
    said = verdict(study_of({**arms(some), **arms(some, prior="standard")})).entropy_informed()
    assert said.startswith("With either prior nothing is claimed of the entropy") and said.count("nothing") == 1


def test_a_gain_that_nothing_carries_is_said_to_be_of_nothing(study_of):
    said = verdict(study_of(arms(dict.fromkeys(PRINCIPAL, 4.0)))).entropy_informed()
    assert "what carries it: nothing that is clear of chance" in said


def test_another_subject_is_compared_with_all_others(study_of):
    found = verdict(study_of(arms(FULL)), ("static-last", "random"))
    assert len(found.comparisons.effects) == len(FULL) - 1
    assert all(one.name.startswith("static-last (random init) − ") for one in found.comparisons.effects)
    assert "not what is compared here" in found.entropy_informed()


def test_a_subject_that_the_study_has_not_is_refused(study_of):
    with pytest.raises(StudyError, match=r"has no arm weighted/random; it has weighted/principal, static-first"):
        verdict(study_of(arms(PRINCIPAL)), ("weighted", "random"))


def test_the_adaptive_split_is_the_first_subject(study_of):
    assert subjects(study_of(arms(FULL)))[0] == ("weighted", "principal")
    assert subjects(study_of(arms({"shuffle/random": 1.0, "random/random": 1.0})))[0] == ("shuffle", "random")


def test_the_words_say_what_a_study_was_evaluated_on_and_that_cpu_was_equal(study_of):
    study = study_of(arms(PRINCIPAL), evaluate_on="validation", equal_cpu=True)
    assert "on photographs held out from training, at equal CPU seconds, weighted needs" in verdict(study).in_words()


# ---------------------------------------------------------------------- nulls


def null(difference=0.0, seeds=8):
    return arms({"random/principal": 4.0, f"{AGAIN}/principal": 4.0 + difference}, seeds)


def test_a_null_says_that_nothing_is_claimed(study_of):
    found = verdict(study_of(null()))
    assert found.answer == "No conclusion"
    assert found.in_words().startswith("Two arms that differ by nothing but chance: ")
    assert found.in_words().endswith("with the conditional prior; no difference is claimed, as it should be.")


def test_a_null_that_is_called_a_difference_owns_up_to_it(study_of):
    said = verdict(study_of(null(0.1))).in_words()
    assert said.endswith("a difference is claimed where there is none, as may happen in 1 study of 20.")


def nulls():
    """Return name -> (what runs differ by, numbers of seeds): made-up scatter, and that of the bundled studies."""
    random = np.random.default_rng(5)
    made_up = {
        "normal": random.normal(0, 0.01, 4000),
        "heavy tails": stats.t.rvs(4, size=4000, random_state=1) * 0.01,
        "skewed": random.exponential(0.01, 4000),
    }
    found = {name: (pool, (3, 5, 8)) for name, pool in made_up.items()}
    for study in map(read_study, BUNDLED):
        found[study.name] = residuals(study), (study.recipe.seeds,)
    return found


NULLS = nulls()


@pytest.mark.parametrize(("pool", "numbers"), NULLS.values(), ids=NULLS.keys())
def test_of_1000_null_studies_at_most_73_are_called_a_difference(pool, numbers):
    # 50 are to be expected; more than 73 of 1,000 has a probability below 0.001.
    for seeds in numbers:
        found = false_alarms(pool, seeds)
        assert found.studies == 1000
        assert found.called <= 73


def test_false_alarms_are_alarms_that_can_sound():
    assert false_alarms(np.random.default_rng(0).normal(size=1000), 8).called > 20


def test_residuals_have_the_scatter_of_single_runs(study_of):
    names = {f"{split}/principal": mean for split, mean in (("weighted", 3.8), ("shuffle", 3.9), ("random", 4.1))}
    pool = residuals(study_of(arms(names, seeds=400, noise=0.02)))
    assert len(pool) == 1200
    assert pool.std() == pytest.approx(0.02, rel=0.05)


def test_a_study_of_one_seed_has_no_residuals(study_of):
    assert len(residuals(study_of(arms(PRINCIPAL, seeds=1)))) == 0


@pytest.mark.parametrize("runs", [10, 11])
def test_residuals_of_a_study_under_way_are_of_the_seeds_that_all_arms_have(tmp_path, runs):
    names = {f"{split}/principal": mean for split, mean in (("weighted", 3.8), ("shuffle", 3.9))}
    made = document(arms(names, seeds=8))
    made["results"] = sorted(made["results"], key=lambda result: result["seed"])[:runs]
    (tmp_path / "s.json").write_text(json.dumps(made))
    whole = write_study(tmp_path / "whole.json", {arm: bits[:5] for arm, bits in arms(names, seeds=8).items()})
    assert residuals(read_study(tmp_path / "s.json")).tolist() == residuals(read_study(whole)).tolist()
    assert len(residuals(read_study(whole))) == 10


# ---------------------------------------------------------------------- arms, one by one


def test_the_table_of_arms_has_what_each_cost_and_reached(study_of):
    study = study_of(arms({"weighted/principal": 3.8, "shuffle/principal": 3.9}))
    row = arm_table(study)[0]
    bits = [run.bits_per_dim for run in study.of(study.arms[0])]
    assert row["bits_per_dim"] == pytest.approx(np.mean(bits))
    assert row["sd_over_seeds"] == pytest.approx(np.std(bits, ddof=1))
    assert (row["split"], row["seeds"], row["parameters"], row["cpu_s"]) == ("weighted", 6, 1016, 5.0)


def test_curves_are_paired_by_seed_and_step(study_of):
    study = study_of(arms({"weighted/principal": 3.8, "shuffle/principal": 3.9}))
    ours, theirs = (arm_curve(study, arm) for arm in study.arms)
    apart = ours.minus(theirs)
    assert apart.steps.tolist() == [1, 10, 100]
    assert apart.bits_per_dim == pytest.approx(ours.bits_per_dim - theirs.bits_per_dim)
    assert ours.mean == pytest.approx(ours.bits_per_dim.mean(axis=0))


def test_curves_of_other_steps_are_not_paired(study_of):
    study = study_of(arms({"weighted/principal": 3.8, "shuffle/principal": 3.9}))
    ours, theirs = (arm_curve(study, arm) for arm in study.arms)
    theirs.steps[:] = [2, 20, 200]
    assert ours.minus(theirs) is None


def test_a_curve_without_its_test_side_shows_the_training_batches(tmp_path):
    made = document(arms({"weighted/principal": 3.8}))
    for one in made["results"]:
        one["curve"] = [point[:2] for point in one["curve"]]
    (tmp_path / "s.json").write_text(json.dumps(made))
    study = read_study(tmp_path / "s.json")
    assert arm_curve(study, study.arms[0]).bits_per_dim[0, 0] == made["results"][0]["curve"][0][1]


# ---------------------------------------------------------------------- a stranger's file


def changed_result(**fields):
    def change(made):
        made["results"][0].update(fields)

    return change


def changed_recipe(**fields):
    def change(made):
        made["recipe"].update(fields)

    return change


SPOILT = {
    "no recipe": (lambda made: made.pop("recipe"), "has no recipe and results"),
    "results in words": (changed_recipe(), "has no recipe and results"),
    "a field of another type": (changed_recipe(seeds="six"), "seeds is 'six'; it must be a whole number"),
    "a field out of bounds": (changed_recipe(width=10**9), "width"),
    "a field that is not known": (changed_recipe(colour="red"), "unknown field 'colour'"),
    "true for a number": (changed_recipe(iterations=True), "iterations"),
    "splits of numbers": (changed_recipe(splits=[1]), "splits"),
    "a result that is none": (lambda made: made["results"].append(3), "Result 13 of s.json is not an object"),
    "no split": (lambda made: made["results"][0].pop("split"), "lacks split, init or prior"),
    "a split that is none": (changed_result(split="../../etc"), "is not in its recipe"),
    "bits in words": (changed_result(bits_per_dim="low"), "bits_per_dim 'low'; it must be a number"),
    "bits not finite": (changed_result(bits_per_dim=math.inf), "between -1000 and 1000"),
    "bits not a number": (changed_result(bits_per_dim=math.nan), "between -1000 and 1000"),
    "a seed out of the recipe": (changed_result(seed=6), "is not in its recipe"),
    "a seed below 0": (changed_result(seed=-1), "seed -1"),
    "a run twice": (lambda made: made["results"].append(made["results"][0]), "is there twice"),
    "a curve in words": (changed_result(curve="down"), "not a list"),
    "a curve too long": (changed_result(curve=[[1, 2, 3]] * 1001), "at most 1000 points"),
    "a point of one": (changed_result(curve=[[1]]), "not two or three finite numbers"),
    "a point that is not finite": (changed_result(curve=[[1, math.nan, 2]]), "not two or three finite numbers"),
    "costs in words": (lambda made: made.update(step_cost="much"), "step_cost"),
    "costs below 1": (lambda made: made.update(step_cost={"none/standard": 0.1}), "step_cost"),
}


@pytest.mark.parametrize(("spoil", "named"), SPOILT.values(), ids=SPOILT.keys())
def test_a_file_that_is_not_a_study_is_refused_in_one_sentence(tmp_path, spoil, named):
    made = document(arms({"weighted/principal": 3.8, "shuffle/principal": 3.9}))
    spoil(made)
    if named.startswith("has no recipe") and "recipe" in made:
        made["results"] = "good"
    (tmp_path / "s.json").write_text(json.dumps(made))
    with pytest.raises(StudyError) as refusal:
        read_study(tmp_path / "s.json")
    assert named in str(refusal.value)
    assert "s.json" in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"\xff\xfe", b"null", b"1" * 5000])
def test_what_is_not_json_is_refused(tmp_path, content):
    (tmp_path / "s.json").write_bytes(content)
    with pytest.raises(StudyError, match=r"^s\.json is not a study's file"):
        read_study(tmp_path / "s.json")


def test_a_file_that_is_too_large_or_not_there_is_refused(tmp_path, monkeypatch):
    with pytest.raises(StudyError, match="cannot be read"):
        read_study(tmp_path / "s.json")
    path = write_study(tmp_path / "s.json", arms({"weighted/principal": 3.8}))
    monkeypatch.setattr("eiwflow.analysis.study_file.MAX_BYTES", 100)
    with pytest.raises(StudyError, match="at most 100 are read"):
        read_study(path)


def test_a_study_under_way_is_read_as_far_as_it_is(tmp_path):
    made = document(arms(FULL))
    made["results"] = made["results"][: len(made["results"]) // 2]
    (tmp_path / "s.json").write_text(json.dumps(made))
    study = read_study(tmp_path / "s.json")
    assert not study.is_done
    assert len(study.runs) == len(made["results"])
    with pytest.raises(StudyError, match="no run yet"):
        (tmp_path / "s.json").write_text(json.dumps({**made, "results": []}))
        verdict(read_study(tmp_path / "s.json"))


# ---------------------------------------------------------------------- real files


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """Return the file of a study that was run, of two arms with weights and without."""
    folder = tmp_path_factory.mktemp("study")
    tiny = {"levels": 2, "steps": 1, "width": 8, "size": 8, "batch": 8, "iterations": 25, "seeds": 2}
    recipe = StudyRecipe(data=str(write_npz(folder / "planes.npz")), splits=("static-last", "weighted"), **tiny)
    run_study(recipe, folder / "real.json")
    return folder / "real.json"


def test_a_study_that_was_run_is_read_with_its_records(real):
    study = read_study(real)
    assert study.is_done
    assert [arm.split for arm in study.arms] == ["static-last", "weighted"]
    static, weighted = (read_record(study, arm) for arm in study.arms)
    assert static.steps.tolist() == weighted.steps.tolist()
    assert len(static.steps) >= 20
    assert static.levels[0].weights_mean is None
    assert weighted.levels[0].weights_mean.shape == (len(static.steps), 12)
    assert static.samples.keys() == set(static.steps.tolist())


def spoilt_record(change):
    def spoil(path):
        made = json.loads(path.read_bytes())
        change(made["steps"])
        path.write_text(json.dumps(made))

    return spoil


def png(step):
    file = io.BytesIO()
    Image.new("RGB", (4, 4)).save(file, "PNG")
    step["samples"] = base64.b64encode(file.getvalue()).decode()


SPOILT_RECORDS = {
    "not there": lambda path: path.unlink(),
    "no JSON": lambda path: path.write_text("{"),
    "no steps": spoilt_record(list.clear),
    "steps that fall": spoilt_record(list.reverse),
    "an order that is none": spoilt_record(lambda steps: steps[0]["levels"][0].update(order=[0] * 12)),
    "no finite number": spoilt_record(lambda steps: steps[0]["levels"][0].update(entropy=[math.nan] * 12)),
    "a level missing": spoilt_record(lambda steps: steps[1]["levels"].pop()),
    "samples that are no WEBP": spoilt_record(lambda steps: png(steps[0])),
    "samples in words": spoilt_record(lambda steps: steps[0].update(samples="<script>")),
}


@pytest.mark.parametrize("spoil", SPOILT_RECORDS.values(), ids=SPOILT_RECORDS.keys())
def test_a_record_that_cannot_be_trusted_is_none(tmp_path, real, spoil):
    study = read_study(real)
    arm = study.arms[1]
    copy = tmp_path / arm.name / "record.json"
    copy.parent.mkdir()
    copy.write_bytes((study.folder / arm.name / "record.json").read_bytes())
    object.__setattr__(study, "folder", tmp_path)
    assert read_record(study, arm) is not None
    spoil(copy)
    assert read_record(study, arm) is None


def test_the_command_line_reports_what_the_page_shows(real):
    said = json_of("study", "--out", real, "--report")
    study = read_study(real)
    expected = report(study)
    assert said["verdict"] == expected["verdict"] == verdict(study).in_words()
    assert [row["contrast"] for row in said["comparisons"]] == ["weighted − static-last, conditional"]
    assert said["comparisons"][0]["low"] == expected["comparisons"][0]["low"]
    text = printed("study", "--out", real, "--report", "--subject", "static-last/dealt")
    assert "static-last needs" in text


@pytest.mark.parametrize("subject", ["weighted", "weighted/principal/standard", "weighted/random"])
def test_the_command_line_refuses_a_subject_that_is_none(real, subject):
    refused("study", "--out", real, "--report", "--subject", subject)


def test_the_command_line_refuses_a_report_of_what_is_no_study(tmp_path):
    (tmp_path / "s.json").write_text("{}")
    assert "is not a study's file" in refused("study", "--out", tmp_path / "s.json", "--report")


@pytest.mark.parametrize("path", BUNDLED, ids=[path.stem for path in BUNDLED])
def test_a_bundled_study_is_done_and_has_its_records(path):
    study = read_study(path)
    assert study.is_done
    assert path.name in study.command
    for arm in study.arms:
        record = read_record(study, arm)
        assert len(record.steps) >= 20
        assert len(record.samples) == len(record.steps)


@pytest.mark.parametrize("path", BUNDLED, ids=[path.stem for path in BUNDLED])
def test_the_command_of_a_bundled_study_runs_its_recipe(path, monkeypatch):
    study, asked = read_study(path), []
    monkeypatch.setattr("eiwflow.training.study.run_study", lambda recipe, *_: asked.append(recipe) or {"results": []})
    printed(*shlex.split(study.command)[3:])
    assert asked == [study.recipe]
