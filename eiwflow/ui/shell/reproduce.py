"""The part "Reproduce this": calls that print a page's numbers, as command lines and as lines of Python."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from typing import Any

import streamlit as st

from ..common.untrusted import plain
from ..sources import checkpoints
from ..sources.visit import Page, Visit

#: Notes in place of calls, for a photo, and for images that were made to fit.
OF_A_PHOTO = "The command line measures test images: choose a test image to get the same numbers."
OF_REMADE = (
    "The command line neither resizes nor recolours images: choose a data set that fits the flow to get the same "
    "numbers."
)
OF_LARGE = "The command line measures a large flow in full: it averages over more images, with the stated seed."
#: Options of ``analyse`` with the same name as arguments of its function.
CHOICES = ("image", "level", "seed", "other_image", "path", "also")


class Call:
    """A command of ``python -m eiwflow``.

    Args:
        command: its name.
        words: its words before the options, the flow first.
        options: by name: True for a flag, a tuple for several values; None and () are left out.

    >>> Call("sample", "faces16-glow", n=4, temperature=(0.7, 1.0)).shell()
    'python -m eiwflow sample faces16-glow --n 4 --temperature 0.7,1'

    """

    def __init__(self, command: str, *words: str, **options: Any) -> None:  # noqa: ANN401 (those of the command)
        self.command, self.words = command, words
        self.options = {name: value for name, value in options.items() if value not in (None, (), "")}

    def shell(self) -> str:
        """Return the command line."""
        line = ["python -m eiwflow", self.command, *map(shlex.quote, self.words)]
        for name, value in self.options.items():
            line.append(f"--{name.replace('_', '-')}")
            if name == "temperature":
                line.append(",".join(f"{number:g}" for number in value))
            elif value is not True:
                line += [shlex.quote(str(each)) for each in (value if isinstance(value, tuple) else (value,))]
        return " ".join(line)


def call(view: Page, command: str, **options: Any) -> Call:  # noqa: ANN401 (those of the command)
    """Return a call on a page's flow, with its class; on the page's data set, for commands that measure one."""
    if command not in ("sample", "compress"):
        options = {"data": view.images.name} | options | {"json": True}
    words = (view.file.argument, view.images.name) if command == "compress" else (view.file.argument,)
    return Call(command, *words, **options | {"label": view.given_label})


def reproduce(page: Visit, *calls: Call, photo: bool | None = None) -> None:
    """Show calls that print the same numbers. If they would print other numbers, it says why.

    Arguments:
        page: where the numbers are shown.
        calls: that print them.
        photo: whether the numbers are of a photo; by default whether the page shows a photo.

    """
    with st.container():
        st.subheader("Reproduce this")
        if not isinstance(page, Page):
            _show(calls)
        elif page.images.remade or (page.other is not None and page.other.images.remade):
            st.markdown(OF_REMADE)
        elif page.photo is not None if photo is None else photo:
            st.markdown(OF_A_PHOTO)
        else:
            elsewhere = [view for view in page.views if view.images_by_command != view.images.of]
            for view in elsewhere:
                name = plain(view.file.label)
                st.markdown(f"No command prints the figures of “{name}”: the command line measures it on other images.")
            others = {view.file.argument for view in elsewhere}
            _show([each for each in calls if "data" not in each.options or each.words[0] not in others])
            if checkpoints.is_large(page.checkpoint.info.config):
                st.caption(OF_LARGE)


def _show(calls: Sequence[Call]) -> None:
    if calls:
        st.code("\n".join(each.shell() for each in calls), language="bash", wrap_lines=True)
    same_in_python(python(calls))


def same_in_python(script: str) -> None:
    """Show lines of Python, if there are any."""
    if script:
        st.caption("The same in Python:")
        st.code(script, language="python", wrap_lines=True)


#: command -> its imports, and the line that returns the same, with the call's options in it.
_PYTHON = {
    "analyse": (
        "from eiwflow.analysis.analyse import analyse\nfrom eiwflow.analysis.record import load_record",
        "{what} = analyse(loaded, images, {what!r}, load_record(path){choices})",
    ),
    "evaluate": (
        "from eiwflow.analysis.evaluate import evaluate",
        "scores = evaluate(loaded.flow, images, limit={limit}).to_dict()",
    ),
    "inspect": (
        "from eiwflow.analysis.record import load_curve\nfrom eiwflow.analysis.report import inspect",
        "parts = inspect(loaded, images, load_curve(path))",
    ),
    "verify": (
        "from eiwflow.analysis.evaluate import images_to_score\nfrom eiwflow.analysis.report import IMAGES, verify",
        "checks = verify(loaded, images_to_score(images, loaded.flow, IMAGES), images.name).to_dict()",
    ),
    "sample": (
        "import torch",
        "samples = loaded.flow.sample({n}, {temperature}, torch.Generator().manual_seed({seed}))",
    ),
    "compress": (
        "from eiwflow.compression import archive",
        "pictures, left_out = archive.gather([{words[1]!r}])\n"
        "content, summary = archive.compress(loaded.flow, pictures)",
    ),
}
_OF_A_RUN = """from pathlib import Path
from eiwflow.training.run import train
from eiwflow.training.run_directory import RunDirectory, runs_root

recipe, command = RunDirectory.open(Path({run!r})).config()
run = RunDirectory.create(runs_root(), recipe, command)
info = train(run)"""
_OF_STUDIES = """from pathlib import Path
from eiwflow.study.file import bundled, read_study
from eiwflow.study.report import report, summary

counts = summary(bundled())
answer = report(read_study(Path({out!r})), {subject!r})"""


def python(calls: Sequence[Call]) -> str:
    """Return a script equivalent to these calls; parts that only the command line has are left out.

    A flow and its images are opened once for consecutive calls.

    >>> print(python([Call("sample", "faces16-glow", n=4, temperature=(0.7,), seed=3)]))
    from eiwflow import checkpoint, data
    import torch
    <BLANKLINE>
    path = checkpoint.find('faces16-glow')
    loaded = checkpoint.load(path, 'faces16-glow')
    samples = loaded.flow.sample(4, 0.7, torch.Generator().manual_seed(3))

    """
    imports, lines = {"from eiwflow import checkpoint, data": None}, []
    opened, results = {"flow": "", "images": ""}, Counter[str]()
    for each in calls:
        if each.command == "study" and "out" in each.options:
            return _OF_STUDIES.format(**each.options)
        if each.command not in _PYTHON:
            continue
        for what, opening in _opening(each).items():
            if opening and opening != opened[what]:
                lines.append(opening)
                opened |= {"flow": opening, "images": ""} if what == "flow" else {what: opening}
        needed, line = _PYTHON[each.command]
        imports |= dict.fromkeys(needed.split("\n"))
        options = {"seed": 0, **each.options, "words": each.words}
        options["choices"] = "".join(f", {name}={options[name]!r}" for name in CHOICES if name in each.options)
        if scales := each.options.get("temperature"):
            options["temperature"] = list(scales) if len(scales) > 1 else scales[0]
        name, _, value = line.format(**options).partition(" = ")
        results[name] += 1
        lines.append(f"{name}_{results[name]} = {value}" if results[name] > 1 else f"{name} = {value}")
    return "\n".join([*imports, "", *lines]) if lines else ""


def _opening(of: Call) -> dict[str, str]:
    """Return the lines that open a call's flow, and those that open its data set if it has one."""
    name, label, data = of.words[0], of.options.get("label"), of.options.get("data")
    flow = f"path = checkpoint.find({name!r})\nloaded = checkpoint.load(path, {name!r})"
    images = f"images = data.load({data!r}, multiple=2**config.levels, size=config.shape[1:])"
    images = f"config = loaded.flow.config\n{images}" if data else ""
    if label:
        flow += "\nfactor, classes = loaded.info.labels, loaded.info.classes"
        flow += f"\nloaded = checkpoint.given_label(loaded, {label!r})"
        images += f"\nimages = data.given_class(images, factor, {label!r}, classes)" if data else ""
    return {"flow": flow, "images": images}


def training(run: str) -> str:
    """Return a script that repeats the training of a run directory in a new one."""
    return _OF_A_RUN.format(run=run)
