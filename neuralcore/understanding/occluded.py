"""How much a score falls when a square of the input is covered (Zeiler & Fergus 2014, section 4.2).

https://arxiv.org/abs/1311.2901. The paper shows the score itself, at each place of the square; here each pixel has
the mean fall over the squares that covered it, so that a map has the image's size whatever the stride.
"""

from __future__ import annotations

import torch

from neuralcore.errors import UserError
from neuralcore.shape import match_shape
from neuralcore.understanding.score import Score

AT_ONCE = 128  # covered images in a pass


@torch.no_grad()
def occlusion(
    score: Score, images: torch.Tensor, *, side: int = 8, stride: int = 4, fill: float | torch.Tensor = 0.5
) -> torch.Tensor:
    """(B, H, W): the mean fall of the score over the squares that cover a pixel; above 0 where it speaks for it.

    Args:
        images: (B, C, H, W) floats. side, stride: of the square, in pixels; the last ones lie at the border.
        fill: what a covered pixel becomes; the paper's is grey. Or images of the same shape, as blurred ones, which
            hide what is there without showing something else (Greydanus et al. 2018, https://arxiv.org/abs/1711.00138).
    """
    count, _, height, width = match_shape(images, -1, -1, -1, -1, name="images")
    if not 1 <= side <= min(height, width) or stride < 1:
        raise UserError(f"a square of {side} pixels, moved by {stride}, does not suit images of {height}x{width}")
    places = [(top, left) for top in _starts(height, side, stride) for left in _starts(width, side, stride)]
    falls = torch.zeros(count, height, width, device=images.device)
    covers = torch.zeros(height, width, device=images.device)
    for top, left in places:
        covers[top : top + side, left : left + side] += 1.0
    filled = torch.as_tensor(fill, dtype=images.dtype, device=images.device).expand_as(images)
    for number, image in enumerate(images):
        whole = score(image[None])[0]
        for start in range(0, len(places), AT_ONCE):
            some = places[start : start + AT_ONCE]
            covered = image.repeat(len(some), 1, 1, 1)
            for row, (top, left) in enumerate(some):
                place = (slice(None), slice(top, top + side), slice(left, left + side))
                covered[row][place] = filled[number][place]
            for (top, left), fall in zip(some, whole - score(covered)):
                falls[number, top : top + side, left : left + side] += fall
    return falls / covers.clamp_min(1.0)


def _starts(size: int, side: int, stride: int) -> list[int]:
    last = size - side
    return sorted({*range(0, last + 1, stride), last})
