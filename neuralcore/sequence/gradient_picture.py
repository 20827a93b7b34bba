"""Vanishing and exploding gradients made visible: how much the state after each step moves the loss.

Bengio et al. (1994) and Pascanu et al. (2013): the gradient of step t is that of step t + 1 times the derivative of
one step, and so grows or shrinks by about the same factor each step. Where it is nothing, nothing is learned of what
was seen there.

Axes: B examples, T steps, F features, W width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch

from neuralcore.lazy import lazy_import
from neuralcore.sequence.recurrent import Recurrent

figures = lazy_import("matplotlib.figure", extra="plots")

COLOURS = ("#2a6f97", "#c9622b", "#4c956c", "#7b4b94", "#888888")
FLOOR = 1e-30  # below it a norm is drawn as this


def gradient_norms(core: Recurrent, inputs: torch.Tensor, loss: Callable[[torch.Tensor], torch.Tensor]) -> np.ndarray:
    """(T,) float64: |dL / d state_t|, the mean of B examples; the state is h, of an LSTM h and c, of all layers.

    Args:
        core: in one direction. inputs: (B, T, F).
        loss: of outputs (B, T, W), a sum over examples.
    """
    if core.directions > 1:
        raise ValueError("of two directions, each step has two states: the norms are of one direction")
    states = []
    with torch.enable_grad():
        state, outputs = core.zeros(len(inputs)), []
        for t in range(inputs.shape[1]):
            _, state = core(inputs[:, t : t + 1], state)
            if not state[0].requires_grad:  # weights that are frozen
                state = tuple(part.requires_grad_() for part in state)
            states.append(state)
            outputs.append(state[0][-1])  # the output is a copy, of which the state knows nothing
        flat = [part for state in states for part in state]
        found = torch.autograd.grad(loss(torch.stack(outputs, 1)), flat, allow_unused=True)
    kept = [torch.zeros_like(part) if gradient is None else gradient for part, gradient in zip(flat, found)]
    squares = torch.stack([part.double().square().sum((0, 2)) for part in kept])  # (T · parts, B)
    return squares.unflatten(0, (len(states), -1)).sum(1).sqrt().mean(1).cpu().numpy()


def gradient_picture(panels: Mapping[str, Mapping[str, np.ndarray]], path: Path) -> None:
    """Norms over steps on a scale of powers of ten, a panel for each title, a line for each name."""
    figure = figures.Figure(figsize=(4.6 * len(panels), 3.4), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axis, (title, lines) in zip(axes, panels.items()):
        for colour, (name, norms) in zip(COLOURS, lines.items()):
            axis.semilogy(np.arange(1, len(norms) + 1), np.maximum(norms, FLOOR), color=colour, label=name)
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("step", fontsize=8)
        axis.legend(fontsize=8, frameon=False)
    axes[0].set_ylabel("norm of the loss's gradient", fontsize=8)
    figure.savefig(path, dpi=120)
