"""Train a run from its last save to its end: steps, scores, and the handling of requests and failures."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import torch

from .. import checkpoint
from ..checkpoint import CheckpointError, CheckpointInfo
from ..data import DataError, ImageData
from ..flow import ConfigError, ShapeError
from . import failures, process, scores
from .execution import Execution
from .loggers import logger_for
from .recipe import Recipe, Recording
from .run_directory import RunDirectory, RunError
from .saves import FINAL_SCORES, GIVEN_LABEL, Journal, restore
from .trainer import PAUSE, Trainer

#: Seconds between two saves, beside the recording steps.
SAVE_SECONDS = 60.0
#: Lines of the bits/dim curve over a whole run, in addition to the recording steps.
CURVE_POINTS = 400


def train(
    run: RunDirectory,
    *,
    images: ImageData | None = None,
    progress: Callable[[int, float], None] | None = None,
    execution: Execution = Execution(),  # noqa: B008 (it cannot be changed)
) -> CheckpointInfo:
    """Train the run's recipe to its end, from its last save, and return the facts of the last checkpoint.

    SIGTERM and SIGINT finish the step, save, and set the state "stopped"; :data:`PAUSE` sets "paused". So does
    :meth:`.RunDirectory.ask`, also from another machine. SIGINT then raises ``KeyboardInterrupt``.

    Arguments:
        run: the run directory; one with a ``resume.safetensors`` is continued.
        images: the data set, if it is in memory already.
        progress: called with (step, bits/dim of the batch) after every step, on a GPU after every few steps.
        execution: device, team, arithmetic, steps between saves, and loggers; by default this process alone, on the
            CPU. It is the first process of its team, the others run :func:`follow`.

    """
    recording = run.recording()
    recipe, command = run.config()
    team, trainer = execution.team, None
    with run.held(), process.beating(run.path / "status.json"):
        status = run.status()
        if status.get("process") != process.identity():
            run.forget_asked()  # a request to an earlier process, which has ended
        try:
            if team.size == 1 and (ended := _ended(run, recipe)) is not None:
                return ended
            # From here on a request to pause the run reaches this process, not an earlier one.
            run.set_status("starting", run.saved_step() or 0)
            run.check_can_go_on()
            resumed = run.resume_file.exists()
            trainer = Trainer(recipe, images, execution, resumed)
            if (content := team.share(run.resume_file.read_bytes() if resumed else None)) is not None:
                restore(trainer, content, run.path.name)
            records, written = run.forget_after(trainer.step if resumed else -1)
            with (
                _stop_signals() as stopped,
                logger_for(execution.log, run.path, recipe, trainer.step, written) as log,
                closing(Journal(run, trainer, command, records, log)) as journal,
            ):
                return _to_the_end(trainer, run, recording, journal, progress, stopped, execution)
        except (RunError, ConfigError):
            run.restore_status(status)
            raise
        except (DataError, ShapeError, OSError, MemoryError, RuntimeError) as error:
            if not failures.foreseen(error):
                raise
            step = run.status().get("step", 0) if trainer is None else trainer.step
            failure = failures.failed(error, step)
            # On a full disk this may fail as well; the message still reaches the caller.
            with suppress(OSError):
                run.set_status("failed", step, str(failure), failure.advice)
                run.log(str(failure))
            raise failure from error
        finally:
            run.forget_asked()


def _to_the_end(
    trainer: Trainer,
    run: RunDirectory,
    recording: Recording,
    journal: Journal,
    progress: Callable[[int, float], None] | None,
    stopped: list[int],
    execution: Execution,
) -> CheckpointInfo:
    recipe = trainer.recipe
    recorded_steps, scored_steps = recording.steps_of(recipe.iterations), recording.curve_steps_of(recipe.iterations)
    every = max(1, recipe.iterations // CURVE_POINTS)
    intervals = [every, *filter(None, (execution.save_every, execution.keep_every))]
    stops = {step for interval in intervals for step in range(interval, recipe.iterations, interval)}
    stops |= recorded_steps | scored_steps
    trainer.team.share(frozenset(stops))
    probe = scores.probe_of(trainer)
    if not run.resume_file.exists():
        journal.note(scores.recording(trainer, *probe))
        journal.draw_samples()
        journal.save()
    run.set_status("running", trainer.step)
    run.log(
        f"running from step {trainer.step} of {recipe.iterations} on {trainer.device}: {trainer.arithmetic}, "
        f"{torch.get_num_threads()} CPU threads"
    )
    saved = time.monotonic()
    asked = 0
    while trainer.step < recipe.iterations and not (asked := trainer.asked(stopped, run.asked())):
        with journal.stepping:
            numbers = trainer.advance_to(stops)
        trainer.since += [value for value, _ in numbers]
        value, norm = numbers[-1]
        step = trainer.step
        recorded = step in recorded_steps
        if recorded or step % every == 0 or step in scored_steps:
            record: dict[str, Any] = {"bits_per_dim": round(sum(trainer.since) / len(trainer.since), 5)}
            record |= {"lr": recipe.learning_rate_at(step - 1), "gradient_norm": round(norm, 4)}
            trainer.since.clear()
            if step in scored_steps:
                record["crops_bits_per_dim"] = scores.of_crops(trainer, scores.CURVE_CROPS)
            journal.note(record | (scores.recording(trainer, *probe) if recorded else {}))
            if recorded:
                journal.draw_samples()
        milestone = execution.keep_every > 0 and step % execution.keep_every == 0
        by_interval = (
            step % execution.save_every == 0 if execution.save_every else time.monotonic() - saved > SAVE_SECONDS
        )
        if recorded or milestone or by_interval:
            journal.save(milestone)
            run.set_status("running", step)
            saved = time.monotonic()
        if progress is not None:
            progress(step, value)
    if trainer.step == recipe.iterations and not journal.has_final_scores():
        final = scores.at_end(trainer)
        if recording.crops:  # a study needs its own score, and no sampling temperature
            final["crops_bits_per_dim"] = scores.of_crops(trainer)
        else:
            final["temperature"] = scores.temperature(trainer)
        journal.note(final)
    info = journal.save()
    journal.wait()
    state = "finished" if trainer.step == recipe.iterations else ("", "paused", "stopped")[asked]
    run.set_status(state, trainer.step)
    run.log(f"{state} at step {trainer.step}")
    return info


def follow(recipe: Recipe, execution: Execution) -> None:
    """Train beside the first process of the group, which writes the run directory, to the same end."""
    trainer = Trainer(recipe, execution=execution)
    if (content := execution.team.share(None)) is not None:
        restore(trainer, content, "the first process")
    stops: frozenset[int] = execution.team.share(None) or frozenset()
    with _stop_signals() as stopped:
        while trainer.step < recipe.iterations and not trainer.asked(stopped):
            trainer.advance_to(stops)


def _ended(run: RunDirectory, recipe: Recipe) -> CheckpointInfo | None:
    """Return the facts of the last checkpoint of a run that has reached its end and has its scores."""
    if run.saved_step() not in (recipe.iterations, None):
        return None
    with suppress(CheckpointError, OSError):
        info = checkpoint.load(run.last_checkpoint).info
        # A run killed between its last scores and its last save has the scores in its records alone.
        names = {name + suffix for name in FINAL_SCORES[:2] for suffix in ("", GIVEN_LABEL)}
        if info.step == recipe.iterations and info.metrics.keys() & names:
            if run.status().get("state") != "finished":
                run.set_status("finished", info.step)
            return info
    return None


@contextmanager
def _stop_signals() -> Iterator[list[int]]:
    """Collect SIGTERM and SIGINT in the list instead of ending; only in the main thread, where Python allows it.

    After the block SIGINT does what it did before: the run is saved, and ``KeyboardInterrupt`` ends the program.
    """
    seen: list[int] = []
    previous: dict[int, Any] = {}
    try:
        for number in filter(None, (signal.SIGTERM, signal.SIGINT, PAUSE)):
            previous[number] = signal.signal(number, lambda received, _: seen.append(received))
        # A worker blocks these signals until the run can be saved.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, previous)
    except (ValueError, AttributeError):  # outside the main thread; on Windows
        pass
    try:
        yield seen
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    if signal.SIGINT in seen:
        signal.raise_signal(signal.SIGINT)
