"""Autoencoders: an image through a short code and back; the denoising one restores what was damaged.

Hinton & Salakhutdinov 2006, "Reducing the dimensionality of data with neural networks"; Vincent et al. 2008,
"Extracting and composing robust features with denoising autoencoders". Deviation: convolutions, and the mean squared
error of pixels. Axes: B images of C x H x W, D numbers a code.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from neuralcore.errors import UserError
from neuralcore.fitting.image_splits import ImageSplits, description_of, device_of
from neuralcore.fitting.task import Figures, Player, players_of
from neuralcore.generative.autoencoder_config import AutoencoderConfig
from neuralcore.generative.pictures import ROWS, beside, between, tiles
from neuralcore.generative.pyramids import Down, Up, as_shares, keep_sizes
from neuralcore.seeding import seeded_torch

SHOWN = 64


class Autoencoder(nn.Module):
    """Strided convolutions to a code, and back: 267,489 parameters for 1x28x28, width 32 and a code of 32.

    Args:
        channels, size: of the images. latent: D. width: channels of the first convolution.
    """

    def __init__(self, *, channels: int = 1, size: int = 28, latent: int = 32, width: int = 32):
        super().__init__()
        down = Down(channels, size, width)
        self.encoder = nn.Sequential(down, nn.Flatten(), nn.Linear(down.features * down.side**2, latent))
        self.decoder = Up(latent, channels, size, width)
        keep_sizes(self)

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) bytes, or floats in [0, 1] -> (B, D)."""
        return self.encoder(as_shares(images))

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        """(B, D) -> (B, C, H, W) in [0, 1]."""
        return torch.sigmoid(self.decoder(codes).float())

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> the same through the code, in [0, 1]."""
        return self.decode(self.encode(images))


def damaged(images: torch.Tensor, noise: str, amount: float, generator: torch.Generator) -> torch.Tensor:
    """Floats (B, C, H, W) in [0, 1] with pixels at 0 ("mask") or moved ("gaussian"); "none" leaves them."""
    if noise == "mask":
        kept = torch.rand(images.shape[0], 1, *images.shape[2:], generator=generator) >= amount
        return images * kept.to(images.device)
    if noise == "gaussian":
        return images + amount * torch.randn(images.shape, generator=generator).to(images.device)
    return images


def network(config: AutoencoderConfig, description: dict[str, Any]) -> Autoencoder:
    """The model for images like those that are described."""
    channels, size, _ = description["shape"]
    try:
        return Autoencoder(channels=channels, size=size, latent=config.latent, width=config.width)
    except ValueError as error:
        raise UserError(str(error)) from None


class Autoencoding:
    """The task "autoencode"; see `neuralcore.fitting.task.Task`."""

    score, lower = "loss", True

    def __init__(self, config: AutoencoderConfig, seed: int = 0):
        self.config, self.images = config, ImageSplits(config, seed)
        self.description = description_of(self.images)
        with seeded_torch(seed, "weights"):
            self.model = network(config, self.description)

    def order(self, generator: np.random.Generator) -> np.ndarray:
        """All training images, shuffled."""
        return self.images.order(generator)

    def batch(self, rows: np.ndarray, generator: torch.Generator, device: torch.device) -> Any:
        """(what is restored, what it should become), (B, C, H, W) in [0, 1]."""
        clean = as_shares(self.images.take(rows, device)[0])
        return damaged(clean, self.config.noise, self.config.amount, generator), clean

    def players(self) -> list[Player]:
        """One."""
        return players_of(self.model, self.loss)

    def loss(self, batch: Any, generator: torch.Generator) -> tuple[torch.Tensor, Figures]:
        """The mean squared error of a pixel."""
        given, clean = batch
        return (self.model(given) - clean).pow(2).mean(), {}

    def evaluate(self, split: str) -> dict[str, float]:
        """Mean squared error of images damaged as in training, and in decibels below white."""
        if split not in self.images:
            return {}
        generator, device = torch.Generator().manual_seed(0), device_of(self.model)
        errors = []
        for images, _ in self.images.batches(split, device):
            clean = as_shares(images)
            given = damaged(clean, self.config.noise, self.config.amount, generator)
            errors.append((self.model(given) - clean).pow(2).flatten(1).mean(1))
        loss = float(torch.cat(errors).double().mean())
        return {"loss": loss, "peak_signal_to_noise": -10.0 * math.log10(max(loss, 1e-12))}

    def draw(self, folder: Path) -> None:
        """What is restored, and what lies between the codes of two images."""
        images = torch.from_numpy(self.images[self.images.judged].images[:SHOWN]).to(device_of(self.model))
        generator = torch.Generator().manual_seed(0)
        given = damaged(as_shares(images), self.config.noise, self.config.amount, generator)
        beside(given, self.model(given), folder / "reconstructions.png")
        codes = self.model.encode(images[: 2 * ROWS])
        tiles(self.model.decode(between(codes[::2], codes[1::2])), folder / "interpolation.png", 10)
