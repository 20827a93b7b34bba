"""Settings of PPO; apart from `rlkit.ppo` so that `rlkit train ppo --help` need not wait for torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rlkit.policy_config import PolicyConfig


@dataclass(frozen=True)
class PPOConfig(PolicyConfig):
    """Defaults are the paper's for Atari (its table 5); `configs/rl/` holds presets for other environments."""

    num_envs: int = 8
    """environments stepped together (paper: 8)"""
    n_step: int = 128
    """steps of each environment between two rounds of updates (paper: 128)"""
    epochs: int = 3
    """times that every transition of such a segment is learned from (paper: 3)"""
    minibatch: int = 256
    """transitions in an update, at most (paper: 32 of each of 8 environments)"""
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
    gated one (Parisotto et al. 2020) on the last `core_memory` steps (paper: none)"""
    core_width: int = 256
    """width of the core (paper: none)"""
    core_memory: int = 32
    """steps back that each of the two layers of core 'transformer' sees; none learns from those before its segment
    (paper: no such core)"""
    discount: float = 0.99
    """discount per transition (paper: 0.99)"""
    trace: float = 0.95
    """λ of generalised advantage estimation (paper: 0.95)"""
    normalise_advantages: bool = True
    """advantages of a segment are brought to mean 0 and deviation 1 (paper: not told; its code does)"""
    clip: float = 0.1
    """ε at the start: a ratio of probabilities earns nothing for going further from 1 (paper: 0.1)"""
    final_clip: float | None = 0.0
    """ε at the end of training, reached in a straight line; none keeps it constant (paper: 0)"""
    learning_rate: float = 0.00025
    """step size of Adam at the start (paper: 0.00025)"""
    final_learning_rate: float | None = 0.0
    """step size at the end of training, reached in a straight line; none keeps it constant (paper: 0)"""
    value_weight: float = 1.0
    """weight of the value's mean squared error in the loss (paper: 1)"""
    entropy_weight: float = 0.01
    """weight of the policy's entropy in the loss at the start (paper: 0.01)"""
    final_entropy_weight: float | None = None
    """that weight at the end of training, reached in a straight line; none keeps it constant (paper: constant)"""
    max_gradient_norm: float | None = 0.5
    """gradients of a larger L2 norm are scaled down to it; none leaves them (paper: not told; its code has 0.5)"""
    clip_rewards: bool = True
    """rewards are clipped to [-1, 1] for learning, never in the returns that are reported (paper's code: yes)"""
    normalise_rewards: bool = False
    """rewards count in running standard deviations of the discounted return (Engstrom et al. 2020; paper: no)"""
    precision: Literal["fp32", "bf16"] = "fp32"
    """arithmetic of the forward and backward pass; weights and losses stay fp32 (paper: fp32)"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.minibatch > self.n_step * self.num_envs:
            raise ValueError(
                f"minibatch {self.minibatch} is more than a segment has: n_step {self.n_step} in each of "
                f"{self.num_envs} environments"
            )
        if self.core != "none" and self.minibatch < self.n_step:
            raise ValueError(
                f"minibatch {self.minibatch} is less than n_step {self.n_step}: with a core, minibatches are made of "
                f"whole sequences"
            )
