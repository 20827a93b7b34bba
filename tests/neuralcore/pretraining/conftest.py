"""Images for tests of pretraining: small glyphs, a random pattern a class, each drawn elsewhere and with noise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from neuralcore.data.images import Images


def glyphs(classes: int, each: int, seed: int = 0, size: int = 16) -> Images:
    patterns = np.random.default_rng([7, classes]).integers(0, 2, (classes, 1, 5, 5)) * 150 + 60
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), each)
    images = generator.normal(25.0, 8.0, (len(labels), 1, size, size))
    for image, label in zip(images, labels):
        y, x = generator.integers(0, size - 10, 2)
        image[:, y : y + 10, x : x + 10] += patterns[label].repeat(2, 1).repeat(2, 2)
    names = tuple(chr(97 + i) for i in range(classes))
    return Images(images.clip(0, 255).astype(np.uint8), labels, names)


@pytest.fixture
def use_glyphs(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have tasks read glyphs in place of files."""

    def use(classes: int, each: int, size: int = 16) -> None:
        found = {"train": glyphs(classes, each, 0, size), "test": glyphs(classes, each, 1, size)}
        monkeypatch.setattr("neuralcore.fitting.image_splits.read_images", lambda path: found)

    return use
