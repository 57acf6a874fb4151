"""Everything slow, once: the engine, checkpoints, data sets, photos, and what the front page makes of them.

Nothing here imports torch but :func:`engine` and, beside the server's start, :func:`while_the_server_runs`: neither the
server nor a page's first paint waits for it.
"""

from __future__ import annotations

import ctypes
import gc
import hashlib
import os
import platform
import threading
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import streamlit as st

from .. import data, project
from ..analysis import REFERENCE_IMAGES, SURVEY_IMAGES
from ..files import stamp
from .classroom import join
from .uploads import Shelf, visitor

if TYPE_CHECKING:
    from torch import Tensor

    from ..checkpoint import Checkpoint
    from ..flow import FlowConfig

Kept = TypeVar("Kept")

ROOT = project.ROOT
BUNDLED = project.CHECKPOINTS
SAMPLES = 8
#: Seconds between two times that freed memory is handed back.
GIVE_BACK_S = 30.0
#: Name of malloc.h: how many heaps there may be.
M_ARENA_MAX = -8
#: Uploaded photos that the server remembers for a session, and the side they are kept at; uploaded checkpoints.
PHOTOS, PHOTO_SIDE, UPLOADS = 16, 256, 8

#: The most memory and seconds of a core that looking at a flow may take, by an estimate.
MOST_LOOK_BYTES, MOST_LOOK_S = 2 * 2**30, 30.0
#: A flow is large where one pass of the first test images takes longer; averages are then over fewer images, and the
#: way between two images has fewer pictures.
LARGE_S, FEW_IMAGES, FEW_FRAMES = 5.0, 32, 9


@asynccontextmanager
async def while_the_server_runs(_: object) -> AsyncIterator[None]:
    """Import what is slow to import while the first browser is on its way."""
    _share_heaps()
    join.announce()
    threading.Thread(target=_import_what_is_slow, daemon=True).start()
    yield
    _folder_of_uploads().cleanup()  # the interpreter does it too, but not where a signal ends it


def _share_heaps() -> None:
    """Let all threads share two heaps: with one for each script, what they free lies in many places."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)


def _import_what_is_slow() -> None:
    from .. import checkpoint, figures  # noqa: F401
    from ..analysis import levels  # noqa: F401
    from ..training import run_directory  # noqa: F401


@st.cache_resource(show_spinner="Starting torch, once …")
def engine() -> None:
    """Import what is slow to import, and take it out of the garbage collector's rounds."""
    import torch

    _import_what_is_slow()
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, (os.cpu_count() or 2) // 2))
    gc.collect()
    gc.freeze()
    threading.Thread(target=_give_back_now_and_then, daemon=True).start()


def _give_back_now_and_then() -> None:
    """Hand freed memory back to the system: what pages need for a moment would else stay with the server for good."""
    from ..training.memory import give_back_freed_memory

    while give_back_freed_memory():
        time.sleep(GIVE_BACK_S)


# ---------------------------------------------------------------------- checkpoints


@dataclass(frozen=True)
class CheckpointFile:
    """A checkpoint that can be chosen.

    Attributes:
        key: stands in the URL: a bundled one's name, or the content hash of a run's or an uploaded one, with the
            run's name behind it where a newer run has the same content.
        label: what the side bar shows.
        path: the file.
        argument: names it on the command line; an uploaded one by its file's name.
        run: the run's directory, None where it is of none.

    """

    key: str
    label: str
    path: Path
    argument: str
    run: Path | None = None


def checkpoint_files(uploads: Iterable[str] = ()) -> dict[str, CheckpointFile]:
    """Return the bundled checkpoints, those of runs at rest, and uploaded ones of these keys, by their key."""
    files = [CheckpointFile(path.stem, path.stem, path, path.stem) for path in sorted(BUNDLED.glob("*.safetensors"))]
    files += _runs_at_rest()[0]
    remembered = _uploaded()
    for key in uploads:
        remembered.hold(key, visitor())  # what a link names too: whoever looks at it keeps it
        if (file := remembered.get(key)) is not None:
            files.append(file)
    return {file.key: file for file in files}


def complaints() -> list[str]:
    """Return a sentence for everything in the folder of runs that cannot be read."""
    return _runs_at_rest()[1]


def _runs_at_rest() -> tuple[list[CheckpointFile], list[str]]:
    """Return the last checkpoints of runs that nobody trains now, and what cannot be read among the runs."""
    from ..training.run_directory import list_runs, runs_root

    found: list[CheckpointFile] = []
    runs, complaints = list_runs(runs_root())
    for run in runs:
        try:
            if not run.state().alive and run.last_checkpoint.is_file():
                file = _of_run(run.path, *stamp(run.last_checkpoint))
                if any(file.key == other.key for other in found):  # a run's folder was copied
                    file = replace(file, key=f"{file.key}-{run.path.name}")
                found.append(file)
        except OSError:  # it was deleted meanwhile, or is complained of
            continue
    return found, complaints


@st.cache_resource(max_entries=64, show_spinner=False)
def _of_run(run: Path, time: int, size: int) -> CheckpointFile:
    del time, size  # they are the file's stamp: a new file is a new key
    from .. import files
    from ..checkpoint import MAX_FILE_BYTES
    from ..training.run_directory import RunDirectory

    path = RunDirectory(run).last_checkpoint
    digest = hashlib.sha256(files.read_bytes(path, MAX_FILE_BYTES)).hexdigest()[:12]
    return CheckpointFile(digest, f"run {run.name}", path, str(run), run)


@st.cache_resource(show_spinner=False)
def _uploaded() -> Shelf[CheckpointFile]:
    return Shelf("checkpoints", UPLOADS, lambda file: file.path.unlink(missing_ok=True))


@st.cache_resource(show_spinner=False)
def _folder_of_uploads() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="eiwflow-")


def remember_checkpoint(content: bytes, name: str) -> str:
    """Keep an uploaded checkpoint for this session, until newer ones of its own push it out; return its key.

    Arguments:
        content: of the file.
        name: the file's, for the visitor's eyes; it never becomes a path.

    Raises:
        CheckpointError: the file is not one of ours.

    """
    from ..checkpoint import load
    from ..files import write_atomically

    checkpoint = load(content, name)
    _admit(checkpoint)
    key = checkpoint.sha256[:12]
    path = Path(_folder_of_uploads().name) / f"{key}.safetensors"
    write_atomically(path, content)  # who has loaded the same file reads it meanwhile
    _uploaded().keep(key, CheckpointFile(key, f"upload {name[:60]}", path, name), visitor())
    return key


def open_checkpoint(file: CheckpointFile) -> Checkpoint:
    """Read a checkpoint, once for every state of its file.

    Raises:
        CheckpointError: with one sentence.

    """
    try:
        state = stamp(file.path)
    except OSError:
        state = 0, 0  # `load` says what is wrong
    return _open(file.path, *state)


@st.cache_resource(max_entries=16, show_spinner="Opening the checkpoint …")
def _open(path: Path, time: int, size: int) -> Checkpoint:
    del time, size
    from ..checkpoint import load

    checkpoint = load(path)
    _admit(checkpoint)
    return checkpoint


def _admit(checkpoint: Checkpoint) -> None:
    """Refuse a flow that is too costly to be looked at, by an estimate from its config and before any memory is taken.

    Raises:
        CheckpointError: with the estimate and the bound.

    """
    from ..checkpoint import CheckpointError
    from ..training.cost import look

    config = checkpoint.info.config
    size, _ = look(config, SURVEY_IMAGES)
    images = FEW_IMAGES if is_large(config) else SURVEY_IMAGES
    _, seconds = look(config, images)
    if size > MOST_LOOK_BYTES or seconds > MOST_LOOK_S:
        raise CheckpointError(
            checkpoint.name,
            f"the cost of looking at {images} images",
            f"at most {MOST_LOOK_BYTES / 2**30:.1f} GiB and {MOST_LOOK_S:.0f} s of a processor core",
            f"about {size / 2**30:.1f} GiB and {seconds:.0f} s",
        )


def is_large(config: FlowConfig) -> bool:
    """Return whether a flow is so large that averages over many images take long, by an estimate from its config."""
    from ..training.cost import look

    return look(config, SURVEY_IMAGES)[1] > LARGE_S


def few(images: Images, config: FlowConfig) -> Images:
    """Return images as they are, or for a large flow the first of them, with a note that says so."""
    if not is_large(config) or len(images.test) <= FEW_IMAGES:
        return images
    remark = (
        f"This flow is large: every average is over the first {FEW_IMAGES} images only, and is computed once. "
        f"Space shows {FEW_FRAMES} pictures on the way."
    )
    return replace(
        images,
        reference=images.reference[:FEW_IMAGES],
        test=images.test[:FEW_IMAGES],
        note=f"{images.note} {remark}".lstrip(),
        sources=None if images.sources is None else images.sources[:FEW_IMAGES],
        grain=None if images.grain is None else images.grain[:FEW_IMAGES],
    )


# ---------------------------------------------------------------------- images


@dataclass(frozen=True, eq=False)
class Images:
    """A data set as a flow takes it: uint8 tensors (N, C, H, W) of its shape.

    Attributes:
        name: the data set's.
        reference: the first training images.
        test: all test images.
        note: what was done to them, in sentences; empty where nothing was.
        remade: whether they were resized and recoloured, which the command line does not do.
        sources: the photograph that each test image was cut from, where that is known.
        grain: σ of each test image's grain in grey levels (N,), where that is known.

    """

    name: str
    reference: Tensor
    test: Tensor
    note: str
    remade: bool
    sources: tuple[int, ...] | None = None
    grain: np.ndarray | None = None

    def floor_bits_per_dim(self, part: slice) -> float | None:
        """Return the mean floor of some test images, which no model can beat; None where grain is not known."""
        from ..data.camera import floor_bits_per_dim

        return None if self.grain is None else floor_bits_per_dim(self.grain[part])

    @property
    def key(self) -> tuple[str, tuple[int, ...], str]:
        """What tells them from others: the note is all that was done to them, padded or resized."""
        return self.name, tuple(self.test.shape), self.note


def data_sets() -> list[str]:
    """Return the names of the data sets that are here without a network."""
    return [name for name in data.DATASETS if (data.registry.ASSETS / f"{name}.npz").is_file()]


@st.cache_resource(max_entries=4, show_spinner="Reading the images …")
def images(name: str, shape: tuple[int, int, int], multiple: int) -> Images:
    """Return a data set in the shape (C, H, W) of a flow.

    Larger images are cut; those that are too small or have other colours are resized and recoloured.

    Raises:
        DataError: with one sentence.

    """
    found = data.load(name, multiple=multiple, download=False)
    channels, height, width = shape
    fits = found.channels == channels and found.size[0] >= height and found.size[1] >= width
    parts = [found.train[:REFERENCE_IMAGES], found.test]
    note = f"{name}: {found.note}." if found.note else ""
    if fits:
        reference, test = (data.fixed_crops(data.to_tensor(part), (height, width)) for part in parts)
        # The photographs, where they are known; a selection of images that were made to fit has none.
        sources = None if found.test_source is None else tuple(np.asarray(found.test_source).tolist())
        grain = found.factors["grain"].test if "grain" in found.factors else None
        return Images(name, reference, test, note, remade=False, sources=sources, grain=grain)
    test_images = found.test[:: max(1, len(found.test) // 500)]
    reference, test = (data.to_tensor(data.resized(part, shape)) for part in (parts[0], test_images))
    size = f"{channels}×{height}×{width}"
    remark = f"This flow takes images of {size}: those of {name} were resized and recoloured."
    return Images(name, reference, test, f"{note} {remark}".lstrip(), remade=True)


@st.cache_data(max_entries=8, show_spinner=False)
def floor(name: str, validation: bool, multiple: int = 1) -> float | None:
    """Return the floor of bits/dim of a bundled set's test part, or of what is held out; None where not known.

    Args:
        name: of the data set.
        validation: whether images held out from the train part stand in for the test part.
        multiple: what the sides must be divisible by; padded images have no floor.

    """
    if name not in data_sets():
        return None
    found = data.load(name, multiple=multiple, download=False)
    return (data.hold_out(found) if validation else found).floor_bits_per_dim()


def floor_in_words(name: str, validation: bool, multiple: int = 1) -> str:
    """Return the same as a sentence; empty where it is not known."""
    from ..analysis.words.numbers import floor_in_words

    found = floor(name, validation, multiple)
    return "" if found is None else floor_in_words(found)


@st.cache_resource(show_spinner=False)
def _photos() -> Shelf[bytes]:
    return Shelf("photos", PHOTOS)


def photos() -> dict[str, bytes]:
    """Return the photos that the server remembers, by the hash of the file that was uploaded."""
    for key in (st.query_params.get("photo", ""), st.query_params.get("photo_b", "")):
        _photos().hold(key, visitor())  # whoever looks at it keeps it
    return dict(_photos())


def remember_photo(content: bytes) -> str:
    """Keep an uploaded photo in memory, small and without what a camera wrote into it; return its hash.

    Raises:
        DataError: it cannot be read as a picture.

    """
    key = hashlib.sha256(content).hexdigest()[:12]
    _photos().keep(key, data.png_file(data.from_picture(content, (3, PHOTO_SIDE, PHOTO_SIDE))), visitor())
    return key


def photo(content: bytes, shape: tuple[int, int, int]) -> Tensor:
    """Return a photo as a uint8 tensor (1, C, H, W) of a flow's shape."""
    return data.to_tensor(data.from_picture(content, shape)[np.newaxis])


# ---------------------------------------------------------------------- the front page


@st.cache_resource(
    max_entries=32,
    hash_funcs={"eiwflow.checkpoint.Checkpoint": lambda checkpoint: checkpoint.sha256},
    show_spinner=False,
)
def samples(checkpoint: Checkpoint, seed: int) -> np.ndarray:
    """Return images (N, H, W, C) uint8 drawn from a flow at its own temperature, as ``sample`` draws them.

    Raises:
        NonFiniteError: with one sentence.

    """
    import torch

    from ..analysis.levels import to_pixels
    from ..flow import quantise

    generator = torch.Generator().manual_seed(seed)
    x = checkpoint.flow.sample(SAMPLES, checkpoint.info.temperature, generator)
    return to_pixels(quantise(x, checkpoint.flow.config.bits))
