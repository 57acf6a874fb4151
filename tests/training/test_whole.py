"""The flow of benchmarks/whole.py factors nothing out before its end, is exact, and is trained as any other."""

import dataclasses

import torch

from benchmarks import whole
from eiwflow.flow import FlowConfig, MultiScaleFlow
from eiwflow.flow.split import standard_normal_log_prob
from tests.flow.numerics import perturb

from .tiny import tiny_recipe


def test_every_level_passes_on_all_its_channels_and_log_prob_is_that_of_the_jacobian() -> None:
    recipe = tiny_recipe(shape=(1, 8, 8), levels=3, steps=2, order="entropy", weights="none", prior="conditional")
    config = whole.passing_on(recipe, "all", width=4).flow
    assert [config.level_shape(level) for level in (1, 2, 3)] == [(4, 4, 4), (16, 2, 2), (64, 1, 1)]
    flow = MultiScaleFlow(config).double()
    x = torch.rand(256, 1, 8, 8, dtype=torch.float64) - 0.5
    flow.initialise(x)
    perturb(flow)

    def latent(values: torch.Tensor) -> torch.Tensor:
        *nothing, last = flow.encode(values.reshape(1, 1, 8, 8)).levels
        assert [noise.numel() for noise in nothing] == [0, 0]
        return last.flatten()

    assert torch.allclose(flow.decode(flow.encode(x)), x, atol=1e-9)
    image = x[:1].flatten()
    jacobian = torch.autograd.functional.jacobian(latent, image)
    exact = standard_normal_log_prob(latent(image)[None]) + torch.linalg.slogdet(jacobian).logabsdet
    assert torch.allclose(flow.log_prob(x[:1]), exact, atol=1e-9)


def test_a_recipe_without_a_split_differs_in_nothing_else() -> None:
    recipe = tiny_recipe(order="entropy", weights="none", prior="conditional", flip=True, seed=3)
    other = whole.passing_on(recipe, "all", width=12)
    assert dataclasses.replace(other, flow=recipe.flow) == recipe
    fields = [field.name for field in dataclasses.fields(FlowConfig)]
    changed = {name for name in fields if getattr(other.flow, name) != getattr(recipe.flow, name)}
    assert changed == {"width", "keep"}
