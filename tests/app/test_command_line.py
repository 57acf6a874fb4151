"""What a page exports is what its recipe prints: every table of every page, to 1e-5."""

from __future__ import annotations

import csv
import importlib
import inspect
import io
import json
import math
import shlex
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
import torch
from PIL import Image

from eiwflow import checkpoint, cli, data
from eiwflow.compression.archive import decompress
from eiwflow.flow import Latents, MultiScaleFlow, quantise
from eiwflow.training.recipe import Recipe
from eiwflow.training.run_directory import RunDirectory
from eiwflow.ui import shell as ui
from eiwflow.ui.shell.reproduce import Call, python

from .conftest import lively_flow, picture_bytes, recipe, small_flow, visit_page, write_checkpoint, write_record

Table = list[dict[str, Any]]
URL = {"data": "photos32", "image": "5", "seed": "3"}
TOLERANCE = 1e-5
PAGES = {
    "pages/1_levels.py": {},
    "pages/2_latents.py": {"b": "7"},
    "pages/3_entropy.py": {"level": "2"},
    "pages/4_shuffle.py": {"level": "2"},
    "pages/5_weights.py": {"level": "2"},
    "pages/8_checkpoint.py": {},
    "pages/10_likelihood.py": {"guess": "blurred"},
}


@pytest.fixture
def run(bundle: Path) -> RunDirectory:
    """Return a finished run of a flow of three levels, with its record."""
    found = RunDirectory.create(bundle.parent / "runs", Recipe(), "")
    flow = lively_flow(levels=3)
    write_checkpoint(found.last_checkpoint, flow)
    write_record(found.path, flow, (0, 1, 5, 20))
    found.set_status("finished", 20)
    return found


def tables_in(value: object) -> list[Table]:
    """Return every list of rows that stands anywhere in what JSON held."""
    if isinstance(value, dict):
        return [table for held in value.values() for table in tables_in(held)]
    if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        return [value, *(table for row in value for table in tables_in(row))]
    return []


def same(shown: object, printed: object) -> bool:
    """Return whether a cell is the same: to 1e-5 where it is a number, and null where it is none."""
    if isinstance(shown, float) and not math.isfinite(shown):
        return printed is None
    if isinstance(shown, (int, float)) and isinstance(printed, (int, float)):
        return abs(shown - printed) <= TOLERANCE
    return str(shown) == str(printed)


def printed_somewhere(rows: Table, printed: list[Table]) -> bool:
    """Return whether some printed table holds these rows, in this order, and perhaps more columns."""
    return any(
        len(table) == len(rows)
        and all(
            set(row) <= set(other) and all(same(value, other[name]) for name, value in row.items())
            for row, other in zip(rows, table, strict=True)
        )
        for table in printed
    )


def cells(rows: Table) -> list[dict[str, str]]:
    """Return rows as a CSV file states them."""
    return [{name: "" if value is None else str(value) for name, value in row.items()} for row in rows]


def remember_results(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Let the functions behind the commands compute once for the same arguments; count how often each was asked."""
    results: dict[str, object] = {}
    asked: Counter[str] = Counter()
    inside: list[str] = []

    def key(value: object) -> object:
        if isinstance(value, MultiScaleFlow):
            return float(sum(parameter.double().sum() for parameter in value.parameters()))
        if isinstance(value, torch.Tensor):
            return tuple(value.shape), float(value.double().sum())
        # A checkpoint is known by its content, images by their name, and a record by the checkpoint that it is of.
        return getattr(value, "sha256", getattr(value, "name", value if isinstance(value, (int, str)) else type(value)))

    homes = {"analyse": "analyse", "evaluate": "evaluate", "inspect": "report", "verify": "report"}
    for name, home in homes.items():
        function = getattr(importlib.import_module(f"eiwflow.analysis.{home}"), name)

        def once(*arguments: object, function: Callable[..., Any] = function, **named: Any) -> object:
            signature = inspect.signature(function)
            # A command may state a default, and its team of one process computes what no team does.
            given = {
                word: value
                for word, value in signature.bind(*arguments, **named).arguments.items()
                if word not in ("progress", "beside", "also", "team")
                and key(value) != key(signature.parameters[word].default)
            }
            question = repr((function.__name__, sorted((word, key(value)) for word, value in given.items())))
            if not inside:  # what one of them asks another is its own business
                asked[question] += 1
            if question not in results:
                inside.append(question)
                results[question] = function(*arguments, **named)
                inside.pop()
            return results[question]

        monkeypatch.setattr(f"eiwflow.analysis.{home}.{name}", once)
        monkeypatch.setattr(f"eiwflow.cli.flows.{name}", once)
    return asked


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_a_page_s_tables_are_what_its_recipe_prints_and_its_files_hold(
    page: str, run: RunDirectory, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    saved: dict[str, Table] = {}
    exported: dict[str, Table] = {}
    files: dict[str, Callable[[], bytes]] = {}
    exports, button = ui.exports, st.download_button

    def take_tables(page: ui.Page, tables: dict[str, Table]) -> None:
        exported.update(tables)
        saved.update({page.file_name(what, "csv"): rows for what, rows in tables.items()})
        exports(page, tables)

    def take_file(label: str, data: Callable[[], bytes], file_name: str, *rest: Any, **more: Any) -> bool:
        files[file_name] = data
        return button(label, data, file_name, *rest, **more)

    asked = remember_results(monkeypatch)
    monkeypatch.setattr(ui, "exports", take_tables)
    monkeypatch.setattr(st, "download_button", take_file)
    at = visit_page(page, **URL, **PAGES[page])
    assert not at.exception and not at.error and exported
    asked.clear()  # the page has asked too
    printed = []
    for command in recipe(at).splitlines():
        arguments = shlex.split(command.removeprefix("python -m eiwflow "))
        if "--json" in arguments:
            capsys.readouterr()
            assert cli.main(arguments) == 0
            printed += tables_in(json.loads(capsys.readouterr().out))
    of_commands = Counter(asked)
    for script in (block.value for block in at.code if block.language == "python"):
        exec(compile(script, page, "exec"), {})
    # Whatever the commands asked for, the lines of Python asked for too, and for nothing else.
    assert of_commands and asked == of_commands + of_commands
    missing = [name for name, rows in exported.items() if not printed_somewhere(rows, printed)]
    assert not missing
    check_files(page, run, files, saved)


def check_files(page: str, run: RunDirectory, files: dict[str, Callable[[], bytes]], tables: dict[str, Table]) -> None:
    """Check that a page's files hold its tables, under names that say where they are from."""
    label = "home" if page == "app.py" else page.partition("_")[2].removesuffix(".py")
    sha256 = checkpoint.load(run.last_checkpoint).sha256
    for name, make in files.items():
        start, suffix = f"eiwflow-{label}-", name.rpartition(".")[2]
        assert name.startswith(start) and name.endswith(f"-{sha256[:8]}-seed3.{suffix}"), name
        content = make()
        if suffix == "csv":
            assert list(csv.DictReader(io.StringIO(content.decode()))) == cells(tables.pop(name))
        elif suffix == "npz":
            check_latents(content, run)
        elif suffix == "eiw":
            check_archive(content, run)
        else:
            with Image.open(io.BytesIO(content)) as picture:
                assert picture.format == suffix.upper() and min(picture.size) > 8
    assert not tables and any(name.endswith(".csv") for name in files)


def check_latents(content: bytes, run: RunDirectory) -> None:
    """Check that an archive holds the latents of the image looked at: decoded they are that image."""
    with np.load(io.BytesIO(content)) as arrays:
        levels = [torch.from_numpy(arrays[name][:1]) for name in sorted(arrays) if arrays[name].ndim == 4]
    loaded = checkpoint.load(run.last_checkpoint)
    image = quantise(loaded.flow.decode(Latents(levels)))[0].permute(1, 2, 0).numpy()
    assert np.array_equal(image, data.load("photos32").test[int(URL["image"])])


def check_archive(content: bytes, run: RunDirectory) -> None:
    """Check that an archive holds the first test images, exactly."""
    flow = checkpoint.load(run.last_checkpoint).flow
    pictures = decompress(flow, content)
    assert pictures
    for picture, image in zip(pictures, data.load("photos32").test, strict=False):
        assert np.array_equal(picture.pixels, image)


def test_a_script_reads_a_folder_s_pictures_for_a_flow_that_is_wider_than_high(tmp_path: Path) -> None:
    flow = write_checkpoint(tmp_path / "wide.safetensors", small_flow(shape=(3, 8, 16)))
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(30):
        (folder / f"{number}.png").write_bytes(picture_bytes(seed=number))
    exec(python([Call("evaluate", str(flow), data=str(folder), limit=2)]), variables := {})
    assert variables["scores"]["n"] == 2
    colours, scores = np.random.default_rng(0).integers(40, 220, (12, 1, 1, 3), dtype=np.uint8), []
    for height, width in ((8, 16), (9, 18)):  # crops of an image of one colour are the same
        path = tmp_path / f"{height}.npz"
        np.savez(path, train=np.tile(colours, (1, height, width, 1)), test=np.tile(colours, (1, height, width, 1)))
        exec(python([Call("evaluate", str(flow), data=str(path), limit=2)]), variables := {})
        scores.append(variables["scores"]["bits_per_dim"])
    assert scores[0] == scores[1]
