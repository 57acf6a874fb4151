"""The reports of the bundled studies and of made ones stand on file, and any change of one is seen.

The files say nothing about whether a figure is right: the tests in tests/study work that out. A change that is meant
rewrites the files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from eiwflow import project
from eiwflow.cli import build_parser
from eiwflow.cli.study import study_arms
from eiwflow.figures.paper import leads_figure
from eiwflow.study import run as run_module
from eiwflow.study import words
from eiwflow.study.answer import answer, at_equal_time
from eiwflow.study.arms import arm_curve, cost_in_words, run_table
from eiwflow.study.export import as_csv, as_latex
from eiwflow.study.file import bundled, merge, pack, read_record, read_study, studies_in
from eiwflow.study.ladder import counts, ladder, ladders
from eiwflow.study.recipe import Arm, StudyRecipe, control, crossed, kind_of_step, relative_costs
from eiwflow.study.statistics import label, subjects, usual_partition
from eiwflow.training.recipe import recording_steps

from ..studies import document, write_packed
from ..test_cli import run_main
from . import kit
from .shown import approved

#: Mean bits/dim of the arms of the made study, by its arms without their prior: every order, all weights, fractions.
MEANS = {
    "last/random": 4.31,
    "first/random": 4.27,
    "random/principal-alternating": 4.22,
    "variance/principal-alternating": 4.18,
    "variance-reversed/principal-alternating": 4.33,
    "entropy/principal-alternating": 4.15,
    "entropy+entropy/principal-alternating": 4.12,
    "entropy+means/principal-alternating": 4.135,
    "entropy+constant/principal-alternating": 4.14,
    "entropy+pooled/principal-alternating": 4.149,
    "variance+pooled/principal-alternating": 4.186,
    "entropy+entropy/principal-random": 4.10,
    "entropy+entropy/principal-information": 4.07,
    "entropy@0.25/principal-alternating": 4.20,
    "entropy@0.75/principal-alternating": 4.17,
    "variance@0.25/principal-alternating": 4.29,
    "variance@0.75/principal-alternating": 4.19,
    "entropy@auto/principal-alternating": 4.16,
    "random/principal-random": 4.21,
    "random-again/principal-random": 4.212,
}
#: Arms of which as many have one partition as another.
TIED = ("entropy/principal-alternating", "entropy/principal-random")


def made(seeds: int = 6, **fields: Any) -> dict[str, Any]:
    """Return the document of a study of many arms under two priors."""
    random = np.random.default_rng(12)
    shared = random.normal(0, 0.03, seeds)
    bits: dict[Arm, list[float]] = {}
    for prior, more in (("conditional", 0.0), ("standard", 0.06)):
        for place, (text, mean) in enumerate(MEANS.items()):
            values = mean + more * (1 + place % 4) + shared + random.normal(0, 0.004 + 0.002 * (place % 3), seeds)
            bits[Arm.parse(text, prior)] = [round(float(value), 5) for value in values]
    bits[Arm("released", init="random", prior="standard", partition="alternating")] = [
        4.4 + 0.01 * k for k in range(seeds)
    ]
    found = document(bits, **{"data": "letters32", "size": 16, "iterations": 100, **fields})
    for place, result in enumerate(found["results"]):
        result["cpu_s"] = round(2.5 + 0.1 * (place % 7) + 0.3 * result["seed"], 2)
        result["parameters"] += 8 * ((place if "@auto" in result["arm"] else place - result["seed"]) % 5)
    return found


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a study's document as a packed file."""

    def write(name: str, content: dict[str, Any]) -> Path:
        return write_packed(tmp_path / f"{name}.zip", content)

    return write


def reported(*words: object) -> str:
    code, out, err = run_main("study", "--report", *words)
    assert (code, err) == (0, "")
    return out


#: Studies whose comparisons are on file one by one; those of the others are a count and sums of their numbers.
IN_FULL = ("faces16-16x16-500-equal-cpu", "letters32-32x32-1500-ladder", "photos32-16x16-500-held-out")


def shortened(text: str) -> str:
    """Return a report with counts and sums in the place of its comparisons and arms."""
    head, title, rest = text.partition("One arm over every other\n")
    comparisons, _, arms = rest.partition("\n\nArms: ")
    if not title:
        return text
    numbers = [float(number.replace("−", "-")) for number in re.findall(r"[+−]\d+\.\d+|(?<= p )[\d.]+", comparisons)]
    claims = ", ".join(f"{comparisons.count(f'  {claim} ')} {claim}" for claim in ("ahead", "behind", "not shown"))
    _, first, *_ = arms.splitlines()
    columns = [
        float(number.replace(",", "")) for number in re.findall(r"\d[\d,.]*(?= ± |  \d| seed| param| steps| s )", arms)
    ]
    count = arms.count(" parameters ")
    return f"{head}{title}{claims}; {kit.summed(numbers)}\n\n{first}\n{count} arms; {kit.summed(columns)}\n"


def test_bundled_studies() -> None:
    texts = [f"$ study --report\n{reported()}"]
    for path in studies_in(project.ASSETS / "studies"):
        text = reported("--out", path)
        texts.append(f"$ study --report --out {path.name}\n{text if path.stem in IN_FULL else shortened(text)}")
    approved("studies-bundled", "\n".join(texts))


def test_figures_of_bundled_studies() -> None:
    lines = []
    studies = bundled()
    for study in studies:
        equal = at_equal_time(study, studies)
        curves = [curve for arm in study.arms if (curve := arm_curve(study, arm)) is not None]
        records = [record for arm in study.arms if (record := read_record(study, arm)) is not None]
        lines += [
            f"\n{study.name}  {study.title}; {len(study.runs)} runs",
            f"  at equal CPU {equal and equal.name}",
            f"  {study.arms[-1].text}  {curves[-1].in_words()}",
            f"  curves  {kit.summed([value for curve in curves for value in curve.mean])}",
            f"  {len(records)} records, of {[step for record in records[:1] for step in record.steps]}",
        ]
    titles = words.titles({study.name: study for study in studies})
    lines += ["", *(f"{name}: {title}" for name, title in titles.items())]
    approved("studies-figures", "\n".join(lines))


def test_a_made_study(written: Callable[..., Path]) -> None:
    whole = made()
    path = written("made", {**whole, "looks": [3]})
    texts = [f"$ study --report\n{reported('--out', path)}"]
    other = reported("--out", path, "--subject", "variance@0.25/principal-alternating")
    texts.append(f"\n$ study --report --subject\n{shortened(other)}")
    few = made(seeds=3)
    few["recipe"]["arms"] = [arm for arm in few["recipe"]["arms"] if "alternating/conditional" in arm][::2]
    few["results"] = [result for result in few["results"] if result["arm"] in few["recipe"]["arms"]]
    path = written("few", few)
    code, out, err = run_main("study", "--report", "--out", path, "--json")
    assert (code, err) == (0, "")
    texts.append(f"\n$ study --report --json\n{kit.text_of(json.loads(out))}")
    study = read_study(path)
    texts += ["\n==== for a paper", as_csv(study), as_latex(study), leads_figure(study).svg()]
    approved("studies-made", "\n".join(texts))


def test_a_made_study_at_equal_time_and_others(written: Callable[..., Path]) -> None:
    few = made(seeds=4, equal_time=True)
    few["step_cost"] = {
        "none/conditional": 1.0,
        "entropy/conditional": 1.25,
        "pooled/conditional": 1.12,
        "none/standard": 1.0,
    }
    study = read_study(written("equal", few))
    one = made(seeds=1, evaluate_on="validation", data="folder/of pictures.npz", iterations=2500)
    other = made(seeds=3, optimiser="adamw", flip=False)
    other["results"] = [result for result in other["results"] if result["arm"].endswith("conditional")][:-20]
    studies = {"equal": study, "one": read_study(written("one", one)), "other": read_study(written("other", other))}
    texts = [cost_in_words(study), *words.titles(studies).values()]
    texts += [f"{name}: {words.too_short(each)}" for name, each in studies.items()]
    texts += [
        f"{name} {prior}: {found.in_words() if (found := answer(each, None, prior)) else None}"
        for name, each in studies.items()
        for prior in each.priors
    ]
    for count in counts(studies.values()).values():
        texts += (f"  {title}: {lead.in_words()}" for title, lead in count.leads.items())
    texts += [made_ladder.in_words() for made_ladder in ladders(studies.values()).values()]
    texts += [
        ladder(study, "standard").in_words(),
        kit.text_of(run_table(studies["one"])),
        kit.text_of(words.rows(run_table(study)[:3])),
    ]
    tied = made(seeds=2)
    tied["recipe"]["arms"] = [f"entropy+{arm}/conditional" for arm in TIED]
    tied["results"] = [result for result in tied["results"] if result["arm"] in tied["recipe"]["arms"]]
    tie = read_study(written("tied", tied))
    texts.append(f"tied: {usual_partition(tie)}; {subjects(tie)}; {[label(tie, arm) for arm in tie.arms]}")
    first, other = (arm_curve(study, arm) for arm in study.arms[:2])
    assert first is not None and other is not None
    difference = first.minus(other)
    assert difference is not None
    texts.append(f"difference of curves: {difference.in_words()}; {kit.summed(difference.bits_per_dim)}")
    merged = merge([studies["equal"], studies["equal"]])
    texts.append(f"merged: {merged.title}, {len(merged.runs)} runs")
    approved("studies-others", "\n".join(texts))


COMMANDS = (
    "study --out s",
    "study --out s --order entropy,variance --weights none,pooled --partition random,information",
    "study --out s --order entropy --weights means --prior conditional,standard",
    "study --out s --order last,random,entropy --init principal,random --keep 0.25,0.5",
    "study --out s --weights none,pooled",
    "study --out s --null --priors standard",
    "study --out s --arms entropy+means@1/4/linear-random,random/random",
    "study --out s --priors constant",
)


def test_recipes_and_plans(capsys: pytest.CaptureFixture[str]) -> None:
    lines = []
    for command in COMMANDS:
        options = build_parser().parse_args(command.split()[0:])
        recipe = StudyRecipe(**study_arms(options), seeds=2, batch=16, iterations=1000, data="faces16")
        lines += [f"$ {command}", *capsys.readouterr().err.splitlines()]
        lines += [f"  {arm.text}  folder {arm.name}  kind {kind_of_step(recipe, arm)}" for arm in recipe.arms]
        lines += [
            f"  {' '.join(recipe.arguments('out', jobs=2))}",
            f"  budget {recipe.budget}; {[f'{arm.order} {seed}' for arm, seed in recipe.runs()]}",
        ]
    recipe = StudyRecipe(
        arms=(*control(), *crossed(["entropy"], ["entropy"])[0]),
        seeds=2,
        evaluate_on="validation",
        flip=True,
        data="faces16",
    )
    for arm in recipe.arms:
        training = recipe.training(arm, 1, channels=1, cost=1.3)
        lines += [f"\n{arm.text}", str(training.flow.to_dict()), " ".join(training.arguments())]
    seconds = {
        "none/conditional": 0.031,
        "entropy/conditional": 0.04,
        "none/standard": 0.02,
        "pooled/standard": 0.025,
        "none@0.25/standard": 0.019,
    }
    lines += [
        "",
        *kit.lines(relative_costs(seconds)),
        *(
            f"recorded of {count} in {steps}: {recording_steps(steps, count)}"
            for steps, count in ((500, 24), (2500, 12), (7, 48))
        ),
    ]
    approved("studies-recipes", "\n".join(lines))


def test_the_result_of_a_run_whose_records_are_far_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = {1: 5.5, 4: 5.2, 9: 5.0, 20: 4.5}
    records = [{"step": 0, "probe_bits_per_dim": 6.0}]
    for step in (1, 2, 4, 5, 9, 15, 20):
        own = {"crops_bits_per_dim": scores[step]} if step in scores else {}
        records.append({"step": step, "bits_per_dim": 6.0 - 0.3 * step**0.5, **own})
    records.append({"step": 20, "test_bits_per_dim": 4.4, "crops_bits_per_dim": 4.45, "step_cpu_seconds": 12.3456})
    recipe = StudyRecipe(data="faces16").training(Arm("random"), 7)
    flow = SimpleNamespace(flow=SimpleNamespace(parameter_count=lambda: 1234))
    monkeypatch.setattr(run_module.checkpoint, "load", lambda _: flow)
    run = SimpleNamespace(config=lambda: (recipe, ""), last_checkpoint=None, records=lambda: records)
    approved("studies-result", json.dumps(run_module.result_of(run, Arm("random")), indent=1))


def test_a_study_that_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = kit.data_set((8, 12), train=80, test=9)
    np.savez(tmp_path / "made.npz", train=images.train, test=images.test)
    costs = {"entropy/conditional": 0.05, "none/conditional": 0.04}
    monkeypatch.setattr(run_module, "seconds_per_step", lambda kinds, *_: {kind: costs[kind] for kind in kinds})
    arms = "variance-reversed/principal-random,entropy+entropy/principal-information"
    settings = ("--levels", 2, "--steps-per-level", 1, "--width", 8, "--size", 8, "--batch", 8, "--iterations", 5)
    more = ("--arms", arms, "--null", "--seeds", 2, "--equal-cpu")
    words = ("study", "--data", tmp_path / "made.npz", "--out", tmp_path / "study", *more, *settings)
    code, out, err = run_main(*words)
    assert code == 0, err
    lines = [f"$ study\n{out}{err}".replace(str(tmp_path), "PLACE")]
    study = read_study(tmp_path / "study")
    found = study.document()
    for result in found["results"]:
        result["cpu_s"] = 1.0 + result["seed"]
        lines += kit.lines(result)
    lines += kit.lines(
        {key: value for key, value in found.items() if key in ("recipe", "step_cost", "format", "version")}
    )
    for folder in sorted(path for path in (tmp_path / "study").rglob("*") if path.is_dir()):
        files = sorted(path.name for path in folder.iterdir() if path.is_file() and path.suffix != ".lock")
        lines.append(f"{folder.relative_to(tmp_path)}: {', '.join(files)}")
    packed = pack([study], tmp_path / "packed.zip")
    lines += [f"packed: {packed.command}; {packed.title}"]
    for arm in packed.arms:
        record = read_record(packed, arm)
        assert record is not None
        lines.append(f"{arm.text}: recorded {record.steps.tolist()}, samples at {sorted(record.samples)}")
    approved("studies-run", "\n".join(lines).replace(str(tmp_path), "PLACE"))
