"""The temperature of samples is chosen by their power spectrum."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from eiwflow import checkpoint
from eiwflow.analysis.temperature import best_temperature, octave_power, power_ratios
from eiwflow.data import load, to_tensor
from eiwflow.ui import loaders


def test_white_noise_has_its_variance_in_every_octave() -> None:
    values = np.random.default_rng(0).normal(128, 20, (400, 3, 16, 16)).clip(0, 255).astype(np.uint8)
    assert octave_power(torch.from_numpy(values)) == pytest.approx([400, 400, 400, 400], rel=0.1)


def test_a_wave_has_its_power_in_its_own_octave() -> None:
    wave = 128 + 50 * np.sin(2 * np.pi * 5 * np.arange(32) / 32)  # 5 periods: between 4 and 8
    power = octave_power(torch.from_numpy(np.tile(wave, (2, 1, 32, 1)).astype(np.uint8)))
    assert power.argmax() == 2 and power[2] > 100 * np.delete(power, 2).max()


@pytest.mark.parametrize("name", ["faces16-weighted", "faces16-static-last"])
def test_the_apps_temperature_is_the_one_nearest_to_training_images(name: str) -> None:
    opened = checkpoint.load(loaders.BUNDLED / f"{name}.safetensors")
    train = to_tensor(load(opened.info.data).train[:1024])
    assert best_temperature(opened.flow, train, (0.6, 0.7, 0.8, 0.9, 1.0)) == loaders.TEMPERATURE
    assert (power_ratios(opened.flow, train, 0.7) < power_ratios(opened.flow, train, 1.0)).all()
