"""What is trained in `speed.py`: the same settings twice, in our words and in those of Stable-Baselines3.

Settings are those of rl-baselines3-zoo (hyperparams/*.yml, the rows `atari` and CartPole-v1), with these
differences, alike on both sides:
- A2C on Pong takes torch's RMSprop, where the zoo takes a Python imitation of TensorFlow's.
- DQN explores with its final epsilon from the start: Stable-Baselines3 skips the network where it acts at random, so
  a short run at epsilon 1 would not be what a training mostly does. It learns from 1,000 transitions on.
- No life ends an episode; Pong has none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Contender:
    """Who trains: ours with some fields of the config changed, or Stable-Baselines3 in one of its forms."""

    label: str
    peer: str = ""
    """empty for ours; "own": networks and environments as it makes them; "shared": the policy and the value share one
    trunk of rectified layers, as ours do; "ale": over ALE's vector environment, which ours is made of"""
    changed: tuple[tuple[str, Any], ...] = ()
    """fields of our config"""


OURS = Contender("rlkit")
OURS_BF16 = Contender("rlkit, bf16", changed=(("precision", "bf16"),))
SB3 = Contender("Stable-Baselines3", "own")
SB3_SHARED = Contender("Stable-Baselines3, the same network", "shared")
SB3_OWN = Contender("Stable-Baselines3, its own two networks", "own")
SB3_ALE = Contender("Stable-Baselines3 on ALE's vector environment", "ale")
PONG = (OURS, SB3, SB3_ALE, OURS_BF16)
CART_POLE = (OURS, SB3_SHARED, SB3_OWN)


@dataclass(frozen=True)
class Case:
    """One training, cut off before it has learned anything."""

    algorithm: str
    env: str
    num_envs: int
    warm: int
    """transitions before the clocks start, at least; by then 16 updates (PPO on Pong) to some hundred are done"""
    measured: int
    """transitions between the clocks, at least"""
    ours: dict[str, Any]
    """fields of our config, beside num_envs"""
    peer: dict[str, Any]
    """arguments of Stable-Baselines3's class; `linear` names those that fall to 0 in a straight line"""
    contenders: tuple[Contender, ...] = PONG
    threads: int = 1
    """of torch; the emulators of our Atari environments have one more for each core in any case"""
    planned: int = 10_000_000
    """length of the training for the schedules"""
    remark: str = ""


_A2C_PONG: dict[str, Any] = {
    "algorithm": "a2c",
    "env": "Pong",
    "num_envs": 16,
    "warm": 4_800,
    "measured": 4_800,
    "ours": {
        "n_step": 5,
        "network": "nature",
        "hidden": [512],
        "learning_rate": 7e-4,
        "final_learning_rate": 0.0,
        "optimizer": "rmsprop",
        "rmsprop_epsilon": 1e-5,
        "entropy_weight": 0.01,
        "value_weight": 0.25,
        "max_gradient_norm": 0.5,
    },
    "peer": {
        "n_steps": 5,
        "learning_rate": 7e-4,
        "linear": ["learning_rate"],
        "rms_prop_eps": 1e-5,
        "ent_coef": 0.01,
        "vf_coef": 0.25,
    },
}
CASES = {
    "a2c-pong": Case(**_A2C_PONG),
    "a2c-pong-2-threads": Case(**_A2C_PONG, threads=2),
    "dqn-pong": Case(
        "dqn",
        "Pong",
        num_envs=1,
        warm=1_600,
        measured=800,
        ours={
            "network": "nature",
            "hidden": [512],
            "replay_capacity": 100_000,
            "learning_starts": 1_000,
            "train_every": 4,
            "batch_size": 32,
            "target_every": 250,
            "optimizer": "adam",
            "learning_rate": 1e-4,
            "max_gradient_norm": 10.0,
            "initial_epsilon": 0.01,
            "final_epsilon": 0.01,
        },
        peer={
            "buffer_size": 100_000,
            "learning_starts": 1_000,
            "train_freq": 4,
            "gradient_steps": 1,
            "batch_size": 32,
            "target_update_interval": 1_000,
            "learning_rate": 1e-4,
            "exploration_initial_eps": 0.01,
            "exploration_final_eps": 0.01,
            "optimize_memory_usage": False,
        },
        contenders=(OURS, SB3, OURS_BF16),
        remark="the target network is copied every 1,000 transitions: 250 updates",
    ),
    "ppo-pong": Case(
        "ppo",
        "Pong",
        num_envs=8,
        warm=1_024,
        measured=2_048,
        ours={
            "n_step": 128,
            "epochs": 4,
            "minibatch": 256,
            "network": "nature",
            "hidden": [512],
            "learning_rate": 2.5e-4,
            "final_learning_rate": 0.0,
            "clip": 0.1,
            "final_clip": 0.0,
            "entropy_weight": 0.01,
            "value_weight": 0.5,
            "max_gradient_norm": 0.5,
        },
        peer={
            "n_steps": 128,
            "n_epochs": 4,
            "batch_size": 256,
            "learning_rate": 2.5e-4,
            "clip_range": 0.1,
            "linear": ["learning_rate", "clip_range"],
            "ent_coef": 0.01,
            "vf_coef": 0.5,
        },
        remark="ours brings the advantages of a segment to mean 0 and deviation 1, the peer those of each batch",
    ),
    "a2c-cartpole": Case(
        "a2c",
        "CartPole-v1",
        num_envs=8,
        warm=8_000,
        measured=40_000,
        ours={
            "n_step": 5,
            "hidden": [64, 64],
            "learning_rate": 7e-4,
            "final_learning_rate": None,
            "optimizer": "rmsprop",
            "rmsprop_epsilon": 1e-5,
            "entropy_weight": 0.0,
            "value_weight": 0.5,
            "max_gradient_norm": 0.5,
            "clip_rewards": False,
        },
        peer={"n_steps": 5, "learning_rate": 7e-4, "rms_prop_eps": 1e-5, "ent_coef": 0.0, "vf_coef": 0.5},
        contenders=CART_POLE,
        planned=500_000,
    ),
    "ppo-cartpole": Case(
        "ppo",
        "CartPole-v1",
        num_envs=8,
        warm=5_120,
        measured=25_600,
        ours={
            "n_step": 32,
            "epochs": 20,
            "minibatch": 256,
            "hidden": [64, 64],
            "discount": 0.98,
            "trace": 0.8,
            "learning_rate": 1e-3,
            "final_learning_rate": 0.0,
            "clip": 0.2,
            "final_clip": 0.0,
            "entropy_weight": 0.0,
            "value_weight": 0.5,
            "max_gradient_norm": 0.5,
            "clip_rewards": False,
        },
        peer={
            "n_steps": 32,
            "n_epochs": 20,
            "batch_size": 256,
            "gamma": 0.98,
            "gae_lambda": 0.8,
            "learning_rate": 1e-3,
            "clip_range": 0.2,
            "linear": ["learning_rate", "clip_range"],
            "ent_coef": 0.0,
            "vf_coef": 0.5,
        },
        contenders=CART_POLE,
        planned=100_000,
    ),
    "dqn-cartpole": Case(
        "dqn",
        "CartPole-v1",
        num_envs=1,
        warm=2_048,
        measured=7_680,
        ours={
            "hidden": [256, 256],
            "replay_capacity": 100_000,
            "learning_starts": 1_000,
            "train_every": 2,
            "updates_at_once": 128,
            "batch_size": 64,
            "target_every": 128,
            "optimizer": "adam",
            "learning_rate": 2.3e-3,
            "max_gradient_norm": 10.0,
            "clip_rewards": False,
            "initial_epsilon": 0.04,
            "final_epsilon": 0.04,
        },
        peer={
            "buffer_size": 100_000,
            "learning_starts": 1_000,
            "train_freq": 256,
            "gradient_steps": 128,
            "batch_size": 64,
            "target_update_interval": 10,
            "learning_rate": 2.3e-3,
            "exploration_initial_eps": 0.04,
            "exploration_final_eps": 0.04,
            "policy_kwargs": {"net_arch": [256, 256]},
        },
        contenders=(OURS, SB3),
        planned=50_000,
        remark=(
            "128 updates after every 256 transitions; the peer's target network is copied every 10 transitions, "
            "which changes it once in 256: every 128 updates in ours"
        ),
    ),
}
