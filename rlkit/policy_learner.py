"""What A2C, PPO and REINFORCE share: an agent that acts in a vector environment, a gradient step, and keeping both.

This is no algorithm: it never learns by itself. Axes: N environments, B rows of a batch.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import gymnasium as gym
import numpy as np
import torch

from agents.policy_agent import PolicyAgent
from agents.q_agent import encode, observation_shape
from neuralcore.checkpoint import Checkpoint, Shard
from neuralcore.device import autocast, choose_device
from neuralcore.errors import UserError
from neuralcore.layers.rectified import Apply, rectified
from neuralcore.layers.trunk import trunk_for
from neuralcore.optimizers import Adam, RMSprop
from neuralcore.schedules import linear
from neuralcore.seeding import Generators
from neuralcore.vision.carrying import trunk_from_run
from rlkit import loop
from rlkit.environments import vector_env_of
from rlkit.gradient_step import gradient_step
from rlkit.loop import optimizer_arrays, restore_optimizer
from rlkit.policy_gradient import categorical, gaussian
from rlkit.reward_scale import RewardScale
from rlkit.rollout import Rollout, Step


class Means:
    """Means of figures over updates, kept on the device: no update waits to read them."""

    def __init__(self) -> None:
        self.count = 0
        self._names: list[str] = []
        self._sums = torch.zeros(0)

    def add(self, **figures: torch.Tensor) -> None:
        """The figures, scalars, of one update."""
        row = torch.stack([figure.detach() for figure in figures.values()])
        self._sums = row if self.count == 0 else self._sums + row
        self._names, self.count = list(figures), self.count + 1

    def take(self) -> dict[str, float]:
        """The means since the last call."""
        means = dict(zip(self._names, (self._sums / max(self.count, 1)).tolist())) if self.count else {}
        self.count = 0
        return means

    def state(self) -> dict[str, Any]:
        """Plain values; float32 sums are numbers of JSON without loss."""
        return {"count": self.count, "names": self._names, "sums": self._sums.tolist()}

    def restore(self, state: dict[str, Any], device: torch.device) -> None:
        """Become what `state` was taken from."""
        self.count, self._names = state["count"], list(state["names"])
        self._sums = torch.tensor(state["sums"], dtype=torch.float32, device=device)


class PolicyLearner:
    """A `PolicyAgent` in a vector environment. What it learns from, its heirs say, in `advance`.

    Args:
        env: an environment id, or a gymnasium vector environment in autoreset mode NEXT_STEP whose number of
            environments is the config's.
        config: the algorithm's. name: the algorithm's.
        seed: of everything random here; on the CPU the same seed gives the same bytes.
        device: "auto", "cpu" or "cuda".

    Attributes:
        agent: the `PolicyAgent` being trained. steps: transitions seen. updates: gradient steps done.
        core_state: (N, …) of the agent's core before it sees what the environments show now, but for those where
            an episode begins, which zero replaces; None without a core.
        reward_scale: by which rewards are learned from; None unless they are normalised.
    """

    def __init__(self, env: str | gym.vector.VectorEnv, config: Any, name: str, seed: int, device: str):
        self.config, self.name = config, name
        self.env = vector_env_of(env, config.num_envs)
        self.device = choose_device(device)
        self.generators = Generators(seed)
        space = self.env.single_observation_space
        self.agent = PolicyAgent(
            space,
            self.env.single_action_space,
            network=trunk_for(observation_shape(space)) if config.network == "auto" else config.network,
            hidden=config.hidden,
            initial=config.initial_weights,
            generator=self.generators.torch("weights"),
            seed=seed,
            core=config.core_settings,
        )
        if config.trunk_from:
            trunk_from_run(self.agent.network.trunk, config.trunk_from)
        self.network = self.agent.network.to(self.device)
        self.optimizer = self.make_optimizer()
        self.rollout = Rollout(self.env, seed)
        self.core_state = self.agent.blank(config.num_envs)
        self.reward_scale = RewardScale(config.num_envs, config.discount) if config.normalise_rewards else None
        self.steps, self.updates, self._planned = 0, 0, 0
        self._means = Means()

    # -- what an algorithm says -----------------------------------------------------------------------------

    def make_optimizer(self) -> Adam | RMSprop:
        """Adam, unless the algorithm has another."""
        return Adam(list(self.network.parameters()), self.config.learning_rate, epsilon=1e-5)

    def advance(self) -> None:
        """Some steps of experience and the updates they pay for."""
        raise NotImplementedError

    # -- acting and learning --------------------------------------------------------------------------------

    def evaluate(self, observations: np.ndarray, apply: Apply = rectified) -> tuple[np.ndarray, np.ndarray]:
        """What the network gives for what the environments show, (N, …): (N, A) or (N, D), and values (N,).

        The trunk's layers by `apply`. A core's state moves on, so this is for once in a step; `value` leaves it.
        """
        with autocast(self.device, self.config.precision):
            return self.agent.evaluate(observations, apply, self.core_state, self.rollout.begins)

    def value(self, observations: np.ndarray) -> np.ndarray:
        """(N,) values of what the environments show, (N, …); a core's state stays as it was."""
        with autocast(self.device, self.config.precision):
            state = None if self.core_state is None else self.core_state.clone()
            return self.agent.evaluate(observations, state=state, begins=self.rollout.begins)[1]

    def state_now(self) -> torch.Tensor | None:
        """(N, …): a copy of the core's state, zero where an episode begins now; None without a core."""
        if self.core_state is None:
            return None
        return self.core_state * self.tensor(~self.rollout.begins)[:, None, None]

    def step(self, outputs: np.ndarray) -> tuple[Step, np.ndarray]:
        """Draw actions from what the network gave and take them.

        Returns:
            The step, its rewards as they are to be learned from, and the draw.
        """
        drawn = self.agent.draw(outputs, self.generators.numpy("actions"))
        if not self.agent.discrete and not np.isfinite(drawn).all():
            raise UserError(f"the policy's actions became nan or inf by step {self.steps}: lower the learning rate")
        step = self.rollout.step(self.agent.in_space(drawn))
        reward = step.reward.clip(-1.0, 1.0) if self.config.clip_rewards else step.reward
        if self.reward_scale is not None:
            reward = self.reward_scale.scale(reward, step)
        return replace(step, reward=reward), drawn

    def encode(self, observations: np.ndarray) -> torch.Tensor:
        """(B, …) observations as the network takes them, on the device."""
        return encode(observations, self.agent.observation_space, self.device)

    def forward(
        self,
        observations: torch.Tensor,
        apply: Apply = rectified,
        state: torch.Tensor | None = None,
        begins: np.ndarray | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What the network gives for B encoded observations, with gradients: (B, A) or (B, D), and values (B,).

        With a core, the B are T steps of N environments: from `state` (N, …) on, anew where `begins` (T, N) says.
        """
        with autocast(self.device, self.config.precision):
            if state is None or begins is None:
                outputs, values = self.network(observations, apply)
            else:
                outputs, values, _ = self.network.unroll(observations, state, self.tensor(begins), apply)
        return outputs.float(), values.float()

    def judge(self, outputs: torch.Tensor, drawn: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """log π(a) of drawn actions, (B,) or (B, D), and entropies: (B,) each, from what the network gave."""
        log_std = self.network.log_std
        return categorical(outputs, drawn) if log_std is None else gaussian(outputs, log_std, drawn)

    def tensor(self, array: np.ndarray) -> torch.Tensor:
        """An array on the device."""
        return torch.from_numpy(array).to(self.device)

    def descend(self, loss: torch.Tensor, **figures: torch.Tensor) -> None:
        """One gradient step; the loss, the norm of the gradient and the figures go into the metrics."""
        norm = gradient_step(self.optimizer, loss, self.learning_rate, self.config.max_gradient_norm)
        self.updates += 1
        self._means.add(loss=loss, **figures, gradient_norm=norm)

    @property
    def learning_rate(self) -> float:
        """The step size now; it moves over the transitions planned by `learn`."""
        return self.scheduled("learning_rate")

    @property
    def entropy_weight(self) -> float:
        """The weight of the entropy now."""
        return self.scheduled("entropy_weight")

    def scheduled(self, name: str) -> float:
        """A setting's value now, on its straight line to `final_<name>` if there is one and an end is planned."""
        start, final = getattr(self.config, name), getattr(self.config, f"final_{name}")
        return start if final is None or not self._planned else linear(self.steps, start, final, self._planned)

    # -- what the loop asks of an algorithm -----------------------------------------------------------------

    def learn(self, steps: int, **options: Any) -> PolicyAgent:
        """Train until `steps` transitions have been seen in all; the options are those of `rlkit.loop.train`."""
        loop.train(self, steps, **options)
        return self.agent

    def plan(self, steps: int) -> None:
        """Take the length of the whole training, over which schedules run."""
        self._planned = steps

    def metrics(self) -> dict[str, float]:
        """Means over the updates since the last call, the step size now, and what rewards are divided by now."""
        figures = {**self._means.take(), "learning_rate": self.learning_rate}
        return figures if self.reward_scale is None else {**figures, "reward_scale": self.reward_scale.deviation}

    def cut(self, number: int) -> None:
        """End the open episodes as a time limit would and begin new ones, seeded by `number` alone."""
        self.rollout.restart(number)
        if self.reward_scale is not None:
            self.reward_scale.cut()

    def state(self) -> tuple[dict[str, Any], dict[str, Shard]]:
        """Everything needed to go on but the rollout, as plain values and shards of arrays."""
        weights = {name: value.detach().cpu().numpy() for name, value in self.network.state_dict().items()}
        counters = {
            "steps": self.steps,
            "updates": self.updates,
            "means": self._means.state(),
            "generators": self.generators.state(),
        }
        shards = {"network": Shard(weights), "optimizer": Shard(optimizer_arrays(self.optimizer))}
        if self.core_state is not None:
            shards["core"] = Shard({"state": self.core_state.cpu().numpy()})
        if self.reward_scale is not None:
            shards["reward_scale"] = Shard(self.reward_scale.state())
        return counters, shards

    def restore(self, checkpoint: Checkpoint) -> None:
        """Become what `state` was taken from."""
        stored = checkpoint.shards["network"]
        self.network.load_state_dict({name: torch.from_numpy(array) for name, array in stored.items()})
        restore_optimizer(self.optimizer, checkpoint.shards["optimizer"])
        if self.core_state is not None:
            self.core_state.copy_(torch.from_numpy(checkpoint.shards["core"]["state"]))
        if self.reward_scale is not None:
            self.reward_scale.restore(checkpoint.shards["reward_scale"])
        self.steps, self.updates = checkpoint.state["steps"], checkpoint.state["updates"]
        self._means.restore(checkpoint.state["means"], self.device)
        self.generators.restore(checkpoint.state["generators"])

    def save(self, folder: str | Path) -> Path:
        """Write a checkpoint of everything; `load` goes on from it."""
        return loop.save(self, folder)

    def load(self, folder: str | Path, *, new_episodes: bool = False) -> Self:
        """Go on from the newest good checkpoint in a folder; returns self. See `rlkit.loop.train`."""
        loop.load(self, folder, new_episodes=new_episodes)
        return self
