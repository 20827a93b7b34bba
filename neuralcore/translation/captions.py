"""Images of shapes with a sentence that says what is drawn: examples for captions, no file.

    a red circle                         one shape
    a green ring left of a blue cross    two; "above" if they are further apart in height; left or upper one first

Colours are those that the pixels have on the mean: the nearest of six hues, or grey where all three are about alike.
So an image has one caption, which can be right or wrong.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

from neuralcore.data.shapes import Shapes, shapes

HUES = ("red", "yellow", "green", "cyan", "blue", "pink")
GREY = 40.0  # levels of 255 between the strongest and the weakest channel below which a colour is grey


@dataclass(frozen=True)
class Captioned:
    """N images (N, 3, size, size) uint8, and the captions of each, one at least."""

    images: np.ndarray
    captions: list[list[str]]

    def __len__(self) -> int:
        return len(self.captions)


def captioned_shapes(count: int, size: int = 32, seed: int = 0) -> Captioned:
    """Images of one or two shapes.

    >>> [first for first, *_ in captioned_shapes(2, seed=1).captions]
    """
    drawn = shapes(count, size, seed, most=2)
    return Captioned(drawn.images, [[caption(drawn, number)] for number in range(count)])


def caption(drawn: Shapes, number: int) -> str:
    """What image `number` shows, of two shapes at most."""
    there = [slot for slot in range(2) if slot < drawn.kinds.shape[1] and drawn.kinds[number, slot] >= 0]
    names = [f"a {_colour(drawn, number, slot)} {drawn.names[drawn.kinds[number, slot]]}" for slot in there]
    if len(there) == 1:
        return names[0]
    boxes = drawn.boxes[number, there].astype(np.float64)
    apart = (boxes[1, :2] + boxes[1, 2:] - boxes[0, :2] - boxes[0, 2:]) / 2.0  # right, down: from first to second
    axis = int(abs(apart[1]) > abs(apart[0]))
    first, second = names if apart[axis] >= 0.0 else names[::-1]
    return f"{first} {('left of', 'above')[axis]} {second}"


def _colour(drawn: Shapes, number: int, slot: int) -> str:
    red, green, blue = drawn.images[number][:, drawn.masks[number, slot]].mean(1) / 255.0
    if 255.0 * (max(red, green, blue) - min(red, green, blue)) < GREY:
        return "grey"
    hue, _, _ = colorsys.rgb_to_hsv(red, green, blue)
    return HUES[round(6.0 * hue) % 6]
