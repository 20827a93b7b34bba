"""Op `returns`: advantages by generalised advantage estimation (Schulman et al. 2016), and the returns they go with.

    δ_t = r_t + γ [not terminated_t] v_{t+1} - v_t
    A_t = δ_t + γ λ [not ended_t] A_{t+1},   ended = terminated or truncated,   A_T = 0
    G_t = A_t + v_t

λ = 1 gives the n-step returns of Mnih et al. (2016), as long as the rows go: G_t = r_t + γ r_{t+1} + … + γ^(T-t) v_T.

Time is counted in steps of a vector environment in autoreset mode NEXT_STEP: where an episode ended in row t,
row t + 1 is the reset row, whose observation is the last of the episode. So v_{t+1} is what a truncated episode goes
on with, and needs no case of its own. A reset row is no transition: its advantage is 0, its return its value, and it
passes nothing on. Axes: T steps, N environments.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from neuralcore import kernels
from neuralcore.shape import match_shape


class Returns(NamedTuple):
    """What an action was worth.

    Attributes:
        advantages: (T, N) how much more than the value of the state. returns: (T, N) the sum of both.
    """

    advantages: Any
    returns: Any


def returns(
    rewards: Any,
    values: Any,
    terminated: Any,
    truncated: Any,
    transition: Any,
    discount: float,
    trace: float,
    *,
    implementation: kernels.Implementation = "auto",
) -> Returns:
    """Advantages and returns of T steps.

    Args:
        rewards: (T, N) float32 or float64, C-contiguous as all arrays here.
        values: (T + 1, N) of the same dtype: the value of each observation, and of those after the last step.
        terminated, truncated: (T, N) bool: the step ended the episode, for good or by a time limit.
        transition: (T, N) bool, False in a reset row.
        discount: γ. trace: λ.
        implementation: "reference", "cpu" (NumPy arrays), "cuda" (torch tensors) or "auto", by where `values` lives.

    Returns:
        The `Returns`, of the dtype of `rewards`; sums are taken in float64.

    Raises:
        ValueError: a shape does not fit, or the dtypes differ.
    """
    steps, count = match_shape(rewards, -1, -1, name="rewards")
    match_shape(values, steps + 1, count, name="values")
    for name, array in (("terminated", terminated), ("truncated", truncated), ("transition", transition)):
        match_shape(array, steps, count, name=name)
    if rewards.dtype != values.dtype:
        raise ValueError(f"rewards are {rewards.dtype} and values {values.dtype}: they must be of one dtype")
    estimate = kernels.implementation("returns", implementation, values)
    return Returns(*estimate(rewards, values, terminated, truncated, transition, float(discount), float(trace)))
