"""Settings of fitted Q iteration; apart from `rlkit.fitted_q` so that its `--help` is quick."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from neuralcore.config import find_config, from_mapping, read_toml


@dataclass(frozen=True)
class FittedQConfig:
    """What is fitted: a linear model, solved exactly in each iteration, or a network if `hidden` gives it layers."""

    features: Literal["plain", "fourier"] = "plain"
    """plain: the observed numbers and a constant, or one-hot if Discrete; fourier: cosines (Konidaris et al. 2011)"""
    order: int = 3
    """highest frequency of the fourier features, of which there are (order + 1)^numbers (Konidaris et al.: 3 to 7)"""
    low: tuple[float, ...] = ()
    """lower bounds of the observed numbers for fourier features; none takes the observation space's"""
    high: tuple[float, ...] = ()
    """upper bounds; numbers beyond are clipped"""
    ridge: float = 1e-6
    """weight of |w|² beside the mean squared error of a linear model; 0 takes the shortest of the best weights"""
    hidden: tuple[int, ...] = ()
    """widths of the network's layers; none makes the model linear"""
    gradient_steps: int = 100
    """steps of Adam on the whole data set in an iteration, of a network"""
    learning_rate: float = 0.001
    """step size of Adam, of a network"""
    discount: float = 0.99
    """discount per transition"""
    epsilon: float = 0.0
    """chance of a random action of the agent when it is not asked to be deterministic"""

    @classmethod
    def preset(cls, path: str) -> FittedQConfig:
        """The `[fitted_q]` table of a TOML file."""
        file = find_config(path)
        return from_mapping(cls, read_toml(file).get("fitted_q", {}), file)

    def __post_init__(self) -> None:
        for name in ("order", "gradient_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")
        for name in ("discount", "epsilon"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must lie in [0, 1], got {getattr(self, name)}")
        if self.ridge < 0.0:
            raise ValueError(f"ridge must be 0 or more, got {self.ridge}")
        if self.learning_rate <= 0.0:
            raise ValueError(f"learning_rate must be above 0, got {self.learning_rate}")
        idle = ["order", "low", "high"] if self.features == "plain" else []
        idle += ["ridge", "features"] if self.hidden else ["gradient_steps", "learning_rate"]
        for name in idle:
            if getattr(self, name) != getattr(FittedQConfig, name):
                model = (
                    f"a network of hidden {list(self.hidden)}" if self.hidden else f"{self.features} linear features"
                )
                raise ValueError(f"{name} {getattr(self, name)} changes nothing with {model}: leave it out")
        if len(self.low) != len(self.high) or any(a >= b for a, b in zip(self.low, self.high)):
            raise ValueError(f"low {list(self.low)} and high {list(self.high)} must be pairs of bounds, low < high")
