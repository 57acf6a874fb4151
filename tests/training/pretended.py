"""A device that computes on the CPU and, like a GPU, refuses to mix its tensors with those of the CPU.

Run in a process of its own: torch takes the device for the machine's accelerator from then on.
"""

from __future__ import annotations

import json
import tempfile
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from eiwflow.analysis.analyse import SUBJECTS, analyse
from eiwflow.analysis.evaluate import evaluate
from eiwflow.analysis.exactness import unsound_level
from eiwflow.analysis.report import verify
from eiwflow.analysis.samples import draw
from eiwflow.checkpoint import Checkpoint, load
from eiwflow.data import Factor, ImageData, labels_of
from eiwflow.flow import dequantise
from eiwflow.flow.bijection import generator_for
from eiwflow.flow.score import score
from eiwflow.training.execution import Execution
from eiwflow.training.run import train
from eiwflow.training.trainer import Trainer

from ..importing.test_exactness import MODELS, imported
from .tiny import all_numbers, labelled_data, same_tensors, tiny_data, tiny_flow, tiny_info, tiny_recipe, tiny_run

NAME = "pretended"
#: Operations that take tensors of both: copies, and indices, which a GPU fetches.
MIXED = {"copy_", "_foreach_copy_", "index", "index_put", "index_put_", "_index_put_impl_"}
#: Settings of a step whose parts are built, initialised or computed in ways of their own.
ARMS: dict[str, dict[str, Any]] = {
    "default": {},
    "linear": {"init": "linear"},
    "random": {"init": "random", "order": "last", "weights": "none"},
    "pooled": {"weights": "pooled"},
    "variance, constant priors": {"order": "variance", "prior": "constant", "top_prior": "constant"},
    "keep auto": {"keep": "auto"},
    "recomputed": {"memory": "recompute"},
    "labels": {"labels": "side", "classes": ("none", "left", "right"), "context": 3},
    "adamw, in parts, divergence": {"optimiser": "adamw", "accumulate": 2, "divergence": 0.5},
}
#: Glows of other code.
IMPORTED = ("y0ast", "rosinality", "normflows, exp", "normflows, additive", "normflows, GlowBase of classes")


class OnDevice(torch.Tensor):
    """A tensor that says it is on the device; ``inner`` holds its values on the CPU."""

    inner: torch.Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> OnDevice:
        layout = {"strides": inner.stride(), "storage_offset": inner.storage_offset(), "dtype": inner.dtype}
        made = torch.Tensor._make_wrapper_subclass(cls, inner.shape, device=f"{NAME}:0", **layout)
        made.inner = inner
        return made

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        return computed(function, args, kwargs or {})

    def tolist(self):
        return self.inner.tolist()

    def numpy(self, *_, **__):
        raise TypeError("A tensor of a GPU is no numpy array: use .cpu() first.")

    __array__ = numpy


def computed(function, args, kwargs):
    """Run an operation on the CPU; its results are on the device that a GPU's would be on."""
    name = function.overloadpacket.__name__
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    ours = [tensor for tensor in tensors if isinstance(tensor, OnDevice)]
    # A number of the CPU may stand beside tensors of a GPU.
    theirs = [tuple(tensor.shape) for tensor in tensors if not isinstance(tensor, OnDevice) and tensor.dim() > 0]
    if ours and theirs and name not in MIXED:
        raise RuntimeError(f"{name} takes tensors of the device and of the CPU, the latter of shapes {theirs}.")
    device = kwargs.get("device")
    there = bool(ours) if device is None else torch.device(device).type == NAME
    if name == "copy_":
        there = isinstance(args[0], OnDevice)
    if device is not None:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    inner_args, inner_kwargs = tree_map(lambda leaf: leaf.inner if isinstance(leaf, OnDevice) else leaf, (args, kwargs))
    result = function(*inner_args, **inner_kwargs)
    known = {id(tensor.inner): tensor for tensor in ours}  # what an operation in place returns

    def moved(leaf):
        return known[id(leaf)] if id(leaf) in known else OnDevice(leaf)

    return tree_map(lambda leaf: moved(leaf) if there and isinstance(leaf, torch.Tensor) else leaf, result)


class Emulation(TorchDispatchMode):
    """Within it tensors are made on the device and moved to it."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return computed(function, args, kwargs or {})


def begin() -> torch.device:
    """Make the device known to torch; return it."""
    from torch.utils import backend_registration

    class Backend(backend_registration._DummyBackendModule):
        def get_amp_supported_dtype(self):
            return [torch.float32]

    backend_registration._setup_privateuseone_for_python_backend(NAME, Backend())
    # Parameters are made anew where a module is moved: the old ones cannot take tensors of this class.
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    return torch.device(f"{NAME}:0")


def made_and_moved(make):
    """Return ``torch.tensor`` as the emulation sees it: made on the CPU, then moved."""

    def tensor(values, *, device=None, **options):
        return make(values, **options) if device is None else make(values, **options).to(device)

    return tensor


def factored() -> ImageData:
    """Return planes with the attributes of faces."""
    images = tiny_data(test=40)
    words = {"glasses": "round", "beard": "full", "hat": "cap", "hair": "long", "mouth": "happy"}
    words |= {"skin_color": "#000000", "background": "#ffffff"}

    def known(word, period):
        other = "#808080" if word.startswith("#") else ""
        return Factor(*(np.array([other, word])[np.arange(len(i)) // period % 2] for i in (images.train, images.test)))

    periods = enumerate(words.items(), start=1)
    return replace(images, factors={name: known(word, period) for period, (name, word) in periods})


def differences(out: str) -> None:
    """Write how far results on the device are from those on the CPU, by name, or a traceback, as JSON."""
    images = torch.randint(0, 256, (5, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    at = torch.device("cpu")

    def step(**fields):
        data = labelled_data() if "labels" in fields else tiny_data()
        trainer = Trainer(tiny_recipe(**fields), data, Execution(at))
        first = trainer.advance()
        again = Trainer(tiny_recipe(**fields), data, Execution(at))
        again.restore(trainer.state(), 1, [])
        return np.array([*first, *again.advance()])

    def run():
        folder = Path(tempfile.mkdtemp())
        one = tiny_run(folder, iterations=6, recorded=3)
        train(one, images=tiny_data(), execution=Execution(at))
        flow = load(one.last_checkpoint).flow  # on the CPU, wherever it was trained
        assert not any(isinstance(tensor, OnDevice) for tensor in flow.state_dict().values())
        assert same_tensors(flow.state_dict(), load(one.last_checkpoint).flow.state_dict())
        return score(flow, images).numpy()

    def evaluated():
        figures = evaluate(tiny_flow().to(at), tiny_data(), importance=2)
        return np.array([figures.bits_per_dim, figures.importance_bits_per_dim, figures.round_trip_max_abs])

    def evaluated_by_label():
        labels = labels_of(labelled_data(), "side")
        figures = evaluate(tiny_flow(context=3).to(at), labelled_data(), labels=labels)
        return np.array([figures.bits_per_dim, figures.bits_per_dim_given_label, figures.round_trip_max_abs])

    def verified():
        checks = verify(Checkpoint("it", tiny_flow().to(at), tiny_info(tiny_flow()), "")).checks
        return np.array([check.measured or 0.0 for check in checks])

    def looked_at(what, **fields):
        flow = tiny_flow(**fields)
        whole = Checkpoint("it", flow.to(at), tiny_info(flow), "")
        return np.array([*all_numbers(analyse(whole, factored(), what))])

    results = {f"step: {name}": lambda fields=fields: step(**fields) for name, fields in ARMS.items()}

    def fault():
        flow = tiny_flow().to(at)
        x = dequantise(images, torch.Generator().manual_seed(0))
        return np.array(unsound_level(flow, x, 1.0), dtype=float)

    def foreign(name):
        flow = imported(MODELS[name][0](), MODELS[name][1]).to(at)
        context = torch.zeros(5, dtype=torch.long) if flow.config.context else None
        foreign_images = torch.randint(
            0, 256, (5, *flow.config.shape), dtype=torch.uint8, generator=generator_for(0, "x")
        )
        return score(flow, foreign_images, context=context).numpy()

    results |= {f"imported: {name}": lambda name=name: foreign(name) for name in IMPORTED}
    results |= {f"analyse: {what}": lambda what=what: looked_at(what) for what in SUBJECTS}
    results |= {
        "analyse: pooled weights": lambda: looked_at("weights", weights="pooled"),
        "fault": fault,
        "run": run,
        "evaluate": evaluated,
        "evaluate by label": evaluated_by_label,
        "verify": verified,
        "score": lambda: score(tiny_flow().to(at), images).numpy(),
        "sample": lambda: np.concatenate([*draw(tiny_flow().to(at), 9, batch=4)]).astype(float),
        "mixed": lambda: (torch.ones(2).to(at) + torch.ones(2)).cpu().numpy(),
    }
    # First, as torch counts devices at the first backward pass.
    device, found = begin(), {}
    expected = {name: result() for name, result in results.items()}
    at = device
    with mock.patch.object(torch, "tensor", made_and_moved(torch.tensor)):
        for name, result in results.items():
            try:
                with Emulation():
                    found[name] = float(np.abs(result() - expected[name]).max())
            except Exception:
                found[name] = traceback.format_exc()
    Path(out).write_text(json.dumps(found))
