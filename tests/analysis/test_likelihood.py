"""Scores of strange images: exact small cases, a control that finds nothing, and refusals in a sentence."""

from __future__ import annotations

import io
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats

from eiwflow import checkpoint, cli
from eiwflow.analysis import intervals, likelihood
from eiwflow.analysis.analyse import analyse
from eiwflow.data import DATASETS, DataError, ImageData, chosen_places, to_tensor
from eiwflow.data.registry import DataSet
from eiwflow.flow import ConfigError, NonFiniteError
from eiwflow.flow.score import score
from tests.data.samples import encoded, write_npz, write_shard
from tests.training.tiny import planes, tiny_data, tiny_flow, tiny_info


@pytest.fixture
def alone(monkeypatch):
    """Leave out the bundled data sets, which take seconds to load."""
    monkeypatch.setattr(likelihood, "others", lambda *_: [])


def measured(flow=None, count=32, sources=None, **fields):
    """Return the scores of planes under a tiny flow."""
    return likelihood.likelihood(flow or tiny_flow(), "planes", to_tensor(planes(count, seed=2)), sources, **fields)


def test_latents_of_no_channels_have_no_auroc() -> None:
    flow = tiny_flow(order="last", weights="none", init="random", keep="all", levels=2, steps=1, width=4)
    own = likelihood.measure(flow, likelihood.Group("own", "own", tiny_data().test, None, ""))
    found = likelihood.compare(own, own)
    assert math.isnan(found.auroc["noise norm 1"].value) and not likelihood.differs(found.auroc["noise norm 1"])
    assert found.auroc["noise norm 2"].value == 0.5


def test_own_pictures_say_the_height_and_then_the_width_that_they_were_made_to_have():
    content = io.BytesIO()
    Image.fromarray(planes(1)[0]).save(content, "PNG")
    group = likelihood.pictures("mine", [content], (3, 16, 8))
    assert group.images.shape == (1, 16, 8, 3)
    assert group.made == "pictures, centre-cropped and resized to 16×8"


def test_auroc_of_draws_is_that_of_the_drawn_images():
    random = np.random.default_rng(0)
    own, other = random.normal(size=6), random.normal(size=5)
    drawn = random.integers(1, 4, (4, 6)), random.integers(1, 4, (4, 5))
    found = intervals.auroc(own, other, *drawn)
    for row in range(4):
        first, second = np.repeat(own, drawn[0][row]), np.repeat(other, drawn[1][row])
        assert found.draws[row] == pytest.approx((second > first[:, None]).mean())
    assert found.error == pytest.approx(intervals.NORMAL_95 * found.draws.std(ddof=1))


def test_transformations_do_what_their_names_say():
    images = planes(5, size=16)[:, :, :12]
    own = likelihood.Group("own", "own", images, None, "")
    made = {group.name: group.images for group in likelihood.transformed(own)}
    assert (np.diff(made["flat grey"].reshape(5, -1)) == 0).all()
    assert made["flat grey"][:, 0, 0, 0].tolist() == images.mean(axis=(1, 2, 3)).round().astype(int).tolist()
    assert np.array_equal(made["upside down"], images[:, ::-1])
    rough = made["uniform noise"]
    assert likelihood.blurred(rough).std() < 0.7 * rough.std()
    assert np.array_equal(likelihood.blurred(made["flat grey"]), made["flat grey"])
    shuffled = likelihood.tiles_shuffled(rough)
    assert not np.array_equal(shuffled, rough)
    for before, after in zip(rough, shuffled, strict=True):
        cut = [
            {part[y : y + 4, x : x + 3].tobytes() for y in (0, 4, 8, 12) for x in (0, 3, 6, 9)}
            for part in (before, after)
        ]
        assert cut[0] == cut[1] and len(cut[0]) == 16


def test_what_four_tiles_a_side_leave_over_stays_in_its_place():
    images = np.random.default_rng(0).integers(0, 256, (3, 10, 15, 1), dtype=np.uint8)
    shuffled = likelihood.tiles_shuffled(images)
    inside = (slice(None), slice(8), slice(12))
    assert np.array_equal(shuffled[inside], likelihood.tiles_shuffled(images[inside]))
    assert not np.array_equal(shuffled[inside], images[inside])
    assert np.array_equal(shuffled[:, 8:], images[:, 8:]) and np.array_equal(shuffled[:, :, 12:], images[:, :, 12:])


def test_codecs_count_the_bytes_of_real_files():
    images = np.random.default_rng(0).integers(0, 256, (2, 16, 12, 3), dtype=np.uint8)
    for codec, settings in (("PNG", {"optimize": True}), ("WebP", {"lossless": True})):
        for image, bits in zip(images, likelihood.codec_bits_per_dim(images, codec), strict=True):
            file = io.BytesIO()
            Image.fromarray(image).save(file, codec, **settings)
            assert np.array_equal(np.array(Image.open(file)), image)
            assert bits == 8 * len(file.getvalue()) / (16 * 12 * 3)


@pytest.mark.parametrize("bits", [8, 5])
def test_levels_add_up_to_bits_per_dim(alone, bits):
    flow = tiny_flow(bits=bits)
    result = measured(flow)
    images = to_tensor(planes(32, seed=2))
    seen = (images // 2 ** (8 - bits) * 2 ** (8 - bits)).permute(0, 2, 3, 1).numpy()
    assert result.own.codecs["PNG"] == pytest.approx(likelihood.codec_bits_per_dim(seen, "PNG"))
    assert result.own.scores["bits/dim"] == pytest.approx(score(flow, images).numpy(), abs=1e-4)
    for scored in (result.own, *result.groups):
        assert bits + scored.levels.sum(axis=1) == pytest.approx(scored.scores["bits/dim"], abs=1e-9)
    for scored in result.groups:
        moved = sum(difference.value for difference in scored.level_difference)
        assert moved == pytest.approx(scored.bits_per_dim - result.own.bits_per_dim, abs=1e-9)


def test_every_score_and_every_level_is_compared_with_the_own_images_as_mann_and_whitney_do(alone, tmp_path):
    for number, image in enumerate(planes(5, seed=5)):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    result = measured(extra=[str(tmp_path)])

    def above(own, other):
        return stats.mannwhitneyu(other, own).statistic / (len(own) * len(other))

    own, levels, rates = result.own, iter(result.level_table()), iter(result.auroc_table())
    assert len(result.groups[-1].levels) == 5
    for scored in result.groups:
        for level, found in enumerate(scored.level_auroc):
            expected = above(own.levels[:, level], scored.levels[:, level])
            moved = scored.levels[:, level].mean() - own.levels[:, level].mean()
            row = next(levels)
            assert (row["group"], row["level"]) == (scored.group.name, level + 1)
            shown = [row[name] for name in ("auroc", "low", "high", "difference_bits_per_dim", "difference_error")]
            ends = max(expected - found.error, 0), min(expected + found.error, 1)
            assert shown == pytest.approx([expected, *ends, moved, scored.level_difference[level].error])
        for name, values in scored.scores.items():
            row = next(rates)
            assert (row["group"], row["score"]) == (scored.group.name, name)
            assert row["auroc"] == pytest.approx(above(own.scores[name], values))
    for row, scored in zip(result.group_table(), (own, *result.groups), strict=True):
        means = {f"{codec}_bits_per_dim": bits.mean() for codec, bits in scored.codecs.items()}
        means |= {name: values.mean() for name, values in scored.scores.items() if name != "bits/dim"}
        means |= {"bits_per_dim": scored.scores["bits/dim"].mean(), "images": len(scored.group.images)}
        assert {name: row[name] for name in means} == pytest.approx(means)


def test_scores_are_what_they_are_said_to_be(alone):
    flow = tiny_flow()
    result = measured(flow)
    flat = next(scored for scored in result.groups if scored.group.name == "flat grey")
    bits = flat.scores["bits/dim"]
    assert flat.scores["typicality"] == pytest.approx(abs(bits - result.own.bits_per_dim))
    assert flat.scores["minus PNG"] == pytest.approx(bits - flat.codecs["PNG"])
    assert set(flat.scores) == {"bits/dim", "typicality", "minus PNG", "minus WebP", "noise norm 1", "noise norm 2"}
    x = next(likelihood.traces(flow, to_tensor(flat.group.images)))
    lengths = x.levels[1].noise.flatten(1).norm(dim=1) / math.sqrt(x.levels[1].noise[0].numel())
    assert flat.scores["noise norm 2"] == pytest.approx(lengths.numpy(), abs=1e-5)


def test_the_blur_is_as_wide_as_is_said():
    edge = np.zeros((1, 40, 24, 1), np.uint8)
    edge[:, 20:] = 255
    group = likelihood.transformed(likelihood.Group("own", "own", edge, None, ""))[0]
    assert group.name == "blurred" and "σ = 2 pixels" in group.made
    normal = [255 * (1 + math.erf((row - 19.5) / 2 / math.sqrt(2))) / 2 for row in range(40)]
    assert group.images[0, :, 12, 0] == pytest.approx(normal, abs=3)


def test_typicality_of_the_own_images_is_measured_from_their_mean(alone):
    bits = measured(count=9).own.scores["bits/dim"]
    assert abs(sum(bits) / 9 - sorted(bits)[4]) > 1e-3  # the median is another
    assert measured(count=9).own.scores["typicality"] == pytest.approx([abs(value - sum(bits) / 9) for value in bits])


def test_bars_hold_the_middle_99_percent_of_every_group_that_costs_less_than_raw_bytes(alone):
    result = measured()
    own = replace(result.own, scores={"bits/dim": np.arange(201.0)[::-1] / 100})
    other = replace(result.groups[0], scores={"bits/dim": np.arange(401.0) / 200 + 0.1})
    noise = replace(result.groups[1], scores={"bits/dim": np.arange(401.0)})
    result = replace(result, own=own, groups=(other, noise))
    # 1 of 201 images is below 0.01, 2 of 401 are above 2.09
    assert (result.edges[0], result.edges[-1]) == pytest.approx((0.01, 2.09))


def test_changed_images_are_drawn_together_with_the_images_they_are_made_from():
    flow, images = tiny_flow(), planes(32, seed=2)
    own = likelihood.measure(flow, likelihood.Group("own", "own", images, None, ""))
    for places in (np.arange(32), np.arange(32)[::-1]):  # which change nothing, so that they tell nothing apart
        group = likelihood.Group("as they were", "transformed", images[places], None, "", places)
        same = replace(own, group=group, levels=own.levels[places])
        same = replace(same, scores={name: values[places] for name, values in own.scores.items()})
        for estimate in likelihood.compare(own, same).auroc.values():
            assert (estimate.value, estimate.error) == pytest.approx((0.5, 0), abs=1e-9)
    # Those of another set are drawn on their own, even where they are the same: the error is that of Mann and Whitney.
    group = likelihood.Group("another set", "data set", images, None, "")
    estimate = likelihood.compare(own, replace(own, group=group)).auroc["bits/dim"]
    assert estimate.error == pytest.approx(1.96 * math.sqrt(65 / (12 * 32 * 32)), rel=0.1)


def test_scores_tell_two_halves_of_one_set_apart_no_more_often_than_chance_does(alone):
    sources = np.repeat(np.arange(8), 8)
    result = measured(tiny_flow(weights="pooled"), count=64, sources=sources.tolist())
    assert result.photographs == 8
    drawn, alarms = intervals.draws(64, sources.tolist(), 300), []
    for seed in range(50):
        order = np.lexsort((np.random.default_rng(seed).random(64), sources))
        first, second = order[::2], order[1::2]  # each has half of every photograph's images
        alarms += [
            likelihood.differs(intervals.auroc(values[first], values[second], drawn[:, first], drawn[:, second]))
            for values in result.own.scores.values()
        ]
    assert np.mean(alarms) < 0.12
    noise = next(scored for scored in result.groups if scored.group.name == "uniform noise")
    assert noise.auroc["bits/dim"].value == 1.0 and likelihood.differs(noise.auroc["bits/dim"])


def test_same_seed_gives_the_same_numbers_and_another_one_others(alone):
    first, again, other = (measured(seed=seed).to_dict() for seed in (0, 0, 1))
    assert first == again
    assert first["groups"][0]["bits_per_dim"] != other["groups"][0]["bits_per_dim"]


def test_bundled_sets_are_fitted_and_say_how():
    groups = {group.name: group for group in likelihood.others("photos32", (3, 16, 16), 4)}
    assert "photos32" not in groups and "faces16" in groups
    of_one_class = {group.name for group in likelihood.others("letters32, letter A", (3, 16, 16), 4)}
    assert of_one_class == groups.keys() - {"letters32"} | {"photos32"}
    assert groups["faces16"].made == "test images, as they are"
    assert groups["letters32"].made == "test images, 32×32 cut to 16×16"
    assert all(group.images.shape[1:] == (16, 16, 3) for group in groups.values())
    assert max(len(group.images) for group in groups.values()) == likelihood.IMAGES
    small = ImageData("planes", planes(3, size=8), planes(3, size=8))
    grey = likelihood._fitted(small, (1, 16, 16), 4)
    assert grey.images.shape == (3, 16, 16, 1) and grey.made == "test images, 8×8 resized to 16×16 and made grey"


def random_scores(count, seed):
    """Return a group of images whose scores are drawn from one distribution, whatever the group."""
    bits = np.random.default_rng(seed).normal(size=count)
    group = likelihood.Group("some", "data set", planes(count, 2), None, "")
    return likelihood.GroupScores(group, {"bits/dim": bits}, {}, bits[:, None], {}, (), ())


@pytest.mark.parametrize(("own", "other"), [(256, 2), (256, 4), (256, 10), (2, 256), (5, 256), (6, 6), (40, 40)])
def test_few_images_of_one_kind_are_told_apart_no_more_often_than_chance_does(monkeypatch, own, other):
    monkeypatch.setattr(likelihood, "RESAMPLES", 200)
    alarms = {"auroc": 0, "level": 0, "difference": 0}
    for seed in range(100):
        compared = likelihood.compare(random_scores(own, seed), random_scores(other, 1000 + seed), seed)
        alarms["auroc"] += likelihood.differs(compared.auroc["bits/dim"])
        alarms["level"] += likelihood.differs(compared.level_auroc[0])
        alarms["difference"] += not compared.level_difference[0].is_near_zero
    assert max(alarms.values()) <= 12  # of 100, where 5 are expected at most


def test_few_pictures_have_the_same_interval_in_a_folder_arrays_and_shards(alone, tmp_path):
    pictures, paths = planes(3, 8, seed=5), []
    for kind in ("folder", "tar", "npz", "npy"):
        (tmp_path / kind).mkdir()
        paths.append(str(write_set(tmp_path / kind, kind, {"train": planes(9, 8), "test": pictures})))
    result = measured(extra=paths)
    groups = result.groups[-4:]
    assert [scored.group.name for scored in groups] == ["folder", "tar", "images.npz", "npy"]
    of_scores = [
        {name: (estimate.value, estimate.error) for name, estimate in scored.auroc.items()} for scored in groups
    ]
    assert all(of_kind == of_scores[0] for of_kind in of_scores)
    assert not any(map(likelihood.differs, groups[0].auroc.values()))


@pytest.mark.parametrize(("count", "few"), [(3, True), (4, False)])
def test_fewer_than_four_own_images_cannot_show_a_difference(alone, count, few):
    result = measured(count=count)
    noise = next(scored for scored in result.groups if scored.group.name == "uniform noise")
    assert noise.auroc["bits/dim"].value == 1.0 and likelihood.differs(noise.auroc["bits/dim"]) is not few


def test_groups_of_one_name_stand_apart_with_a_histogram_each(alone, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number, path in enumerate(("cats/test", "dogs/test")):
        (tmp_path / path).mkdir(parents=True)
        for picture, image in enumerate(planes(4, size=8, seed=number)):
            Image.fromarray(image).save(tmp_path / path / f"{picture}.png")
    result = measured(extra=["cats/test", "dogs/test", "cats/test"])
    names = [scored.group.name for scored in result.groups]
    assert names[-2:] == ["test", "dogs/test"]
    assert result.to_dict()["histograms"].keys() == {"own test images", *names} and len({*names}) == len(names)


def test_of_arrays_without_parts_a_tenth_is_scored_and_the_group_says_so(tmp_path):
    whole, parts = write_npz(tmp_path, images=planes(40, 8)), tmp_path / "parts"
    parts.mkdir()
    group = likelihood.also(str(whole), (3, 8, 8), 4)
    assert group.made == (
        "test images, as they are; "
        f"no parts of its own, so the test part is {len(group.images)} of the 40 images, chosen by a hash"
    )
    assert likelihood.also(str(write_npz(parts, train=planes(9), test=planes(4))), (3, 8, 8), 4).made.count(";") == 0


def test_photographs_are_counted_among_the_images_that_are_scored(alone):
    result = measured(count=32, sources=list(range(32)), most=8)
    assert result.photographs == 8 and result.to_dict()["photographs"] == 8
    assert result.own.group.sources.tolist() == chosen_places(32, 8).tolist() != list(range(8))
    assert np.array_equal(result.own.group.images, planes(32, seed=2)[chosen_places(32, 8)])


def test_pictures_of_a_large_folder_are_spread_over_it(tmp_path):
    for number in range(9):
        Image.new("RGB", (8, 8), (20 * number,) * 3).save(tmp_path / f"{number}.png")
    group = likelihood.also(str(tmp_path), (3, 8, 8), 4, most=3)
    assert (group.images[:, 0, 0, 0] // 20).tolist() == [0, 4, 8]


def test_of_a_folder_with_parts_the_pictures_to_test_on_are_scored(tmp_path):
    for number, part in enumerate(("train", "train", "test", "test", ".")):
        (tmp_path / part).mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), (20 * number,) * 3).save(tmp_path / part / f"{number}.png")
    assert (likelihood.also(str(tmp_path), (3, 8, 8), 4).images[:, 0, 0, 0] // 20).tolist() == [2, 3]


def write_set(folder, kind, parts):
    """Write images by part as ``.npz``, ``.npy`` files, shards or folders of pictures; return what is to be loaded."""
    if kind == "npz":
        return write_npz(folder, **parts)
    for part, images in parts.items():
        files = {f"{number:02}.png": encoded(image.squeeze()) for number, image in enumerate(images)}
        if kind == "npy":
            np.save(folder / f"{part}.npy", images)
        elif kind == "tar":
            write_shard(folder / f"{part}-0.tar", files)
        else:
            (folder / part).mkdir()
            for name, content in files.items():
                (folder / part / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("kind", ["folder", "tar", "npz", "npy"])
@pytest.mark.parametrize(
    ("side", "shape", "arrays"),
    [
        (16, (16, 16), "as they are"),
        (28, (32, 32), "28×28 zero-padded to 32×32"),
        (32, (32, 32), "as they are"),
        (64, (64, 64), "as they are"),
        (64, (32, 32), "64×64 cut to 32×32"),
        (16, (16, 8), "16×16 cut to 16×8"),
    ],
)
def test_a_set_beside_itself_is_as_likely_as_itself(alone, tmp_path, capsys, monkeypatch, kind, side, shape, arrays):
    monkeypatch.setattr(likelihood, "IMAGES", 4)  # of 6
    path = write_set(tmp_path, kind, {"train": planes(9, side), "test": planes(6, side, seed=1)})
    flow = tiny_flow(shape=(3, *shape), levels=3)
    checkpoint.save(tmp_path / "flow.safetensors", flow)
    words = ["analyse", str(tmp_path / "flow.safetensors"), "--data", str(path), "--also", str(path)]
    assert cli.main([*words, "--what", "likelihood", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    own, other = said["groups"][0], said["groups"][-1]
    assert other["bits_per_dim"] == own["bits_per_dim"] and other["images"] == own["images"] == 4
    assert {row["auroc"] for row in said["auroc"] if row["group"] == path.name} == {0.5}
    resized = f"centre-cropped and resized to {shape[0]}×{shape[1]}"
    words = {"folder": f"pictures, {resized}", "tar": f"test images, {resized}"}
    assert other["made"].partition(";")[0] == words.get(kind, f"test images, {arrays}")


@pytest.mark.parametrize(
    ("side", "multiple", "how"),
    [
        (28, 4, "28×28 resized to 32×32 and"),
        (28, 8, "28×28 zero-padded to 32×32 and"),
        (20, 8, "20×20 zero-padded to 24×24 and resized to 32×32 and"),
        (32, 8, "32×32"),
        (40, 8, "40×40 resized to 32×32 and"),
    ],
)
def test_grey_arrays_are_padded_up_to_a_multiple_before_they_are_resized_and_made_rgb(tmp_path, side, multiple, how):
    path = write_npz(tmp_path, train=planes(8, side, 1), test=planes(3, side, 1, seed=1))
    group = likelihood.also(str(path), (3, 32, 32), multiple)
    assert group.made == f"test images, {how} made RGB"
    assert group.images.shape == (3, 32, 32, 3) and (group.images == group.images[..., :1]).all()
    assert (group.images[:, 0] < 8).all() == ("padded" in how)


def test_a_set_by_name_is_padded_as_the_own_images_are(monkeypatch):
    digits = ImageData("mnist", planes(8, 28, channels=1), planes(4, 28, channels=1, seed=1))
    monkeypatch.setitem(DATASETS, "mnist", DataSet(lambda _: digits))
    group = likelihood.also("mnist", (1, 32, 32), 8)
    assert group.made == "test images, 28×28 zero-padded to 32×32"
    assert np.array_equal(group.images[:, 2:-2, 2:-2], digits.test) and not group.images[:, :2].any()


@pytest.mark.parametrize("kind", ["folder", "tar"])
@pytest.mark.parametrize("width", [24, 64])
def test_pictures_keep_every_pixel_of_the_flow_s_size(tmp_path, kind, width):
    pictures = planes(9, 64)[:, :, :width]
    write_set(tmp_path, kind, {"train": pictures, "test": pictures[::-1]})
    assert np.array_equal(likelihood.also(str(tmp_path), (3, 64, width), 8).images, pictures[::-1])
    grey = likelihood.also(str(tmp_path), (1, 64, width), 8)
    made = {"folder": "pictures, {}", "tar": "test images, {} and made grey; "}[kind]
    assert grey.made.startswith(made.format(f"centre-cropped and resized to 64×{width}"))
    assert grey.images.shape == (9, 64, width, 1)


def test_a_link_to_nothing_a_bad_picture_and_an_empty_folder_are_refused_in_a_sentence(alone, tmp_path):
    with pytest.raises(DataError, match="neither one of"):
        measured(extra=[str(tmp_path / "nowhere")])
    with pytest.raises(DataError, match="holds 0 pictures"):
        measured(extra=[str(tmp_path)])
    (tmp_path / "bad.png").write_bytes(b"not a picture")
    with pytest.raises(DataError, match=r"bad\.png.* cannot be read"):
        measured(extra=[str(tmp_path)])


def test_one_image_is_refused_and_two_are_enough(alone):
    with pytest.raises(DataError, match="1 test image cannot be compared with anything; at least 2 are needed"):
        measured(count=1)
    measured(count=2)


def test_a_value_that_is_not_finite_names_the_group(alone):
    flow = tiny_flow()
    with torch.no_grad():
        flow.levels[1].steps[0].actnorm.log_scale.fill_(300.0)
    with pytest.raises(NonFiniteError, match="own test images: Level 2"):
        measured(flow)


def test_groups_are_likelier_beyond_their_interval_and_the_likeliest_comes_first(alone):
    result = measured()

    def scored(group, bits, auroc):
        scores, rate = group.scores | {"bits/dim": np.full(32, bits)}, intervals.Estimate(auroc, 0.1)
        return replace(group, scores=scores, auroc=group.auroc | {"bits/dim": rate})

    # The most likely one is no clear case: its AUROC is within its interval of one half.
    bits = [(4.0, 0.2), (2.0, 0.1), (3.0, 0.05), (1.0, 0.45)]
    groups = tuple(scored(group, *each) for group, each in zip(result.groups, bits, strict=False))
    result = replace(result, groups=groups)
    assert result.likelier == tuple(groups[place] for place in (1, 2, 0))


def test_groups_are_counted_that_a_score_tells_apart_beyond_its_interval(alone):
    result = measured(count=8)
    groups = tuple(
        replace(group, auroc=group.auroc | {"bits/dim": intervals.Estimate(value, 0.1)})
        for group, value in zip(result.groups, (0.9, 0.55, 0.7, 0.1), strict=False)
    )
    assert replace(result, groups=groups).told_apart("bits/dim") == 2


def test_the_command_line_prints_every_group_and_only_likelihood_takes_other_images(alone, tmp_path):
    flow = tiny_flow()
    checkpoint.save(tmp_path / "tiny.safetensors", flow, tiny_info(flow))
    opened = checkpoint.load(tmp_path / "tiny.safetensors")
    found = json.loads(json.dumps(analyse(opened, tiny_data(test=32), "likelihood")))
    assert [row["group"] for row in found["groups"]][:2] == ["own test images", "blurred"]
    assert all(sum(shares) == pytest.approx(1) for shares in found["histograms"].values())
    assert {row["level"] for row in found["levels"]} == {1, 2}
    with pytest.raises(ConfigError, match="--also is mine; trace"):
        analyse(opened, tiny_data(test=32), "trace", also=["mine"])
