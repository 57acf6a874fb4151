"""AdamW is torch's; Muon takes torch's steps, for convolutions of one shape together."""

import pytest
import torch

from eiwflow.training.optimiser import Muon, network_weights, optimisers
from tests.flow.flows import images_for, ready_flow


def test_a_parametrized_weight_is_left_to_adamw():
    flow = ready_flow(dtype=torch.float32)
    torch.nn.utils.parametrizations.weight_norm(flow.couplings()[0].network[0])
    steppers = optimisers(flow, "muon", lr=1e-3)
    before = [parameter.detach().clone() for parameter in flow.parameters()]
    flow.log_prob(images_for(flow, 4)).mean().backward()
    for stepper in steppers:
        stepper.step()
    assert not any(torch.equal(a, b) for a, b in zip(before, flow.parameters(), strict=True))


def test_muon_takes_the_steps_of_torch_for_convolutions_seen_as_matrices():
    generator = torch.Generator().manual_seed(0)
    shapes = [(8, 3, 3, 3), (6, 8, 1, 1), (8, 3, 3, 3), (40, 2, 3, 3)]
    ours = [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]
    theirs = [torch.nn.Parameter(weight.detach().flatten(1).clone()) for weight in ours]
    ours[0].data = ours[0].data.contiguous(memory_format=torch.channels_last)
    before = [weight.detach().clone() for weight in theirs]
    muon = Muon(ours, lr=0.02, weight_decay=0.1)
    settings = {"lr": 0.02, "weight_decay": 0.1, "ns_steps": Muon.ITERATIONS}
    torchs = torch.optim.Muon(theirs, **settings)
    for _ in range(5):
        for weight, matrix in zip(ours, theirs, strict=True):
            matrix.grad = torch.randn(matrix.shape, generator=generator)
            weight.grad = matrix.grad.view(weight.shape).clone()
        muon.step()
        torchs.step()
    for weight, matrix, start in zip(ours, theirs, before, strict=True):
        # torch iterates in bfloat16: three digits, and sums that differ between machines.
        moved = (matrix - start).norm()
        assert moved > 0.1
        assert (weight.flatten(1) - matrix).norm() < 0.03 * moved


@pytest.mark.parametrize("shape", [(8, 20), (20, 8), (8, 8)])
def test_what_muon_steps_along_has_the_singular_vectors_and_values_near_one(shape):
    matrices = torch.randn(3, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    left, values, right = torch.linalg.svd(matrices, full_matrices=False)
    found = left.mT @ Muon.orthogonal(matrices) @ right.mT
    drawn = found.diagonal(dim1=1, dim2=2)
    assert torch.allclose(found, torch.diag_embed(drawn), atol=1e-10)
    expected = values / values.norm(dim=1, keepdim=True)
    for _ in range(Muon.ITERATIONS):
        expected = sum(c * expected**power for c, power in zip(Muon.POLYNOMIAL, (1, 3, 5), strict=True))
    assert torch.allclose(drawn, expected)
    spread, before = ((each.amax(1) / each.amin(1)).max() for each in (drawn, values))
    assert (drawn > 0.2).all()
    assert (drawn < 1.3).all()
    assert spread < before / 2


@pytest.mark.parametrize("split", ["entropy+pooled", "entropy"])
@pytest.mark.parametrize("name", ["muon", "adamw"])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_every_parameter_has_one_optimiser_and_only_the_networks_weights_decay(split, name, decay):
    flow = ready_flow(split=split, dtype=torch.float32)
    networks = {id(weight) for weight in network_weights(flow)}
    assert all(weight.dim() == 4 for weight in network_weights(flow))
    steppers = optimisers(flow, name, lr=1e-3, weight_decay=decay)
    decays = {id(p): g["weight_decay"] for one in steppers for g in one.param_groups for p in g["params"]}
    taken = [id(p) for one in steppers for group in one.param_groups for p in group["params"]]
    assert sorted(taken) == sorted(map(id, flow.parameters()))
    assert decays == {number: decay if number in networks else 0.0 for number in taken}
    by_muon = {id(p) for one in steppers if isinstance(one, Muon) for g in one.param_groups for p in g["params"]}
    assert by_muon == (networks if name == "muon" else set())


def test_under_muon_decay_keeps_singular_values_below_its_reciprocal():
    generator = torch.Generator().manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(8, 20, generator=generator))
    pull = torch.randn(8, 20, generator=generator)
    muon = Muon([weight], lr=0.05, weight_decay=0.3)
    for _ in range(400):
        # A loss that never has enough: without decay the weight would grow by a step's length for ever.
        weight.grad = -pull
        muon.step()
    assert 0.6 / 0.3 < torch.linalg.matrix_norm(weight, 2) < 1.25 / 0.3
