"""Homework after the lesson: questions that open the lesson where they are asked, and answers from its pack."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import urlencode

from . import default
from .pack import opened

#: The JSON of the lesson's pack.
Head = dict[str, Any]


@dataclass(frozen=True)
class Question:
    """A question, the state of the lesson that it opens, and its answer from the pack's JSON."""

    text: str
    query: dict[str, str]
    answer: Callable[[Head], str]

    def link(self, app: str) -> str:
        """Return the address of the lesson in the question's state."""
        return f"{app}?{urlencode(self.query)}"


def _differing(head: Head) -> str:
    height, width, channels = head["shape"]
    return (
        f"None of the {height * width * channels}. Every step can be undone, and nothing is thrown away: the noise is "
        "the picture in another form."
    )


def _channels(head: Head) -> str:
    reached = ", ".join(str(4 * colour + 1) for colour in range(head["shape"][2]))
    return f"To channels {reached}: one for each colour. Its neighbours in the 2×2 patch go to other channels."


def _area(head: Head) -> str:
    del head
    return (
        "Its density is divided by 2, so a point in it costs log₂ 2 = 1 bit more. A cell of four times the area costs "
        "2 bits more; of half the area 1 bit less."
    )


def _faces(head: Head) -> str:
    each = [image["bits"] for image in head["images"]]
    size = head["shape"][0] * head["shape"][1] * head["shape"][2]
    return (
        "Bits per value, from left to right: "
        + ", ".join(f"{value:.1f}" for value in each)
        + f". The first face takes {each[0]:.2f} × {size} / 8 = {each[0] * size / 8:.0f} bytes instead of {size}."
    )


def _rank(head: Head) -> str:
    usual = head["flow"]["usual"]
    return (
        f"Over {usual['images']} pictures the flow's half has the median rank {usual['median']} of 924; a half by "
        "chance has 462. The flow chose once, for all pictures. A visitor chooses for one picture and sees the result."
    )


def _entropy(head: Head) -> str:
    level = head["flow"]["levels"][0]
    leaves, noise = level["order"][level["kept"] :], math.log2(2 * math.pi * math.e) / 2
    before, after = (
        noise - sum(max(0.0, head[when]["redundancy"][channel]) for channel in leaves) / len(leaves) / math.log(2)
        for when in ("before", "flow")
    )
    return (
        f"They have {before:.2f} bits before training, {after:.2f} after; pure noise has {noise:.2f}. The order is set "
        "once, before training; training then changes what the channels hold."
    )


def _levels(head: Head) -> str:
    told = {one["label"].lower(): one["readings"] for one in head["attributes"]}
    said = (
        f"{name}: "
        + ", ".join(f"level {level} {100 * reading:.0f}" for level, reading in enumerate(told[name], start=1))
        for name in ("glasses", "smile")
    )
    return f"Pairs of 100 told apart. {'; '.join(said).capitalize()}. Chance is 50."


def _weights(head: Head) -> str:
    weights = head["flow"]["weights"]
    return (
        "Louder channels tell a coupling that its predictions will be further off, so it stretches noise further. "
        "Swapped, the clean picture is stretched too far, and the grainy one too little. With grain this coupling's "
        f"mean weight rises in {weights['risen']} of {weights['images']} test pictures."
    )


FIRST = str(default.SHOWN[0])
QUESTIONS = (
    Question(
        "Play the scene to its end. How many values of the picture differ? Why can the picture come back exactly?",
        {"scene": "1", "image": FIRST},
        _differing,
    ),
    Question(
        "Point at the pixel in the upper left corner. To which channels do its values go, and why to three?",
        {"scene": "3", "image": FIRST, "choice": "1.1"},
        _channels,
    ),
    Question(
        "Find a cell that has twice the area it had as noise. What happens to its density, and what does that cost?",
        {"scene": "4", "image": FIRST, "choice": "1"},
        _area,
    ),
    Question(
        "Read off the bits per value of all eight faces. How many bytes would the first face need?",
        {"scene": "4", "image": FIRST, "choice": "3"},
        _faces,
    ),
    Question(
        "Throw six channels away and compare yourself with the flow. Why can you beat it, and how good is it usually?",
        {"scene": "6", "image": FIRST},
        _rank,
    ),
    Question(
        "What entropy do the channels that leave have before training, and after? Why does it change at all?",
        {"scene": "7", "image": FIRST, "choice": "before"},
        _entropy,
    ),
    Question(
        "Which level tells glasses best? Does one level tell a smile? In how many of 100 pairs?",
        {"scene": "8", "image": FIRST, "choice": "2"},
        _levels,
    ),
    Question(
        "The two pictures have swapped their weights. Why do both cost more?",
        {"scene": "9", "image": FIRST, "choice": "swapped"},
        _weights,
    ),
)


def page(app: str) -> str:
    """Return questions and answers as one HTML page.

    Args:
        app: the address of the lesson that the links lead to: of the app, or of the lesson in one file.

    """
    head, _ = opened(default.pack())
    asked = "".join(
        f"<li><p>{escape(question.text)}</p>"
        f'<p><a href="{escape(question.link(app))}">Open scene {question.query["scene"]}</a></p>'
        '<p class="lines"></p></li>\n'
        for question in QUESTIONS
    )
    answers = "".join(
        f"<li><p>{escape(question.text)}</p><p><b>{escape(question.answer(head))}</b></p></li>\n"
        for question in QUESTIONS
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<title>Homework: multi-scale flows</title>\n"
        "<style>:root { color-scheme: light dark } body { font: 18px/1.5 system-ui, sans-serif; max-width: 44em; "
        "margin: 2em auto; padding: 0 1em } li { margin: 1em 0 } .lines { height: 3em; border-bottom: 1px solid }\n"
        ".answers { break-before: page; border-top: 3px solid; margin-top: 4em }</style></head>\n<body><main>\n"
        "<h1>Homework: multi-scale flows</h1>\n<p>Each link opens the lesson where the question is asked. Answer in "
        f"one or two sentences, with a number.</p>\n<ol>\n{asked}</ol>\n"
        '<section class="answers"><h2>Answer sheet, for the teacher</h2>\n'
        f"<p>Computed from the bundled flow {escape(default.FLOW)}.</p>\n<ol>\n{answers}</ol></section>\n"
        "</main></body></html>\n"
    )
