"""Planning in a known model: value, policy, modified policy and Q iteration, each with a certificate.

All look for the fixed point of the Bellman optimality operator T,

    q(s, a) = r(s, a) + γ Σ_s' p(s' | s, a) v(s'),     (Tv)(s) = max_a q(s, a),     v* = Tv*,

and stop by the Bellman residual max |Tv - v|. T contracts by γ, hence max |v - v*| <= residual / (1 - γ). The
residual in a `Solution` is computed anew from its values, by the plain implementation, not taken from the method's
last step. (Puterman 1994, Markov Decision Processes, chapters 6 and 7.)

At discount 1 T need not contract. Value iteration from v = 0 and policy iteration from a policy that surely ends are
then right where every cycle costs something or pays nothing (stochastic shortest paths, Bertsekas & Tsitsiklis 1991);
what is greedy may still walk in circles that cost nothing, so ties are broken towards the end of the episode.
"""

from __future__ import annotations

import time
from typing import Any, Literal

import numpy as np

from neuralcore.errors import UserError, nearest
from neuralcore.kernels.bellman import Sweep, bellman
from neuralcore.kernels.bellman_in_place import bellman_in_place
from rlkit import policies
from rlkit.certificate import (
    MOST_SWEEPS,
    Progress,
    as_numpy,
    certificate,
    check_discount,
    finished,
    model_on,
    move,
    prepared,
    room,
    shrunk,
    silent,
    timed,
)
from rlkit.mdp import MDP
from rlkit.prioritised import BackwardOrder, back_up_in_order, backward_model, first_values
from rlkit.solution import FiniteHorizonSolution, Solution

SETTLED = 0.1  # share of the disagreement between states from which evaluating a policy further is idle


def value_iteration(
    source: Any,
    *,
    discount: float = 0.99,
    tolerance: float = 1e-6,
    max_iterations: int = MOST_SWEEPS,
    sweep: Literal["jacobi", "gauss-seidel", "prioritised"] = "jacobi",
    device: str = "cpu",
    progress: Progress = silent,
) -> Solution:
    """v <- Tv until max |Tv - v| is within the tolerance (Bellman 1957).

    Args:
        source: an environment, an `MDP`, or anything `MDP.of` reads.
        discount: γ in (0, 1].
        tolerance: Bellman residual to stop at.
        max_iterations: sweeps after which to stop anyway; the solution then says `converged` False.
        sweep: "jacobi" backs up all states from the same values, beginning with v = 0, as the text books have it.
            "gauss-seidel" backs them up in place, forwards and backwards in turn. "prioritised" works against the
            transitions from where the rewards are, and only where something has changed.
        device: "cpu", "cuda" or "auto", where Jacobi sweeps run; the other two need one state after the other.
        progress: told how far it is.

    Raises:
        UserError: no or a wrong model, or an argument out of range.
    """
    if sweep not in ("jacobi", "gauss-seidel", "prioritised"):
        raise UserError(f"unknown sweep {sweep!r}: {nearest(sweep, ('jacobi', 'gauss-seidel', 'prioritised'))}")
    if sweep != "jacobi" and device != "cpu":
        raise UserError(f"{sweep} sweeps take one state after the other, on the CPU: leave out device={device!r}")
    mdp = prepared(source, discount, tolerance, max_iterations)
    if sweep == "jacobi":
        return timed(_jacobi, mdp, discount, tolerance, max_iterations, progress, device)
    return timed(
        _gauss_seidel if sweep == "gauss-seidel" else prioritised, mdp, discount, tolerance, max_iterations, progress
    )


def _jacobi(
    mdp: MDP, discount: float, tolerance: float, max_iterations: int, progress: Progress, device: str
) -> Solution:
    transitions, rewards = model_on(mdp, device)
    values, spare, q, best = (move(a, device) for a in (np.zeros(mdp.states), *room(mdp)))
    history: list[float] = []
    while len(history) < max_iterations:
        sweep = bellman(transitions, rewards, values, discount, out=(spare, q, best))
        values, spare = sweep.values, values
        history.append(sweep.residual)
        progress(shrunk(history, tolerance), len(history), history[-1])
        if history[-1] <= tolerance:
            break
    return finished(mdp, "value iteration", discount, tolerance, as_numpy(values), history)


def _gauss_seidel(mdp: MDP, discount: float, tolerance: float, max_iterations: int, progress: Progress) -> Solution:
    values = first_values(mdp, discount)
    history: list[float] = []
    while len(history) < max_iterations:
        backwards = len(history) % 2 == 1
        history.append(bellman_in_place(mdp.transitions, mdp.rewards, values, discount, backwards=backwards))
        progress(shrunk(history, tolerance), len(history), history[-1])
        # A sweep that moves nothing further than this leaves no residual above it.
        if history[-1] <= tolerance:
            break
    method = "Gauss-Seidel value iteration"
    return finished(mdp, method, discount, tolerance, values, history)


def prioritised(
    mdp: MDP,
    discount: float,
    tolerance: float,
    max_iterations: int,
    progress: Progress,
    order: BackwardOrder | None = None,
) -> Solution:
    """Value iteration in the order in which news travels; an `order` found before is not sought again."""
    order = order or backward_model(mdp, discount, tolerance)
    values, history = back_up_in_order(mdp, order, discount, tolerance, max_iterations, progress)
    return finished(mdp, "prioritised value iteration", discount, tolerance, values, history)


def q_iteration(
    source: Any,
    *,
    discount: float = 0.99,
    tolerance: float = 1e-6,
    max_iterations: int = MOST_SWEEPS,
    device: str = "cpu",
    progress: Progress = silent,
) -> Solution:
    """q(s, a) <- r(s, a) + γ Σ p(s' | s, a) max_a' q(s', a') from q = 0 until max |Tq - q| is within the tolerance.

    The table is what Q-learning estimates from samples. Arguments, result and errors are those of `value_iteration`,
    but the residual and the bound hold for every entry of q.
    """
    mdp = prepared(source, discount, tolerance, max_iterations)
    return timed(_q_iteration, mdp, discount, tolerance, max_iterations, progress, device)


def _q_iteration(
    mdp: MDP, discount: float, tolerance: float, max_iterations: int, progress: Progress, device: str
) -> Solution:
    transitions, rewards = model_on(mdp, device)
    q, values = move(np.zeros_like(mdp.rewards), device), move(np.zeros(mdp.states), device)
    history: list[float] = []
    while len(history) < max_iterations:
        sweep = bellman(transitions, rewards, values, discount)
        history.append(float(abs(sweep.q - q).max()))
        values, q = sweep.values, sweep.q
        progress(shrunk(history, tolerance), len(history), history[-1])
        if history[-1] <= tolerance:
            break
    found, table = as_numpy(values), as_numpy(q)
    residual = float(np.abs(certificate(mdp, found, discount)[0] - table).max())
    policy = policies.greedy(mdp, table, discount, tolerance)
    return Solution(mdp, "Q iteration", discount, tolerance, found, table, policy, residual, np.array(history), 0.0)


def modified_policy_iteration(
    source: Any,
    *,
    discount: float = 0.99,
    tolerance: float = 1e-6,
    max_iterations: int = MOST_SWEEPS,
    evaluations: int = 8,
    progress: Progress = silent,
) -> Solution:
    """Make the policy greedy, follow its own backups for a few sweeps, and again (Puterman & Shin 1978).

    A policy's sweep costs a fraction 1/A of a full one. Where no episode ends, errors become nearly the same in all
    states; what they agree in is then added at once, γ / (1 - γ) times the mean of the smallest and largest change
    (MacQueen 1966, Porteus 1971). Elsewhere a policy's sweeps are done in place.

    Args:
        source, tolerance, max_iterations (policies), progress: as of `value_iteration`.
        discount: γ in (0, 1).
        evaluations: sweeps for each policy at most; where no episode ends, fewer once they no longer help.

    Raises:
        UserError: no or a wrong model, or an argument out of range.
    """
    if evaluations < 1:
        raise UserError(f"evaluations is {evaluations}: it must be 1 or more; value iteration has none")
    if discount == 1:
        raise UserError("modified policy iteration need not converge at discount 1: use value or policy iteration")
    mdp = prepared(source, discount, tolerance, max_iterations)
    return timed(_modified, mdp, discount, tolerance, max_iterations, progress, evaluations)


def _modified(
    mdp: MDP, discount: float, tolerance: float, max_iterations: int, progress: Progress, evaluations: int
) -> Solution:
    transitions, rewards = mdp.transitions, mdp.rewards
    values, (spare, q, policy) = first_values(mdp, discount), room(mdp)
    history: list[float] = []
    while True:
        sweep = bellman(transitions, rewards, values, discount, out=(spare, q, policy))
        values, spare = sweep.values, values
        history.append(sweep.residual)
        progress(shrunk(history, tolerance), len(history), sweep.residual)
        if sweep.residual <= tolerance or len(history) == max_iterations:
            break
        if not mdp.endless:
            for _ in range(evaluations):
                bellman_in_place(transitions, rewards, values, discount, policy=policy)
            continue
        unsettled = sweep.highest - sweep.lowest
        values += _common_change(sweep, discount)
        for _ in range(evaluations):
            sweep = bellman(transitions, rewards, values, discount, policy=policy, out=(spare, q, policy))
            values, spare = sweep.values, values
            values += _common_change(sweep, discount)
            if sweep.highest - sweep.lowest <= SETTLED * unsettled:
                break
    return finished(mdp, "modified policy iteration", discount, tolerance, values, history)


def _common_change(sweep: Sweep, discount: float) -> float:
    """What all later sweeps would add to every state if the change stayed halfway between its extremes."""
    return discount / (1 - discount) * 0.5 * (sweep.lowest + sweep.highest)


def policy_iteration(
    source: Any,
    *,
    discount: float = 0.99,
    tolerance: float = 1e-9,
    max_iterations: int = 1_000,
    progress: Progress = silent,
) -> Solution:
    """Evaluate the policy exactly, make it greedy, until no action is better (Howard 1960).

    An action is replaced only by one that is better by more than the tolerance: among equals the old one stays, so
    the values rise with every step and the method always stops.

    The first policy heads for the nearest end of the episode: from an arbitrary one, values spread by one state an
    iteration, and at discount 1 they need not exist.

    Args:
        source: an environment, an `MDP`, or anything `MDP.of` reads.
        discount: γ in (0, 1].
        tolerance: gain below which an action is not worth replacing; at the end it bounds the Bellman residual.
        max_iterations: policies to evaluate at most; the solution then says `converged` False.
        progress: told how far it is; how many policies are to come is not known.

    Raises:
        UserError: no or a wrong model, an argument out of range, or discount 1 with a state from which no episode
            can end, or from which going round for ever pays without bound.
    """
    mdp = prepared(source, discount, tolerance, max_iterations)
    return timed(_policy_iteration, mdp, discount, tolerance, max_iterations, progress)


def _policy_iteration(
    mdp: MDP, discount: float, tolerance: float, max_iterations: int, progress: Progress
) -> Solution:
    each = np.arange(mdp.states)
    policy = policies.ending(mdp)
    values = np.zeros(mdp.states)
    evaluator = policies.Evaluator(mdp)
    history: list[float] = []
    while True:
        values = evaluator.values(policy, discount, initial=values)
        sweep = bellman(mdp.transitions, mdp.rewards, values, discount)
        history.append(sweep.residual)
        progress(shrunk(history, tolerance), len(history), sweep.residual)
        margin = max(tolerance, 1e-12 * float(np.abs(values).max()))  # below it, differences are rounding
        better = sweep.values > sweep.q[each, policy] + margin
        if not better.any() or len(history) == max_iterations:
            break
        policy = np.where(better, sweep.policy, policy)
        if discount == 1:
            _check_ends(mdp, policy)
    q, residual = certificate(mdp, values, discount)
    return Solution(mdp, "policy iteration", discount, tolerance, values, q, policy, residual, np.array(history), 0.0)


def finite_horizon(
    source: Any, horizon: int, *, discount: float = 1.0, end_values: np.ndarray | None = None
) -> FiniteHorizonSolution:
    """The best decisions when `horizon` of them are left: backward induction, v_t = T v_{t+1} (Puterman, chapter 4).

    Args:
        source: an environment, an `MDP`, or anything `MDP.of` reads.
        horizon: H, decisions from the first to the last, 1 or more.
        discount: γ in (0, 1].
        end_values: (S,) what each state is worth when no decision is left; None for 0. Terminals are worth 0.

    Raises:
        UserError: no or a wrong model, or an argument out of range.
    """
    if horizon < 1:
        raise UserError(f"horizon is {horizon}: it must be 1 or more decisions")
    check_discount(discount)
    mdp = MDP.of(source)
    values, policy = np.zeros((horizon + 1, mdp.states)), np.zeros((horizon, mdp.states), np.int64)
    if end_values is not None:
        if np.shape(end_values) != (mdp.states,) or not np.isfinite(end_values).all():
            raise UserError(f"end_values must be {mdp.states} finite numbers, one for each state")
        values[-1] = np.where(mdp.terminals, 0.0, end_values)
    started = time.perf_counter()
    residual = 0.0
    for t in reversed(range(horizon)):
        sweep = bellman(mdp.transitions, mdp.rewards, values[t + 1], discount)
        values[t], policy[t] = sweep.values, sweep.policy
        again = bellman(mdp.transitions, mdp.rewards, values[t + 1], discount, implementation="reference")
        residual = max(residual, float(np.abs(again.values - values[t]).max()))
    return FiniteHorizonSolution(mdp, discount, values, policy, residual, time.perf_counter() - started)


def _check_ends(mdp: MDP, policy: np.ndarray) -> None:
    """At discount 1 an improvement that no longer ends has found a cycle that pays: its values have no bound."""
    state = policies.first_endless(mdp, policy)
    if state is not None:
        raise UserError(
            f"discount 1: from state {state}, action {int(policy[state])}, going round for ever pays without bound: "
            f"use a discount below 1"
        )
