"""What a network costs: its parameters, and the multiply-adds of one pass. Nothing is computed for it."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn


def parameters(model: nn.Module) -> int:
    """Learned numbers, each counted once."""
    return sum(p.numel() for p in model.parameters())


@torch.no_grad()
def multiply_adds(model: nn.Module, shape: tuple[int, ...]) -> int:
    """Products of convolutions and fully connected layers in evaluation of one example.

    A product with the addition that follows is one, as the papers count; biases, norms, poolings and products of two
    activations are left out. It runs on the meta device, where tensors have shapes and no numbers.

    Args:
        shape: of the example, without its batch axis.
    """
    total = 0

    def count(layer: Any, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        nonlocal total
        if isinstance(layer, nn.Linear):
            total += output.numel() * layer.in_features
        elif layer.transposed:
            total += inputs[0].numel() * layer.weight[0].numel()
        else:
            total += output.numel() * layer.weight[0].numel()

    ghost = copy.deepcopy(model).to("meta").eval()
    for layer in ghost.modules():
        if isinstance(layer, (nn.Linear, nn.modules.conv._ConvNd)):
            layer.register_forward_hook(count)
    ghost(torch.empty(1, *shape, device="meta"))
    return total
