"""Policies of a known model: their exact values, and the ones that are greedy or that surely end.

Axes: S states, A actions. A policy is (S,) int64, one action a state, or (S, A), the probability of each action; what
it says of terminal states means nothing.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from neuralcore.errors import UserError
from neuralcore.kernels.backward_order import backward_order
from neuralcore.kernels.bellman import Rows, Table
from neuralcore.kernels.predecessors import predecessors
from rlkit.mdp import ENDS, MDP

DIRECT_EFFORT = 2e9  # multiplications up to which a system is factorised at once: a second


def chain(mdp: MDP, policy: np.ndarray) -> tuple[Rows, np.ndarray]:
    """The model that is left when a policy decides: transitions of one action, and its rewards (S, 1).

    Args:
        policy: (S,) actions or (S, A) probabilities.
    """
    each = np.arange(mdp.states)
    if policy.ndim == 1:
        matrix = mdp.matrix()[each * mdp.actions + policy]
        return Rows(matrix.indptr, matrix.indices, matrix.data), mdp.rewards[each, policy][:, None]
    from scipy.sparse import csr_matrix

    rows = mdp.states * mdp.actions
    mix = csr_matrix((policy.reshape(-1), np.arange(rows), np.arange(0, rows + 1, mdp.actions)), (mdp.states, rows))
    matrix = (mix @ mdp.matrix()).tocsr()
    return Rows(matrix.indptr, matrix.indices, matrix.data), (policy * mdp.rewards).sum(axis=1, keepdims=True)


def evaluate(mdp: MDP, policy: np.ndarray, discount: float, initial: np.ndarray | None = None) -> np.ndarray:
    """The values (S,) of one policy; see `Evaluator`."""
    return Evaluator(mdp).values(policy, discount, initial)


class Evaluator:
    """Evaluates policies of a model, v = r_π + γ P_π v, to rounding.

    By sparse LU where the factors stay thin, as those of grids and corridors do. Where successors are strewn at
    random they would fill memory: there by BiCGSTAB (van der Vorst 1992) on what is still missing, again and again,
    and by LU after all if that does not converge.
    """

    def __init__(self, mdp: MDP):
        self.mdp = mdp

    def values(self, policy: np.ndarray, discount: float, initial: np.ndarray | None = None) -> np.ndarray:
        """The values of a policy.

        Args:
            policy: (S,) actions or (S, A) probabilities; at discount 1 one under which every episode ends.
            discount: γ in [0, 1].
            initial: (S,) values to iterate from.

        Returns:
            (S,) float64.
        """
        from scipy.sparse import csr_matrix, identity
        from scipy.sparse.linalg import splu

        states = self.mdp.states
        (indptr, indices, probabilities), rewards = chain(self.mdp, policy)
        following = csr_matrix((probabilities, indices, indptr), shape=(states, states))
        system = (identity(states, format="csr") - discount * following).tocsr()
        rewards = rewards[:, 0]
        if self._effort > DIRECT_EFFORT:
            values = np.zeros(states) if initial is None else initial.copy()
            for _ in range(20):  # each round wins four digits
                missing = rewards - system @ values
                if np.abs(missing).max() <= 1e-13 * max(1.0, np.abs(values).max()):
                    return values
                correction = _bicgstab(system, missing, 1e-4, 500)
                if correction is None:
                    break
                values += correction
        # Diagonally dominant, so that no pivoting is needed and the symmetric ordering applies.
        ordering = {"permc_spec": "MMD_AT_PLUS_A", "diag_pivot_thresh": 0.0, "options": {"SymmetricMode": True}}
        return splu(system.tocsc(), **ordering).solve(rewards)

    @cached_property
    def _effort(self) -> float:
        """Multiplications to eliminate the unknowns of any policy within the envelope of the Cuthill-McKee order."""
        from scipy.sparse import csr_matrix
        from scipy.sparse.csgraph import reverse_cuthill_mckee

        states, actions = self.mdp.rewards.shape
        indptr, indices, _ = self.mdp.rows
        pattern = csr_matrix((np.ones(len(indices)), indices, indptr[::actions]), shape=(states, states))
        position = np.empty(states, np.int64)
        position[reverse_cuthill_mckee((pattern + pattern.T).tocsr(), symmetric_mode=True)] = np.arange(states)
        rows = np.repeat(np.arange(states), np.diff(pattern.indptr))
        width = np.zeros(states)
        np.maximum.at(width, rows, np.abs(position[rows] - position[indices]))
        return float(np.square(width).sum())


def _bicgstab(matrix: Any, right: np.ndarray, tolerance: float, most: int) -> np.ndarray | None:
    """x with |right - matrix x| <= tolerance |right|, or None after `most` iterations (van der Vorst 1992).

    Not scipy's, whose dot products go to threads of BLAS: they wait for each other longer than a vector of 100,000
    numbers takes, and on a busy machine for a hundred times as long.
    """

    def dot(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.einsum("i,i", a, b))

    x, residual = np.zeros_like(right), right.copy()
    direction, shadow, rho = residual.copy(), right, dot(right, right)
    enough = tolerance**2 * rho
    for _ in range(most):
        image = matrix @ direction
        against = dot(shadow, image)
        if rho == 0 or against == 0:
            return None
        alpha = rho / against
        x += alpha * direction
        residual -= alpha * image
        stabiliser = matrix @ residual
        omega = dot(stabiliser, residual) / max(dot(stabiliser, stabiliser), 1e-300)
        if omega == 0:
            return None
        x += omega * residual
        residual -= omega * stabiliser
        if dot(residual, residual) <= enough:
            return x
        previous, rho = rho, dot(shadow, residual)
        direction = residual + (rho / previous) * (alpha / omega) * (direction - omega * image)
    return None


def greedy(mdp: MDP, q: np.ndarray, discount: float, tolerance: float) -> np.ndarray:
    """The best action of each state, the lowest of equals.

    At discount 1 a best action may lead round a circle that costs nothing and never reach what its value promises.
    There, states whose greedy actions do not end take an action within `tolerance` of the best that leads to the end.

    Args:
        q: (S, A). tolerance: of a tie.

    Returns:
        (S,) int64.
    """
    policy = q.argmax(axis=1)
    if discount < 1:
        return policy
    best = np.zeros(q.shape, bool)
    best[np.arange(mdp.states), policy] = True
    strays = towards_the_end(mdp, best) < 0
    if strays.any():
        tied = np.where(strays[:, None], q >= q.max(axis=1, keepdims=True) - tolerance, best)
        ending = towards_the_end(mdp, tied)
        policy = np.where(strays & (ending >= 0), ending, policy)
    return policy


def first_endless(mdp: MDP, policy: np.ndarray | None = None) -> int | None:
    """The first state from which no episode can end: under a policy (S,) or (S, A), or whatever is done; or None."""
    transitions: Rows | Table = mdp.transitions
    if policy is None:
        ends = mdp.ends.any(axis=1)
    else:
        transitions, _ = chain(mdp, policy)
        goes_on = np.zeros(mdp.states)
        np.add.at(goes_on, np.repeat(np.arange(mdp.states), np.diff(transitions.indptr)), transitions.probabilities)
        ends = goes_on < 1 - ENDS
    order, reached, _ = backward_order(predecessors(transitions, mdp.states), ends)
    return int(order[reached:].min()) if reached < mdp.states else None


def check_every_state_can_end(mdp: MDP) -> None:
    """Refuse a model for discount 1 if a state has no proper policy, one under which the episode surely ends.

    Raises:
        UserError: from some state no episode can end, whatever the actions.
    """
    state = first_endless(mdp)
    if state is not None:
        name = mdp.state_names[state] if mdp.state_names else state
        raise UserError(
            f"discount 1: from state {name} no episode can end, whichever of the actions 0 to {mdp.actions - 1} is "
            f"taken, so that its value need not exist: use a discount below 1"
        )


def ending(mdp: MDP) -> np.ndarray:
    """From each state towards the nearest end of the episode; where none can be reached, the best next reward."""
    policy = towards_the_end(mdp, np.ones((mdp.states, mdp.actions), bool))
    return np.where(policy < 0, mdp.rewards.argmax(axis=1), policy)


def towards_the_end(mdp: MDP, allowed: np.ndarray) -> np.ndarray:
    """For each state an allowed action on a shortest path to where the episode ends.

    Breadth first from the end, against the transitions. Whoever follows these actions comes one step nearer with
    positive probability at every step, so the episode ends with probability 1.

    Args:
        allowed: (S, A) bool.

    Returns:
        (S,) int64, -1 where allowed actions never lead to an end; 0 in terminal states.
    """
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import breadth_first_order

    states, actions = allowed.shape
    end = states  # one more node
    indptr, indices, _ = mdp.rows
    rows = np.repeat(np.arange(states * actions), np.diff(indptr))  # of each outcome
    usable = allowed.reshape(-1)[rows]
    sources, targets, rows = rows[usable] // actions, indices[usable], rows[usable]
    ends = allowed & mdp.ends
    last = np.flatnonzero(ends.any(axis=1))

    backwards = csr_matrix(
        (np.ones(len(sources) + len(last)), (np.append(targets, np.full(len(last), end)), np.append(sources, last))),
        shape=(states + 1, states + 1),
    )
    nearer = breadth_first_order(backwards, end, return_predecessors=True)[1][:states]
    towards = np.full(states, actions)
    on_path = nearer[sources] == targets
    np.minimum.at(towards, sources[on_path], rows[on_path] % actions)
    towards[last] = ends.argmax(axis=1)[last]
    towards[mdp.terminals] = 0
    return np.where(towards < actions, towards, -1)
