"""Stable-Baselines3's side of `speed.py`: one training in this process, as a JSON line.

    PEER/bin/python benchmarks/rl/sb3_runner.py '{"algorithm": "a2c", "env": "Pong", …}'

It imports nothing of this project. The clocks start and stop between two rounds of experience, after their updates.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import Any

import ale_py
import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_atari_env, make_vec_env
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import VecEnv, VecFrameStack

gym.register_envs(ale_py)


def clocks() -> tuple[float, float]:
    """CPU-seconds of this process with all its threads, and seconds."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime, time.perf_counter()


class Stopwatch(BaseCallback):
    """Times the rounds from `warm` transitions on until `measured` more are done."""

    def __init__(self, warm: int, measured: int):
        super().__init__()
        self.warm, self.measured = warm, measured
        self.optimizer_steps = 0
        self.start: tuple[int, int, float, float] | None = None
        self.stop: tuple[int, int, float, float] | None = None

    def _on_rollout_start(self) -> None:
        now = (self.num_timesteps, self.optimizer_steps, *clocks())
        if self.start is None and self.num_timesteps >= self.warm:
            self.start = now
        elif self.start is not None and self.num_timesteps - self.start[0] >= self.measured:
            self.stop = now

    def _on_step(self) -> bool:
        return self.stop is None


class SharedTrunk(BaseFeaturesExtractor):
    """Two rectified layers of 64 before the policy and the value, as ours have them."""

    def __init__(self, space: spaces.Box):
        super().__init__(space, 64)
        layers = [torch.nn.Linear(space.shape[0], 64), torch.nn.ReLU(), torch.nn.Linear(64, 64), torch.nn.ReLU()]
        self.layers = torch.nn.Sequential(*layers)

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        return self.layers(observations)


class AleVectorEnv(VecEnv):
    """ALE's own vector environment behind this library's interface."""

    def __init__(self, count: int):
        self.env = ale_py.AtariVectorEnv(
            "pong",
            count,
            noop_max=30,
            use_fire_reset=True,
            reward_clipping=True,
            repeat_action_probability=0.0,
            autoreset_mode=gym.vector.AutoresetMode.SAME_STEP,
        )
        super().__init__(count, self.env.single_observation_space, self.env.single_action_space)

    def reset(self) -> np.ndarray:
        return self.env.reset(seed=np.arange(self.num_envs))[0]

    def step_async(self, actions: np.ndarray) -> None:
        self.env.send(actions)

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        observations, rewards, terminated, truncated, found = self.env.recv()
        done = terminated | truncated
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for i in np.flatnonzero(done):
            infos[i] = {
                "terminal_observation": found["final_obs"][i],
                "TimeLimit.truncated": bool(truncated[i] and not terminated[i]),
            }
        return observations, rewards.astype(np.float32), done, infos

    def close(self) -> None:
        self.env.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        return [None] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        raise NotImplementedError

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        raise NotImplementedError

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        return [False] * self.num_envs


def environment(form: str, name: str, count: int) -> VecEnv:
    """`count` copies, in this library's usual way unless `form` is "ale"."""
    if name != "Pong":
        return make_vec_env(name, count, seed=0)
    if form == "ale":
        return AleVectorEnv(count)
    games = make_atari_env("PongNoFrameskip-v4", count, seed=0, wrapper_kwargs={"terminal_on_life_loss": False})
    return VecFrameStack(games, 4)


def main() -> None:
    asked = json.loads(sys.argv[1])
    torch.set_num_threads(asked["threads"])
    settings = dict(asked["peer"])
    for name in settings.pop("linear", []):
        settings[name] = lambda remaining, start=settings[name]: remaining * start
    if asked["form"] == "shared":
        settings["policy_kwargs"] = {"net_arch": [], "features_extractor_class": SharedTrunk}
    policy = "CnnPolicy" if asked["env"] == "Pong" else "MlpPolicy"
    env = environment(asked["form"], asked["env"], asked["num_envs"])
    model = {"a2c": A2C, "dqn": DQN, "ppo": PPO}[asked["algorithm"]](policy, env, seed=0, device="cpu", **settings)
    watch = Stopwatch(asked["warm"], asked["measured"])

    def count(*_: Any) -> None:
        watch.optimizer_steps += 1

    model.policy.optimizer.register_step_post_hook(count)
    model.learn(asked["planned"], callback=watch)
    assert watch.start is not None
    assert watch.stop is not None
    transitions, updates, cpu, wall = (after - before for before, after in zip(watch.start, watch.stop))
    learned = model.q_net if asked["algorithm"] == "dqn" else model.policy
    parameters = sum(p.numel() for p in learned.parameters())
    row = {"transitions": transitions, "updates": updates, "cpu": cpu, "wall": wall, "parameters": parameters}
    print(json.dumps(row))


if __name__ == "__main__":
    main()
