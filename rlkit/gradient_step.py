"""One gradient step, as all algorithms with networks take it."""

from __future__ import annotations

import torch

from neuralcore.device import flushed_denormals
from neuralcore.optimizers import Adam, RMSprop


def gradient_step(
    optimizer: Adam | RMSprop,
    loss: torch.Tensor,
    learning_rate: float,
    max_norm: float | None,
    gradient: torch.Tensor | None = None,
) -> torch.Tensor:
    """Move the optimiser's parameters down the gradient of a loss.

    Args:
        loss: scalar; or anything, if the `gradient` of a loss by it is known, of its shape.
        learning_rate: of this step.
        max_norm: gradients of a larger L2 norm, all of them taken as one vector, are scaled down to it.

    Returns:
        The norm before that, a scalar.
    """
    (group,) = optimizer.param_groups
    group["lr"] = learning_rate
    for parameter in group["params"]:
        parameter.grad = None  # what optimizer.zero_grad does, with a twentieth of a small network's step less
    with flushed_denormals():
        loss.backward(gradient)
    return optimizer.clipped_step(max_norm)
