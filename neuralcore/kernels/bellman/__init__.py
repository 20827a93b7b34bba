"""Op `bellman`: one Jacobi sweep of the Bellman optimality operator over a sparse Markov decision process.

    q(s, a) = r(s, a) + γ Σ_s' p(s' | s, a) v(s')         v'(s) = max_a q(s, a)

Transitions come in one of two storages. `Rows` lists the outcomes of each state and action and holds any model. A
`Table` holds worlds that are alike everywhere, such as grids: a state has D successors, whatever is done, and an
action is a way of weighing them; a state then costs 4·D bytes, where rows take 12 for each outcome of each action.

Probabilities may sum to less than 1: what is missing is the probability that the episode ends there, after which
nothing more is earned. Rows with one action (A = 1) are a policy's own chain, and the sweep is then one step of
policy evaluation.

Axes: S states, A actions, E outcomes with positive probability, D successors.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from neuralcore import kernels
from neuralcore.shape import match_shape


class Rows(NamedTuple):
    """Outcomes in CSR order, row s·A + a holding those of action a in state s.

    indptr: (S·A + 1,) int32 or int64, where each row begins; `indptr[-1]` is E.
    indices: (E,) the same integers, successor states in 0 … S-1 (not checked here).
    probabilities: (E,) float64.
    """

    indptr: Any
    indices: Any
    probabilities: Any


class Table(NamedTuple):
    """p(successors[s, d] | s, a) = weights[a, d], the same weights in all states.

    successors: (S, D) int32 or int64, -1 where the episode ends (not checked here). Successors may repeat.
    weights: (A, D) float64.
    """

    successors: Any
    weights: Any


class Sweep(NamedTuple):
    """What one sweep gives.

    values: (S,) v'. q: (S, A), or None where a policy was followed. policy: (S,) int32, the best action of each
    state, the first of equals; or the policy that was followed.
    lowest, highest: the least and greatest change v' - v of a state.
    """

    values: Any
    q: Any
    policy: Any
    lowest: float
    highest: float

    @property
    def residual(self) -> float:
        """max |v' - v|, the Bellman residual of the values that were swept."""
        return max(-self.lowest, self.highest)


def bellman(
    transitions: Rows | Table,
    rewards: Any,
    values: Any,
    discount: float,
    *,
    policy: Any = None,
    out: tuple[Any, Any, Any] | None = None,
    implementation: kernels.Implementation = "auto",
) -> Sweep:
    """One sweep v -> v'.

    Args:
        transitions: `Rows` or a `Table`.
        rewards: (S, A) float64, expected reward of each state and action.
        values: (S,) float64, v.
        discount: γ in [0, 1].
        policy: (S,) int32, the only action to look at in each state (not checked here): v' is then one step of the
            policy's evaluation, r_π + γ P_π v, at a fraction 1/A of the cost. None takes the best.
        out: contiguous arrays (S,), (S, A) and (S,) int32 to write v', q and the best actions into, sharing no memory
            with `values`; sweeping a large model spends a third of its time on fresh pages without them. Following a
            policy writes to the first alone.
        implementation: "reference", "cpu" (NumPy arrays), "cuda" (torch tensors) or "auto", by where `values` lives.

    Returns:
        The `Sweep`. All arrays are float64; the same input gives the same bytes, whatever the number of threads.

    Raises:
        ValueError: a shape does not fit.
    """
    states, actions = match_model(transitions, rewards, values)
    if policy is not None:
        match_shape(policy, states, name="policy")
    if out is not None:
        match_shape(out[0], states, name="out[0]")
        match_shape(out[1], states, actions, name="out[1]")
        match_shape(out[2], states, name="out[2]")
    sweep = kernels.implementation("bellman", implementation, values)
    return Sweep(*sweep(transitions, rewards, values, discount, policy, out))


def match_model(transitions: Rows | Table, rewards: Any, values: Any) -> tuple[int, int]:
    """(S, A) of a model whose shapes fit together; `values` (S,) goes with it.

    Raises:
        ValueError: a shape does not fit.
    """
    states, actions = match_shape(rewards, -1, -1, name="rewards")
    match_shape(values, states, name="values")
    if isinstance(transitions, Table):
        (successors,) = match_shape(transitions.successors, states, -1, name="successors")
        match_shape(transitions.weights, actions, successors, name="weights")
    else:
        match_shape(transitions.indptr, states * actions + 1, name="indptr")
        outcomes = match_shape(transitions.indices, -1, name="indices")
        match_shape(transitions.probabilities, *outcomes, name="probabilities")
    return states, actions
