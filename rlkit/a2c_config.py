"""Settings of A2C; apart from `rlkit.a2c` so that `rlkit train a2c --help` need not wait for torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rlkit.policy_config import PolicyConfig


@dataclass(frozen=True)
class A2CConfig(PolicyConfig):
    """Defaults are the paper's, for Atari, where it gives any; `configs/rl/` holds presets."""

    num_envs: int = 16
    """environments stepped together (paper: 16 threads with one each)"""
    n_step: int = 5
    """steps of each environment in an update (paper: 5)"""
    network: Literal["auto", "mlp", "nature", "impala", "resnet"] = "auto"
    """trunk of policy and value (paper: a smaller one); auto: nature for images, impala for small ones, or mlp"""
    hidden: tuple[int, ...] = (512,)
    """widths of the fully connected layers (paper: 256)"""
    trunk_from: str = ""
    """run folder of `neuralcore fit` from whose classifier the trunk takes its first weights; empty: drawn"""
    initial_weights: Literal["fan_in", "orthogonal"] = "fan_in"
    """first weights: uniform within ±1/sqrt(fan-in), or orthogonal, which keeps signals large in deep trunks"""
    core: Literal["none", "lstm", "gru", "transformer"] = "none"
    """between trunk and heads, what remembers the episode so far: lstm, long short-term memory; gru; transformer, a
    gated one (Parisotto et al. 2020) on the last `core_memory` steps (paper: none and lstm)"""
    core_width: int = 256
    """width of the core (paper: 256)"""
    core_memory: int = 32
    """steps back that each of the two layers of core 'transformer' sees; none learns from those before its segment
    (paper: no such core)"""
    discount: float = 0.99
    """discount per transition (paper: 0.99)"""
    trace: float = 1.0
    """λ of generalised advantage estimation (Schulman et al. 2016); 1 gives n-step returns (paper: 1)"""
    normalise_advantages: bool = False
    """advantages of an update get mean 0 and deviation 1: wanted where returns are far from 0 (paper: no)"""
    optimizer: Literal["rmsprop", "adam"] = "rmsprop"
    """rmsprop has decay 0.99 as in the paper; adam has epsilon 1e-5"""
    rmsprop_epsilon: float = 1e-5
    """keeps steps finite where gradients vanish; of rmsprop alone (paper: not given)"""
    learning_rate: float = 0.0007
    """step size at the start (paper: tuned for each game within 0.0001 to 0.01)"""
    final_learning_rate: float | None = 0.0
    """step size at the end of training, reached in a straight line; none keeps it constant (paper: 0)"""
    value_weight: float = 0.5
    """weight of the value's mean squared error in the loss (paper: 1)"""
    entropy_weight: float = 0.01
    """weight of the policy's entropy in the loss at the start (paper: 0.01)"""
    final_entropy_weight: float | None = None
    """that weight at the end of training, reached in a straight line; none keeps it constant (paper: constant)"""
    max_gradient_norm: float | None = 0.5
    """gradients of a larger L2 norm are scaled down to it; none leaves them (paper: none)"""
    clip_rewards: bool = True
    """rewards are clipped to [-1, 1] for learning, never in the returns that are reported (paper: yes)"""
    normalise_rewards: bool = False
    """rewards count in running standard deviations of the discounted return (Engstrom et al. 2020; paper: no)"""
    precision: Literal["fp32", "bf16"] = "fp32"
    """arithmetic of the forward and backward pass; weights and losses stay fp32 (paper: fp32)"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.optimizer != "rmsprop" and self.rmsprop_epsilon != A2CConfig.rmsprop_epsilon:
            raise ValueError(
                f"rmsprop_epsilon {self.rmsprop_epsilon} has no meaning for optimizer {self.optimizer!r}"
            )
