"""Adam and RMSprop with clipping: torch's own, whose step on the CPU is one call of an op for all weights.

They keep torch's state under torch's names, so that checkpoints do not tell who took the step.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from neuralcore.device import flushed_denormals
from neuralcore.kernels.adam import adam
from neuralcore.kernels.rmsprop import rmsprop
from neuralcore.shape import Arrays


class _Clipping:
    """What both add to torch's optimisers of one parameter group."""

    _state_names: tuple[str, ...]
    _flat: tuple[Arrays, ...] | None = None  # weights and state as the op takes them, until the state is replaced

    def clipped_step(self, max_norm: float | None) -> torch.Tensor:
        """Scale gradients of an L2 norm (all of them one vector) above `max_norm` down to it, and take a step.

        Returns:
            The norm before that, a scalar.
        """
        (group,) = self.param_groups  # type: ignore[attr-defined]
        limit = math.inf if max_norm is None else max_norm
        parameters = group["params"]
        if parameters[0].is_cuda:
            norm = torch.nn.utils.clip_grad_norm_(parameters, limit)
            self.step()  # type: ignore[attr-defined]
            return norm
        if self._flat is None:
            self._flat = self._flatten(parameters)
        gradients = tuple(flat(p.grad if p.grad is not None else torch.zeros_like(p), p) for p in parameters)
        with flushed_denormals():
            return torch.tensor(self._move(gradients, group, limit), dtype=torch.float32)

    def _move(self, gradients: Arrays, group: dict, limit: float) -> float:
        raise NotImplementedError

    def _flatten(self, parameters: list[torch.Tensor]) -> tuple[Arrays, ...]:
        """Weights and states, made where there are none yet, as views of (n,) in the order of memory."""
        states = [self.state[p] for p in parameters]  # type: ignore[attr-defined]
        for parameter, state in zip(parameters, states):
            if not state:
                state["step"] = torch.zeros(())
                state |= {name: torch.zeros_like(parameter) for name in self._state_names}
        arrays = [tuple(flat(s[name], p) for s, p in zip(states, parameters)) for name in self._state_names]
        return (tuple(flat(p, p) for p in parameters), *arrays, tuple(s["step"].view(-1).numpy() for s in states))

    def load_state_dict(self, state_dict: dict) -> None:
        """As torch's, but that the state then lies in memory as its weights do.

        Torch's fused step and ours take both by their order in memory, and that of channels-last weights is another.
        """
        super().load_state_dict(state_dict)  # type: ignore[misc]
        for parameter, state in self.state.items():  # type: ignore[attr-defined]
            for name in self._state_names:
                state[name] = torch.empty_like(parameter).copy_(state[name])
        self._flat = None


class Adam(_Clipping, torch.optim.Adam):
    """Adam (Kingma & Ba 2015), betas 0.9 and 0.999."""

    _state_names = ("exp_avg", "exp_avg_sq")

    def __init__(self, parameters: list[torch.nn.Parameter], learning_rate: float, epsilon: float):
        super().__init__(parameters, learning_rate, eps=epsilon, fused=True)

    def _move(self, gradients: Arrays, group: dict, limit: float) -> float:
        assert self._flat is not None
        weights, means, squares, steps = self._flat
        for step in steps:
            step += 1
        (beta1, beta2), count = group["betas"], int(steps[0][0])
        return adam(weights, gradients, means, squares, count, group["lr"], beta1, beta2, group["eps"], limit)


class RMSprop(_Clipping, torch.optim.RMSprop):
    """RMSprop (Tieleman & Hinton 2012); `centered` as in the code of Mnih et al. (2015)."""

    def __init__(
        self,
        parameters: list[torch.nn.Parameter],
        learning_rate: float,
        decay: float,
        epsilon: float,
        centered: bool = False,
    ):
        super().__init__(parameters, learning_rate, alpha=decay, eps=epsilon, centered=centered, foreach=True)
        self._state_names = ("square_avg", "grad_avg") if centered else ("square_avg",)

    def _move(self, gradients: Arrays, group: dict, limit: float) -> float:
        assert self._flat is not None
        weights, squares, *means, steps = self._flat
        for step in steps:
            step += 1
        average = means[0] if means else ()
        return rmsprop(weights, gradients, squares, average, group["lr"], group["alpha"], group["eps"], limit)


def flat(tensor: torch.Tensor, like: torch.Tensor) -> np.ndarray:
    """A tensor's numbers (n,) in the order in which `like` has them in memory; a view where both have the same."""
    tensor = tensor.detach()
    if tensor.is_contiguous() and like.is_contiguous():
        return tensor.numpy().reshape(-1)
    if tensor.stride() != like.stride():
        tensor = torch.empty_like(like).copy_(tensor)
    return tensor.as_strided((tensor.numel(),), (1,)).numpy()
