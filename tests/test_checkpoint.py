"""A checkpoint: what is saved comes back bit for bit, and nothing else comes in."""

import dataclasses
import errno
import hashlib
import itertools
import json
import math
import os
import re

import pytest
import safetensors
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eiwflow import checkpoint
from eiwflow.checkpoint import CheckpointError, load, save
from eiwflow.flow import FlowConfig, MultiScaleFlow
from eiwflow.flow.config import PRIORS
from tests.training.tiny import same_tensors, tiny_config, tiny_flow, tiny_info, tiny_x

ARMS = list(itertools.product(("entropy+pooled", "entropy", "random"), PRIORS))


def saved(folder, **fields):
    """Return the bytes of a checkpoint of a flow with these fields."""
    flow = tiny_flow(**fields)
    save(folder / "flow.safetensors", flow, tiny_info(flow))
    return (folder / "flow.safetensors").read_bytes()


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """The bytes of a good checkpoint."""
    return saved(tmp_path_factory.mktemp("good"))


# ---------------------------------------------------------------------- taking a file apart, and together


def parts(content):
    """Return (header, data) of a safetensors file."""
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def joined(header, data=b""):
    """Return the file with this header, given as bytes or as what JSON can hold."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def document_of(content):
    """Return the JSON document in the metadata."""
    return json.loads(parts(content)[0]["__metadata__"]["eiwflow"])


def with_document(content, document):
    """Return the file with another document, given as text or as what JSON can hold."""
    header, data = parts(content)
    header["__metadata__"]["eiwflow"] = document if isinstance(document, str) else json.dumps(document)
    return joined(header, data)


def saying(**changes):
    """Return the change of a file that puts other values into its document."""
    return lambda content: with_document(content, {**document_of(content), **changes})


def without(name):
    """Return the change of a file that takes a field out of its document."""

    def changed(content):
        document = document_of(content)
        del document[name]
        return with_document(content, document)

    return changed


def built_by(**changes):
    """Return the change of a file that puts other values into its config."""
    return lambda content: saying(config={**document_of(content)["config"], **changes})(content)


def holding(name, change):
    """Return the change of a file that puts ``change(tensor)`` for a tensor, or leaves it out for None."""

    def changed(content):
        tensors = safetensors.torch.load(content)
        tensor = change(tensors.pop(name, None))
        tensors |= {} if tensor is None else {name: tensor.contiguous()}
        return safetensors.torch.save(tensors, parts(content)[0]["__metadata__"])

    return changed


def filled(value):
    """Return the change of a tensor that puts a value into its first place."""

    def changed(tensor):
        tensor.view(-1)[0] = value
        return tensor

    return changed


def refusal(source, **named):
    """Return the error that a file is refused with; its message is one sentence made of its three cells."""
    with pytest.raises(CheckpointError) as caught:
        load(source, **named)
    error, message = caught.value, str(caught.value)
    assert re.fullmatch(r"[^\n]+ is not a usable checkpoint: [^\n]+; expected [^\n]+\.", message)
    assert all(cell and cell in message for cell in (error.field, error.expected, error.found))
    assert len(message) < 700
    return error


# ---------------------------------------------------------------------- what is saved comes back


@pytest.mark.parametrize(("split", "prior"), ARMS)
def test_save_and_load_keep_log_prob_bit_for_bit(tmp_path, split, prior):
    flow = tiny_flow(split=split, prior=prior)
    save(tmp_path / "flow.safetensors", flow, tiny_info(flow))
    loaded = load(tmp_path / "flow.safetensors").flow
    x = tiny_x(5, flow.config)
    assert torch.equal(loaded.log_prob(x), flow.log_prob(x))
    assert torch.equal(loaded.decode(loaded.encode(x)), flow.decode(flow.encode(x)))
    assert same_tensors(loaded.state_dict(), flow.state_dict())


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_flow_of_another_precision_is_written_in_float32(tmp_path, dtype):
    flow = tiny_flow().to(dtype)
    save(tmp_path / "flow.safetensors", flow, tiny_info(flow))
    loaded = load(tmp_path / "flow.safetensors").flow
    assert same_tensors(loaded.state_dict(), flow.float().state_dict())


def test_metadata_survives_save_and_load(content):
    loaded, flow = load(content), tiny_flow()
    assert loaded.info == tiny_info(flow, versions=checkpoint.software_versions())
    assert loaded.info.versions.keys() == {"eiwflow", "torch", "python"}


def test_hash_is_sha256_of_the_file(content, tmp_path):
    (tmp_path / "a.safetensors").write_bytes(content)
    loaded = load(tmp_path / "a.safetensors")
    assert loaded.sha256 == load(content).sha256 == hashlib.sha256(content).hexdigest()
    assert loaded.name == "a.safetensors"
    assert load(content, name="one.safetensors").name == "one.safetensors"


def test_the_metadata_is_one_document_whose_config_has_the_flow_configs_fields(content, tmp_path):
    (tmp_path / "a.safetensors").write_bytes(content)
    with safetensors.safe_open(tmp_path / "a.safetensors", "pt") as file:
        metadata = file.metadata()
    assert list(metadata) == ["eiwflow"]
    document = json.loads(metadata["eiwflow"])
    assert document["format"] == "eiwflow-checkpoint"
    assert document["version"] == 3  # it has entropy weights
    assert document["config"] == tiny_config().to_dict()
    assert FlowConfig.from_dict(document["config"]) == tiny_config()


@pytest.mark.parametrize(
    ("fields", "version"),
    [
        ({"init": "linear"}, 3),
        ({"order": "released", "weights": "none", "prior": "standard"}, 3),
        ({"prior": "unbounded"}, 3),
        ({"order": "variance", "weights": "none", "init": "principal"}, 2),
    ],
)
def test_words_unknown_to_version_2_make_files_of_version_3_and_older_ones_open(tmp_path, fields, version):
    content = saved(tmp_path, **fields)
    document = document_of(content)
    assert document["version"] == version
    # Files with these words were once written as version 2.
    old = load(with_document(content, json.dumps({**document, "version": 2})))
    assert old.flow.config == load(content).flow.config


def test_a_loaded_flow_requires_no_gradient(content):
    flow = load(content).flow
    assert not flow.training
    assert not any(parameter.requires_grad for parameter in flow.parameters())


def test_save_refuses_an_uninitialised_flow(tmp_path):
    flow = MultiScaleFlow(tiny_config())
    with pytest.raises(ValueError, match="not initialised"):
        save(tmp_path / "flow.safetensors", flow, tiny_info(flow))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "facts",
    [{"metrics": {"bits": math.nan}}, {"temperature": 5}],
    ids=str,
)
def test_save_refuses_what_load_would_refuse_and_replaces_no_file(tmp_path, facts):
    before, flow = saved(tmp_path), tiny_flow()
    with pytest.raises(ValueError, match=next(iter(facts))):
        save(tmp_path / "flow.safetensors", flow, tiny_info(flow, **facts))
    assert (tmp_path / "flow.safetensors").read_bytes() == before


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("size", [1, 7, 1000, 100_003])
def test_a_value_that_is_not_finite_is_found_wherever_it_stands(value, size):
    for place in {0, size // 2, size - 1}:
        tensor = torch.ones(size)
        assert not list(checkpoint.wrong_values({"bias": tensor}))
        tensor[place] = value
        assert [wrong.tensor for wrong in checkpoint.wrong_values({"bias": tensor})] == ["bias"]


def test_a_flow_alone_is_saved_with_its_own_config(tmp_path):
    flow = tiny_flow(keep="auto", levels=3)
    asked = dataclasses.replace(flow.config, kept=())  # what a flow was built from, before it saw data
    for info in (None, checkpoint.CheckpointInfo(asked)):
        save(tmp_path / "flow.safetensors", flow, info)
        assert load(tmp_path / "flow.safetensors").info.config == flow.config


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch, failing):
    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    before = saved(tmp_path)
    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(OSError, match="No space"):
        saved(tmp_path, split="random")
    assert [path.name for path in tmp_path.iterdir()] == ["flow.safetensors"]
    assert (tmp_path / "flow.safetensors").read_bytes() == before


def test_a_reader_never_sees_half_a_file(tmp_path, monkeypatch):
    before, seen = saved(tmp_path), []
    flush = os.fsync

    def look_and_flush(handle):
        seen.append((tmp_path / "flow.safetensors").read_bytes())
        flush(handle)

    monkeypatch.setattr(os, "fsync", look_and_flush)
    after = saved(tmp_path, split="random")
    assert seen == [before]
    assert after != before
    assert load(after).info.config.split == "random"


# ---------------------------------------------------------------------- what is refused

REFUSED = {
    # Size and header.
    "empty": (lambda c: b"", "header", "JSON", "not readable"),
    "a header longer than the file": (
        lambda c: len(c).to_bytes(8, "little") + c[8:], "header length", "at most", "bytes"
    ),
    "no JSON": (lambda c: joined(b"<html>"), "header", "JSON", "not readable"),
    "deep JSON": (lambda c: joined(b'{"a":' * 50_000 + b"1" + b"}" * 50_000), "header", "JSON", "recursion"),
    # The document.
    "no metadata": (
        lambda c: safetensors.torch.save(safetensors.torch.load(c)), "metadata", "document", "absent",
    ),
    "a temperature that is too large": (
        lambda c: with_document(c, {**document_of(c), "temperature": 3.5}), "temperature", "0 to 3", "3.5"
    ),
    "another format": (saying(format="zuko"), "format", "'eiwflow-checkpoint'", "'zuko'"),
    "a newer version": (saying(version=4), "version", "2 or 3, as eiwflow 0.2 and later write it", "4"),
    # The config against its bounds.
    "no levels": (built_by(levels=0), "config", "within its bounds", "levels is 0"),
    "an unknown field": (built_by(depth=3), "config", "within its bounds", "'depth'"),
    # What it says of itself.
    "no data": (without("data"), "data", "str", "NoneType"),
    "a metric that is no number": (
        saying(metrics={"bits": float("nan")}), "metrics 'bits'", "finite", "nan",
    ),
    # Names, shapes and types.
    "a tensor missing": (
        holding("levels.0.shuffle.order", lambda t: None), "layout", "tensors", "levels.0.shuffle.order",
    ),
    "a tensor more": (
        holding("levels.9.extra", lambda t: torch.ones(2)), "layout", "tensors", "levels.9.extra",
    ),
    "another shape": (
        holding("levels.0.shuffle.order", lambda t: t[:-1]), "layout", "tensors", "levels.0.shuffle.order",
    ),
    "another type": (
        holding("levels.0.steps.0.mixing.sign", torch.Tensor.double), "type of", "float32", "float64"
    ),
    # Bytes.
    "a byte missing at the end": (lambda c: c[:-1], "layout", "tensors", "broken"),
    "bytes left over": (lambda c: c + b"\0", "layout", "tensors", "broken"),
    # Values.
    "a NaN": (
        holding("levels.1.steps.0.actnorm.bias", filled(float("nan"))),
        "tensor 'levels.1.steps.0.actnorm.bias' of level 2", "finite", "not",
    ),
    "an order that names a channel twice": (
        holding("levels.0.shuffle.order", lambda t: t[[0, *range(11)]]),
        "levels.0.shuffle.order", "0…11", "none",
    ),
    "rows that are no permutation": (
        holding("levels.1.steps.0.mixing.permutation", torch.zeros_like),
        "levels.1.steps.0.mixing.permutation", "0…23", "none",
    ),
    "a sign of 2": (holding("levels.0.steps.0.mixing.sign", filled(-2.0)), "mixing.sign", "±1", "other"),
    "a flow that was never initialised": (
        holding("initialised", torch.zeros_like), "initialised", "true", "false",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("change", "field", "expected", "found"), REFUSED.values(), ids=REFUSED.keys())
def test_a_refusal_names_field_bound_and_value(content, change, field, expected, found):
    error = refusal(change(content), name="theirs.safetensors")
    assert str(error).startswith("theirs.safetensors is not")
    assert field in error.field
    assert expected in error.expected
    assert found in error.found


@pytest.mark.slow
def test_an_outline_allocates_no_parameters():
    outline, flow = checkpoint.outline(tiny_config()).state_dict(), tiny_flow().state_dict()
    assert all(tensor.is_meta for tensor in outline.values())
    assert {name: (t.shape, t.dtype) for name, t in outline.items()} == {
        name: (t.shape, t.dtype) for name, t in flow.items()
    }


# ---------------------------------------------------------------------- damage


def is_refused_or_whole(content):
    """Return whether a file is refused by name, or else gives a flow that computes."""
    try:
        flow = load(content).flow
    except CheckpointError:
        return True
    return flow(tiny_x(1, flow.config))[0].shape == (1,)


@settings(max_examples=60)
@given(data=st.data())
def test_a_file_cut_short_is_refused(content, data):
    refusal(content[: data.draw(st.integers(0, len(content) - 1))])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(sorted(tiny_config().to_dict())), JSON)
def test_any_value_in_the_config_gives_a_refusal_or_a_flow(content, field, value):
    assert is_refused_or_whole(built_by(**{field: value})(content))


def test_a_file_written_in_parts_is_the_file_that_the_library_writes():
    tensors = {"b": torch.randn(3, 2), "a": torch.arange(4), "c": torch.tensor(True), "none": torch.zeros(0, 5)}
    content = b"".join(checkpoint.file_parts(tensors, {"k": '"é"'}))
    read = safetensors.torch.load(content)
    assert read.keys() == tensors.keys() and all(torch.equal(read[name], tensors[name]) for name in tensors)
    assert content == safetensors.torch.save(tensors, {"k": '"é"'})


def test_a_flow_is_loaded_frozen_or_to_be_trained(tmp_path):
    flow = tiny_flow()
    checkpoint.save(tmp_path / "flow.safetensors", flow, tiny_info(flow))
    frozen, trainable = (load(tmp_path / "flow.safetensors", trainable=on).flow for on in (False, True))
    assert not any(p.requires_grad for p in frozen.parameters()) and not frozen.training
    assert all(p.requires_grad for p in trainable.parameters()) and trainable.training
    trainable.log_prob(tiny_x(2, flow.config)).sum().backward()
    assert all(p.grad is not None for p in trainable.parameters())


@pytest.mark.slow
def test_a_flow_that_load_would_refuse_replaces_no_file(tmp_path):
    path, flow = tmp_path / "flow.safetensors", tiny_flow()
    save(path, torch.compile(flow))  # whose parameters have other names
    assert torch.equal(load(path).flow.log_prob(x := tiny_x(2, flow.config)), flow.log_prob(x))
    before = path.read_bytes()
    flow.register_buffer("another", torch.ones(3))
    with pytest.raises(CheckpointError, match="another"):
        save(path, flow)
    assert path.read_bytes() == before
