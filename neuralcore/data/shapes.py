"""Images of drawn shapes with what each is, where it is, and which pixels it has: examples for every task, no file.

A dark noisy ground with one to `most` shapes of random colour, size, place and turn, none hidden by another by half.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neuralcore.data.images import Images

NAMES = ("circle", "square", "triangle", "ring", "cross")


@dataclass(frozen=True)
class Shapes:
    """N images with up to M shapes each.

    Attributes:
        images: (N, 3, size, size) uint8.
        kinds: (N, M) int64, which of `NAMES`, -1 where there are fewer.
        boxes: (N, M, 4) float32, left, top, right, bottom in pixels, of what can be seen.
        masks: (N, M, size, size) bool, the pixels that can be seen.
        names: of the kinds.
    """

    images: np.ndarray
    kinds: np.ndarray
    boxes: np.ndarray
    masks: np.ndarray
    names: tuple[str, ...] = NAMES

    def classified(self) -> Images:
        """Each image with the kind of its first shape, the only one where `most` was 1."""
        return Images(self.images, self.kinds[:, 0], self.names)

    def segmented(self) -> np.ndarray:
        """(N, size, size) int64: 0 for the ground, kind + 1 for a shape."""
        found = np.zeros(self.images.shape[:1] + self.images.shape[2:], np.int64)
        for slot in range(self.kinds.shape[1]):
            found += self.masks[:, slot] * (self.kinds[:, slot, None, None] + 1)
        return found


def shapes(count: int, size: int = 32, seed: int = 0, most: int = 1) -> Shapes:
    """Draw `count` images of size x size pixels, each with 1 to `most` shapes.

    >>> shapes(2, most=3).boxes.shape
    (2, 3, 4)
    """
    if size < 16:
        raise ValueError(f"shapes need images of at least 16 pixels, got {size}")
    generator = np.random.default_rng([seed, size, most])
    images = generator.normal(40.0, 12.0, (count, 3, size, size))
    kinds = np.full((count, most), -1, np.int64)
    masks = np.zeros((count, most, size, size), bool)
    boxes = np.zeros((count, most, 4), np.float32)
    for number in range(count):
        wanted = generator.integers(1, most + 1)
        placed = 0
        for _ in range(20 * most):  # tries: a crowded image may end with fewer
            if placed == wanted:
                break
            kind, mask = _draw(generator, size)
            taken = masks[number, :placed].any(axis=0)
            if (mask & taken).sum() > 0.1 * mask.sum():
                continue
            mask &= ~taken
            colour = generator.uniform(90.0, 255.0, 3)
            images[number][:, mask] = colour[:, None] + generator.normal(0.0, 8.0, (3, int(mask.sum())))
            kinds[number, placed], masks[number, placed] = kind, mask
            rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            boxes[number, placed] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
            placed += 1
    return Shapes(np.clip(images, 0, 255).astype(np.uint8), kinds, boxes, masks)


def _draw(generator: np.random.Generator, size: int) -> tuple[int, np.ndarray]:
    """A kind, and its pixels (size, size)."""
    kind = int(generator.integers(len(NAMES)))
    radius = generator.uniform(0.14, 0.26) * size
    centre = generator.uniform(radius, size - radius, 2)
    turn = generator.uniform(0.0, 2.0 * np.pi)
    y, x = (np.mgrid[:size, :size] + 0.5 - centre[:, None, None]) / radius
    u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    distance = np.hypot(u, v)
    inside = {
        "circle": distance < 0.9,
        "square": np.maximum(abs(u), abs(v)) < 0.72,
        "triangle": (v > -0.5) & (np.sqrt(3.0) * abs(u) + v < 1.0),
        "ring": (distance < 1.0) & (distance > 0.55),
        "cross": (np.minimum(abs(u), abs(v)) < 0.25) & (np.maximum(abs(u), abs(v)) < 0.95),
    }
    return kind, inside[NAMES[kind]]
