"""Training with labels: each image's own, the same numbers after a stop, and what the files say of them."""

import dataclasses

import numpy as np
import pytest
import torch

from eiwflow import checkpoint
from eiwflow.analysis.evaluate import evaluate
from eiwflow.checkpoint import LabelError, given_label
from eiwflow.data import DataError, labels_of, to_tensor
from eiwflow.flow import dequantise, quantise
from eiwflow.flow.bijection import generator_for
from eiwflow.flow.score import score
from eiwflow.training.recipe import Recipe
from eiwflow.training.run import train
from eiwflow.training.run_directory import RunError
from eiwflow.training.scores import at_end
from eiwflow.training.trainer import Trainer

from .test_resume import signalled_at
from .tiny import labelled_data, tiny_flow, tiny_info, tiny_recipe, tiny_run, tiny_x, trained

SIDES = ("none", "left", "right")
LABELLED = {"labels": "side", "classes": SIDES, "context": 3, "weights": "entropy", "iterations": 6}


def side(image):
    """Return the class of an image (C, H, W) uint8, from its pixels."""
    means = np.asarray(image, dtype=float).mean(axis=(0, 1))
    slope = means[-1] - means[0]
    return 2 if slope > 15 else 1 if slope < -15 else 0


@pytest.mark.parametrize("accumulate", [1, 2])
def test_every_image_of_a_batch_has_its_own_label(accumulate):
    trainer = Trainer(tiny_recipe(**LABELLED, accumulate=accumulate), labelled_data())
    seen = set()
    for step in (0, 1, 9):  # 9 is of the second epoch
        labels = trainer.context(step).argmax(dim=1).tolist()
        assert labels == [side(image) for image in quantise(trainer.input.batch(step))]
        seen |= {*labels}
    assert seen == {0, 1, 2}
    before = score(trainer.flow, trainer.test_images, context=trainer.test_labels).mean()
    for _ in range(6):
        trainer.advance()
    maps = [value for name, value in trainer.flow.state_dict().items() if "context_map" in name]
    assert all(value.abs().max() > 0 for value in maps) and len(maps) == 2
    assert score(trainer.flow, trainer.test_images, context=trainer.test_labels).mean() < before


@pytest.mark.parametrize("step", [0, 9])
def test_a_step_is_taken_with_the_labels_of_its_own_images(step, monkeypatch):
    trainer = trained(step, labelled_data(), **{**LABELLED, "iterations": 12})
    taken = []
    forward = trainer.flow.forward
    monkeypatch.setattr(trainer, "model", lambda x, **more: taken.append((x, more["context"])) or forward(x, **more))
    trainer.advance()
    ((x, labels),) = taken
    assert labels.argmax(dim=1).tolist() == [side(image) for image in quantise(x)]


def test_train_images_are_scored_at_the_end_with_their_own_labels():
    images = labelled_data()
    trainer = trained(40, images, **{**LABELLED, "iterations": 40, "learning_rate": 0.01})
    drawn = torch.randperm(64, generator=generator_for(0, "train part"))[:16]
    part = to_tensor(images.train)[drawn]
    bits = score(trainer.average, part, context=torch.tensor([side(image) for image in part]))
    assert at_end(trainer)["train_bits_per_dim"] == pytest.approx(bits.mean().item(), abs=1e-4)


def test_other_labels_are_another_data_set(tmp_path):
    images, run = labelled_data(), tiny_run(tmp_path, **LABELLED)
    train(run, images=images, progress=signalled_at(3))
    moved = {name: factor._replace(train=np.roll(factor.train, 1)) for name, factor in images.factors.items()}
    with pytest.raises(RunError, match="was begun on other images"):
        train(run, images=dataclasses.replace(images, factors=moved))


def test_a_labelled_run_names_labels_in_its_files_and_its_scores(tmp_path):
    images, run = labelled_data(), tiny_run(tmp_path, recorded=3, **LABELLED)
    info = train(run, images=images)
    read = checkpoint.load(run.last_checkpoint)
    assert (read.info.labels, read.info.classes, read.info.config.context) == ("side", SIDES, 3)
    assert read.info.recipe["labels"] == "side"
    # Scores are given the label, and called so.
    expected = score(read.flow, to_tensor(images.test), context=torch.from_numpy(labels_of(images, "side").test)).mean()
    assert info.metrics["test_bits_per_dim_given_label"] == pytest.approx(float(expected), abs=1e-4)
    assert {"probe_bits_per_dim_given_label", "train_bits_per_dim_given_label"} <= info.metrics.keys()
    assert not info.metrics.keys() & {"test_bits_per_dim", "probe_bits_per_dim", "bits_per_dim"}
    assert train(run, images=images) == info, "a run that has ended was trained again"


def test_a_flow_without_labels_can_be_given_some(tmp_path):
    plain = trained(2, labelled_data(), weights="entropy")
    checkpoint.save(tmp_path / "plain.safetensors", plain.average)
    recipe = tiny_recipe(**LABELLED, init_from=str(tmp_path / "plain.safetensors"))
    trainer = Trainer(recipe, labelled_data())
    x = tiny_x(4, recipe.flow)
    with_labels = trainer.flow.log_prob(x, torch.tensor([0, 1, 2, 0]))
    assert torch.allclose(with_labels, plain.average.log_prob(x), atol=1e-3)
    checkpoint.save(tmp_path / "plain.safetensors", trainer.flow, tiny_info(trainer.flow, labels="side", classes=SIDES))
    Trainer(recipe, labelled_data())
    said = (
        "the classes of plain.safetensors are none, left, right, and those of planes are left, none, right: start from"
    )
    with pytest.raises(RunError, match=said):
        Trainer(dataclasses.replace(recipe, classes=("left", "none", "right")), labelled_data())
    with pytest.raises(DataError, match="which is none of the 3 classes a, b, c"):
        Trainer(dataclasses.replace(recipe, classes=("a", "b", "c"), init_from=""), labelled_data())


def test_bayes_rule_reads_labels_with_the_prior_of_the_training_images():
    images = labelled_data(train=50, test=12)
    flow = tiny_flow(context=3, weights="entropy", prior="constant")
    labels = labels_of(images, "side")
    result = evaluate(flow, images, labels=labels)
    x = dequantise(to_tensor(images.test), torch.Generator().manual_seed(0))
    nats = torch.stack([flow.log_prob(x, torch.full((12,), label)) for label in range(3)], dim=1).double().detach()
    own = np.array([side(image) for image in to_tensor(images.test)])
    prior = np.array([np.mean(labels.train == label) for label in range(3)])
    assert prior.min() > 0 and np.ptp(prior) > 0.05
    joint = nats.numpy() + np.log(prior)
    bits = 192 * np.log(2)
    assert result.bits_per_dim_given_label == pytest.approx(8 - nats.numpy()[range(12), own].mean() / bits, abs=1e-5)
    assert result.bits_per_dim == pytest.approx(8 - np.logaddexp.reduce(joint, axis=1).mean() / bits, abs=1e-5)
    assert result.label_accuracy == np.mean(joint.argmax(axis=1) == own)
    assert result.commonest_class == np.bincount(own).max() / 12
    assert result.label_prior == "the classes' parts of the training images of planes"
    assert result.round_trip_max_abs < 1e-4 and result.log_det_gap < 1e-5
    assert not any("label" in name for name in evaluate(tiny_flow(), images).to_dict())


def test_a_recipe_with_labels_comes_back_and_is_a_command():
    recipe = tiny_recipe(**LABELLED)
    assert Recipe.from_dict(recipe.to_dict()) == recipe
    words = recipe.arguments()
    assert words[words.index("--labels") + 1] == "side" and "--classes" not in words and "--context" not in words
    assert not {"labels", "classes"} & tiny_recipe().to_dict().keys()


# ---------------------------------------------------------------------- the file


def test_a_checkpoint_given_one_label_is_the_flow_of_that_class(tmp_path):
    flow = tiny_flow(context=3, weights="entropy")
    path = tmp_path / "sides.safetensors"
    checkpoint.save(path, flow, tiny_info(flow, labels="side", classes=SIDES))
    loaded = checkpoint.load(path)
    of_left = given_label(loaded, "left")
    x = tiny_x(3, flow.config)
    assert torch.allclose(of_left.flow.log_prob(x), flow.log_prob(x, torch.ones(3).long()), atol=1e-3)
    assert (of_left.name, of_left.info.labels, of_left.info.config) == (
        "sides.safetensors, side left",
        "",
        of_left.flow.config,
    )
    assert of_left.sha256 not in (loaded.sha256, given_label(loaded, "right").sha256)
    with pytest.raises(
        LabelError, match=r"^sides.safetensors is conditional on its labels, side: name one of none, left"
    ):
        given_label(loaded, None)
    with pytest.raises(LabelError, match=r"^side is 'up'; sides.safetensors knows none, left, right\.$"):
        given_label(loaded, "up")
    checkpoint.save(path, flow)
    with pytest.raises(LabelError, match="conditional on 3 values without names"):
        given_label(checkpoint.load(path), "left")
    plain = tiny_flow()
    checkpoint.save(path, plain)
    loaded = checkpoint.load(path)
    assert given_label(loaded, None) is loaded
    with pytest.raises(LabelError, match=r"has no labels; leave 'left' out\.$"):
        given_label(loaded, "left")
