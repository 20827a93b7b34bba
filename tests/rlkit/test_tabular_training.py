"""The tabular algorithms as learners: their agents, schedules, seeds, checkpoints and mistakes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import agents
from neuralcore.errors import UserError
from rlkit.environments import make_vector_env
from rlkit.tabular import SARSA, ExpectedSARSA, MonteCarloControl, QLearning, TDControl
from rlkit.tabular_config import TabularConfig, TDConfig
from rlkit.tabular_control import TabularControl


@pytest.mark.parametrize("learner", [QLearning, SARSA, ExpectedSARSA, MonteCarloControl])
def test_the_agent_acts_by_the_table(learner: Callable, tmp_path: Path) -> None:
    table = learner("GridWorld-v0", seed=1)
    agent = table.learn(2_000)
    assert agent.policy.shape == table.q.shape
    np.testing.assert_allclose(agent.policy.sum(axis=1), 1)
    best = table.q == table.q.max(axis=1, keepdims=True)
    np.testing.assert_allclose(agent.policy[best], 0.9 / np.repeat(best.sum(1), best.sum(1)) + 0.025)
    np.testing.assert_allclose(agent.policy[~best], 0.025)
    agent.save(tmp_path)
    states = np.arange(11)
    greedy = agents.load(tmp_path).act(states, deterministic=True)
    np.testing.assert_array_equal(greedy, table.q.argmax(axis=1))


def test_ties_are_broken_at_random_and_by_the_seed() -> None:
    table = QLearning("GridWorld-v0", TDConfig(initial_epsilon=0.0, final_epsilon=0.0), seed=1)
    again = QLearning("GridWorld-v0", TDConfig(initial_epsilon=0.0, final_epsilon=0.0), seed=1)
    table.q[3] = again.q[3] = [0.0, 2.0, 1.0, 2.0]
    drawn = table.choose(np.repeat([0, 3], 4_000))
    counts = np.bincount(drawn[:4_000], minlength=4), np.bincount(drawn[4_000:], minlength=4)
    np.testing.assert_allclose(counts, [[1_000] * 4, [0, 2_000, 0, 2_000]], atol=150)
    np.testing.assert_array_equal(drawn, again.choose(np.repeat([0, 3], 4_000)))
    table.config = TDConfig(initial_epsilon=0.5, final_epsilon=0.5)
    counts = np.bincount(table.choose(np.full(8_000, 3)), minlength=4)
    np.testing.assert_allclose(counts, [1_000, 3_000, 1_000, 3_000], atol=200)


def contents(table: TabularControl) -> bytes:
    return table.q.tobytes() + table.visits.tobytes()


LEARNERS = [
    (QLearning, TDConfig(num_envs=3)),
    (SARSA, TDConfig(n_step=4, learning_rate=0.3, final_learning_rate=0.0)),
    (ExpectedSARSA, TDConfig(num_envs=5, n_step=2)),
    (MonteCarloControl, TabularConfig(num_envs=2)),
]


@pytest.mark.parametrize(("learner", "config"), LEARNERS)
def test_same_seed_same_bytes_and_another_seed_others(learner: Callable, config: TabularConfig) -> None:
    one, two, three = (learner("GridWorld-v0", config, seed=s) for s in (3, 3, 4))
    for table in (one, two, three):
        table.learn(600)
    assert contents(one) == contents(two) != contents(three)


@pytest.mark.parametrize(("learner", "config"), LEARNERS)
def test_going_on_equals_never_stopping(learner: Callable, config: TabularConfig, tmp_path: Path) -> None:
    options = {"checkpoint_every": 200, "report_every": 130}
    whole = learner("GridWorld-v0", config, seed=3)
    whole.learn(800, folder=tmp_path / "whole", **options)
    part = learner("GridWorld-v0", config, seed=3)
    part.learn(800, folder=tmp_path / "part", **options)
    # As if killed before the last checkpoint: on from the one near 600, over the rows that came after it.
    (tmp_path / "part" / "checkpoints" / f"step_{part.steps}").rename(tmp_path / "gone")
    again = learner("GridWorld-v0", config, seed=3)
    again.learn(800, folder=tmp_path / "part", **options)
    assert contents(whole) == contents(again)
    rows = [(tmp_path / name / "metrics.jsonl").read_text() for name in ("whole", "part")]
    assert rows[0] == rows[1]


def test_save_and_load_go_on(tmp_path: Path) -> None:
    one = SARSA("GridWorld-v0", seed=3)
    one.learn(300)
    one.save(tmp_path)
    two = SARSA("GridWorld-v0", seed=3)
    two.learn(50)
    two.load(tmp_path)
    assert contents(one) == contents(two)
    assert (two.steps, two.epsilon) == (one.steps, one.epsilon)
    one.load(tmp_path)
    for table in (one, two):
        table.learn(500)
    assert contents(one) == contents(two)
    with pytest.raises(UserError, match="no checkpoint"):
        two.load(tmp_path / "nothing")
    with pytest.raises(ValueError, match=r"the checkpoint's q has shape \(11, 4\), expected \(16, 4\)"):
        SARSA("FrozenLake-v1").load(tmp_path)


CHANGES: dict[str, dict[str, Any]] = {
    "num_envs": {"num_envs": 2},
    "discount": {"discount": 0.5},
    "initial_value": {"initial_value": 0.1},
    "learning_rate": {"learning_rate": 0.3},
    "final_learning_rate": {"final_learning_rate": 0.3},
    "visit_power": {"learning_rate": None, "visit_power": 0.9},
    "initial_epsilon": {"initial_epsilon": 0.5},
    "final_epsilon": {"final_epsilon": 0.5},
    "epsilon_steps": {"epsilon_steps": 100},
    "n_step": {"n_step": 2},
}


@pytest.mark.parametrize(
    ("learner", "make", "name"),
    [
        (learner, make, field.name)
        for learner, make in ((TDControl, TDConfig), (MonteCarloControl, TabularConfig))
        for field in dataclasses.fields(make)
    ],
)
def test_every_field_changes_something(learner: Callable, make: Callable, name: str) -> None:
    def train(config: TabularConfig) -> bytes:
        table = learner("GridWorld-v0", config, seed=0)
        table.learn(600)
        return contents(table)

    base = make() if name == "visit_power" else make(learning_rate=0.5)
    assert train(base) != train(dataclasses.replace(base, **CHANGES[name]))


def test_targets_differ() -> None:
    tables = [TDControl("GridWorld-v0", target=t, seed=0) for t in ("q-learning", "sarsa", "expected-sarsa")]
    for table in tables:
        table.learn(500)
    assert len({contents(table) for table in tables}) == 3
    for make, table in zip((QLearning, SARSA, ExpectedSARSA), tables):
        other = make("GridWorld-v0", seed=0)
        other.learn(500)
        assert contents(other) == contents(table)


def test_schedules() -> None:
    table = QLearning("GridWorld-v0", TDConfig(learning_rate=0.8, final_learning_rate=0.2, epsilon_steps=100))
    table.learn(300)
    assert table.learning_rate == pytest.approx(0.2)
    assert table.epsilon == pytest.approx(0.1)
    table.steps = 50
    assert table.learning_rate == pytest.approx(0.7)
    assert table.epsilon == pytest.approx(0.55)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_envs": 0}, "num_envs must be 1 or more, got 0"),
        ({"n_step": 0}, "n_step must be 1 or more, got 0"),
        ({"epsilon_steps": -1}, "epsilon_steps must be 0 or more, got -1"),
        ({"discount": 1.5}, r"discount must lie in \[0, 1\], got 1.5"),
        ({"initial_value": float("nan")}, "initial_value must be a finite number, got nan"),
        ({"initial_epsilon": 2.0}, r"initial_epsilon must lie in \[0, 1\], got 2.0"),
        ({"final_epsilon": 1.0}, r"final_epsilon must lie in \[0, 1\), got 1.0"),
        ({"visit_power": -1.0}, r"visit_power must lie in \[0, 1\], got -1.0"),
        ({"learning_rate": 0.0}, r"learning_rate must lie in \(0, 1\], got 0.0"),
        ({"final_learning_rate": 0.1}, "final_learning_rate 0.1 needs a learning_rate"),
        ({"learning_rate": 0.5, "final_learning_rate": 2.0}, r"final_learning_rate must lie in \[0, 1\], got 2.0"),
        ({"learning_rate": 0.5, "visit_power": 1.0}, "learning_rate 0.5 and visit_power 1.0 are two schedules"),
    ],
)
def test_contradictions_die_in_the_config(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TDConfig(**change)


def test_environments_it_cannot_learn_in() -> None:
    with pytest.raises(UserError, match=r"sarsa keeps a table and needs Discrete observations.*observation=index"):
        SARSA(make_vector_env("GridWorld-v0", 1, observation="one_hot"))
    with pytest.raises(UserError, match="2 copies, num_envs is 1"):
        QLearning(make_vector_env("GridWorld-v0", 2))
    with pytest.raises(UserError, match="did you mean 'sarsa'"):
        TDControl("GridWorld-v0", target="sarsi")  # type: ignore[arg-type]
