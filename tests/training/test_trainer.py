"""The trainer: it learns, it repeats itself, and it averages, pairs and steps as it says."""

import pytest
import torch

from eiwflow.flow import ConfigError, to_bits_per_dim
from eiwflow.flow.score import score
from eiwflow.training.distributed import Team
from eiwflow.training.execution import choose_device
from eiwflow.training.failures import TrainingFailed
from eiwflow.training.run_directory import RunError
from tests.flow.numerics import Questions

from .tiny import same_tensors, tiny_data, tiny_recipe, trained

SPLITS = ("variance-reversed", "entropy", "entropy+pooled")
each_split = pytest.mark.parametrize("split", SPLITS)


# ---------------------------------------------------------------------- it learns


@each_split
def test_thirty_iterations_on_tiny_images_lower_bits_per_dim(split):
    trainer = trained(0, split=split, iterations=30, learning_rate=5e-3)
    before = score(trainer.flow, trainer.test_images).mean()
    for _ in range(30):
        trainer.advance()
    after, average = (score(flow, trainer.test_images).mean() for flow in (trainer.flow, trainer.average))
    assert after < before - 0.2
    assert average < before - 0.2


def test_the_bits_per_dim_of_a_step_are_those_before_it():
    trainer = trained(3)
    with torch.no_grad():
        log_prob = trainer.flow.log_prob(trainer.input.batch(3))
    before = to_bits_per_dim(log_prob, 192).mean().item()
    assert trainer.advance()[0] == pytest.approx(before, abs=1e-5)


# ---------------------------------------------------------------------- seeds


@each_split
def test_the_same_seed_gives_the_same_numbers(split):
    torch.manual_seed(1)
    first = trained(3, split=split, seed=11)
    torch.manual_seed(2)
    assert same_tensors(first.state(), trained(3, split=split, seed=11).state())


def test_different_seeds_give_different_numbers():
    first, second = trained(0, seed=0), trained(0, seed=1)
    assert first.advance()[0] != second.advance()[0]
    name = "levels.0.steps.0.coupling.network.0.weight"
    assert not torch.equal(first.flow.state_dict()[name], second.flow.state_dict()[name])


@pytest.mark.parametrize("partition", ["alternating", "information"])
def test_arms_are_paired_they_share_initial_numbers_and_batches(partition):
    arms = [trained(0, split=split, partition=partition) for split in SPLITS]
    alike = [name for name, _ in arms[0].flow.named_parameters() if ".coupling." in name]
    # A partition by information gives the last pair of couplings the halves of the order.
    if partition == "alternating":
        alike += [name for name in arms[0].flow.state_dict() if name.startswith("levels.0.steps.")]
    for arm in arms[1:]:
        ours, theirs = arms[0].flow.state_dict(), arm.flow.state_dict()
        assert all(torch.equal(ours[name], theirs[name]) for name in alike)
        for step in range(4):
            assert torch.equal(arms[0].input.batch(step), arm.input.batch(step))


def test_a_flow_starts_from_the_same_images_whatever_the_batch():
    images = tiny_data(train=300)
    few, many = (trained(0, images, batch=batch) for batch in (8, 64))
    assert same_tensors(few.flow.state_dict(), many.flow.state_dict())


# ---------------------------------------------------------------------- the regulariser


def test_the_regulariser_moves_the_weights_only_where_it_is_asked_for():
    plain, regularised = trained(3, split="entropy+pooled"), trained(3, split="entropy+pooled", divergence=5.0)
    assert not same_tensors(plain.flow.state_dict(), regularised.flow.state_dict())
    assert same_tensors(
        trained(3, split="variance-reversed").flow.state_dict(),
        trained(3, split="variance-reversed", divergence=5.0).flow.state_dict(),
    )


# ---------------------------------------------------------------------- averaged weights


@pytest.mark.parametrize("ema", [0.0, 0.3, 0.999])
def test_averaged_weights_decay_by_the_smaller_of_d_and_what_t_allows(ema):
    trainer = trained(0, ema=ema, iterations=8, learning_rate=1e-2)
    by_hand = {name: p.detach().double().clone() for name, p in trainer.flow.named_parameters()}
    for t in range(1, 8):
        trainer.advance()
        decay = min(ema, (1 + t) / (10 + t))
        for name, parameter in trainer.flow.named_parameters():
            by_hand[name] = decay * by_hand[name] + (1 - decay) * parameter.detach().double()
    for name, parameter in trainer.average.named_parameters():
        torch.testing.assert_close(parameter.double(), by_hand[name], rtol=1e-5, atol=1e-6)


# ---------------------------------------------------------------------- devices


def test_auto_is_a_device_that_is_there():
    assert choose_device("auto").type in {"cuda", "cpu"}
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["tpu", "", "cpu:7", "cuda:99"])
def test_a_device_that_is_not_there_is_refused_with_those_that_are(name):
    with pytest.raises(RunError, match=r"^device is '.*'; this machine has .*cpu.*\.$"):
        choose_device(name)


@pytest.mark.parametrize("name", ["auto", "cuda", "cuda:2"])
def test_every_process_of_a_machine_takes_its_own_gpu_and_makes_it_the_current_one(monkeypatch, name):
    current = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch.cuda, "set_device", current.append)
    taken = [choose_device(name, local_rank) for local_rank in range(5)]
    numbers = [2] * 5 if name == "cuda:2" else [0, 1, 2, 3, 0]
    assert taken == current == [torch.device(f"cuda:{number}") for number in numbers]
    choose_device("cpu")
    assert len(current) == 5


def test_bfloat16_on_a_cpu_is_refused():
    with pytest.raises(ConfigError, match=r"^precision is bfloat16; on cpu only float32 is trained\. .*float32"):
        trained(0, precision="bfloat16")


# ---------------------------------------------------------------------- without waiting for the device


def test_steps_that_are_not_waited_for_give_the_numbers_of_those_that_are():
    waited, queued = trained(0, iterations=5), trained(0, iterations=5)
    expected = [waited.advance() for _ in range(5)]
    with Questions() as questions:
        for _ in range(3):
            queued.enqueue()
    assert questions.count == 0
    assert queued.gather() == expected[:3]
    queued.enqueue(), queued.enqueue()
    assert queued.gather() == expected[3:] and queued.gather() == []
    assert same_tensors(queued.state(), waited.state())


def test_a_number_that_is_not_finite_is_found_when_the_steps_are_gathered():
    trainer = trained(1)
    trainer.enqueue()
    with torch.no_grad():
        trainer.flow.levels[1].steps[0].actnorm.bias[0] = torch.nan
    trainer.enqueue()
    trainer.enqueue()
    with pytest.raises(TrainingFailed, match=r"^At step 3 bits/dim was not finite\.$"):
        trainer.gather()


@pytest.mark.parametrize("optimiser", ["muon", "adamw"])
def test_a_batch_in_parts_takes_the_step_of_the_whole_batch(optimiser):
    whole, parts = (trained(0, iterations=4, accumulate=n, optimiser=optimiser, divergence=0.1) for n in (1, 4))
    for _ in range(4):
        assert parts.advance() == pytest.approx(whole.advance(), rel=1e-3)
    assert not same_tensors(parts.flow.state_dict(), trained(1, optimiser=optimiser).flow.state_dict())
    seen = []
    parts.flow.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    parts.advance()
    assert seen == [2, 2, 2, 2]
    with pytest.raises(ConfigError, match="accumulate is 3; it must be a divisor of the batch, 8"):
        tiny_recipe(accumulate=3)
    with pytest.raises(ConfigError, match="by the 2 processes that share it times accumulate 8"):
        Team(size=2).check(batch=8, accumulate=8)


@pytest.mark.slow
@pytest.mark.parametrize("fields", [{}, {"split": "released", "prior": "standard"}, {"memory": "recompute"}])
def test_a_flow_compiles_as_one_graph(fields):
    trainer = trained(0, **fields)
    x = trainer.input.batch(0)
    compiled = torch.compile(trainer.flow, fullgraph=True, backend="eager")
    assert torch.equal(compiled(x, divergence=True)[0], trainer.flow(x, divergence=True)[0])


# ---------------------------------------------------------------------- what each step is taken with


def rates(trainer):
    """Return the learning rates in force, by the optimiser's name."""
    return {type(one).__name__: {group["lr"] for group in one.param_groups} for one in trainer.optimisers}


@pytest.mark.parametrize("optimiser", ["muon", "adamw"])
def test_every_step_takes_the_recipes_learning_rate_and_muon_five_times_that(optimiser):
    trainer = trained(0, iterations=40, warmup=3, learning_rate=0.004, optimiser=optimiser)
    seen = []
    for step in range(40):
        rate = trainer.recipe.learning_rate_at(step)
        trainer.advance()
        expected = {"AdamW": {rate}} | ({"Muon": {5 * rate}} if optimiser == "muon" else {})
        assert rates(trainer) == expected
        seen.append(rate)
    assert seen[0] < max(seen) == pytest.approx(0.004, rel=0.1) and seen[-1] < 0.1 * max(seen)


def gradient_norm(trainer):
    return torch.cat([p.grad.flatten() for p in trainer.flow.parameters() if p.grad is not None]).norm().item()


def test_a_gradient_beyond_the_bound_is_cut_to_it_and_its_own_norm_is_recorded():
    free, cut = trained(0, clip=1e6), trained(0, clip=0.01)
    norm = free.advance()[1]
    assert gradient_norm(free) == pytest.approx(norm, rel=1e-4) and norm > 0.1
    assert cut.advance()[1] == pytest.approx(norm, rel=1e-4)
    assert gradient_norm(cut) == pytest.approx(0.01, rel=1e-3)
