"""The temperature of samples is chosen by their power spectrum."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from eiwflow import checkpoint
from eiwflow.data import fixed_crops, load, to_tensor
from eiwflow.flow import MultiScaleFlow, dequantise, quantise
from eiwflow.training import scores
from eiwflow.training.run import train
from eiwflow.training.temperature import IMAGES, best_temperature, octave_power
from tests.training.tiny import labelled_data, same_tensors, tiny_config, tiny_data, tiny_run

#: The small ones: to draw from the others takes a minute.
BUNDLED = sorted((Path(__file__).resolve().parents[2] / "assets" / "checkpoints").glob("faces16-*.safetensors"))


def flow_and_images() -> tuple[MultiScaleFlow, torch.Tensor]:
    """Return a flow that is initialised but not trained, and the images it was initialised by."""
    images = to_tensor(tiny_data().train)
    flow = MultiScaleFlow(tiny_config())
    flow.initialise(images / 256 - 0.5)
    return flow, images


def test_white_noise_has_its_variance_in_every_octave() -> None:
    values = np.random.default_rng(0).normal(128, 20, (400, 3, 16, 16)).clip(0, 255).astype(np.uint8)
    assert octave_power(torch.from_numpy(values)) == pytest.approx([400, 400, 400, 400], rel=0.1)


def test_a_wave_has_its_power_in_its_own_octave() -> None:
    wave = 128 + 50 * np.sin(2 * np.pi * 5 * np.arange(32) / 32)  # 5 periods: between 4 and 8
    wide = torch.from_numpy(np.tile(wave, (2, 1, 16, 1)).astype(np.uint8))
    for images in (wide, wide.transpose(2, 3)):
        power = octave_power(images)
        assert len(power) == 4 and power.argmax() == 2 and power[2] > 100 * np.delete(power, 2).max()


def test_the_temperature_makes_samples_as_loud_as_the_images() -> None:
    flow, _ = flow_and_images()
    generator = torch.Generator().manual_seed(1)
    quiet = torch.cat([quantise(flow.sample(256, 0.7, generator)) for _ in range(4)])
    assert best_temperature(flow, quiet) == pytest.approx(0.7, abs=0.051)


def test_training_images_are_compared_in_the_grey_levels_of_the_flow() -> None:
    flow = MultiScaleFlow(dataclasses.replace(tiny_config(), bits=2))
    flow.initialise(dequantise(flow_and_images()[1], bits=2))
    generator = torch.Generator().manual_seed(1)
    drawn = torch.cat([quantise(flow.sample(256, 0.7, generator), 2) for _ in range(4)])
    quiet = drawn // 85 * 64  # the darkest bytes of the four grey levels: for the flow the same images
    assert best_temperature(flow, quiet) == best_temperature(flow, drawn) == pytest.approx(0.7, abs=0.051)


def test_a_finished_run_states_the_temperature_of_its_averaged_weights(tmp_path: Path) -> None:
    run = tiny_run(tmp_path, iterations=4)
    assert train(run, images=tiny_data()).temperature == checkpoint.load(run.last_checkpoint).info.temperature
    opened = checkpoint.load(run.last_checkpoint)
    assert opened.info.temperature == best_temperature(opened.flow, to_tensor(tiny_data().train))
    assert run.records()[-1]["temperature"] == opened.info.temperature


@pytest.mark.slow
@pytest.mark.parametrize("path", BUNDLED, ids=lambda path: path.stem)
def test_a_bundled_flow_states_the_temperature_nearest_to_training_images(path: Path) -> None:
    opened = checkpoint.load(path)
    train_images = fixed_crops(to_tensor(load(opened.info.data).train[:IMAGES]), opened.info.config.shape[1:])
    assert opened.info.temperature == best_temperature(opened.flow, train_images)


def test_the_temperature_is_of_averaged_weights_and_of_training_images_with_their_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = labelled_data(train=300)
    sides = images.factors["side"]
    order = np.argsort(sides.train, kind="stable")
    sides = sides._replace(train=sides.train[order])
    images = dataclasses.replace(images, train=images.train[order], factors={"side": sides})
    given: list[Any] = []
    monkeypatch.setattr(scores, "best_temperature", lambda *those, labels: given.extend([*those, labels]) or 1.0)
    run = tiny_run(tmp_path, iterations=1, labels="side", classes=("left", "none", "right"), context=3)
    train(run, images=images)
    flow, train_images, labels = given
    assert same_tensors(flow.state_dict(), checkpoint.load(run.last_checkpoint).flow.state_dict())
    assert torch.equal(train_images, to_tensor(images.train))
    shares = [np.mean(sides.train == side) for side in ("left", "", "right")]
    assert (labels.bincount() / 128).tolist() == pytest.approx(shares, abs=0.01)
