"""Train this project's flow and normflows' multi-scale Glow on photos32 for the same process CPU seconds, one thread.

Called by ``python benchmarks/peers.py --train SECONDS …``. For each number of seconds all sides start afresh and take
turns, the one that has used least goes next, so that a change of the machine's speed falls on each; every side ends on
its schedule's last step. Scored are the test images under one fixed dequantisation, outside the seconds.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from glow import glow
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from eiwflow import data
from eiwflow.data import ImageData, fixed_crops, to_tensor
from eiwflow.flow import FlowConfig, MultiScaleFlow, dequantise, to_bits_per_dim
from eiwflow.training.batches import training_batch
from eiwflow.training.memory import channels_last
from eiwflow.training.optimiser import Muon, optimisers, set_learning_rate
from eiwflow.training.recipe import Recipe
from eiwflow.training.trainer import INIT_IMAGES, update_averages

SIZE, DIMENSIONS = (32, 32), 3072
#: This project's defaults but for the batch, half of the images mirrored as for the bundled flows.
RECIPE = Recipe(batch=16, flip=True)
#: What a peer of the same size gets of it at least.
PLAIN = replace(RECIPE, flip=False, weight_decay=0.0)
#: Learning rates that a peer is given this many seconds each with, on held-out photographs, to choose from.
RATES, TUNING_S = (1e-3, 2e-3, 4e-3, 8e-3), 120.0


@dataclass
class Racer:
    """One side: a density on its way.

    Attributes:
        flow: gives ``log_prob(x)`` (N,) in nats.
        log_prob: of a flow like it, since an averaged copy is scored.
        optimisers, learning_rate: what takes the steps, and its peak.
        batch: images a step.
        recipe: has warm-up and cosine, clipping, averaging and mirroring; without one there are none.
        seconds: the process CPU seconds of every step so far.

    """

    flow: nn.Module
    log_prob: Callable[[nn.Module, Tensor], Tensor]
    optimisers: list[torch.optim.Optimizer]
    learning_rate: float
    batch: int
    recipe: Recipe | None = RECIPE
    seconds: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin the average as the flow itself."""
        self.averaged: AveragedModel | None = None
        if self.recipe is not None:
            decay = self.recipe.ema
            self.averaged = AveragedModel(
                self.flow, multi_avg_fn=lambda averages, current, t: update_averages(averages, current, int(t), decay)
            )
            self.averaged.n_averaged.fill_(1)

    def rate(self, budget: float) -> float:
        """Return the learning rate of the next step, by the part of the seconds that is used."""
        if self.recipe is None:
            return self.learning_rate
        per_step = statistics.median(self.seconds[-50:] or [budget / 100])
        done = len(self.seconds)
        iterations = max(done + 1, done + round((budget - sum(self.seconds)) / per_step))
        return replace(self.recipe, iterations=iterations, learning_rate=self.learning_rate).learning_rate_at(done)

    def step(self, images: Tensor, budget: float) -> None:
        """Take a step."""
        started = time.process_time()
        flip = self.recipe is not None and self.recipe.flip
        x = training_batch(images, SIZE, self.batch, 0, len(self.seconds), flip)
        set_learning_rate(self.optimisers, self.rate(budget))
        self.flow.zero_grad(set_to_none=True)
        loss = to_bits_per_dim(self.log_prob(self.flow, x), DIMENSIONS).mean()
        # The documented training leaves out a step whose loss is not finite.
        if torch.isfinite(loss):
            loss.backward()
            if self.recipe is not None:
                torch.nn.utils.clip_grad_norm_(list(self.flow.parameters()), self.recipe.clip)
            for optimiser in self.optimisers:
                optimiser.step()
            if self.averaged is not None:
                self.averaged.update_parameters(self.flow)
        self.seconds.append(time.process_time() - started)

    @torch.no_grad()
    def score(self, images: Tensor) -> float:
        """Return mean bits/dim of uint8 images under one dequantisation, of the averaged weights where there are."""
        flow = self.flow if self.averaged is None else self.averaged.module
        generator = torch.Generator().manual_seed(0)
        parts = [self.log_prob(flow, dequantise(part, generator)) for part in images.split(64)]
        return to_bits_per_dim(torch.cat(parts), DIMENSIONS).mean().item()


def first_batch(images: Tensor) -> Tensor:
    """Return the images that every flow sets itself from."""
    return training_batch(images, SIZE, INIT_IMAGES, 0, 0)


def eiwflow(images: Tensor) -> Racer:
    """Return this project's flow with its defaults."""
    flow = channels_last(MultiScaleFlow(FlowConfig()))
    flow.initialise(first_batch(images))
    steppers = optimisers(flow, RECIPE.optimiser, RECIPE.learning_rate, RECIPE.weight_decay)
    return Racer(flow, lambda flow, x: flow.log_prob(x), steppers, RECIPE.learning_rate, RECIPE.batch)


def normflows(images: Tensor, learning_rate: float, recipe: Recipe) -> Racer:
    """Return normflows' multi-scale Glow at our K, width and batch, trained by a recipe but by AdamW alone."""
    flow = _glow_of_our_size(images)
    networks, others = _parted(flow)
    decayed = {"params": networks, "weight_decay": recipe.weight_decay}
    steppers = [torch.optim.AdamW([{"params": others}, decayed], weight_decay=0.0, fused=True)]
    return Racer(flow, lambda flow, x: flow.log_prob(x, None), steppers, learning_rate, recipe.batch, recipe)


def normflows_by_muon(images: Tensor, learning_rate: float) -> Racer:
    """Return the same with this project's optimiser as well, which normflows has none of."""
    flow = _glow_of_our_size(images)
    networks, others = _parted(flow)
    steppers = [
        torch.optim.AdamW(others, weight_decay=0.0, fused=True),
        Muon(networks, learning_rate, RECIPE.weight_decay),
    ]
    return Racer(flow, lambda flow, x: flow.log_prob(x, None), steppers, learning_rate, RECIPE.batch)


def _glow_of_our_size(images: Tensor) -> nn.Module:
    return glow(first_batch(images), FlowConfig().levels, FlowConfig().steps, FlowConfig().width, trainable=True)


def _parted(flow: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Return the coupling networks' weights, and all other parameters."""
    networks = [module.weight for module in flow.modules() if isinstance(module, nn.Conv2d)]
    apart = {id(weight) for weight in networks}
    return networks, [p for p in flow.parameters() if id(p) not in apart]


def documented(images: Tensor) -> Racer:
    """Return normflows' multi-scale Glow as its documentation configures and trains it, without classes."""
    flow = glow(first_batch(images), levels=3, steps=16, width=256, trainable=True)
    optimiser = torch.optim.Adamax(flow.parameters(), lr=1e-3, weight_decay=1e-5)
    return Racer(flow, lambda flow, x: flow.log_prob(x, None), [optimiser], 1e-3, batch=128, recipe=None)


def race(sides: dict[str, Racer], images: Tensor, budget: float) -> None:
    """Train all sides for the same process CPU seconds, in turns."""
    running = dict(sides)
    while running:
        name = min(running, key=lambda name: sum(running[name].seconds))
        racer = running[name]
        # A step that would go beyond the seconds is not begun; the first is always taken.
        if racer.seconds and sum(racer.seconds) + statistics.median(racer.seconds[-50:]) > budget:
            del running[name]
        else:
            racer.step(images, budget)


def tuned_rate(name: str, start: Callable[[Tensor, float], Racer], images: ImageData) -> float:
    """Return the learning rate that a peer does best with, on photographs held out from the train part."""
    held = data.hold_out(images)
    train, judged = to_tensor(held.train), fixed_crops(to_tensor(held.test), SIZE)
    sides = {f"{rate:g}": start(train, rate) for rate in RATES}
    race(sides, train, TUNING_S)
    scores = {rate: racer.score(judged) for rate, racer in sides.items()}
    for rate, bits in scores.items():
        print(f"{name} at {rate}: {bits:.4f} bits/dim on held-out photographs", flush=True)
    # A flow that was lost on the way may have no bits/dim at all.
    return float(min(scores, key=lambda rate: (math.isnan(scores[rate]), scores[rate])))


def train(budgets: list[float]) -> None:
    """Print the test bits/dim of every side after each number of process CPU seconds."""
    images = data.load("photos32", multiple=8, size=SIZE[0])
    train_images, test_images = to_tensor(images.train), fixed_crops(to_tensor(images.test), SIZE)
    peers = {
        "normflows, our K, width, batch": partial(normflows, recipe=PLAIN),
        "the same mirrored, with decay": partial(normflows, recipe=RECIPE),
        "that by Muon": normflows_by_muon,
    }
    chosen = {name: tuned_rate(name, start, images) for name, start in peers.items()}
    print(f"torch {torch.__version__}, one thread, photos32, {len(test_images)} test images")
    rates = ", ".join(f"{each:g}" for each in RATES)
    found = "; ".join(f"{name} {rate:g}" for name, rate in chosen.items())
    print(f"learning rates: eiwflow {RECIPE.learning_rate:g}; {found}, the best on held-out photographs of {rates}")
    for budget in budgets:
        sides = {
            "eiwflow weighted": eiwflow(train_images),
            **{name: start(train_images, chosen[name]) for name, start in peers.items()},
            "normflows, as documented": documented(train_images),
        }
        ours = None
        head = f"{'steps':>7}{'ms a step':>11}{'bits/dim':>10}{'ours lower by':>15}"
        print(f"\nafter {budget:g} process CPU seconds{head}")
        race(sides, train_images, budget)
        for name, racer in sides.items():
            bits = racer.score(test_images)
            ours = bits if ours is None else ours
            step = 1000 * statistics.median(racer.seconds)
            print(f"{name:<31}{len(racer.seconds):>7}{step:>11.0f}{bits:>10.4f}{bits - ours:>15.4f}", flush=True)
