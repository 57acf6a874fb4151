"""The glossary ``assets/texts/glossary.md``: its terms are explained where a text first uses them."""

from __future__ import annotations

import re
from functools import cache
from html import escape
from typing import NamedTuple

from .texts import text

#: One entry: **term** (also other, forms): One sentence. [Reference](https://…)
_ENTRY = re.compile(r"^\*\*([^*]+)\*\*(?: \(also ([^)]+)\))?: (.+) \[([^\]]+)\]\(https://\S+\)$", re.MULTILINE)


class Term(NamedTuple):
    """A term: its name, other forms of it in texts, its definition in one sentence, and a reference."""

    name: str
    also: list[str]
    definition: str
    reference: str


@cache
def terms() -> list[Term]:
    """Return all terms, in the order of the glossary."""
    entries = _ENTRY.findall(text("glossary"))
    return [Term(name, also.split(", ") if also else [], *rest) for name, also, *rest in entries]


@cache
def _forms() -> dict[str, Term]:
    return {form.casefold(): term for term in terms() for form in (term.name, *term.also)}


@cache
def _pattern() -> re.Pattern[str]:
    """Return a pattern of all forms, longest first, as whole words; ``photos32-shuffle`` holds no term."""
    longest_first = map(re.escape, sorted(_forms(), key=len, reverse=True))
    return re.compile(rf"(?<![\w-])({'|'.join(longest_first)})(?![\w-])", re.IGNORECASE)


def annotate(sentence: str) -> str:
    """Return a text as HTML, in which the first use of every term has its definition on hover and on focus.

    Definitions are styled by ``.eiw-term`` and ``.eiw-definition`` in ``assets/style/page.css``.
    """
    explained: set[str] = set()

    def mark(use: str) -> str:
        term = _forms()[use.casefold()]
        if term.name in explained:
            return escape(use)
        explained.add(term.name)
        identity = "eiw-term-" + re.sub(r"[^a-z0-9]+", "-", term.name.casefold()).strip("-")
        return (
            f'<span class="eiw-term" tabindex="0" aria-describedby="{identity}">{escape(use)}'
            f'<span class="eiw-definition" role="tooltip" id="{identity}">{escape(term.definition)}</span></span>'
        )

    # Uses of terms alternate with the text between them.
    parts = _pattern().split(sentence)
    return "".join(mark(part) if place % 2 else escape(part) for place, part in enumerate(parts))
