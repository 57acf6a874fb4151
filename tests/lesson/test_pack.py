"""The shipped pack is what the bundled flows say, and the stage's modules make one script."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks import pack
from eiwflow import checkpoint, data, project
from eiwflow.analysis.attributes import attribute_values, measure_attributes
from eiwflow.data import Factor, to_tensor
from eiwflow.flow import FlowConfig, MultiScaleFlow, dequantise
from eiwflow.flow.bijection import generator_for
from eiwflow.flow.information import redundancy
from eiwflow.lesson import build, bundle, default
from eiwflow.lesson.pack import Pack, assemble, opened
from eiwflow.lesson.probe import probe_facts
from eiwflow.lesson.spec import at_bin_centres
from eiwflow.training.recipe import Recipe
from eiwflow.training.trainer import Trainer

from .test_flow_js import random_flow

AGAIN = "build it again: python benchmarks/pack.py"


def numbers(value: Any, blobs: bytes) -> Iterator[float]:
    """Yield every number of a part of a pack, arrays included, in the order of its JSON."""
    if isinstance(value, dict) and set(value) == {"at", "shape"}:
        count = int(np.prod(value["shape"]))
        yield from np.frombuffer(blobs, "<f4", count, value["at"]).astype(float).tolist()
    elif isinstance(value, dict):
        for part in value.values():
            yield from numbers(part, blobs)
    elif isinstance(value, list):
        for part in value:
            yield from numbers(part, blobs)
    elif isinstance(value, (int, float)):
        yield float(value)


@pytest.mark.slow
def test_the_shipped_pack_holds_what_the_bundled_flow_says() -> None:
    head, blobs = opened(default.pack())
    images = data.to_tensor(data.load(default.DATA, download=False).test)
    flow = checkpoint.load(project.ASSETS / "checkpoints" / f"{default.FLOW}.safetensors")
    fresh, fresh_blobs = opened(build.build(flow, images, default.SHOWN).to_bytes())
    for part in (head["flow"], fresh["flow"]):
        part.pop("usual")
    shipped, again = (np.array([*numbers(a["flow"], b)]) for a, b in ((head, blobs), (fresh, fresh_blobs)))
    assert shipped.shape == again.shape, AGAIN
    np.testing.assert_allclose(shipped, again, atol=1e-3, err_msg=AGAIN)


def test_the_shipped_curve_of_one_pixel_is_fitted_to_its_values() -> None:
    head, _ = opened(default.pack())
    images = data.to_tensor(data.load(default.DATA, download=False).test)[: build.AVERAGED]
    assert head["probe"]["values"] == images[:, 2, 8, 8].tolist(), AGAIN

    def bits(curve: dict[str, Any]) -> float:
        x = np.array(curve["values"])[:, None]
        heights, middles, widths = np.array(curve["steps"]).T
        steps = np.tanh((x - middles) / widths)
        noise = curve["offset"] + curve["slope"] * x[:, 0] + (heights * steps).sum(1)
        slope = curve["slope"] + (heights / widths * (1 - steps**2)).sum(1)
        return float(np.mean((noise**2 + np.log(2 * np.pi)) / 2 - np.log(slope)) / np.log(2))

    assert bits(head["probe"]) == pytest.approx(bits(probe_facts(images)), abs=0.01), AGAIN
    assert bits(head["probe"]) < 8


def test_the_shipped_pack_holds_the_bundled_studies() -> None:
    head, _ = opened(default.pack())
    assert head["studies"] == build.study_facts(project.ASSETS / "studies"), AGAIN


def test_the_shipped_usual_rank_is_of_the_first_test_images() -> None:
    head, _ = opened(default.pack())
    flow = checkpoint.load(project.ASSETS / "checkpoints" / f"{default.FLOW}.safetensors").flow
    assert head["flow"]["parameters"] == build.parameters_hash(flow), AGAIN
    usual = head["flow"]["usual"]
    assert 1 <= usual["low"] <= usual["median"] <= usual["high"] <= 924 and usual["images"] == pack.RANKED


@pytest.mark.parametrize("is_same", [True, False])
def test_the_usual_rank_is_taken_over_from_the_shipped_pack_of_the_same_flow_alone(
    monkeypatch: pytest.MonkeyPatch, is_same: bool
) -> None:
    shipped, made = opened(default.pack())[0]["flow"], Pack()
    made.head["flow"] = {"parameters": shipped["parameters"] if is_same else "0" * 64}
    monkeypatch.setattr(build, "build", lambda *_: made)
    for slow in ("add_grain", "before_training", "attribute_facts", "study_facts"):
        monkeypatch.setattr(build, slow, lambda *_: None)
    monkeypatch.setattr(pack, "usual_rank", lambda *_: {"median": -1})
    head, _ = opened(pack.bundled_pack(project.CHECKPOINTS, project.ASSETS / "studies"))
    assert head["flow"]["usual"] == (shipped["usual"] if is_same else {"median": -1})


def test_the_interval_of_attributes_is_as_wide_as_the_widest_of_their_levels() -> None:
    faces = data.load(default.DATA, download=False)
    factors = {name: Factor(factor.train[:200], factor.test[:60]) for name, factor in faces.factors.items()}
    images = replace(faces, train=faces.train[:200], test=faces.test[:60], factors=factors)
    flow = random_flow(FlowConfig(shape=(3, 16, 16), levels=2, steps=1, width=4, order="random", weights="none"))
    facts = build.attribute_facts(Pack(), flow, images)
    readings = measure_attributes(flow, images).readings
    widest = [
        max(reading.high - reading.low for reading in readings if reading.attribute == name)
        for name in attribute_values(images, "train")
    ]
    assert facts and [2 * fact["error"] for fact in facts] == pytest.approx(widest, abs=2e-4)


@pytest.mark.parametrize(("weights", "shown"), [("entropy", True), ("constant", False), ("none", False)])
def test_weights_are_shown_where_they_depend_on_the_picture(weights: str, shown: bool) -> None:
    x = torch.rand(8, 3, 16, 16, generator=torch.Generator().manual_seed(0)) - 0.5
    flow = MultiScaleFlow(FlowConfig(shape=(3, 16, 16), levels=2, steps=2, width=8, weights=weights))
    flow.initialise(x)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter += 0.01  # at their start all weights are 1
    assert (build.weight_facts(flow, x) is not None) is shown


@pytest.mark.slow
@pytest.mark.parametrize("name", ["letters32-entropy-weighted", "photos32-entropy-weighted"])
def test_pictures_in_which_the_mean_weight_rises_are_counted_also_where_weights_are_below_0(name: str) -> None:
    flow = checkpoint.load(project.CHECKPOINTS / f"{name}.safetensors").flow
    x = at_bin_centres(to_tensor(data.load_test(name.split("-")[0]).test[:64]))
    facts = build.weight_facts(flow, x)
    assert facts is not None
    loud = x + build.GRAIN / 256 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    before, after = (
        flow.trace(each).levels[facts["level"] - 1].coupling_weights[f"step {facts['step'] + 1} read"].double().sum(1)
        for each in (x, loud)
    )
    assert facts["risen"] == (after > before).sum()
    assert facts["images"] == 64


def test_the_lesson_is_one_small_page_without_an_address_of_another_host() -> None:
    page = bundle.page(default.pack())
    assert len(page.encode()) <= 5_000_000
    text = page.split('id="pack"')[0]
    assert "http:" not in text and "https:" not in text and "\nimport " not in bundle.script("offline.js")


def test_fields_are_added_without_a_change_of_the_arrays() -> None:
    pack = Pack()
    pack.head["x"] = pack.floats(np.arange(3))
    head, blobs = opened(pack.to_bytes())
    head, blobs = opened(assemble({**head, "note": "über"}, blobs))
    assert head["note"] == "über" and [*numbers(head["x"], blobs)] == [0, 1, 2]


@pytest.mark.parametrize(
    ("config", "why"),
    [
        (FlowConfig(shape=(3, 16, 8), levels=2, steps=1, width=4), "16×8"),
        (FlowConfig(shape=(3, 64, 64), levels=2, steps=1, width=4), "64×64"),
        (FlowConfig(shape=(3, 16, 16), levels=1, steps=1, width=4), "one level"),
        (FlowConfig(shape=(3, 16, 16), levels=2, steps=1, width=4, keep="all"), "passes on all channels"),
    ],
)
def test_a_flow_that_the_stage_cannot_draw_is_refused_in_a_sentence(config: FlowConfig, why: str) -> None:
    from eiwflow.lesson.spec import LessonError, check

    with pytest.raises(LessonError, match=why):
        check(random_flow(config))


def test_a_flow_that_takes_a_browser_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from eiwflow.lesson import spec

    flow = random_flow(FlowConfig(shape=(3, 16, 16), levels=2, steps=1, width=4, order="random", weights="none"))
    # Networks of 3×3, 1×1 and 3×3 convolutions: 6 → 4 → 4 → 12 channels of 8×8, then 12 → 4 → 4 → 24 of 4×4.
    count = 64 * (6 * 9 * 4 + 4 * 4 + 4 * 9 * 12) + 16 * (12 * 9 * 4 + 4 * 4 + 4 * 9 * 24)
    monkeypatch.setattr(spec, "MAX_MULTIPLICATIONS", count)
    spec.check(flow)
    monkeypatch.setattr(spec, "MAX_MULTIPLICATIONS", count - 1)
    with pytest.raises(spec.LessonError, match="million multiplications a picture"):
        spec.check(flow)


@pytest.mark.parametrize(("name", "value"), [("bias", 1e30), ("log_scale", 80.0)])
def test_a_flow_without_finite_values_is_refused_in_a_sentence(tmp_path: Path, name: str, value: float) -> None:
    from eiwflow.lesson.spec import LessonError

    flow = random_flow(FlowConfig(shape=(3, 16, 16), levels=2, steps=1, width=4))
    getattr(flow.levels[0].steps[0].actnorm, name).data.fill_(value)
    checkpoint.save(tmp_path / "own.safetensors", flow)
    with pytest.raises(LessonError, match=r"^[A-Z][^\n]* not finite[^\n]*\.$"):
        build.build_for(checkpoint.load(tmp_path / "own.safetensors"), whole=False)


@pytest.mark.slow
def test_a_foreign_flow_names_no_path_of_the_server(tmp_path: Path) -> None:
    """What a checkpoint says of its data is a name: with a path the stage showed the pictures of any folder."""
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    for number in range(12):
        Image.new("RGB", (16, 16), (20 * number, 0, 0)).save(hidden / f"{number}.png")
    flow, packs = (
        random_flow(FlowConfig(shape=(1, 16, 16), levels=2, steps=1, width=4, order="random", weights="none")),
        [],
    )
    for there in (False, True):
        if there:
            hidden.with_suffix(".npz").write_bytes(b"")
        path = tmp_path / "own.safetensors"
        checkpoint.save(path, flow, checkpoint.CheckpointInfo(config=flow.config, data=str(hidden)))
        packs.append(build.build_for(checkpoint.load(path), whole=False).to_bytes())
    assert packs[0] == packs[1] and opened(packs[0])[0]["faces"]


@pytest.mark.parametrize("path", ["not a flow: secret", None], ids=["a foreign file", "a file that was moved"])
def test_a_lesson_opens_no_checkpoint_that_a_flow_started_from(tmp_path: Path, path: str | None) -> None:
    """A foreign flow had the program open any file, and a sound one whose start was moved was refused."""
    if path is not None:
        (tmp_path / "start").write_text(path)
    recipe = Recipe(FlowConfig(shape=(3, 16, 16), levels=2, steps=1, width=4), "faces16", iterations=3)
    recipe = replace(recipe, init_from=str(tmp_path / "start"))
    settings = {name: value for name, value in recipe.to_dict().items() if name != "flow"}
    info = checkpoint.CheckpointInfo(recipe.flow, "faces16", recipe=settings)
    checkpoint.save(tmp_path / "own.safetensors", random_flow(recipe.flow), info)
    loaded = checkpoint.load(tmp_path / "own.safetensors")
    assert build.before_training(Pack(), loaded, data.load("faces16", download=False)) is None


@pytest.mark.parametrize("validation", [False, True])
def test_before_training_is_the_flow_that_the_run_started_from_on_the_part_that_it_trained_on(validation: bool) -> None:
    """Of a run with held-out images the start was made from the whole train part."""
    flow = FlowConfig(shape=(3, 16, 16), levels=2, steps=1, width=4, order="variance-reversed")
    recipe = Recipe(flow, "faces16", iterations=3, validation=validation)
    run, images = Trainer(recipe), data.load("faces16", download=False)
    assert (len(run.train_images) < len(images.train)) == validation
    x = at_bin_centres(data.to_tensor(images.test[:256]))
    start = redundancy(run.flow.trace(x).levels[0].features).mean(dim=0)
    other = Trainer(replace(recipe, validation=not validation)).flow
    assert not np.allclose(redundancy(other.trace(x).levels[0].features).mean(dim=0), start, atol=1e-3)
    run.advance()
    settings = {name: value for name, value in recipe.to_dict().items() if name != "flow"}
    info = checkpoint.CheckpointInfo(run.flow.config, "faces16", recipe=settings)
    before = build.before_training(Pack(), checkpoint.Checkpoint("it.safetensors", run.flow, info, ""), images)
    assert before is not None
    np.testing.assert_allclose(before["redundancy"], start, atol=1e-4)


@pytest.mark.slow
def test_a_flow_of_ones_own_has_a_pack(tmp_path: Path) -> None:
    flow = random_flow(FlowConfig(shape=(1, 16, 16), levels=2, steps=1, width=4, order="random", weights="none"))
    path = tmp_path / "own.safetensors"
    checkpoint.save(path, flow, checkpoint.CheckpointInfo(config=flow.config, data="faces16"))
    head, _ = opened(build.build_for(checkpoint.load(path)).to_bytes())
    assert head["shape"] == [16, 16, 1] and len(head["images"]) == 8 and head["flow"]["usual"] is None


@pytest.mark.slow
def test_a_flow_that_is_given_a_class_is_shown_on_the_images_of_this_class_alone(tmp_path: Path) -> None:
    letters = data.load_test("letters32")
    classes = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    flow = random_flow(FlowConfig(shape=(3, 32, 32), levels=2, steps=1, width=4, context=len(classes)))
    path = tmp_path / "own.safetensors"
    info = checkpoint.CheckpointInfo(config=flow.config, data="letters32", labels="letter", classes=classes)
    checkpoint.save(path, flow, info)
    given = checkpoint.given_label(checkpoint.load(path), "C")
    images = letters.test[letters.factors["letter"].test == "C"]
    head, blobs = opened(build.build_for(given, whole=False).to_bytes())
    shown = [blobs[at["at"] : at["at"] + at["size"]] for at in (image["bytes"] for image in head["images"])]
    assert shown == [image.tobytes() for image in images[:8]] and 8 < len(images) < len(letters.test) / 10
    trace = given.flow.trace(dequantise(data.to_tensor(images), generator_for(0, "noise"))).levels[0]
    expected = redundancy(trace.features).mean(dim=0)
    np.testing.assert_allclose(head["flow"]["redundancy"], expected, rtol=0.05)
    everything = data.to_tensor(letters.test)
    of_all = redundancy(given.flow.trace(dequantise(everything, generator_for(0, "noise"))).levels[0].features)
    assert not np.allclose(head["flow"]["redundancy"], of_all.mean(dim=0), rtol=0.05)
