"""Choosing a tenth of a set, the same tenth on every machine."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

import numpy as np

TENTH = 2**256 // 10


def tenth_by_number(count: int, most: int = 10_000, salt: int = 0) -> np.ndarray:
    """Return which of N images fall into a tenth, or about ``most`` of a larger set: (N,) bool, without reading them.

    An image's lot depends on its number and the salt alone.
    """
    lots = np.random.default_rng(salt).random(count)
    return lots <= max(min(0.1, most / max(count, 1)), lots.min(initial=1.0))


def tenth_by_hash(keys: Iterable[bytes]) -> np.ndarray:
    """Return which keys fall into a tenth chosen by their SHA-256: (N,) bool.

    A key's lot depends on nothing but the key: equal keys go the same way, and a set that grows keeps its
    split. Only where nothing falls into the tenth, as in a very small set, the lowest hash does.
    """
    hashes = [int.from_bytes(sha256(key).digest(), "big") for key in keys]
    bound = max(TENTH, min(hashes, default=0))
    return np.array([value <= bound for value in hashes], dtype=bool)
