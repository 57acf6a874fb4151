"""The Split standardises what leaves by what stays."""

import math

import pytest
import torch

from eiwflow.flow.bijection import reset_parameters
from eiwflow.flow.config import PRIORS
from eiwflow.flow.split import PRIOR_BOUND, Split, standard_normal_log_prob

from .numerics import largest_difference, noise, perturb


@pytest.mark.parametrize("prior", PRIORS)
def test_a_fresh_split_emits_the_second_half_as_it_is(prior):
    split = Split(6, prior).double()
    reset_parameters(split, seed=0)
    kept, epsilon, log_det = split.emit(x := noise(2, 6, 4, 4))
    assert torch.equal(kept, x[:, :3])
    assert torch.equal(epsilon, x[:, 3:])
    assert not log_det.any()


@pytest.mark.parametrize("prior", PRIORS)
def test_the_density_of_what_is_emitted_is_the_prior_given_what_is_kept(prior):
    split, x = perturb(Split(6, prior).double()), noise(3, 6, 4, 4)
    kept, epsilon, log_det = split.emit(x)
    mean, log_std = split.parameters_of(kept)
    expected = torch.distributions.Normal(mean, log_std.exp()).log_prob(x[:, 3:]).sum(dim=(1, 2, 3))
    torch.testing.assert_close(standard_normal_log_prob(epsilon) + log_det, expected, rtol=1e-12, atol=0)


def test_a_conditional_log_std_never_leaves_its_bound():
    split = perturb(Split(6, "conditional").double(), 1e3)
    _, log_std = split.parameters_of(1e3 * noise(2, 3, 4, 4))
    assert log_std.abs().max().item() == pytest.approx(PRIOR_BOUND)


def test_standard_normal_log_prob_is_that_of_the_textbook():
    z = noise(3, 2, 4, 5)
    assert (
        largest_difference(
            standard_normal_log_prob(z), torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(dim=(1, 2, 3))
        )
        < 1e-10
    )
    assert standard_normal_log_prob(torch.zeros(1, 2, 1, 1)).item() == pytest.approx(-math.log(2 * math.pi))
