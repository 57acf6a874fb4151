"""A flow of one's own as an arm of a study: a torch module from ``FILE.py:FUNCTION``, trained and scored as ours are.

``FUNCTION(shape, seed)`` returns a module with ``log_prob(x)`` (N,) in nats of x (N, C, H, W) in [−½, ½]. If it has
``initialise(x)``, that is called once with the first training images; if it has ``sample(n)`` (n, C, H, W), samples are
kept. It sees the same batches, seeds, noise and held-out images as every other arm; its optimiser is AdamW without
weight decay, whatever the recipe's. The file is code and is run: name files that you trust.
"""

from __future__ import annotations

import importlib.util
import io
import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..data import ImageData, corner_crops, montage, png_file, to_tensor
from ..files import write_atomically
from ..flow import ConfigError, FlowConfig, quantise, to_bits_per_dim
from ..flow.score import score
from ..training.input import Batches
from ..training.optimiser import AdamW, set_learning_rate
from ..training.recipe import Recipe, Recording
from ..training.run import SAVE_SECONDS
from ..training.scores import CURVE_CROPS
from ..training.stopwatch import Stopwatch
from ..training.trainer import GATHER_EVERY, INIT_IMAGES, update_averages
from .file import SAMPLES

#: Files of a run: its state and its averaged parameters.
RESUME, WEIGHTS = "resume.pt", "weights.pt"
#: Images that a module is checked on, and how far two log-densities of one image may be apart.
CHECKED, RELATIVE, ABSOLUTE = 8, 1e-4, 1e-2


class ForeignError(ConfigError):
    """A flow of one's own cannot be used; the message is one sentence."""


class ForeignFlow(nn.Module):
    """A module as the scores of this package take a flow.

    Args:
        module: what the function returned.
        config: shape of the images, and their grey levels.
        source: ``FILE.py:FUNCTION``, for messages.

    """

    def __init__(self, module: nn.Module, config: FlowConfig, source: str) -> None:
        super().__init__()
        self.module, self.config, self.source = module, config, source

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p (N,) in nats of x (N, C, H, W).

        Raises:
            ForeignError: the module raises, or returns something else.

        """
        with _theirs(self.source, "log_prob"):
            log_prob = self.module.log_prob(x.contiguous())  # type: ignore[operator]  # a module's attributes are not typed
        if not isinstance(log_prob, Tensor) or log_prob.shape != (len(x),) or not log_prob.is_floating_point():
            raise ForeignError(
                f"log_prob of {self.source} returns {_kind(log_prob)}; it must return floats ({len(x)},), one an image."
            )
        return log_prob

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        """Return (log_prob, None), as a flow of this package does."""
        return self.log_prob(x), None

    def parameter_count(self) -> int:
        """Return the number of trained parameters."""
        return sum(parameter.numel() for parameter in self.module.parameters() if parameter.requires_grad)


@contextmanager
def _theirs(source: str, what: str) -> Iterator[None]:
    """Turn every error of a file of one's own into a sentence."""
    try:
        yield
    except ForeignError:
        raise
    except Exception as error:
        first = (str(error).splitlines() or [""])[0][:200]
        raise ForeignError(f"{what} of {source} raised {type(error).__name__}: {first}") from error


def _kind(value: object) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of {value.dtype} and the shape {tuple(value.shape)}"
    return f"a {type(value).__name__}"


def function_of(source: str) -> Callable[..., Any]:
    """Return the function of ``FILE.py:FUNCTION``, from a path relative to the working folder.

    Raises:
        ForeignError: there is no such file or function, or the file raises.

    """
    file, _, name = source.rpartition(":")
    if not Path(file).is_file():
        raise ForeignError(f"{file[:200]} is no file; name FILE.py:FUNCTION.")
    key = f"eiwflow_arm_{sha256(str(Path(file).resolve()).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(key, file)
    assert spec is not None and spec.loader is not None, "the file ends in .py"
    module = sys.modules[key] = importlib.util.module_from_spec(spec)
    with _theirs(source, "the file"):
        spec.loader.exec_module(module)
    function = getattr(module, name, None)
    if not callable(function):
        raise ForeignError(f"{file[:200]} has no function {name[:60]}.")
    return function


def make(source: str, config: FlowConfig, seed: int = 0) -> ForeignFlow:
    """Return the module that the function makes with a seed, which is torch's global seed as well.

    Raises:
        ForeignError: the function raises, or returns no module with ``log_prob`` and parameters.

    """
    function = function_of(source)
    torch.manual_seed(seed)
    with _theirs(source, "the function"):
        module = function(config.shape, seed)
    if not isinstance(module, nn.Module) or not callable(getattr(module, "log_prob", None)):
        raise ForeignError(f"{source} returns {_kind(module)}; it must return a torch module with log_prob(x).")
    flow = ForeignFlow(module, config, source)
    if not flow.parameter_count():
        raise ForeignError(f"{source} returns a module without parameters.")
    return flow


def initialise(flow: ForeignFlow, x: Tensor) -> None:
    """Initialise a module on x (N, C, H, W); without ``initialise`` it sees x once, as layers of Glow's need it."""
    flow.train()
    with torch.no_grad():
        if callable(own := getattr(flow.module, "initialise", None)):
            with _theirs(flow.source, "initialise"):
                own(x)
        else:
            flow.log_prob(x)


@torch.no_grad()
def check(flow: ForeignFlow, x: Tensor) -> None:
    """Refuse a log-density that is not finite, or that depends on an image's neighbours.

    Raises:
        ForeignError: it is so.

    """
    flow.eval()
    x = x[:CHECKED]
    whole, reversed_part = flow.log_prob(x), flow.log_prob(x.flip(0)[:-1])
    if not whole.isfinite().all():
        raise ForeignError(f"log_prob of {flow.source} is not finite on the first training images.")
    if not torch.allclose(whole.flip(0)[:-1], reversed_part, rtol=RELATIVE, atol=ABSOLUTE):
        raise ForeignError(f"log_prob of {flow.source} depends on the order or the number of the images beside it.")


def check_seed(source: str, config: FlowConfig) -> None:
    """Refuse a function that ignores its seed: all seeds would be one run, with an interval of no width.

    Raises:
        ForeignError: two seeds give the same parameters.

    """
    first, second = (list(make(source, config, seed).parameters()) for seed in (0, 1))
    if all(map(torch.equal, first, second)):
        raise ForeignError(f"{source} ignores its seed: two seeds give the same parameters.")


class ForeignTraining:
    """A flow of one's own in training; everything random depends on (seed, step), as in ours.

    Args:
        recipe: the settings, whose flow states the shape and grey levels alone.
        source: ``FILE.py:FUNCTION``.
        images: the data set.
        device: where it trains.

    Raises:
        ForeignError: the flow cannot be used.

    """

    def __init__(self, recipe: Recipe, source: str, images: ImageData, device: torch.device) -> None:
        self.recipe, self.source, self.device = recipe, source, device
        self._batches = Batches(images.train, recipe)
        check_seed(source, recipe.flow)
        self.flow = make(source, recipe.flow, recipe.seed).to(device)
        x = self._batches.of_step(0, min(INIT_IMAGES, len(images.train))).to(device)
        initialise(self.flow, x)
        check(self.flow, x)
        self.average = make(source, recipe.flow, recipe.seed).to(device)
        initialise(self.average, x[:CHECKED])  # layers may make parameters when they first see data
        self.average.load_state_dict(self.flow.state_dict())
        pairs = zip(self.flow.parameters(), self.average.parameters(), strict=True)
        trained = [pair for pair in pairs if pair[0].requires_grad]
        self._parameters: list[Tensor] = [ours for ours, _ in trained]
        self._averages: list[Tensor] = [average for _, average in trained]
        self.optimiser = AdamW([{"params": self._parameters}], lr=recipe.learning_rate, weight_decay=0.0, fused=True)
        self.step = 0
        self._waiting: list[Tensor] = []

    def advance(self) -> None:
        """Take one step."""
        recipe, flow = self.recipe, self.flow
        x = self._batches.of_step(self.step, recipe.batch).to(self.device)
        set_learning_rate([self.optimiser], recipe.learning_rate_at(self.step))
        torch.manual_seed((recipe.seed << 32) + self.step)
        flow.train()
        self.optimiser.zero_grad(set_to_none=True)
        total = torch.zeros((), device=self.device)
        for part in x.chunk(recipe.accumulate):
            loss = to_bits_per_dim(flow.log_prob(part), recipe.flow.dimensions, recipe.flow.bits).mean()
            with _theirs(self.source, "the gradient"):
                (loss / recipe.accumulate).backward()
            total += loss.detach() / recipe.accumulate
        norm = nn.utils.clip_grad_norm_(self._parameters, recipe.clip)
        with torch.no_grad():
            self.optimiser.step()
            self.step += 1
            update_averages(self._averages, self._parameters, self.step, recipe.ema)
        self._waiting.append(torch.stack([total, norm]))

    def gather(self) -> list[float]:
        """Return bits/dim of the steps since the last call.

        Raises:
            ForeignError: one, or its gradient, was not finite.

        """
        if not self._waiting:
            return []
        rows, self._waiting = torch.stack(self._waiting).tolist(), []
        for place, row in enumerate(rows, start=self.step - len(rows) + 1):
            if not all(map(math.isfinite, row)):
                raise ForeignError(f"At step {place} bits/dim or the gradient of {self.source} was not finite.")
        return [bits for bits, _ in rows]

    def scored(self) -> ForeignFlow:
        """Return the averaged flow with the present buffers."""
        for ours, theirs in zip(self.average.buffers(), self.flow.buffers(), strict=True):
            ours.copy_(theirs)
        return self.average.eval()

    def state(self) -> dict[str, Any]:
        """Return everything that the next step depends on."""
        flow, average = self.flow.state_dict(), self.scored().state_dict()
        return {"step": self.step, "flow": flow, "average": average, "optimiser": self.optimiser.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go to a state of the same recipe."""
        self.step = state["step"]
        self.flow.load_state_dict(state["flow"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])


def train(
    folder: Path, arm: str, recipe: Recipe, source: str, images: ImageData, device: torch.device
) -> dict[str, Any]:
    """Train to the end, from the last save in the folder, and return the result as a study keeps it.

    Args:
        folder: of the run.
        arm: its text.
        recipe: of the run.
        source: ``FILE.py:FUNCTION``.
        images: the data set.
        device: where it trains.

    Raises:
        ForeignError: the flow cannot be used, or its file has changed since the run began.
        OSError: the folder cannot be written.

    """
    folder.mkdir(parents=True, exist_ok=True)
    training = ForeignTraining(recipe, source, images, device)
    digest = sha256(Path(source.rpartition(":")[0]).read_bytes()).hexdigest()
    facts: dict[str, Any] = {"recipe": recipe.to_dict(), "source": digest}
    curve: list[list[float]] = []
    since: list[float] = []
    seconds = 0.0
    if (folder / RESUME).exists():
        saved = torch.load(folder / RESUME, map_location=device, weights_only=True)
        if {name: saved[name] for name in facts} != facts:
            raise ForeignError(f"{folder.parent.name}/{folder.name} was begun with another {source}: move it away.")
        training.restore(saved)
        curve, since, seconds = saved["curve"], saved["since"], saved["seconds"]
    crops = corner_crops(to_tensor(images.test), recipe.flow.shape[1:])
    steps = Recording(crops=True).curve_steps_of(recipe.iterations)
    gathered, saved_at = 1 if device.type == "cpu" else GATHER_EVERY, time.monotonic()
    while training.step < recipe.iterations:
        with Stopwatch(device) as watch:
            training.advance()
            while training.step % gathered and training.step not in steps and training.step < recipe.iterations:
                training.advance()
        seconds += watch.seconds
        since += training.gather()
        if training.step in steps:
            some = crops[:: math.ceil(len(crops) / CURVE_CROPS)]
            curve.append([training.step, round(sum(since) / len(since), 4), _bits(training, some, 4)])
            since = []
        if time.monotonic() - saved_at > SAVE_SECONDS:
            facts |= {"curve": curve, "since": since, "seconds": seconds}
            _save(folder / RESUME, {**facts, **training.state()})
            saved_at = time.monotonic()
    bits = _bits(training, crops, 5)
    _save(folder / WEIGHTS, training.average.module.state_dict())
    if recipe.seed == 0 and callable(getattr(training.average.module, "sample", None)):
        _draw(folder / SAMPLES, training.average)
    (folder / RESUME).unlink(missing_ok=True)
    return {
        "arm": arm, "seed": recipe.seed, "bits_per_dim": bits, "iterations": recipe.iterations,
        "parameters": training.flow.parameter_count(), "cpu_s": round(seconds, 2), "permutation_seed": None,
        "source_sha256": digest, "curve": curve,
    }  # fmt: skip


def evaluate(
    source: str, weights: Path, images: ImageData, limit: int | None = None, size: int | None = None
) -> Tensor:
    """Return bits/dim (N,) of test images under a flow of one's own with a state dict, such as a run's ``weights.pt``.

    Args:
        source: ``FILE.py:FUNCTION``.
        weights: the state dict.
        images: the data set.
        limit: first test images alone.
        size: of the flow's images in pixels; by default that of the data. Of larger images it scores corner crops.

    Raises:
        ForeignError: the file is no state dict of this flow.
        OSError: it cannot be read.

    """
    height, width = images.size if size is None else (size, size)
    flow = make(source, FlowConfig(shape=(images.channels, height, width), levels=1))
    initialise(flow, Batches(images.train, Recipe(flow=flow.config)).of_step(0, CHECKED))
    with _theirs(source, f"loading {weights.name}"):
        flow.module.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    tests = corner_crops(to_tensor(images.test)[:limit], (height, width))
    return score(flow.eval(), tests)  # type: ignore[arg-type]  # it has what score takes


def _bits(training: ForeignTraining, crops: Tensor, places: int) -> float:
    """Return mean bits/dim of crops (N, C, H, W) uint8 under the averaged parameters, with the noise of the seed."""
    # A ForeignFlow has what score takes of a flow.
    bits = score(training.scored(), crops, training.recipe.seed).mean().item()  # type: ignore[arg-type]
    if not math.isfinite(bits):
        raise ForeignError(f"After step {training.step} bits/dim of {training.source} was not finite.")
    return round(bits, places)


def _save(path: Path, state: dict[str, Any]) -> None:
    content = io.BytesIO()
    torch.save(state, content)
    write_atomically(path, content.getvalue())


@torch.no_grad()
def _draw(path: Path, flow: ForeignFlow, side: int = 4) -> None:
    """Write samples as one picture."""
    torch.manual_seed(0)
    with _theirs(flow.source, "sample"):
        samples = quantise(flow.module.sample(side * side))  # type: ignore[operator]  # checked by the caller
        picture = montage(samples.permute(0, 2, 3, 1).cpu().numpy(), side)
    write_atomically(path, png_file(picture))
