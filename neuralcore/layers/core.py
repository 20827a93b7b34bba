"""A recurrent core: what a network keeps of the observations it has seen since an episode began.

Axes: T steps, N environments, F features, W the core's width. Episodes begin anywhere in the T steps of each
environment, so the steps are taken one after the other; what does not wait for the step before is done at once.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from neuralcore.layers.initial import InitialWeights, set_initial
from neuralcore.shape import match_shape


class LSTMCore(nn.Module):
    """Long short-term memory with forget gates (Hochreiter & Schmidhuber 1997, Gers et al. 2000).

        i, f, o = sigmoid(W x_t + U h_{t-1} + b),   g = tanh(W x_t + U h_{t-1} + b)    each with weights of its own
        c_t = f c_{t-1} + i g,   h_t = o tanh(c_t)

    The gates lie in the order i, f, g, o. It works in fp32 whatever the precision around it: errors
    add up over steps.

    Args:
        features: F, width of the input. width: W, of the output and of each half of the state.
        initial: "fan_in", or "orthogonal" with gain 1. The forget gates' biases are 1 higher: at first the core keeps
            most of what it has seen (Jozefowicz et al. 2015). generator: first weights come from it.
    """

    def __init__(
        self,
        features: int,
        width: int,
        *,
        initial: InitialWeights = "fan_in",
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        self.features, self.width = features, width
        self.input = nn.Linear(features, 4 * width)
        self.recurrent = nn.Linear(width, 4 * width, bias=False)
        for layer in (self.input, self.recurrent):
            set_initial(layer, initial, generator, gain=1.0)
        with torch.no_grad():
            self.input.bias[width : 2 * width] += 1.0

    def zeros(self, count: int) -> torch.Tensor:
        """(N, 2, W): the state of N environments that have seen nothing."""
        return torch.zeros(count, 2, self.width, device=self.input.weight.device)

    def forward(
        self, features: torch.Tensor, state: torch.Tensor, begins: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Steps that follow each other.

        Args:
            features: (T, N, F).
            state: (N, 2, W), h and c before the first step, through which no gradient flows.
            begins: (T, N) bool, whether an episode begins with a step, which then meets the state zero.

        Returns:
            h (T, N, W) after each step, and the state (N, 2, W) after the last, without gradient.
        """
        steps, count = match_shape(features, -1, -1, self.features, name="features")
        match_shape(state, count, 2, self.width, name="state")
        match_shape(begins, steps, count, name="begins")
        with torch.autocast(features.device.type, enabled=False):
            inputs = self.input(features.float())
            keep = (~begins).float().unsqueeze(2)
            outputs, last = _Unrolled.apply(inputs, self.recurrent.weight, state[:, 0], state[:, 1], keep)
        return outputs, torch.stack([outputs[-1].detach(), last], dim=1)


class _Unrolled(torch.autograd.Function):
    """All steps, given W x + b of all of them; and back through time by hand.

    Autograd would write the gradient of U once a step, which costs more than all the rest; here it is one product.
    """

    @staticmethod
    def forward(
        ctx: Any, inputs: torch.Tensor, weight: torch.Tensor, h: torch.Tensor, c: torch.Tensor, keep: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        steps, count, width = inputs.shape[0], inputs.shape[1], weight.shape[1]
        gates = torch.empty_like(inputs)
        h_before, c_before, h_after, c_after = (inputs.new_empty(steps, count, width) for _ in range(4))
        transposed = weight.T
        for t in range(steps):
            h, c = torch.mul(h, keep[t], out=h_before[t]), torch.mul(c, keep[t], out=c_before[t])
            gate = torch.addmm(inputs[t], h, transposed, out=gates[t])
            gate[:, : 2 * width].sigmoid_()
            gate[:, 2 * width : 3 * width].tanh_()
            gate[:, 3 * width :].sigmoid_()
            i, f, g, o = gate.chunk(4, dim=1)
            c = torch.addcmul(f * c, i, g, out=c_after[t])
            h = torch.mul(o, c.tanh(), out=h_after[t])
        ctx.save_for_backward(gates, h_before, c_before, c_after, weight, keep)
        last = c_after[-1].clone()
        ctx.mark_non_differentiable(last)
        return h_after, last

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor, _: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        gates, h_before, c_before, c_after, weight, keep = ctx.saved_tensors
        steps, count, width = gradient.shape
        i, f, g, o = gates.chunk(4, dim=2)
        tanh_c = c_after.tanh()
        # How c, and before their squashing i, f and g by way of c and o by way of h, change what follows them.
        c_by_h = o * (1.0 - tanh_c * tanh_c)
        by_c = torch.stack([g * i * (1.0 - i), c_before * f * (1.0 - f), i * (1.0 - g * g)], dim=2)  # (T, N, 3, W)
        by_h = tanh_c * o * (1.0 - o)
        before = torch.empty_like(gates).view(steps, count, 4, width)
        forgotten = f * keep
        of_h, of_c = torch.zeros_like(gradient[0]), torch.zeros_like(gradient[0])
        for t in reversed(range(steps)):
            of_h = gradient[t] + of_h
            of_c = torch.addcmul(of_c, of_h, c_by_h[t])
            torch.mul(of_c.unsqueeze(1), by_c[t], out=before[t, :, :3])
            torch.mul(of_h, by_h[t], out=before[t, :, 3])
            of_h = (before[t].view(count, 4 * width) @ weight) * keep[t]
            of_c = of_c * forgotten[t]
        flat = before.view(steps * count, 4 * width)
        return flat.view_as(gates), flat.T @ h_before.view(steps * count, width), None, None, None
