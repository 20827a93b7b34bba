"""Fitted Q iteration: value iteration on a fixed set of transitions (Ernst, Geurts & Wehenkel 2005, Tree-based batch
mode reinforcement learning, figure 1; Gordon 1995, Stable function approximation in dynamic programming).

Each iteration makes a regression problem of the last one's values and solves it:

    y_i = r_i + γ max_a q_k(s'_i, a),  the max being 0 where s'_i is terminal
    q_{k+1} = argmin_q  Σ_i (q(s_i, a_i) - y_i)²

It is DQN with a data set in place of the replay buffer, and a target network that is copied once the online network
has been fitted. Nothing explores: what the data does not show cannot be learned.

A linear model is solved in closed form, each action by itself: w_a = (Φ_aᵀΦ_a / n_a + ridge I)⁺ Φ_aᵀ y_a / n_a with
the features Φ_a of the n_a transitions in which a was taken; the inverse is the same in all iterations. With one-hot
features and each pair (s, a) in the data, this is value iteration on the model counted from the data. A network goes
on from the weights it has, by Adam on the whole data set.

Only models that average (one-hot; Gordon 1995) are sure to converge; others may diverge, which is reported.
Axes: T transitions, A actions, D features.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from agents.q_agent import QAgent, encode
from neuralcore.checkpoint import Checkpoint, CheckpointStore, Shard
from neuralcore.errors import UserError
from neuralcore.optimizers import Adam
from neuralcore.seeding import Generators
from neuralcore.shape import match_shape
from rlkit.dataset import Dataset
from rlkit.fitted_q_config import FittedQConfig
from rlkit.gradient_step import gradient_step
from rlkit.linear_features import CPU, features, linear_agent, set_weights
from rlkit.loop import optimizer_arrays, restore_optimizer


class FittedQ:
    """Learns a `QAgent` from transitions alone.

    Args:
        data: the transitions. config: see `FittedQConfig`. seed: of a network's initial weights and of the agent.

    Attributes:
        agent: the `QAgent` being fitted, greedy but for the config's epsilon.
        iterations: how many have been done.
    """

    name = "fitted-q"

    def __init__(self, data: Dataset, config: FittedQConfig | None = None, *, seed: int = 0):
        self.data, self.config = data, config or FittedQConfig()
        self.iterations = 0
        self._action = data.action_tm1.astype(np.int64) - int(data.actions.start)
        self._model: _Linear | _Network
        self._model = (_Network if self.config.hidden else _Linear)(data, self._action, self.config, seed)
        self._value = self._model.taken()

    @property
    def agent(self) -> QAgent:
        return self._model.agent

    def iterate(self) -> dict[str, float]:
        """One iteration.

        Returns:
            `loss`, the mean squared distance of the fitted values from their targets; `change`, the largest of any
            transition's value; `q`, their mean.

        Raises:
            UserError: the values have diverged.
        """
        best = self._model.after().max(axis=1)
        with np.errstate(over="ignore", invalid="ignore"):
            target = self.data.reward_t + self.config.discount * np.where(self.data.terminated_t, 0.0, best)
            if not np.isfinite(target).all() or np.abs(target).max() > 1e30:
                raise UserError(
                    f"the values diverged in iteration {self.iterations + 1}: take a lower discount, "
                    f"{'a lower learning_rate' if self.config.hidden else 'a higher ridge'} or other features"
                )
            self._model.fit(target)
        before, self._value = self._value, self._model.taken()
        self.iterations += 1
        return {
            "loss": float(np.square(self._value - target).mean()),
            "change": float(np.abs(self._value - before).max()),
            "q": float(self._value.mean()),
        }

    def learn(self, iterations: int, *, tolerance: float = 0.0) -> QAgent:
        """Go on until `iterations` have been done in all, or one changes no transition's value by more than that."""
        while self.iterations < iterations:
            if self.iterate()["change"] <= tolerance:
                break
        return self.agent

    def state(self) -> tuple[dict[str, Any], dict[str, Shard]]:
        """Everything needed to go on with the same data, as plain values and a shard of arrays."""
        return {"iterations": self.iterations}, {"model": Shard(self._model.arrays())}

    def restore(self, checkpoint: Checkpoint) -> None:
        """Become what `state` was taken from."""
        self._model.restore(checkpoint.shards["model"])
        self.iterations = checkpoint.state["iterations"]
        self._value = self._model.taken()

    def save(self, folder: str | Path) -> Path:
        """Write a checkpoint; `load` goes on from it."""
        return CheckpointStore(folder).save(self.iterations, *self.state())

    def load(self, folder: str | Path) -> FittedQ:
        """Go on from the newest good checkpoint in a folder; returns self."""
        checkpoint = CheckpointStore(folder).load()
        if checkpoint is None:
            raise UserError(f"{folder} holds no checkpoint: name a folder that `save` wrote")
        self.restore(checkpoint)
        return self


class _Linear:
    """Weights (A, D) in float64, refitted in closed form."""

    def __init__(self, data: Dataset, action: np.ndarray, config: FittedQConfig, seed: int):
        self.agent = linear_agent(
            data.observation_space,
            data.action_space,
            order=config.order if config.features == "fourier" else None,
            low=config.low,
            high=config.high,
            epsilon=config.epsilon,
            seed=seed,
        )
        self._before, self._after = (features(self.agent, o) for o in (data.observation_tm1, data.observation_t))
        self._action, self._actions = action, int(data.actions.n)
        width = self._before.shape[1]
        self.weights = np.zeros((self._actions, width))
        self._solvers = np.zeros((self._actions, width, width))  # (Φ_aᵀΦ_a / n_a + ridge I)⁺ / n_a
        for a in np.unique(action):
            phi = self._before[action == a]
            gram = phi.T @ phi / len(phi) + config.ridge * np.eye(width)
            self._solvers[a] = np.linalg.pinv(gram, hermitian=True) / len(phi)

    def after(self) -> np.ndarray:
        """(T, A): values of what came of each transition."""
        return self._after @ self.weights.T

    def taken(self) -> np.ndarray:
        """(T,): values of what was done."""
        return np.einsum("td,td->t", self._before, self.weights[self._action])

    def fit(self, target: np.ndarray) -> None:
        for a in range(self._actions):
            rows = self._action == a
            self.weights[a] = self._solvers[a] @ (self._before[rows].T @ target[rows])
        set_weights(self.agent, self.weights)

    def arrays(self) -> dict[str, np.ndarray]:
        return {"weights": self.weights}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        match_shape(arrays["weights"], *self.weights.shape, name="the checkpoint's weights")
        self.weights[:] = arrays["weights"]
        set_weights(self.agent, self.weights)


class _Network:
    """A Q-network with hidden layers, moved by Adam on all transitions at once."""

    def __init__(self, data: Dataset, action: np.ndarray, config: FittedQConfig, seed: int):
        self.config = config
        self.agent = QAgent(
            data.observation_space,
            data.action_space,
            network="mlp",
            hidden=config.hidden,
            epsilon=config.epsilon,
            generator=Generators(seed).torch("weights"),
            seed=seed,
        )
        self._optimizer = Adam(list(self.agent.network.parameters()), config.learning_rate, epsilon=1e-8)
        self._before, self._after = (
            encode(o, data.observation_space, CPU) for o in (data.observation_tm1, data.observation_t)
        )
        self._action = torch.from_numpy(action)

    def _taken(self) -> torch.Tensor:
        return self.agent.network(self._before).gather(1, self._action[:, None]).squeeze(1)

    def after(self) -> np.ndarray:
        """(T, A): values of what came of each transition."""
        with torch.inference_mode():
            return self.agent.network(self._after).double().numpy()

    def taken(self) -> np.ndarray:
        """(T,): values of what was done."""
        with torch.inference_mode():
            return self._taken().double().numpy()

    def fit(self, target: np.ndarray) -> None:
        targets = torch.from_numpy(target).float()
        for _ in range(self.config.gradient_steps):
            loss = torch.nn.functional.mse_loss(self._taken(), targets)
            gradient_step(self._optimizer, loss, self.config.learning_rate, max_norm=None)

    def arrays(self) -> dict[str, np.ndarray]:
        network = {f"network.{n}": v.detach().numpy() for n, v in self.agent.network.state_dict().items()}
        return network | {f"optimizer.{n}": v for n, v in optimizer_arrays(self._optimizer).items()}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        parts: dict[str, dict[str, np.ndarray]] = {"network": {}, "optimizer": {}}
        for name, array in arrays.items():
            part, rest = name.split(".", 1)
            parts[part][rest] = array
        self.agent.network.load_state_dict({n: torch.from_numpy(a.copy()) for n, a in parts["network"].items()})
        restore_optimizer(self._optimizer, parts["optimizer"])
