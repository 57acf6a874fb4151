"""Long measures: in a child of the server, within bounds, and ended with the tab that waits for them."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import streamlit.runtime
import torch
from PIL import Image

from eiwflow.analysis.progress import Progress
from eiwflow.analysis.subjects import Look
from eiwflow.checkpoint import Checkpoint, CheckpointError, CheckpointInfo
from eiwflow.data import DataError, load
from eiwflow.flow import FlowConfig, Latents, MultiScaleFlow
from eiwflow.ui.sources import cache, checkpoints, child, data_sets, places, results

from .conftest import line_up, small_flow


def look_at(flow: MultiScaleFlow, images: int = 8) -> Look:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (images, *flow.config.shape), generator=generator, dtype=torch.uint8)
    checkpoint = Checkpoint(
        flow=flow, info=CheckpointInfo(config=flow.config, data="photos32"), name="small", sha256="0" * 64
    )
    return Look(checkpoint, "photos32", pixels, pixels, None, pixels[:1], 1, 0)


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Return the children that are started; a session is open."""
    started: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def start(*arguments: object, **settings: object) -> subprocess.Popen[bytes]:
        child = popen(*arguments, **settings)
        if "eiwflow" in str(arguments[0]):  # an older torch asks lscpu for the processor
            started.append(child)
        return child

    monkeypatch.setattr(child.subprocess, "Popen", start)
    yield started
    assert all(child.poll() is not None for child in started)


def processor_seconds_of_children() -> float:
    """Return the processor time of this process's children that have ended."""
    times = os.times()
    return times.children_user + times.children_system


@pytest.mark.slow
def test_a_child_measures_the_same(children: list[subprocess.Popen[bytes]]) -> None:
    look = look_at(small_flow())
    counted = Progress()
    here, there = look.measure("passage"), child.measure(look, "passage", {}, counted)
    assert counted.done == counted.total > len(look.train)
    assert len(children) == 1 and type(here) is type(there)
    assert here.order_rule == there.order_rule and len(here.maps) == len(there.maps)
    assert all(np.array_equal(one, other) for one, other in zip(here.maps, there.maps, strict=True))


@pytest.mark.slow
def test_an_error_of_the_child_is_raised_here(children: list[subprocess.Popen[bytes]]) -> None:
    flow = small_flow()
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.fill_(float("nan"))
    with pytest.raises(Exception) as expected:
        look_at(flow).measure("passage")
    with pytest.raises(type(expected.value)):
        child.measure(look_at(flow), "passage", {})


@pytest.mark.slow
def test_a_child_ends_within_seconds_when_its_tab_is_closed(
    children: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """3×256×256, 8 steps, width 256: it burned 49 s of a core after its tab was closed."""
    flow = MultiScaleFlow(FlowConfig((3, 256, 256), levels=1, steps=8, width=256))
    flow.initialise(torch.rand(1, 3, 256, 256) - 0.5)
    look = look_at(flow, images=16)
    monkeypatch.setattr(child, "MOST_BYTES", 16 * 2**30)  # time alone ends it here
    tab = threading.Event()
    monkeypatch.setattr(streamlit.runtime, "exists", lambda: True)
    monkeypatch.setattr(
        streamlit.runtime, "get_instance", lambda: SimpleNamespace(is_active_session=lambda _: not tab.is_set())
    )
    monkeypatch.setattr(child, "GONE_S", 0.5)

    def close() -> None:
        while not children:
            time.sleep(0.05)
        time.sleep(0.5)
        tab.set()

    threading.Thread(target=close, daemon=True).start()
    before = processor_seconds_of_children()
    with pytest.raises(child.LeftError):
        child.measure(look, "kept_fit", {}, session="mine")
    assert children[0].poll() is not None and processor_seconds_of_children() - before < 15


@pytest.mark.slow
def test_a_child_that_takes_too_much_memory_is_refused_in_a_sentence(
    children: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "MOST_BYTES", 2**20)
    with pytest.raises(CheckpointError, match="cost of looking at it"):
        child.measure(look_at(small_flow(shape=(3, 128, 128), width=64), images=64), "kept_fit", {})


def pictures_in(folder: Path, count: int = 40) -> Path:
    """Write grey pictures of 20×24 pixels."""
    folder.mkdir()
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 256, (20, 24), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


@pytest.mark.slow
def test_facts_of_data_that_a_child_reads_are_those_of_the_data(
    children: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    waits: set[str] = set()
    monkeypatch.setattr(child, "session", lambda: "a tab")
    monkeypatch.setattr(child, "is_open", lambda session: True)
    monkeypatch.setattr(child, "on_wait", waits.add)
    folder = pictures_in(tmp_path / "pictures")
    loaded = load(folder, multiple=4, size=(16, 16))
    facts = child.facts_of(str(folder), 4, (16, 16))
    assert facts == ("pictures", (16, 16), 1, len(loaded.test)) and facts.channels == loaded.channels
    assert waits == {"a tab"}, "another page may run meanwhile"
    with pytest.raises(DataError, match="'nothing' is neither one of"):
        child.facts_of("nothing", 4, (16, 16))
    assert len(children) == 2


def test_data_that_take_more_than_a_childs_bounds_have_no_facts(
    children: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = pictures_in(tmp_path / "pictures")
    monkeypatch.setattr(child, "READING_S", 0)
    with pytest.raises(DataError, match="takes more than 50% of the free memory, or 0 minutes, to read; begin"):
        child.facts_of(str(folder), 4, (256, 256))
    monkeypatch.setattr(child, "READING_S", 600)
    monkeypatch.setattr(child, "free_memory", lambda: 20 * 2**20)  # less than Python takes
    with pytest.raises(DataError, match="'[^']*pictures' takes more than 50% .* 10 minutes, to read"):
        child.facts_of(str(folder), 4, (256, 256))
    assert len(children) == 2


def test_a_child_ends_when_the_visitor_who_named_the_data_moves_on(
    children: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class MovedOn(BaseException):
        """Streamlit's own is none of Exception's either."""

    def move_on() -> None:
        raise MovedOn

    monkeypatch.setattr(child, "end_if_moved_on", move_on)
    with pytest.raises(MovedOn):
        child.facts_of(str(pictures_in(tmp_path / "pictures")), 4, (16, 16))
    assert children[0].poll() is not None


@pytest.mark.slow
def test_a_child_whose_server_is_killed_ends_too() -> None:
    import sys

    child = subprocess.Popen([sys.executable, "-m", "eiwflow.analysis.child"], stdin=subprocess.PIPE)
    child.stdin.close()
    assert child.wait(120) != 0


@pytest.mark.parametrize(("mode", "expected"), [("classroom", 1), ("read-only", 1), ("", 0)])
def test_a_large_flow_is_measured_apart_where_strangers_come(
    monkeypatch: pytest.MonkeyPatch, mode: str, expected: int
) -> None:
    apart_from: list[str] = []
    monkeypatch.setenv("EIWFLOW_MODE", mode)
    monkeypatch.setattr(checkpoints, "is_large", lambda config: True)
    monkeypatch.setattr(child, "measure", lambda look, name, *rest: apart_from.append(name))
    look = look_at(small_flow())
    images = data_sets.Images("photos32", look.train, look.test, "", remade=False)
    cache.clear()
    cache.kept(look, images, "kept_fit", {})
    assert cache.kept(look, images, "bits_per_dim", {}) > 0  # a move does not wait for a child to start
    assert apart_from == ["kept_fit"] * expected
    cache.clear()


def test_averages_of_a_large_flow_are_made_once_whatever_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "is_large", lambda config: True)
    look = look_at(small_flow(), images=32)
    images = data_sets.Images("photos32", look.train, look.test, "", remade=False)
    cache.clear()
    first, other = (cache.kept(replace(look, seed=seed), images, "entropies", {}) for seed in (0, 1))
    assert first is other
    moved = [cache.kept(replace(look, seed=seed), images, "bits_per_dim", {}) for seed in (0, 1)]
    assert moved == [replace(look, seed=seed).measure("bits_per_dim") for seed in (0, 1)]
    cache.clear()


@pytest.mark.parametrize("temperature", [0.0, 0.6])
def test_samples_on_a_page_are_drawn_at_the_temperature_that_the_file_states(temperature: float) -> None:
    flow = small_flow()
    checkpoint = Checkpoint("own", flow, CheckpointInfo(flow.config, temperature=temperature), sha256=f"{temperature}")
    cache.clear()
    found = cache.samples(checkpoint, 3)
    # The noise of temperature 1, scaled by hand, is what the flow turns into pictures.
    noise = flow.sample_latents(len(found), 1.0, torch.Generator().manual_seed(3)).levels
    with torch.no_grad():
        x = flow.decode(Latents([temperature * level for level in noise]))
    levels = ((x + 0.5) * 256).floor().clamp(0, 255).permute(0, 2, 3, 1)
    assert np.abs(found.astype(int) - levels.numpy()).max() <= 1
    cache.clear()


def test_the_least_recently_used_result_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(results.MOST, "flow", 2)
    held, made = results.Results(), []
    for key in ("first", "second", "first", "third", "first", "second"):
        held.at_once("flow", key, lambda key=key: made.append(key))
    assert made == ["first", "second", "third", "second"]


def test_few_averages_are_made_at_a_time_however_many_ask() -> None:
    held, now, most = results.Results(), [], []

    def make() -> None:
        now.append(1)
        most.append(len(now))
        time.sleep(0.02)
        now.pop()

    ask = [threading.Thread(target=held.at_once, args=("flow", (number,), make, True)) for number in range(12)]
    for thread in ask:
        thread.start()
    for thread in ask:
        thread.join()
    assert len(most) == 12 and max(most) == results.PLACES[True]


def test_a_result_that_needs_others_is_made_while_all_places_are_wanted() -> None:
    held, made = results.Results(), []

    def make(number: int) -> None:
        held.at_once("flow", ("shared",), lambda: made.append("shared"), True)
        made.append(number)

    ask = [
        threading.Thread(target=held.at_once, args=("flow", (number,), partial(make, number), True), daemon=True)
        for number in range(8)
    ]
    for thread in ask:
        thread.start()
    for thread in ask:
        thread.join(60)
    assert sorted(map(str, made)) == [*map(str, range(8)), "shared"]


def test_a_visitor_who_asks_for_much_does_not_go_before_another(monkeypatch: pytest.MonkeyPatch) -> None:
    line, turns, free = places.Places(1), [], threading.Event()
    names = threading.local()
    monkeypatch.setattr(places, "visitor", lambda: names.who)

    def work(who: tuple[str, str]) -> None:
        names.who = who
        with line.one():
            free.wait(60)
            turns.append(who[0])

    visitors = [*(("greedy", f"tab {number}") for number in range(6)), ("modest", "tab")]
    threads = [threading.Thread(target=work, args=(who,), daemon=True) for who in visitors]
    line_up(line, threads)
    free.set()
    for thread in threads:
        thread.join(60)
    assert turns == ["greedy", "modest", *["greedy"] * 5]


def test_new_sessions_of_an_address_do_not_go_before_one_that_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    line, turns, free, names = places.Places(1), [], threading.Event(), threading.local()
    monkeypatch.setattr(places, "visitor", lambda: names.who)

    def work(session: str) -> None:
        names.who = "one address", session
        with line.one():
            free.wait(60)
            turns.append(session)

    free.set()
    work("known")
    free.clear()
    threads = [threading.Thread(target=work, args=(session,)) for session in ("busy", "known", "new", "newer")]
    line_up(line, threads)
    free.set()
    for thread in threads:
        thread.join(60)
    assert turns == ["known", "busy", "known", "new", "newer"]


def test_moves_of_a_large_flow_that_were_left_are_not_made_before_another_visitors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Twenty moves of one tab made another visitor wait for 249 s, long after the tab showed another page."""
    held, made, names, free = results.Results(), [], threading.local(), threading.Event()
    left: set[int] = set()
    monkeypatch.setattr(places, "visitor", lambda: names.who)

    def end_if_moved_on() -> None:
        if getattr(names, "move", None) in left:
            raise child.LeftError

    monkeypatch.setattr(child, "end_if_moved_on", end_if_moved_on)

    def make(_: Progress) -> None:
        free.wait(60)

    def move(number: int, who: tuple[str, str]) -> None:
        names.who, names.move = who, number
        line = SimpleNamespace(caption=lambda _: None, progress=lambda *_: None)
        with suppress(child.LeftError):
            held.beside("large flow", (number,), lambda progress: (make(progress), made.append(number)), False, line)

    lane = held._lanes[False]
    visitors = enumerate([*[("greedy", "tab")] * 6, ("modest", "another")])
    threads = [threading.Thread(target=move, args=move_of, daemon=True) for move_of in visitors]
    line_up(lane, threads)
    left.update(range(1, 5))  # the first move is under way, the last one is looked at
    end = time.monotonic() + 60
    while len(lane._waiting) > 2:
        assert time.monotonic() < end
        time.sleep(0.01)
    free.set()
    for thread in threads:
        thread.join(60)
    assert made == [0, 6, 5]


def test_a_session_works_at_one_average_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Moves of one tab took all places, also of scripts whose visitor had moved on."""
    line, names, most, now = places.Places(4), threading.local(), [], []
    monkeypatch.setattr(places, "visitor", lambda: names.who)

    def work(who: tuple[str, str]) -> None:
        names.who = who
        with line.one():
            now.append(who)
            most.append(now.count(who))
            time.sleep(0.02)
            now.remove(who)

    visitors = [("address", "one tab")] * 6 + [("address", "another")]
    threads = [threading.Thread(target=work, args=(who,), daemon=True) for who in visitors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert most == [1] * 7


def test_a_script_whose_visitor_has_moved_on_waits_for_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    line = places.Places(1)
    with line.one():
        moved_on = threading.Thread(target=_wait_in_vain, args=(line, monkeypatch))
        moved_on.start()
        moved_on.join(60)
        assert not moved_on.is_alive() and not line._waiting
    monkeypatch.undo()
    with line.one():
        pass


@pytest.mark.parametrize(
    ("needed", "small", "beside"),
    [(300, 1, True), (301, 1, False), (500, 500, True), (501, 501, False)],
    ids=["there is room", "a byte too much", "small work does not wait for what large may take", "it waits for itself"],
)
def test_work_of_all_kinds_begins_beside_other_work_only_within_the_memory(
    monkeypatch: pytest.MonkeyPatch, needed: int, small: int, beside: bool
) -> None:
    """A thread that works already goes on in another kind's place, since it would wait for itself."""
    monkeypatch.setattr(places, "resident", lambda: 500)
    monkeypatch.setattr(places, "bound", lambda: 1000)
    monkeypatch.setattr(places, "WORK_BYTES", small)
    kinds = [places.Places(2, 200), places.Places(2, 1)]
    began, inside = threading.Event(), []

    def work() -> None:
        with kinds[1].one(needed):
            began.set()

    other = threading.Thread(target=work, daemon=True)
    with kinds[0].one():
        with kinds[1].one(2000):
            inside.append("and goes on")
        other.start()
        assert began.wait(60 if beside else 0.5) is beside
    other.join(60)
    assert began.is_set() and inside
    with kinds[0].one(2000):  # alone it may always begin
        inside.append("alone")
    assert not places.MEMORY._needed


def test_memory_is_that_of_this_process_and_the_bound_a_share_of_what_the_machine_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before, held = places.resident(), bytearray(b"1") * (64 * 2**20)
    assert 60 * 2**20 < places.resident() - before < 80 * 2**20 and held
    for whole, bound in ((2**31, int(0.6 * 2**31)), (2**40, 3 * 2**30)):
        monkeypatch.setattr(places, "all_memory", lambda whole=whole: whole)
        assert places.bound() == bound


def _wait_in_vain(line: places.Places, monkeypatch: pytest.MonkeyPatch) -> None:
    def move_on() -> None:
        raise child.LeftError

    monkeypatch.setattr(child, "end_if_moved_on", move_on)
    with pytest.raises(child.LeftError), line.one():
        pass
