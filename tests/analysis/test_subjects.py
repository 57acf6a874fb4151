"""The table of measures: each depends on the fields of a look that its key names, and on no other."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from eiwflow.analysis import compression, entropy, levels, likelihood, subjects, weights
from eiwflow.analysis.subjects import Look, Measure
from eiwflow.checkpoint import Checkpoint
from eiwflow.flow.information import redundancy
from eiwflow.flow.score import score
from tests.training.tiny import planes, tiny_flow, tiny_info

FIELDS = ("train", "test", "image", "level", "seed", "record")
PIXELS = torch.from_numpy(planes(48, seed=2)).permute(0, 3, 1, 2).contiguous()
OTHER = PIXELS[1:2]
MINE = likelihood.Group("mine", "folder", levels.to_pixels(PIXELS[9:13]), None, "by hand")
MEASURES = {name: measure for name, measure in vars(subjects).items() if isinstance(measure, Measure)}
#: What measures are asked for beside a look.
CHOICES: dict[str, dict[str, Any]] = {
    "redrawn": {"levels": (1,)},
    "one_level": {"treatment": "zero"},
    "ends": {"other": OTHER},
    "interpolation": {"other": OTHER, "path": "linear"},
    "blend": {"other": OTHER, "path": "linear", "way": ("b", "keep")},
    "samples": {"n": 2, "temperatures": (1.0, 1.0)},
    "channel_maps": {"step": 1},
    "likelihood_beside": {"group": MINE},
    "score": {"limit": 4},
}


class Watched(Look):
    """A look that notes which of its fields are read."""

    read: set[str]

    def __getattribute__(self, name: str) -> Any:
        if name in FIELDS:
            object.__getattribute__(self, "read").add(name)
        return super().__getattribute__(name)


def opened(weights: str) -> Checkpoint:
    flow = tiny_flow(weights=weights).requires_grad_(False)
    return Checkpoint("tiny", flow, tiny_info(flow), "0" * 64)


def watched(weights: str) -> Watched:
    checkpoint = opened(weights)
    factors = {"grain": np.linspace(1, 4, len(PIXELS))}
    look = Watched(checkpoint, "planes", PIXELS[:8], PIXELS, None, PIXELS[:1], 1, 3, factors=factors)
    object.__setattr__(look, "read", set())
    return look


@pytest.mark.parametrize("name", MEASURES)
def test_a_result_is_kept_by_all_that_it_depends_on_and_by_nothing_else(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(likelihood, "others", lambda *_: [])
    monkeypatch.setattr(entropy, "RESAMPLES", 4)
    monkeypatch.setattr(compression, "MOST_VALUES", 400)
    inside = name in ("omegas_of_test_images", "weights", "prices", "channel_maps", "frozen", "factor_readings")
    look = watched("entropy" if inside else "pooled")
    MEASURES[name](look, **CHOICES.get(name, {}))
    assert look.read == set(MEASURES[name].depends_on)


def test_measures_are_of_the_image_the_seed_and_the_photographs_of_their_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likelihood, "others", lambda *_: [])
    monkeypatch.setattr(entropy, "RESAMPLES", 4)
    photographs, image = tuple(number // 6 for number in range(48)), PIXELS[5:6]
    look = Look(opened("pooled"), "planes", PIXELS[:8], PIXELS, photographs, image, 1, 3)
    flow = look.flow
    (trace,) = levels.traces(flow, image, 3)
    bits = 8 - trace.log_prob.item() / (192 * math.log(2))
    assert subjects.bits_per_dim(look) == pytest.approx(bits, abs=1e-4)
    assert subjects.passage(look).stairs.mean[-1] == pytest.approx(bits, abs=1e-4)
    back = subjects.reconstruction(look)
    np.testing.assert_array_equal(back.image, image[0].permute(1, 2, 0).numpy())
    np.testing.assert_array_equal(back.error, subjects.passage(look).reconstruction.error)
    np.testing.assert_allclose(
        np.log(subjects.weights(look).picture.given[weights.Place(1, weights.SPLIT)][0]),
        trace.levels[0].log_weights[0].double(),
        atol=1e-6,
    )
    of_image = redundancy(trace.levels[0].features)
    np.testing.assert_allclose(subjects.shuffle(look).image.redundancy * math.log(2), of_image, rtol=1e-6)
    zeroed = subjects.one_level(look, treatment="zero")
    assert zeroed.ways == (("zero", "keep"), ("keep", "zero"))
    np.testing.assert_array_equal(zeroed.image, levels.to_pixels(image)[0])
    way = subjects.blend(look, other=OTHER, path="linear", way=("b", "b"))
    for picture, end in ((way.images[0], image), (way.images[-1], OTHER)):
        np.testing.assert_array_equal(picture, levels.to_pixels(end)[0])
    found = [each(look) for each in (subjects.latents_survey, subjects.likelihood)]
    assert [result.photographs for result in found] == [8] * 2 and subjects.entropies(look).sources == 8
    assert subjects.likelihood_beside(look, group=MINE).groups[-1].group is MINE
    scored = subjects.score(look, limit=13)
    assert (scored.n, scored.clusters) == (13, 8)  # of all photographs
    spaced = PIXELS[np.linspace(0, 47, 13).round().astype(int)]
    assert scored.bits_per_dim == pytest.approx(score(flow, spaced).mean().item(), abs=1e-5)


def test_weights_inside_couplings_are_of_the_changed_picture_beside_the_images_before_it() -> None:
    image = PIXELS[5:6]
    look = Look(opened("entropy"), "planes", PIXELS[:8], PIXELS, tuple(range(48)), image, 1, 3)
    picture = weights.changed(image, "grain", 20.0, 3)
    own = weights.measure(look.flow, picture, 3)
    found = subjects.weights(look, change="grain", amount=20.0)
    place = weights.Place(1, 1)
    np.testing.assert_array_equal(found.picture.of(place), own.of(place))
    np.testing.assert_allclose(found.images.of(place), weights.measure(look.flow, PIXELS).of(place), atol=1e-6)
    maps = subjects.channel_maps(look, step=1)
    expected = weights.channel_maps(look.flow, image, weights.Place(1, 1), 3)
    np.testing.assert_array_equal(maps.given, expected.given)
