"""A flow as a folder of Hugging Face's hub: what is saved comes back, without a network, for commands and the app."""

import json

import pytest
import torch
from huggingface_hub import ModelCard

from eiwflow import hub
from eiwflow.checkpoint import CheckpointError, save
from eiwflow.hub import PretrainedFlow, model_card
from eiwflow.training.run_directory import list_runs, saved_flows

from .test_cli import json_of
from .training.tiny import same_tensors, tiny_flow, tiny_info, tiny_x


@pytest.fixture(scope="module")
def flow():
    return tiny_flow().requires_grad_(False)


@pytest.fixture
def folder(flow, tmp_path):
    info = tiny_info(flow, metrics={"test_bits_per_dim": 4.321}, data="faces | `rm`", temperature=0.8)
    PretrainedFlow(flow, info).save_pretrained(tmp_path / "runs" / "mine")
    return tmp_path / "runs" / "mine"


def test_a_local_folder_gives_the_flow_back_and_asks_no_network(folder, flow, monkeypatch):
    monkeypatch.setattr(hub, "hf_hub_download", lambda *_, **__: pytest.fail("it went to the hub"))
    assert {path.name for path in folder.iterdir()} == {"config.json", "model.safetensors", "README.md", "samples.png"}
    loaded, x = PretrainedFlow.from_pretrained(folder), tiny_x(4, flow.config)
    assert same_tensors(loaded.flow.state_dict(), flow.state_dict())
    assert torch.equal(loaded(x), flow.log_prob(x))
    assert (loaded.info.temperature, loaded.info.metrics) == (0.8, {"test_bits_per_dim": 4.321})
    assert json.loads((folder / "config.json").read_text()) == {"model_type": "eiwflow", **flow.config.to_dict()}


def test_a_name_is_fetched_from_the_hub_and_checked_as_any_file(folder, monkeypatch, tmp_path):
    asked = []

    def download(name, file, **options):
        asked.append((name, file, options["revision"]))
        return str(tmp_path / "fetched")

    (tmp_path / "fetched").write_bytes((folder / "model.safetensors").read_bytes())
    monkeypatch.setattr(hub, "hf_hub_download", download)
    monkeypatch.setattr("huggingface_hub.hub_mixin.hf_hub_download", lambda **_: str(folder / "config.json"))
    assert PretrainedFlow.from_pretrained("me/faces", revision="v2").info.temperature == 0.8
    assert asked == [("me/faces", "model.safetensors", "v2")]
    (tmp_path / "fetched").write_bytes(b"no checkpoint at all")
    with pytest.raises(CheckpointError, match="fetched is not a usable checkpoint"):
        PretrainedFlow.from_pretrained("me/faces")


def test_the_card_of_a_flow_with_labels_is_tagged_conditional():
    flow = tiny_flow(context=2)
    card = ModelCard(model_card(flow, tiny_info(flow, labels="side", classes=("left", "right"))))
    assert card.data.tags == ["normalizing-flow", "conditional-image-generation"]


@pytest.mark.parametrize("context", [0, 1, 2])
def test_the_code_of_a_card_draws_images(tmp_path, context):
    PretrainedFlow(tiny_flow(context=context)).save_pretrained(tmp_path)
    code = (tmp_path / "README.md").read_text().partition("```python\n")[2].partition("```")[0]
    names = {}
    exec(code.replace("this folder, or its name on the hub", str(tmp_path)), names)
    assert names["images"].shape == (4, *names["flow"].config.shape)


def test_a_card_that_is_there_stays(folder, flow):
    (folder / "README.md").write_text("mine")
    PretrainedFlow(flow).save_pretrained(folder)
    assert (folder / "README.md").read_text() == "mine"


def test_commands_and_the_list_of_flows_know_such_a_folder(folder, flow):
    assert json_of("inspect", folder)["parameters"] == flow.parameter_count()
    assert list_runs(folder.parent) == ([], []) and saved_flows(folder.parent) == [folder]


def test_the_app_opens_it_and_a_lone_file_among_the_runs(folder, flow, monkeypatch):
    from eiwflow.ui.sources import checkpoints

    monkeypatch.setenv("EIWFLOW_RUNS", str(folder.parent))
    other = tiny_flow(order="random", weights="none").requires_grad_(False)
    save(folder.parent / "own.safetensors", other, tiny_info(other))
    files = {file.label: file for file in checkpoints.checkpoint_files().values()}
    assert files["mine"].argument == str(folder)
    assert checkpoints.open_checkpoint(files["mine"]).info.temperature == 0.8
    assert checkpoints.open_checkpoint(files["own.safetensors"]).flow.config == other.config


def test_the_card_defines_every_number_and_nothing_of_the_file_is_markup(folder):
    card = ModelCard.load(folder / "README.md")
    assert card.data.library_name == "eiwflow"
    assert card.data.tags == ["normalizing-flow", "unconditional-image-generation"]
    rows = [line.split(" | ") for line in card.text.splitlines() if line.startswith("| ") and len(line) > 8]
    assert "| test bits per dim" in {row[0] for row in rows} and "faces ? ?rm?" in card.text
    assert all(row[2].strip(" |") for row in rows if row[1][0].isdigit())
