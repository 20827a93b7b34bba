"""Images for tests of generative models."""

from __future__ import annotations

import numpy as np
import pytest

from neuralcore.data.images import Images


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> Images:
    """Thirty-two images of 16x16 grey pixels, in place of those of a file: bars of four kinds."""
    generator = np.random.default_rng(0)
    images, labels = np.zeros((32, 1, 16, 16), np.uint8), np.arange(32) % 4
    for image, label in zip(images, labels):
        at = generator.integers(2, 12)
        image[0, at : at + 3] = 60 * label + 60
    found = Images(images, labels, ("a", "b", "c", "d"))
    monkeypatch.setattr("neuralcore.fitting.image_splits.read_images", lambda path: {"train": found, "test": found})
    return found
