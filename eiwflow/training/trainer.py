"""A trainer: the flow, its averaged parameters and optimiser, and the step that takes them on."""

from __future__ import annotations

import math
import signal
from collections.abc import Callable, Iterator
from typing import cast

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from .. import data
from ..data import ImageData, corner_crops, fixed_crops, to_tensor
from ..flow import MultiScaleFlow, to_bits_per_dim
from ..flow.released import RELEASED_STRENGTH
from .batches import training_batch
from .distributed import ALONE, Team
from .failures import NotFinite
from .memory import channels_last, keep_freed_memory
from .optimiser import moments, optimisers, set_learning_rate
from .recipe import Recipe
from .run_directory import RunError

#: Images that initialise the flow.
INIT_IMAGES = 256
#: As the averaging hands over a flow's parameters.
Tensors = tuple[Tensor, ...] | list[Tensor]
#: Asks a run to pause; SIGTERM and SIGINT ask it to stop.
PAUSE: int | None = getattr(signal, "SIGUSR1", None)


def averaging(decay: float) -> Callable[[Tensors, Tensors, Tensor | int], None]:
    """Return how averaged weights take in the current ones at step t: with min(decay, (1 + t) / (10 + t))."""

    def average(averaged: Tensors, current: Tensors, count: Tensor | int) -> None:
        t = int(count)
        torch._foreach_lerp_(averaged, current, 1 - min(decay, (1 + t) / (10 + t)))

    return average


def choose_device(name: str, local_rank: int = 0) -> torch.device:
    """Return the device called ``auto``, ``cpu`` or ``cuda``; one that is not there is refused.

    Apple's MPS is none of them: it has no float64, which initialisation and inverses are computed in. With several CUDA
    devices ``auto`` and ``cuda`` are the one of this process' number on its machine.
    """
    here = {"cuda": torch.cuda.is_available(), "cpu": True}
    devices = [kind for kind, there in here.items() if there]
    if name == "auto":
        name = devices[0]
    if name == "cuda" and here["cuda"] and torch.cuda.device_count() > 1:
        name = f"cuda:{local_rank % torch.cuda.device_count()}"
    devices += [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    if name not in devices:
        raise RunError(f"device is {name[:40]!r}; this machine has {', '.join(devices)}.")
    return torch.device(name)


class Trainer:
    """A flow on its way: weights, averaged weights, optimiser and step number.

    Everything random is drawn from (seed, step), so the state holds no generator.

    Arguments:
        recipe: the settings.
        images: the data set; taken from the recipe's ``data`` where it is not given.
        device: where it trains.
        team: the processes that train it together.

    """

    def __init__(
        self,
        recipe: Recipe,
        images: ImageData | None = None,
        device: torch.device | None = None,
        team: Team = ALONE,
    ) -> None:
        team.check(recipe.batch)
        self.recipe, self.team = recipe, team
        self.device = device or torch.device("cpu")
        keep_freed_memory()
        images = images or load_data(recipe)
        size = recipe.flow.shape[1:]
        self.train_images = to_tensor(images.train)
        self._whole_test_images = to_tensor(images.test)
        self.test_images = fixed_crops(self._whole_test_images, size)
        self.flow = channels_last(MultiScaleFlow(recipe.flow, recipe.seed).to(self.device))
        if team.first:
            self.flow.initialise(self.batch(0, min(INIT_IMAGES, len(self.train_images))))
        kept = team.share(self.flow.config.kept)
        if kept != self.flow.config.kept:
            self.flow.resolve(kept or ())
        channels_last(self.flow)  # keep="auto" builds parts anew
        self.model = team.join(self.flow)
        self.flow.initialised = True  # by the first process, whose state all have now
        self.averaged = AveragedModel(self.flow, multi_avg_fn=averaging(recipe.ema))
        # The averaged flow starts as the initialised one; its first update then averages instead of copying.
        self.averaged.n_averaged.fill_(1)
        # Found once: to walk through all modules at every step takes longer than to average.
        self.parameters: list[Tensor] = list(self.flow.parameters())
        self.averages: list[Tensor] = list(self.average.parameters())
        # After the copy: the averaged flow, which is saved and scored, stays in float32.
        for coupling in self.flow.couplings():
            coupling.in_bfloat16 = recipe.precision == "bfloat16" and self.device.type == "cuda"
        self.optimisers = optimisers(self.flow, recipe.optimiser, recipe.learning_rate, recipe.weight_decay)
        self.step = 0
        #: Bits/dim of the steps since the curve's last point.
        self.since: list[float] = []

    @property
    def average(self) -> MultiScaleFlow:
        """The flow with averaged weights: what is saved, sampled and scored."""
        return cast("MultiScaleFlow", self.averaged.module)  # a copy of the one that trains

    @property
    def crops(self) -> Tensor:
        """What a study scores, uint8 (N, C, H, W): four corner crops of every test image, or images of that size."""
        whole, size = self._whole_test_images, self.recipe.flow.shape[1:]
        return whole if tuple(whole.shape[2:]) == size else corner_crops(whole, size)

    def batch(self, step: int, n: int) -> Tensor:
        """Return x (n, C, H, W), the training images of a step, on the device."""
        recipe = self.recipe
        size = recipe.flow.shape[1:]
        return training_batch(self.train_images, size, n, recipe.seed, step, recipe.flip, recipe.flow.bits).to(
            self.device
        )

    def advance(self) -> tuple[float, float]:
        """Take one step; return (bits/dim of the batch before it, gradient norm).

        Raises:
            TrainingFailed: loss or gradient is not finite; weights and averages are those before the step.

        """
        recipe = self.recipe
        x = self.team.part(self.batch(self.step, recipe.batch))
        set_learning_rate(self.optimisers, recipe.learning_rate_at(self.step))
        for parameter in self.parameters:
            parameter.grad = None
        strength = RELEASED_STRENGTH if recipe.flow.order == "released" else recipe.divergence
        log_prob, divergence = self.model(x, divergence=strength > 0)
        loss = bits = to_bits_per_dim(log_prob, recipe.flow.dimensions, recipe.flow.bits).mean()
        if divergence is not None:
            loss = bits + strength * divergence.mean()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, recipe.clip)
        value, norm_value = self.team.mean(bits.item()), norm.item()
        if not (math.isfinite(value) and math.isfinite(norm_value) and math.isfinite(loss.item())):
            what = "bits/dim" if not math.isfinite(value) else "the gradient"
            raise NotFinite(f"At step {self.step + 1} {what} was not finite{self._level_at_fault(x)}.")
        for optimiser in self.optimisers:
            optimiser.step()
        self._average()
        self.step += 1
        return value, norm_value

    @torch.no_grad()
    def _average(self) -> None:
        """Take the current weights into the average, to the numbers of AveragedModel's own update."""
        assert self.averaged.multi_avg_fn is not None  # it was given
        self.averaged.multi_avg_fn(self.averages, self.parameters, self.averaged.n_averaged)
        self.averaged.n_averaged += 1

    def _level_at_fault(self, x: Tensor) -> str:
        for level in self.flow.trace(x).levels:
            if not (torch.isfinite(level.features).all() and torch.isfinite(level.log_det).all()):
                return f", first in level {level.number}"
        return ""

    def asked(self, signals: list[int], by_file: str = "") -> int:
        """Return what the whole team is asked to do before its next step: 0 to go on, 1 to pause, 2 to stop.

        Arguments:
            signals: that this process has received.
            by_file: what the run directory asks for.

        """
        asked = [1 if number == PAUSE else 2 for number in signals]
        return self.team.agree(max(asked, default=("", "pause", "stop").index(by_file)))

    # ------------------------------------------------------------------ state

    def _optimised(self) -> Iterator[tuple[torch.optim.Optimizer, Tensor]]:
        """Yield every parameter that is trained with its optimiser, in the order that a resume file counts in."""
        return ((one, p) for one in self.optimisers for group in one.param_groups for p in group["params"])

    def state(self) -> dict[str, Tensor]:
        """Return every tensor that the next step depends on, by name."""
        tensors = {f"flow.{name}": tensor for name, tensor in self.flow.state_dict().items()}
        tensors |= {f"average.{name}": tensor for name, tensor in self.averaged.state_dict().items()}
        for number, (optimiser, parameter) in enumerate(self._optimised()):
            # Parameters share one count of steps, which a file must hold for each.
            state = optimiser.state.get(parameter, {})
            tensors |= {f"optimiser.{number}.{name}": tensor.clone() for name, tensor in state.items()}
        return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}

    def restore(self, tensors: dict[str, Tensor], step: int, since: list[float]) -> None:
        """Continue from what :meth:`state` returned at ``step``, with the values ``since`` the curve's last point."""
        self.flow.load_state_dict(_under("flow.", tensors))
        self.averaged.load_state_dict(_under("average.", tensors))
        optimised = list(self._optimised())
        found: dict[int, dict[str, Tensor]] = {}
        for key, tensor in _under("optimiser.", tensors).items():
            number, _, name = key.partition(".")
            if name != "step":
                # torch's fused AdamW needs a parameter and its moments in one memory layout.
                tensor = torch.empty_like(optimised[int(number)][1]).copy_(tensor)
            found.setdefault(int(number), {})[name] = tensor
        if step > 0 and len(found) != len(optimised):
            raise ValueError(f"There are moments of {len(found)} parameters; the flow has {len(optimised)}.")
        for place, entry in found.items():
            optimiser, parameter = optimised[place]
            if set(entry) != moments(optimiser):
                raise ValueError(f"The moments {sorted(entry)} are not those of {type(optimiser).__name__}.")
            optimiser.state[parameter] = entry
        self.step, self.since = step, since


def load_data(recipe: Recipe) -> ImageData:
    """Return the recipe's data set; with ``validation``, photographs held out from train are its test part."""
    images = data.load(recipe.data, multiple=2**recipe.flow.levels, size=recipe.flow.shape[1])
    return data.hold_out(images) if recipe.validation else images


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
