"""Files that version 0.2 wrote open as before: checkpoints, archives of pictures, a run under way and a study."""

import zipfile
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from eiwflow import checkpoint
from eiwflow.hub import model_card
from eiwflow.study.file import read_record, read_study
from eiwflow.training.run import train
from eiwflow.training.run_directory import RunDirectory, RunError
from tests.test_cli import json_of
from tests.training.tiny import tiny_data, tiny_run, tiny_x

#: A checkpoint -> its order, weights, init, partition and keep, and the log-density of two images by version 0.2.
CHECKPOINTS = {
    "weighted": (("entropy", "pooled", "principal", "information", 0.5), (-603.1951, -249.2060)),
    "glow": (("last", "none", "random", "alternating", 0.5), (-34.8419, 33.8801)),
    "variance": (("variance", "none", "principal", "random", 0.5), (-102.3686, -296.8818)),
    "auto": (("entropy", "none", "principal", "information", "auto"), (-128.8664, 69.9602)),
    "released": (("released", "none", "principal", "random", 0.5), (-168.2926, 63.5966)),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("0.2")
    with zipfile.ZipFile(Path(__file__).parent / "files" / "version-0.2.zip") as packed:
        packed.extractall(folder)
    return folder


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_checkpoint_has_its_config_and_its_density(files, name):
    choices, log_prob = CHECKPOINTS[name]
    loaded = checkpoint.load(files / f"{name}.safetensors")
    config = loaded.flow.config
    assert (config.order, config.weights, config.init, config.partition, config.keep) == choices
    # Sums are in another order on other processors.
    assert loaded.flow.log_prob(tiny_x(2, config)).tolist() == pytest.approx(log_prob, rel=1e-4, abs=1e-2)
    checkpoint.save(files / "again.safetensors", loaded.flow, loaded.info)
    again = checkpoint.load(files / "again.safetensors").flow
    assert again.config == config
    assert all(torch.equal(tensor, again.state_dict()[key]) for key, tensor in loaded.flow.state_dict().items())


def test_a_run_of_0_2_goes_on_but_for_one_on_own_images(files):
    run = RunDirectory.open(next((files / "runs").iterdir()))
    recipe, _ = run.config()
    assert (recipe.flow.order, recipe.iterations, recipe.data, run.saved_step()) == (
        "variance-reversed", 6, "planes.npz", 1,
    )  # fmt: skip
    images = tiny_data(train=24, test=8)
    saved = run.resume_file.read_bytes()
    with pytest.raises(RunError, match=r"begun on other images than planes\.npz"):
        train(run, images=images)
    assert run.resume_file.read_bytes() == saved and run.saved_step() == 1
    config = run.path / "config.json"
    config.write_text(config.read_text().replace('"planes.npz"', '"faces16"'))
    assert train(run, images=images).step == 6


def test_a_study_has_its_runs_and_records(files):
    study = read_study(files / "study")
    assert study.is_done and [arm.text for arm in study.arms] == [
        "entropy/principal-random/conditional", "last/random/conditional",
    ]  # fmt: skip
    assert all(read_record(study, arm) is not None for arm in study.arms)


@pytest.mark.parametrize("held_out", [False, True])
def test_a_score_of_held_out_images_is_no_test_score(tmp_path, held_out):
    """Version 0.2 called both scores alike."""
    run = tiny_run(tmp_path, iterations=1, validation=held_out)
    name = "validation_bits_per_dim" if held_out else "test_bits_per_dim"
    score = train(run, images=tiny_data()).metrics[name]
    with safe_open(run.last_checkpoint, "pt") as file:
        document = file.metadata()["eiwflow"].replace("validation_bits", "test_bits")
    save_file(load_file(run.last_checkpoint), run.last_checkpoint, {"eiwflow": document})
    loaded = checkpoint.load(run.last_checkpoint)
    for metrics in (loaded.info.metrics, json_of("inspect", run.path)["metrics"]):
        assert {key: metrics[key] for key in metrics if key[:4] in ("test", "vali")} == {name: score}
    card = model_card(loaded.flow, loaded.info)
    assert (f"| validation bits per dim | {score:.6g} |" in card, "| test bits" in card) == (held_out, not held_out)
