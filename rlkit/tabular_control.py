"""What temporal-difference and Monte Carlo control share: a table of action values, acting by it, and keeping it.

This is no algorithm: it never learns by itself. Axes: S states, A actions, N environments, B updates.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Discrete

from agents.tabular import TabularAgent
from neuralcore.checkpoint import Checkpoint, Shard
from neuralcore.errors import UserError
from neuralcore.kernels.epsilon_greedy import epsilon_greedy
from neuralcore.kernels.td_update import td_update
from neuralcore.schedules import linear
from neuralcore.seeding import Generators
from neuralcore.shape import match_shape
from rlkit import loop
from rlkit.environments import vector_env_of
from rlkit.rollout import Rollout, Step
from rlkit.tabular_config import TabularConfig


class TabularControl:
    """A table that acts in a vector environment. What it learns from a step, its heirs say.

    Args:
        env: an environment id, or a gymnasium vector environment in autoreset mode NEXT_STEP whose number of
            environments is the config's.
        config: shared settings. name: the algorithm's. seed: of everything random here.

    Attributes:
        q: (S, A) float64 action values. visits: (S, A) int64, updates of each.
        steps: transitions seen.
    """

    def __init__(self, env: str | gym.vector.VectorEnv, config: TabularConfig, name: str, seed: int):
        self.config, self.name, self.seed = config, name, seed
        self.env = vector_env_of(env, config.num_envs)
        self._observation_space = _discrete(self.env, "observation", name)
        self._action_space = _discrete(self.env, "action", name)
        self._first_state, self._first_action = int(self._observation_space.start), int(self._action_space.start)
        shape = int(self._observation_space.n), int(self._action_space.n)
        self.q = np.full(shape, config.initial_value, dtype=np.float64)
        self.visits = np.zeros(shape, dtype=np.int64)
        self.generators = Generators(seed)
        self.rollout = Rollout(self.env, seed)
        self.steps, self._planned = 0, 0
        self._updates, self._error_sum, self._value_sum = 0, 0.0, 0.0  # since the last call of `metrics`
        self.begin()

    # -- what an algorithm says -----------------------------------------------------------------------------

    def act_and_learn(self) -> None:
        """Act once in every environment and learn from it."""
        raise NotImplementedError

    def truncate(self) -> None:
        """Learn from the open episodes as if a time limit had ended them here."""
        raise NotImplementedError

    def begin(self) -> None:
        """Forget the open episodes, as new ones begin everywhere."""
        raise NotImplementedError

    def open_episodes(self) -> dict[str, np.ndarray]:
        """What is kept of the open episodes, for a checkpoint."""
        raise NotImplementedError

    def reopen(self, arrays: dict[str, np.ndarray]) -> None:
        """After `begin`: go on with the episodes that `open_episodes` gave."""
        raise NotImplementedError

    # -- acting and learning on the table -------------------------------------------------------------------

    @property
    def states(self) -> np.ndarray:
        """(N,) int64: the rows of the table that the environments show now."""
        return np.asarray(self.rollout.observations, dtype=np.int64) - self._first_state

    def choose(self, states: np.ndarray) -> np.ndarray:
        """(N,) int64: epsilon-greedy actions in `states` (N,), counted from 0; ties are broken at random."""
        uniforms = self.generators.numpy("exploration").random(len(states))
        return epsilon_greedy(self.q, states, self.epsilon, uniforms)

    def step(self, actions: np.ndarray) -> Step:
        """Take `actions` (N,), counted from 0, and count the transitions."""
        step = self.rollout.step(actions + self._first_action)
        self.steps += int(np.count_nonzero(step.transition))
        return step

    def expected_value(self, states: np.ndarray, epsilon: float) -> np.ndarray:
        """(N,): the value of `states` (N,) for who acts epsilon-greedily, (1 - ε) max_a q + ε mean_a q."""
        rows = self.q[states]
        best = rows.max(axis=1)
        return best if epsilon == 0.0 else best + epsilon * (rows.sum(axis=1) / rows.shape[1] - best)

    def update(self, states: np.ndarray, actions: np.ndarray, targets: np.ndarray) -> None:
        """Move the values of B pairs towards `targets` (B,), in order."""
        rate, power = self.learning_rate, 0.0
        if rate is None:
            rate, power = 1.0, self.config.visit_power
        sums = td_update(self.q, self.visits, states, actions, targets, rate, power=power)
        self._updates += len(targets)
        self._error_sum += sums[0]
        self._value_sum += sums[1]

    @property
    def epsilon(self) -> float:
        """The chance of a random action now."""
        config = self.config
        return linear(self.steps, config.initial_epsilon, config.final_epsilon, config.epsilon_steps)

    @property
    def learning_rate(self) -> float | None:
        """The step size now, moving over the transitions planned by `learn`; None where visits decide."""
        rate, final = self.config.learning_rate, self.config.final_learning_rate
        return rate if rate is None or final is None else linear(self.steps, rate, final, self._planned)

    @property
    def agent(self) -> TabularAgent:
        """What has been learned so far: epsilon-greedy with the final epsilon; deterministic, it is greedy."""
        best = self.q == self.q.max(axis=1, keepdims=True)
        epsilon = self.config.final_epsilon
        policy = (1 - epsilon) * best / best.sum(axis=1, keepdims=True) + epsilon / self.q.shape[1]
        return TabularAgent(policy, self._observation_space, self._action_space, seed=self.seed)

    # -- what the loop asks of an algorithm -----------------------------------------------------------------

    def advance(self) -> None:
        """One step of experience in every environment, and what is learned from it."""
        try:
            self.act_and_learn()
        except IndexError:
            wrong = [o for o in self.rollout.observations if not self._observation_space.contains(o)]
            if not wrong:
                raise
            raise UserError(
                f"the environment showed {wrong[0]}, which is not in {self._observation_space}: mend the environment"
            ) from None

    def learn(self, steps: int, **options: Any) -> TabularAgent:
        """Train until `steps` transitions have been seen in all; the options are those of `rlkit.loop.train`."""
        loop.train(self, steps, **options)
        return self.agent

    def plan(self, steps: int) -> None:
        """Take the length of the whole training, over which the learning rate moves."""
        self._planned = steps

    def metrics(self) -> dict[str, float]:
        """Means over the updates since the last call: |target - value| and the new value; and epsilon now."""
        means = {}
        if self._updates:
            means = {"td_error": self._error_sum / self._updates, "q": self._value_sum / self._updates}
        self._updates, self._error_sum, self._value_sum = 0, 0.0, 0.0
        return {**means, "epsilon": self.epsilon}

    def cut(self, number: int) -> None:
        """End the open episodes as a time limit would and begin new ones, seeded by `number` alone."""
        self.truncate()
        self.begin()
        self.rollout.restart(number)

    def state(self) -> tuple[dict[str, Any], dict[str, Shard]]:
        """Everything needed to go on but the rollout, as plain values and shards of arrays."""
        counters = {
            "steps": self.steps,
            "sums": [self._updates, self._error_sum, self._value_sum],
            "generators": self.generators.state(),
        }
        return counters, {"table": Shard({"q": self.q, "visits": self.visits}), "open": Shard(self.open_episodes())}

    def restore(self, checkpoint: Checkpoint) -> None:
        """Become what `state` was taken from."""
        for name, own in (("q", self.q), ("visits", self.visits)):
            stored = checkpoint.shards["table"][name]
            match_shape(stored, *own.shape, name=f"the checkpoint's {name}")
            own[:] = stored
        self.steps = checkpoint.state["steps"]
        self._updates, self._error_sum, self._value_sum = checkpoint.state["sums"]
        self.generators.restore(checkpoint.state["generators"])
        self.begin()
        if "open" in checkpoint.shards:  # not in those of version 0.1.0
            self.reopen(checkpoint.shards["open"])

    def save(self, folder: str | Path) -> Path:
        """Write a checkpoint of everything; `load` goes on from it."""
        return loop.save(self, folder)

    def load(self, folder: str | Path, *, new_episodes: bool = False) -> Self:
        """Go on from the newest good checkpoint in a folder; returns self. See `rlkit.loop.train`."""
        loop.load(self, folder, new_episodes=new_episodes)
        return self


def _discrete(env: gym.vector.VectorEnv, what: str, name: str) -> Discrete:
    space = getattr(env, f"single_{what}_space")
    if isinstance(space, Discrete):
        return space
    remedy = {
        "observation": "grids and chains have them with --env-args observation=index, for vectors there is dqn",
        "action": "choose another environment",
    }[what]
    raise UserError(f"{name} keeps a table and needs Discrete {what}s, not {space}: {remedy}")
