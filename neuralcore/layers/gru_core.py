"""A recurrent core with fewer gates than `LSTMCore` has, and half its state. Axes as there."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from neuralcore.layers.initial import InitialWeights, set_initial
from neuralcore.shape import match_shape


class GRUCore(nn.Module):
    """The gated recurrent unit (Cho et al. 2014); its reset gate acts after the product, as torch has it.

        r, z = sigmoid(W x_t + U h_{t-1} + b),   n = tanh(W x_t + b + r (U h_{t-1} + b'))
        h_t = (1 - z) n + z h_{t-1}

    The gates lie in the order r, z, n. It works in fp32 whatever the precision around it.

    Args:
        features: F, width of the input. width: W, of the output and of the state.
        initial: "fan_in", or "orthogonal" with gain 1. generator: first weights come from it.
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
        self.input = nn.Linear(features, 3 * width)
        self.recurrent = nn.Linear(width, 3 * width)
        for layer in (self.input, self.recurrent):
            set_initial(layer, initial, generator, gain=1.0)

    def zeros(self, count: int) -> torch.Tensor:
        """(N, 1, W): the state of N environments that have seen nothing."""
        return torch.zeros(count, 1, self.width, device=self.input.weight.device)

    def forward(
        self, features: torch.Tensor, state: torch.Tensor, begins: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Steps that follow each other.

        Args:
            features: (T, N, F).
            state: (N, 1, W), h before the first step, through which no gradient flows.
            begins: (T, N) bool, whether an episode begins with a step, which then meets the state zero.

        Returns:
            h (T, N, W) after each step, and the state (N, 1, W) after the last, without gradient.
        """
        steps, count = match_shape(features, -1, -1, self.features, name="features")
        match_shape(state, count, 1, self.width, name="state")
        match_shape(begins, steps, count, name="begins")
        with torch.autocast(features.device.type, enabled=False):
            inputs = self.input(features.float())
            keep = (~begins).float().unsqueeze(2)
            outputs = _Unrolled.apply(inputs, self.recurrent.weight, self.recurrent.bias, state[:, 0], keep)
        return outputs, outputs[-1:].detach().transpose(0, 1).contiguous()


class _Unrolled(torch.autograd.Function):
    """All steps, given W x + b of all of them; and back through time by hand, as `LSTMCore` does."""

    @staticmethod
    def forward(
        ctx: Any,
        inputs: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        h: torch.Tensor,
        keep: torch.Tensor,
    ) -> torch.Tensor:
        steps, count, width = inputs.shape[0], inputs.shape[1], weight.shape[1]
        gates = inputs.clone()
        before, after, of_h = (inputs.new_empty(steps, count, width) for _ in range(3))  # of_h: U h + b', of n
        for t in range(steps):
            h = torch.mul(h, keep[t], out=before[t])
            product = torch.addmm(bias, h, weight.T)
            gates[t, :, : 2 * width].add_(product[:, : 2 * width]).sigmoid_()
            r, z, n = gates[t].chunk(3, dim=1)
            of_h[t] = product[:, 2 * width :]
            n.addcmul_(r, of_h[t]).tanh_()
            h = torch.lerp(n, h, z, out=after[t])
        ctx.save_for_backward(gates, before, of_h, weight, keep)
        return after

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        gates, before, of_h, weight, keep = ctx.saved_tensors
        steps, count, width = gradient.shape
        r, z, n = gates.chunk(3, dim=2)
        # How what is before their squashing changes h: that of n and z at once, that of r by way of n.
        by_n = (1.0 - z) * (1.0 - n * n)
        by_r, by_z = by_n * of_h * r * (1.0 - r), (before - n) * z * (1.0 - z)
        by = torch.stack([by_r, by_z, by_n * r], dim=2)  # (T, N, 3, W), of the parts of U h + b'
        own = torch.empty_like(by)
        reached = torch.empty_like(gradient)  # all of the gradient of h, what later steps add included
        of_h_before = torch.zeros_like(gradient[0])
        for t in reversed(range(steps)):
            of_h_now = torch.add(gradient[t], of_h_before, out=reached[t])
            torch.mul(of_h_now.unsqueeze(1), by[t], out=own[t])
            through = torch.addcmul(own[t].view(count, 3 * width) @ weight, of_h_now, z[t])
            of_h_before = through * keep[t]
        flat = own.view(steps * count, 3 * width)
        of_inputs = torch.cat([own[:, :, :2].flatten(2), reached * by_n], dim=2)
        return of_inputs, flat.T @ before.view(steps * count, width), flat.sum(0), None, None
