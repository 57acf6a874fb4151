"""An exported flow computes what the flow computes, for batches of any size, without this package."""

import math

import numpy as np
import onnxruntime
import pytest
import torch

from eiwflow import cli
from eiwflow.cli import outputs
from eiwflow.export import EXPORTS, _onnx, differences, export
from eiwflow.flow import Latents

from .flow.flows import images_for, ready_flow
from .test_cli import json_of, refused
from .training.tiny import tiny_flow, tiny_info

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def flow():
    return tiny_flow(steps=1).requires_grad_(False)


@pytest.fixture(scope="module")
def written(flow, tmp_path_factory):
    """What the command answers, and the folder of the ONNX files that it wrote."""
    from eiwflow.checkpoint import save

    place = tmp_path_factory.mktemp("export")
    save(place / "flow.safetensors", flow, tiny_info(flow))
    (place / "onnx").mkdir()
    (place / "elsewhere").write_text("precious")
    (place / "onnx" / "encode.onnx").symlink_to(place / "elsewhere")
    return json_of("export", place / "flow.safetensors", "--out", place / "onnx", "--force"), place / "onnx"


@pytest.mark.parametrize("count", [1, 5])
def test_onnxruntime_computes_the_same(flow, written, count):
    x = images_for(flow, count)
    noises = [f"noise_{level}" for level in range(1, len(flow.levels) + 1)]

    def run(name, outputs, **inputs):
        session = onnxruntime.InferenceSession(written[1] / f"{name}.onnx")
        assert [entry.name for entry in session.get_inputs()] == list(inputs)
        return [torch.from_numpy(value) for value in session.run(outputs, {k: v.numpy() for k, v in inputs.items()})]

    (log_prob,) = run("log_prob", ["log_prob"], x=x)
    encoded = run("encode", noises, x=x)
    (decoded,) = run("decode", ["x"], **dict(zip(noises, encoded, strict=True)))
    assert torch.allclose(log_prob, flow.log_prob(x), atol=1e-4 * flow.config.dimensions)
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(encoded, flow.encode(x).levels, strict=True))
    assert torch.allclose(decoded, x, atol=1e-4)


def test_the_command_states_how_far_onnxruntime_is_off(written):
    answer, _ = written
    assert answer["holds"] and answer["max_difference"].keys() == {*EXPORTS}
    assert 0 <= max(answer["max_difference"].values()) < 1e-4


def test_the_command_prints_the_bits_to_which_images_are_dequantised(tmp_path, capsys):
    """By the formula of docs/library.md, in NumPy, the exported flow gives the flow's own bits/dim."""
    from eiwflow.checkpoint import save

    flow = tiny_flow(steps=1, bits=5)
    save(tmp_path / "flow.safetensors", flow, tiny_info(flow))
    assert cli.main(["export", str(tmp_path / "flow.safetensors"), "--out", str(tmp_path / "onnx")]) == 0
    said = capsys.readouterr().out
    assert said.endswith("The flow takes images dequantised to 5 bits.\n")
    b = int(said.split()[-2])
    images = torch.randint(
        0, 256, (4, *flow.config.shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)
    )
    u = torch.rand(images.shape, generator=torch.Generator().manual_seed(2)).numpy()
    x = (np.floor(images.numpy() / 2 ** (8 - b)) + u) / 2**b - 0.5
    session = onnxruntime.InferenceSession(tmp_path / "onnx" / "log_prob.onnx")
    (log_prob,) = session.run(None, {"x": x.astype(np.float32)})
    own = flow.bits_per_dim(images, torch.Generator().manual_seed(2)).detach().numpy()
    assert b - log_prob / (flow.config.dimensions * math.log(2)) == pytest.approx(own, abs=1e-3)


def test_differences_of_log_p_are_in_bits_a_dimension(flow, written, monkeypatch):
    log_prob, one_bit = flow.log_prob, flow.config.dimensions * math.log(2)
    monkeypatch.setattr(flow, "log_prob", lambda x: log_prob(x) - one_bit)
    found = differences(flow, {"log_prob": written[1] / "log_prob.onnx"})
    assert found["log_prob"] == pytest.approx(1, abs=1e-3)


def test_the_difference_of_noise_is_the_largest_of_all_levels(flow, written, monkeypatch):
    encode = flow.encode

    def off(x):
        first, *others = encode(x).levels
        return Latents([first + 1, *others])

    monkeypatch.setattr(flow, "encode", off)
    assert differences(flow, {"encode": written[1] / "encode.onnx"})["encode"] == pytest.approx(1, abs=1e-3)


def test_a_link_in_the_folder_is_replaced_and_not_written_through(written):
    _, folder = written
    assert (folder.parent / "elsewhere").read_text() == "precious"
    assert {path.name for path in folder.iterdir() if path.is_file() and not path.is_symlink()} == {
        f"{name}.onnx" for name in EXPORTS
    }


@pytest.mark.parametrize("name", EXPORTS)
def test_torch_export_takes_batches_of_any_size_of_an_order_that_is_learned(name):
    flow = ready_flow(order="released", weights="none", prior="standard", init="random", steps=1)
    x = images_for(flow, 5)
    program = export(flow, name).module()
    latents = flow.encode(x)
    if name == "decode":
        got, expected = program(*latents.levels), flow.decode(latents)
    else:
        got, expected = program(x), latents.levels if name == "encode" else flow.log_prob(x)
    pairs = zip(got, expected, strict=True) if name == "encode" else [(got, expected)]
    assert all(torch.allclose(ours, theirs, atol=1e-8) for ours, theirs in pairs)


def test_a_flow_that_splits_nothing_is_exported_with_latents_of_no_channels(tmp_path):
    flow, path = ready_flow(keep="all", steps=1).float(), tmp_path / "encode.onnx"
    path.write_bytes(_onnx(flow, "encode"))
    assert differences(flow, {"encode": path})["encode"] < 1e-4
    outputs = onnxruntime.InferenceSession(path).get_outputs()
    assert [entry.shape[1] for entry in outputs] == [shape[0] for shape in flow.latent_shapes()] == [0, 16]


def test_an_order_that_is_learned_is_exported_for_onnx(tmp_path):
    flow = ready_flow(order="released", weights="none", prior="standard", init="random", steps=1).float()
    assert not torch.equal(flow.levels[0].shuffle.order, torch.arange(4))
    path = tmp_path / "decode.onnx"
    path.write_bytes(_onnx(flow, "decode"))
    assert differences(flow, {"decode": path})["decode"] < 1e-4


def test_a_missing_library_is_named_with_what_installs_it(monkeypatch, tmp_path):
    monkeypatch.setattr(outputs, "missing", lambda *names: [name for name in names if name == "onnxruntime"])
    said = refused("export", "photos32-entropy-weighted", "--out", tmp_path / "onnx")
    assert said.endswith("The export needs onnxruntime, not installed here: pip install onnxruntime.\n")
    assert not (tmp_path / "onnx").exists()
