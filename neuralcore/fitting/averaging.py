"""Averages of weights: what is judged and kept in place of the last ones.

An exponential moving average, or the mean of the weights at the end of epochs ("Averaging weights leads to wider
optima", Izmailov et al. 2018, SWA). Both are of the whole state, batch norms' statistics too; whole numbers are taken
as they are now.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

State = dict[str, torch.Tensor]


def state_of(model: nn.Module) -> State:
    """Copies of a model's weights and buffers."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


class MovingAverage:
    """a <- d a + (1 - d) w, with d = min(decay, (1 + t) / (10 + t)) at step t: the first weights are soon forgotten.

    Args:
        model: whose state it begins with. decay: of each step.
    """

    def __init__(self, model: nn.Module, decay: float):
        self.decay = decay
        self.state = state_of(model)

    @torch.no_grad()
    def take(self, model: nn.Module, step: int) -> None:
        """The model's state after step number `step`, counted from 1."""
        share = 1.0 - min(self.decay, (1.0 + step) / (10.0 + step))
        mine, theirs = [], []
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                mine.append(self.state[name])
                theirs.append(value)
            else:
                self.state[name].copy_(value)
        torch._foreach_lerp_(mine, theirs, share)


class MeanOfSnapshots:
    """The mean of the states it was given.

    Attributes:
        state: the mean; empty before the first. count: how many.
    """

    def __init__(self) -> None:
        self.state: State = {}
        self.count = 0

    @torch.no_grad()
    def take(self, model: nn.Module) -> None:
        """One more."""
        self.count += 1
        now = state_of(model)
        for name, value in now.items():
            if name in self.state and value.is_floating_point():
                value.lerp_(self.state[name], 1.0 - 1.0 / self.count)
        self.state = now


@contextlib.contextmanager
def swapped(model: nn.Module, state: Mapping[str, torch.Tensor] | None) -> Iterator[None]:
    """The context in which a model has another state; None: its own."""
    if state is None:
        yield
        return
    own = state_of(model)
    model.load_state_dict(state)
    try:
        yield
    finally:
        model.load_state_dict(own)


@torch.no_grad()
def see_again(model: nn.Module, passes: Callable[[], Iterator[object]]) -> None:
    """Replace batch norms' statistics by the mean of those of the batches that `passes` sends through the model."""
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch's word for the mean of all batches alike
    for _ in passes():
        pass
    for norm, momentum in zip(norms, momenta):
        norm.momentum = momentum


def as_arrays(state: Mapping[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """A state as NumPy arrays, to be written; bfloat16 has none, and no model keeps its weights in it."""
    return {name: value.detach().cpu().numpy() for name, value in state.items()}


def as_state(arrays: Mapping[str, np.ndarray], device: torch.device) -> State:
    """What `as_arrays` gave."""
    return {name: torch.from_numpy(np.array(value)).to(device) for name, value in arrays.items()}
