"""Deep Q-learning: "Human-level control through deep reinforcement learning" (Mnih et al., Nature 2015).

The action values of a network are moved toward one-step targets from transitions drawn at random from a replay
buffer; a second network, copied from the first now and then, gives the targets:

    loss = huber( r_t + discount * max_a q(s_t, a; target) - q(s_tm1, a_tm1; online) ),  0 beyond a terminated s_t

Numbered differences from the paper, all of them choices of the config:
1. `double`: the online network picks the action, the target network rates it (van Hasselt et al. 2016).
2. `dueling`: value and advantage streams (Wang et al. 2016).
3. `n_step` returns (Sutton 1988), and a target network that may follow softly (`target_rate`).
4. `optimizer = "adam"` and a learning rate that may fall in a straight line.
5. `num_envs` environments step together; updates are counted in transitions, as the paper counts them.
6. `prioritised`: transitions are drawn by their last error, weighted in the loss (Schaul et al. 2016).
7. `updates_at_once`: updates that have come due may wait until there are many, which is faster for small networks.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch

from agents.q_agent import QAgent, encode, observation_shape
from neuralcore.checkpoint import Checkpoint, Shard
from neuralcore.device import autocast, choose_device
from neuralcore.errors import UserError
from neuralcore.kernels.q_learning import q_learning
from neuralcore.layers.trunk import trunk_for
from neuralcore.optimizers import Adam, RMSprop
from neuralcore.schedules import linear
from neuralcore.seeding import Generators
from neuralcore.vision.carrying import trunk_from_run
from rlkit import loop
from rlkit.dqn_config import DQNConfig
from rlkit.environments import vector_env_of
from rlkit.exploration import epsilon_greedy
from rlkit.gradient_step import gradient_step
from rlkit.loop import optimizer_arrays, restore_optimizer
from rlkit.replay import ReplayBuffer, Transitions
from rlkit.rollout import Rollout

MOST_TOGETHER = 1024  # transitions valued in one pass of the target network: their activations stay in the cache


@dataclass
class _Totals:
    """Sums since the last report; kept as tensors so that no step waits for the device."""

    updates: int = 0
    sums: dict[str, Any] = field(default_factory=dict)

    def add(self, **values: Any) -> None:
        self.updates += 1
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + value

    def means(self) -> dict[str, float]:
        means = {name: float(value) / self.updates for name, value in self.sums.items()}
        self.updates, self.sums = 0, {}
        return means


class DQN:
    """Learns a `QAgent` in a vector environment.

    Args:
        env: an environment id, or a gymnasium vector environment in autoreset mode NEXT_STEP whose number of
            environments is the config's.
        config: see `DQNConfig`.
        seed: of everything random here; on the CPU the same seed gives the same bytes.
        device: "auto", "cpu" or "cuda".

    Attributes:
        agent: the `QAgent` being trained. steps: transitions seen. updates: gradient steps done.
    """

    name = "dqn"

    def __init__(
        self,
        env: str | gym.vector.VectorEnv,
        config: DQNConfig | None = None,
        *,
        seed: int = 0,
        device: str = "auto",
    ):
        self.config = config = config or DQNConfig()
        self.env = vector_env_of(env, config.num_envs)
        self.device = choose_device(device)
        if config.replay_on_device and self.device.type == "cpu":
            raise UserError("replay_on_device wants a GPU, and this learns on the CPU: leave it out")
        self.generators = Generators(seed)
        space = self.env.single_observation_space
        shape = observation_shape(space)
        self.agent = QAgent(
            space,
            self.env.single_action_space,
            network=trunk_for(shape) if config.network == "auto" else config.network,
            hidden=config.hidden,
            dueling=config.dueling,
            epsilon=config.final_epsilon,
            generator=self.generators.torch("weights"),
            seed=seed,
        )
        if config.trunk_from:
            trunk_from_run(self.agent.network.trunk, config.trunk_from)
        self.online = self.agent.network.to(self.device)
        self.target = _copy(self.online)
        self.optimizer = _optimizer(self.online, config)
        self.rollout = Rollout(self.env, seed)
        stack = int(getattr(self.env.unwrapped, "frame_stack", 1))
        self.replay = ReplayBuffer(
            config.replay_capacity,
            config.num_envs,
            tuple(space.shape or ()),
            np.dtype(space.dtype),
            stack=stack,
            priority_exponent=config.priority_exponent if config.prioritised else None,
            priority_floor=config.priority_floor,
            folder=config.replay_folder,
            device=self.device if config.replay_on_device else None,
        )
        self.steps, self.updates, self._planned = 0, 0, 0
        self._totals = _Totals()

    # -- one step of experience, and the updates it pays for ------------------------------------------------

    def advance(self) -> None:
        """Act once in every environment, remember it, and do the updates that have come due."""
        actions = self._act(self.rollout.observations)
        step = self.rollout.step(actions)
        self.replay.add(step)
        self.steps += int(step.transition.sum())
        due = (self.steps - self.config.learning_starts) // self.config.train_every - self.updates
        if due >= self.config.updates_at_once:
            self.improve(due)

    def _act(self, observations: np.ndarray) -> np.ndarray:
        space, generator = self.agent.action_space, self.generators.numpy("exploration")
        if self.steps < self.config.learning_starts:
            return space.start + generator.integers(space.n, size=self.config.num_envs)
        greedy = self.agent.action_values(observations).argmax(axis=1)
        return space.start + epsilon_greedy(greedy, int(space.n), self.epsilon, generator)

    def improve(self, updates: int) -> None:
        """Do so many updates, each on transitions drawn for it.

        Those between two copies into the target network need not wait for each other's transitions, unless errors
        are priorities: they are drawn together, and the target network values them together.
        """
        config = self.config
        while updates > 0:
            together = min(updates, config.target_every - self.updates % config.target_every)
            together = 1 if config.prioritised else min(together, max(1, MOST_TOGETHER // config.batch_size))
            drawn = self.sample(together)
            observation_t = encode(drawn.observation_t, self.env.single_observation_space, self.device)
            with torch.no_grad(), autocast(self.device, config.precision):
                q_target_t = self.target(observation_t).float()
            for start in range(0, together * config.batch_size, config.batch_size):
                part = slice(start, start + config.batch_size)
                self.update(drawn.part(part), observation_t[part], q_target_t[part])
            updates -= together

    def sample(self, batches: int = 1) -> Transitions:
        """Batches from the replay buffer, one after the other, as the config wants them."""
        return self.replay.sample(
            batches * self.config.batch_size,
            self.generators.numpy("replay"),
            discount=self.config.discount,
            n_step=self.config.n_step,
            clip_rewards=self.config.clip_rewards,
            importance_exponent=self.importance,
        )

    def update(self, batch: Transitions, observation_t: torch.Tensor, q_target_t: torch.Tensor) -> None:
        """One gradient step on a batch of transitions, whose errors become their priorities.

        Args:
            batch: B transitions. observation_t: (B, …) theirs, encoded. q_target_t: (B, A) the target network's
                values there.
        """
        config = self.config
        observation_tm1 = encode(batch.observation_tm1, self.env.single_observation_space, self.device)
        with autocast(self.device, config.precision):
            with torch.no_grad():
                q_selector_t = self.online(observation_t).float() if config.double else q_target_t
            q_tm1 = self.online(observation_tm1).float()
        learned = q_learning(
            self.lend(q_tm1.detach()),
            self.lend(batch.action_tm1 - int(self.agent.action_space.start)),
            self.lend(batch.reward_t),
            self.lend(batch.discount_t),
            self.lend(q_target_t),
            self.lend(q_selector_t),
            self.lend(np.ones_like(batch.reward_t) if batch.weight is None else batch.weight),
            config.error_clip,
        )
        gradient = torch.as_tensor(learned.gradient)
        norm = gradient_step(self.optimizer, q_tm1, self.learning_rate, config.max_gradient_norm, gradient)
        if self.replay.priorities is not None and batch.place is not None:
            self.replay.priorities.learned(batch.place, torch.as_tensor(learned.errors).cpu().numpy())  # waits
        self.updates += 1
        if self.updates % config.target_every == 0:
            with torch.no_grad():
                for slow, fast in zip(self.target.parameters(), self.online.parameters()):
                    slow.lerp_(fast, config.target_rate)
        self._totals.add(loss=learned.losses.mean(), q=q_tm1.detach().mean(), gradient_norm=norm)

    def lend(self, array: np.ndarray | torch.Tensor) -> Any:
        """An array as ops take it: of NumPy on the CPU, a tensor on a GPU."""
        if self.device.type == "cpu":
            return array.numpy() if isinstance(array, torch.Tensor) else array
        return torch.as_tensor(array).to(self.device)

    @property
    def epsilon(self) -> float:
        """The chance of a random action now."""
        return linear(self.steps, self.config.initial_epsilon, self.config.final_epsilon, self.config.epsilon_steps)

    @property
    def importance(self) -> float:
        """The power of the importance weights now; it rises to 1 over the transitions planned by `learn`."""
        return linear(self.steps, self.config.initial_importance, 1.0, self._planned)

    @property
    def learning_rate(self) -> float:
        """The step size now; it falls over the transitions planned by `learn`."""
        final = self.config.final_learning_rate
        if final is None:
            return self.config.learning_rate
        return linear(self.steps, self.config.learning_rate, final, self._planned)

    # -- what the loop asks of an algorithm -----------------------------------------------------------------

    def learn(self, steps: int, **options: Any) -> QAgent:
        """Train until `steps` transitions have been seen in all; the options are those of `rlkit.loop.train`."""
        loop.train(self, steps, **options)
        return self.agent

    def plan(self, steps: int) -> None:
        """Take the length of the whole training, over which schedules run."""
        self._planned = steps

    def metrics(self) -> dict[str, float]:
        """Means since the last call: loss, value of the actions and norm of the gradient; and epsilon now."""
        return {**self._totals.means(), "epsilon": self.epsilon}

    def cut(self, number: int) -> None:
        """End the open episodes as a time limit would and begin new ones, seeded by `number` alone."""
        self.replay.cut(self.rollout.observations)
        self.rollout.restart(number)

    def state(self) -> tuple[dict[str, Any], dict[str, Shard]]:
        """Everything needed to go on but the rollout, as plain values and shards of arrays."""
        networks = {f"online.{n}": v for n, v in self.online.state_dict().items()}
        networks |= {f"target.{n}": v for n, v in self.target.state_dict().items()}
        shards = {
            "networks": Shard({name: value.cpu().numpy() for name, value in networks.items()}),
            "optimizer": Shard(optimizer_arrays(self.optimizer)),
            **dict(self.replay.shards()),
        }
        counters = {"steps": self.steps, "updates": self.updates, "generators": self.generators.state()}
        return counters, shards

    def restore(self, checkpoint: Checkpoint) -> None:
        """Become what `state` was taken from."""
        networks = {name: torch.from_numpy(a) for name, a in checkpoint.shards["networks"].items()}
        for prefix, network in (("online.", self.online), ("target.", self.target)):
            network.load_state_dict(
                {name.removeprefix(prefix): v for name, v in networks.items() if name.startswith(prefix)}
            )
        restore_optimizer(self.optimizer, checkpoint.shards["optimizer"])
        self.replay.restore(checkpoint.shards)
        self.steps, self.updates = checkpoint.state["steps"], checkpoint.state["updates"]
        self.generators.restore(checkpoint.state["generators"])

    def save(self, folder: str | Path) -> Path:
        """Write a checkpoint of everything; `load` goes on from it."""
        return loop.save(self, folder)

    def load(self, folder: str | Path, *, new_episodes: bool = False) -> DQN:
        """Go on from the newest good checkpoint in a folder; returns self. See `rlkit.loop.train`."""
        loop.load(self, folder, new_episodes=new_episodes)
        return self


def _copy(network: torch.nn.Module) -> torch.nn.Module:
    return copy.deepcopy(network).requires_grad_(False)


def _optimizer(network: torch.nn.Module, config: DQNConfig) -> Adam | RMSprop:
    parameters = list(network.parameters())
    if config.optimizer == "adam":
        return Adam(parameters, config.learning_rate, epsilon=1e-5)
    return RMSprop(parameters, config.learning_rate, decay=0.95, epsilon=0.01, centered=True)
