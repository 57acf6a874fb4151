"""Untrusted text: a parameter of the URL, the name of a run or a file, a file's metadata."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from streamlit.delta_generator import DeltaGenerator

from ...files import printable

#: Most complaints about unreadable files on a page.
MOST_COMPLAINTS = 5

#: An invisible separator: Streamlit makes links, emoji and icons of plain text, escaped or not.
_JOINER = "\u2060"
_SYNTAX = re.compile(r"([\\`*_\[\]<$~&])")
_BLOCK = re.compile(r"^([#>+=-])|^(\d+)(?=[.)])")
_MADE_OF_TEXT = re.compile(r"(:)(?=[\w/+-])|((?<![\w])www)(?=\.)|(@)(?=\w)", re.IGNORECASE)


def plain(text: object, most: int = 2000) -> str:
    """Escape an untrusted text so that Streamlit's Markdown shows it literally: no link, picture, HTML or formula.

    Arguments:
        text: of any kind.
        most: characters to keep.

    """
    apart = _MADE_OF_TEXT.sub(lambda match: match[0] + _JOINER, printable(" ".join(str(text).split()), most))
    inline = _SYNTAX.sub(r"\\\1", apart)
    return _BLOCK.sub(lambda match: f"\\{match[1]}" if match[1] else f"{match[2]}{_JOINER}", inline)


def distinct(names: Mapping[str, str]) -> dict[str, str]:
    """Return a label for each key, no two alike: Streamlit finds an option by its label.

    Equal names are followed by the last letters of their keys, ``X (825a8d)``, or by the whole key.

    Arguments:
        names: key -> untrusted name.

    """
    count, labels = Counter(names.values()), dict[str, str]()
    for key, name in names.items():
        ways = [*([] if count[name] > 1 else [name]), f"{name} ({key[-6:]})", f"{name} ({key})"]
        taken = {*labels.values(), *(names.values() if count[name] > 1 else ())}
        labels[key] = next((label for label in ways if label not in taken), f"{name} ({len(labels)}: {key})")
    return labels


def complaints(place: DeltaGenerator, sentences: Sequence[str]) -> None:
    """Show complaints about unreadable files; the rest of the page is drawn."""
    more = [f"… and {len(sentences) - MOST_COMPLAINTS} more."] if len(sentences) > MOST_COMPLAINTS else []
    for sentence in [*sentences[:MOST_COMPLAINTS], *more]:
        place.caption(plain(sentence))
