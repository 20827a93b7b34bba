"""Settings of REINFORCE; apart from `rlkit.reinforce` so that its `--help` need not wait for torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rlkit.policy_config import PolicyConfig


@dataclass(frozen=True)
class REINFORCEConfig(PolicyConfig):
    """The paper gives an algorithm and hardly any numbers; `configs/rl/` holds presets."""

    num_envs: int = 1
    """environments stepped together (paper: 1)"""
    episodes: int = 1
    """whole episodes in an update (paper: 1)"""
    baseline: bool = True
    """returns count by how much they exceed a learned value of the state (paper: any baseline, or none)"""
    network: Literal["auto", "mlp", "nature", "impala", "resnet"] = "auto"
    """trunk that policy and value share (paper: any); auto: nature for images, impala for small ones, or mlp"""
    hidden: tuple[int, ...] = (512,)
    """widths of the fully connected layers (paper: any)"""
    trunk_from: str = ""
    """run folder of `neuralcore fit` from whose classifier the trunk takes its first weights; empty: drawn"""
    initial_weights: Literal["fan_in", "orthogonal"] = "fan_in"
    """first weights: uniform within ±1/sqrt(fan-in), or orthogonal, which keeps signals large in deep trunks"""
    discount: float = 0.99
    """discount per transition (paper: 1)"""
    learning_rate: float = 0.001
    """step size of Adam at the start (paper: not given)"""
    final_learning_rate: float | None = None
    """step size at the end of training, reached in a straight line; none keeps it constant (paper: constant)"""
    value_weight: float = 0.5
    """weight of the value's mean squared error in the loss, with a baseline (paper: has no learned value)"""
    entropy_weight: float = 0.0
    """weight of the policy's entropy in the loss at the start (paper: 0)"""
    final_entropy_weight: float | None = None
    """that weight at the end of training, reached in a straight line; none keeps it constant (paper: constant)"""
    max_gradient_norm: float | None = None
    """gradients of a larger L2 norm are scaled down to it; none leaves them (paper: none)"""
    clip_rewards: bool = False
    """rewards are clipped to [-1, 1] for learning, never in the returns that are reported (paper: no)"""
    normalise_rewards: bool = False
    """rewards count in running standard deviations of the discounted return (Engstrom et al. 2020; paper: no)"""
    precision: Literal["fp32", "bf16"] = "fp32"
    """arithmetic of the forward and backward pass; weights and losses stay fp32 (paper: any)"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.baseline and self.value_weight != REINFORCEConfig.value_weight:
            raise ValueError(f"value_weight {self.value_weight} has no meaning without a baseline")
