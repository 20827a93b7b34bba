"""Op `q_learning`: errors and loss of a batch for deep Q-learning, and the loss's gradient in closed form.

    e = r + γ q_target(s', argmax_a q_selector(s', a)) - q(s, a)
    l = ½ e² where |e| <= c, else c (|e| - ½ c)          (Huber)
    ∂(Σ w l / B) / ∂q(s, a) = -w clip(e, -c, c) / B,     0 for the other actions

That is Mnih et al. (2015), who clip the error, with q_selector = q_target; van Hasselt et al. (2016) let the online
network select; w are the importance weights of Schaul et al. (2016). Recording a dozen tensor operations to
differentiate them costs more than a small network does. Axes: B transitions, A actions.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from neuralcore import kernels
from neuralcore.shape import match_shape


class QLearning(NamedTuple):
    """What a batch says.

    Attributes:
        errors: (B,) e. losses: (B,) w l. gradient: (B, A) of the mean of the losses, by q.
    """

    errors: Any
    losses: Any
    gradient: Any


def q_learning(
    q_tm1: Any,
    action_tm1: Any,
    reward_t: Any,
    discount_t: Any,
    q_target_t: Any,
    q_selector_t: Any,
    weight: Any,
    clip: float | None,
    *,
    implementation: kernels.Implementation = "auto",
) -> QLearning:
    """Errors, losses and gradient.

    Args:
        q_tm1: (B, A) float32, the online network's values before the action; C-contiguous as all arrays here.
        action_tm1: (B,) int64 in 0 … A-1 (not checked here). reward_t: (B,) float32.
        discount_t: (B,) float32, γ, or 0 where s' is terminal.
        q_target_t: (B, A) float32, the target network's values after it.
        q_selector_t: (B, A) float32, whose largest picks the action; of equal ones the first.
        weight: (B,) float32. clip: c; None never clips.
        implementation: "reference", "cpu" (NumPy arrays), "cuda" (torch tensors) or "auto", by where `q_tm1` lives.

    Raises:
        ValueError: a shape does not fit.
    """
    batch, actions = match_shape(q_tm1, -1, -1, name="q_tm1")
    rows = {"action_tm1": action_tm1, "reward_t": reward_t, "discount_t": discount_t, "weight": weight}
    for name, array in rows.items():
        match_shape(array, batch, name=name)
    match_shape(q_target_t, batch, actions, name="q_target_t")
    match_shape(q_selector_t, batch, actions, name="q_selector_t")
    rate = kernels.implementation("q_learning", implementation, q_tm1)
    limit = math.inf if clip is None else float(clip)
    return QLearning(*rate(q_tm1, action_tm1, reward_t, discount_t, q_target_t, q_selector_t, weight, limit))
