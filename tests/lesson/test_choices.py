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
NONE = "No choices yet; the menu leads back to the votes."


def named(kept: dict[int, str], results: dict[int, str], tallies: dict[int, dict[str, int]]) -> str:
    """Return the sentence of the last scene."""
    stage = json.dumps({"possible": SCENES, "kept": kept, "results": results, "tallies": tallies})
    script = f'import {{ choicesNamed }} from "{(ASSETS / "choices.js").as_uri()}"; console.log(choicesNamed({stage}))'
    command = [NODE or "node", "--input-type=module", "--eval", script]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.strip()


@needs_node
@pytest.mark.parametrize(
    ("kept", "results", "tallies", "said"),
    [
        ({}, {}, {}, NONE),
        ({8: "less"}, {}, {}, "You chose. Weights: it listens less."),
        ({13: "unknown"}, {}, {}, NONE),
        ({13: "half.letters32"}, {13: "principal start"}, {}, "You chose. The ladder: half by variance."),
        (
            {5: "m3f", 8: "more"},
            {5: "yours 3rd"},
            {},
            "You chose. Throw half away: yours 3rd · Weights: it listens more.",
        ),
        # In front of a class its favourite is named, not what the lecturer pressed.
        ({8: "more"}, {}, {8: {"less": 3, "more": 2}}, "You chose. Weights: it listens less (3 of 5)."),
        ({}, {}, {8: {}, 13: {"half": 1}}, "You chose. The ladder: half by variance (1 of 1)."),
        # Votes for what is no option any more do not count.
        ({}, {}, {8: {"same": 9, "more": 1}}, "You chose. Weights: it listens more (1 of 1)."),
    ],
)
def test_choices_and_favourites_are_named(
    kept: dict[int, str], results: dict[int, str], tallies: dict[int, dict[str, int]], said: str
) -> None:
    assert named(kept, results, tallies) == said
