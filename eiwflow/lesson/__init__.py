"""The guided lesson: the data that its stage in the browser draws, the bundled stage, and the lesson as one file."""

from __future__ import annotations

from . import bundle


def one_file(pack: bytes) -> bytes:
    """Return the lesson of a pack as one HTML page that needs neither a server nor a network."""
    return bundle.page(pack).encode()
