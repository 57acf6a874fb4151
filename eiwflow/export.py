"""Export encode, decode and log_prob of a flow for programs without this package: torch.export and ONNX."""

from __future__ import annotations

import copy
import math
from pathlib import Path

import torch
from torch import Tensor, nn

from .files import write_atomically
from .flow import ContextError, MultiScaleFlow, Shuffle
from .flow.policies import ORDERS
from .flow.step import inverse_affine_maps

#: The methods that are exported.
EXPORTS = ("log_prob", "encode", "decode")


class Method(nn.Module):
    """One method of a flow: images (N, C, H, W) to log p (N,) in nats, or to one ε_l a level, or such ε to images.

    The inverse of every 1×1 convolution is computed once, in float64: ONNX has no triangular solve.
    """

    def __init__(self, flow: MultiScaleFlow, name: str) -> None:
        super().__init__()
        self.flow, self.name = flow, name
        noise = [f"noise_{level.number}" for level in flow.levels]
        self.inputs = noise if name == "decode" else ["x"]
        self.outputs = {"log_prob": ["log_prob"], "encode": noise, "decode": ["x"]}[name]
        self.maps = [inverse_affine_maps(level.steps) for level in flow.levels] if name == "decode" else []

    def forward(self, *given: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Return what the method does."""
        if self.name == "log_prob":
            return self.flow.log_prob(*given)
        if self.name == "encode":
            return tuple(self.flow.encode(*given).levels)
        x = None
        for level, noise, maps in reversed(list(zip(self.flow.levels, given, self.maps, strict=True))):
            x = level.inverse(x, noise, maps)
        assert x is not None  # a flow has a level
        return x


@torch.no_grad()
def export(flow: MultiScaleFlow, name: str) -> torch.export.ExportedProgram:
    """Return one method of a flow as a program of torch.export, for batches of any size.

    Args:
        flow: initialised; its parameters become constants of the program.
        name: ``log_prob``, ``encode`` or ``decode``.

    >>> from eiwflow.flow import FlowConfig
    >>> flow = MultiScaleFlow(FlowConfig(shape=(1, 8, 8), levels=2, steps=1, width=4))
    >>> flow.initialise(torch.rand(16, 1, 8, 8) - 0.5)
    >>> program = export(flow, "log_prob")
    >>> program.module()(torch.zeros(5, 1, 8, 8)).shape
    torch.Size([5])

    """
    if flow.config.context:
        raise ContextError("This flow needs a context; export flow.given(label), as --label does.")
    module = Method(_with_orders_of_numbers(flow), name).eval()
    latents = flow.sample_latents(2)
    arguments = tuple(latents.levels) if name == "decode" else (flow.decode(latents).clamp(-0.5, 0.5),)
    batch = torch.export.Dim("batch", min=1)
    return torch.export.export(module, arguments, dynamic_shapes=(tuple({0: batch} for _ in arguments),))


def _with_orders_of_numbers(flow: MultiScaleFlow) -> MultiScaleFlow:
    """Return the flow, or a copy in which orders that are learned are numbers: ONNX has no stable sort."""
    if not ORDERS[flow.config.order].learned:
        return flow
    flow = copy.deepcopy(flow)
    for level in flow.levels:
        if (learned := level.shuffle) is not None:
            level.shuffle = Shuffle(learned.channels, "last", "none", kept=learned.kept)
            level.shuffle.order.copy_(learned.order)
    return flow


@torch.no_grad()
def export_onnx(flow: MultiScaleFlow, folder: Path) -> dict[str, Path]:
    """Write ``log_prob.onnx``, ``encode.onnx`` and ``decode.onnx`` into a folder; return their paths by name.

    Inputs and outputs are called ``x``, ``log_prob`` and ``noise_1`` … ``noise_L``; the first size of each is free.
    """
    paths = {name: folder / f"{name}.onnx" for name in EXPORTS}
    for name, path in paths.items():
        write_atomically(path, _onnx(flow, name))
    return paths


def _onnx(flow: MultiScaleFlow, name: str) -> bytes:
    """Return one method of a flow as the bytes of an ONNX file."""
    module = Method(flow, name)
    program = torch.onnx.export(
        export(flow, name), (), dynamo=True, verbose=False,
        input_names=module.inputs, output_names=module.outputs,
    )  # fmt: skip
    assert program is not None  # with dynamo=True it never is
    return program.model_proto.SerializeToString()


@torch.no_grad()
def differences(flow: MultiScaleFlow, paths: dict[str, Path]) -> dict[str, float]:
    """Return the largest differences between the outputs of ONNX files in onnxruntime and the flow's own, by name.

    The images are samples of the flow, clipped to ±½; differences of log p are in bits/dim.
    """
    import onnxruntime

    latents = flow.sample_latents(3, generator=torch.Generator().manual_seed(0))
    x = flow.decode(latents).clamp(-0.5, 0.5)
    largest = {}
    for name, path in paths.items():
        arguments = latents.levels if name == "decode" else [x]
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        fed = {entry.name: value.cpu().numpy() for entry, value in zip(session.get_inputs(), arguments, strict=True)}
        outputs = Method(flow, name)(*arguments)
        expected = [outputs] if isinstance(outputs, Tensor) else outputs
        gaps = [
            (torch.from_numpy(theirs) - ours.cpu()).abs().flatten()
            for theirs, ours in zip(session.run(None, fed), expected, strict=True)
        ]
        unit = flow.config.dimensions * math.log(2) if name == "log_prob" else 1
        largest[name] = torch.cat(gaps).max().item() / unit
    return largest
