"""Q-learning with a linear network: the step between a table and DQN (Watkins 1989; Sutton & Barto 2018, chapter 10).

The value of an action is a weighted sum of features of the observation, q(s, a) = w_a · φ(s). Each transition moves
the weights of its action along the features it saw, and is then forgotten:

    w_a += alpha δ φ(s_tm1),   δ = r_t + γ max_a q(s_t, a) - q(s_tm1, a_tm1),   the max being 0 where s_t is terminal

The gradient of δ²/2 with the target held fixed: a semi-gradient. What DQN adds is in the names of its parts: features
that are learned, a memory of transitions to draw from, and a target network that stands still in between.

With one-hot features this is Q-learning in a table, number for number. With others there is no guarantee: the values
of states that share features move together, also to states never seen, and may diverge (Baird 1995, Residual
algorithms). A smaller learning rate or bounded features help.

The features are those of `rlkit.linear_features`. Of Fourier features, the step of feature c is alpha / max(|c|, 1)
(Konidaris et al. 2011, section 3), so that the quick cosines learn slowly.

Axes: N environments, A actions, D features.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from agents.q_agent import QAgent
from neuralcore.checkpoint import Checkpoint, Shard
from neuralcore.kernels.epsilon_greedy import epsilon_greedy
from neuralcore.layers.fourier import FourierBasis
from neuralcore.schedules import linear
from neuralcore.seeding import Generators
from neuralcore.shape import match_shape
from rlkit import loop
from rlkit.environments import vector_env_of
from rlkit.linear_features import features, features_of, linear_agent, set_weights
from rlkit.linear_q_config import LinearQConfig
from rlkit.rollout import Rollout


class LinearQ:
    """Learns a `QAgent` without hidden layers, one transition at a time.

    Args:
        env: an environment id, or a gymnasium vector environment in autoreset mode NEXT_STEP whose number of
            environments is the config's. They act by one set of weights, and learn one after the other.
        config: see `LinearQConfig`.
        seed: of everything random here; the same seed gives the same bytes.

    Attributes:
        weights: (A, D) float64, w_a in row a. steps: transitions seen.
    """

    name = "linear-q"

    def __init__(self, env: str | gym.vector.VectorEnv, config: LinearQConfig | None = None, *, seed: int = 0):
        self.config = config = config or LinearQConfig()
        self.env = vector_env_of(env, config.num_envs)
        self._agent = linear_agent(
            self.env.single_observation_space,
            self.env.single_action_space,
            order=config.order if config.features == "fourier" else None,
            low=config.low,
            high=config.high,
            epsilon=config.final_epsilon,
            seed=seed,
        )
        self.weights = np.zeros((int(self._agent.action_space.n), features_of(self._agent)))
        trunk = self._agent.network.trunk
        self.scale = np.ones(features_of(self._agent))  # of each feature's step
        if isinstance(trunk, FourierBasis):
            self.scale = 1 / np.maximum(trunk.frequencies.norm(dim=1).double().numpy(), 1.0)
        self.generators = Generators(seed)
        self.rollout = Rollout(self.env, seed)
        self._features: np.ndarray | None = None  # (N, D) of what the environments show, once a step computed them
        self.steps, self._planned = 0, 0
        self._updates, self._error_sum, self._value_sum = 0, 0.0, 0.0  # since the last call of `metrics`

    def advance(self) -> None:
        """Act once in every environment and learn from it."""
        phi_tm1 = features(self._agent, self.rollout.observations) if self._features is None else self._features
        uniforms = self.generators.numpy("exploration").random(len(phi_tm1))
        # Diverging weights are reported by the loop, with a remedy.
        with np.errstate(over="ignore", invalid="ignore"):
            action_tm1 = epsilon_greedy(phi_tm1 @ self.weights.T, np.arange(len(phi_tm1)), self.epsilon, uniforms)
            step = self.rollout.step(action_tm1 + self._agent.action_space.start)
            self.steps += int(np.count_nonzero(step.transition))
            self._features = phi_t = features(self._agent, self.rollout.observations)
            value_t = (phi_t @ self.weights.T).max(axis=1)
            value_t[step.terminated] = 0.0
            target = step.reward + self.config.discount * value_t
            for i in np.flatnonzero(step.transition):
                self.update(phi_tm1[i], int(action_tm1[i]), float(target[i]))

    def update(self, phi: np.ndarray, action: int, target: float) -> None:
        """Move the value of an action, counted from 0, where the features are phi (D,), towards a target."""
        weights = self.weights[action]
        error = target - phi @ weights
        weights += self.learning_rate * error * (self.scale * phi)
        self._updates += 1
        self._error_sum += abs(error)
        self._value_sum += target

    @property
    def epsilon(self) -> float:
        """The chance of a random action now."""
        config = self.config
        return linear(self.steps, config.initial_epsilon, config.final_epsilon, config.epsilon_steps)

    @property
    def learning_rate(self) -> float:
        """The step size now, moving over the transitions planned by `learn`."""
        rate, final = self.config.learning_rate, self.config.final_learning_rate
        return rate if final is None else linear(self.steps, rate, final, self._planned)

    @property
    def agent(self) -> QAgent:
        """What has been learned so far: epsilon-greedy with the final epsilon; deterministic, it is greedy."""
        set_weights(self._agent, self.weights)
        return self._agent

    # -- what the loop asks of an algorithm -----------------------------------------------------------------

    def learn(self, steps: int, **options: Any) -> QAgent:
        """Train until `steps` transitions have been seen in all; the options are those of `rlkit.loop.train`."""
        loop.train(self, steps, **options)
        return self.agent

    def plan(self, steps: int) -> None:
        """Take the length of the whole training, over which the learning rate moves."""
        self._planned = steps

    def metrics(self) -> dict[str, float]:
        """Means over the updates since the last call: |target - value| and the target; and epsilon now."""
        means = {}
        if self._updates:
            means = {"td_error": self._error_sum / self._updates, "target": self._value_sum / self._updates}
        self._updates, self._error_sum, self._value_sum = 0, 0.0, 0.0
        return {**means, "epsilon": self.epsilon}

    def cut(self, number: int) -> None:
        """Begin new episodes, seeded by `number` alone."""
        self.rollout.restart(number)
        self._features = None

    def state(self) -> tuple[dict[str, Any], dict[str, Shard]]:
        """Everything needed to go on but the rollout, as plain values and a shard of arrays."""
        counters = {
            "steps": self.steps,
            "sums": [self._updates, self._error_sum, self._value_sum],
            "generators": self.generators.state(),
        }
        return counters, {"weights": Shard({"weights": self.weights})}

    def restore(self, checkpoint: Checkpoint) -> None:
        """Become what `state` was taken from."""
        stored = checkpoint.shards["weights"]["weights"]
        match_shape(stored, *self.weights.shape, name="the checkpoint's weights")
        self.weights[:] = stored
        self._features = None
        self.steps = checkpoint.state["steps"]
        self._updates, self._error_sum, self._value_sum = checkpoint.state["sums"]
        self.generators.restore(checkpoint.state["generators"])

    def save(self, folder: str | Path) -> Path:
        """Write a checkpoint of everything; `load` goes on from it."""
        return loop.save(self, folder)

    def load(self, folder: str | Path, *, new_episodes: bool = False) -> LinearQ:
        """Go on from the newest good checkpoint in a folder; returns self. See `rlkit.loop.train`."""
        loop.load(self, folder, new_episodes=new_episodes)
        return self
