"""The saves of a training in its run directory, with its records and samples, and going on from them."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from .. import checkpoint, files
from ..checkpoint import CheckpointError, CheckpointInfo
from ..data import DATASETS
from .failures import NotFinite
from .history import write_samples
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
        run: the run directory.
        trainer: the training, at the step of the last save.
        command: the command that a checkpoint states.
        records: those up to the last save.
        log: a place for the records beside ``metrics.jsonl``.

    """

    def __init__(
        self, run: RunDirectory, trainer: Trainer, command: str, records: list[dict[str, Any]], log: Log
    ) -> None:
        self._run, self._trainer, self._command, self._records, self._log = run, trainer, command, records, log
        #: With the seconds that earlier processes took.
        self._before = records[-1] if records else {}
        self._started, self._cpu_started = time.monotonic(), time.process_time()
        #: Counts the seconds of training steps: CPU seconds, or a GPU's own.
        self.stepping = Stopwatch(trainer.device)
        self._thread, self._writing = ThreadPoolExecutor(1, "eiwflow-save"), Future[None]()
        self._writing.set_result(None)

    def _seconds(self) -> dict[str, float]:
        """Return seconds, CPU seconds and CPU seconds of steps so far, over all processes that trained the run."""
        before = self._before
        return {
            "seconds": round(before.get("seconds", 0.0) + time.monotonic() - self._started, 2),
            "cpu_seconds": round(before.get("cpu_seconds", 0.0) + time.process_time() - self._cpu_started, 2),
            "step_cpu_seconds": round(before.get("step_cpu_seconds", 0.0) + self.stepping.seconds, 3),
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
        """Write the trainer's state and its checkpoint, once the save before is on disk; large files in a thread.

        A milestone is kept beside the last checkpoint.
        """
        trainer, recipe = self._trainer, self._trainer.recipe
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
        self.wait()
        state = trainer.state()
        self._writing = self._thread.submit(self._write, state, info, json.dumps(facts), milestone)
        if sum(tensor.nbytes for tensor in state.values()) <= BESIDE_BYTES:
            self.wait()
        return info

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

    def wait(self) -> None:
        """Wait until the last save is written; raise its error if it failed."""
        self._writing.result()

    def close(self) -> None:
        """Wait for the last save, and ignore its error."""
        self._thread.shutdown()


def restore(trainer: Trainer, content: bytes, name: str) -> None:
    """Put a trainer where the resume file of the run of this name left it."""
    try:
        length = int.from_bytes(content[:8], "little")
        document = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["resume"])
        if not 0 <= document["step"] <= trainer.recipe.iterations:
            raise ValueError("another run's step")
        trainer.restore(safetensors.torch.load(content), document["step"], document.get("since", []))
    except (ValueError, LookupError, TypeError, RuntimeError, safetensors.SafetensorError):
        raise RunError(f"The resume.safetensors of {name} does not belong to its config.json.") from None
    if document.get("arithmetic", 1) != ARITHMETIC:
        raise RunError(
            f"{name} was begun by another version of eiwflow, whose steps round differently: resumed here it would end "
            "with other numbers. Its checkpoint stays usable; to train with these settings, start a new run."
        )
    # Version 0.2 did not note its images, and divided some folders and archives otherwise.
    unknown = trainer.images_digest if trainer.recipe.data in DATASETS else None
    if document.get("images", unknown) != trainer.images_digest:
        raise RunError(
            f"{name} was begun on other images than {files.printable(trainer.recipe.data)} now holds: resumed here it "
            "would end with other numbers. Bring those back, or start a new run."
        )
