"""A small TarFlow as an arm of a study: flat, autoregressive blocks over patches, nothing factored out.

    python -m eiwflow study --data faces16 --arm tarflow=docs/examples/tarflow.py:make --optimiser adamw --out flat

A block reads patches in turn, the next in the opposite order: z_t = (x_t − μ(x_<t)) exp(−α(x_<t)), log |det| = −Σ α.

Reference: Zhai et al., Normalizing Flows are Capable Generative Models, 2024, arXiv:2412.06329.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class Layer(nn.Module):
    """A layer of a transformer, in which a token sees itself and the tokens before it."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_network = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query_key_value, self.mix = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.network = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, tokens: Tensor) -> Tensor:
        """Return tokens (N, T, W)."""
        parts = self.query_key_value(self.before_attention(tokens)).chunk(3, dim=2)
        q, k, v = (part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in parts)
        seen = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        tokens = tokens + self.mix(seen.transpose(1, 2).flatten(2))
        return tokens + self.network(self.before_network(tokens))


class Block(nn.Module):
    """One autoregressive step over T patches of D values; the identity at first."""

    def __init__(self, patches: int, size: int, width: int, layers: int, backwards: bool) -> None:
        super().__init__()
        self.backwards = backwards
        self.read, self.write = nn.Linear(size, width), nn.Linear(width, 2 * size)
        self.place = nn.Parameter(0.01 * torch.randn(patches, width))
        self.layers = nn.Sequential(*(Layer(width, heads=max(1, width // 32)) for _ in range(layers)))
        nn.init.zeros_(self.write.weight)
        nn.init.zeros_(self.write.bias)

    def predicted(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return μ and α (N, T, D) of every patch from the patches before it; both are 0 for the first."""
        hidden = self.layers(self.read(x) + self.place[: x.shape[1]])
        return functional.pad(self.write(hidden)[:, :-1], (0, 0, 1, 0)).chunk(2, dim=2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return z (N, T, D) and log |det| (N,)."""
        x = x.flip(1) if self.backwards else x
        mean, log_scale = self.predicted(x)
        z = (x - mean) * torch.exp(-log_scale)
        return (z.flip(1) if self.backwards else z), -log_scale.sum(dim=(1, 2))

    def inverse(self, z: Tensor) -> Tensor:
        """Return x (N, T, D), patch by patch."""
        z = z.flip(1) if self.backwards else z
        x = z[:, :1]
        for place in range(1, z.shape[1]):
            # A last patch of any values: its own μ and α do not depend on it.
            mean, log_scale = self.predicted(torch.cat([x, z[:, :1]], dim=1))
            x = torch.cat([x, z[:, place : place + 1] * torch.exp(log_scale[:, -1:]) + mean[:, -1:]], dim=1)
        return x.flip(1) if self.backwards else x


class TarFlow(nn.Module):
    """Blocks over p×p patches of images (C, H, W), after one mean and scale of every channel."""

    def __init__(self, shape: tuple[int, int, int], patch: int, width: int, blocks: int, layers: int) -> None:
        super().__init__()
        self.shape, self.patch = shape, patch
        patches, size = shape[1] * shape[2] // patch**2, shape[0] * patch**2
        self.blocks = nn.ModuleList(Block(patches, size, width, layers, number % 2 == 1) for number in range(blocks))
        self.register_buffer("mean", torch.zeros(shape[0], 1, 1))
        self.register_buffer("scale", torch.ones(shape[0], 1, 1))

    def initialise(self, x: Tensor) -> None:
        """Take the mean and scale of every channel from x (N, C, H, W)."""
        self.mean.copy_(x.mean(dim=(0, 2, 3))[:, None, None])
        self.scale.copy_(x.std(dim=(0, 2, 3))[:, None, None])

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return z (N, T, D) and log |det| (N,) of x (N, C, H, W)."""
        z = functional.pixel_unshuffle((x - self.mean) / self.scale, self.patch).flatten(2).transpose(1, 2)
        log_det = -self.scale.log().sum() * self.shape[1] * self.shape[2]
        for block in self.blocks:
            z, added = block(z)
            log_det = log_det + added
        return z, log_det

    def decode(self, z: Tensor) -> Tensor:
        """Return x (N, C, H, W) of z (N, T, D)."""
        for block in reversed(self.blocks):
            z = block.inverse(z)
        rows = self.shape[1] // self.patch
        return functional.pixel_shuffle(z.transpose(1, 2).unflatten(2, (rows, -1)), self.patch) * self.scale + self.mean

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p (N,) in nats of x (N, C, H, W)."""
        z, log_det = self.encode(x)
        return log_det - 0.5 * (z.square() + math.log(2 * math.pi)).sum(dim=(1, 2))

    def sample(self, n: int) -> Tensor:
        """Return n images (n, C, H, W)."""
        patches, size = self.blocks[0].place.shape[0], self.shape[0] * self.patch**2
        return self.decode(torch.randn(n, patches, size, device=self.mean.device))


def make(shape: tuple[int, int, int], seed: int) -> TarFlow:
    """Return a TarFlow; eiwflow has set torch's seed."""
    torch.manual_seed(seed)
    return TarFlow(shape, patch=2, width=64, blocks=4, layers=1)
