"""A file is imported, or refused in one sentence; what is pickled in it is never run."""

import io
import json
import os

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eiwflow import checkpoint
from eiwflow.cli import main
from eiwflow.flow import ConfigError, MultiScaleFlow
from eiwflow.importing import GlowError, Options, import_flow
from eiwflow.importing.check import compare
from eiwflow.importing.formats import convert, recognise

from ..training.tiny import same_tensors
from .models import Normflows, Rosinality, Y0ast

SMALL = {"channels": 1, "levels": 2, "steps": 1, "side": 8}


def refusal(state, **options):
    """Return the sentence that a state dict is refused with."""
    with pytest.raises(ConfigError) as caught:
        convert(*recognise(state, options.get("kind"), options.get("part")), Options(**options))
    message = str(caught.value)
    assert message.endswith(".") and "\n" not in message and len(message) < 300
    return message


def test_what_a_file_does_not_say_is_asked_for_in_a_sentence_that_names_the_option():
    assert "--size" in refusal(Rosinality(**SMALL).state, bits=5)
    assert "--bits" in refusal(Rosinality(**SMALL).state, size=8)
    assert "--scale-map" in refusal(Normflows(**SMALL).state)
    assert "--size" in refusal(Normflows(**SMALL, base="glow").state, scale_map="exp")
    state = Y0ast(**SMALL, top=False).state
    del state["prior_h"]
    assert "--size" in refusal(state)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": 16}, "--size is 16"),
        ({"bits": 9}, "bits is 9"),
        ({"kind": "normflows"}, "--from is normflows"),
        ({"scale_map": "exp"}, "--scale-map is for files of normflows"),
        ({"leaky": 0.1}, "--leaky is for files of normflows"),
    ],
)
def test_what_contradicts_the_file_is_refused(options, words):
    assert words in refusal(Y0ast(**SMALL).state, **options)


def test_a_file_of_images_that_are_not_square_is_refused_with_both_sizes():
    state = Y0ast(**SMALL, top=False).state
    state["prior_h"] = torch.zeros(1, *state["prior_h"].shape[1:3], 4)
    assert convert(*recognise(state), Options()).config.shape == (1, 8, 16)
    for size in (8, 16):
        assert "images of 8×16 pixels" in refusal(state, size=size)


#: name -> (model, a change of its tensors, options, words of the refusal)
OTHER_MODELS = {
    "conditional y0ast": (Y0ast, {"project_ycond.linear.weight": torch.zeros(2, 2)}, {}, "another model"),
    "no 1×1 convolution": (Y0ast, {"flow.layers.1.invconv.p": None}, {}, "has no tensor"),
    "conditional normflows": (
        Normflows, {"q0.0.loc": torch.zeros(8, 2, 2, 10)}, {"scale_map": "exp"},
        "q0.0.log_scale has the shape 1×8×2×2",
    ),
    "a layer of another model": (Y0ast, {"transform.alpha": torch.zeros(1)}, {}, "another model"),
    "saved before the first batch": (
        Rosinality, {"blocks.0.flows.0.actnorm.initialized": torch.tensor(0)}, {"size": 8, "bits": 5}, "first batch",
    ),
    "no permutation": (Y0ast, {"flow.layers.1.invconv.p": torch.ones(4, 4)}, {}, "permutation"),
    "a missing tensor": (Y0ast, {"flow.layers.1.block.0.conv.weight": None}, {}, "has no tensor"),
    "a wrong shape": (Y0ast, {"flow.layers.1.actnorm.bias": torch.zeros(4)}, {}, "shape"),
    "a level too many": (
        Rosinality, {"blocks.9.flows.0.actnorm.loc": torch.zeros(1, 4, 1, 1)}, {"size": 8, "bits": 5}, "shape",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("model", "change", "options", "words"), OTHER_MODELS.values(), ids=OTHER_MODELS.keys())
def test_a_model_that_ours_cannot_be_is_refused_by_what_it_has(model, change, options, words):
    state = {name: value for name, value in (model(**SMALL).state | change).items() if value is not None}
    assert words in refusal(state, **options)


@pytest.mark.parametrize("content", [None, [], {}, {"model": 3}, {"weight": torch.zeros(3)}], ids=str)
def test_what_is_no_state_dict_of_a_glow_is_refused_with_the_kinds_that_are_known(content):
    assert "rosinality/glow-pytorch" in refusal(content)


@pytest.mark.slow
def test_the_command_converts_a_file_and_says_what_was_assumed(tmp_path, capsys):
    torch.save({"optim": {}, "graph": Y0ast(**SMALL).state}, tmp_path / "theirs.pt")
    out = tmp_path / "ours.safetensors"
    assert main(["import", str(tmp_path / "theirs.pt"), "--out", str(out), "--bits", "5"]) == 0
    assert "y0ast/Glow-PyTorch" in capsys.readouterr().out
    info = checkpoint.load(out).info
    assert info.imported["file"] == "theirs.pt"
    assert info.imported["stated"] == "bits 5"
    assert len(info.imported["sha256"]) == 64
    assert info.config.bits == 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ours.safetensors", "theirs.pt"]


@pytest.mark.parametrize(
    ("place", "part"),
    [
        (lambda model, average: {"model": model, "ema": average}, "ema"),
        (lambda model, average: {"ema": average, "optim": {}, "model": model}, "ema"),
        (lambda model, average: {"model": model, "ema": {"decay": 0.999, "shadow": average}}, "ema.shadow"),
    ],
)
def test_of_several_state_dicts_one_must_be_named_whatever_their_order(place, part):
    model, average = (Y0ast(**SMALL, seed=seed).state for seed in (1, 2))
    content = place(model, average)
    sentence = refusal(content)
    assert "The file holds 2 state dicts of a Glow: " in sentence and "--part" in sentence
    assert part in sentence and "model" in sentence
    assert same_tensors(recognise(content, part=part)[1], average)
    assert same_tensors(recognise(content, part="model")[1], model)


def test_a_part_that_is_not_there_is_refused_with_those_that_are():
    state = Y0ast(**SMALL).state
    assert "--part is 'ema', but the file is one state dict alone" in refusal(state, part="ema")
    assert "--part is 'ema'; the file's state dicts are net." in refusal({"net": state}, part="ema")
    many = {f"epoch {number}": dict(state) for number in range(9)}
    assert "holds 9 state dicts of a Glow: epoch 0, epoch 1, epoch 2, epoch 3, epoch 4 and 4 more;" in refusal(many)


def test_a_state_dict_in_two_places_and_one_of_another_kind_leave_no_choice():
    state, other = Y0ast(**SMALL).state, Normflows(**SMALL).state
    recognise({"model": state, "best": {"model": state}})
    assert recognise({"teacher": other, "student": state}, "y0ast")[1].keys() == state.keys()
    assert "2 state dicts" in refusal({"teacher": other, "student": state})


@pytest.mark.slow
def test_values_of_the_other_code_tell_a_right_import_from_a_wrong_one(tmp_path, capsys):
    model = Normflows(**SMALL, scale_map="sigmoid", leaky=0.1)
    x = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    torch.save(model.state, tmp_path / "theirs.pt")
    np.save(tmp_path / "x.npy", x.numpy())
    np.save(tmp_path / "log_prob.npy", model.log_prob(x.double())[0].numpy())
    command = ["import", tmp_path / "theirs.pt", "--out", tmp_path / "ours.safetensors", "--leaky", 0.1, "--force"]
    check = ["--check-images", tmp_path / "x.npy", "--check-log-prob", tmp_path / "log_prob.npy"]

    def answer(*options):
        return main([str(word) for word in (*command, *options)]), capsys.readouterr()

    code, (out, _) = answer("--scale-map", "sigmoid", *check)
    assert code == 0 and "log p of 5 images differs by at most" in out and "wrong" not in out
    code, (out, _) = answer("--scale-map", "exp", *check)
    assert code == 1 and "A stated or assumed setting is wrong: try another scale map" in out
    code, (_, err) = answer("--scale-map", "sigmoid", *check[:2])
    assert code == 2 and "--check-images and --check-log-prob belong together" in err


@pytest.mark.slow
def test_a_flow_of_classes_is_compared_and_scored_given_its_labels(tmp_path, capsys):
    model = Normflows(**SMALL, classes=3)
    x = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    torch.save(model.state, tmp_path / "theirs.pt")
    values = {"x": x.numpy(), "log_prob": model.log_prob(x.double())[0].numpy(), "labels": np.full(5, model.LABEL)}
    command = ["import", tmp_path / "theirs.pt", "--out", tmp_path / "ours.safetensors", "--scale-map", "sigmoid"]
    for name, array in values.items():
        np.save(tmp_path / f"{name}.npy", array)
        command += [f"--check-{name.replace('x', 'images').replace('_', '-')}", tmp_path / f"{name}.npy"]
    assert main([str(word) for word in command]) == 0
    assert "log p of 5 images differs by at most" in capsys.readouterr().out
    images = (np.arange(40 * 64) % 251).astype(np.uint8).reshape(40, 8, 8)
    np.savez(
        tmp_path / "digits.npz", train=images[:30], test=images[30:],
        train_labels=np.arange(30) % 3, test_labels=np.arange(10) % 3,
    )  # fmt: skip
    ours, digits = str(tmp_path / "ours.safetensors"), str(tmp_path / "digits.npz")
    assert main(["evaluate", ours, "--data", digits, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["label_accuracy"] >= 0
    assert main(["evaluate", ours, "--data", digits, "--label", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n"] == 3


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


def test_a_pickle_that_runs_code_is_refused_unrun_and_the_old_file_stays(tmp_path):
    torch.save({"state": Trap(tmp_path / "sprung")}, tmp_path / "theirs.pt")
    out = tmp_path / "ours.safetensors"
    out.write_text("before")
    with pytest.raises(GlowError, match=r"theirs\.pt"):
        import_flow(tmp_path / "theirs.pt", out)
    assert out.read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ours.safetensors", "theirs.pt"]


def test_what_is_not_there_is_refused(tmp_path):
    with pytest.raises(GlowError, match=r"missing\.pt"):
        import_flow(tmp_path / "missing.pt", tmp_path / "flow.safetensors")


@pytest.mark.parametrize(
    "change",
    [
        {"flow.layers.1.invconv.sign_s": torch.zeros(4)},
        {"flow.layers.1.block.0.conv.weight": torch.zeros(12, 2, 3, 1)},
        {"flow.layers.1.invconv.lower": torch.full((4, 4), torch.nan)},
        {"prior_h": torch.zeros((), dtype=torch.int8).expand(1, 16, 5000, 5000)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_tensors_that_make_no_flow_are_refused_with_the_file(tmp_path, change):
    torch.save(Y0ast(**SMALL).state | change, tmp_path / "theirs.pt")
    with pytest.raises(GlowError, match=r"theirs\.pt"):
        import_flow(tmp_path / "theirs.pt", tmp_path / "flow.safetensors")


@pytest.mark.slow
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(damage=st.data())
def test_damaged_files_are_flows_or_a_sentence_with_their_name(tmp_path, damage):
    file = io.BytesIO()
    torch.save(Y0ast(**SMALL).state, file)
    content = bytearray(file.getvalue())
    for _ in range(damage.draw(st.integers(1, 5))):
        content[damage.draw(st.integers(0, len(content) - 1))] ^= damage.draw(st.integers(1, 255))
    if damage.draw(st.booleans()):
        del content[damage.draw(st.integers(0, len(content))) :]
    (tmp_path / "theirs.pt").write_bytes(content)
    try:
        import_flow(tmp_path / "theirs.pt", tmp_path / "ours.safetensors")
    except GlowError as error:
        assert "theirs.pt" in str(error) and "\n" not in str(error)


@pytest.mark.parametrize("values", [np.zeros((5, 1)), np.zeros(5, int), np.zeros(4), None])
def test_a_file_that_holds_no_values_is_refused_by_its_option(tmp_path, values):
    converted = convert(*recognise(Y0ast(**SMALL).state), Options())
    images, log_prob = tmp_path / "x.npy", tmp_path / "log_prob.npy"
    np.save(images, np.zeros((5, 1, 8, 8)))
    log_prob.write_bytes(b"no array") if values is None else np.save(log_prob, values)
    with pytest.raises(GlowError, match="--check-log-prob"):
        compare(MultiScaleFlow(converted.config), "y0ast/Glow-PyTorch", images, log_prob)
