"""The ladder: its rungs, its questions over studies, and that each number is that of the runs."""

import csv
import itertools
import json
import re

import pytest
from scipy import stats

from eiwflow.analysis.words.numbers import signed
from eiwflow.study.claim import added, claim, start_by_half
from eiwflow.study.export import as_csv
from eiwflow.study.file import bundled, read_study
from eiwflow.study.ladder import HALVES, by_set, counts, ladder
from eiwflow.study.recipe import DEFAULT_ARMS, Arm
from eiwflow.study.report import leads, report, report_in_words, summary

from ..studies import arms, write_study

P = "principal-alternating"
MEANS = {
    "last/random": 4.20, f"random/{P}": 4.10, f"variance/{P}": 4.00, f"entropy/{P}": 4.00,
    f"entropy+entropy/{P}": 3.90, "entropy+entropy/principal-information": 3.85,
    "entropy+entropy/principal-random": 3.86, f"variance-reversed/{P}": 4.15,
    f"entropy+means/{P}": 3.95, f"entropy+constant/{P}": 3.96, "random-again/principal-alternating": 4.1,
}  # fmt: skip


@pytest.fixture
def study(tmp_path):
    return read_study(write_study(tmp_path / "made-up.zip", arms(MEANS)))


def by_scipy(study, first, second):
    """Return lead and interval of two arms of six seeds, from the runs by another way."""
    ours, theirs = ([run.bits_per_dim for run in study.of(Arm.parse(name))] for name in (first, second))
    test = stats.ttest_rel(theirs, ours)
    low, high = test.confidence_interval(0.95)
    return [sum(theirs) / 6 - sum(ours) / 6, low, high]


def figures(effect):
    return [effect.lead, effect.low, effect.high]


def test_every_rung_is_measured_from_the_lowest_and_from_the_one_below(study):
    rungs = ladder(study).rungs
    names = [rung.arm.choice for rung in rungs]
    assert names == ["last/random", f"random/{P}", f"variance/{P}", f"entropy/{P}", f"entropy+entropy/{P}",
                     "entropy+entropy/principal-random", "entropy+entropy/principal-information"]  # fmt: skip
    for below, rung in itertools.pairwise(rungs):
        assert figures(rung.step) == pytest.approx(by_scipy(study, rung.arm.choice, below.arm.choice), abs=1e-6)
        assert figures(rung.saved) == pytest.approx(by_scipy(study, rung.arm.choice, "last/random"), abs=1e-6)


@pytest.mark.parametrize(
    ("key", "first", "second"),
    [
        ("data", f"entropy/{P}", "last/random"),
        ("start", f"random/{P}", "last/random"),
        ("half", f"entropy/{P}", f"random/{P}"),
        ("worst", f"entropy/{P}", f"variance-reversed/{P}"),
        ("order", f"entropy/{P}", f"variance/{P}"),
        ("weights", f"entropy+entropy/{P}", f"entropy/{P}"),
        ("means", f"entropy+entropy/{P}", f"entropy+means/{P}"),
        ("constant", f"entropy+entropy/{P}", f"entropy+constant/{P}"),
        ("partitions", "entropy+entropy/principal-random", f"entropy+entropy/{P}"),
        ("information", "entropy+entropy/principal-information", "entropy+entropy/principal-random"),
    ],
)
def test_a_question_compares_arms_that_differ_in_what_it_asks(study, key, first, second):
    answer = ladder(study).answers[key]
    assert figures(answer) == pytest.approx(by_scipy(study, first, second), abs=1e-6)
    assert answer.lead == pytest.approx(MEANS[second] - MEANS[first], abs=0.02)


def test_a_study_without_glows_half_has_no_rungs_and_keeps_its_questions(tmp_path):
    bits = {name: mean for name, mean in MEANS.items() if name != "last/random"}
    made = ladder(read_study(write_study(tmp_path / "made-up.zip", arms(bits))))
    assert made.rungs == () and made.steps == []
    assert "data" not in made.answers and "weights" in made.answers


def test_holms_correction_counts_a_pair_of_arms_once(study):
    made = ladder(study)
    # "weights" and the step of its rung are one comparison: they have one corrected p.
    step = next(rung.step for rung in made.rungs if rung.name == "own weights")
    assert step.p_corrected == made.answers["weights"].p_corrected >= step.p


def test_counts_say_ahead_behind_and_not_shown_of_studies_at_equal_steps(tmp_path):
    def one(name, ours, **fields):
        bits = arms({f"entropy/{P}": ours, f"variance/{P}": 4.0, f"random/{P}": 4.3, f"variance-reversed/{P}": 4.5})
        return read_study(write_study(tmp_path / f"{name}.zip", bits, **fields))

    studies = [
        one("ahead", 3.9), one("behind", 4.1, data="faces16"), one("close", 4.0, data="letters32"),
        one("cpu", 3.5, equal_time=True), one("more", 3.8, iterations=700),
    ]  # fmt: skip
    count = counts(studies)["order"]
    assert len(count.leads) == 4
    assert [count.claimed(claim) for claim in ("ahead", "behind", "not shown")] == [2, 1, 1]
    assert count.in_words().startswith(
        "The half by entropy over the half by variance: ahead in 2 of 4, behind in 1, not shown in 1"
    )
    leads = [by_scipy(one, f"entropy/{P}", f"variance/{P}")[0] for one in studies if not one.recipe.equal_time]
    assert min(leads) < -0.05 and max(leads) > 0.15
    span = f"{min(leads):.3f} to {max(leads):.3f}".replace("-", "−")
    assert count.in_words().endswith(f" ({span} bits/dim).")
    only = counts(studies[:1])["order"]
    assert "ahead in 1 of 1 (0." in only.in_words()


def test_a_set_is_shown_by_its_study_of_most_rungs_and_then_by_the_longest(tmp_path):
    def one(name, means, iterations, **fields):
        return read_study(write_study(tmp_path / f"{name}.zip", arms(means), iterations=iterations, **fields))

    few = {name: MEANS[name] for name in ("last/random", f"random/{P}", f"entropy/{P}")}
    studies = [
        one("long", few, 9000), one("short", MEANS, 500), one("middle", MEANS, 700),
        one("other", few, 300, data="faces16"), one("cpu", MEANS, 20000, equal_time=True),
    ]  # fmt: skip
    shown = {name: (made.study.name, made.study.recipe.iterations) for name, made in by_set(studies).items()}
    assert shown == {studies[0].recipe.data_name: ("middle", 700), "faces16": ("other", 300)}


@pytest.mark.slow
def test_the_bundled_studies_answer_the_headline_and_can_be_written_as_json():
    count = counts(bundled())["data"]
    assert count.claimed("ahead") == len(count.leads) >= 6
    low, high = (pick(lead.lead for lead in count.leads.values()) for pick in (min, max))
    assert f"({low:.3f} to {high:.3f} bits/dim)" in count.in_words()
    assert json.dumps(summary(bundled()), allow_nan=False)


def test_partitions_by_information_are_credited_with_their_lead_over_random_ones_alone():
    rungs = {
        made.study.recipe.data_name: {rung.name: rung for rung in made.rungs} for made in by_set(bundled()).values()
    }
    for made in rungs.values():
        by_information, at_random = made["partitions by information"], made["random partitions"]
        assert by_information.step.lead == pytest.approx(by_information.saved.lead - at_random.saved.lead)
    assert rungs["faces16"]["partitions by information"].step.claim == "not shown"


def test_a_study_whose_usual_partitions_are_random_has_no_rung_about_partitions(tmp_path):
    means = {"last/random": 4.2, "entropy/principal-random": 4.0, "entropy+entropy/principal-random": 3.9,
             "variance/principal-random": 4.0, "entropy+entropy/principal-information": 3.8}  # fmt: skip
    made = ladder(read_study(write_study(tmp_path / "made-up.zip", arms(means))))
    assert [rung.name for rung in made.rungs][-1] == "own weights"


def test_the_arms_of_a_study_are_those_of_the_ladder_unless_others_are_asked_for(tmp_path):
    made = ladder(read_study(write_study(tmp_path / "made-up.zip", {arm: [4.0, 4.1] for arm in DEFAULT_ARMS})))
    assert [rung.arm for rung in made.rungs] == list(DEFAULT_ARMS)


def test_a_rung_over_one_that_the_study_lacks_names_both_choices(tmp_path):
    few = {name: MEANS[name] for name in ("last/random", f"variance/{P}", f"entropy/{P}")}
    named = [rung.name for rung in ladder(read_study(write_study(tmp_path / "few.zip", arms(few)))).rungs]
    assert named == ["Glow's half", "start from the data + half by variance", "half by entropy"]


def test_glows_half_is_asked_about_where_all_arms_have_its_partitions(tmp_path):
    few = {"last/random": 4.3, "random/principal": 4.2, "entropy/principal": 4.1, "variance/principal": 4.15}
    made = ladder(read_study(write_study(tmp_path / "random.zip", arms(few))))
    assert {*made.answers} == {"order"}
    names = ["Glow's half", "random partitions + start from the data", "half by variance", "half by entropy"]
    assert [rung.name for rung in made.rungs] == names
    informed = {name.replace("principal", "principal-information"): mean for name, mean in few.items()}
    del informed["random/principal-information"]
    made = ladder(read_study(write_study(tmp_path / "informed.zip", arms(informed))))
    assert [rung.name for rung in made.rungs][1] == "partitions by information + start from the data + half by variance"


def test_studies_of_one_title_are_counted_apart(tmp_path):
    random = {name.replace("alternating", "random"): mean for name, mean in MEANS.items()}
    studies = [
        read_study(write_study(tmp_path / f"{name}.zip", arms(means)))
        for name, means in {"one": MEANS, "other": random}.items()
    ]
    assert studies[0].title == studies[1].title
    assert [*counts(studies)["order"].leads] == [
        f"{studies[0].title}, {partition} partitions" for partition in ("alternating", "random")
    ]


def test_a_report_states_each_comparison_once_and_every_number_of_the_claim(study, tmp_path):
    both = read_study(write_study(tmp_path / "start-by-half.zip", arms(CELLS)))
    for made in (study, both):
        found, lines = leads(made), report_in_words(report(made)).splitlines()
        stated = [effect for effects in found.values() for effect in effects]
        pairs = [frozenset(effect.arms) for effect in stated if len(effect.arms) == 2]
        assert len({*pairs}) == len(pairs)
        for effect in stated:
            low, high = (signed(end, 3) for end in (effect.low, effect.high))
            said = rf"{re.escape(f'{signed(effect.lead, 3)}  [{low}, {high}]')}  p .*  {effect.claim} +"
            assert any(re.fullmatch(said + re.escape(effect.name), line) for line in lines), effect.name
    assert [*found["claim"]] == [*found["claim"][:8]] and found["claim"][0].lead == pytest.approx(0.11, abs=0.02)
    rows = [*csv.DictReader(as_csv(both).splitlines())]
    table = start_by_half(both)
    numbers = [*filter(None, table.cells.values()), *table.effects.values()]
    assert {f"{lead.lead:.5f}" for lead in numbers} <= {f"{float(row['lead_bits_per_dim'] or 0):.5f}" for row in rows}


# ---------------------------------------------------------------------- start by half

CELLS = {
    "last/random": 4.20, "random/random": 4.21, "variance/random": 4.20, "entropy/random": 4.20,
    f"last/{P}": 4.19, f"random/{P}": 4.10, f"variance/{P}": 4.00, f"entropy/{P}": 4.005,
}  # fmt: skip


def test_start_by_half_is_read_from_the_runs_and_counted_in_no_other_question(study, tmp_path):
    both = read_study(write_study(tmp_path / "start-by-half.zip", arms(CELLS)))
    made = start_by_half(both)
    assert start_by_half(study) is None
    for half, start in made.cells:
        arm = f"{half}/{P if start == 'principal' else start}"
        if arm != "last/random":
            assert figures(made.cells[half, start]) == pytest.approx(by_scipy(both, arm, "last/random"), abs=1e-6)
        beside = re.search(r"by variance (?:more, |less, )?(\d\.\d+)", made.in_words(half, start))
        assert bool(beside) == ((half, start) == ("entropy", "principal"))
        if beside:
            lead = by_scipy(both, f"variance/{P}", "last/random")[0]
            assert float(beside[1]) == pytest.approx(lead, abs=6e-4)
    assert figures(made.effects["start"]) == pytest.approx(by_scipy(both, f"random/{P}", "random/random"), abs=1e-6)
    bits = {name: [run.bits_per_dim for run in both.of(Arm.parse(name))] for name in CELLS}
    after, before = (
        [a - b for a, b in zip(bits[f"random/{s}"], bits[f"entropy/{s}"], strict=True)] for s in (P, "random")
    )
    assert made.effects["together"].lead == pytest.approx(sum(after) / 6 - sum(before) / 6)
    smallest = min(made.effects.values(), key=lambda effect: effect.p)
    assert smallest.p_corrected == pytest.approx(8 * smallest.p)
    # The cells from a start from the data are corrected with what was written down: by hand, 12 differences.
    started = [made.cells[half, "principal"] for half in HALVES]
    places = sorted(effect.p for effect in (*made.effects.values(), *started))
    by_hand = {p: max((12 - at) * each for at, each in enumerate(places[: places.index(p) + 1])) for p in places}
    assert [effect.p_corrected for effect in started] == pytest.approx([min(1, by_hand[each.p]) for each in started])
    assert {name: len(count.leads) for name, count in counts([study, both]).items()} == {
        name: len(count.leads) for name, count in counts([study]).items()
    }
    assert [made.study.name for made in by_set([study, both]).values()] == ["made-up"]


def test_the_claim_counts_what_the_numbers_say_and_has_no_threshold(tmp_path):
    def said(**change):
        bits = arms({**CELLS, **{name.replace("_", "/"): mean for name, mean in change.items()}})
        return claim([read_study(write_study(tmp_path / "both.zip", bits))])

    found = said()
    assert [found._of(key).claimed("ahead") for key in ("start", "half", "measure")] == [1, 1, 0]
    assert said(random_random=4.10)._of("start").claimed("ahead") == 0
    unfinished = {arm: [*bits[:5], None] for arm, bits in arms(CELLS).items()}
    assert claim([read_study(write_study(tmp_path / "begun.zip", unfinished))]).headline() == ""


def test_what_is_added_stands_at_equal_steps_beside_equal_time_of_the_same_settings(tmp_path):
    def one(name, means, **fields):
        return read_study(write_study(tmp_path / f"{name}.zip", arms(means), **fields))

    pair = {name: MEANS[name] for name in (f"entropy/{P}", f"entropy+entropy/{P}")}
    studies = [
        one("full", MEANS),
        one("long", MEANS, iterations=900),
        one("equal", pair, iterations=900, equal_time=True),
    ]
    weights, partitions = added(studies)
    assert figures(weights.steps) == pytest.approx(
        by_scipy(studies[1], f"entropy+entropy/{P}", f"entropy/{P}"), abs=1e-6
    )
    assert figures(weights.time) == pytest.approx(
        by_scipy(studies[2], f"entropy+entropy/{P}", f"entropy/{P}"), abs=1e-6
    )
    assert partitions.time is None and [gain.time for gain in added(studies[:2])] == [None, None]
