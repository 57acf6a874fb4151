"""The command study: run one, report on it, pack it."""

from __future__ import annotations

import argparse
import dataclasses
import shlex
from typing import Any

from ..analysis.words.numbers import counted
from ..files import write_atomically
from ..study import export
from ..study.file import StudyError, bundled, pack, read_study
from ..study.recipe import DEFAULT_ARMS, HALF, StudyRecipe, arms_of, control, crossed
from ..study.report import report, report_in_words, summary, summary_in_words
from ..study.run import parse_shard, run_study
from ..training.run_directory import RunError
from .arguments import check_out, given, say_note
from .progress import Result, bar, say


def study_command(options: argparse.Namespace) -> Result:
    """Run a study, with a progress bar on a terminal, or report on a study."""
    for file in (options.csv, options.latex, options.figure, options.pack):
        if file is not None:
            check_out(options, file)
    if options.figure is not None and options.figure.suffix not in (".svg", ".pdf"):
        raise StudyError(f"--figure is {str(options.figure)[:200]!r}; its name must end in .svg or .pdf.")
    if options.report:
        return _report(options)
    if options.out is None:
        raise RunError("--out is missing; name the folder of the study.")
    if options.pack is not None:
        return _pack(options)
    names = (field.name for field in dataclasses.fields(StudyRecipe) if field.name != "arms")
    recipe = StudyRecipe(**given(options, *names), **study_arms(options))
    shard = (1, 1) if options.shard is None else parse_shard(options.shard)
    command = shlex.join(["python", "-m", "eiwflow", *options.arguments])
    with bar("run", whole=True) as move:
        try:
            study = run_study(recipe, options.out, command, options.jobs, move, shard, say_note, options.device)
        except KeyboardInterrupt:
            say(f"Stopped; the same command continues {options.out}.")
            raise
    return {"out": str(study.path), "runs": len(study.runs)}, f"{counted(len(study.runs), 'run')} in {study.path}"


def study_arms(options: argparse.Namespace) -> dict[str, Any]:
    """Return the arms named by options, as a field of a study's recipe; empty without such options."""
    priors = options.priors or ["conditional"]
    arms: list[Any] = []
    lists: dict[str, Any] = {"orders": ["entropy", "variance", "variance-reversed", "random"], "weights": ["none"]}
    lists |= {"inits": ["principal"], "partitions": ["random"], "keeps": [HALF]}
    if stated := given(options, *lists):
        combined, left_out = crossed(**{**lists, **stated}, priors=priors)
        arms += combined
        for sentence in left_out:
            say(f"eiwflow study: {sentence}")
    elif options.arms is None and not options.null:
        if priors == ["conditional"] and not options.own:
            return {}
        arms += [arm.under(prior) for prior in priors for arm in DEFAULT_ARMS]
    arms += [arm for text in (*(options.arms or ()), *options.own) for arm in arms_of(text, priors)]
    arms += control(priors) if options.null else []
    return {"arms": tuple(arms)}


def _report(options: argparse.Namespace) -> Result:
    if options.out is None:
        result = summary(bundled())
        return result, summary_in_words(result)
    study = read_study(options.out)
    result = report(study, options.subject)
    if options.csv is not None:
        write_atomically(options.csv, export.as_csv(study, options.subject).encode())
    if options.latex is not None:
        write_atomically(options.latex, export.as_latex(study, options.subject).encode())
    if options.figure is not None:
        from ..figures.paper import leads_figure

        drawing = leads_figure(study, options.subject)
        write_atomically(options.figure, drawing.pdf() if options.figure.suffix == ".pdf" else drawing.svg().encode())
    return result, report_in_words(result)


def _pack(options: argparse.Namespace) -> Result:
    study = pack([read_study(path) for path in (options.out, *options.also)], options.pack)
    size = options.pack.stat().st_size
    facts = {"out": str(options.pack), "runs": len(study.runs), "bytes": size}
    return facts, f"{options.pack}: {study.title}, {counted(len(study.runs), 'run')}, {size:,} bytes"
