"""A run directory: the files, state and requests of a training, which every reader of a run uses."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import os
import secrets
import shutil
import time
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from filelock import FileLock
from safetensors import SafetensorError, safe_open

from .. import files
from ..checkpoint import PRETRAINED, CheckpointError, read_info
from ..files import write_atomically
from ..flow import ConfigError
from . import history, process
from .recipe import USUAL, Recipe, Recording

#: Environment variable that names another folder of runs than ``runs/``.
RUNS_VARIABLE = "EIWFLOW_RUNS"
#: The folder of studies among the runs.
STUDIES = "studies"
#: States of a run without a process. In any other state a run without a process has crashed.
AT_REST = ("finished", "stopped", "paused", "failed")
MAX_TITLE, MAX_NOTE = 60, 200
#: The beginning of the last words of a crashed run.
ENDED = "The process ended without saying why (killed, or the machine was switched off)"
#: Bytes that an export reads at once.
ZIP_PART = 2**18


def runs_root() -> Path:
    """Return the folder that holds the runs."""
    return Path(os.path.expanduser(os.environ.get(RUNS_VARIABLE) or "runs"))


class RunError(ValueError):
    """A run directory cannot be made or read; the message is one sentence."""


@contextlib.contextmanager
def holding(lock: FileLock, refusal: str, patience_s: float = process.PATIENCE_S) -> Iterator[None]:
    """Hold a lock during the block, or raise RunError with this sentence."""
    if not process.take(lock, patience_s):
        raise RunError(refusal)
    try:
        yield
    finally:
        lock.release()


@dataclass(frozen=True)
class RunState:
    """The state of a run: from its lock first, then from its status file.

    Attributes:
        name: starting, running, finished, stopped, paused, failed, or crashed.
        step: training steps done, as last written.
        message: the last event, in a sentence; may be empty.
        advice: the next thing to try; empty if nothing went wrong.
        pid: of the process that trains it, or that trained it last.
        silent_s: seconds since the last sign of life of the process that trains it; 0 without a process.
        memory_mib: its peak memory, as last written.

    """

    name: str
    step: int
    message: str
    advice: str
    pid: int
    silent_s: float
    memory_mib: float

    @property
    def frozen(self) -> bool:
        """Whether its process has given no sign of life for too long."""
        return self.silent_s > process.SILENT_S

    @property
    def alive(self) -> bool:
        """Whether a process is at work."""
        return self.name in ("starting", "running")


@dataclass(frozen=True)
class WorkFolder:
    """A folder in which one process works and which others read: its lock, its status, and requests to the process.

    :class:`RunDirectory` is one; the folder of a study is another.
    """

    path: Path

    #: The kind of work in sentences, and the module whose process works in the folder.
    KIND: ClassVar[str] = "Run"
    WORKER: ClassVar[str] = "eiwflow.training.worker"

    @property
    def root(self) -> Path:
        """The folder of runs that this folder belongs to; runs in it share devices."""
        return self.path.parent

    @property
    def title(self) -> str:
        """The name on a page."""
        return files.printable(self.path.name)

    def set_status(self, state: str, step: int, message: str = "", advice: str = "", pid: int | None = None) -> None:
        """Write ``status.json``: state is starting, running, finished, stopped, paused or failed.

        ``pid`` is that of the process that trains the run, if that is not this process.
        """
        status: dict[str, Any] = {"state": state, "step": step, "message": message, "advice": advice}
        status |= {"pid": pid or os.getpid(), "process": process.identity(pid)}
        status |= {"time": time.time(), "memory_mib": peak_memory_mib() if pid is None else 0.0}
        write_atomically(self.path / "status.json", _json_bytes(status))

    def status(self) -> dict[str, Any]:
        """Return the content of ``status.json``; an empty dict without that file."""
        with contextlib.suppress(OSError, ValueError):
            return dict(json.loads((self.path / "status.json").read_bytes()))
        return {}

    def restore_status(self, status: Mapping[str, Any]) -> None:
        """Replace ``status.json`` by these fields."""
        write_atomically(self.path / "status.json", _json_bytes(status))

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the run's lock during the block: only one process at a time writes here."""
        name = f"{self.KIND} {files.printable(self.path.name)}"
        if not self.path.is_dir():
            raise RunError(f"{name} is gone: its directory has been removed.")
        with holding(process.run_lock(self.path), f"{name} is being trained by another process."):
            yield

    def is_held(self) -> bool:
        """Return whether a process holds the folder's lock."""
        return process.held(process.run_lock(self.path))

    def state(self) -> RunState:
        """Return the state of the run. Without a process and without a final state it has crashed."""
        status = self.status()
        if status.get("state") not in AT_REST:
            locked = self.is_held()
            status = self.status()  # read again: it may have ended before the lock was checked
            if not locked and status.get("state") not in AT_REST and not self._is_about_to_begin(status):
                message = f"{ENDED}; {self._saved()}."
                status |= {"state": "crashed", "message": message, "advice": "Resume goes on from there."}
            elif status.get("state") not in ("starting", "running", *AT_REST):
                status |= {"state": "running"}
        return RunState(
            name=status["state"],
            step=status.get("step", 0),
            message=status.get("message", ""),
            advice=status.get("advice", ""),
            pid=status.get("pid", 0),
            silent_s=self._silence() if status["state"] in ("starting", "running") else 0.0,
            memory_mib=status.get("memory_mib", 0.0),
        )

    def _is_about_to_begin(self, status: Mapping[str, Any]) -> bool:
        """Return whether a process is just being started here: it takes the lock when its starter lets go."""
        if status.get("state") != "starting" or self._silence() > process.SILENT_S:
            return False
        return process.held(process.starting_lock(self.root)) or self.is_held()  # it may have taken the lock just now

    def _silence(self) -> float:
        """Return the seconds since the run's process last touched its status."""
        with contextlib.suppress(OSError):
            return max(0.0, time.time() - (self.path / "status.json").stat().st_mtime)
        return 0.0

    # ------------------------------------------------------------------ requests

    @property
    def _request(self) -> Path:
        return self.path / "asked.txt"

    def ask(self, what: str) -> None:
        """Write a request to the process that trains the run, on any machine: ``stop`` or ``pause``; stop wins."""
        if self.asked() != "stop":
            write_atomically(self._request, what.encode())

    def asked(self) -> str:
        """Return the request to the process that trains the run; empty without a request."""
        with contextlib.suppress(OSError):
            text = self._request.read_text("utf-8", errors="replace").strip()
            return text if text in ("stop", "pause") else ""
        return ""

    def forget_asked(self) -> None:
        """Remove a request that is fulfilled, or whose process has ended."""
        with contextlib.suppress(OSError):
            self._request.unlink()

    def _saved(self) -> str:
        """Return the end of a sentence about the newest save."""
        return "its files stay"

    def log(self, message: str) -> None:
        """Add a line to ``log.txt``; it is dropped if the disk is full."""
        with contextlib.suppress(OSError), open(self.path / "log.txt", "ab") as file:
            file.write(f"{time.strftime('%H:%M:%S')} {message}\n".encode())

    def log_end(self, lines: int = 15) -> str:
        """Return the last lines of ``log.txt``."""
        with contextlib.suppress(OSError), open(self.path / "log.txt", "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 200 * lines))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
        return ""


@dataclass(frozen=True)
class RunDirectory(WorkFolder):
    """``config.json``, ``metrics.jsonl``, ``samples/``, ``checkpoints/``, ``resume.safetensors``, ``status.json``."""

    @classmethod
    def create(
        cls, root: Path, recipe: Recipe, command: str, name: str | None = None, recording: Recording = USUAL
    ) -> RunDirectory:
        """Make a new run under ``root``. A study names its runs; every other name is generated, never a user's."""
        made = f"{time.strftime('%Y%m%d-%H%M%S')}-{recipe.flow.split.replace('+', '-')}-{secrets.token_hex(3)}"
        run = cls(root / (name or made))
        config: dict[str, Any] = {"recipe": recipe.to_dict(), "command": command}
        if recording != USUAL:
            config["recording"] = dataclasses.asdict(recording)
        # Under another name first: a reader sees a whole run or none, and so does the command after a killed one.
        with files.new_folder(run.path) as folder:
            begun = cls(folder)
            for below in (begun.samples, begun.checkpoints):
                below.mkdir()
            begun.set_status("starting", 0)
            write_atomically(folder / "config.json", _json_bytes(config))
        return run

    @classmethod
    def open(cls, path: Path | str) -> RunDirectory:
        """Open an existing run."""
        run = cls(Path(path))
        if not (run.path / "config.json").is_file():  # :meth:`config` checks the content
            raise RunError(f"{str(path)[:200]} is not a run directory: it has no config.json.")
        return run

    @property
    def samples(self) -> Path:
        """The folder of sample montages, ``step_*.webp``."""
        return self.path / "samples"

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints; ``last.safetensors`` is the newest."""
        return self.path / "checkpoints"

    @property
    def last_checkpoint(self) -> Path:
        """The newest checkpoint."""
        return self.checkpoints / "last.safetensors"

    def milestone(self, step: int) -> Path:
        """Return the path of the checkpoint kept at a step, in addition to the newest."""
        return self.checkpoints / f"step_{step:07d}.safetensors"

    @property
    def resume_file(self) -> Path:
        """The resume file: weights, averages and optimiser of the newest saved step, with its number."""
        return self.path / "resume.safetensors"

    def config(self) -> tuple[Recipe, str]:
        """Return the recipe and the command line that started the run."""
        try:
            document = self._document()
            return Recipe.from_dict(document["recipe"]), str(document["command"])
        except ConfigError as error:
            raise RunError(f"The config.json of {self.path.name} is refused: {error}") from None
        except (OSError, ValueError, KeyError, TypeError):
            raise RunError(f"The config.json of {self.path.name} is not readable as a run's config.") from None

    def _document(self) -> dict[str, Any]:
        return dict(json.loads((self.path / "config.json").read_bytes()))

    def extend(self, iterations: int, command: str) -> None:
        """Change the number of steps after which the run ends; the schedule follows from the next step on.

        Args:
            iterations: steps in all, more than are done.
            command: the command line of this change, appended to the run's own.

        """
        with self.held():
            recipe, before = self.config()
            self.check_can_go_on()
            saved = self.saved_step() or 0
            recipe = dataclasses.replace(recipe, iterations=iterations)
            if iterations <= saved:
                raise RunError(f"iterations is {iterations:,}; the run has taken {saved:,} steps: choose more.")
            document = {**self._document(), "recipe": recipe.to_dict(), "command": f"{before} && {command}"}
            write_atomically(self.path / "config.json", _json_bytes(document))

    def check_can_go_on(self) -> None:
        """Refuse a run that has a trained checkpoint and no resume file: it would begin again, over the checkpoint.

        A study's finished run has no resume file, nor has a copy from which the large file was left out.
        """
        if self.resume_file.exists():
            return
        step = 0
        with contextlib.suppress(CheckpointError):
            step = read_info(self.last_checkpoint).step
        if step:
            raise RunError(
                f"Run {files.printable(self.path.name)} has taken {step:,} steps, and its {self.resume_file.name} is "
                "missing, without which it cannot go on; start a new run from its checkpoint by "
                "python -m eiwflow train --init-from."
            )

    def recording(self) -> Recording:
        """Return the run's recording settings."""
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
            return Recording(**self._document()["recording"])
        return USUAL

    def _saved(self) -> str:
        return "nothing was saved yet" if (step := self.saved_step()) is None else f"the last save is of step {step:,}"

    def saved_step(self) -> int | None:
        """Return the step from which the run resumes; None without a save."""
        damaged = (OSError, ValueError, LookupError, TypeError, SafetensorError)
        with contextlib.suppress(*damaged), safe_open(self.resume_file, "pt") as file:
            return int(json.loads(file.metadata()["resume"])["step"])
        return None

    # ------------------------------------------------------------------ its name, its end, its copy

    @property
    def title(self) -> str:
        """The title given by a user; without one, the run's policy and the time of its creation."""
        with contextlib.suppress(OSError):
            text = (self.path / "title.txt").read_text("utf-8", errors="replace")
            if text := _on_one_line(text)[:MAX_TITLE]:
                return text
        with contextlib.suppress(ValueError):
            made = time.strptime(self.path.name[:15], "%Y%m%d-%H%M%S")
            return f"{self.path.name[16:-7]}, {made.tm_mday} {time.strftime('%b %H:%M:%S', made)}"
        return files.printable(self.path.name)

    def rename(self, title: str) -> None:
        """Change the run's title, not its directory; an empty title restores the default."""
        title = _on_one_line(title)
        if len(title) > MAX_TITLE:
            raise RunError(f"The name has {len(title)} characters; at most {MAX_TITLE} are allowed.")
        write_atomically(self.path / "title.txt", title.encode())

    @property
    def note(self) -> str:
        """What its user noted about it; may be empty."""
        with contextlib.suppress(OSError):
            return _on_one_line((self.path / "note.txt").read_text("utf-8", errors="replace"))[:MAX_NOTE]
        return ""

    def write_note(self, note: str) -> None:
        """Keep a note of at most :data:`MAX_NOTE` letters beside the name."""
        write_atomically(self.path / "note.txt", _on_one_line(note)[:MAX_NOTE].encode())

    def delete(self) -> None:
        """Remove the run with all its files."""
        # Moved away first, so that no reader sees half a run.
        doomed = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}")
        with self.held():
            os.replace(self.path, doomed)
        shutil.rmtree(doomed, ignore_errors=True)

    def zip_parts(self) -> Iterator[bytes]:
        """Yield the whole run as the parts of a zip file, from which it can be viewed and resumed elsewhere.

        At most one part is in memory. Nothing is compressed: it would make a trained run a tenth smaller, for thirty
        times the time.
        """
        sink = _Sink()
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as whole:
            # Of a running run the resume file first: a resumed copy drops all that is newer.
            for path in sorted(self.path.rglob("*"), key=lambda path: (path != self.resume_file, path)):
                if path.is_file() and not path.name.startswith(".") and path.suffix != ".lock":
                    with contextlib.suppress(FileNotFoundError):  # the run has dropped it meanwhile
                        yield from _zipped(whole, sink, path, Path(self.path.name) / path.relative_to(self.path))
            if not (self.path / "config.json").exists():
                raise RunError(f"Run {files.printable(self.path.name)} was deleted while it was exported.")
        yield sink.taken()

    # ------------------------------------------------------------------ records

    def append(self, record: Mapping[str, Any]) -> None:
        """Add a record to ``metrics.jsonl``."""
        with open(self.path / "metrics.jsonl", "ab") as file:
            file.write(_json_bytes(record) + b"\n")

    def flush_records(self) -> None:
        """Flush the records to disk, before a later state is saved."""
        with open(self.path / "metrics.jsonl", "ab") as file:
            os.fsync(file.fileno())

    def records(self) -> list[dict[str, Any]]:
        """Return the records of ``metrics.jsonl``."""
        return history.read_records(self.path / "metrics.jsonl")

    def forget_after(self, step: int) -> tuple[list[dict[str, Any]], int]:
        """Drop records and samples of steps after ``step``, which a resumed run writes again, and half-written files.

        Return the other records, and the last step that had one before; -1 if none had.
        """
        records = self.records()
        for number, sample in history.sample_files(self.samples).items():
            if number > step:
                sample.unlink()
        for folder in (self.path, self.checkpoints, self.samples):
            files.remove_leftovers(folder)
        kept = [record for record in records if record["step"] <= step]
        write_atomically(self.path / "metrics.jsonl", b"".join(_json_bytes(record) + b"\n" for record in kept))
        return kept, max((record["step"] for record in records), default=-1)


class _Sink(io.RawIOBase):
    """A file in memory that keeps its bytes until they are taken."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.size = 0

    def write(self, content: Any) -> int:  # noqa: ANN401 (whatever has a buffer)
        self._parts.append(bytes(content))
        self.size += len(self._parts[-1])
        return len(self._parts[-1])

    def taken(self) -> bytes:
        content, self._parts, self.size = b"".join(self._parts), [], 0
        return content


def _zipped(whole: zipfile.ZipFile, sink: _Sink, path: Path, inside: Path) -> Iterator[bytes]:
    """Add a file, up to its present length, to a zip file; yield parts of the bytes that this writes."""
    entry = zipfile.ZipInfo.from_file(path, inside, strict_timestamps=False)
    left = entry.file_size
    with open(path, "rb") as source, whole.open(entry, "w") as target:
        while left > 0 and (content := source.read(min(left, ZIP_PART))):
            target.write(content)
            left -= len(content)
            if sink.size >= ZIP_PART:  # small files are sent together
                yield sink.taken()


def all_runs(root: Path) -> list[RunDirectory]:
    """Return the runs in a folder, the newest first."""
    return list_runs(root)[0]


def find_run(root: Path, name: str) -> RunDirectory | None:
    """Return the run of this name in a folder, or None; no file of a run is read."""
    return next((RunDirectory(path) for path in files.entries(root) if path.name == name and _is_run(path)), None)


def _is_run(path: Path) -> bool:
    # The folder of a pretrained flow has such a file, too.
    return (path / "config.json").is_file() and not (path / PRETRAINED).is_file()


def list_runs(root: Path) -> tuple[list[RunDirectory], list[str]]:
    """Return the runs in a folder, the newest first, and a sentence for every damaged one."""
    runs, complaints = [], []
    for run in (RunDirectory(path) for path in reversed(files.entries(root)) if _is_run(path)):
        runs.append(run)
        try:
            run.config()
        except RunError as error:
            complaints.append(str(error))
    return runs, complaints


def saved_flows(root: Path) -> list[Path]:
    """Return the flows in a folder outside of runs, the newest first: checkpoints and folders of pretrained flows."""
    flows = (path for path in reversed(files.entries(root)) if path.suffix == ".safetensors" or path.is_dir())
    return [path for path in flows if (path if path.is_file() else path / PRETRAINED).is_file()]


def peak_memory_mib() -> float:
    """Return the peak memory of this process in MiB: on the GPU if it uses one, else in all."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        return round(torch.cuda.max_memory_reserved() / 2**20, 1)
    with contextlib.suppress(OSError, StopIteration):
        # Not getrusage on Linux: its peak is inherited from the parent process.
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
        return round(int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 2**10, 1)
    with contextlib.suppress(ImportError):
        import resource

        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 1)
    return 0.0


def _on_one_line(title: str) -> str:
    """Return a name for a list: without line breaks, invisible characters, and changes of the text's direction."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in title).split())


def _json_bytes(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
