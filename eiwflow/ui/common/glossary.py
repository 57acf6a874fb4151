"""The glossary ``assets/texts/glossary.md``: look up a term, or explain terms where a page first uses them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from html import escape, unescape

from ... import project

FILE = project.ASSETS / "texts" / "glossary.md"
#: One entry: **term** (also other, forms): One sentence. [Reference](https://…)
_ENTRY = re.compile(
    r"^\*\*(?P<name>[^*]+)\*\*(?: \(also (?P<also>[^)]+)\))?: (?P<definition>.+) "
    r"\[(?P<reference>[^\]]+)\]\((?P<url>https://\S+)\)$"
)
#: Tags, and whole elements in which no term is marked.
_MARKUP = re.compile(r"(<(a|button|code|pre|script|style|svg|h[1-6])\b.*?</\2\s*>|<[^>]*>)", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True)
class Term:
    """A term of the field.

    Attributes:
        name: the term.
        also: other forms of it that a text may use.
        definition: one sentence, without markup.
        reference: author and year.
        url: of the reference.

    """

    name: str
    also: tuple[str, ...]
    definition: str
    reference: str
    url: str


def parse(text: str) -> dict[str, Term]:
    """Return the terms of a glossary in markdown, by name, in the order of the text.

    Raises:
        ValueError: a line begins like an entry but lacks a sentence or a reference, or a term stands twice.

    """
    terms: dict[str, Term] = {}
    forms: set[str] = set()
    for line in text.splitlines():
        if not line.startswith("**"):
            continue
        entry = _ENTRY.match(line)
        if entry is None:
            raise ValueError(f"The glossary entry {line[:60]!r} is not '**term**: Sentence. [Reference](https://…)'.")
        also = tuple(form.strip() for form in entry["also"].split(",")) if entry["also"] else ()
        term = Term(entry["name"], also, entry["definition"], entry["reference"], entry["url"])
        for form in (term.name, *also):
            if form.casefold() in forms:
                raise ValueError(f"The glossary has {form!r} twice.")
            forms.add(form.casefold())
        terms[term.name] = term
    return terms


@cache
def markdown() -> str:
    """Return the whole glossary as markdown, for a popover or a page of its own."""
    return FILE.read_text(encoding="utf-8")


@cache
def terms() -> dict[str, Term]:
    """Return all terms by name."""
    return parse(markdown())


@cache
def _forms() -> dict[str, Term]:
    return {form.casefold(): term for term in terms().values() for form in (term.name, *term.also)}


def define(term: str) -> Term:
    """Return the entry of a term or of one of its other forms; upper and lower case are the same.

    Raises:
        KeyError: the glossary has no such term.

    >>> define("Coupling layer").name
    'coupling'

    """
    try:
        return _forms()[term.casefold()]
    except KeyError:
        raise KeyError(f"The glossary has no {term!r}; see {FILE.name} for its {len(terms())} terms.") from None


def annotate(html: str, seen: set[str] | None = None) -> str:
    """Mark the first use of every term in HTML, with its definition on hover and on focus.

    Definitions are styled by ``.eiw-term`` and ``.eiw-definition`` in ``assets/style/page.css``. Terms inside links,
    buttons, headings and code stay as they are.

    Args:
        html: text in which foreign strings are escaped already; for plain text, pass ``html.escape(text)``.
        seen: names of terms explained before on the page; new ones are added. Pass the same set for all texts of a
            page, since the names give the ids of definitions.

    Returns:
        The HTML with ``<span class="eiw-term">`` around first uses.

    """
    explained = set() if seen is None else seen

    def mark(match: re.Match[str]) -> str:
        term = define(unescape(match[0]))
        if term.name in explained:
            return match[0]
        explained.add(term.name)
        identity = "eiw-term-" + re.sub(r"[^a-z0-9]+", "-", term.name.casefold()).strip("-")
        return (
            f'<span class="eiw-term" tabindex="0" aria-describedby="{identity}">{match[0]}'
            f'<span class="eiw-definition" role="tooltip" id="{identity}">{escape(term.definition)}</span></span>'
        )

    # re.split returns text, markup and the markup's tag name in turn.
    parts = _MARKUP.split(html)
    return "".join(
        _pattern().sub(mark, part) if place % 3 == 0 else part
        for place, part in enumerate(parts)
        if part and place % 3 < 2
    )


@cache
def _pattern() -> re.Pattern[str]:
    """Return a pattern of all forms, longest first, as whole words; ``photos32-shuffle`` holds no term."""
    longest_first = sorted({*_forms(), *map(escape, _forms())}, key=len, reverse=True)  # an apostrophe may be escaped
    return re.compile(rf"(?<![\w&-])(?:{'|'.join(map(re.escape, longest_first))})(?![\w-])", re.IGNORECASE)
