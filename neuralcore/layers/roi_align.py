"""RoI align with its gradient: the ops `roi_align` and `roi_align_backward` for autograd."""

from __future__ import annotations

from typing import Any

import torch

from neuralcore.kernels.roi_align import roi_align
from neuralcore.kernels.roi_align_backward import roi_align_backward
from neuralcore.shape import match_shape


def roi_aligned(
    features: torch.Tensor, boxes: torch.Tensor, images: torch.Tensor, scale: float, size: int, samples: int = 2
) -> torch.Tensor:
    """(R, C, size, size) float32, channels last in memory: a grid of each box, interpolated.

    Args:
        features: (B, C, H, W), best channels last in memory, where nothing is copied.
        boxes: (R, 4), left, top, right, bottom in pixels of the image; they get no gradient.
        images: (R,) int64, which image a box is of. scale: pixels of the features for one of the image.
        size: cells along an axis. samples: points of a cell along an axis.
    """
    match_shape(features, -1, -1, -1, -1, name="features")
    cells = _RoIAlign.apply(features.float().permute(0, 2, 3, 1), boxes.float(), images, scale, size, samples)
    return cells.permute(0, 3, 1, 2)


class _RoIAlign(torch.autograd.Function):
    """Of features (B, H, W, C)."""

    @staticmethod
    def forward(
        ctx: Any,
        features: torch.Tensor,
        boxes: torch.Tensor,
        images: torch.Tensor,
        scale: float,
        size: int,
        samples: int,
    ) -> torch.Tensor:
        boxes, images = boxes.contiguous(), images.contiguous()
        ctx.save_for_backward(boxes, images)
        ctx.rest = scale, samples, tuple(features.shape[:3])
        return _called(roi_align, features.contiguous(), boxes, images, scale, size, samples)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        boxes, images = ctx.saved_tensors
        scale, samples, shape = ctx.rest
        found = _called(roi_align_backward, gradient.float().contiguous(), boxes, images, scale, samples, shape)
        return found, None, None, None, None, None


def _called(op: Any, *arguments: Any) -> torch.Tensor:
    """An op's result as a tensor: on the CPU it takes NumPy arrays, which share the tensors' memory."""
    if arguments[0].is_cuda:
        return op(*arguments)
    lent = (a.detach().numpy() if isinstance(a, torch.Tensor) else a for a in arguments)
    return torch.from_numpy(op(*lent))
