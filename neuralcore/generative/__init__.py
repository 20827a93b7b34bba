"""Networks that make images: autoencoders, variational ones, adversarial pairs, and pixels one after the other.

Each model has `sample(count, generator)`, images (N, C, H, W) as floats in [0, 1]; those with a code have `encode`
and `decode`.
"""

from __future__ import annotations

import importlib
from typing import Any

_NAMES = {
    "Autoencoder": "neuralcore.generative.autoencoder",
    "DCGAN": "neuralcore.generative.gan",
    "PixelCNN": "neuralcore.generative.pixelcnn",
    "VAE": "neuralcore.generative.vae",
    "frechet_distance": "neuralcore.generative.frechet",
}

__all__ = ["DCGAN", "VAE", "Autoencoder", "PixelCNN", "frechet_distance"]


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module 'neuralcore.generative' has no attribute {name!r}")
    return getattr(importlib.import_module(_NAMES[name]), name)
