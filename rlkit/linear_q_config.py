"""Settings of Q-learning with a linear network; apart from `rlkit.linear_q` so that its `--help` is quick."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from neuralcore.config import find_config, from_mapping, read_toml


@dataclass(frozen=True)
class LinearQConfig:
    """Settings of `LinearQ`; `configs/rl/` holds presets."""

    num_envs: int = 1
    """environments stepped together"""
    features: Literal["plain", "fourier"] = "plain"
    """plain: the observed numbers and a constant, or one-hot if Discrete; fourier: cosines (Konidaris et al. 2011)"""
    order: int = 3
    """highest frequency of the fourier features, of which there are (order + 1)^numbers (Konidaris et al.: 3 to 7)"""
    low: tuple[float, ...] = ()
    """lower bounds of the observed numbers for fourier features; none takes the observation space's"""
    high: tuple[float, ...] = ()
    """upper bounds; numbers beyond are clipped"""
    discount: float = 0.99
    """discount per transition"""
    learning_rate: float = 0.1
    """step size at the start; with one-hot features, the share of the way to the target that an update goes"""
    final_learning_rate: float | None = None
    """step size at the end of training, reached in a straight line; none keeps it constant"""
    initial_epsilon: float = 1.0
    """chance of a random action at the start"""
    final_epsilon: float = 0.1
    """chance of a random action once annealed, and of the agent's when it is not asked to be deterministic"""
    epsilon_steps: int = 10_000
    """transitions over which epsilon moves in a straight line"""

    @classmethod
    def preset(cls, path: str) -> LinearQConfig:
        """The `[linear_q]` table of a TOML file, or of a preset such as "configs/rl/cartpole_linear_q.toml"."""
        file = find_config(path)
        return from_mapping(cls, read_toml(file).get("linear_q", {}), file)

    def __post_init__(self) -> None:
        for name in ("num_envs", "order"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")
        if self.epsilon_steps < 0:
            raise ValueError(f"epsilon_steps must be 0 or more, got {self.epsilon_steps}")
        for name in ("discount", "initial_epsilon", "final_epsilon"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must lie in [0, 1], got {getattr(self, name)}")
        if self.learning_rate <= 0.0:
            raise ValueError(f"learning_rate must be above 0, got {self.learning_rate}")
        if self.final_learning_rate is not None and self.final_learning_rate < 0.0:
            raise ValueError(f"final_learning_rate must be 0 or more, got {self.final_learning_rate}")
        if self.features == "plain":
            for name in ("order", "low", "high"):
                if getattr(self, name) != getattr(LinearQConfig, name):
                    raise ValueError(f"{name} {getattr(self, name)} changes nothing unless features is fourier")
        if len(self.low) != len(self.high) or any(a >= b for a, b in zip(self.low, self.high)):
            raise ValueError(f"low {list(self.low)} and high {list(self.high)} must be pairs of bounds, low < high")
