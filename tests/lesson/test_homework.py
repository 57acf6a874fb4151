"""Homework: eight questions whose links open the lesson, and answers that are computed anew here."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
import torch
from scipy import stats

from eiwflow.cli import main
from eiwflow.flow import Latents
from eiwflow.lesson import default, homework
from eiwflow.lesson.pack import opened
from eiwflow.lesson.probe import Curve, values_of

from .test_flow_js import NODE, SCRIPT, needs_node

KNOWN = homework.facts()
ANSWERS = {json.dumps(one.query): one.answer(KNOWN) for one in homework.QUESTIONS}


def answer(scene: str, choice: str = "") -> str:
    return next(
        text
        for query, text in ANSWERS.items()
        if json.loads(query)["scene"] == scene and json.loads(query).get("choice", "") == choice
    )


def test_the_page_asks_eight_questions_with_links_and_answers_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "homework.html"
    assert main(["lesson", "--homework", str(out), "--app", "https://example.org/lesson"]) == 0
    assert "8 questions" in capsys.readouterr().out
    page = out.read_text(encoding="utf-8")
    links = [part.split('"')[0].replace("&amp;", "&") for part in page.split('href="')[1:]]
    assert len(links) == 8 and all(link.startswith("https://example.org/lesson?") for link in links)
    head, _ = opened(default.pack())
    assert [one["query"] for one in head["homework"]] == [
        {key: value for key, (value,) in parse_qs(urlsplit(link).query).items()} for link in links
    ]
    asked, sheet = page.split("Answer sheet")
    assert all(text.split(".")[0] in sheet for text in ANSWERS.values())
    assert not any(text.split(":")[0] in asked for text in ANSWERS.values())


def test_a_checkpoint_has_no_homework(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lesson", "faces16-glow", "--homework", str(tmp_path / "h.html")]) != 0
    assert "leave it out" in capsys.readouterr().err


def test_answers_are_what_the_flow_says() -> None:
    assert answer("1").startswith("0 of 768 values differ")
    assert "To channels 1, 5, 9" in answer("2", "1")
    with torch.inference_mode():
        nats = -KNOWN.flow.log_prob((KNOWN.images.float() + 0.5) / 256 - 0.5)
    bits = (nats / 768 / np.log(2) + 8).tolist()
    assert ", ".join(f"{value:.1f}" for value in bits) in answer("4", "3")
    first = KNOWN.images[:1]
    grey = torch.full_like(first, round(float(first.double().mean())))
    with torch.inference_mode():
        flat = -KNOWN.flow.log_prob((grey.float() + 0.5) / 256 - 0.5) / 768 / np.log(2) + 8
    assert f"flat grey {float(flat):.1f}, this picture {bits[0]:.1f}, " in answer("12")
    assert f"The first face takes {bits[0]:.2f} × 768 / 8 = {bits[0] * 768 / 8:.0f} bytes" in answer("4", "3")


def test_the_cheapest_value_is_the_densest_and_its_two_terms_are_noise_and_stretching() -> None:
    curve = Curve(values_of(KNOWN.reference).numpy())
    ends = torch.arange(257, dtype=torch.float64) - 0.5
    # The map's slope, and the density that it gives, by differences.
    noise = curve(ends)[0].detach().numpy()
    stretching = -np.log2(np.diff(noise))
    total = -np.log2(np.diff(stats.norm.cdf(noise)))
    cheapest = int(np.argmin(total))
    dear = np.flatnonzero(total >= 8)
    low, high = dear[dear < cheapest].max() + 1, dear[dear > cheapest].min() - 1
    said = re.findall(r"-?[\d.]+\d", answer("4", "2"))
    assert [int(said[place]) for place in (0, 4, 5)] == [cheapest, low, high]
    unusual = total[cheapest] - stretching[cheapest]
    assert [float(each) for each in said[1:4]] == pytest.approx(
        [unusual, stretching[cheapest], total[cheapest]], abs=0.06
    )


@needs_node
def test_what_the_lesson_draws_from_a_seed_is_drawn_alike() -> None:
    script = (
        f'import {{ normals, uniforms }} from "{SCRIPT.as_uri()}";'
        "console.log(JSON.stringify([[...uniforms(4049, 9)], [...normals(101, 9)]]))"
    )
    command = [NODE or "node", "--input-type=module", "--eval", script]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout)
    np.testing.assert_allclose(found, [homework.uniforms(4049, 9), homework.normals(101, 9)], atol=1e-12)


@needs_node
def test_what_is_resampled_is_resampled_by_the_draws_of_its_scene() -> None:
    scene = (SCRIPT.parent / "scenes" / "resample.js").read_text(encoding="utf-8")
    (seed,) = re.findall(r"normals\((\d+) \+ l,", scene)
    image = KNOWN.images[0].double().numpy()
    with torch.inference_mode():
        own = KNOWN.flow.encode((KNOWN.images[:1].float() + 0.5) / 256 - 0.5).levels
    counts = [level.numel() for level in own[:2]]
    script = (
        f'import {{ normals }} from "{SCRIPT.as_uri()}";'
        f"console.log(JSON.stringify({counts}.map((count, l) => [...normals({seed} + l, count)])))"
    )
    command = [NODE or "node", "--input-type=module", "--eval", script]
    drawn = json.loads(subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout)
    off = []
    for levels in (1, 2):
        noise = [level.clone() for level in own]
        for level, values in zip(noise[:levels], drawn, strict=False):
            # The lesson keeps the channels of a pixel together.
            _, channels, height, width = level.shape
            pixels = np.array(values, dtype=np.float32).reshape(height, width, channels)
            level[0] = torch.from_numpy(np.ascontiguousarray(np.moveaxis(pixels, 2, 0)))
        with torch.inference_mode():
            picture = KNOWN.flow.decode(Latents(noise))[0].double().numpy() * 256 + 127.5
        off.append(np.sqrt(np.mean((np.clip(picture, 0, 255) - image) ** 2)))
    others = [np.linalg.norm(other.double().numpy() - image) / np.sqrt(image.size) for other in KNOWN.images[1:]]
    text = answer("9", "384")
    assert f"is {off[0]:.0f} grey levels off" in text
    assert f"with three quarters {off[1]:.0f}; another face is {sum(others) / len(others):.0f} off." in text
