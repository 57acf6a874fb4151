"""What a checkpoint holds, in figures."""

import dataclasses
import json
import math

import pytest
import torch

from eiwflow.analysis import checkpoint as anatomy
from eiwflow.analysis import inspect as module
from eiwflow.analysis.evaluate import images_to_score
from eiwflow.analysis.inspect import inspect
from eiwflow.analysis.levels import IMAGES, level_facts, trace_of_test_images
from eiwflow.checkpoint import load, save
from eiwflow.flow import FlowConfig
from eiwflow.flow.information import GAUSSIAN_ENTROPY
from eiwflow.flow.multiscale import LevelTrace, Trace
from tests.training.tiny import tiny_data, tiny_flow, tiny_info

STORED = {"level", "channels", "size", "parameters", "parts", "order", "condition", "singular_values"}
MEASURED = {
    *("weights_mean", "weights_std", "redundancy", "entropy_rate", "entropy_kept", "entropy_emitted"),
    *("inversion_max_abs", "inversion_relative", "coupling_scales", "weight_range", "prior_std_range"),
}
FIRST, LATER = slice(IMAGES), slice(40, None)
SAID = {"config", "parameters", "parts", "step", "seed", "data", "sha256", "metrics", "recipe", "command", "versions"}


@pytest.fixture
def checkpoint(tmp_path):
    def make(**fields):
        flow = tiny_flow(**fields)
        save(tmp_path / "flow.safetensors", flow, tiny_info(flow))
        return load(tmp_path / "flow.safetensors")

    return make


def test_every_key_of_the_issue_is_there(checkpoint):
    loaded = checkpoint()
    result = inspect(loaded, tiny_data())
    assert result.keys() == SAID | {"inversion", "levels", "tables", "temperature"}
    assert all(level.keys() == STORED | MEASURED for level in result["levels"])
    assert FlowConfig.from_dict(result["config"]) == loaded.info.config
    assert (result["step"], result["seed"], result["data"]) == (7, 5, "planes")
    assert result["sha256"] == loaded.sha256
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_the_table_of_the_file_has_every_field_of_its_document(checkpoint):
    loaded = checkpoint()
    rows = {(row["group"], row["field"]): row["value"] for row in inspect(loaded, None)["tables"]["file"]}
    info, config = loaded.info, loaded.info.config.to_dict()
    said = {("flow", name): "3×8×8" if name == "shape" else str(value) for name, value in config.items()}
    said["flow", "channel weights"] = said.pop(("flow", "weights"))
    said |= {("training", name): value for name, value in (("data", "planes"), ("step", "7"), ("seed", "5"))}
    said |= {("training", name): str(value) for name, value in info.recipe.items()}
    said |= {("measured then", name): str(value) for name, value in info.metrics.items()}
    said |= {("measured then", "temperature"): str(info.temperature)}
    said |= {("software", name): version for name, version in info.versions.items()}
    said |= {("file", "sha256"): loaded.sha256, ("file", "command"): "python -m eiwflow train"}
    assert rows == said


def test_parameters_are_those_of_the_density(checkpoint):
    splits = ("entropy", "variance-reversed", "entropy+pooled")
    shuffle, static, weighted = (inspect(checkpoint(split=split), None) for split in splits)
    for result in (shuffle, static, weighted):
        assert result["parameters"] == sum(level["parameters"] for level in result["levels"])
        assert result["parameters"] == sum(result["parts"].values())
    assert shuffle["parameters"] == static["parameters"] < weighted["parameters"]


def test_conditioning_and_inversion_are_those_of_the_anatomy(checkpoint):
    loaded, images = checkpoint(steps=2, weights="pooled"), tiny_data()
    result = inspect(loaded, images)
    made = anatomy.anatomy(loaded.flow)
    back = anatomy.inversion(loaded.flow, images_to_score(images, loaded.flow))
    assert result["inversion"] == {"images": 16, "max_abs": back.max_abs, "relative": back.relative}
    for found, level, seen in zip(result["levels"], made.levels, back.levels, strict=True):
        assert found["condition"] == level.condition.tolist() and len(found["condition"]) == 2
        assert [high / low for low, high in found["singular_values"]] == pytest.approx(found["condition"])
        assert (found["inversion_max_abs"], found["inversion_relative"]) == (seen.max_abs, seen.relative)
        assert found["coupling_scales"] == seen.coupling.tolist()
    assert result["levels"][0]["weight_range"] == list(back.levels[0].weights)
    assert result["levels"][0]["prior_std_range"] == list(back.levels[0].prior)


def test_without_the_data_set_every_test_figure_is_null_and_the_rest_stays(checkpoint):
    loaded = checkpoint()
    with_data, without = inspect(loaded, tiny_data()), inspect(loaded, None)
    assert without["inversion"] is None and with_data["inversion"]["max_abs"] > 0
    for seen, unseen in zip(with_data["levels"], without["levels"], strict=True):
        assert all(unseen[name] is None for name in MEASURED)
        assert all(unseen[name] == seen[name] for name in STORED)
    assert {name: with_data[name] for name in SAID} == {name: without[name] for name in SAID}


def test_figures_of_own_images_are_of_evenly_spaced_test_images(checkpoint):
    loaded, images = checkpoint(), tiny_data(test=IMAGES + 40)
    found = inspect(loaded, images)
    for most, names in (
        (IMAGES, ("redundancy", "entropy_kept")),
        (anatomy.IMAGES, ("inversion_max_abs", "prior_std_range")),
    ):
        places = [round(number * (IMAGES + 39) / (most - 1)) for number in range(most)]
        by_hand = inspect(loaded, dataclasses.replace(images, test=images.test[places]))
        for name in names:
            assert [level[name] for level in found["levels"]] == [level[name] for level in by_hand["levels"]]


def test_weights_are_means_and_spreads_of_log_omega_over_images(checkpoint):
    loaded, images = checkpoint(weights="pooled"), tiny_data()
    log_weights = trace_of_test_images(loaded.flow, images_to_score(images, loaded.flow)).levels[0].log_weights
    first = inspect(loaded, images)["levels"][0]
    assert first["weights_mean"] == pytest.approx(log_weights.mean(0).tolist(), abs=1e-6)
    assert first["weights_std"] == pytest.approx(log_weights.std(0).tolist(), abs=1e-6)


def test_redundancies_are_those_that_the_pages_show(checkpoint):
    loaded, images = checkpoint(), tiny_data()
    first = inspect(loaded, images)["levels"][0]
    facts = level_facts(trace_of_test_images(loaded.flow, images_to_score(images, loaded.flow)))[0]
    by_position = [first["redundancy"][channel] for channel in first["order"]]
    assert by_position == pytest.approx(facts.redundancy.mean(axis=0).tolist(), rel=1e-6)


def test_a_last_level_of_one_pixel_has_no_spectrum(checkpoint):
    last = inspect(checkpoint(levels=3), tiny_data())["levels"][-1]
    assert last["size"] == [1, 1]
    assert last["redundancy"] is None
    assert last["entropy_rate"] is None
    assert math.isfinite(last["entropy_emitted"])


def gaussians(std, n=64, channels=4, side=16):
    """Return white N(0, std²), in which no channel and no pixel knows of another."""
    return std * torch.randn(n, channels, side, side, generator=torch.Generator().manual_seed(int(100 * std)))


def test_the_entropies_of_known_gaussians_are_found(checkpoint, monkeypatch):
    features, kept, emitted = gaussians(1.0, channels=8), gaussians(0.5), gaussians(3.0)
    zeros, noise = torch.zeros_like(emitted), emitted / 3
    level = LevelTrace(1, features, features, torch.arange(8), None, kept, emitted, zeros, zeros, noise, {})
    monkeypatch.setattr(module, "trace_of_test_images", lambda *_: Trace(features, [level, level], zeros))
    first = inspect(checkpoint(), tiny_data())["levels"][0]
    assert first["entropy_kept"] == pytest.approx(GAUSSIAN_ENTROPY + math.log(0.5), abs=0.03)
    assert first["entropy_emitted"] == pytest.approx(GAUSSIAN_ENTROPY + math.log(3.0), abs=0.03)
    assert first["entropy_rate"] == pytest.approx([GAUSSIAN_ENTROPY] * 8, abs=0.03)
    assert first["redundancy"] == pytest.approx([0] * 8, abs=0.03)
