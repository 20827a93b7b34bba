"""QAgent: acts greedily on the action values of a network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import nn

from agents.agent import Memoryless, is_single, likely, read_agent, write_agent
from neuralcore.errors import UserError
from neuralcore.layers import make_trunk
from neuralcore.layers.initial import fan_in_uniform
from neuralcore.layers.quick import quick_heads


class QNetwork(nn.Module):
    """Observations -> one value an action.

    Args:
        shape: of one observation. Discrete observations are one-hot vectors, shape (n,).
        actions: number A of actions.
        network: the trunk's name (`neuralcore.layers.trunk`). hidden: widths of its fully connected layers.
        dueling: value and advantage streams (Wang et al. 2016, eq. 9): q = v + a - mean(a).
        generator: initial weights come from it.
        high: the largest number in an image.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        actions: int,
        network: str,
        hidden: Sequence[int],
        dueling: bool = False,
        generator: torch.Generator | None = None,
        high: float = 255.0,
    ):
        super().__init__()
        self.trunk = make_trunk(network, shape, hidden, high=high, generator=generator)
        self.advantage = nn.Linear(self.trunk.features, actions)
        fan_in_uniform(self.advantage, generator)
        self.value: nn.Linear | None = None
        if dueling:
            self.value = nn.Linear(self.trunk.features, 1)
            fan_in_uniform(self.value, generator)

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """(B, *shape) -> (B, A)."""
        features = self.trunk(observations)
        return self.combine(self.advantage(features), None if self.value is None else self.value(features))

    def combine(self, advantage: Any, value: Any) -> Any:
        """Values (B, A) from the streams (B, A) and (B, 1), tensors or arrays; not dueling, the first alone."""
        return advantage if self.value is None else value + advantage - advantage.mean(1, keepdims=True)


class QAgent(Memoryless):
    """The greedy policy of a Q-network, with a chance `epsilon` of a uniform action.

    Args:
        observation_space: Box of any shape, or Discrete (one-hot encoded).
        action_space: Discrete.
        network, hidden, dueling: see `QNetwork`.
        epsilon: probability of a uniformly random action unless `deterministic`; 0.05 as in Mnih et al. (2015).
        generator: initial weights come from it. seed: of the agent's own exploration.
    """

    def __init__(
        self,
        observation_space: gym.Space,
        action_space: gym.Space,
        *,
        network: str,
        hidden: Sequence[int],
        dueling: bool = False,
        epsilon: float = 0.05,
        generator: torch.Generator | None = None,
        seed: int = 0,
    ):
        if not isinstance(action_space, gym.spaces.Discrete):
            raise UserError(f"a Q-network needs Discrete actions, this environment has {action_space}")
        if not isinstance(observation_space, (gym.spaces.Box, gym.spaces.Discrete)):
            raise UserError(
                f"a Q-network takes Box or Discrete observations, not {observation_space}: "
                "wrap the environment in a function of your own, --env MODULE:FUNCTION"
            )
        self.observation_space: gym.Space = observation_space
        self.action_space: gym.spaces.Discrete = action_space
        self.architecture = {"network": network, "hidden": list(hidden), "dueling": dueling}
        self.epsilon = epsilon
        self.network = QNetwork(
            observation_shape(observation_space),
            int(action_space.n),
            network,
            hidden,
            dueling,
            generator,
            highest(observation_space),
        )
        self._quick = quick_heads(self.network.trunk, self.network.advantage, self.network.value)
        self._generator = np.random.default_rng(seed)

    @property
    def device(self) -> torch.device:
        """Where the network's weights live."""
        return next(self.network.parameters()).device

    def action_values(self, observations: np.ndarray) -> np.ndarray:
        """(N, …) observations -> (N, A) float32."""
        encoded = encode(observations, self.observation_space, self.device)
        if self._quick is not None and self._quick.suits(len(encoded)):
            return self.network.combine(*np.split(self._quick(encoded), [int(self.action_space.n)], axis=1))
        with torch.inference_mode():
            return self.network(encoded).float().cpu().numpy()

    def act(self, observations: Any, *, deterministic: bool = False) -> Any:
        """Actions for one observation or a batch; greedy if `deterministic`, else epsilon-greedy."""
        single = is_single(observations, self.observation_space)
        batch = np.asarray(observations)[None] if single else np.asarray(observations)
        actions = self.action_values(batch).argmax(axis=1)
        if not deterministic:
            explore = self._generator.random(len(batch)) < self.epsilon
            actions = np.where(explore, self._generator.integers(self.action_space.n, size=len(batch)), actions)
        actions = actions + self.action_space.start
        return actions[0] if single else actions

    def action_probabilities(self, observations: Any, *, deterministic: bool = False) -> np.ndarray:
        """(N, A) for N observations."""
        greedy = self.action_values(np.asarray(observations)).argmax(axis=1)
        return likely(greedy, int(self.action_space.n), 0.0 if deterministic else self.epsilon)

    def save(self, folder: str | Path) -> Path:
        arrays = {name: value.detach().cpu().numpy() for name, value in self.network.state_dict().items()}
        details = {"architecture": self.architecture, "epsilon": self.epsilon}
        return write_agent(folder, "QAgent", self.observation_space, self.action_space, arrays, details)

    @classmethod
    def load(cls, folder: str | Path) -> QAgent:
        description, arrays = read_agent(folder, "QAgent")
        try:
            agent = cls(
                description["observation_space"],
                description["action_space"],
                epsilon=description["epsilon"],
                **description["architecture"],
            )
            agent.network.load_state_dict({name: torch.from_numpy(a) for name, a in arrays.items()})
        except (KeyError, TypeError, RuntimeError) as error:
            raise UserError(f"{folder}: agent.json and the weights do not fit ({error})") from None
        return agent


def observation_shape(space: gym.Space) -> tuple[int, ...]:
    """The shape the network sees: a Discrete observation is one-hot."""
    return (int(space.n),) if isinstance(space, gym.spaces.Discrete) else tuple(space.shape or ())


def highest(space: gym.Space) -> float:
    """The number that an image's numbers are divided by: 255, or a Box's largest where that is smaller."""
    largest = (
        float(np.abs([space.low, space.high], dtype=np.float64).max()) if isinstance(space, gym.spaces.Box) else 0.0
    )
    return largest if 0.0 < largest < 255.0 else 255.0


def encode(observations: np.ndarray | torch.Tensor, space: gym.Space, device: torch.device) -> torch.Tensor:
    """A batch of observations as the tensor a network takes, on its device (uint8 stays uint8 on the way)."""
    if isinstance(observations, torch.Tensor) and isinstance(space, gym.spaces.Box):
        return observations.to(device, torch.float32 if observations.dtype == torch.float64 else observations.dtype)
    if isinstance(space, gym.spaces.Discrete):
        index = torch.as_tensor(observations, dtype=torch.int64, device=device) - int(space.start)
        return torch.nn.functional.one_hot(index, int(space.n)).float()
    array = np.ascontiguousarray(observations)
    if array.dtype == np.float64:
        array = array.astype(np.float32)
    return torch.from_numpy(array).to(device)
