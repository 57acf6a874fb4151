"""The store of what pages show: made once, in two pools, and forgotten in turn."""

from __future__ import annotations

import time
from dataclasses import replace
from threading import Event, Thread
from types import SimpleNamespace

import pytest
import torch

from eiwflow.analysis import progress, subjects
from eiwflow.flow import NonFiniteError
from eiwflow.ui import access
from eiwflow.ui.sources import cache, checkpoints, data_sets, store
from eiwflow.ui.sources.checkpoints import CheckpointFile
from eiwflow.ui.sources.store import LONG, MOST, SHORT, LeftError, OverTimeError, Store
from eiwflow.ui.sources.visit import Page

from .conftest import wait_until, write_checkpoint


def in_threads(count: int, ask) -> list[Thread]:
    threads = [Thread(target=ask, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    return threads


def test_a_result_is_made_once_for_all_who_ask_and_an_error_is_forgotten() -> None:
    kept, made, results = Store(), [], []

    def make() -> int:
        made.append(1)
        time.sleep(0.1)
        return 7

    for thread in in_threads(8, lambda _: results.append(kept.get("flow", ("a",), make))):
        thread.join(20)
    assert results == [7] * 8 and len(made) == 1
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            kept.get("flow", ("b",), lambda: 1 // 0)
    assert kept.get("flow", ("b",), lambda: 2) == 2


def test_the_least_recently_used_of_a_kind_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MOST, "flow", 2)
    kept = Store()
    for key in "aba":
        kept.get("flow", (key,), lambda key=key: key)
    kept.get("flow", ("c",), lambda: "c")
    assert kept.get("flow", ("a",), lambda: "again") == "a" and kept.get("flow", ("b",), lambda: "again") == "again"


def test_long_work_leaves_moves_their_threads_and_is_bounded() -> None:
    kept, go, running = Store(), Event(), []

    def average() -> None:
        running.append(1)
        go.wait(20)

    threads = in_threads(LONG + 2, lambda number: kept.get("flow", (number,), average, long=True))
    wait_until(lambda: len(running) == LONG)
    assert kept.get("flow", ("move",), lambda: 3) == 3 and len(running) == LONG
    go.set()
    for thread in threads:
        thread.join(20)
    assert len(running) == LONG + 2


def test_what_results_need_is_made_though_all_threads_want_it() -> None:
    kept, made, results = Store(), [], []

    def need() -> int:
        made.append(1)
        time.sleep(0.05)
        return 1

    def result(number: int) -> int:
        return number + kept.get("flow", ("need",), need, long=True)

    asked = in_threads(3 * SHORT, lambda n: results.append(kept.get("flow", (n,), lambda: result(n))))
    for thread in asked:
        thread.join(20)
    assert sorted(results) == list(range(1, 3 * SHORT + 1)) and len(made) == 1


def test_work_that_nobody_waits_for_ends_after_its_batch_and_that_in_the_queue_is_not_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A script that waits ends as soon as its visitor has moved on or closed the tab; here by an exception."""
    monkeypatch.setattr(store, "LEFT_S", 1.0)
    kept, begun, ended, left = Store(), [], [], Event()

    class MovedOnError(BaseException):
        pass

    def check() -> None:
        if left.is_set():
            raise MovedOnError

    monkeypatch.setattr(store, "get_script_run_ctx", lambda suppress_warning: SimpleNamespace(session_id="mine"))
    monkeypatch.setattr(store, "get_run_yield_check", lambda: check)
    monkeypatch.setattr(store, "st", SimpleNamespace(empty=lambda: SimpleNamespace(caption=id, progress=max, empty=id)))

    def work(number: int) -> None:
        begun.append(number)
        try:
            while True:
                time.sleep(0.01)
                progress.advance(1)
        except LeftError:
            ended.append(number)
            raise

    def ask(number: int) -> None:
        with pytest.raises(MovedOnError):
            kept.get("flow", (number,), lambda: work(number), long=True)

    threads = in_threads(LONG, ask)
    wait_until(lambda: len(begun) == LONG)
    threads += in_threads(LONG + 1, lambda number: ask(10 + number))
    wait_until(lambda: len(kept._jobs["flow"]) == 2 * LONG + 1)
    left.set()
    for thread in threads:
        thread.join(20)
    wait_until(lambda: len(ended) == LONG)
    left.clear()
    assert kept.get("flow", ("next",), lambda: 5, long=True) == 5 and sorted(begun) == list(range(LONG))


def test_a_measure_may_take_long_on_ones_own_machine_but_not_where_others_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MOST_S", -1.0)

    def work() -> int:
        progress.advance(1)
        return 1

    assert Store().get("flow", ("a",), work) == 1
    monkeypatch.setattr(access, "settings", lambda: SimpleNamespace(mode="classroom"))
    with pytest.raises(OverTimeError):
        Store().get("flow", ("a",), work)


@pytest.fixture
def page(bundle) -> Page:
    path = write_checkpoint(bundle / "one.safetensors")
    file = CheckpointFile("one", "one", path, "one")
    opened = checkpoints.open_checkpoint(file)
    images = data_sets.images("photos32", opened.info.config.shape, 4)
    links = {"image": "0"}
    return Page("Levels", links, False, file, opened, images, images.test[:1], None, seed=0, level=1)


def test_averages_of_a_large_flow_are_made_once_whatever_the_seed(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "LARGE_S", -1.0)
    looks = [cache.look(replace(page, seed=seed)) for seed in (0, 1)]
    assert looks[0].large and subjects.entropies(looks[0]) is subjects.entropies(looks[1])
    moved = [subjects.bits_per_dim(look) for look in looks]
    assert moved == [subjects.bits_per_dim(replace(look, keep=None)) for look in looks] and moved[0] != moved[1]


def test_a_rewritten_checkpoint_is_opened_anew_and_a_failure_is_raised_each_time(page: Page) -> None:
    look = cache.look(page)
    before = subjects.passage(look)
    assert subjects.passage(cache.look(page)) is before
    other = checkpoints.open_checkpoint(page.file)
    assert other is page.checkpoint
    flow = page.checkpoint.flow
    with torch.no_grad():
        flow.levels[0].steps[0].actnorm.log_scale.fill_(300.0)
    write_checkpoint(page.file.path, flow)
    wild = replace(page, checkpoint=checkpoints.open_checkpoint(page.file))
    assert wild.checkpoint is not other
    for _ in range(2):
        with pytest.raises(NonFiniteError):
            subjects.passage(cache.look(wild))


def test_own_images_of_one_name_are_told_apart() -> None:
    pixels = torch.zeros(1, 1, 2, 2, dtype=torch.uint8)
    one = data_sets.Images("mine.npz", pixels, pixels, "", remade=False, stamp="1")
    assert one.key != replace(one, stamp="2").key


@pytest.mark.parametrize("field", ["image", "level", "seed", "record"])
def test_what_a_measure_depends_on_is_in_its_key(page: Page, field: str) -> None:
    every = subjects.Measure(lambda look: 0, ("train", "test", "image", "level", "seed", "record"))
    look = replace(cache.look(page), record=SimpleNamespace(steps=range(4)))
    others = {"image": look.image + 1, "level": 2, "seed": 7, "record": SimpleNamespace(steps=range(5))}
    other = replace(look, **{field: others[field]})
    assert cache._key(look, page.images, every, {}) != cache._key(other, page.images, every, {})
