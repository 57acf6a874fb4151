"""What a reader sees uses the field's words: retired words stay out of documents, pages and the app's sentences."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

#: What used to "leave" or "stay" at a split; a file may stay where it is.
PART = r"(?:what|half|halves|channels?|portions?|numbers)(?: that| which)?"
#: retired word -> what to write instead.
RETIRED = {
    r"drawn anew": "resampled",
    r"in force": "the order used",
    r"weighed": "weighted",
    r"deals?|dealt": "channel partition",
    r"(?:tell|tells|told) of each other": "mutual information",
    r"without the levels": "Gaussian baseline",
    r"witness(?:es)?": "n = 8 seeds",
    r"the null": "A/A control",
    r"hall": "lecture, class",
    r"doors?": "uploader, entry point",
    r"nast(?:y|ies)": "regression input",
    r"(?:the|of the|its) team": "process group",
    r"way back": "round-trip error",
    r"what it bought": "result",
    rf"{PART} (?:leaves?|left)|sent out": "factored out",
    rf"{PART} (?:stays?|goes? on|that stay)": "passed on",
    r"redundancy J|\bJ\b": "spectral redundancy",
    r"Words": "Glossary",
    r"Mind": "Caveat",
}
#: Words that mean something else when they begin a sentence, or in another case.
CASED = {"redundancy J|\\bJ\\b", "Words", "Mind"}


def files():
    """Every file that holds text for readers."""
    documents = [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("assets/**/*.md")]
    documents = [path for path in documents if path.parent.name != "data"]
    sources = [ROOT / "app.py", *ROOT.glob("pages/*.py")]
    for package in ("ui", "figures", "lesson", "analysis/words"):
        sources += (ROOT / "eiwflow" / package).rglob("*.py")
    return sorted(documents) + sorted(sources)


def prose(path):
    """Return what a reader reads: markdown without code, or the strings of a program that are sentences."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        text = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
        text = re.sub(r"\]\([^)]*\)|<[^>]+>", "", text)
        return re.sub(r"`[^`\n]*`|\$[^$]*\$", "", text)
    tree = ast.parse(text)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    strings = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
    ]
    sentences = [re.sub(r"`[^`\n]*`|<[^>]+>", "", one) for one in strings if " " in one.strip() or one in CASED]
    return "\n".join(sentences)


def retired(text):
    """Return the retired words in a text, each with what to write instead."""
    found = {}
    for pattern, instead in RETIRED.items():
        flags = 0 if pattern in CASED else re.IGNORECASE
        for match in re.finditer(rf"(?<![\w/.#-])(?:{pattern})(?![\w-])", text, flags):
            found[match[0]] = instead
    return found


NAMES = [path.relative_to(ROOT).as_posix() for path in files()]


@pytest.mark.parametrize("name", NAMES)
def test_retired_words_stay_out(name):
    assert not retired(prose(ROOT / name))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The half that leaves is drawn anew.", {"half that leaves", "drawn anew"}),
        ("A hall sees redundancy J.", {"hall", "redundancy J"}),
        ("Half is factored out and resampled; a shallow model. Mine is J-shaped.", set()),
        ("Call photos32-large-dealt, see dealt.py.", set()),
    ],
)
def test_the_search_finds_retired_words_and_nothing_else(text, found):
    assert set(retired(text)) - {"dealt"} == found
