"""MultiScaleFlow: the levels as one density of images, its latents and its trace."""

from __future__ import annotations

import copy
import dataclasses
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import torch
from torch import Tensor, nn

from .bijection import Modules, NotInitialisedError, ShapeError, reset_parameters
from .config import FlowConfig
from .context import ContextError, keywords, one_hot
from .coupling import AffineCoupling
from .distribution import FlowDistribution
from .entropy_weights import EntropyWeights
from .level import Level
from .policies import structured_channels
from .split import Split, TopPrior, standard_normal_log_prob

#: Values beyond ±MOST give a warning: dequantised images stay within ±½, samples exceed it a little.
MOST = 0.75


class NonFiniteError(ArithmeticError):
    """A value inside a flow is not finite; the message names the level.

    >>> flow = MultiScaleFlow(FlowConfig(shape=(1, 8, 8), levels=2, steps=2, width=8))
    >>> flow.initialise(torch.rand(16, 1, 8, 8) - 0.5)
    >>> flow.decode(Latents([noise * math.inf for noise in flow.sample_latents(1).levels]))
    Traceback (most recent call last):
    eiwflow.flow.multiscale.NonFiniteError: Level 2 of the flow gave a value that is not finite while decoding.

    """


def dequantise(
    images: Tensor, generator: torch.Generator | None = None, dtype: torch.dtype = torch.float32, bits: int = 8
) -> Tensor:
    """Return x = (⌊v / 2^(8−b)⌋ + u) / 2^b − ½ with u ~ U[0, 1), from bytes v (N, C, H, W); (v + u)/256 − ½ for b = 8.

    With fewer than 8 ``bits`` b, neighbouring grey levels become one of 2^b.

    A ``dtype`` of low precision holds few values of a bin near ±½: of 8 bits 2 in bfloat16 and 16 in float16. There u
    is one of as many values from 0 on, equally likely in every bin, so that no x leaves its bin. Scores from such
    noise are estimates.

    Raises:
        ShapeError: the images are not uint8.
        ValueError: ``dtype`` is not one of float64, float32, float16 and bfloat16.

    >>> x = dequantise(torch.full((1, 3, 2, 2), 64, dtype=torch.uint8))
    >>> bool(((x >= -0.25) & (x < -0.25 + 1 / 256)).all())
    True

    """
    if images.dtype != torch.uint8:
        raise ShapeError(f"Images to dequantise are {images.dtype}; they must be uint8.")
    if dtype not in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
        raise ValueError(f"dtype is {dtype}; it must be torch.float64, float32, float16 or bfloat16.")
    wide, eps = torch.promote_types(dtype, torch.float32), torch.finfo(dtype).eps
    noise = torch.rand(
        images.shape, generator=generator, dtype=wide, device=generator.device if generator else images.device
    )
    if dtype == wide:
        # The largest u are cut: 255 + u would round up into the next byte's bin.
        noise = noise.clamp_max(1 - 128 * eps)
    else:
        # Values between ¼ and ½ are eps/4 apart.
        steps = 4 / (eps * 2**bits)
        noise = (noise * steps).floor() / steps
    x = ((images >> (8 - bits)).to(wide) + noise.to(images.device)) / 2**bits - 0.5
    return x.to(dtype)


def quantise(x: Tensor, bits: int = 8) -> Tensor:
    """Return the bytes whose bin holds x: the inverse of :func:`dequantise` up to its noise.

    With fewer than 8 ``bits`` b the 2^b grey levels are spread from 0 to 255, and each stays in its bin of bytes.

    >>> images = torch.randint(0, 256, (2, 3, 4, 4), dtype=torch.uint8)
    >>> torch.equal(quantise(dequantise(images)), images)
    True

    """
    levels = 2**bits
    x = x.to(torch.promote_types(x.dtype, torch.float32))  # bfloat16 has no 255.5
    return spread_levels(((x + 0.5) * levels).floor().clamp(0, levels - 1), bits)


def spread_levels(grey: Tensor, bits: int) -> Tensor:
    """Return the bytes of grey levels 0 to 2^b − 1: they are spread from 0 to 255."""
    return (grey if bits == 8 else (grey * (255 / (2**bits - 1))).round()).to(torch.uint8)


def coarsened(images: Tensor, bits: int) -> Tensor:
    """Return bytes as a flow of ``bits`` b sees them: in 2^b grey levels, spread from 0 to 255.

    >>> coarsened(torch.tensor([0, 7, 8, 255], dtype=torch.uint8), bits=5)
    tensor([  0,   0,   8, 255], dtype=torch.uint8)

    """
    return images if bits == 8 else spread_levels(images >> (8 - bits), bits)


@dataclass(frozen=True, eq=False)
class Latents:
    """The standardised latents ε_l of a batch, one tensor (N, C_l, H_l, W_l) a level, all N(0, I) under the flow.

    >>> flow = MultiScaleFlow(FlowConfig(shape=(1, 8, 8), levels=2, steps=2, width=8))
    >>> [tuple(noise.shape) for noise in flow.sample_latents(3).levels]
    [(3, 2, 4, 4), (3, 8, 2, 2)]

    """

    levels: list[Tensor]


@dataclass(frozen=True, eq=False)
class LevelTrace:
    """One level's part of a :class:`Trace`, with C channels of H×W pixels.

    >>> flow = MultiScaleFlow(FlowConfig(shape=(1, 8, 8), levels=2, steps=2, width=8))
    >>> flow.initialise(x := torch.rand(16, 1, 8, 8) - 0.5)
    >>> first = flow.trace(x).levels[0]
    >>> first.features.shape, first.noise.shape
    (torch.Size([16, 4, 4, 4]), torch.Size([16, 2, 4, 4]))

    Attributes:
        number: the level, from 1.
        input: (N, C/4, 2H, 2W), the part that the level before passed on (the image for level 1).
        features: (N, C, H, W), after the last step, before the Shuffle.
        order: (C,) channel numbers, kept first; None at the last level.
        log_weights: (N, C) log ω by position after the order; None where the policy has none.
        kept: (N, C_h, H, W), the part passed on; None at the last level.
        emitted: (N, C − C_h, H, W) z_l before standardising; the whole output at the last level.
        prior_mean, prior_log_std: of z_l given ``kept``, like ``emitted``.
        noise: ε_l, like ``emitted``.
        log_dets: (N,) in nats, by part in forward order: ``squeeze``, ``step 1 actnorm``, …, ``shuffle``, ``split``.
        coupling_weights: ω of the channels that couplings read and give, each (N, channels): ``step 1 read``, ``step 1
            given``, …; empty where couplings have no weights.

    """

    number: int
    input: Tensor
    features: Tensor
    order: Tensor | None
    log_weights: Tensor | None
    kept: Tensor | None
    emitted: Tensor
    prior_mean: Tensor
    prior_log_std: Tensor
    noise: Tensor
    log_dets: dict[str, Tensor]
    coupling_weights: dict[str, Tensor] = field(default_factory=dict)

    @property
    def log_det(self) -> Tensor:
        """The level's log-determinant (N,), nats: the sum over its parts."""
        first, *others = self.log_dets.values()
        return sum(others, start=first)

    @property
    def weighted(self) -> bool:
        """Whether the level multiplies its channels by weights."""
        return self.log_weights is not None


@dataclass(frozen=True, eq=False)
class Trace:
    """Every intermediate result of a batch x (N, C, H, W), level by level; ``log_prob`` (N,) is the flow's, in nats.

    >>> flow = MultiScaleFlow(FlowConfig(shape=(1, 8, 8), levels=2, steps=2, width=8))
    >>> flow.initialise(x := torch.rand(16, 1, 8, 8) - 0.5)
    >>> torch.allclose(flow.trace(x).log_prob, flow.log_prob(x), atol=1e-3)
    True

    """

    x: Tensor
    levels: list[LevelTrace]
    log_prob: Tensor

    @property
    def latents(self) -> Latents:
        """The standardised latents of the batch."""
        return Latents([level.noise for level in self.levels])


class MultiScaleFlow(nn.Module):
    """A multi-scale normalizing flow of images whose split policy is a choice.

    Arguments:
        config: of the flow.
        seed: draws the parameters, module by module, from (seed, module name).

    A fresh flow knows no data: :meth:`initialise` comes first, once.

    Where ``config.context`` is K > 0, the density is p(x | context), and every method takes ``context``: real values
    (N, K), or labels (N,), whole numbers from 0 to K − 1. Without its context such a flow raises ContextError; so does
    a flow without a context that gets one. :meth:`given` is the density of one context, as a flow that takes none.

    Example:
        >>> flow = MultiScaleFlow(FlowConfig(shape=(1, 8, 8), levels=2, steps=2, width=8))
        >>> x = torch.rand(16, 1, 8, 8) - 0.5
        >>> flow.initialise(x)
        >>> bool((flow.decode(flow.encode(x)) - x).abs().max() < 1e-4)
        True

    Reference: Chen et al., EIW-Flow, 2024, arXiv:2407.04958; Kingma and Dhariwal, Glow, 2018, arXiv:1807.03039.

    """

    def __init__(self, config: FlowConfig, seed: int = 0) -> None:
        super().__init__()
        self.seed = seed
        #: Whether :meth:`initialise` has seen data. A Python bool, so that no forward pass waits for the device; a
        #: state dict holds it as a tensor of the same name.
        self.initialised = False
        # Until data decide the numbers of channels, the parts are built with halves, to have a place and a type.
        halves = config if config.resolved else dataclasses.replace(config, keep=0.5)
        self.levels: Modules[Level] = Modules(Level(halves, number) for number in range(1, config.levels + 1))
        if not next(self.parameters()).is_meta:
            reset_parameters(self, seed)
        self.config = config

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[f"{prefix}initialised"] = torch.tensor(self.initialised, device=next(self.parameters()).device)

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        # Taken out first: torch knows no parameter or buffer of that name.
        initialised = state_dict.pop(f"{prefix}initialised", None)
        if initialised is not None:
            self.initialised = bool(initialised)
        elif strict:
            missing_keys.append(f"{prefix}initialised")
        # With keep="auto" the shapes say how many channels every level passes on.
        biases = [f"{prefix}levels.{level}.steps.0.actnorm.bias" for level in range(1, self.config.levels)]
        if not self.config.resolved and all(name in state_dict for name in biases):
            self.resolve([len(state_dict[name]) // 4 for name in biases])
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )

    # ------------------------------------------------------------------ data first

    @torch.no_grad()
    def initialise(self, x: Tensor) -> None:
        """Set ActNorms, principal channels and orders from a batch x (N, C, H, W) of dequantised training images.

        With ``keep="auto"`` the batch also decides how many channels every level passes on: ``config`` then holds the
        numbers, and modules and parameters are new ones.

        Raises:
            RuntimeError: the flow is initialised already; doing it again would discard what it learnt.

        """
        if self.initialised:
            raise RuntimeError("This flow is initialised already; a second time would discard what it has learnt.")
        self._check(x)
        if not torch.isfinite(x).all():
            raise ValueError("The batch to initialise from holds values that are not finite.")
        warn_of_range(x)
        auto = not self.config.resolved
        kept: Tensor | None = x
        for number in range(1, len(self.levels) + 1):
            assert kept is not None  # only the last level passes nothing on
            level = self.levels[number - 1]
            features, places = level.initialise_steps(kept)
            if auto and number < len(self.levels):
                self._pass_on(number, structured_channels(features))
            kept = level.initialise_split(features, places)
        self.initialised = True

    def _pass_on(self, number: int, count: int) -> None:
        """Rebuild the parts after the steps of level ``number``, which passes on ``count`` channels."""
        # One channel stands for the numbers that are not known yet.
        later = [1] * (self.config.levels - 1 - number)
        self.config = dataclasses.replace(self.config, kept=(*self.config.kept[: number - 1], count, *later))
        place = next(self.parameters())
        rebuilt = [Level(self.config, each).to(place.device, place.dtype) for each in (number, number + 1)]
        for each in rebuilt:
            reset_parameters(each, self.seed, f"levels.{each.number - 1}")
        level, self.levels[number] = self.levels[number - 1], rebuilt[1]
        level.shuffle, level.split = rebuilt[0].shuffle, rebuilt[0].split

    def resolve(self, kept: Sequence[int]) -> None:
        """Rebuild a flow of ``keep="auto"``, so that every level but the last passes on as many channels."""
        like = next(self.parameters())
        resolved = MultiScaleFlow(dataclasses.replace(self.config, kept=tuple(kept)), self.seed)
        self.config, self.levels = resolved.config, resolved.levels.to(like.device, like.dtype)

    # ------------------------------------------------------------------ density

    def forward(
        self, x: Tensor, divergence: bool = False, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Return (log_prob, divergence of all Shuffles or None), each (N,) in nats."""
        self._ready(x)
        # Not len(x), which would fix the number of images in an exported program.
        context = self.checked_context(context, x.shape[0])
        log_prob, total = x.new_zeros(x.shape[0]), x.new_zeros(x.shape[0])
        kept: Tensor | None = x
        for level in self.levels:
            kept, noise, log_det, of_shuffle = level(kept, divergence, **keywords(context))
            log_prob = log_prob + log_det + standard_normal_log_prob(noise)
            total = total if of_shuffle is None else total + of_shuffle
        return log_prob, total if divergence else None

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Return log p(x), or log p(x | context), (N,) in nats, of dequantised images x (N, C, H, W).

        Raises:
            NonFiniteError: it is not finite for an image; the message has how many.

        """
        warn_of_range(x)
        log_prob: Tensor = self(x, context=context)[0]
        if holds(~log_prob.isfinite().all()):
            lost = int((~log_prob.isfinite()).sum())
            raise NonFiniteError(f"log p is not finite for {lost} of {len(log_prob)} images.")
        return log_prob

    def bits_per_dim(
        self, images: Tensor, generator: torch.Generator | None = None, context: Tensor | None = None
    ) -> Tensor:
        """Return bits/dim (N,) of uint8 images (N, C, H, W): b − log p(x) / (D log 2), one dequantisation to b bits.

        All is computed in the flow's precision; below float32 the noise is coarse too, as :func:`dequantise` says.
        """
        dtype, bits = next(self.parameters()).dtype, self.config.bits
        x = dequantise(images, generator, dtype, bits)
        return to_bits_per_dim(self.log_prob(x, context), self.config.dimensions, bits)

    # ------------------------------------------------------------------ context

    def checked_context(self, context: Tensor | None, n: int) -> Tensor | None:
        """Return the context of n images as values (n, K); None for a flow that takes none.

        Raises:
            ContextError: it is missing, not wanted, of another shape, or holds other labels.

        """
        size = self.config.context
        if not size:
            if context is not None:
                raise ContextError("This flow takes no context; leave it out, or build one with FlowConfig(context=K).")
            return None
        takes = f"{n} {'label' if n == 1 else 'labels'} from 0 to {size - 1}, or values ({n}, {size})"
        if context is None:
            raise ContextError(f"This flow needs a context: pass {takes}.")
        like = next(self.parameters())
        if not isinstance(context, Tensor) or context.is_complex() or context.dtype == torch.bool:
            kind = context.dtype if isinstance(context, Tensor) else type(context).__name__
            raise ContextError(f"The context is of type {kind}; pass a tensor of {takes}.")
        if tuple(context.shape) != ((n, size) if context.is_floating_point() else (n,)):
            raise ContextError(f"The context is {context.dtype} of shape {tuple(context.shape)}; pass {takes}.")
        if context.is_floating_point():
            return context.to(like.device, like.dtype)
        if holds(((context < 0) | (context >= size)).any()):
            raise ContextError(f"The labels go from {int(context.min())} to {int(context.max())}; pass {takes}.")
        return one_hot(context.to(like.device), size, like.dtype)

    def _one_context(self, context: Tensor | int | None) -> Tensor | None:
        """Return one context as a row (1, K), None for a flow that takes none."""
        try:
            row = None if context is None else torch.as_tensor(context)[None]
        except (TypeError, ValueError, RuntimeError):  # such as a text
            row = None
        if row is None and (size := self.config.context):
            has = "is missing" if context is None else f"is {str(context)[:40]!r}"
            raise ContextError(f"The context {has}; pass one label from 0 to {size - 1}, or values ({size},).")
        return self.checked_context(row, 1)

    @torch.no_grad()
    def given(self, context: Tensor | int, *, share: bool = False) -> MultiScaleFlow:
        """Return p(x | context) for one context, as a flow of its own that takes none.

        Its values are those of this flow up to rounding: biases and priors absorb the context. So traces, exports and
        compression work as for a flow without a context.
        Call it outside of ``torch.func``'s transforms, which do not copy parameters.

        Args:
            context: values (K,), or a label.
            share: whether the parameters that no context changes are those of this flow, and take no memory again;
                otherwise they are copies.

        Raises:
            ContextError: as in every other call.

        >>> flow = MultiScaleFlow(FlowConfig(shape=(1, 8, 8), levels=2, steps=2, width=8, context=3))
        >>> flow.initialise(x := torch.rand(16, 1, 8, 8) - 0.5)
        >>> labels = torch.full((16,), 2)
        >>> torch.allclose(flow.given(2).log_prob(x), flow.log_prob(x, labels), atol=1e-3)
        True

        """
        row = self._one_context(context)
        shared = {id(tensor): tensor for tensor in (*self.parameters(), *self.buffers())} if share else {}
        flow = copy.deepcopy(self, shared)
        flow.config = dataclasses.replace(self.config, context=0, top_prior="constant")
        for module in flow.modules():
            if isinstance(module, (EntropyWeights, Split, TopPrior)) and row is not None:
                module.fix_context(row)
        return flow

    # ------------------------------------------------------------------ latents

    def encode(self, x: Tensor, context: Tensor | None = None) -> Latents:
        """Return the standardised latents of x (N, C, H, W); gradients flow through."""
        self._ready(x)
        context = self.checked_context(context, x.shape[0])
        warn_of_range(x)
        noises: list[Tensor] = []
        kept: Tensor | None = x
        for level in self.levels:
            kept, noise, _, _ = level(kept, **keywords(context))
            noises.append(finite(noise, level.number))
            if kept is not None:
                finite(kept, level.number)
        return Latents(noises)

    def decode(self, latents: Latents, context: Tensor | None = None) -> Tensor:
        """Return the images (N, C, H, W) of standardised latents: the exact inverse of :meth:`encode`.

        Gradients flow through, with respect to latents and parameters.

        Raises:
            ShapeError: the latents are not those of this flow.
            NonFiniteError: a level's output is not finite; the message names the level.

        """
        self._check_initialised()
        shapes = self.latent_shapes()
        stated = [tuple(noise.shape[1:]) for noise in latents.levels]
        if stated != shapes:
            raise ShapeError(f"The latents have the shapes {stated}; this flow takes {shapes}.")
        numbers = [noise.shape[0] for noise in latents.levels]
        if any(number != numbers[0] for number in numbers):
            raise ShapeError(f"The latents are of {numbers} images; every level must have the same number.")
        context = self.checked_context(context, numbers[0])
        x: Tensor | None = None
        for level, noise in zip(reversed(self.levels), reversed(latents.levels), strict=True):
            x = finite(level.inverse(x, noise, **keywords(context)), level.number, "decoding")
        assert x is not None  # a flow has a level
        return x

    def latent_shapes(self) -> list[tuple[int, int, int]]:
        """Return (C_l, H_l, W_l) of every ε_l."""
        if not self.config.resolved:
            self._check_initialised()
        return [self.config.noise_shape(level.number) for level in self.levels]

    def sample_latents(
        self, n: int, temperature: float | Sequence[float] = 1.0, generator: torch.Generator | None = None
    ) -> Latents:
        """Return n draws of ε_l ~ N(0, T_l²) for every level; one temperature, or one a level."""
        levels = len(self.levels)
        if n < 1:
            raise ValueError(f"n is {n}; at least 1 image can be drawn.")
        each = [temperature] * levels if isinstance(temperature, (float, Real)) else temperature
        temperatures = [float(t) for t in each]
        if len(temperatures) != levels:
            raise ValueError(f"{len(temperatures)} temperatures were given; the flow has {levels} levels.")
        if not all(0 <= t < math.inf for t in temperatures):
            raise ValueError(f"The temperatures are {temperatures}; every temperature must be finite and not negative.")
        like = next(self.parameters())
        device = generator.device if generator else like.device
        return Latents(
            [
                (torch.randn(n, *shape, generator=generator, dtype=like.dtype, device=device) * t).to(like.device)
                for shape, t in zip(self.latent_shapes(), temperatures, strict=True)
            ]
        )

    def rsample(
        self,
        n: int,
        temperature: float | Sequence[float] = 1.0,
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
    ) -> Tensor:
        """Return n images (n, C, H, W) drawn from the flow, at one temperature or one a level.

        Gradients flow to the parameters: the noise is drawn first, then decoded (reparametrised samples).
        """
        self._check_initialised()
        return self.decode(self.sample_latents(n, temperature, generator), context)

    @torch.no_grad()
    def sample(
        self,
        n: int,
        temperature: float | Sequence[float] = 1.0,
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
    ) -> Tensor:
        """Return the images of :meth:`rsample` without gradients, as ``torch.distributions`` does."""
        return self.rsample(n, temperature, generator, context)

    def as_distribution(self, context: Tensor | int | None = None) -> FlowDistribution:
        """Return the flow under the interface of ``torch.distributions``.

        Args:
            context: of a flow that has one: values (K,), or a label.

        """
        self._check_initialised()
        row = self._one_context(context)

        def rows(n: int) -> Tensor | None:
            return None if row is None else row.expand(n, -1)

        return FlowDistribution(
            self.config.shape,
            lambda x: self.log_prob(x, rows(len(x))),
            lambda n: self.rsample(n, context=rows(n)),
        )

    # ------------------------------------------------------------------ traces

    @torch.no_grad()
    def trace(self, x: Tensor, context: Tensor | None = None) -> Trace:
        """Return every intermediate result of x (N, C, H, W), part by part."""
        self._ready(x)
        context = self.checked_context(context, x.shape[0])
        levels, log_prob = [], x.new_zeros(x.shape[0])
        kept: Tensor | None = x
        for level in self.levels:
            assert kept is not None  # only the last level passes nothing on
            level_trace = trace_level(level, kept, context)
            levels.append(level_trace)
            log_prob = log_prob + level_trace.log_det + standard_normal_log_prob(level_trace.noise)
            kept = level_trace.kept
        return Trace(x, levels, log_prob)

    # ------------------------------------------------------------------ parameters

    def couplings(self) -> list[AffineCoupling]:
        """Return the couplings of all steps, level by level."""
        return [step.coupling for level in self.levels for step in level.steps]

    def parameter_count(self) -> int:
        """Return the number of parameters."""
        return sum(p.numel() for p in self.parameters())

    # ------------------------------------------------------------------ checks

    def _check(self, x: Tensor) -> None:
        if not x.is_floating_point():
            raise ShapeError(f"The flow was given images of {x.dtype}; it takes dequantised ones: dequantise(images).")
        if x.dim() != 4 or tuple(x.shape[1:]) != self.config.shape or x.shape[0] == 0:
            raise ShapeError(
                f"The flow was given {tuple(x.shape)}; it takes (N, {', '.join(map(str, self.config.shape))}), N ≥ 1."
            )

    def _check_initialised(self) -> None:
        if not self.initialised:
            raise NotInitialisedError(
                "This flow is not initialised: call initialise(x) with a batch of training images first."
            )

    def _ready(self, x: Tensor) -> None:
        self._check(x)
        self._check_initialised()


def to_bits_per_dim(log_prob: Tensor, dimensions: int, bits: int = 8) -> Tensor:
    """Return b − log p / (D log 2), from nats of images whose grey levels are 2^−b apart: 1/256 for 8 bits.

    >>> to_bits_per_dim(torch.zeros(2), dimensions=3072)
    tensor([8., 8.])

    """
    return bits - log_prob / (dimensions * math.log(2))


def trace_level(level: Level, x: Tensor, context: Tensor | None = None) -> LevelTrace:
    """Return the trace of one level for its input x (N, C/4, 2H, 2W), bijection by bijection."""
    log_dets: dict[str, Tensor] = {}
    coupling_weights: dict[str, Tensor] = {}
    level_input = x
    x, log_dets["squeeze"] = level.squeeze(x)
    for number, step in enumerate(level.steps, start=1):
        for name, part in step.parts():
            if part is step.coupling and (weights := step.coupling.channel_weights(x, context)) is not None:
                coupling_weights |= {f"step {number} {side}": each for side, each in weights._asdict().items()}
            own = keywords(context) if part is step.coupling else {}
            x, log_dets[f"step {number} {name}"] = part(x, **own)
    features = x
    if level.shuffle is None or level.split is None:
        mean, log_std, noise = torch.zeros_like(x), torch.zeros_like(x), x
        if level.top is not None:
            mean, log_std = level.top.parameters_of(x, context)
            noise, log_dets["top prior"] = level.top(x, context)
        return LevelTrace(level.number, level_input, features, None, None, None, x, mean, log_std, noise, log_dets)
    shuffled, log_dets["shuffle"] = level.shuffle(x)
    kept, noise, log_dets["split"] = level.split.emit(shuffled, context)
    mean, log_std = level.split.parameters_of(kept, context)
    return LevelTrace(
        number=level.number,
        input=level_input,
        features=features,
        order=level.shuffle.order.clone(),
        log_weights=level.shuffle.log_weights(features),
        kept=kept,
        emitted=shuffled[:, kept.shape[1] :],
        prior_mean=mean,
        prior_log_std=log_std,
        noise=noise,
        log_dets=log_dets,
        coupling_weights=coupling_weights,
    )


def finite(x: Tensor, level: int, doing: str = "encoding") -> Tensor:
    """Return x where all of its values are finite.

    Raises:
        NonFiniteError: they are not; the message names the level.

    """
    # A value that is not finite makes the sum so; large finite values may too, hence the second check.
    if holds(~x.sum().isfinite()) and holds(~x.isfinite().all()):
        raise NonFiniteError(f"Level {level} of the flow gave a value that is not finite while {doing}.")
    return x


def warn_of_range(x: Tensor) -> None:
    """Warn where images x are outside the range of dequantised images: the flow has seen none and raises no error."""
    if holds((x.detach().abs() > MOST).any()):
        warnings.warn(
            f"The images have values from {x.min():.3g} to {x.max():.3g}; the flow knows images from −0.5 to 0.5, as "
            "dequantise(images) returns them, and its log p of others means little.",
            stacklevel=3,
        )


def holds(condition: Tensor) -> bool:
    """Return whether a condition holds; False where tensors have no values: under torch.vmap, and in an export."""
    if torch.compiler.is_compiling():
        return False
    try:
        return bool(condition)
    except RuntimeError:
        return False
