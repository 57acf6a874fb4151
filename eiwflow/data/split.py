"""The parts of a set: a tenth that is the same on every machine, and images that two parts share."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

import numpy as np

TENTH = 2**256 // 10


def tenth_by_number(count: int, most: int = 10_000, salt: int = 0) -> np.ndarray:
    """Choose a tenth of N images by their numbers, or about ``most`` of a larger set: (N,) bool.

    The choice of an image depends on its number and the salt alone.
    """
    lots = np.random.default_rng(salt).random(count)
    return lots <= max(min(0.1, most / max(count, 1)), lots.min(initial=1.0))


def tenth_by_hash(keys: Iterable[bytes], most: int | None = None) -> np.ndarray:
    """Choose a tenth of the keys by their SHA-256, or about ``most`` of a larger set: (N,) bool.

    The choice of a key depends on the key alone: equal keys go the same way, and a set that grows keeps its split. If
    it grows beyond ``most``, some keys are no longer chosen, but none is that was not before. If no key is chosen, as
    in a very small set, the key of the lowest hash is taken.
    """
    hashes = [int.from_bytes(sha256(key).digest(), "big") for key in keys]
    share = TENTH if most is None else min(TENTH, 2**256 * most // max(len(hashes), 1))
    bound = max(share, min(hashes, default=0))
    return np.array([value <= bound for value in hashes], dtype=bool)


def without_parts(test: int, count: int, what: str, by: str = "a hash") -> str:
    """Return how many of ``count`` images are the test part of a set without parts of its own, in words."""
    return f"no parts of its own, so the test part is {test:,} of the {count:,} {what}, chosen by {by}"


def shared(train: np.ndarray, test: np.ndarray) -> str:
    """Return how many test images (M, …) are also in the train part (N, …), in words; empty for 0."""
    # 64 bits with a key of this process: a collision among a million images is very unlikely.
    in_train = {hash(image.tobytes()) for image in train}
    count = sum(hash(image.tobytes()) in in_train for image in test)
    are = "is" if count == 1 else "are"
    return f"{count:,} of the {len(test):,} test images {are} also in the train part" if count else ""
