"""Run a study: every arm with every seed, each an ordinary run directory in the study's folder."""

from __future__ import annotations

import hashlib
import json
import math
import multiprocessing
import os
import re
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import wait
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any, ClassVar

import torch
from filelock import FileLock

from .. import checkpoint, files
from ..checkpoint import CheckpointError, outline, software_versions
from ..data import ImageData, labels_of
from ..files import write_atomically
from ..flow.threads import one_thread
from ..training import process
from ..training.cost import check_memory
from ..training.execution import Execution, choose_device
from ..training.failures import TrainingFailed
from ..training.recipe import Recipe, Recording
from ..training.run import train
from ..training.run_directory import RunDirectory, RunError, RunState, WorkFolder, holding
from ..training.trainer import load_data
from . import foreign
from .cost import seconds_per_step, step_of
from .file import RESULT, SETTINGS, Study, StudyError, read_study, run_folder
from .recipe import EVALUATE_ON, Arm, StudyRecipe, kind_of_step, relative_costs

#: Recording steps of the run of seed 0, shown on pages, and of every other run.
RECORDED_STEPS, OTHER_STEPS = 24, 2
#: Seconds that a process waits while another one writes the study's settings.
PATIENCE_S = 200.0


@dataclass(frozen=True)
class StudyFolder(WorkFolder):
    """The folder of a study: ``study.json``, and ``ARM/seed-N``, a run directory each."""

    KIND: ClassVar[str] = "Study"
    WORKER: ClassVar[str] = "eiwflow.study.worker"

    @property
    def root(self) -> Path:
        """The folder of runs, which has a folder of studies."""
        return self.path.parent.parent

    @classmethod
    def begin(cls, path: Path, recipe: StudyRecipe, command: str = "") -> StudyFolder:
        """Return the folder of a study; where there is none, make it with this recipe and command line.

        Raises:
            RunError: the folder holds other files; nothing is changed.

        """
        folder = cls(path)
        path.mkdir(parents=True, exist_ok=True)
        with folder._changing():
            files.remove_leftovers(path, SETTINGS)
            if (path / SETTINGS).exists():
                return folder
            if any(entry.suffix != ".lock" for entry in files.entries(path)):
                raise RunError(f"{path.name} is there already and is not a study's folder.")
            folder._write(Study(path.name, recipe, command, {}, {}, "", path, versions=software_versions()))
        return folder

    def _changing(self) -> AbstractContextManager[None]:
        """Keep other processes from changing the study's settings."""
        refusal = f"The study {self.path.name} is being changed by another process: try again."
        return holding(FileLock(self.path / ".settings.lock"), refusal, PATIENCE_S)

    def _read(self) -> Study:
        """Return the study with the results of its runs."""
        try:
            return read_study(self.path)
        except StudyError as error:
            raise RunError(f"{self.path.name} is there already and cannot be continued: {error}") from None

    def _write(self, study: Study) -> None:
        """Write ``study.json``; the results of runs stand in their own folders."""
        document = study.document() | {"results": []}
        write_atomically(self.path / SETTINGS, json.dumps(document, indent=1, allow_nan=False).encode())

    def extend(self, recipe: StudyRecipe, images: ImageData | None = None, device: str = "cpu") -> StudyRecipe:
        """Write down further arms and seeds, which ``images`` are used, and on what; return the whole recipe.

        Raises:
            RunError: the study differs in more than arms and seeds, was begun on other images or another kind of
                device, or at equal time has a kind of step that was not measured with the others; nothing is changed.

        """
        fingerprint = None if images is None else _fingerprint(images)
        with self._changing():
            begun = self._read()
            if difference := recipe.difference(begun.recipe):
                raise RunError(f"{self.path.name} holds a study of another recipe, with {difference}.")
            extended = begun.recipe.extended(recipe)
            for arm in extended.arms if begun.step_cost else ():
                if (kind := kind_of_step(extended, arm)) not in begun.step_cost:
                    raise RunError(
                        f"{self.path.name} compares at equal time, and its steps were measured together: "
                        f"{', '.join(begun.step_cost)}. The arm {arm.text} has steps of another kind, {kind}; begin a "
                        "study with all arms in another folder."
                    )
            known = begun.data_sha256 or fingerprint
            if fingerprint and known != fingerprint:
                raise RunError(f"{self.path.name} holds a study of other images than {recipe.data} has now.")
            if begun.runs and begun.device != device:
                raise RunError(f"{self.path.name} was begun on {begun.device}: go on with --device {begun.device}.")
            changed = replace(begun, recipe=extended, data_sha256=known or "", device=device)
            if changed.document() != begun.document():
                self._write(changed)
        return extended

    def step_costs(self, recipe: StudyRecipe, images: ImageData, device: torch.device) -> dict[str, float]:
        """Return the costs of steps at equal time, measured once for all processes of the study; else none."""
        if not recipe.equal_time:
            return {}
        with self._changing():
            begun = self._read()
            if begun.step_cost:
                return begun.step_cost
            # Of the runs of seed 0: with keep="auto" a flow's size depends on the images that initialise it.
            classes = _classes(recipe, images)
            steps = {
                kind_of_step(recipe, arm): step_of(
                    recipe.training(arm, 0, images.channels, classes=classes), arm.source, images, device
                )
                for arm in recipe.arms
            }
            costs = relative_costs(seconds_per_step(steps, device))
            self._write(replace(begun, step_cost=costs))
        return costs

    def state(self) -> RunState:
        """Return the state of the study; without a status it is stopped, unless a process is at work."""
        if not (self.path / "status.json").exists() and not self.is_held():
            return RunState("stopped", self.count(), "", "", 0, 0.0, 0.0)
        return super().state()

    def count(self) -> int:
        """Return how many runs have a result."""
        with suppress(StudyError):
            return len(read_study(self.path).runs)
        return 0

    def is_held(self) -> bool:
        """Return whether a process works on the study or on a share of it."""
        return any(process.held(FileLock(path)) for path in self.path.glob("*.lock"))

    def shared(self, shard: tuple[int, int]) -> AbstractContextManager[None]:
        """Lock a share of the study: (number from 1, number of shares); (1, 1) is the whole study."""
        if shard == (1, 1):
            return self.held()
        lock = FileLock(self.path / f"shard-{shard[0]}-of-{shard[1]}.lock")
        return holding(lock, f"Share {shard[0]}/{shard[1]} of {self.path.name} is being run by another process.")

    def _saved(self) -> str:
        return "the runs that are done stay, and the others go on from their last save"


@dataclass(frozen=True)
class Job:
    """A run without a result."""

    folder: Path
    arm: Arm
    recipe: Recipe
    command: str


def devices_of(name: str) -> list[torch.device]:
    """Return the devices that runs are spread over: all GPUs for ``cuda``, and for ``auto`` where there are any.

    Raises:
        RunError: there is no such device.

    """
    device = choose_device(name)
    if device.type == "cuda" and name in ("auto", "cuda"):
        return [torch.device("cuda", number) for number in range(torch.cuda.device_count())]
    return [device]


def parse_shard(text: str) -> tuple[int, int]:
    """Read a share of a study, ``3/16``: the third of sixteen.

    Raises:
        RunError: the text is no share.

    """
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise RunError(f"--shard is {text[:40]!r}; it must be I/N with I from 1 to N.")
    return int(match[1]), int(match[2])


def run_study(
    recipe: StudyRecipe,
    out: Path,
    command: str = "",
    jobs: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    shard: tuple[int, int] = (1, 1),
    begun: Callable[[ImageData], None] | None = None,
    device: str = "cpu",
) -> Study:
    """Do the missing runs of a study, and return it.

    The folder is consistent at any moment. A killed study continues inside its run, to the same numbers. The same
    recipe with further arms or more seeds extends an existing study.

    Args:
        recipe: the settings.
        out: the study's folder.
        command: the command line, kept in the folder.
        jobs: runs at the same time, each in a process of its own with one thread; by default one for every GPU.
        progress: called with (runs done, runs in all) of this share, at the start and after every run.
        shard: (number from 1, number of shares): only this share of the runs. Shares may run at the same time.
        begun: called once with the data set, before the first run.
        device: ``cpu``, ``cuda``, ``cuda:N`` or ``auto``. Runs are spread over all GPUs.

    Raises:
        RunError: ``out`` holds another study, or is being written by one; nothing is changed.
        OSError: it cannot be written.
        DataError, ConfigError: the data set or the flow is not usable.
        TrainingFailed: a run failed; all others are done, and the same call tries again.
        Stopped: SIGTERM came, or the study or its run was asked to stop; the same call goes on.

    """
    devices = devices_of(device)
    jobs = len(devices) if jobs is None else jobs
    images = load_data(recipe.training(recipe.arms[0], 0))
    for arm in recipe.arms:
        training = recipe.training(arm, 0, images.channels, classes=_classes(recipe, images))
        Execution(devices[0]).check(training)
        if not arm.source:
            outline(training.flow)
            check_memory(training, devices[0])
    folder = StudyFolder.begin(out, recipe, command)
    with folder.shared(shard):
        recipe = folder.extend(recipe, images, devices[0].type)
        if begun is not None:
            begun(images)
        folder.forget_asked()  # the request was to a process that has ended
        if shard == (1, 1):
            folder.set_status("running", 0)
        beating = process.beating(folder.path / "status.json", partial(_end_if_asked, folder))
        with beating, _stopped_by_a_signal(folder.path):
            state, message = "stopped", ""
            try:
                _run(folder, recipe, images, command, jobs, progress, shard, devices)
                state = "finished"
            except (TrainingFailed, RunError) as error:
                state, message = "failed", str(error)
                raise
            finally:
                if shard == (1, 1):
                    folder.set_status(state, folder.count(), message)
    return read_study(folder.path)


class Stopped(KeyboardInterrupt):
    """A study was asked to stop; finished runs are kept.

    It may be raised anywhere in a run, where what failed is caught and the next run begun; this is no failure.
    """


@contextmanager
def _stopped_by_a_signal(path: Path) -> Iterator[None]:
    """Raise :class:`Stopped` on SIGTERM (in the main thread, where Python allows it)."""

    def stop(*_: object) -> None:
        raise Stopped(f"Stopped; the same command continues {path}.")

    try:
        previous = signal.signal(signal.SIGTERM, stop)
        # A worker ignores the signal before there is anything to save.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    except (ValueError, AttributeError):  # outside the main thread; on Windows
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _end_if_asked(folder: StudyFolder) -> None:
    """Signal this process to stop when the study is asked to stop; the current run is saved first."""
    if folder.asked():
        os.kill(os.getpid(), signal.SIGTERM)


def _run(
    folder: StudyFolder,
    recipe: StudyRecipe,
    images: ImageData,
    command: str,
    jobs: int,
    progress: Callable[[int, int], None] | None,
    shard: tuple[int, int],
    devices: Sequence[torch.device],
) -> None:
    costs = folder.step_costs(recipe, images, devices[0])
    classes = _classes(recipe, images)

    done = set(read_study(folder.path).runs)
    ours = list(recipe.runs())[shard[0] - 1 :: shard[1]]
    waiting = [
        Job(folder.path, arm, recipe.training(arm, seed, images.channels, cost, classes), command)
        for arm, seed in ours
        for cost in [costs[kind_of_step(recipe, arm)] if costs else 1.0]
        if (arm, seed) not in done
    ]
    count = len(ours) - len(waiting)
    failures = []
    if progress is not None:
        progress(count, len(ours))
    with closing(_results(waiting, images, jobs, devices)) as results:
        for job, complaint in results:
            if complaint == STOPPED:
                raise Stopped(f"Stopped; the same command continues {folder.path}.")
            if complaint:
                failures.append(f"{job.arm.text}, seed {job.recipe.seed}: {complaint}")
                continue
            count += 1
            with suppress(OSError):
                os.utime(folder.path / SETTINGS)  # readers notice the change by the file's time
                if shard == (1, 1):
                    folder.set_status("running", count)
            if progress is not None:
                progress(count, len(ours))
    if failures:
        raise TrainingFailed(f"{len(failures)} of {len(ours)} runs failed; the first: {failures[0]}")


def _classes(recipe: StudyRecipe, images: ImageData) -> Sequence[str]:
    return labels_of(images, recipe.labels).classes if recipe.labels else ()


def _fingerprint(images: ImageData) -> str:
    digest = hashlib.sha256()
    for part in (images.train, images.test):
        digest.update(str(part.shape).encode())
        for start in range(0, len(part), 4096):
            digest.update(part[start : start + 4096].tobytes())
    return digest.hexdigest()


# ---------------------------------------------------------------------- one run


#: The result of :func:`run_job` for a stopped run.
STOPPED = "stopped"


def run_job(job: Job, images: ImageData, device: torch.device | None = None) -> str:
    """Train one run to its end and write its result; return the reason of a failure, else an empty text."""
    where = device or torch.device("cpu")
    try:
        if job.arm.source:
            folder = run_folder(job.folder, job.arm, job.recipe.seed)
            result = foreign.train(folder, job.arm.text, job.recipe, job.arm.source, images, where)
            write_atomically(folder / RESULT, json.dumps(result, allow_nan=False).encode())
            return ""
        run = _open(job)
        info = train(run, images=images, execution=Execution(where))
        if info.step < job.recipe.iterations:
            return STOPPED
        result = result_of(run, job.arm)
        write_atomically(run.path / RESULT, json.dumps(result, allow_nan=False).encode())
        # A finished run needs no optimiser, which is four times as large as the checkpoint.
        run.resume_file.unlink(missing_ok=True)
    except (TrainingFailed, RunError, OSError, CheckpointError, foreign.ForeignError) as error:
        return str(error)
    return ""


def _open(job: Job) -> RunDirectory:
    """Return the run directory of a job."""
    path = run_folder(job.folder, job.arm, job.recipe.seed)
    if (path / "config.json").exists():
        run = RunDirectory.open(path)
        if run.config()[0] != job.recipe:
            raise RunError(f"{path.parent.name}/{path.name} holds a run of other settings: move it away.")
        return run
    if path.exists():
        name = files.printable(path.relative_to(job.folder).as_posix(), 120)
        raise RunError(f"{name} of the study has no config.json, so no run can be made there: move it away.")
    recording = Recording(steps=RECORDED_STEPS if job.recipe.seed == 0 else OTHER_STEPS, crops=True)
    return RunDirectory.create(path.parent, job.recipe, job.command, path.name, recording)


def result_of(run: RunDirectory, arm: Arm) -> dict[str, Any]:
    """Return the result of a finished run, as a study keeps it.

    ``curve`` has points [step, bits/dim of the batches since the last point, bits/dim on some of the test crops].

    Raises:
        OSError, CheckpointError: the run cannot be read.
        TrainingFailed: its records lack a score, or have one that is not finite.

    """
    recipe, _ = run.config()
    loaded = checkpoint.load(run.last_checkpoint)
    curve: list[list[float]] = []
    total, since, last = 0.0, 0, 0
    records = run.records()
    for record in records:
        if "bits_per_dim" in record:
            total += record["bits_per_dim"] * (record["step"] - last)
            since, last = since + record["step"] - last, record["step"]
            if "crops_bits_per_dim" in record:
                curve.append([record["step"], round(total / since, 4), round(record["crops_bits_per_dim"], 4)])
                total, since = 0.0, 0
    # The last record has the score of the whole part, under the part's name, beside the score of the crops.
    scored = {f"{part}_bits_per_dim" for part in EVALUATE_ON}
    ends = [record["crops_bits_per_dim"] for record in records if "crops_bits_per_dim" in record and scored & {*record}]
    if not ends or not math.isfinite(ends[-1]):
        raise TrainingFailed("Its records have no score at the end.")
    return {
        "arm": arm.text,
        "seed": recipe.seed,
        "bits_per_dim": ends[-1],
        "iterations": recipe.iterations,
        "parameters": loaded.flow.parameter_count(),
        "cpu_s": round(records[-1].get("step_cpu_seconds", 0.0), 2),
        "permutation_seed": recipe.flow.permutation_seed
        if "random" in (recipe.flow.order, recipe.flow.partition)
        else None,
        "curve": curve,
    }


# ---------------------------------------------------------------------- workers


def _results(
    waiting: list[Job], images: ImageData, jobs: int, devices: Sequence[torch.device]
) -> Generator[tuple[Job, str], None, None]:
    """Yield every finished job with the reason of its failure, empty for a success."""
    if jobs == 1:
        with one_thread():
            for job in waiting:
                yield job, run_job(job, images, devices[0])
        return
    others = set(multiprocessing.active_children())
    # A forked child of a process that has used torch may hang; a spawned one starts clean.
    context = multiprocessing.get_context("spawn")
    # Every worker takes a device of its own from the queue, in turn if there are more workers than devices.
    free = context.SimpleQueue()
    for number in range(jobs):
        free.put(devices[number % len(devices)])
    with ProcessPoolExecutor(min(jobs, max(1, len(waiting))), context, _start_worker, (images, free)) as pool:
        futures = {pool.submit(_do_in_worker, job): job for job in waiting}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BrokenProcessPool:
            raise TrainingFailed(
                "A worker process was ended from outside, as the system does where memory runs out; finished runs are "
                "kept, and the same command with fewer --jobs goes on."
            ) from None
        finally:
            # If the caller stops iterating, the pool itself would wait for running jobs.
            pool.shutdown(wait=False, cancel_futures=True)
            for child in set(multiprocessing.active_children()) - others:
                child.terminate()


#: A worker's data set and device, passed once.
_given: list[tuple[ImageData, torch.device]] = []


def _start_worker(images: ImageData, free: SimpleQueue[torch.device]) -> None:
    """Prepare a worker: a device, one thread, no Ctrl-C (its parent handles it), and an end when the parent ends."""
    device = free.get()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    _given.append((images, device))
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if (parent := multiprocessing.parent_process()) is not None:
        threading.Thread(target=_leave_with, args=(parent.sentinel,), daemon=True).start()


def _leave_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def _do_in_worker(job: Job) -> str:
    try:
        return run_job(job, *_given[0])
    except SystemExit:  # of SIGTERM while a run is made; the pool would keep the exception, and this process
        os._exit(1)
