"""Convert a file of other code: in a child process with limits on memory and time, since it is a pickle."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from .. import checkpoint, files
from ..checkpoint import Checkpoint, CheckpointError
from .formats import GlowError, Options

#: Most bytes of a file: weights, and an optimiser's state.
MAX_SOURCE_BYTES = 2_000_000_000
#: Limits of the child: additional memory after its start, processor seconds, and seconds.
MEMORY, CPU_S, WALL_S = 4 * 2**30, 240, 600
_CHILD = "eiwflow.importing.child"


def import_flow(source: Path, out: Path, options: Options | None = None) -> Checkpoint:
    """Convert a Glow checkpoint of other code, and return the new one.

    A pickle can run code, and ``torch.load`` is no boundary. So a child process reads it, with ``weights_only=True``
    and limits on memory and time; this process reads only the ``.safetensors`` that the child wrote, with every check.

    Args:
        source: the file: a state dict saved by torch, alone or in a dictionary, or as ``.safetensors``.
        out: the ``.safetensors`` file to write, atomically.
        options: facts that the file does not state.

    Raises:
        GlowError: the file cannot be converted; the message is one sentence.

    """
    options = options or Options()
    if out.suffix != ".safetensors":
        raise GlowError(f"--out is {str(out)[:200]!r}; its name must end in .safetensors.")
    if not os.path.isdir(out.parent):
        raise GlowError(f"--out is {str(out)[:200]!r}; the folder {str(out.parent)[:200]!r} does not exist.")
    if os.path.isdir(out):
        raise GlowError(f"--out is {str(out)[:200]!r}, which is a folder; name a file.")
    name = files.printable(source.name)
    try:
        os.close(files.open_regular(source, MAX_SOURCE_BYTES))
    except OSError as error:
        raise GlowError(f"{name} cannot be read: {files.reason(error)}.") from None
    if os.path.exists(out) and os.path.samefile(source, out):
        raise GlowError(f"--out is {str(out)[:200]!r}, which is the file to import; name another file.")
    temporary = out.with_name(f".{out.name}.{secrets.token_hex(4)}")
    request = {"source": str(source.resolve()), "name": name, "out": str(temporary.resolve())}
    try:
        _run_child({**request, "options": asdict(options), "memory": MEMORY, "cpu_s": CPU_S}, name)
        try:
            imported = checkpoint.load(temporary, out.name)
        except CheckpointError as error:
            raise GlowError(
                f"{name} makes no usable flow: {error.field} is {error.found}; expected {error.expected}."
            ) from None
        os.replace(temporary, out)
    finally:
        temporary.unlink(missing_ok=True)
    return imported


def _run_child(request: dict[str, object], name: str) -> None:
    """Convert in a child process; raise GlowError with the child's sentence where it refuses the file."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "OMP_NUM_THREADS": "1",
    }
    late = threading.Event()
    with subprocess.Popen(
        [sys.executable, "-P", "-m", _CHILD],  # -P: Python imports no modules from the working folder
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    ) as child:
        assert child.stdin is not None and child.stdout is not None

        def give_up() -> None:
            late.set()
            child.kill()

        timer = threading.Timer(WALL_S, give_up)
        timer.start()
        try:
            with suppress(BrokenPipeError):
                # The input stays open: its end tells the child that this process has gone.
                child.stdin.write(json.dumps(request).encode() + b"\n")
                child.stdin.flush()
            answer = child.stdout.read()
        finally:
            timer.cancel()
            child.kill()
    if late.is_set():
        raise GlowError(f"{name} took more than {WALL_S} seconds to read and was given up.")
    try:
        refusal = json.loads(answer[-4096:])["refusal"]
    except (ValueError, TypeError, KeyError):
        raise GlowError(
            f"{name} cannot be read within {MEMORY / 2**30:g} GiB and {CPU_S} seconds of a processor core."
        ) from None
    if refusal is not None:
        raise GlowError(str(refusal)[:600])
