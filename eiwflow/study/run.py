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
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, ClassVar

import torch
from filelock import FileLock, Timeout

from .. import checkpoint, files
from ..checkpoint import CheckpointError, outline, software_versions
from ..data import DataError, ImageData
from ..files import write_atomically
from ..flow.threads import one_thread
from ..training import process
from ..training.bench import seconds_per_step
from ..training.failures import TrainingFailed
from ..training.history import most_seconds
from ..training.input import Batches
from ..training.recipe import Recipe, Recording
from ..training.run import train
from ..training.run_directory import RunDirectory, RunError, RunState, WorkFolder
from ..training.trainer import INIT_IMAGES, load_data
from .file import (
    FORMAT,
    MAX_BYTES,
    RESULT,
    SETTINGS,
    VERSION,
    Study,
    StudyError,
    kept_looks,
    read_study,
    run_folder,
    run_of,
)
from .recipe import EVALUATE_ON, Arm, StudyRecipe, cost_class, relative_costs

MAX_JOBS, MAX_SHARDS = 256, 10_000
#: Recording steps of the run of seed 0, shown on pages, and of every other run.
RECORDED_STEPS, OTHER_STEPS = 24, 2
#: Seconds that a process waits while another one writes the study's settings.
PATIENCE_S = 20.0


@dataclass(frozen=True)
class StudyFolder(WorkFolder):
    """The folder of a study: ``study.json``, and ``ARM/seed-N``, a run directory each."""

    KIND: ClassVar[str] = "Study"
    WORKER: ClassVar[str] = "eiwflow.study.worker"

    @property
    def root(self) -> Path:
        """The folder of runs, which has a folder of studies."""
        return self.path.parent.parent

    @property
    def settings_file(self) -> Path:
        """The file that holds the recipe; it is touched whenever a run is done."""
        return self.path / SETTINGS

    @classmethod
    def begin(cls, path: Path, recipe: StudyRecipe, command: str = "") -> tuple[StudyFolder, StudyRecipe]:
        """Make the folder of a study, or open an existing one; return folder and recipe.

        Args:
            path: the folder.
            recipe: it may have further arms and more seeds than an existing study, which :meth:`extend` writes down.
            command: the command line, kept in the folder.

        Raises:
            RunError: the folder holds another study or other files; nothing is changed.

        """
        if path.suffix == ".json":
            raise RunError(f"--out is {str(path)[:200]!r}; a study is a folder: leave .json out.")
        folder = cls(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
            with FileLock(path / ".settings.lock", timeout=PATIENCE_S):
                files.remove_leftovers(path, SETTINGS)
                return folder, folder._begin(recipe, command)
        except Timeout:
            raise RunError(f"The study {path.name} is being changed by another process: try again.") from None
        except OSError as error:
            raise RunError(f"The study {str(path)[:200]} cannot be written ({error.strerror}).") from None

    def _begin(self, recipe: StudyRecipe, command: str) -> StudyRecipe:
        if self.settings_file.exists():
            document, begun = self.document(), self._begun()
        elif any(entry.suffix != ".lock" for entry in files.entries(self.path)):
            raise RunError(f"{self.path.name} is there already and is not a study's folder.")
        else:
            document = {
                "format": FORMAT, "version": VERSION, "recipe": recipe.to_dict(), "command": command,
                "data_sha256": None, "step_cost": None, "versions": software_versions(), "looks": [], "results": [],
            }  # fmt: skip
            self.write(document)
            return recipe
        return self._extended(recipe, document, begun)

    def _extended(self, recipe: StudyRecipe, document: dict[str, Any], begun: Study) -> StudyRecipe:
        """Return the study's recipe with the arms and seeds of another, of which nothing is written down.

        Raises:
            RunError: it differs in more, or at equal CPU seconds has a kind of step that was not measured with others.

        """
        if difference := recipe.difference(begun.recipe):
            raise RunError(f"{self.path.name} holds a study of another recipe, with {difference}.")
        extended = begun.recipe.extended(recipe)
        measured = document.get("step_cost") or {}
        for arm in extended.arms if measured else ():
            if (kind := cost_class(extended.training(arm, 0).flow)) not in measured:
                raise RunError(
                    f"{self.path.name} compares at equal CPU seconds, and its steps were measured together: "
                    f"{', '.join(measured)}. The arm {arm.text} has steps of another kind, {kind}; begin a study with "
                    "all arms in another folder."
                )
        return extended

    def _begun(self) -> Study:
        try:
            return read_study(self.path)
        except StudyError as error:
            raise RunError(f"{self.path.name} is there already and cannot be continued: {error}") from None

    def document(self) -> dict[str, Any]:
        """Return the content of ``study.json``.

        Raises:
            RunError: it cannot be read.

        """
        try:
            document = files.read_json(self.settings_file, MAX_BYTES)
            if document["format"] != FORMAT or document["version"] != VERSION:
                raise ValueError("another format")
            return dict(document)
        except (OSError, ValueError, LookupError, TypeError):
            raise RunError(f"{self.path.name} is there already and is not a study's folder.") from None

    def write(self, document: dict[str, Any]) -> None:
        """Replace ``study.json``, with the latest looks."""
        document = {**document, "looks": kept_looks(document.get("looks") or [])}
        write_atomically(self.settings_file, json.dumps(document, indent=1, allow_nan=False).encode())

    def extend(self, recipe: StudyRecipe, images: ImageData | None = None) -> StudyRecipe:
        """Write down further arms and seeds, and which ``images`` are used; return the whole recipe.

        Raises:
            RunError: the study has another recipe or was begun on other images; nothing is changed.

        """
        fingerprint = None if images is None else _fingerprint(images)
        with FileLock(self.path / ".settings.lock", timeout=10 * PATIENCE_S):
            document, begun = self.document(), self._begun()
            known, looks = document.get("data_sha256") or fingerprint, set(begun.looks)
            if fingerprint and known != fingerprint:
                raise RunError(f"{self.path.name} holds a study of other images than {recipe.data} has now.")
            extended = self._extended(recipe, document, begun)
            if extended.seeds > begun.recipe.seeds and begun.runs:
                looks.add(begun.recipe.seeds)  # its results were visible before the extension
            if extended != begun.recipe or known != document.get("data_sha256"):
                self.write({**document, "recipe": extended.to_dict(), "data_sha256": known, "looks": [*looks]})
        return extended

    def step_costs(self, recipe: StudyRecipe, images: ImageData) -> dict[str, float] | None:
        """Return the costs of steps at equal CPU seconds, measured once for all processes of the study; else None."""
        if not recipe.equal_cpu:
            return None
        with FileLock(self.path / ".settings.lock", timeout=10 * PATIENCE_S):
            document = self.document()
            if not (costs := document.get("step_cost")):
                # As the runs of seed 0 are initialised: with keep="auto" a flow's size depends on it.
                start = Batches(images.train, recipe.training(recipe.arms[0], 0, images.channels))
                x = start.of_step(0, min(INIT_IMAGES, len(images.train)))
                kinds = _kinds(recipe, images.channels)
                costs = relative_costs(seconds_per_step(kinds, recipe.batch, recipe.optimiser, x))
                self.write({**document, "step_cost": costs})
        return dict(costs)

    def look(self, *seeds: int) -> bool:
        """Record that the study was looked at with these numbers of seeds; return whether one of them was new.

        Nothing is done where the study cannot be continued or its folder cannot be written.
        """
        with suppress(OSError, Timeout, RunError), FileLock(self.path / ".settings.lock", timeout=PATIENCE_S):
            document = self.document()
            known = document.get("looks") or []
            if kept_looks([*known, *seeds]) != kept_looks(known):
                self.write({**document, "looks": [*known, *seeds]})
                return True
        return False

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

    @contextmanager
    def shared(self, shard: tuple[int, int]) -> Iterator[None]:
        """Lock a share of the study: (number from 1, number of shares); (1, 1) is the whole study."""
        if shard == (1, 1):
            with self.held():
                yield
            return
        own = FileLock(self.path / f"shard-{shard[0]}-of-{shard[1]}.lock")
        if not process.take(own):
            raise RunError(f"Share {shard[0]}/{shard[1]} of {self.path.name} is being run by another process.")
        try:
            yield
        finally:
            own.release()

    def _saved(self) -> str:
        return "the runs that are done stay, and the others go on from their last save"


def looked_at(study: Study, shown: Study | None = None) -> Study:
    """Record in a study's folder that its results are shown before the study is complete.

    Args:
        study: whose folder records it. Nothing is recorded for a study that is done or packed, or where the folder
            cannot be written.
        shown: the study whose results are shown, such as a merged one; by default ``study``.

    Returns:
        The study as read again, or ``study`` itself where nothing new was recorded.

    Raises:
        StudyError: the study cannot be read again.

    """
    shown = shown or study
    if study.is_done or shown.is_done or not study.path.is_dir():
        return study
    return read_study(study.path) if StudyFolder(study.path).look(*shown.shared_seeds) else study


@dataclass(frozen=True)
class Job:
    """A run without a result."""

    folder: Path
    arm: Arm
    seed: int
    recipe: Recipe
    command: str


def parse_shard(text: str) -> tuple[int, int]:
    """Read a share of a study, ``3/16``: the third of sixteen.

    Raises:
        RunError: the text is no share.

    """
    match = re.fullmatch(r"(\d{1,5})/(\d{1,5})", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]) <= MAX_SHARDS:
        raise RunError(f"--shard is {text[:40]!r}; it must be I/N with I from 1 to N and N at most {MAX_SHARDS:,}.")
    return int(match[1]), int(match[2])


def run_study(
    recipe: StudyRecipe,
    out: Path,
    command: str = "",
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
    shard: tuple[int, int] = (1, 1),
    begun: Callable[[ImageData], None] | None = None,
) -> Study:
    """Do the missing runs of a study, and return it.

    The folder is consistent at any moment. A killed study continues inside its run, to the same numbers. The same
    recipe with further arms or more seeds extends an existing study.

    Args:
        recipe: the settings.
        out: the study's folder.
        command: the command line, kept in the folder.
        jobs: runs at the same time, each in a process of its own with one thread.
        progress: called with (runs done, runs in all) of this share, at the start and after every run.
        shard: (number from 1, number of shares): only this share of the runs. Shares may run at the same time.
        begun: called once with the data set, before the first run.

    Raises:
        RunError: ``out`` holds another study, is being written by one, or cannot be written; nothing is changed.
        DataError, ConfigError: the data set or the flow is not usable.
        TrainingFailed: a run failed; all others are done, and the same call tries again.
        Stopped: SIGTERM came, or the study or its run was asked to stop; the same call goes on.

    """
    if not 1 <= jobs <= MAX_JOBS:
        raise RunError(f"--jobs is {jobs}; it must be between 1 and {MAX_JOBS}.")
    images = load_data(recipe.training(recipe.arms[0], 0))
    if recipe.size > min(images.size):
        size = "×".join(map(str, images.size))
        raise DataError(f"--size is {recipe.size}; the images of {images.name} have {size} pixels.")
    for arm in recipe.arms:
        outline(recipe.training(arm, 0, images.channels).flow)
    folder, recipe = StudyFolder.begin(out, recipe, command)
    try:
        with folder.shared(shard):
            recipe = folder.extend(recipe, images)
            if begun is not None:
                begun(images)
            folder.forget_asked()  # the request was to a process that has ended
            if shard == (1, 1):
                folder.set_status("running", 0)
            beating = process.beating(folder.path / "status.json", partial(_end_if_asked, folder))
            with beating, _stopped_by_a_signal(folder.path):
                state, message = "stopped", ""
                try:
                    _run(folder, recipe, images, command, jobs, progress, shard)
                    state = "finished"
                except (TrainingFailed, RunError) as error:
                    state, message = "failed", str(error)
                    raise
                finally:
                    if shard == (1, 1):
                        folder.set_status(state, folder.count(), message)
    except OSError as error:
        raise RunError(f"The study {str(folder.path)[:200]} cannot be written ({error.strerror}).") from None
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
) -> None:
    costs = folder.step_costs(recipe, images)
    done = set(read_study(folder.path).runs)
    ours = list(recipe.runs())[shard[0] - 1 :: shard[1]]
    waiting = [
        Job(folder.path, arm, seed, _training(recipe, arm, seed, images.channels, costs), command)
        for arm, seed in ours
        if (arm, seed) not in done
    ]
    count = len(ours) - len(waiting)
    failures = []
    if progress is not None:
        progress(count, len(ours))
    with closing(_results(waiting, images, jobs)) as results:
        for job, complaint in results:
            if complaint == STOPPED:
                raise Stopped(f"Stopped; the same command continues {folder.path}.")
            if complaint:
                failures.append(f"{job.arm.text}, seed {job.seed}: {complaint}")
                continue
            count += 1
            with suppress(OSError):
                os.utime(folder.settings_file)  # readers notice the change by the file's time
                if shard == (1, 1):
                    folder.set_status("running", count)
            if progress is not None:
                progress(count, len(ours))
    if failures:
        raise TrainingFailed(f"{len(failures)} of {len(ours)} runs failed; the first: {failures[0]}")


def _training(recipe: StudyRecipe, arm: Arm, seed: int, channels: int, costs: dict[str, float] | None) -> Recipe:
    training = recipe.training(arm, seed, channels)
    return training if not costs else recipe.training(arm, seed, channels, costs[cost_class(training.flow)])


def _kinds(recipe: StudyRecipe, channels: int) -> dict[str, Any]:
    flows = [recipe.training(arm, 0, channels).flow for arm in recipe.arms]
    return {cost_class(flow): flow for flow in flows}


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


def run_job(job: Job, images: ImageData) -> str:
    """Train one run to its end and write its result; return the reason of a failure, else an empty text."""
    try:
        run = _open(job)
        info = train(run, images=images)
        if info.step < job.recipe.iterations:
            return STOPPED
        result = result_of(run, job.arm)
        write_atomically(run.path / RESULT, json.dumps(result, allow_nan=False).encode())
        # A finished run needs no optimiser, which is four times as large as the checkpoint.
        run.resume_file.unlink(missing_ok=True)
    except (TrainingFailed, RunError, OSError, CheckpointError) as error:
        return str(error)
    return ""


def _open(job: Job) -> RunDirectory:
    """Return the run directory of a job."""
    path = run_folder(job.folder, job.arm, job.seed)
    if (path / "config.json").exists():
        run = RunDirectory.open(path)
        if run.config()[0] != job.recipe:
            raise RunError(f"{path.parent.name}/{path.name} holds a run of other settings: move it away.")
        return run
    if path.exists():
        name = files.printable(path.relative_to(job.folder).as_posix(), 120)
        raise RunError(f"{name} of the study has no config.json, so no run can be made there: move it away.")
    recording = Recording(steps=RECORDED_STEPS if job.seed == 0 else OTHER_STEPS, crops=True)
    return RunDirectory.create(path.parent, job.recipe, job.command, path.name, recording)


def result_of(run: RunDirectory, arm: Arm) -> dict[str, Any]:
    """Return the result of a finished run, as a study keeps it.

    ``curve`` has points [step, bits/dim of the batches since the last point, bits/dim on some of the test crops].

    Raises:
        OSError, CheckpointError: the run cannot be read.
        TrainingFailed: its records lack a value, or have one that no study takes, such as a score after diverging.

    """
    recipe, _ = run.config()
    loaded = checkpoint.load(run.last_checkpoint)
    curve: list[list[float]] = []
    total, since, last = 0.0, 0, 0
    records = run.own_records()
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
    result = {
        "arm": arm.text,
        "seed": recipe.seed,
        "bits_per_dim": ends[-1],
        "iterations": recipe.iterations,
        "parameters": loaded.flow.parameter_count(),
        "cpu_s": round(most_seconds(run.own_records(), "step_cpu_seconds"), 2),
        "permutation_seed": recipe.flow.permutation_seed
        if "random" in (recipe.flow.order, recipe.flow.partition)
        else None,
        "curve": curve,
    }
    try:
        run_of("The result", result)
    except StudyError as error:
        raise TrainingFailed(str(error)) from None
    return result


# ---------------------------------------------------------------------- workers


def _results(waiting: list[Job], images: ImageData, jobs: int) -> Generator[tuple[Job, str], None, None]:
    """Yield every finished job with the reason of its failure, empty for a success."""
    if jobs == 1:
        with one_thread():
            for job in waiting:
                yield job, run_job(job, images)
        return
    others = set(multiprocessing.active_children())
    # A forked child of a process that has used torch may hang; a spawned one starts clean.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, max(1, len(waiting))), context, _start_worker, (images,)) as pool:
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


#: A worker's data set, passed once.
_images: list[ImageData] = []
#: Whether this worker was asked to stop and begins no other run.
_stopped: list[bool] = []


def _start_worker(images: ImageData) -> None:
    """Prepare a worker: one thread, no Ctrl-C (its parent handles it), and an end when the parent ends."""
    _images.append(images)
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if (parent := multiprocessing.parent_process()) is not None:
        threading.Thread(target=_leave_with, args=(parent.sentinel,), daemon=True).start()


def _leave_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def _do_in_worker(job: Job) -> str:
    if _stopped:
        return STOPPED
    try:
        complaint = run_job(job, _images[0])
    except SystemExit:  # of SIGTERM while a run is made; the pool would keep the exception, and this process
        os._exit(1)
    if complaint == STOPPED:
        _stopped.append(True)
    return complaint
