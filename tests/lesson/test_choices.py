"""What the last scene says that a visitor, or a class, chose on the way."""

from __future__ import annotations

import json
import subprocess

import pytest

from eiwflow.lesson.bundle import ASSETS

from .test_flow_js import NODE, needs_node

SCENES = [
    {"number": 5, "short": "Throw half away"},
    {"number": 8, "short": "Weights", "votes": [["more", "it listens more"], ["less", "it listens less"]]},
    {"number": 13, "short": "The ladder", "votes": [["start", "principal start"], ["half", "half by variance"]]},
]
#: What came of a scene's vote.
OUTCOMES = {8: "it listened more"}


def named(kept: dict[int, str], results: dict[int, str], tallies: dict[int, dict[str, int]]) -> str:
    """Return the sentence of the last scene."""
    stage = json.dumps({"possible": SCENES, "kept": kept, "results": results, "tallies": tallies})
    given = f"{stage}, {json.dumps(OUTCOMES)}"
    script = f'import {{ choicesNamed }} from "{(ASSETS / "choices.js").as_uri()}"; console.log(choicesNamed({given}))'
    command = [NODE or "node", "--input-type=module", "--eval", script]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.strip()


@needs_node
@pytest.mark.parametrize(
    ("kept", "results", "tallies", "said"),
    [
        ({}, {}, {}, ""),
        ({8: "less"}, {}, {}, "Weights: you said it listens less; it listened more."),
        ({13: "unknown"}, {}, {}, ""),
        ({13: "half.letters32"}, {13: "principal start"}, {}, "The ladder: you said half by variance."),
        (
            {5: "m3f", 8: "more"},
            {5: "yours 3rd"},
            {},
            "Throw half away: yours 3rd. Weights: you said it listens more; it listened more.",
        ),
        # In front of a class its favourite is named, not what the lecturer pressed.
        (
            {8: "more"},
            {},
            {8: {"less": 3, "more": 2}},
            "Weights: the class said it listens less (3 of 5); it listened more.",
        ),
        ({}, {}, {8: {}, 13: {"half": 1}}, "The ladder: the class said half by variance (1 of 1)."),
        # Votes for what is no option any more do not count.
        ({}, {}, {8: {"same": 9, "more": 1}}, "Weights: the class said it listens more (1 of 1); it listened more."),
    ],
)
def test_choices_and_favourites_are_named(
    kept: dict[int, str], results: dict[int, str], tallies: dict[int, dict[str, int]], said: str
) -> None:
    assert named(kept, results, tallies) == said
