"""The glossary: every entry is complete, and texts of a page can be annotated with it."""

import re
from html.parser import HTMLParser

import pytest

from eiwflow.ui.common import glossary, texts

NAMES = [term.name for term in glossary.terms()]


@pytest.mark.parametrize("term", glossary.terms(), ids=NAMES)
def test_a_definition_is_one_sentence_with_a_reference(term):
    assert term.definition.endswith(".") and len(re.findall(r"[.!?](?:\s|$)", term.definition)) == 1
    assert len(term.definition.split()) <= 35
    assert re.search(r", \d{4}$", term.reference) or re.search(r"\b(19|20)\d\d$", term.reference)


def test_every_entry_is_read_and_no_form_stands_twice():
    assert len(NAMES) == len(re.findall(r"^\*\*", texts.text("glossary"), re.MULTILINE))
    forms = [form.casefold() for term in glossary.terms() for form in (term.name, *term.also)]
    assert len(forms) == len({*forms})


def test_the_first_use_is_marked_the_longest_term_wins_and_words_are_whole():
    html = glossary.annotate(
        "Each level has a prior. The next level is of a multi-scale flow, a reflow, photos32-shuffle."
    )
    assert re.findall(r'tabindex="0"[^>]*>([^<]+)', html) == ["level", "prior", "multi-scale flow"]


class Elements(HTMLParser):
    def __init__(self):
        super().__init__()
        self.attributes, self.text = [], ""

    def handle_starttag(self, tag, attrs):
        self.attributes.append(dict(attrs))

    def handle_data(self, data):
        self.text += data


def test_every_term_can_be_focused_and_is_described_by_its_definition():
    elements = Elements()
    elements.feed(glossary.annotate(", ".join(NAMES)))
    triggers = [one for one in elements.attributes if one.get("class") == "eiw-term"]
    tooltips = [one for one in elements.attributes if one.get("role") == "tooltip"]
    assert [one["aria-describedby"] for one in triggers] == [one["id"] for one in tooltips]
    assert len({one["id"] for one in tooltips}) == len(triggers) == len(NAMES)
    assert all(one["tabindex"] == "0" for one in triggers)


def test_foreign_text_stays_escaped():
    assert "<img" not in glossary.annotate("<img src=x> level")
