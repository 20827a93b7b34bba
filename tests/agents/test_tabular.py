"""Acting from a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete

import agents
from agents import TabularAgent
from neuralcore.errors import UserError

STATES, ACTIONS = Discrete(3), Discrete(2)


def test_acts_on_one_state_and_on_many():
    agent = TabularAgent(np.array([1, 0, 1]), STATES, ACTIONS)
    assert agent.act(0) == 1
    assert np.shape(agent.act(np.int64(1))) == ()
    assert agent.act([0, 1, 2, 2]).tolist() == [1, 0, 1, 1]
    assert agent.act(np.array([2]), deterministic=True).tolist() == [1]
    assert isinstance(agent, agents.Agent)


def test_spaces_that_do_not_begin_at_zero():
    agent = TabularAgent(np.array([1, 0, 1]), Discrete(3, start=5), Discrete(2, start=-1))
    assert agent.act([5, 6, 7]).tolist() == [0, -1, 0]
    with pytest.raises(UserError, match="observation 4 is no state of this agent: it knows 5 to 7"):
        agent.act([5, 4])


def test_probabilities_are_drawn_from_and_their_mode_taken():
    agent = TabularAgent(np.array([[0.25, 0.75], [1.0, 0.0], [0.0, 1.0]]), STATES, ACTIONS, seed=3)
    drawn = agent.act(np.zeros(20_000, int))
    assert abs(drawn.mean() - 0.75) < 0.015  # five standard deviations
    assert not agent.act(np.ones(1_000, int)).any()
    assert agent.act(np.full(1_000, 2)).all()
    assert agent.act([0, 1, 2], deterministic=True).tolist() == [1, 0, 1]


def test_the_seed_decides_the_draws():
    table = np.full((3, 2), 0.5)
    draws = [TabularAgent(table, STATES, ACTIONS, seed=s).act(np.zeros(50, int)).tolist() for s in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]


@pytest.mark.parametrize("policy", [np.array([1, 0, 1], np.int32), np.array([[0.5, 0.5], [1, 0], [0, 1]])])
def test_saving_and_loading(tmp_path: Path, policy: np.ndarray):
    agent = TabularAgent(policy, STATES, ACTIONS, seed=5)
    loaded = agents.load(agent.save(tmp_path / "agent"))
    assert isinstance(loaded, TabularAgent)
    assert loaded.observation_space == STATES
    assert loaded.action_space == ACTIONS
    states = np.arange(3).repeat(20)
    assert loaded.act(states).tolist() == agent.act(states).tolist()


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (np.array([0, 1]), r"the policy is int64 of shape \(2,\): it must be integers \(3,\)"),
        (np.array([0.0, 1.0, 0.0]), "the policy is float64 of shape"),
        (np.array([0, 2, 0]), r"policy\[1\] is action 2: actions are 0 to 1"),
        (np.array([0, 1, -1]), r"policy\[2\] is action -1"),
        (np.array([[1.0, 0.0], [0.5, 0.4], [0, 1]]), r"policy\[1\] is .*sum to 1"),
        (np.array([[1.0, 0.0], [np.nan, 1], [0, 1]]), r"policy\[1\]"),
        (np.array([[2.0, -1.0], [0, 1], [0, 1]]), r"policy\[0\]"),
    ],
)
def test_tables_that_do_not_fit(policy: np.ndarray, message: str):
    with pytest.raises(UserError, match=message):
        TabularAgent(policy, STATES, ACTIONS)


@pytest.mark.parametrize(
    ("observations", "message"),
    [
        (3, "observation 3 is no state of this agent: it knows 0 to 2"),
        ([0, -1], "observation -1 is no state"),
        (1.0, "observations are float64: this agent takes the numbers of states"),
    ],
)
def test_observations_that_are_no_states(observations: Any, message: str):
    with pytest.raises(UserError, match=message):
        TabularAgent(np.array([0, 1, 0]), STATES, ACTIONS).act(observations)


def test_only_discrete_spaces():
    with pytest.raises(UserError, match="a table needs Discrete observations and actions"):
        TabularAgent(np.array([0]), Box(0, 1), ACTIONS)
