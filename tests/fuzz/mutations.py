"""How a sound file becomes a bad one: in its bytes, in its JSON, and in the tensors of a checkpoint."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

Change = Callable[[bytes], bytes]
DEEP = 100_000


# ---------------------------------------------------------------------- bytes


def flipped(content: bytes, place: float, bit: int) -> bytes:
    """Return the content with one bit turned, at a share of its length."""
    if not content:
        return content
    at = min(int(place * len(content)), len(content) - 1)
    return content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]


def cut(content: bytes, place: float) -> bytes:
    """Return the beginning of the content."""
    return content[: int(place * len(content))]


def without_piece(content: bytes, place: float, length: int) -> bytes:
    """Return the content with some bytes left out."""
    at = int(place * len(content))
    return content[:at] + content[at + length :]


def with_piece(content: bytes, place: float, piece: bytes) -> bytes:
    """Return the content with some bytes put in."""
    at = int(place * len(content))
    return content[:at] + piece + content[at:]


def over(content: bytes, place: float, piece: bytes) -> bytes:
    """Return the content with some bytes written over: lengths and offsets of every kind are among them."""
    at = int(place * len(content))
    return content[:at] + piece + content[at + len(piece) :]


def twice(content: bytes, place: float, length: int) -> bytes:
    """Return the content with a piece repeated."""
    at = int(place * len(content))
    return content[: at + length] + content[at:]


#: Where lengths and names stand is tried more often than the middle of the numbers.
places = st.one_of(st.floats(0, 1), st.floats(0, 0.02), st.floats(0.98, 1), st.sampled_from([0.0, 1.0]))
lengths = st.integers(1, 64)
pieces = st.one_of(
    st.binary(min_size=1, max_size=16),
    st.sampled_from(
        [b"\xff" * 8, b"\x00" * 8, b"\x7f" + b"\xff" * 7, b"\xff\xff\xff\x7f", b"9" * 20, b"[" * 64, b"\x80"]
    ),
)
byte_changes = st.lists(
    st.one_of(
        st.tuples(st.just(flipped), places, st.integers(0, 7)),
        st.tuples(st.just(cut), places),
        st.tuples(st.just(without_piece), places, lengths),
        st.tuples(st.just(with_piece), places, pieces),
        st.tuples(st.just(over), places, pieces),
        st.tuples(st.just(twice), places, lengths),
    ),
    min_size=1,
    max_size=4,
)


def changed(content: bytes, changes: list[tuple[Any, ...]]) -> bytes:
    """Return the content after byte changes."""
    for change, *arguments in changes:
        content = change(content, *arguments)
    return content


# ---------------------------------------------------------------------- JSON


class Raw(str):
    """Text that stands in JSON as it is: what ``json.dumps`` cannot write."""


def nested(depth: int, left: str = "[", right: str = "]") -> Raw:
    """Return lists in lists."""
    return Raw(left * depth + right * depth)


#: What nobody would write where something else stands.
nasty_values = st.one_of(
    st.sampled_from(
        [
            None, True, False, 0, 1, -1, 2**31, 2**63, 2**64, -(2**63), 10**400, 0.5, -0.0, 1e308, -1e308, math.nan,
            math.inf, -math.inf, "", "\0", "../../etc/passwd", "/etc/passwd", "x" * 5000, "\ud800", "\u202e", "é" * 100,
            [], {}, [[]], [{}], [None], {"": None}, [0] * 1000, {"a": {"b": {}}}, Raw("1" * 5000), Raw("1e99999"),
            nested(DEEP), nested(200), Raw('{"a":' * 5000 + "1" + "}" * 5000), "<script>alert(1)</script>",
        ]
    ),
    st.integers(-(10**20), 10**20),
    st.floats(),
    st.text(max_size=20),
    st.lists(st.integers(-5, 300), max_size=5),
)  # fmt: skip
json_changes = st.lists(
    st.tuples(st.sampled_from(["set", "set", "set", "delete", "add", "rename"]), st.floats(0, 1), nasty_values),
    min_size=1,
    max_size=3,
)


def with_changes(document: Any, changes: list[tuple[str, float, Any]]) -> str:
    """Return the text of a JSON document after changes at places that shares of all its places name."""
    document = copy.deepcopy(document)
    for kind, place, shared in changes:
        value = copy.deepcopy(shared)  # a later change may be inside of it: then it would hold itself one day
        spots = list(_spots(document))
        if not spots:
            return dumped(value)
        parent, key = spots[min(int(place * len(spots)), len(spots) - 1)]
        if kind == "delete":
            del parent[key]
        elif kind == "add" and isinstance(parent, dict):
            parent[f"{key} more"] = value
        elif kind == "rename" and isinstance(parent, dict):
            parent[str(value)[:60]] = parent.pop(key)
        else:
            parent[key] = value
    return dumped(document)


def _spots(value: Any) -> Any:
    """Yield (parent, key) of every place, the upper ones first."""
    level = [value]
    while level:
        below = []
        for parent in level:
            keys = list(parent) if isinstance(parent, dict) else range(min(len(parent), 20))
            for key in keys:
                yield parent, key
                if isinstance(parent[key], (dict, list)):
                    below.append(parent[key])
        level = below


def dumped(document: Any) -> str:
    """Return JSON, and what is no JSON where a value asks for it."""
    raw: list[str] = []

    def marked(value: Any) -> Any:
        if isinstance(value, Raw):
            raw.append(value)
            return f"@raw {len(raw) - 1}@"
        if isinstance(value, dict):
            return {key: marked(held) for key, held in value.items()}
        return [marked(held) for held in value] if isinstance(value, list) else value

    text = json.dumps(marked(document))
    for number, value in enumerate(raw):
        text = text.replace(f'"@raw {number}@"', value)
    return text
