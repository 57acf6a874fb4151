"""Flows on Hugging Face's hub, and as its folders: config.json, model.safetensors and a model card."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from huggingface_hub import ModelCard, PyTorchModelHubMixin, hf_hub_download
from torch import Tensor, nn

from . import checkpoint, files
from .checkpoint import PRETRAINED, CheckpointInfo
from .data import montage, png_file
from .flow import MultiScaleFlow, NonFiniteError, quantise
from .options import SETTINGS

#: Samples in a model card's picture, and how many stand in a row.
SAMPLES, COLUMNS = 16, 8
PICTURE = "samples.png"
#: Definitions of the numbers in a card: of the flow, and of the metrics that a training writes.
MEANINGS = {
    "Images": "channels × height × width; values are dequantised",
    "Flow": "a level squeezes, takes its steps and factors out channels; width is of the coupling networks",
    "Parameters": "of the density",
    "Training": "optimiser steps, and the seed of all random draws",
    "test_bits_per_dim": "−log₂ p a value on the data's test images, the mean over images; lower is better",
    "validation_bits_per_dim": "the same on images held out from the train part",
    "train_bits_per_dim": "the same on images of the train part",
    "bits_per_dim": "the same on the last training batches",
    "probe_bits_per_dim": "the same on the test images that are looked at during training",
    "cpu_seconds": "CPU time of the training",
}


class PretrainedFlow(nn.Module, PyTorchModelHubMixin):
    """A flow with its training's document, in the form of Hugging Face's hub.

    ``save_pretrained(folder)`` writes a folder, ``from_pretrained(folder)`` reads one without a network, and
    ``push_to_hub(name)`` and ``from_pretrained(name)`` go to the hub. ``model.safetensors`` is an ordinary checkpoint,
    so every command and the app open such a folder, and :func:`eiwflow.checkpoint.load` checks downloaded files.

    A README.md that is in the folder stays, as a person may have written in it: delete it for a new one.

    Args:
        flow: initialised.
        info: of the checkpoint: data, metrics, recipe; by default the config alone.

    >>> pretrained = PretrainedFlow(flow)
    >>> pretrained.save_pretrained(folder)
    >>> torch.equal(PretrainedFlow.from_pretrained(folder).flow.log_prob(x), flow.log_prob(x))
    True

    """

    def __init__(self, flow: MultiScaleFlow, info: CheckpointInfo | None = None) -> None:
        super().__init__()
        self.flow = flow
        self.info = info or CheckpointInfo(flow.config)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Return log p(x), (N,) in nats, of dequantised images x (N, C, H, W), given their context if it has one."""
        return self.flow.log_prob(x, context)

    def _save_pretrained(self, save_directory: Path) -> None:
        checkpoint.save(save_directory / PRETRAINED, self.flow, self.info)
        text = json.dumps({"model_type": "eiwflow", **self.flow.config.to_dict()}, indent=1)
        files.write_atomically(save_directory / "config.json", text.encode())
        with suppress(NonFiniteError):
            files.write_atomically(save_directory / PICTURE, png_file(_samples(self.flow, self.info.temperature)))

    @classmethod
    def _from_pretrained(cls, *, model_id: str, **asked: Any) -> Self:  # noqa: ANN401 (as the mixin's)
        if os.path.isdir(model_id):
            path = Path(model_id) / PRETRAINED
        else:
            names = ("revision", "cache_dir", "force_download", "local_files_only", "token")
            path = Path(hf_hub_download(model_id, PRETRAINED, **{name: asked[name] for name in names}))
        loaded = checkpoint.load(path)
        return cls(loaded.flow, loaded.info)

    def generate_model_card(self, *_: Any, **__: Any) -> ModelCard:  # noqa: ANN401 (as the mixin's)
        """Return the model card: config, bits/dim, training, samples, and code that loads the flow."""
        return ModelCard(model_card(self.flow, self.info))


def model_card(flow: MultiScaleFlow, info: CheckpointInfo) -> str:
    """Return the text of a model card, in Markdown."""
    config = flow.config
    size = "×".join(map(str, config.shape))
    rows = {
        "Images": f"{size}, {config.bits} bits, within ±½",
        "Flow": f"{config.levels} levels × {config.steps} steps, width {config.width}",
        "Split": f"order {config.order}, weights {config.weights}, init {config.init}, prior {config.prior}",
        "Parameters": f"{flow.parameter_count():,}",
        "Data": _plain(info.data) or "not stated",
        "Training": f"{info.step:,} steps, seed {info.seed}",
        **({"Labels": f"{_plain(info.labels)}: {_plain(', '.join(info.classes))}"} if info.labels else {}),
        **{name: f"{value:.6g}" for name, value in info.metrics.items()},
        **{f"recipe: {name}": _plain(str(value)) for name, value in info.recipe.items()},
    }
    meanings = {**MEANINGS, **{f"recipe: {name}": setting.help for name, setting in SETTINGS.items()}}
    kind = "conditional" if config.context else "unconditional"
    torch_first = "import torch\n\n" if config.context else ""
    labels = "[0, 0, 1, 1]" if config.context > 1 else "[0, 0, 0, 0]"
    context = f", context=torch.tensor({labels})" if config.context else ""
    table = "\n".join(
        f"| {_plain(name).replace('_', ' ')} | {value} | {meanings.get(name, '')} |" for name, value in rows.items()
    )
    return f"""---
library_name: eiwflow
tags:
- normalizing-flow
- {kind}-image-generation
---

# A multi-scale normalizing flow of {size} images

| | | |
|---|---|---|
{table}

![{SAMPLES} samples at temperature {info.temperature:g}]({PICTURE})

```python
{torch_first}from eiwflow.hub import PretrainedFlow

flow = PretrainedFlow.from_pretrained("this folder, or its name on the hub").flow
images = flow.sample(4, temperature={info.temperature:g}{context})
```
"""


def _plain(text: str) -> str:
    """Return a text escaped for a table of Markdown."""
    return "".join(letter if letter.isalnum() or letter in " .,:_-+()/" else "?" for letter in text)[:120]


def _samples(flow: MultiScaleFlow, temperature: float) -> np.ndarray:
    """Return samples as one image (H, W, C) uint8."""
    labels = torch.arange(SAMPLES) % flow.config.context if flow.config.context else None
    x = flow.sample(SAMPLES, temperature, torch.Generator().manual_seed(0), labels)
    return montage(quantise(x, flow.config.bits).permute(0, 2, 3, 1).cpu().numpy(), COLUMNS)
