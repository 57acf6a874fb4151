"""The fold "Reproduce this": command lines that print a page's numbers, and equivalent lines of Python."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import streamlit as st

from ..common.untrusted import plain
from ..sources import checkpoints
from ..sources.visit import Page

if TYPE_CHECKING:
    from ..sources.visit import Visit

#: Notes in place of command lines, for a photo, and for images that were made to fit.
OF_A_PHOTO = "The command line measures test images: choose a test image to get the same numbers."
OF_REMADE = (
    "The command line neither resizes nor recolours images: choose a data set that fits the flow to get the same "
    "numbers."
)
OF_LARGE = "The command line measures a large flow in full: it averages over more images, with the stated seed."
#: Options of ``analyse`` with the same name as arguments of its function.
CHOICES = ("image", "level", "seed", "other_image", "path", "also")


def reproduce(page: Visit, *commands: str, photo: bool | None = None) -> None:
    """Show the fold with command lines that print the same numbers, and the same in Python.

    If they would print other numbers, the fold says why.

    Arguments:
        page: where the numbers are shown.
        commands: the words after ``python -m eiwflow``.
        photo: whether the numbers are of a photo; by default whether the page shows a photo.

    """
    with st.expander("Reproduce this"):
        _commands(page, commands, photo)


def _commands(page: Visit, commands: Sequence[str], photo: bool | None) -> None:
    if isinstance(page, Page) and (instead := _instead_of_commands(page, photo)):
        st.markdown(instead)
        return
    if isinstance(page, Page):
        commands, notes = _given_labels(commands, page)
        for sentence in notes:
            st.markdown(sentence)
    if commands:
        lines = "\n".join(f"python -m eiwflow {command}" for command in commands)
        st.code(lines, language="bash", wrap_lines=True)
    same_in_python(python(commands))
    if isinstance(page, Page) and checkpoints.is_large(page.checkpoint.info.config):
        st.caption(OF_LARGE)


def _given_labels(commands: Sequence[str], page: Page) -> tuple[list[str], list[str]]:
    """Return commands, with the class for a flow with labels, and a sentence for a flow that they measure elsewhere.

    Columns show images of one class, and the command line measures a flow without labels on all images.
    """
    kept: list[str] = []
    notes: dict[Page, str] = {}
    for command in commands:
        words = command.partition(" ")[2]
        view = next(view for view in (page, page.other) if view and words.startswith(f"{view.argument} "))
        measured = view.images.by_command(view.given_factor, view.given_label)
        if measured != view.images.of and " --data " in command:
            notes[view] = (
                f"No command prints the figures of “{plain(view.file.label)}”: the command line measures it on "
                f"{_which(measured)}, and this page on {_which(view.images.of)}."
            )
        else:
            kept.append(f"{command} --label {shlex.quote(view.given_label)}" if view.given_label else command)
    return kept, [*notes.values()]


def _which(of: tuple[str, str]) -> str:
    return f"images whose {plain(of[0])} is {plain(of[1])}" if of[0] else "all images"


def same_in_python(script: str) -> None:
    """Show a command's lines of Python, if there are any."""
    if script:
        st.caption("The same in Python:")
        st.code(script, language="python", wrap_lines=True)


def _instead_of_commands(page: Page, photo: bool | None) -> str:
    """Return a note if command lines would print other numbers or none, else an empty text."""
    if page.images.remade or (page.other is not None and page.other.images.remade):
        return OF_REMADE
    of_photo = page.photo is not None if photo is None else photo
    return OF_A_PHOTO if of_photo else ""


@dataclass(frozen=True)
class Command:
    """A command line taken apart: its name, its words, and its options' values by name."""

    name: str
    words: list[str]
    options: dict[str, list[str]]

    def value(self, option: str, otherwise: str = "") -> str:
        """Return the value of an option."""
        return next(iter(self.options.get(option, [])), otherwise)


@dataclass
class Script:
    """Lines of Python and their imports; a flow and its images are opened once for consecutive commands.

    Attributes:
        imports: the names imported from each module; empty for the module itself.
        lines: of the script.
        flow, label, data: the flow, label and data set opened last.

    """

    imports: dict[str, set[str]] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    flow: str = ""
    label: str = ""
    data: str = ""

    def take(self, what: str, module: str) -> None:
        """Import a name from a module."""
        self.imports.setdefault(module, set()).add(what)

    def open(self, command: Command, images: bool = True) -> None:
        """Open the flow of a command, and its data set if it has one."""
        flow, data, label = command.words[0], command.value("data"), command.value("label")
        if (flow, label) != (self.flow, self.label):
            self.take("checkpoint", "eiwflow")
            self.lines += [f"path = checkpoint.find({flow!r})", f"loaded = checkpoint.load(path, {flow!r})"]
            if label:
                self.lines.append("factor, classes = loaded.info.labels, loaded.info.classes")
                self.lines.append(f"loaded = checkpoint.given_label(loaded, {label!r})")
            self.flow, self.label, self.data = flow, label, ""
        if images and data != self.data:
            self.take("data", "eiwflow")
            self.lines.append("config = loaded.flow.config")
            self.lines.append(f"images = data.load({data!r}, multiple=2**config.levels, size=config.shape[1:])")
            if label:
                self.lines.append(f"images = data.given_class(images, factor, {label!r}, classes)")
            self.data = data

    def assign(self, name: str, value: str) -> None:
        """Name a result; a second result of the same name is numbered."""
        count = sum(line.split(" = ")[0].rstrip("_0123456789") == name for line in self.lines)
        self.lines.append(f"{name}_{count + 1} = {value}" if count else f"{name} = {value}")


def python(commands: Sequence[str]) -> str:
    """Return a script equivalent to these commands; parts that only the command line has are left out.

    Args:
        commands: the words after ``python -m eiwflow``.

    >>> print(python(["sample faces16-glow --n 4 --temperature 0.7 --seed 3"]))
    import torch
    from eiwflow import checkpoint
    <BLANKLINE>
    path = checkpoint.find('faces16-glow')
    loaded = checkpoint.load(path, 'faces16-glow')
    samples = loaded.flow.sample(4, 0.7, torch.Generator().manual_seed(3))

    """
    script = Script()
    for command in map(_taken_apart, commands):
        if command.name in _WRITERS:
            _WRITERS[command.name](script, command)
    modules = sorted(script.imports.items(), key=lambda entry: (entry[0].startswith("eiwflow"), entry[0]))
    imports = [
        f"from {module} import {', '.join(sorted(names))}" if names else f"import {module}" for module, names in modules
    ]
    return "\n".join([*imports, "", *script.lines]) if script.lines else ""


def _taken_apart(text: str) -> Command:
    name, *words = shlex.split(text)
    positional: list[str] = []
    options: dict[str, list[str]] = {}
    values = positional
    for word in words:
        if word.startswith("--"):
            values = options.setdefault(word.removeprefix("--").replace("-", "_"), [])
        else:
            values.append(word)
    return Command(name, positional, options)


def _analyse(script: Script, command: Command) -> None:
    script.open(command)
    script.take("analyse", "eiwflow.analysis.analyse")
    script.take("load_record", "eiwflow.analysis.record")
    subject = command.value("what")
    arguments = ["loaded", "images", repr(subject), "load_record(path)"]
    for choice in CHOICES:
        if choice in command.options:
            values: Any = command.options[choice]
            value = values if choice == "also" else values[0] if choice == "path" else int(values[0])
            arguments.append(f"{choice}={value!r}")
    script.assign(subject, f"analyse({', '.join(arguments)})")


def _evaluate(script: Script, command: Command) -> None:
    script.open(command)
    script.take("evaluate", "eiwflow.analysis.evaluate")
    script.assign("scores", f"evaluate(loaded.flow, images, limit={int(command.value('limit'))}).to_dict()")


def _inspect(script: Script, command: Command) -> None:
    script.open(command)
    script.take("inspect", "eiwflow.analysis.inspect")
    script.take("load_curve", "eiwflow.analysis.record")
    script.assign("parts", "inspect(loaded, images, load_curve(path))")


def _verify(script: Script, command: Command) -> None:
    script.open(command)
    script.take("images_to_score", "eiwflow.analysis.evaluate")
    script.take("verify", "eiwflow.analysis.verify")
    script.take("IMAGES", "eiwflow.analysis.verify")
    tested = "images_to_score(images, loaded.flow, IMAGES), images.name"
    opened = "checkpoint.load(path, trust=False)"
    if label := command.value("label"):
        opened = f"checkpoint.given_label({opened}, {label!r})"
    script.assign("checks", f"verify({opened}, {tested}).to_dict()")


def _sample(script: Script, command: Command) -> None:
    script.open(command, images=False)
    script.imports.setdefault("torch", set())
    temperatures = [float(number) for number in command.value("temperature").split(",")]
    generator = f"torch.Generator().manual_seed({int(command.value('seed', '0'))})"
    scale: Any = temperatures if len(temperatures) > 1 else temperatures[0]
    script.assign("samples", f"loaded.flow.sample({int(command.value('n'))}, {scale!r}, {generator})")


def _compress(script: Script, command: Command) -> None:
    script.open(command, images=False)
    script.take("archive", "eiwflow.compression")
    script.lines.append(f"pictures, left_out = archive.gather({command.words[1:]!r})")
    script.lines.append("content, summary = archive.compress(loaded.flow, archive.flow_digest(loaded.flow), pictures)")


def _study(script: Script, command: Command) -> None:
    if "report" not in command.options:
        return
    if "out" not in command.options:
        script.take("bundled", "eiwflow.study.file")
        script.take("summary", "eiwflow.study.report")
        script.assign("counts", "summary(bundled())")
        return
    script.take("Path", "pathlib")
    script.take("read_study", "eiwflow.study.file")
    script.take("report", "eiwflow.study.report")
    subject = command.value("subject")
    script.assign("answer", f"report(read_study(Path({command.value('out')!r})), {subject!r})")


_WRITERS: dict[str, Callable[[Script, Command], None]] = {
    "analyse": _analyse,
    "evaluate": _evaluate,
    "inspect": _inspect,
    "verify": _verify,
    "sample": _sample,
    "compress": _compress,
    "study": _study,
}


def training(run: str) -> str:
    """Return a script that repeats the training of a run directory in a new one."""
    return "\n".join(
        [
            "from pathlib import Path",
            "from eiwflow.training.run import train",
            "from eiwflow.training.run_directory import RunDirectory, runs_root",
            "",
            f"recipe, command = RunDirectory.open(Path({run!r})).config()",
            "run = RunDirectory.create(runs_root(), recipe, command)",
            "info = train(run)",
        ]
    )
