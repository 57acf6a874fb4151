"""Small Glows as three projects write them down: a random state dict each, with its density and its inverse.

Written from the formulas, in float64 and with nothing of ours, so that an error of a reader cannot hide in them.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

LEVELS, STEPS, WIDTH, SIDE = 3, 2, 6, 16


class Model:
    """What the three have in common; a format says how its parts are called and what they do."""

    bits = 8
    #: What its pixels 0 … 1 begin at.
    low = -0.5

    def __init__(self, seed: int = 0, channels: int = 3, levels: int = LEVELS, steps: int = STEPS, side: int = SIDE):
        self.generator = torch.Generator().manual_seed(seed)
        self.channels, self.levels, self.steps, self.side = channels, levels, steps, side
        self.state: dict[str, Tensor] = {}
        for level in range(levels):
            for step in range(steps):
                self.draw_step(level, step, channels * 2 ** (level + 2))
            self.draw_prior(level)

    # ------------------------------------------------------------------ drawing

    def put(self, name: str, *shape: int, std: float = 0.1, mean: float = 0.0) -> None:
        self.state[name] = mean + std * torch.randn(*shape, generator=self.generator)

    def put_factors(self, names: dict[str, str], c: int) -> None:
        matrix = torch.linalg.qr(torch.randn(c, c, generator=self.generator))[0]
        p, lower, upper = torch.linalg.lu(matrix + 0.05 * torch.randn(c, c, generator=self.generator))
        diagonal = upper.diagonal()
        # Below and above their diagonals the files hold what training left there.
        self.state[names["l"]] = lower + torch.randn(c, c, generator=self.generator).triu()
        self.state[names["u"]] = upper.triu(1) + torch.randn(c, c, generator=self.generator).tril()
        self.state[names["p"]], self.state[names["log"]] = p, diagonal.abs().log()
        self.state[names["sign"]] = diagonal.sign()

    def get(self, name: str) -> Tensor:
        return self.state[name].double()

    def matrix(self, names: dict[str, str], whole: str) -> Tensor:
        if whole in self.state:
            return self.get(whole).flatten(1)
        lower = self.get(names["l"]).tril(-1) + torch.eye(len(self.get(names["l"]))).double()
        upper = self.get(names["u"]).triu(1) + torch.diag(self.get(names["sign"]) * self.get(names["log"]).exp())
        return self.get(names["p"]) @ lower @ upper

    # ------------------------------------------------------------------ both directions

    def log_prob(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return log p (N,) of x in its own range and the standardised latents, first level first."""
        total, noises = torch.zeros(len(x)).double(), []
        for level in range(self.levels):
            x = F.pixel_unshuffle(x, 2)
            pixels = x.shape[2] * x.shape[3]
            for step in range(self.steps):
                scale, bias = self.norm(level, step)
                x = x * scale.view(1, -1, 1, 1) + bias.view(1, -1, 1, 1)
                matrix = self.mixing(level, step)
                x = torch.einsum("ij,njhw->nihw", matrix, x)
                total = total + pixels * (scale.abs().log().sum() + torch.linalg.slogdet(matrix)[1])
                a, b = x.chunk(2, dim=1)
                scale, shift = self.coupling(level, step, a)
                x, total = torch.cat([a, b * scale + shift], dim=1), total + scale.log().sum(dim=(1, 2, 3))
            h, z = x.chunk(2, dim=1) if level < self.levels - 1 else (x[:, :0], x)
            mean, log_std = self.prior(level, h, z)
            noise = (z - mean) * (-log_std).exp()
            total = total + (-0.5 * noise**2 - log_std - 0.5 * math.log(2 * math.pi)).sum(dim=(1, 2, 3))
            noises.append(noise)
            x = h
        return total, noises

    def decode(self, noises: list[Tensor]) -> Tensor:
        """Return the images, in its own range, of standardised latents."""
        x = noises[-1][:, :0]
        for level in reversed(range(self.levels)):
            mean, log_std = self.prior(level, x, noises[level])
            x = torch.cat([x, mean + noises[level] * log_std.exp()], dim=1)
            for step in reversed(range(self.steps)):
                a, b = x.chunk(2, dim=1)
                scale, shift = self.coupling(level, step, a)
                x = torch.cat([a, (b - shift) / scale], dim=1)
                x = torch.einsum("ij,njhw->nihw", torch.linalg.inv(self.mixing(level, step)), x)
                scale, bias = self.norm(level, step)
                x = (x - bias.view(1, -1, 1, 1)) / scale.view(1, -1, 1, 1)
            x = F.pixel_shuffle(x, 2)
        return x


class Y0ast(Model):
    """y0ast/Glow-PyTorch."""

    def __init__(self, *arguments, affine: bool = True, lu: bool = True, top: bool = True, **fields):
        self.affine, self.lu, self.top = affine, lu, top
        super().__init__(*arguments, **fields)
        side = self.side // 2**self.levels
        c = 2 * self.channels * 2 ** (self.levels + 1)
        self.state["prior_h"] = torch.zeros(1, c, side, side)
        if top:
            self.put("learn_top_fn.conv.weight", c, c, 3, 3)
            self.put("learn_top_fn.conv.bias", c)
            self.put("learn_top_fn.logs", c, 1, 1)

    def name(self, level: int, step: int) -> str:
        return f"flow.layers.{level * (self.steps + 2) + 1 + step}"

    def names(self, name: str) -> dict[str, str]:
        words = {"p": "p", "l": "lower", "u": "upper", "log": "log_s", "sign": "sign_s"}
        return {key: f"{name}.invconv.{word}" for key, word in words.items()}

    def draw_step(self, level: int, step: int, c: int) -> None:
        name = self.name(level, step)
        self.put(f"{name}.actnorm.bias", 1, c, 1, 1)
        self.put(f"{name}.actnorm.logs", 1, c, 1, 1)
        self.put_factors(self.names(name), c)
        if not self.lu:
            self.state[f"{name}.invconv.weight"] = self.matrix(self.names(name), "").float()
            for key in self.names(name).values():
                del self.state[key]
        sizes = [c // 2, WIDTH, WIDTH, c if self.affine else c // 2]
        for place, kernel, before, after in zip((0, 2, 4), (3, 1, 3), sizes[:-1], sizes[1:], strict=True):
            self.put(
                f"{name}.block.{place}.conv.weight", after, before, kernel, kernel, std=0.05 if place == 4 else 0.2
            )
            if place < 4:
                self.put(f"{name}.block.{place}.actnorm.bias", 1, after, 1, 1)
                self.put(f"{name}.block.{place}.actnorm.logs", 1, after, 1, 1)
        self.put(f"{name}.block.4.conv.bias", sizes[-1])
        self.put(f"{name}.block.4.logs", sizes[-1], 1, 1)

    def draw_prior(self, level: int) -> None:
        c = self.channels * 2 ** (level + 2)
        if level < self.levels - 1:
            self.put(f"{self.name(level, self.steps)}.conv.conv.weight", c, c // 2, 3, 3, std=0.05)
            self.put(f"{self.name(level, self.steps)}.conv.conv.bias", c)
            self.put(f"{self.name(level, self.steps)}.conv.logs", c, 1, 1)

    def norm(self, level: int, step: int) -> tuple[Tensor, Tensor]:
        name = self.name(level, step)
        scale = self.get(f"{name}.actnorm.logs").exp().flatten()
        return scale, scale * self.get(f"{name}.actnorm.bias").flatten()

    def mixing(self, level: int, step: int) -> Tensor:
        name = self.name(level, step)
        return self.matrix(self.names(name), f"{name}.invconv.weight")

    def zero_convolution(self, x: Tensor, name: str) -> Tensor:
        x = F.conv2d(x, self.get(f"{name}.conv.weight"), self.get(f"{name}.conv.bias"), padding=1)
        return x * (3 * self.get(f"{name}.logs")).exp()

    def coupling(self, level: int, step: int, a: Tensor) -> tuple[Tensor, Tensor]:
        block = f"{self.name(level, step)}.block"
        for place, padding in ((0, 1), (2, 0)):
            a = F.conv2d(a, self.get(f"{block}.{place}.conv.weight"), padding=padding)
            a = (a + self.get(f"{block}.{place}.actnorm.bias")) * self.get(f"{block}.{place}.actnorm.logs").exp()
            a = a.relu()
        out = self.zero_convolution(a, f"{block}.4")
        if not self.affine:
            return torch.ones_like(out), out
        shift, scale = out[:, 0::2], torch.sigmoid(out[:, 1::2] + 2)
        return scale, shift * scale

    def prior(self, level: int, h: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        if level == self.levels - 1:
            h = self.get("prior_h").expand(len(z), -1, -1, -1)
            out = self.zero_convolution(h, "learn_top_fn") if self.top else h
            return out.chunk(2, dim=1)
        out = self.zero_convolution(h, f"{self.name(level, self.steps)}.conv")
        return out[:, 0::2], out[:, 1::2]


class Rosinality(Model):
    """rosinality/glow-pytorch."""

    bits = 5

    def __init__(self, *arguments, affine: bool = True, lu: bool = True, **fields):
        self.affine, self.lu = affine, lu
        super().__init__(*arguments, **fields)

    def names(self, name: str) -> dict[str, str]:
        words = {"p": "w_p", "l": "w_l", "u": "w_u", "log": "w_s", "sign": "s_sign"}
        return {key: f"{name}.invconv.{word}" for key, word in words.items()}

    def draw_step(self, level: int, step: int, c: int) -> None:
        name = f"blocks.{level}.flows.{step}"
        self.put(f"{name}.actnorm.loc", 1, c, 1, 1)
        self.put(f"{name}.actnorm.scale", 1, c, 1, 1, std=0.2, mean=1.0)
        self.state[f"{name}.actnorm.scale"][:, ::3] *= -1
        self.state[f"{name}.actnorm.initialized"] = torch.tensor(1, dtype=torch.uint8)
        self.put_factors(self.names(name), c)
        if self.lu:
            self.state[f"{name}.invconv.u_mask"] = torch.ones(c, c).triu(1)
            self.state[f"{name}.invconv.l_mask"] = torch.ones(c, c).tril(-1)
            self.state[f"{name}.invconv.l_eye"] = torch.eye(c)
        else:
            self.state[f"{name}.invconv.weight"] = self.matrix(self.names(name), "").float()[:, :, None, None]
            for key in self.names(name).values():
                del self.state[key]
        sizes = [c // 2, WIDTH, WIDTH, c if self.affine else c // 2]
        net = f"{name}.coupling.net"
        for key, kernel, before, after in zip(
            (f"{net}.0", f"{net}.2", f"{net}.4.conv"), (3, 1, 3), sizes[:-1], sizes[1:], strict=True
        ):
            self.put(f"{key}.weight", after, before, kernel, kernel, std=0.03 if key.endswith("conv") else 0.2)
            self.put(f"{key}.bias", after)
        self.put(f"{net}.4.scale", 1, sizes[-1], 1, 1)

    def draw_prior(self, level: int) -> None:
        c = self.channels * 2 ** (level + 2)
        inputs = c // 2 if level < self.levels - 1 else c
        self.put(f"blocks.{level}.prior.conv.weight", 2 * inputs, inputs, 3, 3, std=0.02)
        self.put(f"blocks.{level}.prior.conv.bias", 2 * inputs)
        self.put(f"blocks.{level}.prior.scale", 1, 2 * inputs, 1, 1)

    def norm(self, level: int, step: int) -> tuple[Tensor, Tensor]:
        scale = self.get(f"blocks.{level}.flows.{step}.actnorm.scale").flatten()
        return scale, scale * self.get(f"blocks.{level}.flows.{step}.actnorm.loc").flatten()

    def mixing(self, level: int, step: int) -> Tensor:
        name = f"blocks.{level}.flows.{step}"
        return self.matrix(self.names(name), f"{name}.invconv.weight")

    def zero_convolution(self, x: Tensor, name: str) -> Tensor:
        x = F.pad(x, [1, 1, 1, 1], value=1.0)
        x = F.conv2d(x, self.get(f"{name}.conv.weight"), self.get(f"{name}.conv.bias"))
        return x * (3 * self.get(f"{name}.scale")).exp()

    def coupling(self, level: int, step: int, a: Tensor) -> tuple[Tensor, Tensor]:
        net = f"blocks.{level}.flows.{step}.coupling.net"
        for place, padding in ((0, 1), (2, 0)):
            a = F.conv2d(a, self.get(f"{net}.{place}.weight"), self.get(f"{net}.{place}.bias"), padding=padding).relu()
        out = self.zero_convolution(a, f"{net}.4")
        if not self.affine:
            return torch.ones_like(out), out
        log_s, t = out.chunk(2, dim=1)
        return torch.sigmoid(log_s + 2), t * torch.sigmoid(log_s + 2)

    def prior(self, level: int, h: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        given = h if level < self.levels - 1 else torch.zeros_like(z)
        return self.zero_convolution(given, f"blocks.{level}.prior").chunk(2, dim=1)


class Normflows(Model):
    """normflows' MultiscaleFlow of GlowBlocks."""

    low = 0.0
    #: The class whose density is computed, of models that are conditional on one.
    LABEL = 1

    def __init__(
        self, *arguments, affine=True, lu=True, scale_map="sigmoid", base="diagonal", actnorm=False, leaky=0.0,
        classes=0, **fields
    ):  # fmt: skip
        self.affine, self.lu, self.scale_map, self.base, self.actnorm = affine, lu, scale_map, base, actnorm
        self.leaky, self.classes = leaky, classes
        super().__init__(*arguments, **fields)

    def name(self, level: int, step: int) -> str:
        return f"flows.{self.levels - 1 - level}.{self.steps - 1 - step}.flows"

    def names(self, name: str) -> dict[str, str]:
        words = {"p": "P", "l": "L", "u": "U", "log": "log_S", "sign": "sign_S"}
        return {key: f"{name}.1.{word}" for key, word in words.items()}

    def draw_step(self, level: int, step: int, c: int) -> None:
        name = self.name(level, step)
        self.put(f"{name}.2.s", 1, c, 1, 1)
        self.put(f"{name}.2.t", 1, c, 1, 1)
        self.state[f"{name}.2.data_dep_init_done"] = torch.tensor(1.0)
        self.put_factors(self.names(name), c)
        if self.lu:
            self.state[f"{name}.1.eye"] = torch.eye(c)
        else:
            self.state[f"{name}.1.W"] = self.matrix(self.names(name), "").float()
            for key in self.names(name).values():
                del self.state[key]
        sizes = [c // 2, WIDTH, WIDTH, c if self.affine else c // 2]
        net = f"{name}.0.flows.1.param_map.net"
        places = (0, 3, 6) if self.actnorm else (0, 2, 4)
        for place, kernel, before, after in zip(places, (3, 1, 3), sizes[:-1], sizes[1:], strict=True):
            self.put(f"{net}.{place}.weight", after, before, kernel, kernel, std=0.05 if place == places[-1] else 0.2)
            if self.actnorm and place < 6:
                self.put(f"{net}.{place + 1}.actNorm.s", 1, after, 1, 1)
                self.put(f"{net}.{place + 1}.actNorm.t", 1, after, 1, 1)
                self.state[f"{net}.{place + 1}.actNorm.data_dep_init_done"] = torch.tensor(1.0)
            else:
                self.put(f"{net}.{place}.bias", after)

    def draw_prior(self, level: int) -> None:
        c, side = self.channels * 2 ** (level + 1), self.side // 2 ** (level + 1)
        c = c if level < self.levels - 1 else 2 * c
        for part in ("loc", "log_scale"):
            if self.base == "glow":
                self.put(f"q0.{self.levels - 1 - level}.{part}", 1, c, 1, 1)
                self.put(f"q0.{self.levels - 1 - level}.{part}_logs", 1, c, 1, 1)
                if self.classes:
                    self.put(f"q0.{self.levels - 1 - level}.{part}_cc", self.classes, c)
            elif self.classes:
                self.put(f"q0.{self.levels - 1 - level}.{part}", c, side, side, self.classes)
            else:
                self.put(f"q0.{self.levels - 1 - level}.{part}", 1, c, side, side)

    def norm(self, level: int, step: int) -> tuple[Tensor, Tensor]:
        s, t = (self.get(f"{self.name(level, step)}.2.{part}").flatten() for part in ("s", "t"))
        return (-s).exp(), -t * (-s).exp()

    def mixing(self, level: int, step: int) -> Tensor:
        name = self.name(level, step)
        return self.matrix(self.names(name), f"{name}.1.W")

    def coupling(self, level: int, step: int, a: Tensor) -> tuple[Tensor, Tensor]:
        net = f"{self.name(level, step)}.0.flows.1.param_map.net"
        for place, padding in ((0, 1), (3, 0)) if self.actnorm else ((0, 1), (2, 0)):
            bias = None if self.actnorm else self.get(f"{net}.{place}.bias")
            a = F.conv2d(a, self.get(f"{net}.{place}.weight"), bias, padding=padding)
            if self.actnorm:
                a = a * self.get(f"{net}.{place + 1}.actNorm.s").exp() + self.get(f"{net}.{place + 1}.actNorm.t")
            a = a.clamp_min(0) + self.leaky * a.clamp_max(0)
        last = 6 if self.actnorm else 4
        out = F.conv2d(a, self.get(f"{net}.{last}.weight"), self.get(f"{net}.{last}.bias"), padding=1)
        if not self.affine:
            return torch.ones_like(out), -out
        raw, shift = out[:, 1::2], out[:, 0::2]
        scale = {
            "sigmoid": torch.sigmoid(raw + 2),
            "sigmoid_inv": 1 / torch.sigmoid(raw + 2),
            "exp": (-raw).exp(),
        }[self.scale_map]
        return scale, -shift * scale

    def prior(self, level: int, h: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        name = f"q0.{self.levels - 1 - level}"
        parts = []
        for part in ("loc", "log_scale"):
            value = self.get(f"{name}.{part}")
            if self.base == "glow":
                value = value * (3 * self.get(f"{name}.{part}_logs")).exp()
                if self.classes:
                    value = value + self.get(f"{name}.{part}_cc")[self.LABEL].view(1, -1, 1, 1)
            elif self.classes:
                value = value[..., self.LABEL]
            parts.append(value)
        return parts[0].expand_as(z), parts[1].expand_as(z)
