"""Variational autoencoder: codes are Gaussian, an image's code has a width, and the loss bounds its likelihood.

    -log p(x) <= E_q(z|x)[-log p(x|z)] + KL(q(z|x) || N(0, 1))

Kingma & Welling 2014, "Auto-encoding variational Bayes" (https://arxiv.org/abs/1312.6114); β of Higgins et al. 2017.
Deviations: convolutions in place of one hidden layer; the Gaussian decoder has one learned width for all pixels
(Rybkin et al. 2021) and sees bytes with uniform noise, so that its bound is one of bits. Axes: B images of C x H x W,
D numbers a code.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from neuralcore.errors import UserError
from neuralcore.fitting.image_splits import ImageSplits, description_of, device_of
from neuralcore.fitting.task import Figures, Player, players_of
from neuralcore.generative.likelihood import bernoulli, bits_per_dimension, gaussian, kl_to_standard
from neuralcore.generative.pictures import ROWS, beside, between, tiles
from neuralcore.generative.pyramids import Down, Up, as_shares
from neuralcore.generative.vae_config import VAEConfig
from neuralcore.seeding import seeded_torch

SHOWN = 64
FIRST_SCALE = -2.0  # log of the Gaussian decoder's first width, a seventh of white


class Posterior(NamedTuple):
    """q(z|x), the codes that an image may have.

    Attributes:
        mean, log_variance: (B, D).
    """

    mean: torch.Tensor
    log_variance: torch.Tensor


class VAE(nn.Module):
    """Strided convolutions to mean and width of a code, and back: 367,873 parameters for 1x28x28, width 32, D = 32.

    Args:
        channels, size: of the images. latent: D. width: channels of the first convolution.
        decoder: "bernoulli" or "gaussian".
    """

    def __init__(
        self, *, channels: int = 1, size: int = 28, latent: int = 32, width: int = 32, decoder: str = "bernoulli"
    ):
        super().__init__()
        if decoder not in ("bernoulli", "gaussian"):
            raise ValueError(f"decoder must be 'bernoulli' or 'gaussian', got {decoder!r}")
        down = Down(channels, size, width)
        self.latent, self.is_gaussian = latent, decoder == "gaussian"
        self.encoder = nn.Sequential(down, nn.Flatten(), nn.Linear(down.features * down.side**2, 2 * latent))
        self.decoder = Up(latent, channels, size, width)
        if self.is_gaussian:
            self.log_scale = nn.Parameter(torch.tensor(FIRST_SCALE))

    def posterior(self, images: torch.Tensor) -> Posterior:
        """Of (B, C, H, W), bytes or floats in [0, 1]."""
        return Posterior(*self.encoder(as_shares(images)).float().chunk(2, 1))

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> (B, D), the mean code."""
        return self.posterior(images).mean

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        """(B, D) -> (B, C, H, W) in [0, 1], the mean image."""
        return torch.sigmoid(self.decoder(codes).float())

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> the mean image of the mean code, in [0, 1]."""
        return self.decode(self.encode(images))

    def sample(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """(count, C, H, W) in [0, 1]: mean images of random codes; the pixels' own noise is left out."""
        return self.decode(torch.randn(count, self.latent, generator=generator).to(device_of(self)))

    def terms(self, images: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """The two parts of the bound of bytes (B, C, H, W), (B,) nats each: reconstruction, for one code drawn by the
        generator, and divergence. The Gaussian's reconstruction is of the density on [0, 1)."""
        if self.is_gaussian:
            noise = torch.rand(images.shape, generator=generator).to(images.device)
            targets = (images.float() + noise) / 256.0
        else:
            targets = as_shares(images)
        mean, log_variance = self.posterior(targets)
        noise = torch.randn(mean.shape, generator=generator).to(mean.device)
        logits = self.decoder(mean + torch.exp(0.5 * log_variance) * noise).float()
        if self.is_gaussian:
            nats = gaussian(torch.sigmoid(logits), self.log_scale, targets)
        else:
            nats = bernoulli(logits, targets)
        return nats, kl_to_standard(mean, log_variance)


def network(config: VAEConfig, description: dict[str, Any]) -> VAE:
    """The model for images like those that are described."""
    channels, size, _ = description["shape"]
    try:
        return VAE(channels=channels, size=size, latent=config.latent, width=config.width, decoder=config.decoder)
    except ValueError as error:
        raise UserError(str(error)) from None


class VariationalTask:
    """The task "vae"; see `neuralcore.fitting.task.Task`."""

    score, lower = "loss", True
    by_heart = 0.75  # grey pixels cost nats however well they are told, and so does the code

    def __init__(self, config: VAEConfig, seed: int = 0):
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
        """One."""
        return players_of(self.model, self.loss)

    def loss(self, batch: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, Figures]:
        """Reconstruction and β times the divergence, nats an image."""
        nats, divergence = self.model.terms(batch, generator)
        figures = {"reconstruction": nats.detach().mean(), "divergence": divergence.detach().mean()}
        return (nats + self.config.beta * divergence).mean(), figures

    def evaluate(self, split: str) -> dict[str, float]:
        """The bound on -log p(x) in nats an image (β = 1 whatever was trained), its parts, and for the Gaussian in
        bits a number."""
        if split not in self.images:
            return {}
        generator, device = torch.Generator().manual_seed(0), device_of(self.model)
        parts = [torch.stack(self.model.terms(images, generator)) for images, _ in self.images.batches(split, device)]
        nats, divergence = torch.cat(parts, 1).double().mean(1).tolist()
        found = {"loss": nats + divergence, "reconstruction": nats, "divergence": divergence}
        if self.model.is_gaussian:
            found["bits_per_dimension"] = bits_per_dimension(nats + divergence, int(np.prod(self.images.shape)))
        return found

    def draw(self, folder: Path) -> None:
        """Samples, images and what comes back of them, and what lies between two."""
        images = torch.from_numpy(self.images[self.images.judged].images[:SHOWN]).to(device_of(self.model))
        tiles(self.model.sample(100, torch.Generator().manual_seed(0)), folder / "samples.png", 10)
        beside(images, self.model(images), folder / "reconstructions.png")
        codes = self.model.encode(images[: 2 * ROWS])
        tiles(self.model.decode(between(codes[::2], codes[1::2])), folder / "interpolation.png", 10)
