"""The answer of a study: it can be yes, no and not shown, and it says against which rival."""

import pytest

from eiwflow.study import words
from eiwflow.study.answer import answer, control
from eiwflow.study.file import StudyError
from eiwflow.study.recipe import AGAIN, Arm
from eiwflow.study.report import report, report_in_words
from eiwflow.study.statistics import comparisons, label

from ..studies import arms

#: Initialisation and partition that the arms of most studies share.
P = "principal-random"
FULL = {
    f"variance/{P}": 3.90, f"variance-reversed/{P}": 4.10, f"random/{P}": 4.05, f"entropy/{P}": 3.90,
    f"variance+pooled/{P}": 3.88, f"random+pooled/{P}": 4.03, f"entropy+pooled/{P}": 3.84, "last/random": 4.15,
    "entropy+pooled/random": 4.08,
}  # fmt: skip


def test_yes_takes_every_rival_and_the_same_order_without_weights(study_of):
    study = study_of(arms(FULL))
    found = answer(study)
    assert (found.word, found.arm) == ("Yes", Arm("entropy", "pooled"))
    assert {arm.choice for arm in found.rivals} == {name for name in FULL if not name.startswith("entropy")}
    nearest = f"variance+pooled/{P}"
    (effect,) = (one for one in comparisons(study) if one.arms.get(Arm.parse(nearest)) == -1)
    assert found.nearest == Arm.parse(nearest) and found.effects[found.nearest].row() == effect.row()
    assert found.in_words() == (
        f"Yes: entropy + weights leads variance + weights, its nearest rival, by {effect.figures} bits/dim "
        "over 6 seeds on photos32."
    )


@pytest.mark.parametrize("rival", [f"variance/{P}", f"variance+pooled/{P}", f"entropy/{P}", "last/random"])
def test_one_rival_that_is_as_good_is_no_conclusion_and_one_that_is_better_a_no(study_of, rival):
    close = answer(study_of(arms({**FULL, rival: 3.84})))
    assert close.word == "Not shown" and close.close == [Arm.parse(rival)]
    found = answer(study_of(arms({**FULL, rival: 3.70})))
    name = {"last/random": "last (random init)"}.get(rival, rival.split("/")[0].replace("+pooled", " + weights"))
    assert found.word == "No" and found.in_words().startswith(f"No: {name} leads entropy + weights by +0.1")
    assert f"too close to call with {name}; its lead over " in close.in_words()


@pytest.mark.parametrize(("many", "end"), [(3, "{}, {} and {}"), (5, "{}, {}, {} and 2 more")])
def test_three_rivals_that_are_too_close_to_call_are_named_nearest_first(study_of, many, end):
    orders = ["variance", "variance-reversed", "random", "variance+pooled", "random+pooled"][:many]
    rivals = {f"{order}/{P}": 3.841 + 0.002 * place for place, order in enumerate(orders)}
    found = answer(study_of(arms({f"entropy+pooled/{P}": 3.84, f"entropy/{P}": 3.95, **rivals}, noise=0.02)))
    nearest = sorted(found.rivals, key=lambda arm: found.rivals[arm].lead)
    names = [label(found.study, arm) for arm in nearest]
    said = f"is too close to call with {end.format(*names)}; its lead over {names[0]}, the nearest rival, is "
    assert len(found.close) == many and said in found.in_words()


def test_there_is_no_yes_while_an_arm_of_another_fraction_is_better(study_of):
    found = answer(study_of(arms({**FULL, f"entropy@0.25/{P}": 3.70, f"variance@0.75/{P}": 3.60})))
    assert found.word == "No" and [arm.keep for arm in found.better] == ["0.75", "0.25"]
    assert found.in_words().endswith("; 1 more arm is better.")
    assert found.nearest == Arm("variance", "pooled")  # of the same fraction


def test_of_an_arm_that_looks_at_no_entropy_every_other_arm_is_a_rival(study_of):
    found = answer(study_of(arms(FULL)), "last/random")
    assert len(found.rivals) == len(FULL) - 1 and found.word == "No" and len(found.better) >= 5


def test_each_prior_has_an_answer_of_its_own(study_of):
    study = study_of(arms(FULL) | arms({**FULL, f"variance/{P}": 3.70}, prior="standard"))
    assert [answer(study, prior=prior).word for prior in study.priors] == ["Yes", "No"]
    assert answer(study).arm.prior == "conditional"
    result = report(study)
    assert [row["answer"] for row in result["answers"]] == ["Yes", "No"]
    assert "With the standard prior. No: variance leads " in report_in_words(result)


def test_one_seed_and_one_arm_are_no_conclusion(study_of):
    for bits in (arms(FULL, seeds=1), arms({f"entropy/{P}": 3.9})):
        found = answer(study_of(bits))
        assert found.word == "Not shown" and found.nearest is None
        assert found.in_words().endswith("shares no two seeds with another split on photos32.")


def test_an_arm_that_was_not_run_under_a_prior_has_no_answer_there(study_of):
    study = study_of(
        arms({f"entropy/{P}": 3.8, f"variance/{P}": 3.9}) | arms({"released/principal": 4.0}, prior="standard")
    )
    assert answer(study, f"entropy/{P}", "standard") is None


def test_a_subject_that_the_study_has_not_is_refused(study_of):
    with pytest.raises(StudyError, match=r"has no arm entropy@0\.75/principal-random; it has entropy\+pooled/"):
        answer(study_of(arms(FULL)), f"entropy@0.75/{P}")


def test_a_control_claims_nothing_or_owns_up_to_it(study_of):
    seen = ()
    for difference, end in ((0.0, "It claims no difference, as it should."), (0.1, "there is none.")):
        study = study_of(arms({f"random/{P}": 4.0, f"{AGAIN}/{P}": 4.0 + difference}, 8))
        assert words.control(control(study)).endswith(end)
        assert report(study)["control"] == words.control(control(study))
        seen += control(study)
    assert words.control(seen).endswith("there is none.")  # of two priors one claims


def test_a_study_is_too_short_where_a_run_saw_fewer_images_than_in_the_shortest_bundled_study(study_of):
    bits = arms({f"entropy/{P}": 3.8, f"variance/{P}": 3.9})
    short, long = (study_of(bits, iterations=iterations, batch=32) for iterations in (499, 500))
    assert "a run saw 15,968 images, in the bundled studies at least 16,000." in words.too_short(short)
    assert words.too_short(long) == ""
