"""Run a study: every arm with every seed, in worker processes, into one file that is whole at any moment."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import multiprocessing
import os
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
from typing import Any

import torch
from filelock import FileLock, Timeout

from ..checkpoint import outline, software_versions
from ..data import DataError, ImageData
from ..files import read_json, remove_leftovers, write_atomically
from . import process
from .arm_run import run_arm
from .bench import seconds_per_step
from .failures import TrainingFailed
from .lock import PATIENCE_S
from .loop import load_data
from .recipe import Recipe
from .run import RunError
from .study_recipe import MAX_BYTES, Arm, StudyError, StudyRecipe, checked, cost_class, relative_costs

FORMAT, VERSION = "eiwflow-study", 1
MAX_JOBS = 256


@dataclass(frozen=True)
class Job:
    """One run that is still to be done."""

    arm: Arm
    seed: int
    recipe: Recipe
    record: Path | None


def run_study(
    recipe: StudyRecipe,
    out: Path,
    command: str = "",
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Run what is not yet in the file ``out``, and return the file's document.

    The file is replaced after every run, so that a study which was killed goes on where it was. The records of seed 0
    lie beside it, in ``NAME/SPLIT-INIT-PRIOR/record.json`` of ``NAME.json``.

    Arguments:
        recipe: the settings; those of a file that is there already must be the same.
        out: the file, ``.json``.
        command: the command line, kept in the file.
        jobs: runs at the same time, each in a process of its own with one thread.
        progress: called with (runs done, runs in all) at the start and after every run.

    Raises:
        RunError: ``out`` holds another study, is being written by one, or cannot be written; nothing is changed.
        DataError, ConfigError: the data set or the flow is not usable.
        TrainingFailed: a run failed; all the others are done and kept, and the same call tries it again.

    """
    if out.suffix != ".json":
        raise RunError(f"--out is {str(out)[:200]!r}; a study's file ends in .json.")
    if not 1 <= jobs <= MAX_JOBS:
        raise RunError(f"--jobs is {jobs}; it must be between 1 and {MAX_JOBS}.")
    images = load_data(recipe.training(recipe.arms()[0], 0))
    if recipe.size > min(images.size):
        size = "×".join(map(str, images.size))
        raise DataError(f"--size is {recipe.size}; the images of {images.name} have {size} pixels")
    outline(recipe.training(recipe.arms()[0], 0, images.channels).flow)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        lock = lock_file(out)
        with FileLock(lock, timeout=PATIENCE_S):
            request_file(out).unlink(missing_ok=True)  # it was asked of a process that has ended
            write_atomically(process_file(out), json.dumps(process.identity()).encode())
            remove_leftovers(out.parent, out.name)
            for folder in out.with_suffix("").glob("*/"):
                remove_leftovers(folder, "record.json")
            with process.beating(process_file(out), partial(_end_if_asked, out)):
                document = _run(recipe, out, images, command, jobs, progress)
            process_file(out).unlink(missing_ok=True)
            lock.unlink(missing_ok=True)
            return document
    except Timeout:
        raise RunError(f"{out.name} is being written by another study command.") from None
    except OSError as error:
        raise RunError(f"The study {str(out)[:200]} cannot be written ({error.strerror}).") from None


def lock_file(out: Path) -> Path:
    """Return the file that a study's process holds a lock on while it writes ``out``."""
    return out.with_name(f".{out.name}.lock")


def process_file(out: Path) -> Path:
    """Return the file that says which process writes ``out``; that process touches it while it is at work."""
    return out.with_name(f".{out.name}.process")


def request_file(out: Path) -> Path:
    """Return the file by which the process that writes ``out`` is asked to end."""
    return out.with_name(f".{out.name}.stop")


def _end_if_asked(out: Path) -> None:
    """End this process where it is asked to; what is done is kept, and the same call goes on."""
    if request_file(out).exists():
        with suppress(OSError):
            request_file(out).unlink()
            process_file(out).unlink()
        os.kill(os.getpid(), signal.SIGTERM)


def _run(
    recipe: StudyRecipe,
    out: Path,
    images: ImageData,
    command: str,
    jobs: int,
    progress: Callable[[int, int], None] | None,
) -> dict[str, Any]:
    fingerprint = _fingerprint(images)
    if out.exists():
        document = read_own(out, recipe, fingerprint)
    else:
        document = {
            "format": FORMAT,
            "version": VERSION,
            "recipe": recipe.to_dict(),
            "command": command,
            "data_sha256": fingerprint,
            "step_cost": _step_costs(recipe, images.channels) if recipe.equal_cpu else None,
            "versions": software_versions(),
            "results": [],
        }
        _write(out, document)
    places = {run: place for place, run in enumerate(recipe.runs())}
    kept = document["results"]
    done = {(Arm(result["split"], result["init"], result["prior"]), result["seed"]): result for result in kept}
    waiting = [
        _job(recipe, arm, seed, images.channels, document["step_cost"], out.with_suffix(""))
        for arm, seed in places
        if (arm, seed) not in done
    ]
    failures = []
    if progress is not None:
        progress(len(done), len(places))
    with closing(_results(waiting, images, jobs)) as results:
        for job, result in results:
            if isinstance(result, str):
                failures.append(f"{job.arm.name}, seed {job.seed}: {result}")
                continue
            done[job.arm, job.seed] = {**dataclasses.asdict(job.arm), "seed": job.seed, **result}
            document["results"] = [done[run] for run in places if run in done]
            _write(out, document)
            if progress is not None:
                progress(len(done), len(places))
    if failures:
        raise TrainingFailed(f"{len(failures)} of {len(places)} runs failed; the first: {failures[0]}")
    return document


def read_own(out: Path, recipe: StudyRecipe, fingerprint: str) -> dict[str, Any]:
    """Return the document of a study's file that is to be continued.

    Raises:
        RunError: it is none, or one of another recipe or of other images.

    """
    try:
        document = read_json(out, MAX_BYTES)
        if document["format"] != FORMAT or document["version"] != VERSION:
            raise ValueError("another format")
        # What goes on is written again: a number that is not finite, in whatever field, must be found now.
        _content(document)
        images, cost = document["data_sha256"], document["step_cost"]
        begun, _, costs = checked(out.name, document)
    except StudyError as error:
        raise RunError(f"{out.name} is there already and cannot be continued: {error}") from None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise RunError(f"{out.name} is there already and is not a study's file.") from None
    if difference := recipe.difference(begun):
        raise RunError(f"{out.name} holds a study of another recipe, with {difference}.")
    if images != fingerprint:
        raise RunError(f"The images of {recipe.data} are not those that the study {out.name} was begun with.")
    needed = {cost_class(recipe.training(arm, 0).flow) for arm in recipe.arms()} if recipe.equal_cpu else set()
    if recipe.equal_cpu != isinstance(cost, dict) or costs.keys() != needed:
        raise RunError(f"{out.name} is there already and states the cost of other steps than its arms have.")
    return document


def _write(out: Path, document: dict[str, Any]) -> None:
    write_atomically(out, _content(document))


def _content(document: dict[str, Any]) -> bytes:
    """Return a study's file, or raise ValueError where a number in the document is not finite."""
    # Results come last, wherever an editor has put them: the head ends with their empty list.
    rest = {name: value for name, value in document.items() if name != "results"}
    head = json.dumps({**rest, "results": []}, indent=1, ensure_ascii=False, allow_nan=False)
    # One line a run: a file of hundreds of them stays readable and compares line by line.
    lines = ",\n".join(f"  {json.dumps(result, allow_nan=False)}" for result in document["results"])
    body = f"[\n{lines}\n ]" if lines else "[]"
    return f"{head.removesuffix(chr(10) + '}').removesuffix('[]')}{body}\n}}\n".encode()


def _job(recipe: StudyRecipe, arm: Arm, seed: int, channels: int, costs: dict[str, float] | None, folder: Path) -> Job:
    training = recipe.training(arm, seed, channels)
    if costs is not None:
        training = recipe.training(arm, seed, channels, costs[cost_class(training.flow)])
    return Job(arm, seed, training, folder / arm.name / "record.json" if seed == 0 else None)


def _step_costs(recipe: StudyRecipe, channels: int) -> dict[str, float]:
    flows = [recipe.training(arm, 0, channels).flow for arm in recipe.arms()]
    configs = {cost_class(flow): flow for flow in flows}
    return relative_costs(seconds_per_step(configs, recipe.batch, recipe.optimiser))


def _fingerprint(images: ImageData) -> str:
    digest = hashlib.sha256()
    for part in (images.train, images.test):
        digest.update(str(part.shape).encode())
        digest.update(part.tobytes())
    return digest.hexdigest()


# ---------------------------------------------------------------------- workers


def _results(
    waiting: list[Job], images: ImageData, jobs: int
) -> Generator[tuple[Job, dict[str, Any] | str], None, None]:
    """Yield every job with its result, or with the sentence that says why it has none, as they are done."""
    if jobs == 1:
        with _one_thread():
            for job in waiting:
                yield job, _do(job, images)
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
                "A worker process was ended from outside, as the system does where memory runs out; what is done is "
                "kept, and the same command with fewer --jobs goes on."
            ) from None
        finally:
            # Whoever stops listening wants no more results: the pool by itself would wait for those under way.
            for child in set(multiprocessing.active_children()) - others:
                child.terminate()


def _do(job: Job, images: ImageData) -> dict[str, Any] | str:
    try:
        return run_arm(job.recipe, images, job.record)
    except (TrainingFailed, OSError) as error:
        return str(error)


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


#: A worker's data set, given to it once.
_images: list[ImageData] = []


def _start_worker(images: ImageData) -> None:
    """Prepare a worker: one thread, deaf to Ctrl-C, which its parent hears, and gone when its parent is."""
    _images.append(images)
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if (parent := multiprocessing.parent_process()) is not None:
        threading.Thread(target=_leave_with, args=(parent.sentinel,), daemon=True).start()


def _leave_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def _do_in_worker(job: Job) -> dict[str, Any] | str:
    return _do(job, _images[0])
