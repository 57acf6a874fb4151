"""Train a run from its last save to its end: steps, scores, and the handling of requests and failures."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Any

import torch
from torch import Tensor

from .. import checkpoint
from ..checkpoint import CheckpointError, CheckpointInfo
from ..data import DataError, ImageData, chosen_places, fixed_crops
from ..flow import ConfigError, MultiScaleFlow, ShapeError, dequantise, to_bits_per_dim
from ..flow.bijection import generator_for
from ..flow.context import keywords
from ..flow.score import score
from . import failures, process
from .batches import take
from .distributed import ALONE, Team
from .execution import Execution
from .failures import NotFinite, TrainingFailed
from .history import PROBE_IMAGES, level_records
from .journal import FINAL_SCORES, GIVEN_LABEL, Journal, restore, resume_content
from .loggers import logger_for
from .recipe import Recipe
from .run_directory import RunDirectory, RunError
from .temperature import IMAGES, SAMPLES, best_temperature
from .trainer import PAUSE, Trainer

#: Seconds between two saves, beside the recording steps.
SAVE_SECONDS = 60.0
#: Lines of the bits/dim curve over a whole run, in addition to the recording steps.
CURVE_POINTS = 400
#: Number of crops whose scores give the curve of a study's run.
CURVE_CROPS = 256


def train(
    run: RunDirectory,
    *,
    images: ImageData | None = None,
    device: torch.device | None = None,
    progress: Callable[[int, float], None] | None = None,
    team: Team = ALONE,
    execution: Execution = Execution(),  # noqa: B008 (it cannot be changed)
) -> CheckpointInfo:
    """Train the run's recipe to its end, from its last save, and return the facts of the last checkpoint.

    SIGTERM and SIGINT finish the step, save, and set the state "stopped"; :data:`PAUSE` sets "paused". So does
    :meth:`.RunDirectory.ask`, also from another machine. SIGINT then raises ``KeyboardInterrupt``.

    Arguments:
        run: the run directory; one with a ``resume.safetensors`` is continued.
        images: the data set, if it is in memory already.
        device: where to train; the CPU by default.
        progress: called with (step, bits/dim of the batch) after every step, on a GPU after every few steps.
        team: the processes that train together; this is the first process, the others run :func:`follow`.
        execution: arithmetic, steps between saves, and loggers.

    """
    recipe, command = run.config()
    trainer: Trainer | None = None
    with run.held():
        status = run.status()
        if status.get("process") != process.identity():
            run.forget_asked()  # a request to an earlier process, which has ended
        try:
            run.sweep()
            if team.size == 1 and (ended := _ended(run, recipe)) is not None:
                return ended
            # From here on a request to pause the run reaches this process, not an earlier one.
            run.set_status("starting", run.saved_step() or 0)
            with process.beating(run.path / "status.json"):
                run.check_can_go_on()
                trainer = Trainer(recipe, images, device, team, execution, run.resume_file.exists())
                if (content := team.share(resume_content(run))) is not None:
                    restore(trainer, content, run.path.name)
                written = max((record["step"] for record in run.records()), default=-1)
                with (
                    _stop_signals() as stopped,
                    logger_for(execution.log, run.path, recipe, trainer.step, written) as log,
                    closing(Journal(run, trainer, command, log)) as journal,
                ):
                    return _advance_to_the_end(trainer, run, journal, progress, stopped, execution)
        except (RunError, ConfigError):
            run.restore_status(status)
            raise
        except (DataError, ShapeError, OSError, MemoryError, RuntimeError) as error:
            if not failures.foreseen(error):
                raise
            step = run.status().get("step", 0) if trainer is None else trainer.step
            message = str(error) if isinstance(error, TrainingFailed) else failures.sentence(error, step)
            # On a full disk this may fail as well; the message still reaches the caller.
            with suppress(OSError):
                run.set_status("failed", step, message, failures.advice(error))
                run.log(message)
            failure = TrainingFailed(message)
            failure.advice = failures.advice(error)
            raise failure from error
        finally:
            run.forget_asked()


def follow(
    recipe: Recipe,
    team: Team,
    device: torch.device,
    images: ImageData | None = None,
    execution: Execution = Execution(),  # noqa: B008 (it cannot be changed)
) -> None:
    """Train beside the first process of the group, which writes the run directory, to the same end."""
    trainer = Trainer(recipe, images, device, team, execution)
    if (content := team.share(None)) is not None:
        restore(trainer, content, "the first process")
    stops: frozenset[int] = team.share(None) or frozenset()
    with _stop_signals() as stopped:
        while trainer.step < recipe.iterations and not trainer.asked(stopped):
            _advance(trainer, stops)


def _advance(trainer: Trainer, stops: Collection[int]) -> list[tuple[float, float]]:
    """Take steps until numbers are gathered, every few steps and at ``stops``; return the numbers."""
    if trainer.gather_every == 1:
        return [trainer.advance()]
    while True:
        trainer.enqueue()
        step = trainer.step
        if step % trainer.gather_every == 0 or step in stops or step == trainer.recipe.iterations:
            return trainer.gather()


def _advance_to_the_end(
    trainer: Trainer,
    run: RunDirectory,
    journal: Journal,
    progress: Callable[[int, float], None] | None,
    stopped: list[int],
    execution: Execution,
) -> CheckpointInfo:
    recipe, recording = trainer.recipe, run.recording()
    recorded_steps, scored_steps = recording.steps_of(recipe.iterations), recording.curve_steps_of(recipe.iterations)
    every = max(1, recipe.iterations // CURVE_POINTS)
    intervals = [every, *filter(None, (execution.save_every, execution.keep_every))]
    stops = {step for interval in intervals for step in range(interval, recipe.iterations, interval)}
    stops |= recorded_steps | scored_steps
    trainer.team.share(frozenset(stops))
    probe = _probe(trainer)
    crops = trainer.crops if recording.crops else None
    if not run.resume_file.exists():
        journal.note(_recording(trainer, *probe))
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
        with journal.stepping():
            numbers = _advance(trainer, stops)
        trainer.since += [value for value, _ in numbers]
        value, norm = numbers[-1]
        step = trainer.step
        journal.check()
        recorded = step in recorded_steps
        if recorded or step % every == 0 or step in scored_steps:
            record: dict[str, Any] = {"bits_per_dim": round(sum(trainer.since) / len(trainer.since), 5)}
            record |= {"lr": recipe.learning_rate_at(step - 1), "gradient_norm": round(norm, 4)}
            trainer.since.clear()
            if crops is not None and step in scored_steps:
                record["crops_bits_per_dim"] = _score(trainer, crops, math.ceil(len(crops) / CURVE_CROPS))
            journal.note(record | (_recording(trainer, *probe) if recorded else {}))
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
        # A study needs its own score, and no sampling temperature.
        own = (
            {"temperature": _temperature(trainer)} if crops is None else {"crops_bits_per_dim": _score(trainer, crops)}
        )
        journal.note({**_final_scores(trainer), **own})
    info = journal.save()
    journal.wait()
    state = "finished" if trainer.step == recipe.iterations else ("", "paused", "stopped")[asked]
    run.set_status(state, trainer.step)
    run.log(f"{state} at step {trainer.step}")
    return info


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


def _probe(trainer: Trainer) -> tuple[Tensor, Tensor | None]:
    """Return the dequantised test images of the recording steps and their labels, the same at every step."""
    places = torch.from_numpy(chosen_places(len(trainer.test_images), PROBE_IMAGES, trainer.takes_first))
    images = dequantise(trainer.test_images[places], generator_for(0, "probe"), bits=trainer.recipe.flow.bits)
    labels = None if trainer.test_labels is None else trainer.test_labels[places].to(trainer.device)
    return images.to(trainer.device), labels


def _recording(trainer: Trainer, probe: Tensor, labels: Tensor | None) -> dict[str, Any]:
    parts = zip(probe.split(64), _split(labels, len(probe), 64), strict=True)
    log_prob = torch.cat([trainer.average(part, context=own)[0].detach() for part, own in parts])
    bits = to_bits_per_dim(log_prob, trainer.recipe.flow.dimensions, trainer.recipe.flow.bits).mean().item()
    _check_scores(trainer, bits)
    levels = level_records(trainer.average, probe, labels)
    prior = prior_bits_per_dim(trainer.average, [level["noise_square"] for level in levels])
    return {
        "probe_bits_per_dim": round(bits, 5),
        "prior_bits_per_dim": round(prior, 4),
        "log_det_bits_per_dim": round(bits - trainer.recipe.flow.bits - prior, 4),
        "levels": levels,
    }


def _split(labels: Tensor | None, count: int, size: int) -> Sequence[Tensor | None]:
    """Return labels (N,) in parts of a size; a None for every part without labels."""
    return [None] * math.ceil(count / size) if labels is None else labels.split(size)


def prior_bits_per_dim(flow: MultiScaleFlow, squares: Sequence[float]) -> float:
    """Return −log N(ε; 0, I) in bits a dimension, from the mean of ε² at every level.

    Together with −log|det| it adds up to bits/dim minus the b bits of a grey level.
    """
    sizes = [math.prod(shape) for shape in flow.latent_shapes()]
    nats = sum(0.5 * n * (square + math.log(2 * math.pi)) for n, square in zip(sizes, squares, strict=True))
    return nats / (flow.config.dimensions * math.log(2))


def _final_scores(trainer: Trainer) -> dict[str, float]:
    """Return bits/dim of the averaged weights on the test part, and on the same number of training images."""
    size = trainer.recipe.flow.shape[1:]
    indices = torch.randperm(len(trainer.train_images), generator=generator_for(0, "train part"))
    indices = indices[: len(trainer.test_images)]
    train_images = fixed_crops(take(trainer.train_images, indices), size)
    train_labels = None if trainer.train_labels is None else trainer.train_labels[indices]
    parts = (trainer.test_images, trainer.test_labels), (train_images, train_labels)
    test, train = (score(trainer.average, part, **keywords(labels)).mean().item() for part, labels in parts)
    _check_scores(trainer, test, train)
    part = "validation" if trainer.recipe.validation else "test"
    return {f"{part}_bits_per_dim": round(test, 5), "train_bits_per_dim": round(train, 5)}


def _temperature(trainer: Trainer) -> float:
    """Return the sampling temperature of the averaged weights, chosen on training images."""
    count = len(trainer.train_images)
    chosen, of_samples = (torch.from_numpy(chosen_places(count, n, trainer.takes_first)) for n in (IMAGES, SAMPLES))
    train_images = fixed_crops(take(trainer.train_images, chosen), trainer.recipe.flow.shape[1:])
    labels = None if trainer.train_labels is None else trainer.train_labels[of_samples]
    return best_temperature(trainer.average, train_images, labels=labels)


def _score(trainer: Trainer, crops: Tensor, every: int = 1) -> float:
    """Return mean bits/dim of every n-th crop (N, C, H, W) under the averaged parameters, with the seed's noise."""
    labels = trainer.crop_labels
    own = keywords(None if labels is None else labels[::every])
    bits = score(trainer.average, crops[::every], trainer.recipe.seed, **own).mean().item()
    _check_scores(trainer, bits)
    return round(bits, 5)


def _check_scores(trainer: Trainer, *scores: float) -> None:
    if not all(math.isfinite(value) for value in scores):
        raise NotFinite(f"After step {trainer.step} the averaged flow's bits/dim was not finite.")


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
