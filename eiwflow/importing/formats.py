"""The three formats of other code: the names of their tensors, and the tensors of our flows.

Every format has the same order of parts: ActNorm, 1×1 convolution, coupling. The formats parametrise ActNorms,
couplings and priors differently; the readers below convert them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..files import listed, printable
from ..flow import ConfigError, FlowConfig, InvertibleConvolution

#: kind -> the repository that writes such files.
KINDS = {
    "y0ast": "y0ast/Glow-PyTorch",
    "rosinality": "rosinality/glow-pytorch",
    "normflows": "VincentStimper/normalizing-flows",
}
#: normflows' word for a scale map -> ours.
SCALE_MAP_WORDS = {"sigmoid": "sigmoid", "exp": "exp", "sigmoid_inv": "sigmoid-inverse"}
#: Where a training script may have put the state dict.
_PLACES = 3


class GlowError(ConfigError):
    """A file of other code cannot be imported; the message is one sentence."""


@dataclass(frozen=True)
class Options:
    """Facts about a file that the file does not state.

    Args:
        kind: a word of :data:`KINDS`; None recognises it by its keys.
        size: side of the square images, in pixels.
        bits: b; the flow was trained on 2^b grey levels.
        scale_map: normflows' word, of :data:`SCALE_MAP_WORDS`.
        leaky: slope of the ReLUs of normflows' networks below 0.
        part: the state dict to import of a file that holds several, such as ``ema``.

    """

    kind: str | None = None
    size: int | None = None
    bits: int | None = None
    scale_map: str | None = None
    leaky: float | None = None
    part: str | None = None


@dataclass(frozen=True, eq=False)
class Converted:
    """A converted file: the flow's config, its state, and the assumptions made, a sentence each."""

    config: FlowConfig
    state: dict[str, Tensor]
    assumed: list[str]


class Source:
    """The tensors of a file; each is taken once, with its shape, and a tensor left over is refused."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._tensors = dict(tensors)

    def has(self, name: str) -> bool:
        """Return whether a tensor of this name is left."""
        return name in self._tensors

    def matches(self, pattern: str) -> list[re.Match[str]]:
        """Return the matches of a pattern with the remaining names."""
        return [match for name in self._tensors if (match := re.fullmatch(pattern, name)) is not None]

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor."""
        if name not in self._tensors:
            raise GlowError(f"The file has no tensor {_short(name)}, which its other tensors need.")
        return tuple(self._tensors[name].shape)

    def take(self, name: str, *shape: int) -> Tensor:
        """Return a tensor in float64 and forget it; ``shape`` is the required one, −1 for any size."""
        actual = self.shape(name)
        if len(actual) != len(shape) or any(want not in (-1, have) for want, have in zip(shape, actual, strict=True)):
            want = "×".join("n" if n == -1 else str(n) for n in shape) or "one number"
            raise GlowError(f"{_short(name)} has the shape {_by(actual)}; it must be {want}.")
        return self._tensors.pop(name).double()

    def finish(self) -> None:
        """Refuse tensors that were not taken."""
        if self._tensors:
            first = min(self._tensors)
            raise GlowError(
                f"The file has the tensor {_short(first)}, which no Glow of this kind has "
                f"({len(self._tensors)} such tensors in all): it is another model."
            )


def recognise(content: object, kind: str | None = None, part: str | None = None) -> tuple[str, dict[str, Tensor]]:
    """Return the kind of a file and the state dict in its content.

    Args:
        content: from ``torch.load``: a state dict, or dictionaries with state dicts among them.
        kind: the user's word; None to recognise it.
        part: the keys that lead to the state dict, with dots between them; None if there is only one.

    """
    fitting = list(_state_dicts(content, (), set()))
    if not fitting:
        raise GlowError(f"The file holds no state dict with the names of a Glow of {', '.join(KINDS.values())}.")
    if kind is not None:
        others, fitting = fitting, [candidate for candidate in fitting if candidate[1] == kind]
        if not fitting:
            raise GlowError(f"--from is {kind}, but the names in the file are those of {KINDS[others[0][1]]}.")
    names = [_short(place) for place, *_ in fitting]
    shown = listed(names)
    if part is not None:
        fitting = [candidate for candidate in fitting if candidate[0] == part]
        if not fitting and names == [""]:
            raise GlowError(f"--part is {_short(part)!r}, but the file is one state dict alone; leave it out.")
        if not fitting:
            raise GlowError(f"--part is {_short(part)!r}; the file's state dicts are {shown}.")
    if len(fitting) > 1:
        raise GlowError(f"The file holds {len(fitting)} state dicts of a Glow: {shown}; choose one with --part.")
    _, recognised, mapping = fitting[0]
    tensors = _plain_names(mapping)
    for name, value in tensors.items():
        if not isinstance(value, Tensor):
            raise GlowError(f"{_short(name)} is a {type(value).__name__}; a state dict has tensors only.")
    return recognised, tensors


def _state_dicts(
    content: object, keys: tuple[Any, ...], seen: set[int]
) -> Iterator[tuple[str, str, Mapping[Any, Any]]]:
    """Yield (place, kind, state dict) of every state dict in the content; place is its keys with dots between them."""
    if not isinstance(content, Mapping) or len(keys) == _PLACES or id(content) in seen:
        return
    seen.add(id(content))  # each dictionary once: a file may hold the same one in several places
    names = _plain_names(content)
    kind = next((kind for kind, pattern in _SIGNS.items() if any(map(pattern.match, names))), None)
    if kind is not None:
        yield ".".join(map(str, keys)), kind, content
        return
    for key, value in content.items():
        yield from _state_dicts(value, (*keys, key), seen)


def _plain_names(mapping: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the entries whose keys are texts, without the prefix of a model in ``DataParallel``."""
    return {name.removeprefix("module."): value for name, value in mapping.items() if isinstance(name, str)}


_SIGNS = {
    "y0ast": re.compile(r"flow\.layers\.\d+\.actnorm\.logs$"),
    "rosinality": re.compile(r"blocks\.\d+\.flows\.\d+\.actnorm\.loc$"),
    "normflows": re.compile(r"flows\.\d+\.\d+\.flows\.\d+\.s$"),
}


def convert(kind: str, tensors: Mapping[str, Tensor], options: Options) -> Converted:
    """Convert a state dict of one of the three kinds."""
    for name in ("scale_map", "leaky"):
        if getattr(options, name) is not None and kind != "normflows":
            option = f"--{name.replace('_', '-')}"
            raise GlowError(f"{option} is for files of normflows; {KINDS[kind]} has one choice only, so leave it out.")
    source = Source(tensors)
    converted = _READERS[kind](source, options)
    source.finish()
    return converted


# ---------------------------------------------------------------------- what the formats share


@dataclass(eq=False)
class _Builder:
    """Collects a flow's state, and checks that all its couplings agree."""

    state: dict[str, Tensor] = field(default_factory=dict)
    networks: set[tuple[int, str, bool]] = field(default_factory=set)

    def put(self, name: str, value: Tensor) -> None:
        self.state[name] = value.to(value.dtype if value.dtype in (torch.int64, torch.bool) else torch.float32)

    def actnorm(self, step: str, log_scale: Tensor, bias: Tensor) -> None:
        self.put(f"{step}.actnorm.log_scale", log_scale.flatten())
        self.put(f"{step}.actnorm.bias", bias.flatten())

    def mixing(
        self, step: str, source: Source, names: dict[str, str], matrix: str, channels: int, flip: Tensor | float = 1.0
    ) -> None:
        """Read a 1×1 convolution, as factors or as one matrix; ``flip`` are signs of its columns, (C,) or a scalar."""
        convolution, c = InvertibleConvolution(channels).double(), channels
        with torch.no_grad():
            if source.has(matrix):
                shape = source.shape(matrix)
                weight = source.take(matrix, c, c, *[1] * (len(shape) - 2)).reshape(c, c)
                convolution.set_matrix(weight * flip)
            else:
                permutation = source.take(names["p"], c, c)
                at = permutation.argmax(dim=1)
                if not torch.equal(permutation, torch.eye(c, dtype=torch.double)[at]):
                    raise GlowError(f"{_short(names['p'])} is no permutation matrix.")
                convolution.permutation.copy_(at)
                convolution.lower.copy_(source.take(names["l"], c, c).tril(-1))
                convolution.upper.copy_(source.take(names["u"], c, c).triu(1) * flip)
                convolution.log_diagonal.copy_(source.take(names["log"], c))
                convolution.sign.copy_(source.take(names["sign"], c) * flip)
        for name, value in convolution.state_dict().items():
            self.put(f"{step}.mixing.{name}", value)

    def network(self, step: str, convolutions: list[tuple[Tensor, Tensor]], channels: int) -> None:
        """Put the three convolutions (weight, bias) of a coupling; the last has its scales first, then its shifts."""
        for place, (weight, bias) in zip((0, 2, 4), convolutions, strict=True):
            self.put(f"{step}.coupling.network.{place}.weight", weight)
            self.put(f"{step}.coupling.network.{place}.bias", bias)
        kernels = "-".join(str(int(weight.shape[2])) for weight, _ in convolutions)
        self.networks.add((len(convolutions[0][0]), kernels, len(convolutions[-1][0]) == channels))

    def config(self, coupling: str, **fields: Any) -> FlowConfig:  # noqa: ANN401 (as FlowConfig's)
        """Return the config, with the common settings of the couplings."""
        if len(self.networks) != 1:
            raise GlowError("The coupling networks differ in width, kernels or outputs; ours are all alike.")
        width, network, affine = next(iter(self.networks))
        for level in range(fields["levels"] - 1):
            channels = fields["shape"][0] * 2 ** (level + 2)
            self.put(f"levels.{level}.shuffle.order", torch.arange(channels))
        self.put("initialised", torch.tensor(True))
        return FlowConfig(
            order="last", weights="none", init="random", width=width, network=network,
            coupling=coupling if affine else "additive", **fields,
        )  # fmt: skip

    def affine(self) -> bool:
        """Return whether the couplings read so far have a scale."""
        return all(affine for _, _, affine in self.networks)


def _factors(place: str, names: str) -> dict[str, str]:
    """Return the names of a 1×1 convolution's factors: P, L, U, log diagonal and sign, in this order in ``names``."""
    return {ours: f"{place}.{name}" for ours, name in zip(("p", "l", "u", "log", "sign"), names.split(), strict=True)}


def _image_channels(source: Source, name: str) -> int:
    """Return C of the images, from the channels of the first level's first ActNorm."""
    shape = source.shape(name)
    channels = shape[1] if len(shape) == 4 else 0
    if channels not in (4, 8, 12):
        raise GlowError(f"{_short(name)} has {channels} channels; images of 1, 2 or 3 channels have 4, 8 or 12 there.")
    return channels // 4


def _scales_first(weight: Tensor) -> Tensor:
    """Return the outputs of a coupling's last layer, alternating shifts and scales, with the scales first."""
    return torch.cat([weight[1::2], weight[0::2]])


def _asked(options: Options, name: str, why: str) -> int:
    value = getattr(options, name)
    if value is None:
        raise GlowError(f"The file does not say {why}")
    return int(value)


def _side(options: Options) -> int:
    return _asked(options, "size", "how large its images are; add --size N, the side in pixels.")


def _bits(options: Options, assumed: list[str], as_where: str) -> int:
    """Return the bits of the images; without an option 8, which is added to ``assumed``."""
    if options.bits is None:
        assumed.append(f"The flow was trained on 8 bits, as {as_where}.")
    return 8 if options.bits is None else options.bits


def _stated_size(options: Options, height: int, width: int) -> tuple[int, int]:
    if options.size is not None and (height, width) != (options.size, options.size):
        raise GlowError(f"--size is {options.size}, but the file is for images of {height}×{width} pixels.")
    return height, width


# ---------------------------------------------------------------------- y0ast/Glow-PyTorch


def _y0ast(source: Source, options: Options) -> Converted:
    build = _Builder()
    assumed: list[str] = []
    splits = sorted(int(match[1]) for match in source.matches(r"flow\.layers\.(\d{1,4})\.conv\.conv\.weight"))
    places = sorted(int(match[1]) for match in source.matches(r"flow\.layers\.(\d{1,4})\.actnorm\.logs"))
    # A level is a squeeze, its steps and a split.
    levels, steps = len(splits) + 1, (splits or [places[-1] + 1])[0] - 1
    first = f"flow.layers.{places[0]}.actnorm.logs"
    image = _image_channels(source, first)
    for level in range(levels):
        channels = image * 2 ** (level + 2)
        for step in range(steps):
            theirs, ours = f"flow.layers.{level * (steps + 2) + 1 + step}", f"levels.{level}.steps.{step}"
            logs, bias = (source.take(f"{theirs}.actnorm.{name}", 1, channels, 1, 1) for name in ("logs", "bias"))
            build.actnorm(ours, logs, bias * logs.exp())
            names = _factors(f"{theirs}.invconv", "p lower upper log_s sign_s")
            build.mixing(ours, source, names, f"{theirs}.invconv.weight", channels)
            build.network(ours, _y0ast_network(source, f"{theirs}.block", channels), channels)
        if level < levels - 1:
            theirs = f"flow.layers.{splits[level]}.conv"
            scale = (3 * source.take(f"{theirs}.logs", channels, 1, 1)).exp()
            weight = source.take(f"{theirs}.conv.weight", channels, channels // 2, 3, 3) * scale[..., None]
            bias = source.take(f"{theirs}.conv.bias", channels) * scale.flatten()
            # Means and log standard deviations alternate.
            build.put(f"levels.{level}.split.prior.weight", torch.cat([weight[0::2], weight[1::2]]))
            build.put(f"levels.{level}.split.prior.bias", torch.cat([bias[0::2], bias[1::2]]))
    top = image * 2 ** (levels + 1)
    if source.has("prior_h"):
        value = source.take("prior_h", 1, 2 * top, -1, -1)
        height, width = value.shape[2:]
        height, width = _stated_size(options, height * 2**levels, width * 2**levels)
    else:
        height = width = _side(options)
        value = torch.zeros(1, 2 * top, height // 2**levels, width // 2**levels, dtype=torch.double)
    if source.has("learn_top_fn.conv.weight"):
        weight = source.take("learn_top_fn.conv.weight", 2 * top, 2 * top, 3, 3)
        bias = source.take("learn_top_fn.conv.bias", 2 * top)
        value = F.conv2d(value, weight, bias, padding=1) * (3 * source.take("learn_top_fn.logs", 2 * top, 1, 1)).exp()
    learned = bool(value.any())
    if learned:
        build.put(f"levels.{levels - 1}.top.prior.value", value[0])
    bits = _bits(options, assumed, "that code does")
    config = build.config(
        "sigmoid", shape=(image, height, width), levels=levels, steps=steps, prior="unbounded",
        top_prior="constant" if learned else "standard", bits=bits,
    )  # fmt: skip
    return Converted(config, build.state, assumed)


def _y0ast_network(source: Source, block: str, channels: int) -> list[tuple[Tensor, Tensor]]:
    convolutions, inputs = [], channels // 2
    for place in (0, 2):
        weight = source.take(f"{block}.{place}.conv.weight", -1, inputs, -1, -1)
        inputs = len(weight)
        logs, bias = (source.take(f"{block}.{place}.actnorm.{name}", 1, inputs, 1, 1) for name in ("logs", "bias"))
        convolutions.append((weight * logs.exp().view(-1, 1, 1, 1), (bias * logs.exp()).flatten()))
    weight = source.take(f"{block}.4.conv.weight", -1, inputs, -1, -1)
    scale = (3 * source.take(f"{block}.4.logs", len(weight), 1, 1)).exp()
    weight, bias = weight * scale[..., None], source.take(f"{block}.4.conv.bias", len(weight)) * scale.flatten()
    if len(weight) == channels:
        weight, bias = _scales_first(weight), _scales_first(bias)
    return [*convolutions, (weight, bias)]


# ---------------------------------------------------------------------- rosinality/glow-pytorch


def _rosinality(source: Source, options: Options) -> Converted:
    build = _Builder()
    assumed: list[str] = []
    numbers = [(int(m[1]), int(m[2])) for m in source.matches(r"blocks\.(\d{1,4})\.flows\.(\d{1,4})\.actnorm\.loc")]
    levels, steps = (1 + max(counted) for counted in zip(*numbers, strict=True))
    first = "blocks.0.flows.0.actnorm.loc"
    image = _image_channels(source, first)
    for level in range(levels):
        channels = image * 2 ** (level + 2)
        for step in range(steps):
            theirs, ours = f"blocks.{level}.flows.{step}", f"levels.{level}.steps.{step}"
            scale, loc = (source.take(f"{theirs}.actnorm.{name}", 1, channels, 1, 1) for name in ("scale", "loc"))
            _check_initialised(source, f"{theirs}.actnorm.initialized")
            # A negative scale flips the sign of a column of the convolution after it.
            build.actnorm(ours, scale.abs().log(), scale.abs() * loc)
            names = _factors(f"{theirs}.invconv", "w_p w_l w_u w_s s_sign")
            flip = torch.where(scale.flatten() < 0, -1.0, 1.0).double()
            build.mixing(ours, source, names, f"{theirs}.invconv.weight", channels, flip)
            for mask in ("u_mask", "l_mask", "l_eye"):
                if source.has(f"{theirs}.invconv.{mask}"):
                    source.take(f"{theirs}.invconv.{mask}", channels, channels)
            net, convolutions, inputs = f"{theirs}.coupling.net", [], channels // 2
            for place in (0, 2):
                weight = source.take(f"{net}.{place}.weight", -1, inputs, -1, -1)
                inputs = len(weight)
                convolutions.append((weight, source.take(f"{net}.{place}.bias", inputs)))
            convolutions.append(_zero_convolution(source, f"{net}.4", inputs))
            build.network(ours, convolutions, channels)
        prior = f"blocks.{level}.prior"
        weight, bias = _zero_convolution(source, prior, channels // 2 if level < levels - 1 else channels)
        if level < levels - 1:
            build.put(f"levels.{level}.split.prior.weight", weight)
            build.put(f"levels.{level}.split.prior.bias", bias)
    size = _side(options)
    bits = _asked(options, "bits", "how many bits its images have; add --bits B (that code's default is 5).")
    side = size // 2**levels
    # Its input is the border of ones alone.
    value = F.conv2d(F.pad(torch.zeros(1, weight.shape[1], side, side).double(), [1, 1, 1, 1], value=1.0), weight, bias)
    build.put(f"levels.{levels - 1}.top.prior.value", value[0])
    config = build.config(
        "sigmoid", shape=(image, size, size), levels=levels, steps=steps, prior="unbounded", top_prior="constant",
        padding="ones", bits=bits,
    )  # fmt: skip
    return Converted(config, build.state, assumed)


def _zero_convolution(source: Source, name: str, inputs: int) -> tuple[Tensor, Tensor]:
    weight = source.take(f"{name}.conv.weight", -1, inputs, -1, -1)
    scale = (3 * source.take(f"{name}.scale", 1, len(weight), 1, 1)).exp().flatten()
    return weight * scale.view(-1, 1, 1, 1), source.take(f"{name}.conv.bias", len(weight)) * scale


def _check_initialised(source: Source, name: str) -> None:
    if source.has(name) and not source.take(name, *source.shape(name)).all():
        raise GlowError(f"{_short(name)} is 0: the model was saved before its first batch, and no ActNorm is set.")


# ---------------------------------------------------------------------- normflows


def _normflows(source: Source, options: Options) -> Converted:
    build = _Builder()
    assumed = ["Images are in [0, 1), and no transform stands before the flow."]
    if options.leaky is None:
        assumed.append("Its networks have plain ReLUs (leaky 0).")
    assumed.append("Couplings compute from the first half of the channels (split_mode channel).")
    numbers = [(int(m[1]), int(m[2])) for m in source.matches(r"flows\.(\d{1,4})\.(\d{1,4})\.flows\.2\.s")]
    if not numbers:
        raise GlowError("The blocks of this model are not normflows' GlowBlocks with ActNorm last.")
    levels, steps = (1 + max(counted) for counted in zip(*numbers, strict=True))
    # normflows counts from the latents to the image.
    first = f"flows.{levels - 1}.{steps - 1}.flows.2.s"
    image = _image_channels(source, first)
    shape = _normflows_shape(source, options, image, levels)
    classes: set[int] = set()
    for level in range(levels):
        channels = image * 2 ** (level + 2)
        for step in range(steps):
            theirs = f"flows.{levels - 1 - level}.{steps - 1 - step}.flows"
            ours = f"levels.{level}.steps.{step}"
            s, t = (source.take(f"{theirs}.2.{name}", 1, channels, 1, 1) for name in ("s", "t"))
            _check_initialised(source, f"{theirs}.2.data_dep_init_done")
            # Our images go from −½ to ½.
            build.actnorm(ours, -s, ((0.5 if (level, step) == (0, 0) else 0.0) - t) * (-s).exp())
            names = _factors(f"{theirs}.1", "P L U log_S sign_S")
            build.mixing(ours, source, names, f"{theirs}.1.W", channels)
            if source.has(f"{theirs}.1.eye"):
                source.take(f"{theirs}.1.eye", channels, channels)
            network = _normflows_network(source, f"{theirs}.0.flows.1.param_map.net", channels)
            build.network(ours, network, channels)
        prior = f"levels.{level}.{'split' if level < levels - 1 else 'top'}"
        values, of_classes = _normflows_base(source, f"q0.{levels - 1 - level}", shape, level, levels)
        build.put(f"{prior}.prior.value", values)
        if of_classes is not None:
            build.put(f"{prior}.context_map.weight", of_classes.flatten(0, 2))
        classes.add(0 if of_classes is None else of_classes.shape[3])
    coupling = "sigmoid"
    if build.affine():
        if options.scale_map is None:
            words = ", ".join(SCALE_MAP_WORDS)
            raise GlowError(f"The file does not say its scale map; add --scale-map, one of {words} (default: sigmoid).")
        coupling = SCALE_MAP_WORDS[options.scale_map]
    _encode_couplings(build.state, coupling, affine=build.affine())
    bits = _bits(options, assumed, "in normflows' example")
    config = build.config(
        coupling, shape=shape, levels=levels, steps=steps, prior="constant", top_prior="constant", bits=bits,
        leaky=options.leaky or 0.0, context=max(classes),
    )  # fmt: skip
    return Converted(config, build.state, assumed)


def _normflows_network(source: Source, net: str, channels: int) -> list[tuple[Tensor, Tensor]]:
    """Read a ConvNet2d, with or without ActNorms between its convolutions; its outputs alternate shift and scale."""
    folded = source.has(f"{net}.1.actNorm.s")
    convolutions, inputs = [], channels // 2
    for place in (0, 3) if folded else (0, 2):
        weight = source.take(f"{net}.{place}.weight", -1, inputs, -1, -1)
        inputs = len(weight)
        if folded:
            s, t = (source.take(f"{net}.{place + 1}.actNorm.{name}", 1, inputs, 1, 1) for name in ("s", "t"))
            _check_initialised(source, f"{net}.{place + 1}.actNorm.data_dep_init_done")
            convolutions.append((weight * s.exp().view(-1, 1, 1, 1), t.flatten()))
        else:
            convolutions.append((weight, source.take(f"{net}.{place}.bias", inputs)))
    last = 6 if folded else 4
    weight = source.take(f"{net}.{last}.weight", -1, inputs, -1, -1)
    bias = source.take(f"{net}.{last}.bias", len(weight))
    if len(weight) == channels:
        weight, bias = _scales_first(weight), _scales_first(bias)
    return [*convolutions, (weight, bias)]


def _encode_couplings(state: dict[str, Tensor], coupling: str, affine: bool) -> None:
    """Invert couplings that sample: the shift changes its sign, and with ``exp`` the scale too."""
    for name, value in state.items():
        if ".coupling.network.4." not in name:
            continue
        half = len(value) // 2 if affine and coupling != "exp" else 0
        state[name] = torch.cat([value[:half], -value[half:]])


def _normflows_shape(source: Source, options: Options, image: int, levels: int) -> tuple[int, int, int]:
    """Return the shape of the images, from the last base where that states it."""
    shape = source.shape("q0.0.loc")
    of_classes = _of_classes(shape)
    if not of_classes and (len(shape) != 4 or shape[0] != 1):
        raise GlowError(
            f"q0.0.loc has the shape {_by(shape)}; it must be 1×C×H×W, or C×H×W×K of K classes: bases that are not "
            "Gaussian cannot be opened."
        )
    shape = (1, *shape[:3]) if of_classes else shape
    if source.has("q0.0.loc_logs"):
        size = _side(options)
        return image, size, size
    return image, *_stated_size(options, shape[2] * 2**levels, shape[3] * 2**levels)


def _of_classes(shape: tuple[int, ...]) -> bool:
    """Return whether a base has means (C, H, W, K) for K classes; C is never 1."""
    return len(shape) == 4 and shape[0] > 1


def _normflows_base(
    source: Source, name: str, shape: tuple[int, int, int], level: int, levels: int
) -> tuple[Tensor, Tensor | None]:
    """Read a DiagGaussian, a GlowBase, or a base conditional on K classes.

    Returns (2C, H, W), means first, then log standard deviations, and the terms of each class, (2C, H, W, K), or None.
    """
    channels, height, width = shape[0] * 2 ** (level + 1), shape[1] // 2 ** (level + 1), shape[2] // 2 ** (level + 1)
    channels = channels if level < levels - 1 else 2 * channels
    if source.has(f"{name}.loc_logs"):
        parts = [
            source.take(f"{name}.{part}", 1, channels, 1, 1)
            * (3 * source.take(f"{name}.{part}_logs", 1, channels, 1, 1)).exp()
            for part in ("loc", "log_scale")
        ]
        values = torch.cat(parts, dim=1)[0].expand(-1, height, width).contiguous()
        if not source.has(f"{name}.loc_cc"):
            return values, None
        added = torch.cat([source.take(f"{name}.{part}_cc", -1, channels) for part in ("loc", "log_scale")], dim=1)
        return values, added.T[:, None, None].expand(-1, height, width, -1)
    if _of_classes(source.shape(f"{name}.loc")):
        means = source.take(f"{name}.loc", channels, height, width, -1)
        log_scales = source.take(f"{name}.log_scale", channels, height, width, means.shape[3])
        return torch.zeros(2 * channels, height, width), torch.cat([means, log_scales])
    parts = [source.take(f"{name}.{part}", 1, channels, height, width) for part in ("loc", "log_scale")]
    return torch.cat(parts, dim=1)[0], None


_READERS: dict[str, Callable[[Source, Options], Converted]] = {
    "y0ast": _y0ast,
    "rosinality": _rosinality,
    "normflows": _normflows,
}


def _by(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))[:40] or "one number"


def _short(name: str) -> str:
    return printable(name, 60)
