"""What Q-learning, SARSA, expected SARSA and Monte Carlo control learn: by hand, and against exact values."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from neuralcore.errors import UserError
from neuralcore.kernels.bellman.reference import expected
from rlkit import MDP, q_iteration
from rlkit.environments import make_env, make_vector_env
from rlkit.rollout import Step
from rlkit.tabular import (
    SARSA,
    ExpectedSARSA,
    MonteCarloControl,
    NStepReturns,
    QLearning,
    TDControl,
    first_visit_returns,
)
from rlkit.tabular_config import TabularConfig, TDConfig
from rlkit.tabular_control import TabularControl

FIRST_STATE, FIRST_ACTION = 10, 5  # spaces that do not begin at 0
Q = np.arange(1.0, 9.0).reshape(4, 2)  # (S, A), before anything is learned
HALF = TDConfig(discount=0.5, learning_rate=1.0, initial_epsilon=0.5, final_epsilon=0.5)


class Script(gym.vector.VectorEnv):
    """Goes by a script, whatever is done: for each environment the (reward, state, "t"/"u"/"") of an episode's steps.

    Episodes begin in state 0; "t" terminates, "u" truncates. `taken` are the actions, N a step.
    """

    metadata = {"autoreset_mode": gym.vector.AutoresetMode.NEXT_STEP}  # noqa: RUF012

    def __init__(self, *scripts: list[tuple[float, int, str]]):
        self.scripts, self.num_envs, self.taken = scripts, len(scripts), []
        self.single_observation_space = gym.spaces.Discrete(4, start=FIRST_STATE)
        self.single_action_space = gym.spaces.Discrete(2, start=FIRST_ACTION)

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[np.ndarray, dict]:
        self.at, self.over = [0] * self.num_envs, [False] * self.num_envs
        return np.full(self.num_envs, FIRST_STATE), {}

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict]:
        self.taken.append(actions.tolist())
        rows = []
        for i, script in enumerate(self.scripts):
            if self.over[i]:
                self.at[i], self.over[i] = 0, False
                rows.append((0.0, 0, ""))
            else:
                rows.append(script[self.at[i]])
                self.at[i] += 1
                self.over[i] = rows[-1][2] != ""
        rewards, states, ends = zip(*rows)
        how = np.array(ends)
        return np.array(states) + FIRST_STATE, np.array(rewards), how == "t", how == "u", {}


def scripted(learner: TabularControl, monkeypatch: pytest.MonkeyPatch, actions: list[int], steps: int) -> np.ndarray:
    """Q after some steps of one environment with these actions, from the values `Q`."""
    draws: Iterator[int] = iter(actions)
    monkeypatch.setattr(learner, "choose", lambda states: np.array([next(draws) for _ in states]))
    learner.q[:] = Q
    for _ in range(steps):
        learner.advance()
    return learner.q


# U of state s when the next action is a, at epsilon 0.5: what each target goes on with, from the values `Q`.
VALUE = {
    "q-learning": lambda s, a: Q[s].max(),
    "sarsa": lambda s, a: Q[s, a],
    "expected-sarsa": lambda s, a: 0.5 * Q[s].max() + 0.5 * Q[s].mean(),
}
LONG = [(1.0, 1, ""), (2.0, 2, ""), (3.0, 3, ""), (4.0, 1, ""), (5.0, 2, "")]


@pytest.mark.parametrize("target", VALUE)
@pytest.mark.parametrize("end", ["t", "u"])
def test_one_step_by_hand(target: Any, end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    env = Script([(1.0, 1, ""), (2.0, 2, end)])
    learner = TDControl(env, dataclasses.replace(HALF, learning_rate=0.5), target=target)
    # Actions 0 and 0, then 1: SARSA's in the state where it is cut. The third step is a reset row.
    q = scripted(learner, monkeypatch, [0, 0, 1, 0], 3)
    after = {"q-learning": (4.0, 6.0), "sarsa": (3.0, 6.0), "expected-sarsa": (3.75, 5.75)}[target]
    expected_q = Q.copy()
    expected_q[0, 0] = 1 + 0.5 * (1 + 0.5 * after[0] - 1)
    expected_q[1, 0] = 3 + 0.5 * (2 + (0.5 * after[1] if end == "u" else 0) - 3)
    np.testing.assert_allclose(q, expected_q)
    assert learner.steps == 2
    assert learner.visits.sum() == 2
    assert env.taken[:2] == [[FIRST_ACTION], [FIRST_ACTION]]
    metrics = learner.metrics()
    changes = (expected_q - Q)[[0, 1], [0, 0]]
    assert metrics["td_error"] == pytest.approx(np.abs(changes).mean() / 0.5)
    assert metrics["q"] == pytest.approx(expected_q[[0, 1], [0, 0]].mean())
    assert learner.metrics() == {"epsilon": 0.5}


@pytest.mark.parametrize("target", VALUE)
@pytest.mark.parametrize("end", ["t", "u"])
def test_three_steps_by_hand(target: Any, end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    env = Script([*LONG[:4], (5.0, 2, end)])
    learner = TDControl(env, dataclasses.replace(HALF, n_step=3), target=target)
    actions = [0, 1, 0, 1, 0, 1]  # of which the last is drawn for the state of the end
    q = scripted(learner, monkeypatch, [*actions, 0, 0], 6)
    value = VALUE[target]
    last = value(2, 1) if end == "u" else 0.0
    expected_q = Q.copy()
    expected_q[0, 0] = 1 + 1 + 0.75 + 0.125 * value(3, 1)  # rewards 1, 2, 3, then state 3
    expected_q[1, 1] = 2 + 1.5 + 1 + 0.125 * value(1, 0)
    expected_q[2, 0] = 3 + 2 + 1.25 + 0.125 * last
    expected_q[3, 1] = 4 + 2.5 + 0.25 * last
    expected_q[1, 0] = 5 + 0.5 * last
    np.testing.assert_allclose(q, expected_q)


@pytest.mark.parametrize("target", VALUE)
def test_a_cut_goes_on_with_the_value_of_where_it_is(target: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    learner = TDControl(Script(LONG), dataclasses.replace(HALF, n_step=3), target=target)
    scripted(learner, monkeypatch, [0, 1, 0, 1, 0], 2)
    np.testing.assert_array_equal(learner.q, Q)
    learner.cut(7)
    expected_q = Q.copy()
    expected_q[0, 0] = 1 + 1 + 0.25 * VALUE[target](2, 0)
    expected_q[1, 1] = 2 + 0.5 * VALUE[target](2, 0)
    np.testing.assert_allclose(learner.q, expected_q)
    assert learner.states.tolist() == [0]
    learner.cut(8)  # nothing is open
    np.testing.assert_allclose(learner.q, expected_q)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_n_step_returns_of_several_environments_are_the_sums_written_out(n: int) -> None:
    steps, envs, discount = 60, 3, 0.9
    rng = np.random.default_rng(n)
    rewards, values = rng.normal(size=(2, steps, envs))
    ends = rng.choice(["", "t", "u"], p=[0.7, 0.2, 0.1], size=(steps, envs))
    transition = np.ones((steps, envs), bool)
    for t in range(1, steps):  # after an end, a reset row, in which nothing ends
        transition[t] = ~((ends[t - 1] != "") & transition[t - 1])
        ends[t][~transition[t]] = ""
    window, found = NStepReturns(n, envs, discount), {}

    def keep(states: np.ndarray, actions: np.ndarray, targets: np.ndarray) -> None:
        assert (actions == states % envs).all()
        found.update(zip(states.tolist(), targets.tolist()))

    for t in range(steps):
        states = t * envs + np.arange(envs)  # every state is seen once
        terminated, truncated = ends[t] == "t", ends[t] == "u"
        step = Step(states, states, rewards[t], terminated, truncated, transition[t])
        keep(*window.add(states, np.arange(envs), step, np.where(terminated, 0.0, values[t])))
    keep(*window.close(values[-1]))

    for t in range(steps):
        for i in np.flatnonzero(transition[t]):
            last = t
            while last + 1 < min(t + n, steps) and ends[last, i] == "":
                last += 1
            powers = discount ** np.arange(last - t + 2)
            value = 0.0 if ends[last, i] == "t" else values[last, i]
            target = powers[:-1] @ rewards[t : last + 1, i] + powers[-1] * value
            assert found.pop(t * envs + i) == pytest.approx(target), (t, i)
    assert not found


def test_first_visits_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    # The pair (1, 0) is visited twice; only what followed the first time counts.
    episode = [(0, 0, 1.0), (1, 0, 2.0), (1, 0, 3.0), (1, 1, 4.0)]
    by_hand = {(1, 1): 4.0, (1, 0): 2 + 1.5 + 1, (0, 0): 1 + 1 + 0.75 + 0.5}
    assert first_visit_returns(episode, 0.0, 0.5) == by_hand
    assert first_visit_returns(episode, 8.0, 0.5) == {
        pair: value + {(1, 1): 4, (1, 0): 1, (0, 0): 0.5}[pair] for pair, value in by_hand.items()
    }
    script = [(1.0, 1, ""), (2.0, 1, ""), (3.0, 1, ""), (4.0, 3, "t")]
    learner = MonteCarloControl(Script(script), TabularConfig(discount=0.5, visit_power=1.0, epsilon_steps=0))
    q = scripted(learner, monkeypatch, [0, 0, 0, 1, 0, 1, 1, 1, 1], 9)  # two episodes and a reset row between
    expected_q = Q.copy()
    expected_q[0] = 1 + 1 + 0.75 + 0.5, 1 + 1 + 0.75 + 0.5
    expected_q[1] = 2 + 1.5 + 1, (4 + (2 + 1.5 + 1)) / 2  # the mean of two returns
    np.testing.assert_allclose(q, expected_q)
    assert learner.visits.tolist() == [[1, 1], [1, 2], [0, 0], [0, 0]]


@pytest.mark.parametrize("by_cut", [True, False])
def test_monte_carlo_goes_on_with_a_value_where_it_is_cut(by_cut: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    script = [(1.0, 1, ""), (2.0, 2, "" if by_cut else "u")]
    learner = MonteCarloControl(
        Script(script), TabularConfig(discount=0.5, learning_rate=1.0, final_epsilon=0.5, epsilon_steps=0)
    )
    scripted(learner, monkeypatch, [0, 1, 0, 0], 2)
    if by_cut:
        learner.cut(1)
    value = 0.5 * 6 + 0.5 * 5.5
    np.testing.assert_allclose(learner.q[[0, 1], [0, 1]], [1 + 1 + 0.25 * value, 2 + 0.5 * value])
    assert learner.visits.sum() == 2


def exact(env: gym.Env, discount: float, epsilon: float) -> np.ndarray:
    """(S, A): the best values of who acts epsilon-greedily, by iterating their equation in the exact model."""
    mdp = MDP.of(env)
    q = np.zeros(mdp.rewards.shape)
    for _ in range(1_000):
        values = (1 - epsilon) * q.max(axis=1) + epsilon * q.mean(axis=1)
        q = mdp.rewards + discount * expected(mdp.transitions, q.shape, values)
    return q


@pytest.mark.parametrize(
    ("learner", "config", "epsilon"),
    [
        (QLearning, {}, 0.0),
        (SARSA, {}, 0.5),
        (ExpectedSARSA, {}, 0.5),
        (SARSA, {"n_step": 3}, 0.5),
        (ExpectedSARSA, {"n_step": 3}, 0.5),
        (MonteCarloControl, {}, 0.5),
    ],
)
def test_values_converge_to_the_exact_ones(learner: Callable, config: dict, epsilon: float) -> None:
    """On 12 seeds the mean error was at most 0.015, the largest 0.12; the other epsilon's values are 0.3 away."""
    shared = {"num_envs": 64, "discount": 0.9, "visit_power": 0.8, "initial_epsilon": 0.5, "final_epsilon": 0.5}
    make = TabularConfig if learner is MonteCarloControl else TDConfig
    wanted = exact(make_env("GridWorld-v0"), 0.9, epsilon)
    for seed in (0, 1, 2):
        table = learner(make_vector_env("GridWorld-v0", 64), make(**shared, **config), seed=seed)
        table.learn(300_000)
        error = np.abs(table.q - wanted)[table.visits > 500]
        assert len(error) >= 30  # of 36 that can be tried
        assert error.mean() < 0.03
        assert error.max() < 0.25


def test_q_learning_finds_what_q_iteration_computes() -> None:
    env = make_env("GridWorld-v0")
    np.testing.assert_allclose(exact(env, 0.9, 0.0), q_iteration(env, discount=0.9, tolerance=1e-9).q, atol=1e-7)


@pytest.mark.parametrize("learner", [QLearning, SARSA, MonteCarloControl])
@pytest.mark.parametrize("state", [4, -1])
def test_an_observation_outside_the_space_is_named(learner: Callable, state: int) -> None:
    with pytest.raises(UserError, match=rf"showed {10 + state}, .*Discrete\(4, start=10\): mend the environment"):
        learner(Script([(1.0, state, "")] * 3)).learn(2)
