"""What a page exports is what its recipe prints: every table of every page, to 1e-5."""

from __future__ import annotations

import json
import math
import shlex
from pathlib import Path
from typing import Any

import pytest

from eiwflow import cli, ui
from eiwflow.training.recipe import Recipe
from eiwflow.training.run import RunDirectory

from .conftest import visit_page, write_checkpoint
from .test_shuffle import write_record
from .test_weights import lively_flow

Table = list[dict[str, Any]]
URL = {"data": "photos32", "image": "5", "seed": "3"}
TOLERANCE = 1e-5
PAGES = {
    "pages/1_levels.py": {},
    "pages/2_latents.py": {},
    "pages/3_entropy.py": {"level": "2"},
    "pages/4_shuffle.py": {"level": "2"},
    "pages/5_weights.py": {"level": "2"},
    "pages/7_space.py": {"b": "7"},
    "pages/8_checkpoint.py": {},
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


@pytest.mark.parametrize("page", PAGES)
def test_the_recipe_of_a_page_prints_its_tables(
    page: str, run: RunDirectory, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    exported: dict[str, Table] = {}

    def take(page: object, tables: dict[str, Table], pictures: object) -> None:
        exported.update(tables)

    monkeypatch.setattr(ui, "exports", take)
    at = visit_page(page, **URL, **PAGES[page])
    assert not at.exception and not at.error and exported
    printed = []
    for command in at.code[0].value.splitlines():
        arguments = shlex.split(command.removeprefix("python -m eiwflow "))
        if "--json" in arguments:
            capsys.readouterr()
            assert cli.main(arguments) == 0
            printed += tables_in(json.loads(capsys.readouterr().out))
    missing = [name for name, rows in exported.items() if not printed_somewhere(rows, printed)]
    assert not missing
