"""Untrusted text: a parameter of the URL, the name of a run or a file, a file's metadata."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence

from streamlit.delta_generator import DeltaGenerator

from ...files import printable

#: Most complaints about unreadable files on a page.
MOST_COMPLAINTS = 5

#: An invisible separator: Streamlit makes links, emoji and icons of plain text, escaped or not.
_JOINER = "\u2060"
#: Letters without a shape that are not of the categories of spaces and controls.
_SHAPELESS = re.compile(r"[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\ufe00-\ufe0f\U000e0100-\U000e01ef]")
#: The last letters of a key that can follow a name in brackets.
_MARK = re.compile(r"[A-Za-z0-9._-]{1,6}")
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

    Names that look alike, and names that end like the label of another key, are followed by the last letters of their
    key, ``X (825a8d)``, or by a hash of it if several keys end alike. Labels that are distinct already stay.

    Arguments:
        names: key -> untrusted name.

    """
    ends = Counter(key[-6:] for key in names)
    marks = {key: key[-6:] if ends[key[-6:]] == 1 and _MARK.fullmatch(key[-6:]) else _hash(key) for key in names}
    looks = {key: _look(name) for key, name in names.items()}
    count = Counter(looks.values())
    owners = {f"{mark})": key for key, mark in marks.items()}

    def is_taken(key: str) -> bool:
        return count[looks[key]] > 1 or owners.get(looks[key].rpartition("(")[2], key) != key

    return {key: f"{name} ({marks[key]})" if is_taken(key) else name for key, name in names.items()}


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()[:12]


def _look(text: str) -> str:
    """Return a text without what nobody sees: spaces, shapeless letters, and other forms of a letter."""
    letters = _SHAPELESS.sub("", unicodedata.normalize("NFKC", text))
    return "".join(letter for letter in letters if unicodedata.category(letter)[0] not in "CZ")


def complaints(place: DeltaGenerator, sentences: Sequence[str]) -> None:
    """Show complaints about unreadable files; the rest of the page is drawn."""
    more = [f"… and {len(sentences) - MOST_COMPLAINTS} more."] if len(sentences) > MOST_COMPLAINTS else []
    for sentence in [*sentences[:MOST_COMPLAINTS], *more]:
        place.caption(plain(sentence))
