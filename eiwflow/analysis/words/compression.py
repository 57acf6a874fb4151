"""The sentences about an archive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .numbers import counted, percent

if TYPE_CHECKING:
    from ..compression import Compressed


def takeaway(result: Compressed) -> str:
    """Return the sentence on bytes of the flow and of WebP."""
    what = counted(result.summary.pictures, "test image")
    if result.size is not None:
        height, width = result.size
        what = f"The photo, {width}×{height} pixels,"
    verb = "takes" if result.summary.pictures == 1 else "take"
    return f"{what} {verb} {result.summary.bytes:,} bytes; lossless WebP takes {result.others['webp']:,}."


def scope(result: Compressed, data: str) -> str:
    """Return the sentence on the test images in this archive, and on those that the command takes."""
    part = counted(result.summary.pictures, "test image")
    return (
        f"The page compresses {part} in the size that the flow takes. The command compresses all test images of {data} "
        "in their own size, so its figures differ."
    )


def account(result: Compressed) -> str:
    """Return −log₂ p under the flow in bytes, and the causes of the rest."""
    summary = result.summary
    over = summary.bytes / summary.stated_bytes - 1
    differs = f"{percent(over)} more:" if over >= 0 else f"{percent(-over)} fewer, including"
    return (
        f"The flow states {summary.stated_bytes:,.0f} bytes. The archive has {differs} "
        f"{summary.start_bytes:,} bytes that the first tile starts from, names, and rounding. "
        f"PNG takes {result.others['png']:,} bytes. Every pixel was compared after decoding."
    )
