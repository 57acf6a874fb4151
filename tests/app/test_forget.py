"""When nobody is here, or memory is short, the server forgets what it can make again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import plotly.graph_objects as go
import pytest

from eiwflow.figures import pixels
from eiwflow.training import memory
from eiwflow.training.run_directory import all_runs, runs_root
from eiwflow.ui.jobs import evidence, presets, runs
from eiwflow.ui.server import lifespan
from eiwflow.ui.shell import parts
from eiwflow.ui.sources import cache, checkpoints, data_sets, places
from eiwflow.ui.sources.visit import Page

from ..analysis.test_shuffle import level_record, record_of
from ..studies import arms, write_study
from ..training.tiny import tiny_flow, write_npz
from .conftest import small_flow, trained_run, write_checkpoint
from .test_child import look_at


class Over(Exception):
    """The time of a test is over."""


def test_what_is_kept_for_all_visitors_is_forgotten_and_made_again(bundle: Path) -> None:
    write_checkpoint(bundle / "one.safetensors")
    study = write_study(bundle / "study.zip", arms({"first/random": 3.9, "last/random": 4.1}))

    look = look_at(small_flow())
    images = data_sets.Images("photos32", look.train, look.test, "", remade=False)

    def kept() -> list[object]:
        return [
            checkpoints.open_checkpoint(checkpoints.checkpoint_files()["one"]),
            data_sets.images("photos32", (3, 32, 32), 4),
            presets.facts("photos32", look.flow.config),
            cache.study(study),
            parts.drawn(go.Figure),
            pixels.data_uri(np.zeros((2, 2, 3), np.uint8)),
            cache.kept(look, images, "passage", {}),
        ]

    before = kept()
    assert all(one is again for one, again in zip(before, kept(), strict=True))
    lifespan.forget()
    assert all(one is not again for one, again in zip(before, kept(), strict=True))


def test_a_rewritten_checkpoint_and_a_record_that_has_grown_are_measured_anew() -> None:
    look = look_at(small_flow())
    images = data_sets.Images("photos32", look.train, look.test, "", remade=False)
    rewritten = replace(look.checkpoint, flow=small_flow(split="last"), sha256="1" * 64)
    assert rewritten.name == look.checkpoint.name
    first, again, other = (
        cache.kept(each, images, "samples", {"n": 2, "temperatures": (1.0, 1.0)})
        for each in (look, look, replace(look, checkpoint=rewritten))
    )
    assert again is first is not other

    order = look.flow.levels[0].shuffle.order.tolist()
    records = [record_of(level_record(order, [order] * count), steps=tuple(range(count))) for count in (2, 3)]
    rivers = [cache.kept(replace(look, record=record), images, "shuffle", {}).river for record in (*records, None)]
    assert [river and river.steps.tolist() for river in rivers] == [[0, 1], [0, 1, 2], None]


def a_study(folder: Path, again: bool) -> list[object]:
    ours, theirs = "entropy/principal-alternating", "last/random"
    path = write_study(folder / "study.zip", arms({ours: 3.9, theirs: 4.3 if again else 4.1}))
    (effect,) = cache.of_study(cache.study(path), "comparisons", subject=ours).effects
    return [effect.lead, evidence.of([cache.study(path)]).headline]


def a_checkpoint(folder: Path, again: bool) -> list[object]:
    del folder
    write_checkpoint(runs_root() / "mine.safetensors", small_flow(split="last" if again else "entropy"))
    (file,) = checkpoints.checkpoint_files().values()
    return [file.key, checkpoints.open_checkpoint(file).info.config.order]


def a_training(folder: Path, again: bool) -> list[object]:
    """Write records without their last three lines, and again with them."""
    del folder
    run = all_runs(runs_root())[0] if again else trained_run(12)
    records, whole = run.path / "metrics.jsonl", run.path / "all"
    if not again:
        whole.write_bytes(records.read_bytes())
    records.write_bytes(whole.read_bytes() if again else b"".join(whole.read_bytes().splitlines(keepends=True)[:-3]))
    page = object.__new__(Page)
    object.__setattr__(page, "file", SimpleNamespace(path=run.last_checkpoint))
    return [len(cache.curve(page).steps), len(cache.record(page).steps), runs.progress(run).step]


def images(folder: Path, again: bool) -> list[object]:
    path = write_npz(folder / "planes.npz", test=9 if again else 16)
    return [presets.facts(str(path), tiny_flow().config).tested]


@pytest.mark.parametrize("written", [a_study, a_checkpoint, a_training, images])
def test_what_is_made_of_a_file_is_made_anew_where_the_file_was_rewritten(
    written: Callable[[Path, bool], list[object]], bundle: Path
) -> None:
    before, after = written(bundle, False), written(bundle, True)
    assert all(one != other for one, other in zip(before, after, strict=True))


@pytest.mark.parametrize(
    ("somebody", "expected"),
    [([], [120]), ([30, 60, 90], [210]), ([90, 210, 330, 450, 570], []), ([270], [120, 390])],
    ids=["nobody", "at first", "always again", "for a moment"],
)
def test_it_forgets_once_when_nobody_has_been_here_for_a_while(
    monkeypatch: pytest.MonkeyPatch, somebody: list[int], expected: list[int]
) -> None:
    assert times_of_forgetting(monkeypatch, 570, nobody=lambda s: s not in somebody, resident=lambda _: 800) == expected


def test_it_forgets_where_memory_is_short_but_not_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def resident(s: float) -> int:
        return 800 if s < 10 or s > 34 else 801

    assert times_of_forgetting(monkeypatch, 60, nobody=lambda _: False, resident=resident) == [10, 30]


def times_of_forgetting(
    monkeypatch: pytest.MonkeyPatch, until: float, nobody: Callable[[float], bool], resident: Callable[[float], int]
) -> list[float]:
    """Return the seconds at which the server forgets, by whether nobody is here and its bytes, of a bound of 1,000."""
    seconds = 0.0
    forgotten: list[float] = []

    def sleep(s: float) -> None:
        nonlocal seconds
        seconds += s
        if seconds > until:
            raise Over

    monkeypatch.setattr(memory, "give_back_freed_memory", lambda: None)
    monkeypatch.setattr(lifespan, "nobody_is_here", lambda: nobody(seconds))
    monkeypatch.setattr(lifespan, "forget", lambda: forgotten.append(seconds))
    monkeypatch.setattr(places, "bound", lambda: 1000)
    monkeypatch.setattr(places, "resident", lambda: resident(seconds))
    with pytest.raises(Over):
        lifespan._give_back_now_and_then(sleep)
    return forgotten
