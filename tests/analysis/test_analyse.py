"""What the command line prints of a page's subject is what the page's analysis says."""

import dataclasses
import json
import math

import numpy as np
import pytest
import torch

from eiwflow import checkpoint, cli
from eiwflow.analysis import weights as channel_weights
from eiwflow.analysis.analyse import SUBJECTS, analyse
from eiwflow.analysis.evaluate import images_to_score
from eiwflow.analysis.levels import traces
from eiwflow.analysis.space import interpolate
from eiwflow.analysis.words import space as words_of_space
from eiwflow.cli.parser import SUBJECTS as OFFERED
from eiwflow.data import DataError, Factor
from eiwflow.flow import ConfigError
from tests.training.tiny import planes, tiny_data, tiny_flow, tiny_info


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """A tiny checkpoint with weights at the split."""
    path = tmp_path_factory.mktemp("analyse") / "tiny.safetensors"
    flow = tiny_flow(weights="pooled")
    checkpoint.save(path, flow, tiny_info(flow))
    return checkpoint.load(path)


#: The subjects that need no known factors.
OF_ANY_IMAGES = [what for what in SUBJECTS if what != "attributes"]


def test_attributes_of_images_without_factors_are_refused_with_what_has_them(opened):
    with pytest.raises(DataError, match="planes has no known factors.* faces16 or letters32"):
        analyse(opened, tiny_data(), "attributes")


def test_the_command_line_offers_every_subject():
    assert set(OFFERED) == set(SUBJECTS)


NEEDS_MORE = {
    "likelihood": r"^1 test image .* at least 2 are needed\.$",
    "entropy": r"^1 images .* at least 32 images",
}


@pytest.mark.parametrize("what", OF_ANY_IMAGES)
def test_one_test_image_is_enough_or_refused_with_the_bound(opened, what):
    images = tiny_data(test=1, note="one image")
    if what in NEEDS_MORE:
        with pytest.raises(DataError, match=NEEDS_MORE[what]):
            analyse(opened, images, what)
    else:
        assert analyse(opened, images, what, other_image=0)["note"] == "one image"


def test_a_trace_accounts_for_the_log_probability(opened):
    found = analyse(opened, tiny_data(), "trace", image=1)
    flow = opened.flow
    log_dets = sum(sum(level["log_dets"].values()) for level in found["levels"])
    squares = sum(
        (mean**2 + std**2) * level["noise"]["shape"][1] * level["noise"]["shape"][2]
        for level in found["levels"]
        for mean, std in zip(level["noise"]["mean"], level["noise"]["std"], strict=True)
    )
    normal = -0.5 * (squares + flow.config.dimensions * math.log(2 * math.pi))
    assert found["log_prob"] == pytest.approx(log_dets + normal, abs=1e-2)


@pytest.mark.slow
def test_every_subject_is_of_the_image_and_the_seed_that_are_asked_for(opened):
    images, flow = tiny_data(test=32), opened.flow
    (trace,) = traces(flow, images_to_score(images, flow)[2:3], 3)
    traced, stops, scores = (
        analyse(opened, images, what, image=2, seed=3) for what in ("trace", "levels", "likelihood")
    )
    bits = 8 - trace.log_prob.item() / (flow.config.dimensions * math.log(2))
    assert (stops["bits_per_dim_if_stopped"][-1], scores["image_bits_per_dim"]) == pytest.approx((bits, bits), rel=1e-5)
    for row, level in zip(traced["levels"], trace.levels, strict=True):
        for name in ("input", "kept", "emitted", "noise"):
            if (values := getattr(level, name)) is not None:
                assert row[name]["mean"] == pytest.approx(values.mean(dim=(0, 2, 3)).tolist(), abs=1e-5)
                assert row[name]["std"] == pytest.approx(values.std(dim=(0, 2, 3), correction=0).tolist(), abs=1e-5)
    assert traced["levels"][-1]["kept"] is None


@pytest.mark.parametrize(("fields", "error"), [({"image": 16}, DataError), ({"level": 3}, ConfigError)])
def test_what_is_not_there_is_refused_with_its_bound(opened, fields, error):
    with pytest.raises(error, match=r"is (16|3); .* (15|2)\."):
        analyse(opened, tiny_data(), "trace", **fields)


def test_a_level_without_a_shuffle_has_no_shuffle_to_show(opened):
    with pytest.raises(ConfigError, match="level"):
        analyse(opened, tiny_data(), "shuffle", level=2)


@pytest.mark.parametrize("path", ["linear", "spherical"])
def test_space_goes_to_the_image_and_on_the_path_that_are_asked_for(opened, path):
    images = tiny_data(test=32)
    found = analyse(opened, images, "space", image=1, seed=3, other_image=7, path=path)
    test = images_to_score(images, opened.flow)
    way = interpolate(opened.flow, test[1:2], test[7:8], path, 3)
    assert (found["other_image"], found["path"]) == (7, path)
    assert found["levels"] == way.table() and found["norms"] == way.norms.table()
    assert found["words"] == words_of_space.answer(way)


@pytest.mark.parametrize("number", [-1, 16])
def test_an_image_that_space_cannot_go_to_is_refused_with_its_bound(opened, number):
    with pytest.raises(DataError, match=f"--other-image is {number}; the test images are 0 to 15"):
        analyse(opened, tiny_data(), "space", other_image=number)


@pytest.fixture(scope="module")
def another(tmp_path_factory):
    """A tiny checkpoint of another policy."""
    path = tmp_path_factory.mktemp("analyse") / "another.safetensors"
    flow = tiny_flow(split="variance-reversed")
    checkpoint.save(path, flow, tiny_info(flow))
    return checkpoint.load(path)


def test_weights_before_the_split_are_printed_channel_by_channel(opened, another):
    found = json.loads(json.dumps(analyse(opened, tiny_data(test=32), "weights", image=2, level=1)))
    test = images_to_score(tiny_data(test=32), opened.flow)
    (trace,) = traces(opened.flow, test[2:3], 0)
    assert [row["weight"] for row in found["channels"]] == pytest.approx(trace.levels[0].log_weights[0].exp().tolist())
    assert found["images"] == 32 and {row["side"] for row in found["channels"]} == {"split"}
    assert analyse(another, tiny_data(test=32), "weights")["weights"] == "none"


def test_weights_inside_couplings_print_what_they_are_worth_and_what_they_tell(tmp_path):
    flow = tiny_flow(weights="entropy", steps=2)
    with torch.no_grad():
        for coupling in flow.couplings():
            coupling.network[-1].weight += 0.1
    checkpoint.save(tmp_path / "inside.safetensors", flow, tiny_info(flow))
    inside = checkpoint.load(tmp_path / "inside.safetensors")
    grain = np.random.default_rng(0).uniform(1, 4, 32).astype(np.float32)
    images = tiny_data(test=32, factors={"grain": Factor(np.ones(64, np.float32), grain)})
    found = json.loads(json.dumps(analyse(inside, images, "weights", image=2)))
    test = images_to_score(images, inside.flow)
    frozen = channel_weights.freeze(inside.flow, test, channel_weights.measure(inside.flow, test))
    assert found["weights"] == "entropy"
    assert found["frozen"]["cost_bits_per_dim"] == pytest.approx(frozen.mean, abs=1e-6)
    assert [(row["level"], row["step"]) for row in found["places"]] == [(1, 1), (1, 2)]
    assert len(found["channels"]) == 2 * (6 + 12)
    readings = channel_weights.read_factors(inside.flow, test, {"grain": grain})
    assert [row["r_squared"] for row in found["factors"]] == pytest.approx([row.r_squared for row in readings])
    nothing_known = analyse(inside, tiny_data(test=32), "weights", level=2)
    assert nothing_known["factors"] == [] and nothing_known["channels"] == []


# ---------------------------------------------------------------------- images that are sorted

#: Images of a made set: planes, then as many of noise as a third of all.
TRAIN, TEST = 180, 210


def sorted_data():
    """Return planes, and after them noise, in both parts."""
    random = np.random.default_rng(5)

    def part(count, seed):
        noise = random.integers(0, 256, (count // 3, 8, 8, 3), dtype=np.uint8)
        return np.concatenate([planes(count - len(noise), seed=seed), noise])

    return dataclasses.replace(tiny_data(), train=part(TRAIN, 1), test=part(TEST, 2))


def spaced(images, most):
    """Return this many images, evenly spaced from the first to the last."""
    return images[[round(number * (len(images) - 1) / (most - 1)) for number in range(most)]]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "most"), [("levels", 64), ("latents", 48), ("entropy", 128), ("weights", 128), ("shuffle", 128)]
)
@pytest.mark.parametrize("weights", ["pooled", "entropy"])
def test_figures_over_some_own_images_are_those_of_evenly_spaced_ones(tmp_path, what, most, weights):
    flow = tiny_flow(weights=weights)
    checkpoint.save(tmp_path / "flow.safetensors", flow, tiny_info(flow))
    opened, images = checkpoint.load(tmp_path / "flow.safetensors"), sorted_data()
    by_hand = dataclasses.replace(images, train=spaced(images.train, 128), test=spaced(images.test, most))
    first = dataclasses.replace(images, takes_first=True)
    own, evenly, others = (json.dumps(analyse(opened, each, what)) for each in (images, by_hand, first))
    assert own == evenly != others


def test_the_photographs_of_figures_are_those_of_the_images_they_are_of(opened):
    images = dataclasses.replace(sorted_data(), test_source=np.arange(TEST) // 10)
    by_hand = dataclasses.replace(images, test=spaced(images.test, 48), test_source=spaced(images.test_source, 48))
    found, expected = (analyse(opened, each, "latents")["test"] for each in (images, by_hand))
    assert found == expected and found[0]["photographs"] == TEST // 10


def test_the_order_of_own_images_moves_no_printed_figure_beyond_its_interval(tmp_path, opened, capsys):
    images, random = sorted_data(), np.random.default_rng(3)
    flow = tmp_path / "flow.safetensors"
    checkpoint.save(flow, opened.flow, tiny_info(opened.flow))
    printed = {}
    orders = {"sorted": np.arange(TEST), "reversed": np.arange(TEST)[::-1], "shuffled": random.permutation(TEST)}
    for name, order in orders.items():
        np.savez(tmp_path / f"{name}.npz", train=images.train, test=images.test[order])
        assert cli.main(["analyse", str(flow), "--what", "latents", "--data", str(tmp_path / f"{name}.npz")]) == 0
        printed[name] = json.loads(capsys.readouterr().out)["test"]
    for stages in zip(*printed.values(), strict=True):
        for one in stages:
            assert one["images"] == 48
            assert all(one["low"] < other["high"] for other in stages)
    # The first images alone are of one kind: their interval leaves the figure of all out.
    alone = analyse(opened, dataclasses.replace(images, takes_first=True), "latents")["test"][0]
    assert not alone["low"] < printed["sorted"][0]["psnr_db"] < alone["high"]
