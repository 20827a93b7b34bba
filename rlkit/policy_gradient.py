"""The maths of policy gradients, as pure functions of batches. Axes: B rows, A actions, D numbers in a Box action.

Losses are given row by row, so that their caller takes the mean over the rows that are transitions. Advantages and
old probabilities carry no gradient.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from neuralcore.shape import match_shape

LOG_2_PI = math.log(2 * math.pi)


def categorical(logits: torch.Tensor, action: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """log π(a) of actions (B,) int64, and the entropy -Σ_a π(a) log π(a), from logits (B, A): both (B,)."""
    (batch,) = match_shape(action, -1, name="action")
    match_shape(logits, batch, -1, name="logits")
    log_probability = torch.log_softmax(logits, dim=1)
    entropy = -(log_probability.exp() * log_probability).sum(dim=1)
    return log_probability.gather(1, action[:, None]).squeeze(1), entropy


def gaussian(mean: torch.Tensor, log_std: torch.Tensor, action: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """log π(a) of actions (B, D), and the entropy Σ_d log σ_d + ½ log 2πe, from means (B, D) and log σ (D,).

    The entropy is (B,) like the log-probability, though it is the same in all rows.
    """
    batch, numbers = match_shape(mean, -1, -1, name="mean")
    match_shape(log_std, numbers, name="log_std")
    match_shape(action, batch, numbers, name="action")
    standardised = (action - mean) * torch.exp(-log_std)
    log_probability = -(0.5 * (standardised.square() + LOG_2_PI) + log_std).sum(dim=1)
    return log_probability, (log_std + 0.5 * (LOG_2_PI + 1.0)).sum().expand(batch)


def policy_gradient_loss(log_probability: torch.Tensor, advantage: torch.Tensor) -> torch.Tensor:
    """-A log π(a), whose gradient is Williams' (1992): both arguments and the result (B,)."""
    match_shape(advantage, *match_shape(log_probability, -1, name="log_probability"), name="advantage")
    return -advantage.detach() * log_probability


def clipped_surrogate_loss(
    log_probability: torch.Tensor, old_log_probability: torch.Tensor, advantage: torch.Tensor, clip: float
) -> torch.Tensor:
    """-min(ρ A, clip(ρ, 1 - ε, 1 + ε) A) with ρ = π(a) / π_old(a) (Schulman et al. 2017, eq. 7): all (B,)."""
    (batch,) = match_shape(log_probability, -1, name="log_probability")
    match_shape(old_log_probability, batch, name="old_log_probability")
    match_shape(advantage, batch, name="advantage")
    advantage = advantage.detach()
    ratio = (log_probability - old_log_probability.detach()).exp()
    return -torch.minimum(ratio * advantage, ratio.clamp(1.0 - clip, 1.0 + clip) * advantage)


def squared_error(value: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """(value - target)², (B,); the gradient flows through the value alone."""
    match_shape(target, *match_shape(value, -1, name="value"), name="target")
    return (value - target.detach()).square()


def masked_mean(rows: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The mean of those of (B,) rows that the mask (B,), of ones and zeros, keeps; 0 where it keeps none."""
    match_shape(mask, *match_shape(rows, -1, name="rows"), name="mask")
    return rows.dot(mask) / mask.sum().clamp(min=1.0)


def normalised(advantage: np.ndarray) -> np.ndarray:
    """Advantages (B,) shifted and scaled to mean 0 and standard deviation 1; equal ones become 0."""
    match_shape(advantage, -1, name="advantage")
    return (advantage - advantage.mean()) / (advantage.std() + 1e-8)
