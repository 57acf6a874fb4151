"""What a level's steps need where nothing is learnt: made from the weights once, and anew when a weight has changed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from .folding import fold, fold_back
from .fused import arrange


class Prepared:
    """The affine maps of K steps, there and back, and their convolutions.

    Arguments:
        count: K.
        tensors: as :class:`~.fused.FusedSteps` takes them.
        state: of the tensors, by which a change is seen.

    Attributes:
        maps: matrices (K, C, C) and biases (K, C).
        log_det: of all maps at one position, a scalar.
        networks: the convolutions of the K networks.
        state: as given.

    """

    def __init__(self, count: int, tensors: Sequence[Tensor], state: list[object]) -> None:
        self.state = state
        # While these aliases are held, no other tensor can come to lie where one of them does.
        self._tensors = [tensor.detach() for tensor in tensors]
        self._held, self.networks = arrange(count, self._tensors)
        folded = fold(self._held)
        self.maps, self.log_det = (folded.matrices, folded.biases), folded.log_det

    @cached_property
    def back(self) -> tuple[Tensor, Tensor]:
        """Matrices and biases of the inverse maps."""
        return fold_back(self._held)


_made: WeakKeyDictionary[nn.Module, Prepared] = WeakKeyDictionary()

#: Steps that any optimiser has taken: torch does not count what a fused one changes.
_optimised = [0]


def _count(*_: object) -> None:
    _optimised[0] += 1


register_optimizer_step_post_hook(_count)


@torch.no_grad()
def prepared(owner: object, count: int, tensors: Sequence[Tensor]) -> Prepared:
    """Return what K steps need; kept for the next time where a module owns them, until one of the tensors has changed.

    A change made through a tensor's ``.data``, which torch does not count either, goes unseen.
    """
    if not isinstance(owner, nn.Module) or tensors[0].is_inference():
        return Prepared(count, tensors, [])
    made, state = _made.get(owner), _state(tensors)
    if made is None or made.state != state:
        # Whole before it is seen: a server's threads share a flow.
        made = _made[owner] = Prepared(count, tensors, state)
    return made


def _state(tensors: Sequence[Tensor]) -> list[object]:
    return [*_optimised, *((tensor.data_ptr(), tensor._version) for tensor in tensors)]
