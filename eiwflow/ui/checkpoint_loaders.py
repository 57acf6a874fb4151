"""What the page Checkpoint computes, once for every checkpoint and data set, and the door for one's own images."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from .. import data
from . import gone, loaders, weight_loaders
from .door import door, empty
from .foreign import plain
from .uploads import Shelf, visitor

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

    from ..analysis.checkpoint import Anatomy, Inversion
    from ..analysis.curve import TrainingCurve
    from ..analysis.evaluate import Evaluation
    from ..analysis.verify import Verification
    from ..checkpoint import Checkpoint, CheckpointError
    from .frame import Page

#: Uploaded archives of images that the server remembers, and how large one may be.
ARCHIVES, MAX_ARCHIVE_MB = 4, 64
#: Bytes of images that one may unpack to: visitors share the server's memory.
MAX_UNPACKED = 128 * 2**20
#: Numbers (bytes of images) that a page scores at most: 1,000 images of 3×32×32.
MAX_SCORED = 3_072_000
OWN_IMAGES = "Your own images, an .npz of uint8 (N, H, W, C); it stays on this machine."


# ---------------------------------------------------------------------- what is in the file


def anatomy(page: Page) -> Anatomy:
    """Return what the page's flow is made of.

    Raises:
        NonFiniteError: with one sentence.

    """
    return _anatomy(page.checkpoint)


@st.cache_resource(max_entries=16, hash_funcs=loaders.HASHES, show_spinner=False)
def _anatomy(checkpoint: Checkpoint) -> Anatomy:
    from ..analysis import checkpoint as anatomy

    return anatomy.anatomy(checkpoint.flow)


def verification(page: Page) -> Verification:
    """Return whether the flow keeps its promise, level by level, seen on test images."""
    return _verification(page.checkpoint, page.images)


@st.cache_resource(max_entries=16, hash_funcs=loaders.HASHES, show_spinner="Checking every level …")
def _verification(checkpoint: Checkpoint, images: loaders.Images) -> Verification:
    from ..analysis.verify import verify

    return verify(checkpoint, images.test, images.name)


def inversion(page: Page) -> Inversion:
    """Return how well the flow inverts on test images.

    Raises:
        NonFiniteError: with one sentence.

    """
    return _inversion(page.checkpoint, page.images)


@st.cache_resource(max_entries=16, hash_funcs=loaders.HASHES, show_spinner="Going there and back …")
def _inversion(checkpoint: Checkpoint, images: loaders.Images) -> Inversion:
    from ..analysis import checkpoint as anatomy

    return anatomy.inversion(checkpoint.flow, images.test)


def readable(page: Page) -> list[dict[str, str]]:
    """Return inversion and conditioning of every level as a page has room for them."""
    from ..analysis import checkpoint as anatomy

    return anatomy.cells(_anatomy(page.checkpoint), inversion(page))


def tables(page: Page) -> dict[str, list[dict[str, Any]]]:
    """Return levels, parts and steps with all figures."""
    from ..analysis import checkpoint as anatomy

    made, seen = _anatomy(page.checkpoint), inversion(page)
    return {
        "levels": anatomy.level_table(made, seen),
        "parts": made.part_table(),
        "steps": anatomy.step_table(made, seen),
    }


def curve(page: Page) -> TrainingCurve | None:
    """Return the curve of the checkpoint's training, or None where there is no record."""
    from ..analysis.record import record_folder

    lines = record_folder(page.file.path) / "metrics.jsonl"
    return _curve(page.file.path, lines.stat().st_mtime_ns) if lines.is_file() else None


@st.cache_resource(max_entries=16, show_spinner=False)
def _curve(path: Path, time: int) -> TrainingCurve | None:
    del time  # a record that goes on is a new key
    from ..analysis.curve import load_curve

    return load_curve(path)


def origin(checkpoint: Checkpoint) -> str:
    """Return where the file says that it comes from, in a sentence; nothing where it says nothing."""
    info = checkpoint.info
    if info.imported:
        kind, file, assumed = (str(info.imported.get(key, "")) for key in ("kind", "file", "assumed"))
        return plain(f"Imported from {file}, a checkpoint of {kind}. {f'Assumed: {assumed}' if assumed else ''}", 600)
    on = f" on {info.data}" if info.data else ""
    return f"The file says: trained for {info.step:,} steps{on}, seed {info.seed}." if info.step else ""


def said_of_itself(checkpoint: Checkpoint) -> list[dict[str, str]]:
    """Return what the file says beside its weights, one row a field."""
    from ..analysis.inspect import file_table

    return file_table(checkpoint)


def refused(error: CheckpointError) -> list[dict[str, str]]:
    """Return why a file was refused, as a row."""
    return [{"field": error.field, "expected": error.expected, "found": error.found}]


# ---------------------------------------------------------------------- bits/dim


def scored_images(checkpoint: Checkpoint) -> int:
    """Return how many test images are scored at most: a page does not wait for a large set."""
    return max(1, MAX_SCORED // checkpoint.flow.config.dimensions)


def score(page: Page) -> Evaluation:
    """Return bits/dim on the page's data set.

    Raises:
        NonFiniteError: with one sentence.

    """
    return _score(page.checkpoint, page.images)


@st.cache_resource(max_entries=16, hash_funcs=loaders.HASHES, show_spinner="Scoring test images …")
def _score(checkpoint: Checkpoint, images: loaders.Images) -> Evaluation:
    import numpy as np

    from ..analysis.evaluate import evaluate

    sources = weight_loaders.sources(images)
    train, test = (part.permute(0, 2, 3, 1).numpy() for part in (images.reference, images.test))
    whole = data.ImageData(
        images.name,
        train,
        test,
        test_source=None if sources is None else np.array(sources),
        factors={} if images.grain is None else {"grain": data.Factor(np.empty(0), images.grain)},
    )
    return evaluate(checkpoint.flow, whole, scored_images(checkpoint))


def score_in_words(page: Page, found: Evaluation) -> str:
    """Return bits/dim in words, beside what the file says where it speaks of the same data set."""
    from ..analysis.checkpoint import score_in_words

    info = page.checkpoint.info
    comparable = found.data == info.data and not info.recipe.get("validation")
    return score_in_words(found, info.metrics.get("test_bits_per_dim") if comparable else None)


@dataclass(frozen=True)
class Archive:
    """Images that were uploaded.

    Attributes:
        key: a hash of their file.
        name: the file's, for the visitor's eyes.
        content: of the file.

    """

    key: str
    name: str
    content: bytes


@st.cache_resource(show_spinner=False)
def _archives() -> Shelf[Archive]:
    return Shelf("archives", ARCHIVES)


def remember_archive(content: bytes, name: str) -> str:
    """Keep an uploaded archive of images in memory; return its hash.

    Raises:
        DataError: it cannot be read as images.

    """
    data.images.check_parts(data.npz.read_npz(content, name, MAX_UNPACKED))
    key = hashlib.sha256(content).hexdigest()[:12]
    _archives().keep(key, Archive(key, name, content), visitor())
    return key


def own_images() -> Archive | None:
    """Draw the door for one's own images; return those that are to be scored, whose key is in the URL as ``own``."""
    own = st.query_params.get("own")
    # Once: other visitors' images may push these out meanwhile.
    if own is not None:
        _archives().hold(own, visitor())
    found = None if own is None else _archives().get(own)
    if sentence := st.session_state.pop("_refused_own", None):
        st.error(plain(sentence))
    if own is not None and found is None:
        st.error(gone.images(own))
        st.button("Back to the data set", on_click=_drop_archive)
        door("upload-own", OWN_IMAGES, ["npz"], MAX_ARCHIVE_MB, _take_archive)
        st.stop()
    if found is not None:
        st.button("Back to the data set", on_click=_drop_archive, width="stretch")
        return found
    door("upload-own", OWN_IMAGES, ["npz"], MAX_ARCHIVE_MB, _take_archive)
    return None


def own_score(page: Page, own: Archive) -> Evaluation:
    """Return bits/dim on one's own images.

    Raises:
        DataError: they do not fit the flow.
        NonFiniteError: with one sentence.

    """
    return _own_score(page.checkpoint, own)


@st.cache_resource(
    max_entries=16,
    hash_funcs={**loaders.HASHES, "eiwflow.ui.checkpoint_loaders.Archive": lambda own: (own.key, own.name)},
    show_spinner="Scoring your images …",
)
def _own_score(checkpoint: Checkpoint, own: Archive) -> Evaluation:
    from ..analysis.evaluate import evaluate

    images = data.images.check_parts(data.npz.read_npz(own.content, own.name, MAX_UNPACKED))
    fitted = data.images.pad_to_multiple(images, 2**checkpoint.flow.config.levels)
    return evaluate(checkpoint.flow, fitted, scored_images(checkpoint))


def _safe_name(name: str) -> str:
    """Return an uploaded file's name without what Markdown could take for more than a name: it stands in sentences."""
    return re.sub(r"[^\w .-]", "_", name)[:60]


def _take_archive(upload: UploadedFile | None) -> None:
    if upload is None:
        return
    empty("upload-own")
    try:
        st.query_params["own"] = remember_archive(upload.getvalue(), _safe_name(upload.name))
    except data.DataError as error:
        st.session_state["_refused_own"] = str(error)


def _drop_archive() -> None:
    st.query_params.pop("own", None)
