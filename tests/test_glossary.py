"""The glossary: every entry is complete, and texts of a page can be annotated with it."""

import re
from html import escape
from html.parser import HTMLParser

import pytest

from eiwflow.ui.common import glossary


@pytest.mark.parametrize("term", glossary.terms().values(), ids=glossary.terms())
def test_a_definition_is_one_sentence_with_a_reference(term):
    assert term.definition.endswith(".") and len(re.findall(r"[.!?](?:\s|$)", term.definition)) == 1
    assert len(term.definition.split()) <= 35
    assert re.search(r", \d{4}$", term.reference) or re.search(r"\b(19|20)\d\d$", term.reference)


def test_only_the_first_use_on_a_page_is_marked():
    seen = set()
    first = glossary.annotate("Each level has a prior. The next level has another.", seen)
    assert first.count('class="eiw-term"') == 2 and seen == {"level", "prior"}
    assert glossary.annotate("A level again.", seen) == "A level again."


def test_the_longest_term_wins_and_words_are_whole():
    html = glossary.annotate("A multi-scale flow, a reflow and photos32-shuffle.")
    assert re.findall(r'tabindex="0"[^>]*>([^<]+)', html) == ["multi-scale flow"]


def test_markup_links_and_code_stay():
    html = '<p title="a level">A <a href="/level">level</a> of <code>a flow</code>, an <b>AUROC</b>.</p>'
    marked = glossary.annotate(html)
    assert marked.startswith('<p title="a level">A <a href="/level">level</a> of <code>a flow</code>, an <b><span')
    assert marked.count("eiw-term") == 3  # the class, the description it points to, and that one's id


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
    elements.feed(glossary.annotate(escape(", ".join(glossary.terms()))))
    triggers = [one for one in elements.attributes if one.get("class") == "eiw-term"]
    tooltips = [one for one in elements.attributes if one.get("role") == "tooltip"]
    assert [one["aria-describedby"] for one in triggers] == [one["id"] for one in tooltips]
    assert len({one["id"] for one in tooltips}) == len(triggers) == len(glossary.terms())
    assert all(one["tabindex"] == "0" for one in triggers)


def test_foreign_text_stays_escaped():
    assert "<img" not in glossary.annotate(escape("<img src=x> level"))
