"""The pages, in the order of the story."""

from __future__ import annotations

from typing import NamedTuple

from ...server_settings import settings


class Entry(NamedTuple):
    """A page: its group in the side bar, its file, its name there."""

    group: str
    path: str
    label: str


#: Below the app's own address: a run as one ZIP file. Streamlit's paths begin with ``_stcore``.
EXPORT = "_export"
_STORY = (
    Entry("Start", "app.py", "Home"),
    Entry("Start", "pages/0_lesson.py", "Lesson"),
    Entry("Start", "pages/12_playground.py", "Playground"),
    Entry("Start", "pages/11_class.py", "Class"),
    Entry("Learn", "pages/1_levels.py", "Levels"),
    Entry("Learn", "pages/2_latents.py", "Latents"),
    Entry("Learn", "pages/3_entropy.py", "Entropy"),
    Entry("Learn", "pages/4_shuffle.py", "Shuffle"),
    Entry("Learn", "pages/5_weights.py", "Weights"),
    Entry("Learn", "pages/6_compare.py", "Compare"),
    Entry("Look inside", "pages/10_likelihood.py", "Likelihood"),
    Entry("Look inside", "pages/8_checkpoint.py", "Checkpoint"),
    Entry("Work", "pages/9_train.py", "Train"),
)


def pages() -> list[Entry]:
    """Return the pages; the page Class only in classroom mode."""
    return [entry for entry in _STORY if entry.label != "Class" or settings().classroom]


def following(label: str) -> Entry | None:
    """Return the page after the page with this name; None behind the last."""
    listed = pages()
    here = [entry.label for entry in listed].index(label)
    return listed[here + 1] if here + 1 < len(listed) else None
