"""What a planner found: values, policy, and how far from the optimum they can be; to print, to draw, to keep."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rlkit.mdp import MDP

if TYPE_CHECKING:
    from agents import TabularAgent


@dataclass(frozen=True, eq=False)
class Solution:
    """What a planner found, and how far from the optimum it can be.

    Attributes:
        mdp: the model.
        method: such as "value iteration". discount: γ. tolerance: as given.
        values: (S,) float64. q: (S, A) float64. policy: (S,) int64, the action in each state.
        residual: max |Tv - v| of these values, computed anew by the plain implementation; of Q iteration
            max |Tq - q|, which is no smaller.
        history: one entry an iteration: of sweeps over all states the residual of the values it began with, of
            sweeps in place the largest change of a value.
        seconds: time spent planning, without reading the model and loading compiled code.
        reason: why this method was chosen, if it was.
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
    reason: str = ""

    @property
    def iterations(self) -> int:
        """Sweeps of value and Q iteration (prioritised: a sweep's worth of backups), policies of the others."""
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

        mdp = self.mdp
        if mdp.grid is None:
            return text_table(self.values, self.policy, mdp.terminals, mdp.state_names, mdp.action_names)
        return text_grid(mdp.grid, self.values, self.policy, mdp.terminals, width)

    def summary(self) -> str:
        """Method, iterations and time, residual, guarantee and value: four lines, and one if a method was chosen."""
        missed = "" if self.converged else ": NOT reached, stopped by max_iterations"
        near = (
            f"within {self.bound:.2g} of the optimal ones" if self.discount < 1 else "without a bound at discount 1"
        )
        chosen = f"chosen because {self.reason}\n" if self.reason else ""
        effort = f"{self.iterations} iterations in {self.seconds:.3g} s"
        return (
            f"{self.method}, discount {self.discount:g}: {effort}\n{chosen}"
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
        from neuralcore.checkpoint import write_arrays, write_text

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        arrays = {"values": self.values, "q": self.q, "policy": self.policy, "history": self.history}
        certificate = {
            "method": self.method,
            "reason": self.reason,
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


@dataclass(frozen=True, eq=False)
class FiniteHorizonSolution:
    """The optimal decisions when only so many are left; from `finite_horizon`.

    Attributes:
        mdp: the model. discount: γ.
        values: (H + 1, S) float64, `values[t]` when t decisions are made and H - t left; the last row is what the
            end pays.
        policy: (H, S) int64, `policy[t]` the action of the decision number t.
        residual: max over t of |v_t - max_a q(v_{t+1})|, computed anew by the plain implementation: rounding alone.
        seconds: time spent planning.
    """

    mdp: MDP
    discount: float
    values: np.ndarray
    policy: np.ndarray
    residual: float
    seconds: float

    @property
    def horizon(self) -> int:
        """H, the number of decisions."""
        return len(self.policy)

    @property
    def bound(self) -> float:
        """No value is further than this from the optimal one: errors of H decisions add up."""
        return self.residual * sum(self.discount**t for t in range(self.horizon))

    @property
    def expected_return(self) -> float:
        """The value of the start before the first decision."""
        return float(self.mdp.start @ self.values[0])

    def text(self, width: int = 120) -> str:
        """Values and actions before the first decision, drawn for a terminal."""
        return self._first().text(width)

    def __str__(self) -> str:
        return (
            f"{self.text()}\n"
            f"finite horizon of {self.horizon} decisions, discount {self.discount:g}: {self.seconds:.3g} s; "
            f"values and actions of the first one\n"
            f"values within {self.bound:.2g} of the optimal ones\n"
            f"expected return from the start {self.expected_return:.6g}"
        )

    def plot(self, path: str | Path, title: str | None = None) -> Path:
        """Draw values and actions before the first decision."""
        return self._first().plot(path, title or f"{self.horizon} decisions left, discount {self.discount:g}")

    def save(self, folder: str | Path) -> Path:
        """Write values and policy (solution.safetensors) and the certificate (solution.json)."""
        from neuralcore.checkpoint import write_arrays, write_text

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        certificate = {
            "method": "finite horizon",
            "horizon": self.horizon,
            "discount": self.discount,
            "residual": self.residual,
            "bound": self.bound,
            "expected_return": self.expected_return,
            "seconds": self.seconds,
            "arrays_sha256": write_arrays(
                folder / "solution.safetensors", {"values": self.values, "policy": self.policy}
            ),
        }
        write_text(folder / "solution.json", json.dumps(certificate, indent=1))
        return folder

    def _first(self) -> Solution:
        """The first decision in the form that can be drawn."""
        nothing = np.zeros((self.mdp.states, 0))
        return Solution(
            self.mdp,
            "finite horizon",
            self.discount,
            0.0,
            self.values[0],
            nothing,
            self.policy[0],
            self.residual,
            nothing,
            self.seconds,
        )
