"""Action values linear in fixed features of the observation, as a `QAgent`; `LinearQ` and `FittedQ` use them.

Features of an observation:
- Discrete: one-hot.
- Box, `plain`: its numbers, and a constant 1.
- Box, `fourier`: cosines, see `neuralcore.layers.fourier`.

Axes: N observations, A actions, D features.
"""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import torch

from agents.q_agent import QAgent, encode, observation_shape
from neuralcore.errors import UserError
from neuralcore.layers.fourier import FourierBasis
from neuralcore.shape import match_shape

CPU = torch.device("cpu")


def linear_agent(
    observation_space: gym.Space,
    action_space: gym.Space,
    *,
    order: int | None = None,
    low: tuple[float, ...] = (),
    high: tuple[float, ...] = (),
    epsilon: float,
    seed: int,
) -> QAgent:
    """A `QAgent` whose values are linear in fixed features, all 0 as yet.

    Args:
        order: of the Fourier basis; None takes the observation itself.
        low, high: bounds of each observed number for the basis; () takes those of the observation space.

    Raises:
        UserError: bounds that are infinite, or of another number than the observation's.
    """
    size = int(np.prod(observation_shape(observation_space)))
    fourier = order is not None and isinstance(observation_space, gym.spaces.Box)
    if order is not None and not fourier:
        raise UserError(f"fourier features are for Box observations, not {observation_space}: leave them out")
    network, hidden = ("fourier", [(order + 1) ** size]) if order is not None else ("mlp", [])
    agent = QAgent(observation_space, action_space, network=network, hidden=hidden, epsilon=epsilon, seed=seed)
    trunk = agent.network.trunk
    if isinstance(trunk, FourierBasis) and isinstance(observation_space, gym.spaces.Box):
        for name, given in (("low", low), ("high", high)):
            bounds = np.array(given or getattr(observation_space, name).ravel(), dtype=np.float64)
            if len(bounds) != size:
                raise UserError(f"{name} has {len(bounds)} numbers, the observation {size}: give one for each")
            endless = np.abs(bounds) > 1e30  # some environments write infinity as a float32's largest number
            if endless.any():
                raise UserError(
                    f"fourier features need bounds, and observed number {int(endless.argmax())} has none "
                    f"({name} {bounds.tolist()}): give low and high, beyond which numbers are clipped"
                )
            getattr(trunk, name).copy_(torch.from_numpy(bounds))
    set_weights(agent, np.zeros((agent.action_space.n, features_of(agent))))
    return agent


def has_constant(agent: QAgent) -> bool:
    """Whether a constant is added to the trunk's features: one-hot and Fourier features hold one already."""
    return agent.architecture["network"] == "mlp" and isinstance(agent.observation_space, gym.spaces.Box)


def features_of(agent: QAgent) -> int:
    """D."""
    return agent.network.trunk.features + has_constant(agent)


def features(agent: QAgent, observations: np.ndarray) -> np.ndarray:
    """(N, …) observations -> (N, D) float64."""
    with torch.inference_mode():
        found = agent.network.trunk(encode(observations, agent.observation_space, CPU)).double().numpy()
    return np.hstack([found, np.ones((len(found), 1))]) if has_constant(agent) else found


def set_weights(agent: QAgent, weights: np.ndarray) -> None:
    """Make the agent's values those of weights (A, D); float64 here, float32 in the agent."""
    actions, width = agent.network.advantage.weight.shape
    match_shape(weights, actions, features_of(agent), name="weights")
    with torch.no_grad():
        agent.network.advantage.weight.copy_(torch.from_numpy(weights[:, :width]))
        constant = weights[:, width] if has_constant(agent) else np.zeros(actions)
        agent.network.advantage.bias.copy_(torch.from_numpy(constant))
