"""Optimisers: AdamW, and Muon for the coupling networks' weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from inspect import unwrap
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from ..flow import MultiScaleFlow

#: Muon's learning rate over AdamW's. On held-out photographs half or twice as much cost 0.02 to 0.03 bits/dim.
MUON = 5.0


def optimisers(flow: MultiScaleFlow, name: str, lr: float, weight_decay: float = 0.0) -> list[torch.optim.Optimizer]:
    """Return the optimiser of a flow: AdamW alone, or with ``muon`` AdamW beside :class:`Muon`.

    Only the coupling networks' weights decay: zero is no better place than another for scales, mixings and priors.
    """
    by_muon = name == "muon"
    networks = network_weights(flow) if by_muon or weight_decay else []
    apart = {id(weight) for weight in networks}
    groups: list[dict[str, Any]] = [{"params": [p for p in flow.parameters() if id(p) not in apart]}]
    if networks and not by_muon:
        groups.append({"params": networks, "weight_decay": weight_decay})
    steppers: list[torch.optim.Optimizer] = [AdamW(groups, lr=lr, weight_decay=0.0, fused=True)]
    if by_muon:
        steppers.append(Muon(networks, lr, weight_decay))
    set_learning_rate(steppers, lr)
    return steppers


def set_learning_rate(steppers: Iterable[torch.optim.Optimizer], rate: float) -> None:
    """Set the learning rate of AdamW, and Muon's beside it."""
    for stepper in steppers:
        for group in stepper.param_groups:
            group["lr"] = rate * (MUON if isinstance(stepper, Muon) else 1)


def moments(stepper: torch.optim.Optimizer) -> set[str]:
    """Return the names of the states that an optimiser keeps of every parameter."""
    return {"momentum"} if isinstance(stepper, Muon) else {"step", "exp_avg", "exp_avg_sq"}


def network_weights(flow: MultiScaleFlow) -> list[Tensor]:
    """Return the weights of the coupling networks' convolutions."""
    layers = (layer for coupling in flow.couplings() for layer in coupling.network.modules())
    # A parametrized weight is no parameter: AdamW steps the parameters that it is computed from.
    return [
        p for p in (getattr(layer, "weight", None) for layer in layers) if isinstance(p, nn.Parameter) and p.dim() > 1
    ]


class WithoutCompiler(torch.optim.Optimizer):
    """An optimiser in a process that compiles nothing.

    torch wraps these methods to keep its compiler out of them, and imports it for that at the first call, which takes
    as long as the import of torch itself. Here they are as they were before.
    """

    add_param_group = unwrap(torch.optim.Optimizer.add_param_group)
    load_state_dict = unwrap(torch.optim.Optimizer.load_state_dict)
    state_dict = unwrap(torch.optim.Optimizer.state_dict)
    zero_grad = unwrap(torch.optim.Optimizer.zero_grad)


class AdamW(WithoutCompiler, torch.optim.AdamW):
    """torch's AdamW, without its compiler."""

    step = torch.no_grad()(unwrap(torch.optim.AdamW.step))


class Muon(WithoutCompiler):
    r"""Steps along a momentum whose matrix is made nearly orthogonal, for the weights of convolutions.

    A weight (O, I, k, k) is taken as a matrix W (O, I k k). M is the Nesterov momentum, and U is M
    with its singular values moved close to 1:

    .. math:: W \leftarrow (1 - \eta \lambda) W - \eta \sqrt{\max(1, O / I k^2)} \, U

    torch's own Muon takes matrices only, one after the other and in bfloat16; here all weights of one shape go through
    the iteration together, in float32, in a third of the time on a CPU.

    Arguments:
        weights: at least two-dimensional, with a gradient at every step.
        lr, weight_decay: η and λ.
        momentum: of M.

    Reference: Jordan et al., Muon: An optimizer for hidden layers in neural networks, 2024,
    kellerjordan.github.io/posts/muon.

    """

    #: Coefficients of the iteration's polynomial, and its number of steps: more than three did not change bits/dim.
    POLYNOMIAL, ITERATIONS = (3.4445, -4.7750, 2.0315), 3

    def __init__(self, weights: Iterable[Tensor], lr: float, weight_decay: float = 0.0, momentum: float = 0.95) -> None:
        super().__init__(list(weights), {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]  # no closure is called
        """Take one step of all weights."""
        del closure
        for group in self.param_groups:
            for _, alike in groupby(sorted(group["params"], key=lambda w: w.shape), key=lambda w: w.shape):
                self._step_of(list(alike), group)

    def _step_of(self, weights: list[Tensor], group: dict[str, Any]) -> None:
        """Take the step of weights of one shape."""
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        for weight in weights:
            if "momentum" not in self.state[weight]:
                self.state[weight]["momentum"] = torch.zeros_like(weight)
        momenta = [self.state[weight]["momentum"] for weight in weights]
        torch._foreach_lerp_(momenta, gradients, 1 - group["momentum"])
        ahead = torch._foreach_lerp(gradients, momenta, group["momentum"])
        # Columns in the order of channels-last memory, so that no value is copied; the result does not depend on it.
        last = [each.movedim(1, -1) for each in ahead]
        steps = self.orthogonal(torch.stack([each.flatten(1) for each in last])).unflatten(2, last[0].shape[1:])
        length = group["lr"] * math.sqrt(max(1.0, len(weights[0]) / weights[0][0].numel()))
        if group["weight_decay"]:
            torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(weights, list(steps.movedim(-1, 2)), alpha=-length)

    @classmethod
    def orthogonal(cls, matrices: Tensor) -> Tensor:
        """Return matrices (N, R, C) of the same singular vectors, with singular values close to 1."""
        if matrices.shape[1] > matrices.shape[2]:
            return cls.orthogonal(matrices.mT).mT
        x = matrices / matrices.norm(dim=(1, 2), keepdim=True).clamp_min(1e-7)
        if 2 * x.shape[1] > x.shape[2]:
            for _ in range(cls.ITERATIONS):
                x = cls._factor(x @ x.mT) @ x
            return x
        # An iteration is X <- S(X Xᵀ) X. For wide matrices only the small product P of all S, and P G P, are computed.
        gram = x @ x.mT
        product = cls._factor(gram)
        for _ in range(cls.ITERATIONS - 1):
            product = cls._factor(product @ gram @ product) @ product
        return product @ x

    @classmethod
    def _factor(cls, gram: Tensor) -> Tensor:
        """Return S(G) = aI + bG + cG² of matrices G (N, R, R)."""
        a, b, c = cls.POLYNOMIAL
        factor = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        factor.diagonal(dim1=1, dim2=2).add_(a)
        return factor
