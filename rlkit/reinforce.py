"""REINFORCE: "Simple statistical gradient-following algorithms for connectionist reinforcement learning".

Williams (1992). Once some episodes are over, one gradient step makes each action likelier by as much as followed it:

    loss = mean over transitions of  -(G_t - b(s_t)) log π(a_t | s_t),   G_t = r_t + γ r_{t+1} + γ² r_{t+2} + …

With `baseline`, b is the value head, learned by value_weight (v(s_t) - G_t)²; without, it is 0. It leaves the
expected gradient as it is and takes most of its variance away.

Numbered differences from the paper:
1. The return counts from each action on, not from the episode's beginning: what came before does not depend on it.
2. The loss is a mean over transitions, where the paper sums over each episode, and Adam takes the step.
3. With several environments an update comes when `episodes` of them are over, and the open ones go on: their first
   actions were drawn by weights that are an update or more older. Waiting for all would waste steps, and taking only
   the first to end would favour short episodes. With one environment it is the paper's algorithm.
4. With a baseline, a truncated episode's return goes on with the value of its last observation; without, it stops.
5. Box actions are drawn from normal distributions with one deviation each, whatever is observed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import gymnasium as gym
import numpy as np

from neuralcore.checkpoint import Checkpoint, Shard
from neuralcore.kernels.returns import returns
from rlkit.policy_gradient import policy_gradient_loss, squared_error
from rlkit.policy_learner import PolicyLearner
from rlkit.reinforce_config import REINFORCEConfig


@dataclass
class Trajectory:
    """One environment's steps since its episode began; `observations` gets one more when it ends."""

    observations: list[Any] = field(default_factory=list)
    drawn: list[Any] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    terminated: bool = False

    def __len__(self) -> int:
        return len(self.rewards)


class REINFORCE(PolicyLearner):
    """Learns a `PolicyAgent` from whole episodes.

    Where it goes on with `new_episodes`, the open ones end as by a time limit: with a baseline they are learned from
    there and then, without one they are dropped, as nothing tells what would have followed.

    Args:
        env: an environment id, or a gymnasium vector environment in autoreset mode NEXT_STEP whose number of
            environments is the config's.
        config: see `REINFORCEConfig`.
        seed: of everything random here; on the CPU the same seed gives the same bytes.
        device: "auto", "cpu" or "cuda".

    Attributes:
        agent: the `PolicyAgent` being trained. steps: transitions seen. updates: gradient steps done.
    """

    config: REINFORCEConfig

    def __init__(
        self,
        env: str | gym.vector.VectorEnv,
        config: REINFORCEConfig | None = None,
        *,
        seed: int = 0,
        device: str = "auto",
    ):
        config = config or REINFORCEConfig()
        super().__init__(env, config, "reinforce", seed, device)
        self._begin()

    def _begin(self) -> None:
        self._open = [Trajectory() for _ in range(self.config.num_envs)]
        self._over: list[Trajectory] = []

    def advance(self) -> None:
        """Act once in every environment, and update if enough episodes are over."""
        outputs, _ = self.evaluate(self.rollout.observations)
        step, drawn = self.step(outputs)
        for i in np.flatnonzero(step.transition).tolist():
            trajectory = self._open[i]
            trajectory.observations.append(step.observation_t[i].copy())
            trajectory.drawn.append(drawn[i])
            trajectory.rewards.append(step.reward[i])
            if step.terminated[i] or step.truncated[i]:
                trajectory.terminated = bool(step.terminated[i])
                self._end(i)
        self.steps += int(np.count_nonzero(step.transition))
        if len(self._over) >= self.config.episodes:
            self.update()

    def _end(self, i: int) -> None:
        """The episode of environment i is over, before or at its last observation."""
        self._open[i].observations.append(self.rollout.observations[i].copy())
        self._over.append(self._open[i])
        self._open[i] = Trajectory()

    def update(self) -> None:
        """One gradient step on the episodes that are over, which are then forgotten."""
        config, episodes, self._over = self.config, self._over, []
        lengths = np.array([len(episode) for episode in episodes])
        observations = np.concatenate([np.stack(episode.observations) for episode in episodes])
        is_last = np.zeros(len(observations), bool)
        is_last[np.cumsum(lengths + 1) - 1] = True
        acted = self.tensor(np.flatnonzero(~is_last))
        outputs, value = self.forward(self.encode(observations))
        drawn = np.concatenate([np.stack(episode.drawn) for episode in episodes])
        log_probability, entropy = self.judge(outputs[acted], self.tensor(drawn))
        values = value.detach().cpu().numpy() if config.baseline else np.zeros(len(observations), np.float32)
        advantages, targets = (self.tensor(a) for a in whole_returns(episodes, lengths, values, config.discount))
        policy_loss = policy_gradient_loss(log_probability, advantages).mean()
        entropy = entropy.mean()
        loss = policy_loss - self.entropy_weight * entropy
        figures = {"policy_loss": policy_loss, "entropy": entropy}
        if config.baseline:
            figures["value_loss"] = squared_error(value[acted], targets).mean()
            loss = loss + config.value_weight * figures["value_loss"]
        self.descend(loss, **figures)

    def cut(self, number: int) -> None:
        if self.config.baseline:
            for i, trajectory in enumerate(self._open):
                if len(trajectory):
                    self._end(i)
        if self._over:
            self.update()
        self._begin()
        super().cut(number)

    def state(self) -> tuple[dict[str, Any], dict[str, Shard]]:
        counters, shards = super().state()
        episodes = [*self._over, *self._open]
        arrays = {
            "lengths": np.array([len(episode) for episode in episodes]),
            "terminated": np.array([episode.terminated for episode in episodes]),
            "rewards": np.array([reward for episode in episodes for reward in episode.rewards], np.float64),
        }
        for name in ("observations", "drawn"):
            rows = [row for episode in episodes for row in getattr(episode, name)]
            if rows:
                arrays[name] = np.stack(rows)
        return {**counters, "over": len(self._over)}, {**shards, "episodes": Shard(arrays)}

    def restore(self, checkpoint: Checkpoint) -> None:
        super().restore(checkpoint)
        self._begin()
        if "episodes" not in checkpoint.shards:  # of version 0.1.0, which ended the open episodes at a checkpoint
            return
        stored, over = checkpoint.shards["episodes"], checkpoint.state["over"]
        observations, drawn, rewards = (iter(stored.get(n, ())) for n in ("observations", "drawn", "rewards"))
        episodes = [
            Trajectory(
                list(islice(observations, length + (e < over))),
                list(islice(drawn, length)),
                list(islice(rewards, length)),
                terminated,
            )
            for e, (length, terminated) in enumerate(zip(stored["lengths"].tolist(), stored["terminated"].tolist()))
        ]
        self._over, self._open = episodes[:over], episodes[over:]


def whole_returns(
    episodes: list[Trajectory], lengths: np.ndarray, values: np.ndarray, discount: float
) -> tuple[np.ndarray, np.ndarray]:
    """Advantages and returns of all steps of E episodes, one after the other, (Σ lengths,) float32 each.

    Args:
        values: (Σ (lengths + 1),) float32, of every observation, the episodes' last ones among them.
    """
    steps, count = int(lengths.max()), len(episodes)
    # A column an episode; below its end the rows are no transitions.
    columns = np.zeros((steps + 1, count), np.float32)
    rewards = np.zeros((steps, count), np.float32)
    terminated, truncated = np.zeros((steps, count), bool), np.zeros((steps, count), bool)
    first = np.cumsum(lengths + 1) - (lengths + 1)
    for e, (episode, length) in enumerate(zip(episodes, lengths)):
        columns[: length + 1, e] = values[first[e] : first[e] + length + 1]
        rewards[:length, e] = episode.rewards
        terminated[length - 1, e], truncated[length - 1, e] = episode.terminated, not episode.terminated
    transition = np.arange(steps)[:, None] < lengths
    found = returns(rewards, columns, terminated, truncated, transition, discount, 1.0)
    in_order = transition.T
    return found.advantages.T[in_order], found.returns.T[in_order]
