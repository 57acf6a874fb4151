"""The batches, schedules, costs and optimisers of trainings stand on file, and any change of one is seen.

The files say nothing about whether a figure is right: the tests in tests/training work that out. A change that is meant
rewrites the files.
"""

from __future__ import annotations

import dataclasses
import io
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from eiwflow.checkpoint import outline
from eiwflow.data import to_tensor
from eiwflow.flow import FlowConfig, dequantise
from eiwflow.training import cost as cost_module
from eiwflow.training import failures
from eiwflow.training.batches import batch_indices, training_batch
from eiwflow.training.cost import check_memory, look, memory_bytes
from eiwflow.training.execution import Execution
from eiwflow.training.history import level_records, sample_montage
from eiwflow.training.loggers import numbers
from eiwflow.training.presets import PRESETS, preset_settings
from eiwflow.training.recipe import CURVE_STEPS, Recipe, Recording, recording_steps
from eiwflow.training.temperature import TEMPERATURES, best_temperature, octave_power
from eiwflow.training.trainer import Trainer, update_averages

from . import kit
from .shown import approved


def recipe_of(settings: dict[str, Any], **more: Any) -> Recipe:
    """Return the recipe of a preset's settings."""
    size = settings.get("size", 32)
    fields = {**settings, **more}
    flow = {name: fields.pop(name) for name in list(fields) if name in FlowConfig.__dataclass_fields__}
    fields.pop("size", None)
    return Recipe(flow=FlowConfig(shape=(3, size, size), **flow), **fields)


def test_recipes_costs_and_schedules() -> None:
    facts: dict[str, Any] = {"default": {key: str(value) for key, value in Recipe().to_dict().items()}}
    recipes = {name: recipe_of(preset_settings(name)) for name in PRESETS}
    recipes["letters"] = recipe_of(
        preset_settings("minute", "letters32"), order="variance", memory="recompute", accumulate=4
    )
    recipes["random"] = recipe_of(
        preset_settings("quarter-hour"), init="random", order="last", weights="none", schedule="constant", warmup=40
    )
    for name, recipe in recipes.items():
        last = recipe.iterations
        steps = [0, 1, 50, 99, 100, last // 3, last // 2, last - 2, last - 1]
        facts[name] = {
            "words": " ".join(recipe.arguments()),
            "config": str(recipe.flow.to_dict()),
            "learning rate, 1e-3": {f"step {step}": 1e3 * recipe.learning_rate_at(step) for step in steps},
            "parameters": sum(p.numel() for p in outline(recipe.flow).parameters()),
            "MiB": [memory_bytes(recipe, processes) / 2**20 for processes in (1, 2)],
            "look": [size * 1.0 for size in look(recipe.flow, 64)],
            "recorded": recording_steps(last),
            "recorded by a study": sorted(Recording(24, crops=True).steps_of(last)),
            "scored by a study": sorted(Recording(crops=True).curve_steps_of(last)),
        }
    facts["curve steps"] = CURVE_STEPS
    facts["short warm-up"] = [
        1e3 * Recipe(iterations=50, warmup=100).learning_rate_at(step) for step in range(0, 50, 7)
    ]
    facts["execution"] = str(dataclasses.asdict(Execution()))
    approved("training-recipes", kit.text_of(facts))


def test_memory_and_failures_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost_module, "free_bytes", lambda _: 2**29)
    lines = []
    for more in ({"batch": 512}, {"batch": 4, "width": 512, "steps": 48}):
        with pytest.raises(ValueError) as refusal:
            check_memory(recipe_of({**PRESETS["quarter-hour"], **more}), torch.device("cpu"))
        lines.append(str(refusal.value))
    for error in (
        OSError(28, "No space left on device", "a.safetensors"),
        MemoryError(),
        failures.NotFinite("At step 7 the gradient was not finite."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ):
        failed = failures.failed(error, 7)
        lines.append(f"{failed} {failed.advice} foreseen {failures.foreseen(error)}")
    approved("training-refusals", "\n".join(lines))


@torch.no_grad()
def test_batches() -> None:
    images = kit.data_set((10, 14), train=50)
    facts: dict[str, Any] = {
        "indices": {
            f"seed {seed} step {step}": batch_indices(50, 12, seed, step)
            for seed, step in ((0, 0), (0, 4), (3, 4), (0, 9))
        },
        "first": batch_indices(50, 12, 3, 4).tolist(),
        "second half": batch_indices(50, 12, 3, 4, (1, 2)).tolist(),
    }
    for seed, step, flip, bits in ((0, 0, False, 8), (5, 0, False, 8), (5, 3, True, 8), (5, 3, True, 5)):
        facts[f"seed {seed} step {step} flip {flip} bits {bits}"] = training_batch(
            images.train, (8, 12), 12, seed, step, flip, bits
        )
    facts["a part"] = training_batch(images.train, (8, 12), 12, 5, 3, True, part=(1, 3))
    approved("training-batches", kit.text_of(facts))


@torch.no_grad()
def test_temperatures_and_records() -> None:
    images = kit.data_set((8, 8))
    train = to_tensor(images.train)
    facts: dict[str, Any] = {"octaves of images": octave_power(train).tolist()}
    flow = kit.flow(shape=(3, 8, 8), weights="pooled", images=images)
    labelled = kit.flow(shape=(3, 8, 8), context=3, bits=6, images=images)
    # At these temperatures one is clearly the best: the second best is further off than a float's rounding.
    for name, level in (("dark", 0.7), ("light", 1.4)):
        squeezed = ((train.float() - train.float().mean()) * level + 110).clamp(0, 255).to(torch.uint8)
        facts[f"best for {name} images"] = best_temperature(flow, squeezed, TEMPERATURES[::2], seed=2)
    facts["best of few"] = best_temperature(flow, train, (0.4, 0.8, 1.2), seed=1)
    facts["best of labels"] = best_temperature(labelled, train, (0.3, 0.6, 0.9, 1.2), labels=torch.arange(160) % 3)
    probe = dequantise(train[:24], torch.Generator().manual_seed(4))
    facts["records"] = {f"level {number}": record for number, record in enumerate(level_records(flow.trace(probe)), 1)}
    for name, made in (("pooled", flow), ("labels", labelled)):
        content = sample_montage(made, seed=3, count=6)
        assert content is not None
        facts[f"montage of {name}"] = np.asarray(Image.open(io.BytesIO(content)))
    facts["logged"] = numbers(
        {"step": 3, "bits_per_dim": 4.5, "levels": [*facts["records"].values()], "seconds": 1.5, "done": True}
    )
    approved("training-temperatures", kit.text_of(facts))


OPTIMISED: dict[str, dict[str, Any]] = {
    "muon": {},
    "adamw, clipped": {"optimiser": "adamw", "clip": 0.5, "weight_decay": 0.1, "learning_rate": 0.01},
    "divergence, averaged fast": {"divergence": 2.0, "ema": 0.5, "weights": "pooled"},
    "released": {"order": "released", "weights": "none", "prior": "standard", "init": "random"},
    "validation, flip, parts": {"validation": True, "flip": True, "accumulate": 2, "bits": 4},
}


def test_steps_of_optimisers() -> None:
    images = kit.data_set((8, 12), train=120)
    facts: dict[str, Any] = {}
    for name, fields in OPTIMISED.items():
        flow = {"levels": 2, "steps": 1, "width": 8, "size": 8}
        recipe = recipe_of({**flow, "data": "made", "batch": 12, "iterations": 30, "warmup": 2, "seed": 2}, **fields)
        trainer = Trainer(recipe, images)
        before = {key: value.clone() for key, value in trainer.flow.named_parameters()}
        steps = [trainer.advance() for _ in range(4)]
        moved = {key: value.detach() - before[key] for key, value in trainer.flow.named_parameters()}
        facts[name] = {
            "bits/dim": [bits for bits, _ in steps],
            "gradient": [norm for _, norm in steps],
            "groups": " | ".join(
                f"{type(each).__name__} {len(group['params'])} lr {group['lr']:.5g} decay {group['weight_decay']:g}"
                for each in trainer.optimisers
                for group in each.param_groups
            ),
            "network moved": torch.cat([value.flatten() for key, value in moved.items() if "network" in key]),
            "others moved": torch.cat([value.flatten() for key, value in moved.items() if "network" not in key]),
            "averaged": torch.cat([value.flatten() for value in trainer.average.parameters()]),
            "crops": trainer.crops,
            "test": trainer.test_images,
        }
    facts["averages"] = {}
    for count in (1, 9, 50_000):
        held = [torch.zeros(1)]
        update_averages(held, [torch.ones(1)], count, 0.99)
        facts["averages"][f"step {count}"] = held[0].item()
    approved("training-steps", kit.text_of(facts))
