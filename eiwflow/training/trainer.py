"""A trainer: the flow, its averaged parameters, its optimiser, and the training step."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import signal
from collections.abc import Collection, Iterator
from contextlib import nullcontext
from functools import cached_property
from typing import cast

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from .. import checkpoint, data, files
from ..checkpoint import Checkpoint, CheckpointError, CheckpointInfo
from ..data import DataError, ImageData, corner_crops, fixed_crops, labels_of, to_tensor
from ..flow import MultiScaleFlow, one_hot, to_bits_per_dim
from ..flow.released import RELEASED_STRENGTH
from .batches import batch_indices, take
from .execution import Execution, set_arithmetic
from .failures import NotFinite
from .input import Batches, Input
from .memory import channels_last, keep_freed_memory
from .optimiser import moments, optimisers, set_learning_rate
from .recipe import Recipe
from .run_directory import RunError

#: Number of images that initialise the flow.
INIT_IMAGES = 256
#: Training images of the first step, and test images, that tell a data set from another.
DIGEST_IMAGES = 64
#: Steps after which numbers are read from a GPU: reading them after every step would leave it idle.
GATHER_EVERY = 10
#: Asks a run to pause; SIGTERM and SIGINT ask it to stop.
PAUSE: int | None = getattr(signal, "SIGUSR1", None)


def update_averages(averages: list[Tensor], current: list[Tensor], t: int, decay: float) -> None:
    """Update averaged weights at step t, with the decay min(decay, (1 + t) / (10 + t))."""
    torch._foreach_lerp_(averages, current, 1 - min(decay, (1 + t) / (10 + t)))


class Trainer:
    """A flow in training: weights, averaged weights, optimiser and step number.

    Everything random is drawn from (seed, step), so the state holds no generator.

    Arguments:
        recipe: the settings.
        images: the data set; by default loaded by the name in the recipe's ``data``.
        execution: where and how this process trains it.
        resumed: :meth:`restore` follows, so the checkpoint to start from is not opened.

    """

    def __init__(
        self,
        recipe: Recipe,
        images: ImageData | None = None,
        execution: Execution = Execution(),  # noqa: B008 (it cannot be changed)
        resumed: bool = False,
    ) -> None:
        execution.check(recipe)
        self.recipe, self.device, self.team = recipe, execution.device, execution.team
        #: The device's arithmetic, in words.
        self.arithmetic = set_arithmetic(self.device, execution.deterministic)
        #: Steps between two calls of :meth:`gather`; 1 on the CPU, which has nothing to wait for.
        self.gather_every = GATHER_EVERY if self.device.type == "cuda" else 1
        keep_freed_memory()
        start = starting_point(recipe) if self.team.first and recipe.init_from and not resumed else None
        images = images or load_data(recipe, execution.strict)
        size = recipe.flow.shape[1:]
        #: (N, H, W, C) uint8, in memory or on disk.
        self.train_images = images.train
        #: Whether measures over some images take the first ones, as ``ImageData.takes_first``.
        self.takes_first = images.takes_first
        self._part = (self.team.rank, self.team.size)
        batches = Batches(self.train_images, recipe, self._part)
        self.input = Input(batches, self.device, execution.workers)
        self._whole_test_images = to_tensor(images.test)
        self.test_images = fixed_crops(self._whole_test_images, size)
        #: The class of every image, (N,) and (M,); None for a flow without labels.
        self.train_labels: Tensor | None = None
        self.test_labels: Tensor | None = None
        if recipe.labels:
            labels = labels_of(images, recipe.labels, recipe.classes)
            self.train_labels, self.test_labels = torch.from_numpy(labels.train), torch.from_numpy(labels.test)
        self.flow = channels_last(MultiScaleFlow(recipe.flow, recipe.seed).to(self.device))
        if start is not None:
            self.flow.load_state_dict(self.flow.state_dict() | start.flow.state_dict())
        elif self.team.first:
            first = batches.of_step(0, min(INIT_IMAGES, len(self.train_images)))
            self.flow.initialise(first.to(self.device))
        kept = self.team.share(self.flow.config.kept)
        if kept != self.flow.config.kept:
            self.flow.resolve(kept or ())
        channels_last(self.flow)  # keep="auto" rebuilds parts
        self.model = self.team.join(self.flow)
        self.flow.initialised = True  # in the first process, whose state all processes now have
        self.averaged = AveragedModel(self.flow)
        # The averaged flow starts as the initialised one; its first update then averages instead of copying.
        self.averaged.n_averaged.fill_(1)
        # Listed once: walking through all modules at every step takes longer than averaging.
        self.parameters: list[Tensor] = list(self.flow.parameters())
        self.averages: list[Tensor] = list(self.average.parameters())
        # After the copy: the averaged flow, which is saved and scored, stays in float32.
        for coupling in self.flow.couplings():
            coupling.in_bfloat16 = recipe.precision == "bfloat16"
        if execution.compiled:
            self.flow.compile(fullgraph=True, dynamic=False)
        self.optimisers = optimisers(self.flow, recipe.optimiser, recipe.learning_rate, recipe.weight_decay)
        self.step = 0
        #: Bits/dim, gradient norm and loss (3,) of the steps since the last gathering.
        self._waiting: list[Tensor] = []
        #: Bits/dim of the steps since the curve's last point.
        self.since: list[float] = []

    @property
    def average(self) -> MultiScaleFlow:
        """The flow with averaged weights, which is saved, sampled and scored."""
        return cast("MultiScaleFlow", self.averaged.module)  # a copy of the flow in training

    @property
    def crops(self) -> Tensor:
        """The images that a study scores, uint8 (N, C, H, W): four corner crops of every test image, or test images."""
        return corner_crops(self._whole_test_images, self.recipe.flow.shape[1:])

    @property
    def crop_labels(self) -> Tensor | None:
        """The class of every image of :attr:`crops`, on the device; None without labels."""
        if self.test_labels is None:
            return None
        return self.test_labels.repeat_interleave(len(self.crops) // len(self.test_labels)).to(self.device)

    @cached_property
    def images_digest(self) -> str:
        """A digest of a few training images of the first step and of test images, with their labels.

        Which images these are depends on the number of all.
        """
        numbers = batch_indices(len(self.train_images), self.recipe.batch, self.recipe.seed, 0)[:DIGEST_IMAGES]
        labels = () if self.train_labels is None else (self.train_labels[numbers],)
        digest = hashlib.sha256()
        for part in (take(self.train_images, numbers), self._whole_test_images[:DIGEST_IMAGES], *labels):
            digest.update(repr(tuple(part.shape)).encode())
            digest.update(part.numpy().tobytes())
        return digest.hexdigest()[:16]

    def context(self, step: int) -> Tensor | None:
        """Return the labels of this process' part of a step's batch, as rows (n, K); None without labels."""
        if self.train_labels is None:
            return None
        recipe = self.recipe
        numbers = batch_indices(len(self.train_images), recipe.batch, recipe.seed, step, self._part)
        # As rows: checking labels would wait for the device at every step.
        return one_hot(self.train_labels[numbers], recipe.flow.context).to(self.device, non_blocking=True)

    def advance(self) -> tuple[float, float]:
        """Take one step; return (bits/dim of the batch before it, gradient norm)."""
        x = self.input.batch(self.step)
        numbers = self._checked([self._compute_gradients(x)], self.step + 1, x)
        self._apply_gradients()
        return numbers[0]

    def enqueue(self) -> None:
        """Take one step without waiting for the device; its numbers are checked by :meth:`gather`."""
        self._waiting.append(self._compute_gradients(self.input.batch(self.step)))
        self._apply_gradients()

    def gather(self) -> list[tuple[float, float]]:
        """Return the result of :meth:`advance` for every step enqueued since the last call."""
        waiting, self._waiting = self._waiting, []
        return self._checked(waiting, self.step - len(waiting) + 1)

    def advance_to(self, stops: Collection[int]) -> list[tuple[float, float]]:
        """Take a step on the CPU, on a GPU several, but none beyond one of ``stops``; return the result of each."""
        if self.gather_every == 1:
            return [self.advance()]
        while True:
            self.enqueue()
            if self.step % self.gather_every == 0 or self.step in stops or self.step == self.recipe.iterations:
                return self.gather()

    def _compute_gradients(self, x: Tensor) -> Tensor:
        """Compute the gradients of a step and clip them; return bits/dim, gradient norm and loss (3,)."""
        recipe, count = self.recipe, self.recipe.accumulate
        set_learning_rate(self.optimisers, recipe.learning_rate_at(self.step))
        for parameter in self.parameters:
            parameter.grad = None
        strength = RELEASED_STRENGTH if recipe.flow.order == "released" else recipe.divergence
        losses, scores = [], []
        context = self.context(self.step)
        contexts = [None] * count if context is None else context.chunk(count)
        for number, (part, own) in enumerate(zip(x.chunk(count), contexts, strict=True), start=1):
            # Gradients are exchanged once, after the last part.
            with self.team.unshared(self.model) if number < count else nullcontext():
                log_prob, divergence = self.model(part, divergence=strength > 0, context=own)
                loss = bits = to_bits_per_dim(log_prob, recipe.flow.dimensions, recipe.flow.bits).mean()
                if divergence is not None:
                    loss = bits + strength * divergence.mean()
                (loss if count == 1 else loss / count).backward()
            losses.append(loss.detach())
            scores.append(bits.detach())
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, recipe.clip)
        return torch.stack([torch.stack(scores).mean(), norm, torch.stack(losses).mean()])

    def _checked(self, waiting: list[Tensor], first: int, x: Tensor | None = None) -> list[tuple[float, float]]:
        """Return (bits/dim, gradient norm) of steps from ``first`` on; refuse values that are not finite."""
        if not waiting:
            return []
        rows = torch.stack(waiting).tolist()
        means = self.team.means([row[0] for row in rows])
        for step, (value, (_, norm, loss)) in enumerate(zip(means, rows, strict=True), start=first):
            if not (math.isfinite(value) and math.isfinite(norm) and math.isfinite(loss)):
                what = "bits/dim" if not math.isfinite(value) else "the gradient"
                raise NotFinite(f"At step {step} {what} was not finite{'' if x is None else self._level_at_fault(x)}.")
        return [(value, norm) for value, (_, norm, _) in zip(means, rows, strict=True)]

    @torch.no_grad()
    def _apply_gradients(self) -> None:
        """Step the parameters and update their average."""
        for optimiser in self.optimisers:
            optimiser.step()
        self.step += 1
        # The step gives the number of averaged states without a read from the device: n_averaged is 1 before the first.
        update_averages(self.averages, self.parameters, self.step, self.recipe.ema)
        self.averaged.n_averaged += 1

    def _level_at_fault(self, x: Tensor) -> str:
        for level in self.flow.trace(x, self.context(self.step)).levels:
            if not (torch.isfinite(level.features).all() and torch.isfinite(level.log_det).all()):
                return f", first in level {level.number}"
        return ""

    def asked(self, signals: list[int], by_file: str = "") -> int:
        """Return the request to the whole group before its next step: 0 to continue, 1 to pause, 2 to stop.

        Arguments:
            signals: received by this process.
            by_file: the request in the run directory.

        """
        asked = [1 if number == PAUSE else 2 for number in signals]
        return self.team.agree(max(asked, default=("", "pause", "stop").index(by_file)))

    # ------------------------------------------------------------------ state

    def _optimised(self) -> Iterator[tuple[torch.optim.Optimizer, Tensor]]:
        """Yield every trained parameter with its optimiser, in the order of a resume file."""
        return (
            (optimiser, p) for optimiser in self.optimisers for group in optimiser.param_groups for p in group["params"]
        )

    def state(self) -> dict[str, Tensor]:
        """Return a copy of every tensor on which the next step depends, by name, on the CPU."""
        tensors = {f"flow.{name}": tensor for name, tensor in self.flow.state_dict().items()}
        tensors |= {f"average.{name}": tensor for name, tensor in self.averaged.state_dict().items()}
        for number, (optimiser, parameter) in enumerate(self._optimised()):
            state = optimiser.state.get(parameter, {})
            tensors |= {f"optimiser.{number}.{name}": tensor for name, tensor in state.items()}
        contiguous = torch.contiguous_format
        return {name: t.detach().to("cpu", copy=True, memory_format=contiguous) for name, t in tensors.items()}

    def restore(self, tensors: dict[str, Tensor], step: int, since: list[float]) -> None:
        """Continue from the result of :meth:`state` at ``step``, with the values ``since`` the curve's last point."""
        self.flow.load_state_dict(under("flow.", tensors))
        self.averaged.load_state_dict(under("average.", tensors))
        moments_of: dict[str, dict[str, Tensor]] = {}
        for key, tensor in under("optimiser.", tensors).items():
            number, _, name = key.partition(".")
            moments_of.setdefault(number, {})[name] = tensor
        for place, (optimiser, parameter) in enumerate(self._optimised() if step > 0 else ()):
            entry = moments_of[str(place)]
            if set(entry) != moments(optimiser):
                raise ValueError(f"The moments {sorted(entry)} are not those of {type(optimiser).__name__}.")
            # torch's fused AdamW needs a parameter and its moments in one memory layout.
            optimiser.state[parameter] = {
                name: tensor if name == "step" else torch.empty_like(parameter).copy_(tensor)
                for name, tensor in entry.items()
            }
        self.step, self.since = step, since


def starting_point(recipe: Recipe) -> Checkpoint:
    """Return the checkpoint whose parameters a recipe's flow begins with."""
    try:
        loaded = checkpoint.load(recipe.init_from)
    except CheckpointError as error:
        raise RunError(f"--init-from: {error}") from None
    check_start(loaded.info, loaded.name, recipe)
    return loaded


def check_start(info: CheckpointInfo, name: str, recipe: Recipe) -> None:
    """Check that a recipe's flow can begin with the parameters of a checkpoint, by its document and the file's name."""
    config, own = info.config, info.classes
    if own and recipe.classes and own != recipe.classes:
        its, others = (", ".join(map(files.printable, names[:5])) for names in (own, recipe.classes))
        raise RunError(
            f"--init-from: the classes of {name} are {its}, and those of {files.printable(recipe.data)} are "
            f"{others}: start from a flow without labels."
        )
    # A flow without labels may get labels: it ignores them until the new maps, zero at first, have learnt.
    context = config.context or recipe.flow.context
    if dataclasses.replace(config, memory=recipe.flow.memory, context=context) != recipe.flow:
        raise RunError(f"{name} holds another flow than the run's config.json: start a new run from it.")


def load_data(recipe: Recipe, strict: bool = False) -> ImageData:
    """Return the recipe's data set; with ``validation``, images beside its test part replace that."""
    multiple, size = 2**recipe.flow.levels, recipe.flow.shape[1:]
    images = data.load(recipe.data, multiple=multiple, size=size, strict=strict, validation=recipe.validation)
    if any(side > most for side, most in zip(size, images.size, strict=True)):
        asked, most = ("×".join(map(str, sides)) for sides in (size, images.size))
        raise DataError(f"--size is {asked}; the images of {images.name} have {most} pixels: choose a smaller size")
    return images


def under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors whose names begin with a prefix, by the rest of their names."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
