"""Control without a model, in a table: temporal-difference and Monte Carlo (Sutton & Barto 2018, chapters 5 to 7).

Temporal-difference control acts epsilon-greedily by its values and moves the value of an action towards the rewards
of n steps and the value of where they led, U:

    q(s_tm1, a_tm1) += alpha (r_1 + γ r_2 + … + γ^(n-1) r_n + γ^n U(s_t) - q(s_tm1, a_tm1))

with U = 0 where s_t is terminal, and elsewhere

    q-learning        U = max_a q(s_t, a)                      Watkins 1989, Learning from Delayed Rewards
    sarsa             U = q(s_t, a_t), a_t taken next          Rummery & Niranjan 1994, On-line Q-learning using
                                                               connectionist systems
    expected-sarsa    U = Σ_a π(a | s_t) q(s_t, a)             van Seijen et al. 2009, A theoretical and empirical
                                                               analysis of Expected Sarsa

Monte Carlo control waits for the end and takes all the rewards.

Numbered differences from the book:
1. `num_envs` environments step together: their targets are made from one table and applied one after the other, and
   what one of them learns the others act by at once, also in the middle of a Monte Carlo episode.
2. Where an episode is truncated, the return goes on with the value of its last state, in Monte Carlo control too.
3. By default the step size falls with the visits, but slower than that of a mean (see `TabularConfig`).
"""

from __future__ import annotations

from functools import partial
from typing import Literal, get_args

import gymnasium as gym
import numpy as np

from neuralcore.errors import UserError, nearest
from rlkit.rollout import Step
from rlkit.tabular_config import TabularConfig, TDConfig
from rlkit.tabular_control import TabularControl

Target = Literal["q-learning", "sarsa", "expected-sarsa"]


class TDControl(TabularControl):
    """Learns a `TabularAgent` by temporal differences.

    With `n_step` above 1 the rewards are those of the actions taken, exploration included, and Q-learning does not
    correct for that (as DQN's does not): its values are then a little low, the lower the more it explores.

    Args:
        env: an environment id, or a gymnasium vector environment in autoreset mode NEXT_STEP whose number of
            environments is the config's; observations and actions are Discrete.
        config: see `TDConfig`.
        target: what the returns go on with, as above.
        seed: of everything random here; the same seed gives the same bytes.

    Attributes:
        q: (S, A) action values. visits: (S, A) updates of each. steps: transitions seen. agent: as learned so far.
    """

    _chosen: np.ndarray | None  # (N,) SARSA's next actions
    _window: NStepReturns | None  # for n above 1

    def __init__(
        self,
        env: str | gym.vector.VectorEnv,
        config: TDConfig | None = None,
        *,
        target: Target = "q-learning",
        seed: int = 0,
    ):
        if target not in get_args(Target):
            raise UserError(f"unknown target {target!r}: {nearest(target, get_args(Target))}")
        config = config or TDConfig()
        self.target, self.n_step = target, config.n_step
        super().__init__(env, config, target, seed)

    def act_and_learn(self) -> None:
        """Act once in every environment; learn from the step, or with n steps from the one n-1 ago."""
        state_tm1 = self.states
        action_tm1 = self.choose(state_tm1) if self._chosen is None else self._chosen
        step = self.step(action_tm1)
        value_t = self._value_t()
        value_t[step.terminated] = 0.0
        if self._window is None:
            rows = step.transition
            target = step.reward + self.config.discount * value_t
            self.update(state_tm1[rows], action_tm1[rows], target[rows])
        else:
            self.update(*self._window.add(state_tm1, action_tm1, step, value_t))

    def _value_t(self) -> np.ndarray:
        """(N,): U of the states that the environments show now; SARSA draws the next actions for it."""
        state_t = self.states
        if self.target == "sarsa":
            self._chosen = self.choose(state_t)
            return self.q[state_t, self._chosen]
        return self.expected_value(state_t, self.epsilon if self.target == "expected-sarsa" else 0.0)

    def truncate(self) -> None:
        if self._window is not None:
            value_t = self._value_t() if self._chosen is None else self.q[self.states, self._chosen]
            self.update(*self._window.close(value_t))

    def begin(self) -> None:
        self._chosen = None
        discount, envs = self.config.discount, self.env.num_envs
        self._window = NStepReturns(self.n_step, envs, discount) if self.n_step > 1 else None

    def open_episodes(self) -> dict[str, np.ndarray]:
        arrays = {} if self._chosen is None else {"chosen": self._chosen}
        return arrays if self._window is None else {**arrays, **self._window.arrays()}

    def reopen(self, arrays: dict[str, np.ndarray]) -> None:
        self._chosen = arrays["chosen"].copy() if "chosen" in arrays else None
        if self._window is not None:
            self._window.restore(arrays)


# The names people know, each the flag and nothing else.
QLearning = partial(TDControl, target="q-learning")
SARSA = partial(TDControl, target="sarsa")
ExpectedSARSA = partial(TDControl, target="expected-sarsa")


class NStepReturns:
    """The last n steps of N environments, as far as their returns are still open (Sutton & Barto, section 7.1).

    A ring of n rows, one a vector step: each row's return gathers the rewards that come after it, and the row is
    handed out once n have come or the episode has ended.
    """

    def __init__(self, n: int, num_envs: int, discount: float):
        self.n, self.discount = n, discount
        self.state = np.zeros((n, num_envs), dtype=np.int64)
        self.action = np.zeros((n, num_envs), dtype=np.int64)
        self.reward = np.zeros((n, num_envs))  # r_1 + γ r_2 + … as far as they have come
        self.weight = np.zeros((n, num_envs))  # γ^k after k rewards
        self.open = np.zeros((n, num_envs), dtype=bool)
        self.oldest = 0  # the row that is written next

    def add(
        self, state: np.ndarray, action: np.ndarray, step: Step, value_t: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Take a step in; give out (states, actions, targets), oldest first, of all that it completes.

        Args:
            state, action: (N,) before the step, counted from 0.
            value_t: (N,) the value of where it led, 0 where that is terminal.
        """
        row = self.oldest
        self.state[row], self.action[row] = state, action
        self.reward[row], self.weight[row], self.open[row] = 0.0, 1.0, step.transition
        self.reward += self.weight * step.reward
        self.weight *= self.discount
        self.oldest = (row + 1) % self.n
        due = self.open & (step.terminated | step.truncated)
        due[self.oldest] = self.open[self.oldest]
        return self._hand_out(due, value_t)

    def close(self, value_t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Give out all that is open, with the values (N,) of the states the environments show now."""
        return self._hand_out(self.open.copy(), value_t)

    def arrays(self) -> dict[str, np.ndarray]:
        """The rows, oldest first."""
        names = "state", "action", "reward", "weight", "open"
        return {name: np.roll(getattr(self, name), -self.oldest, axis=0) for name in names}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Take what `arrays` gave."""
        for name in ("state", "action", "reward", "weight", "open"):
            getattr(self, name)[:] = arrays[name]
        self.oldest = 0

    def _hand_out(self, due: np.ndarray, value_t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        order = (self.oldest + np.arange(self.n)) % self.n
        which, env = np.nonzero(due[order])
        row = order[which]
        self.open &= ~due
        target = self.reward[row, env] + self.weight[row, env] * value_t[env]
        return self.state[row, env], self.action[row, env], target


class MonteCarloControl(TabularControl):
    """Learns a `TabularAgent` from whole episodes: first-visit, on-policy, epsilon-soft (Sutton & Barto, 5.4).

    Args:
        env, seed: as in `TDControl`.
        config: see `TabularConfig`.

    Attributes:
        q: (S, A) action values. visits: (S, A) returns of each. steps: transitions seen. agent: as learned so far.
    """

    def __init__(self, env: str | gym.vector.VectorEnv, config: TabularConfig | None = None, *, seed: int = 0):
        super().__init__(env, config or TabularConfig(), "monte-carlo", seed)

    def act_and_learn(self) -> None:
        """Act once in every environment; learn from the episodes that ended."""
        state_t = self.states
        action_t = self.choose(state_t)
        step = self.step(action_t)
        rows = np.flatnonzero(step.transition).tolist()
        for i, *transition in zip(rows, state_t[rows].tolist(), action_t[rows].tolist(), step.reward[rows].tolist()):
            self._open[i].append(transition)
        for i in np.flatnonzero((step.terminated | step.truncated) & step.transition).tolist():
            self._end(i, terminated=bool(step.terminated[i]))

    def _end(self, env: int, *, terminated: bool) -> None:
        """Learn from the episode of one environment, which ends where it is now."""
        value = 0.0 if terminated else float(self.expected_value(self.states[[env]], self.epsilon)[0])
        returns = first_visit_returns(self._open[env], value, self.config.discount)
        pairs = np.array(list(returns), dtype=np.int64).reshape(-1, 2)
        self.update(pairs[:, 0], pairs[:, 1], np.array(list(returns.values())))
        self._open[env] = []

    def truncate(self) -> None:
        for env in range(self.env.num_envs):
            self._end(env, terminated=False)

    def begin(self) -> None:
        self._open: list[list] = [[] for _ in range(self.env.num_envs)]  # (state, action, reward) of each step

    def open_episodes(self) -> dict[str, np.ndarray]:
        steps = [step for episode in self._open for step in episode]
        pairs = np.array([step[:2] for step in steps], dtype=np.int64).reshape(-1, 2)
        rewards = np.array([step[2] for step in steps], dtype=np.float64)
        return {"lengths": np.array([len(e) for e in self._open]), "pairs": pairs, "rewards": rewards}

    def reopen(self, arrays: dict[str, np.ndarray]) -> None:
        steps = [(*pair, reward) for pair, reward in zip(arrays["pairs"].tolist(), arrays["rewards"].tolist())]
        ends = np.cumsum(arrays["lengths"]).tolist()
        self._open = [steps[end - length : end] for end, length in zip(ends, arrays["lengths"].tolist())]


def first_visit_returns(episode: list, value: float, discount: float) -> dict[tuple[int, int], float]:
    """The return that followed the first visit of each pair (state, action).

    Args:
        episode: (state, action, reward) of each step. value: of where it ended, 0 if that is terminal.

    >>> first_visit_returns([(0, 1, 1.0), (5, 0, 0.0), (0, 1, 2.0)], 0.0, 0.5)
    {(0, 1): 1.5, (5, 0): 1.0}
    """
    returns = {}
    following = value
    for state, action, reward in reversed(episode):
        following = reward + discount * following
        returns[state, action] = following  # an earlier visit overwrites a later one
    return returns
