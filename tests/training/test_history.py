"""What a run writes down of its flow on every recording step."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import differential_entropy

from eiwflow.analysis.record import load_record
from eiwflow.analysis.train import progress
from eiwflow.analysis.words import train as words
from eiwflow.checkpoint import load
from eiwflow.data import montage, picture_file, to_tensor
from eiwflow.flow import dequantise, quantise
from eiwflow.flow.bijection import generator_for
from eiwflow.flow.information import entropy_rate, redundancy
from eiwflow.flow.policies import entropy_order
from eiwflow.training import history
from eiwflow.training.history import level_records, read_samples, sample_montage
from eiwflow.training.run import train

from .tiny import planes, tiny_data, tiny_flow, tiny_run, tiny_x


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of 50 iterations."""
    run = tiny_run(tmp_path_factory.mktemp("runs"), iterations=50, split="entropy+pooled", seed=5)
    train(run, images=tiny_data())
    return run


def recorded(run):
    return [record for record in run.records() if "levels" in record]


def test_the_figures_are_those_of_the_trace():
    flow = tiny_flow(weights="pooled")
    probe = tiny_x(24, flow.config)
    level = flow.trace(probe).levels[0]
    record = level_records(flow.trace(probe))[0]
    assert record["redundancy"] == pytest.approx(redundancy(level.features).mean(0).tolist(), abs=1e-4)
    assert record["entropy_rate"] == pytest.approx(entropy_rate(level.features).mean(0).tolist(), abs=1e-4)
    assert record["log_std"] == pytest.approx(level.features.std(dim=(0, 2, 3)).log().tolist(), abs=1e-4)
    of_channels = level.features.double().transpose(0, 1).flatten(1).numpy()
    assert record["entropy"] == pytest.approx(differential_entropy(of_channels, axis=1).tolist(), abs=1e-4)
    assert record["noise_square"] == pytest.approx(float((level.noise**2).mean()), abs=1e-4)
    assert record["weights_mean"] == pytest.approx(level.log_weights.mean(0).tolist(), abs=1e-4)
    assert record["weights_std"] == pytest.approx(level.log_weights.std(0).tolist(), abs=1e-4)
    assert record["order"] == level.order.tolist()
    assert record["entropy_order"] == entropy_order(level.features).tolist()


def test_a_level_that_passes_on_all_channels_is_recorded_and_read_as_such(tmp_path):
    run = tiny_run(tmp_path, keep="all", weights="entropy", iterations=2)
    train(run, images=tiny_data())
    last = recorded(run)[-1]
    assert last["levels"][0]["noise_square"] == 0 and len(last["levels"][1]["entropy"]) == 4 * 12
    now = progress(run).levels[0]
    assert not now.emitted.size and words.level(now) == "Level 1 passes on all of its 12 channels."
    assert load_record(run.last_checkpoint).levels[0].kept_channels == 12


# ---------------------------------------------------------------------- samples


def test_of_many_montages_evenly_spaced_ones_are_read_to_the_last(tmp_path):
    picture = picture_file(np.zeros((16, 16, 3), dtype=np.uint8), "WEBP")
    for step in range(history.MAX_MONTAGES + 3):
        (tmp_path / f"step_{step}.webp").write_bytes(picture)
        if step == history.MAX_MONTAGES - 1:
            assert [*read_samples(tmp_path)] == [*range(history.MAX_MONTAGES)]
    steps = [*read_samples(tmp_path)]
    assert len(steps) == history.MAX_MONTAGES and (steps[0], steps[-1]) == (0, history.MAX_MONTAGES + 2)
    assert max(np.diff(steps)) == 2


@pytest.mark.parametrize("channels", [1, 3])
def test_a_montage_is_twelve_images_row_by_row(channels):
    images = planes(12, 8, channels)[:, :, :6]
    whole = montage(images, columns=4)
    assert whole.shape == (24, 24, channels)
    for number, image in enumerate(images):
        row, column = divmod(number, 4)
        assert (whole[8 * row : 8 * row + 8, 6 * column : 6 * column + 6] == image).all()
    picture = Image.open(io.BytesIO(picture_file(whole, "WEBP", quality=85, method=4)))
    shown = np.array(picture.convert("RGB")).astype(float)
    assert np.abs(shown - whole).mean() < 20


def test_samples_come_from_the_same_noise_at_every_step():
    flow, other = tiny_flow(), tiny_flow(split="variance-reversed")
    assert sample_montage(flow, 0) == sample_montage(flow, 0) != sample_montage(flow, 1)
    expected = quantise(flow.decode(flow.sample_latents(16, 1.0, generator_for(0, "samples"))))
    whole = montage(expected.permute(0, 2, 3, 1).numpy(), columns=4)
    assert sample_montage(flow, 0) == picture_file(whole, "WEBP", quality=85, method=4)
    assert sample_montage(other, 0) != sample_montage(flow, 0)


def test_records_are_of_averaged_parameters_on_the_same_test_images_and_noise(run):
    probe = dequantise(to_tensor(tiny_data().test), generator_for(0, "probe"))
    flow = load(run.last_checkpoint).flow
    bits = (8 - flow.log_prob(probe) / (192 * torch.log(torch.tensor(2.0)))).mean().item()
    assert recorded(run)[-1]["probe_bits_per_dim"] == pytest.approx(bits, abs=1e-4)
    first = level_records(flow.trace(probe))[0]
    assert recorded(run)[-1]["levels"][0]["log_std"] == pytest.approx(first["log_std"], abs=1e-4)
    assert recorded(run)[-1]["levels"][0]["weights_std"] == pytest.approx(first["weights_std"], abs=1e-4)
    last = max(run.samples.glob("step_*.webp"))
    assert last.read_bytes() == sample_montage(flow, run.config()[0].seed) and last.name != "step_0000000.webp"
