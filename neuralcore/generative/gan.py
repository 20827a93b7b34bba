"""An adversarial pair by the rules of DCGAN: a generator makes images of noise, a critic tells them from real ones.

Goodfellow et al. 2014 (https://arxiv.org/abs/1406.2661), the generator's loss not saturating; Radford et al. 2016
(https://arxiv.org/abs/1511.06434): strided convolutions, batch norms but at the images, ReLU in the generator and
leaky ReLU in the critic, weights from N(0, 0.02²). Real and made images are normed each in a batch of their own.

Axes: B images of C x H x W, D numbers of noise.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F

from neuralcore.errors import UserError
from neuralcore.fitting.image_splits import ImageSplits, description_of, device_of
from neuralcore.fitting.task import Figures, Player
from neuralcore.generative.gan_config import GANConfig
from neuralcore.generative.pictures import ROWS, around, tiles
from neuralcore.generative.pyramids import Down, Up
from neuralcore.seeding import seeded_torch

LOOKED_AT = 1024  # images of either kind that the critic is judged by
AT_ONCE = 256


class DCGAN(nn.Module):
    """Both networks. For 3x64x64 and width 64: a generator of 3,576,704 parameters, a critic of 2,765,568.

    Args:
        channels, size: of the images. latent: D. width: channels of the critic's first convolution.
    """

    def __init__(self, *, channels: int = 3, size: int = 64, latent: int = 100, width: int = 64):
        super().__init__()
        self.latent = latent
        self.generator = nn.Sequential(Up(latent, channels, size, width, norm=True), nn.Tanh())
        down = Down(channels, size, width, norm=True, slope=0.2)
        self.critic = nn.Sequential(down, nn.Conv2d(down.features, 1, down.side, bias=False), nn.Flatten(0))
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                nn.init.normal_(module.weight, 0.0, 0.02)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.weight, 1.0, 0.02)

    def noise(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """(count, D), standard Gaussian, of the weights' device and precision."""
        return torch.randn(count, self.latent, generator=generator).to(next(self.parameters()))

    def decode(self, noise: torch.Tensor) -> torch.Tensor:
        """(B, D) -> (B, C, H, W) in [0, 1]."""
        return 0.5 + 0.5 * self.generator(noise).float()

    def sample(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """(count, C, H, W) in [0, 1]."""
        noise = self.noise(count, generator)
        return torch.cat([self.decode(some) for some in noise.split(AT_ONCE)])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) bytes -> (B,), the critic's log-odds that they are real."""
        return self.critic(as_made(images)).float()


def as_made(images: torch.Tensor) -> torch.Tensor:
    """Bytes in the range of what the generator makes, [-1, 1]."""
    return images.float() / 127.5 - 1.0


def critic_loss(real: torch.Tensor, made: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
    """-E[(1 - ε) log σ(real) + ε log σ(-real)] - E[log σ(-made)] of log-odds (B,)."""
    return (F.softplus(-real) + smoothing * real).mean() + F.softplus(made).mean()


def generator_loss(made: torch.Tensor) -> torch.Tensor:
    """-E[log σ(made)]: not saturating, its gradient is large where the critic is sure (Goodfellow et al. 2014)."""
    return F.softplus(-made).mean()


def network(config: GANConfig, description: dict[str, Any]) -> DCGAN:
    """The model for images like those that are described."""
    channels, size, _ = description["shape"]
    try:
        return DCGAN(channels=channels, size=size, latent=config.latent, width=config.width)
    except ValueError as error:
        raise UserError(str(error)) from None


class AdversarialTask:
    """The task "gan", of two players; see `neuralcore.fitting.task.Task`."""

    score, lower = "critic_accuracy", True

    def __init__(self, config: GANConfig, seed: int = 0):
        self.config, self.images = config, ImageSplits(config, seed)
        self.description = description_of(self.images)
        with seeded_torch(seed, "weights"):
            self.model = network(config, self.description)

    def order(self, generator: np.random.Generator) -> np.ndarray:
        """All training images, shuffled."""
        return self.images.order(generator)

    def batch(self, rows: np.ndarray, generator: torch.Generator, device: torch.device) -> torch.Tensor:
        """(B, C, H, W) bytes."""
        return self.images.take(rows, device)[0]

    def players(self) -> list[Player]:
        """The critic, then the generator."""
        named = dict(self.model.named_parameters())
        return [
            Player(name, {key: value for key, value in named.items() if key.startswith(f"{name}.")}, loss)
            for name, loss in (("critic", self.critic_loss), ("generator", self.generator_loss))
        ]

    def critic_loss(self, batch: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, Figures]:
        """Real images against as many made ones."""
        with torch.no_grad():
            made = self.model.generator(self.model.noise(len(batch), generator))
        on_real, on_made = self.model(batch), self.model.critic(made).float()
        right = torch.cat([on_real > 0.0, on_made <= 0.0]).float().mean()
        return critic_loss(on_real, on_made, self.config.smoothing), {"critic_accuracy": right}

    def generator_loss(self, batch: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, Figures]:
        """As many made images; the critic's weights have no part in the gradient, which saves a third of its pass."""
        made = self.model.generator(self.model.noise(len(batch), generator))
        still = {name: value.detach() for name, value in self.model.critic.named_parameters()}
        return generator_loss(functional_call(self.model.critic, still, (made,)).float()), {}

    def evaluate(self, split: str) -> dict[str, float]:
        """How often the critic is right on unseen real and on made images, which says how the game stands, not how
        good images are; `benchmarks/core/generative.py` measures those."""
        if split not in self.images:
            return {}
        device, generator = device_of(self.model), torch.Generator().manual_seed(0)
        on_real = torch.cat([self.model(images) for images, _ in self.images.batches(split, device, LOOKED_AT)])
        made = self.model.sample(len(on_real), generator)
        on_made = torch.cat([self.model.critic(2.0 * some - 1.0).float() for some in made.split(AT_ONCE)])
        right = torch.cat([on_real > 0.0, on_made <= 0.0]).float().mean()
        names = {"critic_on_real": on_real, "critic_on_made": on_made}
        shares = {name: float(torch.sigmoid(odds).mean()) for name, odds in names.items()}
        return {"critic_accuracy": float(right), **shares}

    def draw(self, folder: Path) -> None:
        """Samples, and what lies between two."""
        generator = torch.Generator().manual_seed(0)
        tiles(self.model.sample(100, generator), folder / "samples.png", 10)
        first, last = self.model.noise(ROWS, generator), self.model.noise(ROWS, generator)
        tiles(self.model.decode(around(first, last)), folder / "interpolation.png", 10)
