"""The Chamfer distance with its gradient: the op `chamfer` for autograd (Fan et al. 2017, equation 3)."""

from __future__ import annotations

from typing import Any

import torch

from neuralcore.kernels.chamfer import chamfer


def chamfer_distance(points: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """(B,) float32: mean squared distance of points to the nearest other, plus that of others to the nearest point.

    Deviation: means, where the paper has sums, so that it does not grow with the number of points. Which point is
    nearest is taken as fixed in the gradient, which is exact wherever no two are equally near.

    Args:
        points: (B, N, D). others: (B, M, D).
    """
    squares, other_squares = _Chamfer.apply(points.float(), others.float())
    return squares.mean(1) + other_squares.mean(1)


class _Chamfer(torch.autograd.Function):
    """Squared distances (B, N) and (B, M) to the nearest."""

    @staticmethod
    def forward(ctx: Any, points: torch.Tensor, others: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        points, others = points.detach().contiguous(), others.detach().contiguous()
        if points.is_cuda:
            found = chamfer(points, others)
        else:
            found = chamfer(points.numpy(), others.numpy())
            found = type(found)(*map(torch.from_numpy, found))
        ctx.save_for_backward(points, others, found.rows, found.other_rows)
        return found.squares, found.other_squares

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor, other_gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        points, others, rows, other_rows = ctx.saved_tensors
        rows, other_rows = (r[..., None].expand(-1, -1, points.shape[2]) for r in (rows, other_rows))
        pull = 2.0 * gradient[..., None] * (points - others.gather(1, rows))
        other_pull = 2.0 * other_gradient[..., None] * (others - points.gather(1, other_rows))
        return pull.scatter_add(1, other_rows, -other_pull), other_pull.scatter_add(1, rows, -pull)
