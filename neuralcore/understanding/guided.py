"""Guided backpropagation and the deconvolutional network: gradients by another rule at ReLUs.

With r = relu(z), and R what comes back to r, to z goes
- R where z > 0, the gradient;
- R where R > 0, in a deconvolutional network (Zeiler & Fergus 2014, https://arxiv.org/abs/1311.2901);
- R where both are, in guided backpropagation (Springenberg et al. 2015, https://arxiv.org/abs/1412.6806, section 3).

The rule holds for every ReLU in the score, modules and functions alike: calls of relu are answered by another one
while it is computed, and nothing of the network is changed. A ReLU6 is one whose z is also below 6; GELU, tanh and
others keep their gradients.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch.overrides import TorchFunctionMode

from neuralcore.errors import UserError
from neuralcore.layers.rectified import ceiling
from neuralcore.understanding.score import Score, gradient_of

Rule = Literal["guided", "deconvolution"]


def guided_gradient(score: Score, inputs: torch.Tensor, *, rule: Rule = "guided") -> torch.Tensor:
    """What comes back to inputs (B, …) by the rule, of their shape.

    Raises:
        UserError: there are no ReLUs, so that it would be the gradient by another name.
    """
    with _Ruled(rule) as ruled:
        found = gradient_of(score, inputs)
    if not ruled.met:
        raise UserError(f"the network has no ReLUs, which {rule} is a rule for: choose another method")
    return found


class _Ruled(TorchFunctionMode):
    def __init__(self, rule: Rule):
        super().__init__()
        self.rule, self.met = rule, False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        high = ceiling(func, args, kwargs)
        if high is None:
            return func(*args, **kwargs)
        self.met = True
        return _RuledReLU.apply(args[0] if args else kwargs["input"], self.rule, high)


class _RuledReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: torch.Tensor, rule: Rule, high: float) -> torch.Tensor:
        ctx.rule, ctx.high = rule, high
        ctx.save_for_backward(z)
        return z.clamp(0.0, high)

    @staticmethod
    def backward(ctx: Any, back: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (z,) = ctx.saved_tensors
        passed = back.clamp_min(0.0)
        return (passed * ((z > 0) & (z < ctx.high)) if ctx.rule == "guided" else passed), None, None
