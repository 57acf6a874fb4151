"""The guided lesson: the data that its stage in the browser draws, the bundled stage, and the lesson as one file."""

from __future__ import annotations

from . import bundle

__all__ = ["MAX_BYTES", "one_file"]

#: A lesson as one file is no larger.
MAX_BYTES = 5_000_000


def one_file(pack: bytes) -> bytes:
    """Return the lesson of a pack as one HTML page that needs neither a server nor a network.

    Raises:
        ValueError: it would be larger than :data:`MAX_BYTES`.

    """
    page = bundle.page(pack).encode()
    if len(page) > MAX_BYTES:
        raise ValueError(f"The lesson of this flow takes {len(page):,} bytes; at most {MAX_BYTES:,} are allowed.")
    return page
