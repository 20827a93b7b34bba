"""A layer and the ReLU after it; a memory of what layers gave, for passes that are differentiated later; and which
calls rectify.

An on-policy learner runs its network twice over the same observations with the same weights: to act, step by step,
and to learn, all steps at once. The second forward pass gives what the first gave, so `Memory` keeps that, and the
second pass only records how to differentiate it. Half-precision or not, the numbers are those of the first pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

_RELUS = {torch.relu, torch.relu_, torch.Tensor.relu, torch.Tensor.relu_, F.relu}
Apply = Callable[[Any, torch.Tensor], torch.Tensor]  # of a Linear or Conv2d and its input


def rectified(layer: nn.Linear | nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
    """relu(layer(x)), rectified in place: moving numbers costs as much as multiplying them."""
    return torch.relu_(layer(x))


def ceiling(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> float | None:
    """Up to where a call of torch is a ReLU: infinity, 6 of a ReLU6; None if it is something else.

    A `TorchFunctionMode` sees the calls, of modules and functions alike; nn.ReLU6 calls hardtanh from 0 to 6.
    """
    if function in _RELUS:
        return math.inf
    if function is F.relu6:
        return 6.0
    if function is F.hardtanh:
        low, high = (
            kwargs.get(name, args[at] if len(args) > at else None) for at, name in ((1, "min_val"), (2, "max_val"))
        )
        return high if low == 0.0 else None
    return None


class Memory:
    """What rectified layers gave for some batches in turn.

    `keep` and `recall` stand in for `rectified` in a trunk's forward pass: the first for each batch, without
    gradients, the second for all of them in one batch. The weights must not have changed in between.
    """

    def __init__(self) -> None:
        self._given: dict[nn.Module, list[torch.Tensor]] = {}

    def keep(self, layer: nn.Linear | nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
        """relu(layer(x)), remembered."""
        y = rectified(layer, x)
        self._given.setdefault(layer, []).append(y)
        return y

    def recall(self, layer: nn.Linear | nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
        """What `keep` gave for the batches of which x (B, …) is made, with the gradients of relu(layer(x)).

        Raises:
            ValueError: the batches remembered have another number of rows in all.
        """
        y = torch.cat(self._given.get(layer, []) or [x[:0]])
        if y.shape[0] != x.shape[0]:
            raise ValueError(f"{x.shape[0]} rows are to be recalled and {y.shape[0]} are remembered")
        stride = layer.stride[0] if isinstance(layer, nn.Conv2d) else 0
        return _Recalled.apply(x, layer.weight, layer.bias, y, stride)

    def clear(self) -> None:
        """Forget all."""
        self._given.clear()


class _Recalled(torch.autograd.Function):
    """relu(layer(x)) whose value is known; stride 0 stands for a fully connected layer."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, y: torch.Tensor, stride: int
    ) -> torch.Tensor:
        ctx.save_for_backward(x, weight, y)
        ctx.stride = stride
        return y.view_as(y)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight, y = ctx.saved_tensors
        gradient = torch.ops.aten.threshold_backward(gradient.to(y.dtype), y, 0)
        x, weight, wanted = x.to(y.dtype), weight.to(y.dtype), ctx.needs_input_grad[0]
        if not ctx.stride:
            return gradient @ weight if wanted else None, gradient.T @ x, gradient.sum(0), None, None
        of_x, of_weight, of_bias = torch.ops.aten.convolution_backward(
            gradient,
            x,
            weight,
            [weight.shape[0]],
            [ctx.stride, ctx.stride],
            [0, 0],  # padding
            [1, 1],  # dilation
            False,
            [0, 0],
            1,
            [wanted, True, True],
        )
        return of_x, of_weight, of_bias, None, None
