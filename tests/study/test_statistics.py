"""Contrasts over seeds, what each choice contributes, what arms are called, and arms one by one."""

import math

import numpy as np
import pytest
from scipy import stats

from eiwflow.study.arms import arm_curve, arm_table
from eiwflow.study.recipe import AGAIN, Arm
from eiwflow.study.statistics import (
    comparisons,
    corrected,
    effect,
    factorial,
    label,
    paired,
    subjects,
)

from ..studies import arms

#: Initialisation and partition that the arms of most studies share.
P = "principal-random"
FULL = {
    f"variance/{P}": 3.90, f"variance-reversed/{P}": 4.10, f"random/{P}": 4.05, f"entropy/{P}": 3.90,
    f"variance+pooled/{P}": 3.88, f"variance-reversed+pooled/{P}": 4.08, f"random+pooled/{P}": 4.03,
    f"entropy+pooled/{P}": 3.84, "first/random": 4.10, "last/random": 4.15, "entropy+pooled/random": 4.08,
}  # fmt: skip


# ---------------------------------------------------------------------- one contrast


def test_a_contrast_is_the_paired_t_test_of_scipy(study_of):
    study = study_of(arms(FULL))
    ours, theirs = Arm("entropy", "pooled"), Arm("variance")
    one = paired(study, ours, theirs)
    bits = [[run.bits_per_dim for run in study.of(arm)] for arm in (ours, theirs)]
    test = stats.ttest_rel(*bits[::-1])
    assert one.p == pytest.approx(test.pvalue)
    assert (one.low, one.high) == pytest.approx(tuple(test.confidence_interval(0.95)))
    assert one.lead == pytest.approx(np.mean(bits[1]) - np.mean(bits[0]))


def test_what_a_seed_shares_leaves_no_trace_in_a_contrast(study_of):
    bits = arms(FULL)
    shift = np.linspace(-1, 1, 6)
    moved = {arm: (np.array(values) + shift).tolist() for arm, values in bits.items()}
    before, after = (paired(study_of(values), Arm("entropy", "pooled"), Arm("entropy")) for values in (bits, moved))
    assert after.values == pytest.approx(before.values)
    assert (after.low, after.p) == pytest.approx((before.low, before.p))


def test_a_contrast_is_over_the_seeds_that_all_its_arms_have(study_of):
    bits = arms({f"entropy+pooled/{P}": 3.8, f"entropy/{P}": 3.9})
    for arm, missing in zip(bits, (0, 4), strict=True):
        bits[arm][missing] = None
    one = comparisons(study_of(bits))[0]
    assert one.seeds.tolist() == [1, 2, 3, 5]
    ours, theirs = ([values[seed] for seed in (1, 2, 3, 5)] for values in bits.values())
    assert one.values == pytest.approx(np.subtract(theirs, ours))


def test_one_seed_is_no_conclusion_however_large_the_difference(study_of):
    effects = comparisons(study_of(arms(FULL, seeds=1)))
    assert {effect.claim for effect in effects} == {"not shown"}
    assert math.isnan(effects[0].low) and effects[0].row()["low"] is None


def test_an_interval_that_holds_0_is_no_conclusion():
    one = corrected([effect("", "", {}, np.arange(4), np.array([0.02, -0.01, 0.03, -0.01]))])[0]
    assert one.low < 0 < one.high
    assert one.claim == "not shown"


def test_differences_without_scatter_have_an_interval_of_no_width():
    none, some = (corrected([effect("", "", {}, np.arange(3), np.full(3, value))])[0] for value in (0.0, 0.1))
    assert (none.low, none.high, none.p, none.claim) == (0, 0, 1, "not shown")
    assert (some.low, some.p, some.claim) == (0.1, 0, "ahead")


def with_p(p):
    """Return an effect of six seeds whose p is near the one given."""
    base = np.array([-1.0, -0.6, -0.2, 0.2, 0.6, 1.0])
    t = stats.t.isf(p / 2, 5)
    return effect("", "", {}, np.arange(6), base + t * base.std(ddof=1) / math.sqrt(6))


def test_holm_s_correction_is_that_of_a_worked_example():
    # Sorted 0.005, 0.01, 0.03, 0.04 with 4, 3, 2, 1: 0.02, 0.03, 0.06, and 0.04 raised to the 0.06 before it.
    found = corrected([with_p(0.01), with_p(0.04), None, with_p(0.03), with_p(0.005)])
    assert [one.p_corrected for one in found] == pytest.approx([0.03, 0.06, 0.06, 0.02], abs=1e-6)
    assert [one.claim for one in found] == ["ahead", "not shown", "not shown", "ahead"]


def test_an_effect_of_one_seed_has_no_p_and_counts_in_no_correction():
    alone = effect("", "", {}, np.arange(1), np.array([-0.5]))
    found = corrected([with_p(0.01), alone, with_p(0.04), with_p(0.03), with_p(0.005)])
    p = [one.p_corrected for one in found]
    assert p == pytest.approx([0.03, math.nan, 0.06, 0.06, 0.02], abs=1e-6, nan_ok=True)


def test_an_interval_clear_of_0_may_still_be_no_conclusion_among_many():
    found = corrected([with_p(0.04)] * 3)
    assert found[0].low > 0
    assert found[0].claim == "not shown"
    assert "not shown after correction" in found[0].in_words()


# ---------------------------------------------------------------------- the factorial reading


def test_the_factorial_reading_finds_the_parts_that_the_numbers_were_made_of(study_of):
    order = {"variance": 0.03, "variance-reversed": 0.2, "random": 0.15, "entropy": 0.0}
    made = {}
    for name, cost in order.items():
        made[f"{name}/{P}"] = 4 + cost
        made[f"{name}+pooled/{P}"] = 4 + cost - 0.02 - 0.01 * (name == "entropy")
    made |= {f"entropy@0.25/{P}": 3.95, f"variance@0.25/{P}": 4.06, f"entropy@all/{P}": 4.13}
    made |= {"entropy/principal-information": 4.04, "entropy/random": 4.5}
    found = factorial(study_of(arms(made, noise=1e-4)), "conditional")
    said = {one.name: -one.lead for one in found}
    assert said == pytest.approx(
        {
            "entropy over variance": -(0.03 + 0.04) / 2,  # at a half alone
            "entropy over variance-reversed": -0.205,
            "entropy over random": -0.155,
            "pooled weights over none": -0.0225,
            "partitions: information over random": 0.04,
            "principal initialisation over random": -0.5,
            "0.25 passed on over 0.5": (-0.05 + 0.03) / 2,
            "all passed on over 0.5": 0.13,
            "weights × entropy order": -0.01,
            "(entropy over variance) × 0.25 passed on": -0.11 + 0.03,
        },
        abs=5e-4,
    )
    # Holm's correction is over all that are looked at together.
    smallest = min(found, key=lambda one: one.p)
    assert smallest.p_corrected == pytest.approx(len(found) * smallest.p)


def test_every_effect_is_a_contrast_whose_weights_sum_to_0(study_of):
    for one in factorial(study_of(arms(FULL)), "conditional"):
        assert sum(one.arms.values()) == pytest.approx(0)
        assert sum(abs(weight) for weight in one.arms.values()) > 1


def test_what_a_study_has_no_arms_for_is_not_in_the_reading(study_of):
    found = factorial(study_of(arms({f"variance/{P}": 4.0, f"entropy+pooled/{P}": 3.9})), "conditional")
    assert found == ()
    found = factorial(study_of(arms({f"entropy/{P}": 4.0, f"entropy+pooled/{P}": 3.9})), "conditional")
    assert [one.name for one in found] == ["pooled weights over none"]


# ---------------------------------------------------------------------- what arms are called


def test_an_arm_is_called_by_what_is_not_usual_in_its_study(study_of):
    made = {
        f"entropy/{P}": 4.0, f"entropy+pooled@0.25/{P}": 4.0, "entropy/principal-information": 4.0,
        "first/random": 4.0, f"{AGAIN}/{P}": 4.0, f"variance@0.75/{P}": 4.0, f"variance@all/{P}": 4.0,
    }  # fmt: skip
    study = study_of(arms(made))
    assert [label(study, arm) for arm in study.arms] == [
        "entropy", "entropy + weights, ¼ passed on", "entropy (partitions: information)", "first (random init)",
        "random again", "variance, ¾ passed on", "variance, all passed on",
    ]  # fmt: skip
    assert label(study_of(arms({"first/random": 4.0})), Arm.parse("first/random")) == "first"
    study = study_of(
        arms({"entropy/principal-random": 4.0, "entropy/linear-random": 3.9, "entropy/linear-information": 3.9})
    )
    assert [label(study, arm) for arm in study.arms] == [
        "entropy", "entropy (linear start)", "entropy (linear start, partitions: information)",
    ]  # fmt: skip


# ---------------------------------------------------------------------- subjects and pairs


def test_the_correlation_of_paired_arms_is_reported_and_paired_is_said_only_where_it_helps(study_of):
    study = study_of(arms(FULL))
    row = comparisons(study)[0].row()
    ours, theirs = ([run.bits_per_dim for run in study.of(arm)] for arm in comparisons(study)[0].arms)
    assert row["correlation"] == pytest.approx(np.corrcoef(ours, theirs)[0, 1], abs=1e-5)
    assert 0.5 < row["correlation"] < 1 and ", paired (r = +0." in comparisons(study)[0].over
    few = comparisons(study_of(arms(FULL, seeds=2)))[0]
    assert few.row()["correlation"] is None and few.over == "2 seeds"
    opposite = {Arm("entropy"): [1.0, 2.0, 3.0, 4.2], Arm("variance"): [4.0, 3.0, 2.0, 1.0]}
    one = comparisons(study_of(opposite))[0]
    assert one.correlation < 0 and "paired" not in one.over and "r = −1.00" in one.over


def test_a_study_is_not_read_for_two_changes_at_once(study_of):
    means = {f"entropy/{P}": 1.0, f"variance/{P}": 1.0, "entropy+pooled/principal-information": 1.0}
    assert subjects(study_of(arms(means)))[0] == f"entropy/{P}"  # of the rival's partitions, though without weights


def test_the_adaptive_arm_is_the_first_subject(study_of):
    assert subjects(study_of(arms(FULL)))[0] == f"entropy+pooled/{P}"
    assert subjects(study_of(arms({"random/random": 1.0, "entropy/random": 1.0})))[0] == "entropy/random"
    both = {"entropy/random": 1.0, "entropy/principal-alternating": 1.0}
    assert subjects(study_of(arms(both)))[0] == "entropy/principal-alternating"
    assert subjects(study_of(arms({"random/random": 1.0, f"variance/{P}": 1.0})))[0] == "random/random"


# ---------------------------------------------------------------------- how often chance alone is believed


NULLS = {
    "normal": lambda random, size: random.normal(size=size),
    "heavy tails": lambda random, size: random.standard_t(4, size),
    "skewed": lambda random, size: random.exponential(size=size),
}


@pytest.mark.parametrize("draw", NULLS.values(), ids=NULLS.keys())
@pytest.mark.parametrize("seeds", [3, 8])
def test_of_300_null_studies_about_15_are_called_a_difference(draw, seeds):
    random, called = np.random.default_rng(5), 0
    for ours, theirs in draw(random, (300, 2, seeds)):
        (found,) = corrected([effect("", "", {}, np.arange(seeds), ours - theirs)])
        called += found.claim != "not shown"
    # More than 31 of 300 at 5 % has a probability below 0.0001; fewer than 2 would be alarms that cannot sound.
    assert 2 <= called <= 31


# ---------------------------------------------------------------------- arms, one by one


def test_the_table_of_arms_has_what_each_cost_and_reached(study_of):
    study = study_of(arms({f"entropy+pooled/{P}": 3.8, f"entropy/{P}": 3.9}))
    row = arm_table(study)[0]
    bits = [run.bits_per_dim for run in study.of(study.arms[0])]
    assert row["bits_per_dim"] == pytest.approx(np.mean(bits))
    assert row["sd_over_seeds"] == pytest.approx(np.std(bits, ddof=1))
    assert (row["weights"], row["seeds"], row["parameters"], row["cpu_s"]) == ("pooled", 6, 1016, 5.0)
    assert row["arm"] == study.arms[0].text
    assert row["cpu_s_per_step"] == pytest.approx(5.0 / 100)


def test_curves_are_paired_by_seed_and_step(study_of):
    bits = arms({f"entropy+pooled/{P}": 3.8, f"entropy/{P}": 3.9})
    for arm, missing in zip(bits, (0, 4), strict=True):
        bits[arm][missing] = None
    study = study_of(bits)
    ours, theirs = (arm_curve(study, arm) for arm in study.arms)
    apart = ours.minus(theirs)
    assert apart.steps.tolist() == [1, 10, 100] and apart.seeds.tolist() == [1, 2, 3, 5]
    first, other = (np.array([bits[arm][seed] for seed in (1, 2, 3, 5)]) for arm in study.arms)
    assert apart.bits_per_dim == pytest.approx(np.repeat((first - other)[:, None], 3, axis=1), abs=2e-4)
    # The test side of a curve, at steps 1, 10 and 100.
    own = np.mean([value for value in bits[study.arms[0]] if value is not None])
    assert ours.mean == pytest.approx(own + np.array([0.5, 0.05, 0.005]), abs=1e-4)
    later = arm_curve(study, study.arms[1])
    later.steps[:] = [10, 100, 1000]
    assert ours.minus(later).steps.tolist() == [10, 100]
    expected = ours.bits_per_dim[1:, 1:] - later.bits_per_dim[[0, 1, 2, 4], :2]
    assert ours.minus(later).bits_per_dim == pytest.approx(expected)
