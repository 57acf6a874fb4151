"""AdamW with one count of steps for all parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class FusedAdamW(torch.optim.AdamW):
    """torch's fused AdamW, to the same numbers, for parameters that all have a gradient at every step.

    torch's own keeps a count of steps for each parameter and adds one to each apart, which on a CPU takes as long as
    the update itself. Here all parameters of a group share one; the state reads as torch's does.

    Reference: Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019, arXiv:1711.05101.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]  # takes no closure
        """Take one step."""
        if closure is not None:
            raise TypeError("This optimiser takes no closure.")
        for group in self.param_groups:
            parameters = group["params"]
            states = [self.state[parameter] for parameter in parameters]
            steps = self._count(parameters, states)
            beta1, beta2 = group["betas"]
            torch._fused_adamw_(
                parameters,
                [parameter.grad for parameter in parameters],
                [state["exp_avg"] for state in states],
                [state["exp_avg_sq"] for state in states],
                [],
                [steps] * len(parameters),
                lr=group["lr"],
                beta1=beta1,
                beta2=beta2,
                weight_decay=group["weight_decay"],
                eps=group["eps"],
                amsgrad=False,
                maximize=False,
            )

    @staticmethod
    def _count(parameters: list[Tensor], states: list[dict[str, Any]]) -> Tensor:
        """Return the group's count of steps, this one included; a state that is new or was read gets to share it."""
        steps: Any = states[0].get("step")
        if steps is None:
            for parameter, state in zip(parameters, states, strict=True):
                state |= {"exp_avg": torch.zeros_like(parameter), "exp_avg_sq": torch.zeros_like(parameter)}
            steps = torch.zeros((), dtype=torch.float32, device=parameters[0].device)
        if states[-1].get("step") is not steps:
            for state in states:
                state["step"] = steps
        return steps.add_(1)
