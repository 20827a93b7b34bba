"""How good an agent is, without playing: its exact value under the model, beside the best there is.

In a tabular environment every state can be shown to an agent, whatever it is made of. What it does there is a policy
π(a | s), whose values solve v_π = r_π + γ P_π v_π. No episode is sampled, so nothing is left to chance, and the gap
v* - v_π says state by state where the agent still loses something.

Axes: S states, A actions.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from agents.agent import Agent
from neuralcore.errors import UserError
from rlkit import policies
from rlkit.automatic import solve
from rlkit.mdp import MDP
from rlkit.solution import Solution

SHOWN_AT_ONCE = 1_024  # states shown to the agent in one batch
TIE = 1e-6  # an action that loses less than this is as good as the best


@dataclass(frozen=True, eq=False)
class ExactEvaluation:
    """An agent's values and the optimal ones.

    Attributes:
        best: the optimal solution, with its certificate; `best.mdp` is the model, `best.discount` γ.
        policy: (S, A) float64, how likely the agent takes each action.
        values: (S,) float64, the agent's values v_π.
        loss: (S,) float64, what its first action costs if all later ones are optimal: v*(s) - Σ_a π(a | s) q*(s, a).
    """

    best: Solution
    policy: np.ndarray
    values: np.ndarray
    loss: np.ndarray

    @property
    def gap(self) -> np.ndarray:
        """(S,) v* - v_π; not below 0 but for the optimal values' own bound."""
        return self.best.values - self.values

    @property
    def value(self) -> float:
        """The agent's value of the start."""
        return float(self.best.mdp.start @ self.values)

    @property
    def optimal_states(self) -> int:
        """In how many states that are no terminals what the agent does is optimal."""
        return int((self.loss[~self.best.mdp.terminals] <= TIE).sum())

    def summary(self) -> str:
        """The start, the states, and the state that is furthest from optimal: three lines."""
        mdp, best = self.best.mdp, self.best.expected_return
        acting = np.flatnonzero(~mdp.terminals)
        worst = int(acting[self.gap[acting].argmax()])
        name = mdp.state_names[worst] if mdp.state_names else worst
        within = f"within {self.best.bound:.1g}" if self.best.discount < 1 else "without a bound at discount 1"
        return (
            f"exact, discount {self.best.discount:g}: value of the start {self.value:.6g}, optimal {best:.6g}, "
            f"gap {best - self.value:.3g}\n"
            f"optimal in {self.optimal_states:,} of {len(acting):,} states; mean gap {self.gap[acting].mean():.3g}, "
            f"largest {self.gap[worst]:.3g} in state {name}\n"
            f"(optimal values by {self.best.method}, {within})"
        )

    def text(self, width: int = 120) -> str:
        """The gap of each state and what the agent does there: a grid, or the states with the largest gaps."""
        from rlkit.drawing import text_grid

        mdp, action = self.best.mdp, self.policy.argmax(axis=1)
        if mdp.grid is not None:
            return text_grid(mdp.grid, self.gap, action, mdp.terminals, width)
        lines = [f"{'state':>7}  {'value':>10}  {'optimal':>10}  {'gap':>9}  action  optimal action"]
        for state in np.argsort(-self.gap, kind="stable")[:10].tolist():
            figures = f"{self.values[state]:>10.4g}  {self.best.values[state]:>10.4g}  {self.gap[state]:>9.3g}"
            lines.append(f"{state:>7}  {figures}  {action[state]:>6}  {self.best.policy[state]:>14}")
        return "\n".join(lines)

    def plot(self, path: str | Path, title: str) -> Path:
        """Draw the gap of each state, and the agent's likeliest actions, to a .png, .pdf or .svg file."""
        from rlkit.drawing import plot_grid, plot_states

        mdp, action = self.best.mdp, self.policy.argmax(axis=1)
        if mdp.grid is None:
            return plot_states(path, title, self.gap, action, mdp.terminals, "gap to the optimal value")
        return plot_grid(path, title, mdp.grid, self.gap, action, mdp.terminals, "gap to the optimal value")

    def as_row(self) -> dict[str, Any]:
        """The figures as plain values, for JSON."""
        return {
            "discount": self.best.discount,
            "value": self.value,
            "optimal_value": self.best.expected_return,
            "optimal_bound": self.best.bound if self.best.discount < 1 else None,
            "largest_gap": float(self.gap.max()),
            "mean_gap": float(self.gap[~self.best.mdp.terminals].mean()),
            "optimal_states": self.optimal_states,
            "states": int((~self.best.mdp.terminals).sum()),
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """What is known of each state: values, optimal values, gap, loss, policy."""
        optimal = {"optimal_values": self.best.values, "optimal_policy": self.best.policy}
        return {"values": self.values, "gap": self.gap, "loss": self.loss, "policy": self.policy, **optimal}


def is_tabular(env: gym.Env) -> bool:
    """Whether the environment carries its model and can show every state of it."""
    bare = env.unwrapped
    shown = isinstance(env.observation_space, gym.spaces.Discrete) or hasattr(bare, "observations")
    return shown and (hasattr(bare, "model") or hasattr(bare, "P"))


def evaluate_exactly(
    agent: Agent, env: gym.Env, *, discount: float = 0.99, deterministic: bool = True
) -> ExactEvaluation:
    """The exact value of an agent in a tabular environment, and the gap to the optimal value, state by state.

    A time limit is no part of the model: values are those of episodes that go on until they end.

    Args:
        agent: any agent with `action_probabilities`, deep ones too.
        env: an environment for which `is_tabular` holds.
        discount: γ in (0, 1].
        deterministic: whether the agent leaves out exploration.

    Raises:
        UserError: the environment has no model, the agent is for other spaces, or at discount 1 its episodes need not
            end.
    """
    if not is_tabular(env):
        raise UserError(
            f"{type(env.unwrapped).__name__} has no model, or cannot show its states: play episodes instead"
        )
    for what in ("observation_space", "action_space"):
        own, other = getattr(agent, what), getattr(env, what)
        if own != other:
            raise UserError(f"the agent's {what.replace('_', ' ')} is {own}, the environment's is {other}")
    mdp = MDP.of(env)
    best = solve(mdp, discount=discount, tolerance=1e-9)
    policy = np.concatenate(
        [
            agent.action_probabilities(_observations(env, states), deterministic=deterministic)
            for states in np.array_split(np.arange(mdp.states), -(-mdp.states // SHOWN_AT_ONCE))
        ]
    ).astype(np.float64)
    policy /= policy.sum(axis=1, keepdims=True)
    endless = policies.first_endless(mdp, policy) if discount == 1 else None
    if endless is not None:
        raise UserError(f"discount 1: from state {endless}, the episode never ends: use a discount below 1")
    values = policies.evaluate(mdp, policy, discount)
    return ExactEvaluation(best, policy, values, best.values - (policy * best.q).sum(axis=1))


def _observations(env: gym.Env, states: np.ndarray) -> np.ndarray:
    space = env.observation_space
    return states + int(space.start) if isinstance(space, gym.spaces.Discrete) else env.unwrapped.observations(states)  # type: ignore[attr-defined]
