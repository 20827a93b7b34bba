"""How far made images are from real ones: the Fréchet distance of their features' Gaussians.

    |μ_a - μ_b|² + tr(Σ_a + Σ_b - 2 (Σ_a Σ_b)^½)

Heusel et al. 2017 (https://arxiv.org/abs/1706.08500). Deviation that matters: features are those of a classifier
fitted here, not of Inception, so figures are of this judge alone and no published FID. It grows as samples get fewer:
compare equal counts, and with what as many real images have. Axes: N images, F features.
"""

from __future__ import annotations

import numpy as np
import torch

from neuralcore.fitting.image_splits import device_of
from neuralcore.shape import match_shape
from neuralcore.vision.normalised import ImageModel

AT_ONCE = 256


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Of features (N, F) and (M, F), N and M above F for it to mean much.

    The trace of the root is that of the symmetric Σ_a^½ Σ_b Σ_a^½, whose eigenvalues are those of Σ_a Σ_b.
    """
    _, features = match_shape(a, -1, -1, name="a")
    match_shape(b, -1, features, name="b")
    a, b = a.astype(np.float64), b.astype(np.float64)
    covariance_a, covariance_b = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (a, b))
    values, vectors = np.linalg.eigh(covariance_a)
    root = (vectors * np.sqrt(values.clip(0.0))) @ vectors.T
    both = np.sqrt(np.linalg.eigvalsh(root @ covariance_b @ root).clip(0.0)).sum()
    apart = ((a.mean(0) - b.mean(0)) ** 2).sum()
    return float(apart + np.trace(covariance_a) + np.trace(covariance_b) - 2.0 * both)


@torch.no_grad()
def features(judge: ImageModel, images: torch.Tensor) -> np.ndarray:
    """(N, F) the means over pixels of a classifier's last feature maps, for images (N, C, H, W) as bytes."""
    device, found = device_of(judge), []
    for some in images.split(AT_ONCE):
        maps = judge.trunk(judge.normalised(some.to(device)))
        found.append(maps.flatten(2).mean(2).float().cpu().numpy())
    return np.concatenate(found)
