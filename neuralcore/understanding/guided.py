"""Guided backpropagation and the deconvolutional network: gradients by another rule at ReLUs.

With r = relu(z), and R what comes back to r, to z goes
- R where z > 0, the gradient;
- R where R > 0, in a deconvolutional network (Zeiler & Fergus 2014, https://arxiv.org/abs/1311.2901);
- R where both are, in guided backpropagation (Springenberg et al. 2015, https://arxiv.org/abs/1412.6806, section 3).

The rule holds for every ReLU in the score, modules and functions alike: calls of relu are answered by another one
while it is computed, and nothing of the network is changed. Other rectifiers (GELU, tanh) keep their gradients.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch.overrides import TorchFunctionMode

from neuralcore.understanding.score import Score, gradient_of

Rule = Literal["guided", "deconvolution"]
_RELUS = {torch.relu, torch.relu_, torch.Tensor.relu, torch.Tensor.relu_, torch.nn.functional.relu}


def guided_gradient(score: Score, inputs: torch.Tensor, *, rule: Rule = "guided") -> torch.Tensor:
    """What comes back to inputs (B, …) by the rule, of their shape."""
    with _Ruled(rule):
        return gradient_of(score, inputs)


class _Ruled(TorchFunctionMode):
    def __init__(self, rule: Rule):
        super().__init__()
        self.rule = rule

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _RELUS:
            return _RuledReLU.apply(args[0] if args else (kwargs or {})["input"], self.rule)
        return func(*args, **(kwargs or {}))


class _RuledReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: torch.Tensor, rule: Rule) -> torch.Tensor:
        ctx.rule = rule
        ctx.save_for_backward(z)
        return z.clamp_min(0.0)

    @staticmethod
    def backward(ctx: Any, back: torch.Tensor) -> tuple[torch.Tensor, None]:
        (z,) = ctx.saved_tensors
        passed = back.clamp_min(0.0)
        return (passed * (z > 0) if ctx.rule == "guided" else passed), None
