"""PolicyAgent: draws its actions from a distribution that a network gives; a second head values what it sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import nn

from agents.agent import is_single, likely, read_agent, write_agent
from agents.q_agent import encode, highest, observation_shape
from neuralcore.errors import UserError
from neuralcore.layers import make_trunk
from neuralcore.layers.initial import InitialWeights, fan_in_uniform, orthogonal
from neuralcore.layers.quick import quick_heads
from neuralcore.layers.rectified import Apply, rectified
from neuralcore.sequence.cores import Core, make_core

POLICY_SCALE = 0.01  # of the policy head's first weights: at the beginning all actions are about equally likely


class PolicyNetwork(nn.Module):
    """Observations -> the parameters of a distribution over actions, and a value.

    Discrete actions: logits. Box actions: the means of independent normal distributions; the logarithms of their
    standard deviations are weights of their own, `log_std` (D,), the same for all observations.

    Args:
        shape: of one observation. Discrete observations are one-hot vectors, shape (n,).
        outputs: number A of Discrete actions, or of numbers D in a Box action.
        network: the trunk's name (`neuralcore.layers.trunk`). hidden: widths of its fully connected layers.
        gaussian: whether the actions are of a Box. log_std: its first value.
        initial: how first weights are drawn (`neuralcore.layers.initial`). generator: they come from it.
        core: what remembers, between trunk and heads, as `make_core` takes it; None for a network without memory.
        high: the largest number in an image.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        outputs: int,
        network: str,
        hidden: Sequence[int],
        gaussian: bool = False,
        log_std: float = 0.0,
        initial: InitialWeights = "fan_in",
        generator: torch.Generator | None = None,
        core: Mapping[str, Any] | None = None,
        high: float = 255.0,
    ):
        super().__init__()
        self.trunk = make_trunk(network, shape, hidden, high=high, initial=initial, generator=generator)
        features = self.trunk.features
        self.core: Core | None = None
        if core is not None:
            self.core = make_core(core, features, initial=initial, generator=generator)
            features = self.core.width
        self.policy = nn.Linear(features, outputs)
        self.value = nn.Linear(features, 1)
        for head in (self.policy, self.value):
            fan_in_uniform(head, generator) if initial == "fan_in" else orthogonal(head, generator, gain=1.0)
        with torch.no_grad():
            self.policy.weight.mul_(POLICY_SCALE)
            self.policy.bias.zero_()
        self.log_std = nn.Parameter(torch.full((outputs,), log_std)) if gaussian else None

    def forward(self, observations: torch.Tensor, apply: Apply = rectified) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, *shape) -> logits (B, A) or means (B, D), and values (B,); the trunk's layers by `apply`.

        With a core, every observation is taken for an episode's first.
        """
        if self.core is not None:
            first = torch.ones(1, len(observations), dtype=torch.bool, device=observations.device)
            return self.unroll(observations, self.core.zeros(len(observations)), first, apply)[:2]
        features = self.trunk(observations, apply)
        return self.policy(features), self.value(features).squeeze(1)

    def unroll(
        self, observations: torch.Tensor, state: torch.Tensor, begins: torch.Tensor, apply: Apply = rectified
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The same for T steps of N environments, observations (T · N, *shape), and the core's state after them.

        Args:
            state: the core's, (N, …), before the first step.
            begins: (T, N) bool, whether a step shows an episode's first observation, before which the state becomes
                zero.
        """
        assert self.core is not None
        features = self.trunk(observations, apply)
        outputs, state = self.core(features.view(*begins.shape, -1), state, begins)
        features = outputs.flatten(0, 1)
        return self.policy(features), self.value(features).squeeze(1), state


class PolicyAgent:
    """A network's policy over Discrete or Box actions.

    With a core the agent is recurrent: `act` remembers, until `begin` tells it that episodes begin.

    Args:
        observation_space: Box of any shape, or Discrete (one-hot encoded).
        action_space: Discrete, or Box of floats, to which drawn actions are clipped.
        network, hidden, log_std, initial, core: see `PolicyNetwork`.
        generator: initial weights come from it. seed: of the draws.
    """

    def __init__(
        self,
        observation_space: gym.Space,
        action_space: gym.Space,
        *,
        network: str,
        hidden: Sequence[int],
        log_std: float = 0.0,
        initial: InitialWeights = "fan_in",
        generator: torch.Generator | None = None,
        seed: int = 0,
        core: Mapping[str, Any] | None = None,
    ):
        if not isinstance(observation_space, (gym.spaces.Box, gym.spaces.Discrete)):
            raise UserError(f"a policy network takes Box or Discrete observations, not {observation_space}")
        if isinstance(action_space, gym.spaces.Discrete):
            outputs = int(action_space.n)
        elif isinstance(action_space, gym.spaces.Box) and np.issubdtype(action_space.dtype, np.floating):
            outputs = int(np.prod(action_space.shape))
        else:
            raise UserError(f"a policy network needs Discrete actions or a Box of floats, not {action_space}")
        self.observation_space: gym.Space = observation_space
        self.action_space: gym.Space = action_space
        self.discrete = isinstance(action_space, gym.spaces.Discrete)
        self.architecture: dict[str, Any] = {"network": network, "hidden": list(hidden)}
        if core is not None:
            self.architecture["core"] = dict(core)
        self.network = PolicyNetwork(
            observation_shape(observation_space),
            outputs,
            network,
            hidden,
            not self.discrete,
            log_std,
            initial,
            generator,
            core,
            highest(observation_space),
        )
        trunk, policy, value = self.network.trunk, self.network.policy, self.network.value
        self._quick = None if self.recurrent else quick_heads(trunk, policy, value)
        self._generator = np.random.default_rng(seed)
        self.begin()

    @property
    def device(self) -> torch.device:
        """Where the network's weights live."""
        return self.network.policy.weight.device

    @property
    def recurrent(self) -> bool:
        """Whether there is a core."""
        return self.network.core is not None

    def blank(self, count: int) -> torch.Tensor | None:
        """(N, …): the core's state before anything is seen; None without a core."""
        return None if self.network.core is None else self.network.core.zeros(count)

    def evaluate(
        self,
        observations: np.ndarray,
        apply: Apply = rectified,
        state: torch.Tensor | None = None,
        begins: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """(N, …) observations -> logits (N, A) or means (N, D), and values (N,), float32; trunk by `apply`.

        Args:
            state: (N, …), the core's, which is moved on in place; without one, all observations are first ones.
            begins: (N,) bool, whose observations are the first of an episode and meet the state zero; None: nobody's.
        """
        encoded = encode(observations, self.observation_space, self.device)
        if self._quick is not None and apply is rectified and self._quick.suits(len(encoded)):
            both = self._quick(encoded)
            return both[:, :-1], both[:, -1]
        with torch.no_grad():
            if state is None:
                outputs, values = self.network(encoded, apply)
            else:
                first = torch.from_numpy(np.zeros(len(state), bool) if begins is None else begins).to(self.device)
                outputs, values, after = self.network.unroll(encoded, state, first[None], apply)
                state.copy_(after)
            return outputs.float().cpu().numpy(), values.float().cpu().numpy()

    def draw(self, outputs: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Actions as the policy has them, from logits (N, A) or means (N, D).

        Returns:
            (N,) int64 counted from 0, or (N, D) float32, not clipped; `in_space` makes actions of them.
        """
        if self.network.log_std is None:
            # The largest of logits with Gumbel noise is a draw from their softmax; -log of an exponential is Gumbel.
            return (outputs - np.log(generator.standard_exponential(outputs.shape))).argmax(axis=1)
        deviation = np.exp(self.network.log_std.detach().cpu().numpy())
        return outputs + deviation * generator.standard_normal(outputs.shape, dtype=np.float32)

    def in_space(self, drawn: np.ndarray) -> np.ndarray:
        """Actions (N, …) of the space: counted from its start, or in its shape and within its bounds."""
        space = self.action_space
        if isinstance(space, gym.spaces.Discrete):
            return drawn + space.start
        assert isinstance(space, gym.spaces.Box)
        return drawn.reshape(-1, *space.shape).clip(space.low, space.high).astype(space.dtype, copy=False)

    def act(self, observations: Any, *, deterministic: bool = False) -> Any:
        """Actions for one observation or a batch; the likeliest if `deterministic`, else drawn."""
        single = is_single(observations, self.observation_space)
        batch = np.asarray(observations)[None] if single else np.asarray(observations)
        outputs, _ = self.evaluate(batch, state=self._remembered(len(batch)))
        if not deterministic:
            drawn = self.draw(outputs, self._generator)
        else:
            drawn = outputs.argmax(axis=1) if self.discrete else outputs
        actions = self.in_space(drawn)
        return actions[0] if single else actions

    def begin(self, which: np.ndarray | None = None) -> None:
        if which is None or which.all():
            self._state: torch.Tensor | None = None
        elif self._state is not None:
            self._state[torch.from_numpy(which).to(self._state.device)] = 0.0

    def _remembered(self, count: int) -> torch.Tensor | None:
        """(N, …), what `act` remembers of N rows."""
        if self._state is None:
            self._state = self.blank(count)
        elif len(self._state) != count:
            raise UserError(
                f"the agent remembers {len(self._state)} episodes and is shown {count} observations: agent.begin() "
                f"where new ones begin"
            )
        return self._state

    def action_probabilities(self, observations: Any, *, deterministic: bool = False) -> np.ndarray:
        """(N, A) for N observations; of Discrete actions only."""
        if self.recurrent:
            raise UserError("what a recurrent agent does depends on all it has seen, not on one observation")
        if not self.discrete:
            raise UserError(f"{self.action_space} has no list of actions to give probabilities for")
        logits = self.evaluate(np.asarray(observations))[0].astype(np.float64)
        if deterministic:
            return likely(logits.argmax(axis=1), logits.shape[1])
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        return weights / weights.sum(axis=1, keepdims=True)

    def save(self, folder: str | Path) -> Path:
        arrays = {name: value.detach().cpu().numpy() for name, value in self.network.state_dict().items()}
        details = {"architecture": self.architecture}
        return write_agent(folder, "PolicyAgent", self.observation_space, self.action_space, arrays, details)

    @classmethod
    def load(cls, folder: str | Path) -> PolicyAgent:
        description, arrays = read_agent(folder, "PolicyAgent")
        try:
            architecture = dict(description["architecture"])
            if "lstm" in architecture:  # an agent from before there were other cores
                architecture["core"] = {"kind": "lstm", "width": architecture.pop("lstm")}
            agent = cls(description["observation_space"], description["action_space"], **architecture)
            agent.network.load_state_dict({name: torch.from_numpy(a) for name, a in arrays.items()})
        except (KeyError, TypeError, RuntimeError) as error:
            raise UserError(f"{folder}: agent.json and the weights do not fit ({error})") from None
        return agent
