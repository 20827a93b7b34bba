"""Settings of the tabular algorithms; apart from `rlkit.tabular` so that `rlkit train sarsa --help` is quick."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

from neuralcore.config import find_config, from_mapping, read_toml


@dataclass(frozen=True)
class TabularConfig:
    """Settings of Monte Carlo control, and those that temporal-difference control shares with it.

    The step size is one of three: `learning_rate` throughout; from there in a straight line to `final_learning_rate`;
    or, if no `learning_rate` is given, visits^-visit_power with the visits of the state and action, whose values then
    converge for powers above 1/2. Of Q-learning, Even-Dar & Mansour (2003, Learning rates for Q-learning) show that
    power 1 takes time exponential in 1 / (1 - discount), and lower ones polynomial.
    """

    num_envs: int = 1
    """environments stepped together"""
    discount: float = 0.99
    """discount per transition"""
    initial_value: float = 0.0
    """value of every action before its first update; above all returns it makes each be tried (optimism)"""
    learning_rate: float | None = None
    """share of the way to the target that an update goes; none lets it fall as visits^-visit_power"""
    final_learning_rate: float | None = None
    """that share at the end of training, reached in a straight line; none keeps it constant"""
    visit_power: float = 0.65
    """how fast the share falls with visits; 1 makes values the means of their targets"""
    initial_epsilon: float = 1.0
    """chance of a random action at the start"""
    final_epsilon: float = 0.1
    """chance of a random action once annealed, and of the agent's when it is not asked to be deterministic"""
    epsilon_steps: int = 10_000
    """transitions over which epsilon moves in a straight line"""

    @classmethod
    def preset(cls, path: str) -> Self:
        """The algorithm's table of a TOML file, or of a shipped preset as "configs/rl/gridworld_q_learning.toml"."""
        file = find_config(path)
        values = read_toml(file)
        return from_mapping(cls, values.get(str(values.get("algorithm")).replace("-", "_"), {}), file)

    def __post_init__(self) -> None:
        if self.num_envs < 1:
            raise ValueError(f"num_envs must be 1 or more, got {self.num_envs}")
        if self.epsilon_steps < 0:
            raise ValueError(f"epsilon_steps must be 0 or more, got {self.epsilon_steps}")
        for name in ("discount", "visit_power", "initial_epsilon"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must lie in [0, 1], got {getattr(self, name)}")
        if not math.isfinite(self.initial_value):
            raise ValueError(f"initial_value must be a finite number, got {self.initial_value}")
        if not 0.0 <= self.final_epsilon < 1.0:
            raise ValueError(
                f"final_epsilon must lie in [0, 1), got {self.final_epsilon}: "
                "at 1 the agent's probabilities would not tell which action is best"
            )
        self._check_step_size()

    def _check_step_size(self) -> None:
        rate, final, power = self.learning_rate, self.final_learning_rate, self.visit_power
        if rate is None:
            if final is not None:
                raise ValueError(f"final_learning_rate {final} needs a learning_rate to begin from")
            return
        if not 0.0 < rate <= 1.0:
            raise ValueError(f"learning_rate must lie in (0, 1], got {rate}")
        if final is not None and not 0.0 <= final <= 1.0:
            raise ValueError(f"final_learning_rate must lie in [0, 1], got {final}")
        if power != TabularConfig.visit_power:
            raise ValueError(
                f"learning_rate {rate} and visit_power {power} are two schedules of one step size: leave one out"
            )


@dataclass(frozen=True)
class TDConfig(TabularConfig):
    """Settings of temporal-difference control: those of `TabularConfig` and the number of steps."""

    n_step: int = 1
    """rewards summed before bootstrapping"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_step < 1:
            raise ValueError(f"n_step must be 1 or more, got {self.n_step}")
