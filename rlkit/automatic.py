"""`solve`: a planner chosen by looking at the model."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from neuralcore.errors import UserError, nearest
from rlkit import planning
from rlkit.certificate import MOST_SWEEPS, Progress, load, prepared, silent
from rlkit.prioritised import backward_model
from rlkit.solution import Solution

SMALL = 1_000  # states up to which policies are evaluated exactly, in milliseconds
DEEP = 30  # layers from which the order of backups matters; everything in a random model is a few steps apart


METHODS: dict[str, Callable[..., Solution]] = {
    "value-iteration": planning.value_iteration,
    "gauss-seidel": partial(planning.value_iteration, sweep="gauss-seidel"),
    "prioritised": partial(planning.value_iteration, sweep="prioritised"),
    "modified-policy-iteration": planning.modified_policy_iteration,
    "policy-iteration": planning.policy_iteration,
    "q-iteration": planning.q_iteration,
}


def solve(
    source: Any,
    method: str = "auto",
    *,
    discount: float = 0.99,
    tolerance: float = 1e-6,
    max_iterations: int | None = None,
    progress: Progress = silent,
) -> Solution:
    """The optimal values and policy of a model, within a tolerance that is certified.

    Args:
        source: an environment, an `MDP`, or anything `MDP.of` reads.
        method: "auto" picks by the model and says which and why (`Solution.method`, `.reason`): policy iteration for
            small ones; modified policy iteration where no episode ends, or where everything is a few steps apart;
            prioritised value iteration where rewards are many steps away. Or one of `METHODS` by name.
        discount: γ in (0, 1].
        tolerance: Bellman residual to reach.
        max_iterations: to stop after in any case; None for the method's own limit.
        progress: told how far it is.

    Raises:
        UserError: no or a wrong model, an unknown method, or an argument out of range.
    """
    if method not in ("auto", *METHODS):
        raise UserError(f"unknown method {method!r}: {nearest(method, ('auto', *METHODS))}")
    limits = {} if max_iterations is None else {"max_iterations": max_iterations}
    arguments: dict[str, Any] = {"discount": discount, "tolerance": tolerance, "progress": progress, **limits}
    if method != "auto":
        return METHODS[method](source, **arguments)
    mdp = prepared(source, discount, tolerance, max_iterations or 1)
    if mdp.states <= SMALL:
        reason = f"{mdp.states} states are few enough to evaluate policies exactly"
        return dataclasses.replace(planning.policy_iteration(mdp, **arguments), reason=reason)
    if discount < 1 and mdp.endless:
        reason = "no episode ends, so that errors even out and can be taken off at once"
        return dataclasses.replace(planning.modified_policy_iteration(mdp, **arguments), reason=reason)
    load(planning.prioritised, mdp, discount)
    started = time.perf_counter()
    order = backward_model(mdp, discount, tolerance)
    if discount < 1 and order.layers < DEEP:
        reason = f"every state is within {order.layers} steps of a reward"
        return dataclasses.replace(planning.modified_policy_iteration(mdp, **arguments), reason=reason)
    most = max_iterations or MOST_SWEEPS
    solution = planning.prioritised(mdp, discount, tolerance, most, progress, order)
    reason = f"news of rewards travels up to {order.layers:,} steps"
    return dataclasses.replace(solution, reason=reason, seconds=time.perf_counter() - started)
