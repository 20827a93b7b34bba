"""Op `bellman`: one Jacobi sweep of the Bellman optimality operator over a sparse Markov decision process.

    q(s, a) = r(s, a) + γ Σ_e∈row(s,a) p_e · v(successor_e)         v'(s) = max_a q(s, a)

Rows are in CSR order, row s·A + a holding the outcomes of action a in state s. A row may sum to less than 1: what is
missing is the probability that the episode ends there, after which nothing more is earned. A model with one action
(A = 1) is a policy's own chain, and the sweep is then one step of policy evaluation.

Axes: S states, A actions, E outcomes with positive probability.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from neuralcore import kernels
from neuralcore.shape import match_shape


class Sweep(NamedTuple):
    """What one sweep gives: `values` v' (S,), `q` (S, A), and the Bellman residual of its input, max |v' - v|."""

    values: Any
    q: Any
    residual: float


def bellman(
    indptr: Any,
    indices: Any,
    probabilities: Any,
    rewards: Any,
    values: Any,
    discount: float,
    *,
    out: tuple[Any, Any] | None = None,
    implementation: kernels.Implementation = "auto",
) -> Sweep:
    """One sweep v -> v'.

    Args:
        indptr: (S·A + 1,) int32 or int64, where each row begins; `indptr[-1]` is E.
        indices: (E,) the same integers, successor states in 0 … S-1 (not checked here).
        probabilities: (E,) float64.
        rewards: (S, A) float64, expected reward of each state and action.
        values: (S,) float64, v.
        discount: γ in [0, 1].
        out: contiguous arrays (S,) and (S, A) to write v' and q into, neither sharing memory with `values`; sweeping
            a large model spends a third of its time on fresh pages without them.
        implementation: "reference", "cpu" (NumPy arrays), "cuda" (torch tensors) or "auto", by where `values` lives.

    Returns:
        The `Sweep`. All arrays are float64; the same input gives the same bytes, whatever the number of threads.

    Raises:
        ValueError: a shape does not fit.
    """
    states, actions = match_shape(rewards, -1, -1, name="rewards")
    match_shape(indptr, states * actions + 1, name="indptr")
    match_shape(values, states, name="values")
    match_shape(probabilities, *match_shape(indices, -1, name="indices"), name="probabilities")
    if out is not None:
        match_shape(out[0], states, name="out[0]")
        match_shape(out[1], states, actions, name="out[1]")
    sweep = kernels.implementation("bellman", implementation, values)
    return Sweep(*sweep(indptr, indices, probabilities, rewards, values, discount, out))
