"""An agent's network as a function of images that can be differentiated, whatever its trunk does with numbers."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import nn

from agents.q_agent import highest
from neuralcore.errors import UserError
from neuralcore.layers.convolution import NatureTrunk, image_shape


class FrameModel(nn.Module):
    """An agent's network as a function of images (B, C, H, W) in [0, 1], which can be differentiated.

    Args:
        agent: a `QAgent` or a `PolicyAgent` without a core, whose observations are images.

    Raises:
        UserError: another kind of agent, or observations that are no images.
    """

    def __init__(self, agent: Any):
        super().__init__()
        network, shape = getattr(agent, "network", None), agent.observation_space.shape
        if not isinstance(network, nn.Module) or not hasattr(network, "trunk"):
            raise UserError("the agent has no network to look into: explain needs one trained by dqn, a2c or ppo")
        if agent.recurrent:
            raise UserError("what a recurrent agent does depends on all it has seen, not on one observation")
        if shape is None or len(shape) != 3:
            raise UserError(f"the agent's observations have shape {shape}: only of images can a picture be drawn")
        self.network = network
        self.discrete = isinstance(agent.action_space, gym.spaces.Discrete)
        self.first, self.high = image_shape(shape) == tuple(shape), highest(agent.observation_space)
        # The other trunks take floats as they are, and divide whole numbers only.
        self.scale = self.high if isinstance(network.trunk, NatureTrunk) else 1.0

    def images(self, observations: np.ndarray) -> torch.Tensor:
        """(B, C, H, W) in [0, 1] of observations (B, …)."""
        images = torch.from_numpy(np.asarray(observations)).float() / self.high
        return images if self.first else images.permute(0, 3, 1, 2).contiguous()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, A + 1): of each Discrete action its logit or value less the mean of all, of a Box the means; then the
        state's value. What all actions share says nothing about which is taken."""
        given = images if self.first else images.permute(0, 2, 3, 1)
        found = self.network(self.scale * given)
        actions, value = found if isinstance(found, tuple) else (found, found.amax(1))
        actions = actions - actions.mean(1, keepdim=True) if self.discrete else actions
        return torch.cat([actions, value[:, None]], 1)
