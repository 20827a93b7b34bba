"""Deterministic policies of a known model: their exact values, and the ones that are greedy or that surely end.

Axes: S states, A actions. A policy is (S,) int64, one action a state; in terminal states it is 0 and means nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from neuralcore.errors import UserError
from rlkit.mdp import MDP

DIRECT_EFFORT = 2e9  # multiplications up to which a system is factorised at once: a second
ENDS = 1e-9  # a row that misses more than this from 1 may end; less is rounding


def evaluate(mdp: MDP, policy: np.ndarray, discount: float, initial: np.ndarray | None = None) -> np.ndarray:
    """The values of a policy, v = r_π + γ P_π v, solved to rounding.

    By sparse LU where the factors stay thin, as those of grids and corridors do. Where successors are strewn at
    random they would fill memory: there by BiCGSTAB (van der Vorst 1992) on what is still missing, again and again,
    and by LU after all if that does not converge.

    Args:
        policy: (S,) actions; at discount 1 one under which every episode ends.
        discount: γ in [0, 1].
        initial: (S,) values to iterate from.

    Returns:
        (S,) float64.
    """
    from scipy.sparse import identity
    from scipy.sparse.linalg import bicgstab, splu

    each = np.arange(mdp.states)
    system = (identity(mdp.states, format="csr") - discount * mdp.matrix()[each * mdp.actions + policy]).tocsr()
    rewards = mdp.rewards[each, policy]
    if _elimination_effort(system) > DIRECT_EFFORT:
        values = np.zeros(mdp.states) if initial is None else initial.copy()
        for _ in range(20):  # each round wins four digits
            missing = rewards - system @ values
            if np.abs(missing).max() <= 1e-13 * max(1.0, np.abs(values).max()):
                return values
            correction, failed = bicgstab(system, missing, rtol=1e-4, maxiter=500)
            if failed:
                break
            values += correction
    # Diagonally dominant, so that no pivoting is needed and the symmetric ordering applies.
    ordering = {"permc_spec": "MMD_AT_PLUS_A", "diag_pivot_thresh": 0.0, "options": {"SymmetricMode": True}}
    return splu(system.tocsc(), **ordering).solve(rewards)


def _elimination_effort(system: Any) -> float:
    """Multiplications to eliminate the unknowns within the envelope of the Cuthill-McKee order: an upper bound."""
    from scipy.sparse.csgraph import reverse_cuthill_mckee

    states = system.shape[0]
    position = np.empty(states, np.int64)
    position[reverse_cuthill_mckee((system + system.T).tocsr(), symmetric_mode=True)] = np.arange(states)
    rows = np.repeat(np.arange(states), np.diff(system.indptr))
    width = np.zeros(states)
    np.maximum.at(width, rows, np.abs(position[rows] - position[system.indices]))
    return float(np.square(width).sum())


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


def ending(mdp: MDP, *, required: bool) -> np.ndarray:
    """From each state towards the nearest end of the episode; where none can be reached, the best next reward.

    Args:
        required: whether a state without an end is an error, as it is at discount 1.

    Raises:
        UserError: an end is required and from some state no episode can end.
    """
    policy = towards_the_end(mdp, np.ones((mdp.states, mdp.actions), bool))
    endless = policy < 0
    if required and endless.any():
        raise UserError(
            f"discount 1: from state {int(endless.argmax())} no episode can end, so that its value need not exist: "
            f"use a discount below 1"
        )
    return np.where(endless, mdp.rewards.argmax(axis=1), policy)


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
    transitions = mdp.matrix()
    rows = np.repeat(np.arange(states * actions), np.diff(mdp.indptr))  # of each outcome
    usable = allowed.reshape(-1)[rows]
    sources, targets, rows = rows[usable] // actions, mdp.indices[usable], rows[usable]
    ends = allowed & (np.asarray(transitions.sum(axis=1)).reshape(states, actions) < 1 - ENDS)
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
