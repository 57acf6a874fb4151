"""What the page Train reads and does: devices, presets, runs on disk, and the worker that trains them."""

from __future__ import annotations

import json
import os
import shlex
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from .. import data, files
from ..training.presets import PRESETS, preset_settings
from . import classroom, loaders, state

if TYPE_CHECKING:
    from ..analysis.train import Progress
    from ..data import ImageData
    from ..flow import FlowConfig
    from ..training.cost import Timing
    from ..training.recipe import Recipe
    from ..training.run import RunDirectory, RunState
    from .frame import Visit

PICTURES = loaders.ROOT / "assets" / "presets"
#: Which preset's timing stands for other settings: the larger one comes nearer to what takes long.
TIMED_FOR_CUSTOM = "five-minutes"
#: Seconds that an answer to a click stands, however often the page is drawn meanwhile.
FRESH_S = 20.0
#: Parts of the page: the run that is shown, and the doors to a new one.
SHOWN, NEW = "shown", "new"
#: Files of a folder that are looked at for whether one was changed.
MAX_LISTED = 100_000
#: Environment variable with the folders whose images visitors may train on, separated as in PATH.
DATA_ROOTS_VARIABLE = "EIWFLOW_DATA_ROOTS"
#: Addresses that only this machine can reach.
OF_THIS_MACHINE = ("127.0.0.1", "localhost", "::1")
#: The longest training that a visitor may start here.
MOST_ITERATIONS = 200_000
_FLOW_FIELDS = ("levels", "steps", "width")


# ---------------------------------------------------------------------- devices and time


@st.cache_resource(show_spinner=False)
def devices() -> dict[str, str]:
    """Return the devices of this machine by name, the fastest first, and what each is."""
    import torch

    found = {f"cuda:{i}": torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())}
    return found | {"cpu": f"{os.cpu_count()} cores, {threads()} of them for training"}


def threads() -> int:
    """Return the CPU threads of a training: those of the app, which leaves half of the cores to the rest."""
    import torch

    return torch.get_num_threads()


@dataclass(frozen=True)
class PresetTime:
    """What a preset takes on a device.

    Attributes:
        timing: of its steps.
        seconds: from its start to its end.

    """

    timing: Timing
    seconds: float


@st.cache_resource(show_spinner=False)
def _timer(device: str) -> Future[dict[str, PresetTime]]:
    """Begin to time the presets on a device, beside the page: it is usable meanwhile."""
    timer: Future[dict[str, PresetTime]] = Future()

    def measure() -> None:
        try:
            timer.set_result(time_presets(device))
        except Exception:  # the page waits for an answer, whatever went wrong
            timer.set_result({})  # without the photographs, or without memory for them, no time is said

    # A daemon, unlike a pool's thread: a server that is told to end does not wait for it.
    threading.Thread(target=measure, daemon=True).start()
    return timer


def time_presets(device: str) -> dict[str, PresetTime]:
    """Return what every preset takes on its own data set; presets of one flow are timed once."""
    import torch

    from ..training.cost import time_steps

    timings: dict[FlowConfig, Timing] = {}
    found = {}
    for preset in PRESETS:
        chosen = preset_recipe(preset, None, "weighted")
        images = _read(chosen.data, chosen.flow)
        if chosen.flow not in timings:
            timings[chosen.flow] = time_steps(chosen, images, torch.device(device))
        timing = timings[chosen.flow]
        found[preset] = PresetTime(timing, timing.seconds(chosen, len(images.test)))
    return found


def timings(device: str) -> dict[str, PresetTime] | None:
    """Return what the presets take on a device, None while that is being measured; empty where it cannot be."""
    timer = _timer(device)
    return timer.result() if timer.done() else None


def seconds(chosen: Recipe, device: str) -> float | None:
    """Return the seconds that any recipe takes, by the rate of multiplications of a timed preset."""
    if not (timed := timings(device)):
        return None
    return timed[TIMED_FOR_CUSTOM].timing.seconds(chosen, len(_read(chosen.data, chosen.flow).test))


def _read(name: str, flow: FlowConfig) -> ImageData:
    return _read_once(name, 2**flow.levels, flow.shape[1], _stamp(name))


@lru_cache(maxsize=2)  # a set may have 2 GiB
def _read_once(name: str, multiple: int, size: int, stamp: object) -> ImageData:
    # Not Streamlit's cache: the timer reads too, outside of any page.
    del stamp  # a file or a folder that was changed is a new key
    return data.load(name, multiple=multiple, size=size, download=False)


def _stamp(name: str) -> object:
    """Return what changes with a data set's file, or with any file in its folder."""
    path = data.registry.ASSETS / f"{name}.npz" if name in data.DATASETS else Path(os.path.expanduser(name))
    try:
        return hash(frozenset(_stamps_in(path))) if path.is_dir() else files.stamp(path)
    except (OSError, ValueError):
        return None  # reading it says what is wrong


def _stamps_in(folder: Path) -> Iterator[tuple[str, int, int]]:
    for file in islice(folder.rglob("*"), MAX_LISTED):
        with suppress(OSError):  # a link to nowhere, or what was deleted meanwhile
            yield str(file), *files.stamp(file)


def memory(chosen: Recipe, device: str) -> int:
    """Return the bytes that a recipe is estimated to take.

    Raises:
        ConfigError: a device has not so much.

    """
    import torch

    from ..training.cost import check_memory

    return check_memory(chosen, torch.device(device))


def duration(seconds: float) -> str:
    """Return a duration as it is said."""
    from ..analysis import train as progress

    return progress.duration(seconds)


# ---------------------------------------------------------------------- recipes


@st.cache_resource(show_spinner=False)
def result(preset: str) -> tuple[bytes, str] | None:
    """Return what came of a preset when it was trained for this project: samples, and in words; None without them."""
    try:
        said = json.loads((PICTURES / f"{preset}.json").read_bytes())
        picture = (PICTURES / f"{preset}.webp").read_bytes()
    except OSError:
        return None
    return picture, (
        f"{PRESETS[preset]['data']}: {said['test_bits_per_dim']:.2f} bits/dim after {said['cpu_seconds'] / 60:.1f} "
        "minutes of one core."
    )


def preset_recipe(preset: str, data_name: str | None, split: str) -> Recipe:
    """Return the recipe of a preset on a data set, its own if None is named.

    Raises:
        ConfigError, DataError: it does not go with these images.

    """
    settings = preset_settings(preset, data_name)
    size, data_name = settings.pop("size"), settings.pop("data")
    flow = {name: settings.pop(name) for name in _FLOW_FIELDS}
    return recipe(data_name, size, {**flow, "split": split}, settings)


def settings_in_words(preset: str) -> str:
    """Say what a preset trains."""
    settings = PRESETS[preset]
    mirrored = ", half of them mirrored" if settings.get("flip") else ""
    return (
        f"{settings['data']}, {settings['size']}×{settings['size']} pixels, "
        f"{settings['levels']} levels of {settings['steps']} steps, "
        f"width {settings['width']}; {settings['iterations']:,} training steps of {settings['batch']} images{mirrored}."
    )


def recipe(data_name: str, size: int, flow: dict[str, Any], settings: dict[str, Any]) -> Recipe:
    """Return a recipe for the images of a data set, which are read for it.

    Raises:
        ConfigError: a setting is out of its bounds.
        DataError: the data cannot be read, or are smaller than ``size``.

    """
    from ..flow import ConfigError, FlowConfig
    from ..training.recipe import Recipe

    config = FlowConfig(shape=(3, size, size), **flow)
    check_data_path(data_name)
    if settings.get("iterations", 1) > MOST_ITERATIONS:
        raise ConfigError(
            f"iterations is {settings['iterations']:,}; a run from this page has at most {MOST_ITERATIONS:,}. "
            "Longer ones start on the command line."
        )
    images = _read(data_name, config)
    if size > min(images.size):
        raise data.DataError(
            f"The image side is {size}; images of {images.name} have {images.size[0]}×{images.size[1]} pixels"
        )
    return Recipe(flow=replace(config, shape=(images.channels, size, size)), data=data_name, **settings)


def check_data_path(name: str) -> None:
    """Refuse a path of the server's that visitors may not read; the refusal says nothing of what is there.

    Raises:
        DataError: it is outside of the allowed folders.

    """
    if name in data.DATASETS:
        return
    try:
        path = Path(os.path.expanduser(name)).resolve()
        if any(path.is_relative_to(root) for root in data_roots()):
            return
    except (OSError, ValueError, RuntimeError):
        pass  # a path that cannot be is not allowed either
    raise data.DataError(
        f"This server reads no images there. {DATA_ROOTS_VARIABLE} names the folders that visitors may read"
    )


def data_roots() -> list[Path]:
    """Return the folders whose images visitors may train on.

    Without the environment variable that is the home folder where the app answers this machine alone, else none.
    """
    if (named := os.environ.get(DATA_ROOTS_VARIABLE)) is not None:
        return [Path(os.path.expanduser(root)).resolve() for root in named.split(os.pathsep) if root]
    return [Path.home().resolve()] if st.get_option("server.address") in OF_THIS_MACHINE else []


def command(chosen: Recipe, device: str) -> str:
    """Return the command line that trains the same."""
    words = ["python", "-m", "eiwflow", *chosen.arguments(), "--device", device, "--threads", str(threads())]
    return shlex.join(words)


# ---------------------------------------------------------------------- runs


def progress(run: RunDirectory) -> Progress:
    """Return what a run's records say, read once for every state of its file.

    Raises:
        RunError: its config cannot be read.

    """
    try:
        stamp = files.stamp(run.path / "metrics.jsonl")
    except OSError:
        stamp = 0, 0
    return _progress(run.path, *stamp)


@st.cache_resource(max_entries=64, show_spinner=False)
def _progress(path: Path, time: int, size: int) -> Progress:
    from ..analysis import train as progress
    from ..training.run import RunDirectory

    del time, size  # they are the records' stamp
    return progress.progress(RunDirectory(path))


@dataclass(frozen=True)
class Listed:
    """A run in the list.

    Attributes:
        run: its directory.
        state: where it stands.
        recipe: what it trains.
        command: the command line that trains the same.
        progress: what came of it so far.

    """

    run: RunDirectory
    state: RunState
    recipe: Recipe
    command: str
    progress: Progress

    def in_words(self) -> str:
        """Say what the run is, and what has come of it."""
        flow = self.recipe.flow
        doing = {"running": "is training", "starting": "is being started"}.get(self.state.name, self.state.name)
        return f"“{self.run.title}” ({flow.split} on {self.recipe.data}) {doing}. {self.progress.in_words()}"

    def longest_words(self) -> str:
        """Return words as long as any of :meth:`in_words` before the end of the run."""
        return replace(self, state=replace(self.state, name="starting"), progress=self.progress.at_longest()).in_words()

    def row(self) -> dict[str, Any]:
        """Return its line in the list."""
        bits, flow = self.progress.bits, self.recipe.flow
        part = " (held out)" if self.recipe.validation else ""
        whole = part if self.progress.final is not None else f" (first {'held-out' if part else 'test'} images)"
        return {
            "run": self.run.title,
            "policy": flow.split,
            "data": self.recipe.data,
            "flow": f"{flow.shape[1]}×{flow.shape[2]}, {flow.levels} × {flow.steps} steps, width {flow.width}",
            "state": self.state.name,
            "step": f"{max(0, self.progress.step):,} of {self.recipe.iterations:,}",
            "bits/dim": "–" if bits is None else f"{bits:.3f}{whole}",
        }


def listed() -> dict[str, Listed]:
    """Return the runs by their directory's name, the newest first, without those whose config cannot be read."""
    from ..training.run import all_runs, runs_root

    known = {run.path.name: look_at(run) for run in all_runs(runs_root())}
    return {name: one for name, one in known.items() if one is not None}


def complaints() -> list[str]:
    """Return a sentence for everything in the folder of runs that cannot be read."""
    from ..training.run import RunError, list_runs, runs_root

    runs, complaints = list_runs(runs_root())
    for run in runs:
        try:
            run.config()
        except RunError as error:
            complaints.append(str(error))
    return list(dict.fromkeys(complaints))


def look_at(run: RunDirectory) -> Listed | None:
    """Return what is known of a run at this moment, None where its config cannot be read."""
    from ..training.run import RunError

    try:
        chosen, said = run.config()
        return Listed(run, run.state(), chosen, said, progress(run))
    except RunError:
        return None


def newest_samples(run: RunDirectory) -> tuple[int, bytes] | None:
    """Return the step and the WEBP of the newest samples, None where there are none."""
    from ..training.run import MAX_SAMPLES

    found = list(run.sample_files().items())
    try:
        return (found[-1][0], files.read_bytes(found[-1][1], MAX_SAMPLES)) if found else None
    except OSError:
        return None


def open_links(run: RunDirectory, page: Visit, alive: bool) -> None:
    """Draw the ways to every page that can show the run's flow; while it trains, as it was saved last."""
    from . import navigation

    entries = [entry for entry in navigation.pages() if entry.group in ("Learn", "Look inside")]
    entries = [entry for entry in entries if entry.label != "Compare"]
    if alive:
        with st.container(horizontal=True):
            st.markdown("Open it as it is now in")
            for entry in entries:
                if st.button(entry.label, key=f"open-{entry.label}"):
                    _open_now(run, entry.path, page.links)
        return
    file = next((file for file in loaders.checkpoint_files().values() if file.path == run.last_checkpoint), None)
    if file is None:
        return
    with st.container(horizontal=True):
        st.markdown("Open it in")
        for entry in entries:
            st.page_link(entry.path, label=entry.label, query_params={**page.links, "ck": file.key})


def _open_now(run: RunDirectory, path: str, links: dict[str, str]) -> None:
    """Open a page on what the run saved last: a copy, since the next save would replace what the visitor looks at."""
    from ..checkpoint import MAX_FILE_BYTES, CheckpointError

    try:
        content = files.read_bytes(run.last_checkpoint, MAX_FILE_BYTES)
        key = loaders.remember_checkpoint(content, f"of {run.title} in training")
    except (OSError, CheckpointError):
        st.info("Nothing of this run is saved yet: try again in a few seconds.")
        return
    st.session_state.setdefault("_uploaded", []).append(key)
    state.set_choice("ck", key)
    st.switch_page(path, query_params={**links, "ck": key})


# ---------------------------------------------------------------------- what a click does


def start(make: Callable[[], Recipe], device: str) -> None:
    """Start a run; what stands against it is kept for :func:`refusal`."""

    def act() -> None:
        chosen = make()
        memory(chosen, device)
        if (run := begin(chosen, device)) is not None:
            state.set_choice("run", run.path.name)
            st.session_state["_started_run"] = run.title

    _try(act, NEW)


def begin(chosen: Recipe, device: str) -> RunDirectory | None:
    """Start a run and return it; None where it has been put into the class's queue.

    Raises:
        RunError, ConfigError: it is refused; nothing is changed.

    """
    from ..training import worker
    from ..training.run import DeviceTaken, RunError, runs_root
    from .classroom import people
    from .classroom.queue import QUEUE, Ticket

    classroom.check_start()
    go = partial(worker.start, chosen, runs_root(), device, threads(), command(chosen, device))
    if classroom.role() is classroom.Role.STUDENT:
        most = classroom.settings().minutes
        if (needed := seconds(chosen, device)) is not None and needed > 60 * most:
            raise RunError(f"This takes about {duration(needed)}; a student's training has {most} minutes.")
        QUEUE.ask(Ticket(classroom.visitor_id(), chosen, go))
        return None
    try:
        return go()
    except DeviceTaken:
        if QUEUE.running() is None or classroom.role() is not classroom.Role.TEACHER:
            raise
        QUEUE.ask(Ticket(people.TEACHER, chosen, go, teacher=True))
        return None


def resume(run: RunDirectory, device: str) -> None:
    """Go on with a run where it was started or, if this machine has no such device, on the one that is chosen now."""
    from ..training import worker
    from ..training.run import RunError

    before = worker.device_of(run)

    def act() -> None:
        classroom.check_change(run.path)
        if classroom.role() is classroom.Role.STUDENT:
            raise RunError("A student's training is not resumed: start a new one.")
        worker.resume(run, before if before in devices() else device, threads())

    _try(act)


def ask(run: RunDirectory, to_pause: bool) -> None:
    """Ask a run to pause, or to stop."""
    from ..training import worker

    _try(lambda: worker.ask(run, to_pause), run=run)


def kill(run: RunDirectory) -> None:
    """End the process of a run that gives no sign of life."""
    from ..training import worker

    _try(lambda: worker.kill(run), run=run)


def rename(run: RunDirectory, key: str) -> None:
    """Give a run the name that stands in the text field ``key``."""
    _try(lambda: run.rename(st.session_state[key]), run=run)


def delete(run: RunDirectory) -> None:
    """Remove a run; it has been asked for twice."""

    def act() -> None:
        run.delete()
        state.forget_choice("run")

    _try(act, run=run)


def _try(act: Callable[[], object], part: str = SHOWN, run: RunDirectory | None = None) -> None:
    from ..flow import ConfigError
    from ..training.run import RunError

    st.session_state.pop("_refused", None)
    try:
        if run is not None:
            classroom.check_change(run.path)
        act()
    except (ConfigError, RunError, data.DataError) as error:
        st.session_state["_refused"] = part, str(error), time.monotonic()


def refusal(part: str) -> str | None:
    """Return what stood against the last click in a part of the page, as long as it is fresh."""
    where, sentence, when = st.session_state.get("_refused", ("", "", 0.0))
    return sentence if where == part and time.monotonic() - when < FRESH_S else None


def started() -> str | None:
    """Return the name of the run that the last click started, once."""
    return st.session_state.pop("_started_run", None)
