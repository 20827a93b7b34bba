"""Planning in a known model: value, policy and Q iteration, each with a certificate.

All three look for the fixed point of the Bellman optimality operator T,

    q(s, a) = r(s, a) + γ Σ_s' p(s' | s, a) v(s'),     (Tv)(s) = max_a q(s, a),     v* = Tv*,

and stop by the Bellman residual max |Tv - v|. T contracts by γ, hence max |v - v*| <= residual / (1 - γ). The
residual in a `Solution` is computed anew from its values, by the plain implementation, not taken from the method's
last step. (Puterman 1994, Markov Decision Processes, chapters 6 and 7.)

At discount 1 T need not contract. Value iteration from v = 0 and policy iteration from a policy that surely ends are
then right where every cycle costs something or pays nothing (stochastic shortest paths, Bertsekas & Tsitsiklis 1991);
what is greedy may still walk in circles that cost nothing, so ties are broken towards the end of the episode.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neuralcore.errors import UserError
from neuralcore.kernels.bellman import bellman
from rlkit import policies
from rlkit.mdp import MDP

if TYPE_CHECKING:
    from agents import TabularAgent

Model = tuple[Any, Any, Any, Any]  # indptr, indices, probabilities, rewards: the first arguments of a sweep


@dataclass(frozen=True, eq=False)
class Solution:
    """What a planner found, and how far from the optimum it can be.

    Attributes:
        mdp: the model.
        method: "value iteration", "policy iteration" or "Q iteration". discount: γ. tolerance: as given.
        values: (S,) float64. q: (S, A) float64. policy: (S,) int64, the action in each state.
        residual: max |Tv - v| of these values; of Q iteration max |Tq - q|, which is no smaller.
        history: one residual an iteration, of the values the iteration began with.
        seconds: time spent planning, without reading the model and loading compiled code.
    """

    mdp: MDP
    method: str
    discount: float
    tolerance: float
    values: np.ndarray
    q: np.ndarray
    policy: np.ndarray
    residual: float
    history: np.ndarray
    seconds: float

    @property
    def iterations(self) -> int:
        """Sweeps of value and Q iteration, evaluated policies of policy iteration."""
        return len(self.history)

    @property
    def converged(self) -> bool:
        """Whether the residual is within the tolerance; if not, max_iterations came first."""
        return self.residual <= self.tolerance

    @property
    def bound(self) -> float:
        """No value is further than this from the optimal one; infinite at discount 1, where there is no bound."""
        return self.residual / (1 - self.discount) if self.discount < 1 else math.inf

    @property
    def expected_return(self) -> float:
        """The value of the start: Σ_s start(s) v(s)."""
        return float(self.mdp.start @ self.values)

    def agent(self) -> TabularAgent:
        """An agent that follows the policy, from states observed as their numbers."""
        from gymnasium.spaces import Discrete

        from agents import TabularAgent

        return TabularAgent(self.policy, Discrete(self.mdp.states), Discrete(self.mdp.actions))

    def text(self, width: int = 120) -> str:
        """Values and policy drawn for a terminal of `width` columns: as a grid where the model is one."""
        from rlkit.drawing import text_grid, text_table

        if self.mdp.grid is None:
            return text_table(self.values, self.policy, self.mdp.terminals)
        return text_grid(self.mdp.grid, self.values, self.policy, self.mdp.terminals, width)

    def summary(self) -> str:
        """Method, iterations and time, residual, guarantee and value: four lines."""
        missed = "" if self.converged else ": NOT reached, stopped by max_iterations"
        near = (
            f"within {self.bound:.2g} of the optimal ones" if self.discount < 1 else "without a bound at discount 1"
        )
        return (
            f"{self.method}, discount {self.discount:g}: {self.iterations} iterations in {self.seconds:.3g} s\n"
            f"Bellman residual {self.residual:.2g} (tolerance {self.tolerance:g}{missed})\n"
            f"values {near}\n"
            f"expected return from the start {self.expected_return:.6g}"
        )

    def __str__(self) -> str:
        return f"{self.text()}\n{self.summary()}"

    def plot(self, path: str | Path, title: str | None = None) -> Path:
        """Draw values, policy, walls and terminals to a .png, .pdf or .svg file; needs the extra `plots`.

        Raises:
            UserError: another suffix, a folder that is not there, or matplotlib is not installed.
        """
        from rlkit.drawing import plot_grid, plot_states

        title = title or f"{self.method[:1].upper()}{self.method[1:]}, discount {self.discount:g}"
        if self.mdp.grid is None:
            return plot_states(path, title, self.values, self.policy, self.mdp.terminals)
        return plot_grid(path, title, self.mdp.grid, self.values, self.policy, self.mdp.terminals)

    def save(self, folder: str | Path) -> Path:
        """Write values, q and policy (solution.safetensors), the certificate (solution.json) and `agent/`."""
        import json

        from neuralcore.checkpoint import write_arrays, write_text

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        arrays = {"values": self.values, "q": self.q, "policy": self.policy, "history": self.history}
        certificate = {
            "method": self.method,
            "discount": self.discount,
            "tolerance": self.tolerance,
            "converged": self.converged,
            "residual": self.residual,
            "bound": self.bound if self.discount < 1 else None,
            "iterations": self.iterations,
            "expected_return": self.expected_return,
            "seconds": self.seconds,
            "arrays_sha256": write_arrays(folder / "solution.safetensors", arrays),
        }
        write_text(folder / "solution.json", json.dumps(certificate, indent=1))
        self.agent().save(folder / "agent")
        return folder


def value_iteration(
    source: Any,
    *,
    discount: float = 0.99,
    tolerance: float = 1e-6,
    max_iterations: int = 100_000,
    device: str = "cpu",
) -> Solution:
    """v <- Tv from v = 0 until max |Tv - v| is within the tolerance (Bellman 1957).

    Args:
        source: an environment, an `MDP`, or anything `MDP.of` reads.
        discount: γ in (0, 1].
        tolerance: Bellman residual to stop at.
        max_iterations: sweeps after which to stop anyway; the solution then says `converged` False.
        device: "cpu", "cuda" or "auto", where the sweeps run.

    Raises:
        UserError: no or a wrong model, or an argument out of range.
    """
    mdp, model = _prepare(source, discount, tolerance, max_iterations, device)
    started = time.perf_counter()
    values, spare, q = (
        _move(a, device) for a in (np.zeros(mdp.states), np.empty(mdp.states), np.empty_like(mdp.rewards))
    )
    history: list[float] = []
    while len(history) < max_iterations:
        swept, _, residual = bellman(*model, values, discount, out=(spare, q))
        values, spare = swept, values
        history.append(residual)
        if residual <= tolerance:
            break
    found = _numpy(values)
    q, residual = _certificate(mdp, found, discount)
    policy = policies.greedy(mdp, q, discount, tolerance)
    seconds = time.perf_counter() - started
    return Solution(
        mdp, "value iteration", discount, tolerance, found, q, policy, residual, np.array(history), seconds
    )


def q_iteration(
    source: Any,
    *,
    discount: float = 0.99,
    tolerance: float = 1e-6,
    max_iterations: int = 100_000,
    device: str = "cpu",
) -> Solution:
    """q(s, a) <- r(s, a) + γ Σ p(s' | s, a) max_a' q(s', a') from q = 0 until max |Tq - q| is within the tolerance.

    The table is what Q-learning estimates from samples. Arguments, result and errors are those of `value_iteration`,
    but the residual and the bound hold for every entry of q.
    """
    mdp, model = _prepare(source, discount, tolerance, max_iterations, device)
    started = time.perf_counter()
    q, values = _move(np.zeros_like(mdp.rewards), device), _move(np.zeros(mdp.states), device)
    history: list[float] = []
    while len(history) < max_iterations:
        swept, backed_up, _ = bellman(*model, values, discount)
        history.append(float(abs(backed_up - q).max()))
        values, q = swept, backed_up
        if history[-1] <= tolerance:
            break
    found, table = _numpy(values), _numpy(q)
    residual = float(np.abs(_certificate(mdp, found, discount)[0] - table).max())
    policy = policies.greedy(mdp, table, discount, tolerance)
    seconds = time.perf_counter() - started
    return Solution(
        mdp, "Q iteration", discount, tolerance, found, table, policy, residual, np.array(history), seconds
    )


def policy_iteration(
    source: Any, *, discount: float = 0.99, tolerance: float = 1e-9, max_iterations: int = 1_000
) -> Solution:
    """Evaluate the policy exactly, make it greedy, until no action is better (Howard 1960).

    An action is replaced only by one that is better by more than the tolerance: among equals the old one stays, so
    the values rise with every step and the method always stops.

    The first policy heads for the nearest end of the episode: from an arbitrary one, values spread by one state an
    iteration, and at discount 1 they need not exist.

    Args:
        source: an environment, an `MDP`, or anything `MDP.of` reads.
        discount: γ in (0, 1]; at 1, from every state some policy must lead to an end.
        tolerance: gain below which an action is not worth replacing; at the end it bounds the Bellman residual.
        max_iterations: policies to evaluate at most; the solution then says `converged` False.

    Raises:
        UserError: no or a wrong model, an argument out of range, or discount 1 with a state from which no episode
            can end, or from which going round for ever pays without bound.
    """
    mdp, model = _prepare(source, discount, tolerance, max_iterations)
    started = time.perf_counter()
    each = np.arange(mdp.states)
    policy = policies.ending(mdp, required=discount == 1)
    values = np.zeros(mdp.states)
    history: list[float] = []
    while True:
        values = policies.evaluate(mdp, policy, discount, initial=values)
        sweep = bellman(*model, values, discount)
        history.append(sweep.residual)
        margin = max(tolerance, 1e-12 * float(np.abs(values).max()))  # below it, differences are rounding
        better = sweep.values > sweep.q[each, policy] + margin
        if not better.any() or len(history) == max_iterations:
            break
        policy = np.where(better, sweep.q.argmax(axis=1), policy)
        if discount == 1:
            _check_ends(mdp, policy)
    q, residual = _certificate(mdp, values, discount)
    seconds = time.perf_counter() - started
    return Solution(
        mdp, "policy iteration", discount, tolerance, values, q, policy, residual, np.array(history), seconds
    )


def _prepare(
    source: Any, discount: float, tolerance: float, max_iterations: int, device: str = "cpu"
) -> tuple[MDP, Model]:
    """The model, and its arrays where the sweeps run, after a first sweep that only loads the compiled code."""
    if not 0 < discount <= 1:
        raise UserError(f"discount is {discount}: it must lie in (0, 1], as 0.99")
    if not 0 < tolerance < math.inf:
        raise UserError(f"tolerance is {tolerance}: it must be positive, as 1e-6")
    if max_iterations < 1:
        raise UserError(f"max_iterations is {max_iterations}: it must be 1 or more")
    mdp = MDP.of(source)
    model = _model(mdp, device)
    bellman(*model, _move(np.zeros(mdp.states), device), discount)
    return mdp, model


def _check_ends(mdp: MDP, policy: np.ndarray) -> None:
    """At discount 1 an improvement that no longer ends has found a cycle that pays: its values have no bound."""
    chosen = np.zeros((mdp.states, mdp.actions), bool)
    chosen[np.arange(mdp.states), policy] = True
    endless = policies.towards_the_end(mdp, chosen) < 0
    if endless.any():
        state = int(endless.argmax())
        raise UserError(
            f"discount 1: from state {state}, action {int(policy[state])}, going round for ever pays without bound: "
            f"use a discount below 1"
        )


def _certificate(mdp: MDP, values: np.ndarray, discount: float) -> tuple[np.ndarray, float]:
    """q and max |Tv - v| by the reference implementation, whatever found the values."""
    sweep = bellman(*_model(mdp), values, discount, implementation="reference")
    return sweep.q, sweep.residual


def _model(mdp: MDP, device: str = "cpu") -> Model:
    indptr, indices, probabilities, rewards = (
        _move(array, device) for array in (mdp.indptr, mdp.indices, mdp.probabilities, mdp.rewards)
    )
    return indptr, indices, probabilities, rewards


def _move(array: np.ndarray, device: str) -> Any:
    """The array where the sweeps run: NumPy on the CPU, where planning does without torch, or a CUDA tensor."""
    if device == "cpu":
        return array
    import torch

    from neuralcore.device import choose_device

    chosen = choose_device(device)
    return array if chosen.type == "cpu" else torch.from_numpy(array).to(chosen)


def _numpy(array: Any) -> np.ndarray:
    return array if isinstance(array, np.ndarray) else array.cpu().numpy()
