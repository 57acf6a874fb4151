"""The lesson's data pack: ``[u32 length][JSON][blobs]``. Writing and opening one needs no torch."""

from __future__ import annotations

import json
from typing import Any

import numpy as np


class Pack:
    """A pack under construction: JSON values, and arrays and bytes that the JSON refers to.

    Example:
        >>> pack = Pack()
        >>> pack.head["average"] = pack.floats(np.zeros((2, 3)))
        >>> head, blobs = opened(pack.to_bytes())
        >>> head["average"], len(blobs)
        ({'at': 0, 'shape': [2, 3]}, 24)

    """

    def __init__(self) -> None:
        self.head: dict[str, Any] = {}
        self._blobs = bytearray()

    def floats(self, values: np.ndarray) -> dict[str, Any]:
        """Add an array as float32; return the reference that stands for it in the JSON."""
        at = len(self._blobs)
        self._blobs += np.ascontiguousarray(values, dtype="<f4").tobytes()
        return {"at": at, "shape": list(values.shape)}

    def data(self, content: bytes) -> dict[str, Any]:
        """Add bytes; return the reference that stands for them in the JSON."""
        at = len(self._blobs)
        self._blobs += content + bytes(-len(content) % 4)
        return {"at": at, "size": len(content)}

    def to_bytes(self) -> bytes:
        """Return the bytes of the pack."""
        return assemble(self.head, bytes(self._blobs))


def assemble(head: dict[str, Any], blobs: bytes) -> bytes:
    """Return a pack of these parts; the JSON is padded so that every float32 is aligned."""
    text = json.dumps(head, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    return len(text).to_bytes(4, "little") + text + blobs


def opened(pack: bytes) -> tuple[dict[str, Any], bytes]:
    """Return (JSON, blobs) of a pack."""
    length = int.from_bytes(pack[:4], "little")
    head: dict[str, Any] = json.loads(pack[4 : 4 + length])
    return head, pack[4 + length :]
