"""The journal of a training: the records and saves that it leaves in its run directory, and going on from them."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from .. import checkpoint, files
from ..checkpoint import CheckpointError, CheckpointInfo
from ..data import DATASETS
from .failures import NotFinite
from .history import most_seconds, write_samples
from .loggers import SAMPLES, Log
from .run_directory import RunDirectory, RunError
from .stopwatch import Stopwatch
from .trainer import Trainer, under

#: A larger state is written in a thread beside the training; a smaller one is written at once.
BESIDE_BYTES = 32 * 2**20
#: Version of the arithmetic of a training step, in the resume file. It rises when a step gives other numbers.
ARITHMETIC = 2
#: The scores of a record, which a checkpoint repeats; the scores at the end; and those of choosing a temperature.
SCORES = ("bits_per_dim", "probe_bits_per_dim")
FINAL_SCORES = ("test_bits_per_dim", "validation_bits_per_dim", "train_bits_per_dim", "temperature")
#: The name of a score given the label, in a checkpoint: it does not compare with the score of a flow without labels.
GIVEN_LABEL = "_given_label"


class Journal:
    """Write the records of one training, with the seconds that they took, its samples and its saves.

    Arguments:
        run: the run directory; records and samples of later steps than its last save are dropped.
        trainer: the training, at the step of the last save.
        command: the command that a checkpoint states.
        log: a place for the records beside ``metrics.jsonl``.

    """

    def __init__(self, run: RunDirectory, trainer: Trainer, command: str, log: Log) -> None:
        self._run, self._trainer, self._command, self._log = run, trainer, command, log
        self._saver = Saver(run)
        self._records = records = run.forget_after(trainer.step if run.resume_file.exists() else -1)
        self._before = {name: most_seconds(records, name) for name in ("seconds", "cpu_seconds", "step_cpu_seconds")}
        self._started, self._cpu_started, self._stepping = time.monotonic(), time.process_time(), 0.0

    @contextmanager
    def stepping(self) -> Iterator[None]:
        """Count the seconds of what happens inside as those of training steps: CPU seconds, or a GPU's own."""
        with Stopwatch(self._trainer.device) as watch:
            yield
        self._stepping += watch.seconds

    def _seconds(self) -> dict[str, float]:
        """Return seconds, CPU seconds and CPU seconds of steps so far, over all processes that trained the run."""
        before = self._before
        return {
            "seconds": round(before["seconds"] + time.monotonic() - self._started, 2),
            "cpu_seconds": round(before["cpu_seconds"] + time.process_time() - self._cpu_started, 2),
            "step_cpu_seconds": round(before["step_cpu_seconds"] + self._stepping, 3),
        }

    def note(self, record: Mapping[str, Any]) -> None:
        """Add a record of the present step."""
        whole = {"step": self._trainer.step, **record, **self._seconds()}
        self._run.append(whole)
        self._log(whole)
        self._records.append(whole)

    def draw_samples(self) -> None:
        """Write samples of the averaged weights, unless they are not finite."""
        step = self._trainer.step
        if samples := write_samples(self._run.samples, self._trainer.average, self._trainer.recipe.seed, step):
            self._log({"step": step, SAMPLES: samples})

    def _latest(self) -> dict[str, float]:
        """Return the newest of each score, and the scores at the end if the present step has them."""
        step = self._trainer.step
        scores = {name: record[name] for record in self._records for name in SCORES if name in record}
        at_end = [record for record in self._records if record["step"] == step]
        return scores | {name: record[name] for record in at_end for name in FINAL_SCORES if name in record}

    def has_final_scores(self) -> bool:
        """Return whether the present step has its scores at the end."""
        return not self._latest().keys().isdisjoint(FINAL_SCORES)

    def save(self, milestone: bool = False) -> CheckpointInfo:
        """Write the trainer's state and its checkpoint; a milestone is kept beside the last checkpoint."""
        trainer, recipe = self._trainer, self._trainer.recipe
        checkpoint.check_flow(trainer.average, self._run.last_checkpoint.name)
        latest = self._latest()
        temperature = latest.pop("temperature", CheckpointInfo.temperature)
        scores = {f"{name}{GIVEN_LABEL}" if recipe.labels else name: value for name, value in latest.items()}
        info = CheckpointInfo(
            # A checkpoint always states memory="store": the density does not depend on how gradients were computed.
            config=dataclasses.replace(trainer.flow.config, memory="store"),
            data=recipe.data,
            step=trainer.step,
            seed=recipe.seed,
            metrics={**scores, "cpu_seconds": self._seconds()["cpu_seconds"]},
            recipe={key: value for key, value in recipe.to_dict().items() if key not in ("flow", "classes")}
            | ({} if recipe.flow.memory == "store" else {"memory": recipe.flow.memory}),
            command=self._command,
            versions=checkpoint.software_versions(),
            temperature=temperature,
            labels=recipe.labels,
            classes=recipe.classes,
        )
        facts = {
            "step": trainer.step,
            "since": trainer.since,
            "arithmetic": ARITHMETIC,
            "images": trainer.images_digest,
        }
        self._saver.save(trainer.state(), info, json.dumps(facts), milestone)
        return info

    def check(self) -> None:
        """Raise the error of a save that failed."""
        self._saver.check()

    def wait(self) -> None:
        """Wait until the last save is written; raise its error if it failed."""
        self._saver.wait()

    def close(self) -> None:
        """End the thread of the saves, and ignore its error."""
        self._saver.close()


class Saver:
    """Write checkpoint and resume file of a run; large files in a thread beside the training."""

    def __init__(self, run: RunDirectory) -> None:
        self._run = run
        self._thread = ThreadPoolExecutor(1, "eiwflow-save")
        self._writing: Future[None] | None = None

    def save(self, state: dict[str, Tensor], info: CheckpointInfo, document: str, milestone: bool) -> None:
        """Write a copy of a trainer's state once the save before is on disk."""
        self.wait()
        self._writing = self._thread.submit(self._write, state, info, document, milestone)
        if sum(tensor.nbytes for tensor in state.values()) <= BESIDE_BYTES:
            self.wait()

    def _write(self, state: dict[str, Tensor], info: CheckpointInfo, document: str, milestone: bool) -> None:
        run, average = self._run, under("average.module.", state)
        run.flush_records()
        try:
            if milestone:
                checkpoint.save_state(run.milestone(info.step), average, info)
            checkpoint.save_state(run.last_checkpoint, average, info)
        except CheckpointError as error:
            raise NotFinite(f"After step {info.step} the run stopped: {error}") from None
        files.write_atomically(run.resume_file, checkpoint.file_parts(state, {"resume": document}))

    def check(self) -> None:
        """Raise the error of a save that failed."""
        if self._writing is not None and self._writing.done():
            self.wait()

    def wait(self) -> None:
        """Wait until the current save is written; raise its error if it failed."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def close(self) -> None:
        """Wait for the thread, and ignore its error."""
        self._thread.shutdown()


def resume_content(run: RunDirectory) -> bytes | None:
    """Return the resume file's bytes; None without a file."""
    with suppress(FileNotFoundError):
        return run.resume_file.read_bytes()
    return None


def restore(trainer: Trainer, content: bytes, name: str) -> None:
    """Put a trainer where the resume file of the run of this name left it."""
    try:
        length = int.from_bytes(content[:8], "little")
        document = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["resume"])
        step, since, arithmetic = document["step"], document.get("since", []), document.get("arithmetic", 1)
        if type(step) is not int or not 0 <= step <= trainer.recipe.iterations or not isinstance(since, list):
            raise ValueError("another run's step")
        tensors = safetensors.torch.load(content)
        values = [float(value) for value in since]
        if any(checkpoint.wrong_values(tensors)) or not all(map(math.isfinite, values)):
            raise ValueError("no training's values")
        trainer.restore(tensors, step, values)
    except (ValueError, OverflowError, LookupError, TypeError, RuntimeError, safetensors.SafetensorError):
        raise RunError(f"The resume.safetensors of {name} does not belong to its config.json.") from None
    if arithmetic != ARITHMETIC:
        raise RunError(
            f"{name} was begun by another version of eiwflow, whose steps round differently: resumed here it would end "
            "with other numbers. Its checkpoint stays usable; to train with these settings, start a new run."
        )
    if "images" not in document and trainer.recipe.data not in DATASETS:
        raise RunError(
            f"{name} was begun by eiwflow 0.2, which did not note its images and divided some folders and archives "
            f"otherwise: here it could be scored on images of {files.printable(trainer.recipe.data)} that it was "
            "trained on. Its checkpoint stays usable; to train on them, start a new run."
        )
    if document.get("images", trainer.images_digest) != trainer.images_digest:
        raise RunError(
            f"{name} was begun on other images than {files.printable(trainer.recipe.data)} now holds: resumed here it "
            "would end with other numbers. Bring those back, or start a new run."
        )
