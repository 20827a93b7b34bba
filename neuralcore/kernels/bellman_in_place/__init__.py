"""Op `bellman_in_place`: one Gauss-Seidel sweep of Bellman backups, each state seeing what was just found.

    v(s) <- max_a [ r(s, a) + γ Σ_{s' ≠ s} p(s' | s, a) v(s') ] / (1 - γ p(s | s, a)),        s = 0, 1, … or backwards

The division settles at once what staying in a state brings, which a plain backup would approach step by step; the
fixed point is the same (Puterman 1994, section 6.3.3). An action that surely stays, at discount 1, is left undivided.

Backups depend on each other, so the sweep is one thread's work and has no GPU version.
"""

from __future__ import annotations

from typing import Any

from neuralcore import kernels
from neuralcore.kernels.bellman import Rows, Table, match_model
from neuralcore.shape import match_shape


def bellman_in_place(
    transitions: Rows | Table,
    rewards: Any,
    values: Any,
    discount: float,
    *,
    policy: Any = None,
    backwards: bool = False,
    implementation: kernels.Implementation = "auto",
) -> float:
    """One sweep over all states; `values` is changed.

    Args:
        transitions: `Rows` or a `Table`, of S states and A actions.
        rewards: (S, A) float64.
        values: (S,) float64.
        discount: γ in [0, 1].
        policy: (S,) int64, the only action to look at in each state (not checked here); None takes the best.
        backwards: from the last state to the first.

    Returns:
        The largest change of a value.

    Raises:
        ValueError: a shape does not fit.
    """
    states, _ = match_model(transitions, rewards, values)
    if policy is not None:
        match_shape(policy, states, name="policy")
    sweep = kernels.implementation("bellman_in_place", implementation, values)
    return float(sweep(transitions, rewards, values, discount, policy, backwards))
