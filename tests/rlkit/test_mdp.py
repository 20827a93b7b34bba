"""Reading models: what the arrays become, where episodes end, and every refusal by state and action."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from neuralcore.errors import UserError
from rlkit import MDP


def model(**changes: Any) -> SimpleNamespace:
    """A corridor 0 - 1 - 2 with the goal 2 and actions left, right; the contract of `envs`, without `envs`."""
    arrays: dict[str, Any] = {
        "successors": np.array([[[0], [1]], [[0], [2]], [[2], [2]]]),
        "probabilities": np.ones((3, 2, 1)),
        "rewards": np.array([[[-1.0], [-1.0]], [[-1.0], [9.0]], [[0.0], [0.0]]]),
        "terminals": np.array([False, False, True]),
        "start": np.array([1.0, 0.0, 0.0]),
        "action_symbols": ("←", "→"),
        "grid": np.array([[0, 1, 2]]),
    }
    return SimpleNamespace(**{name: changes.get(name, array) for name, array in arrays.items()})


def changed(name: str, place: tuple[int, ...], value: float) -> SimpleNamespace:
    array = getattr(model(), name).copy()
    array[place] = value
    return model(**{name: array})


def test_a_model_becomes_rows_of_outcomes():
    mdp = MDP.of(model())
    assert (mdp.states, mdp.actions) == (3, 2)
    assert mdp.rows.indptr.tolist() == [0, 1, 2, 3, 4, 4, 4]  # the terminal's rows are empty
    assert mdp.rows.indices.tolist() == [0, 1, 0, 2]
    assert mdp.rows.indptr.dtype == mdp.rows.indices.dtype == np.int32
    assert mdp.rewards.tolist() == [[-1, -1], [-1, 9], [0, 0]]
    assert mdp.grid is not None
    assert mdp.grid.terminal_rewards.tolist() == [0, 0, 9]
    assert mdp.grid.action_symbols == ("←", "→")
    assert mdp.matrix().toarray()[3].tolist() == [0, 0, 1]


def test_expected_rewards_and_outcomes_that_only_pad():
    one = model(
        successors=np.array([[[0, 1, -7]]] * 2),
        probabilities=np.array([[[0.25, 0.75, 0.0]]] * 2),
        rewards=np.array([[[4.0, 8.0, np.nan]]] * 2),
        terminals=np.zeros(2, bool),
        start=np.array([0.5, 0.5]),
        grid=None,
    )
    mdp = MDP.of(one)
    assert mdp.rewards.tolist() == [[7.0], [7.0]]
    assert mdp.rows.indices.tolist() == [0, 1, 0, 1]
    assert mdp.grid is None


def test_an_environment_lends_its_model_through_wrappers():
    env = gym.wrappers.TimeLimit(Bare(model()), 5)
    np.testing.assert_array_equal(MDP.of(env).rewards, MDP.of(model()).rewards)


class Bare(gym.Env):
    observation_space = gym.spaces.Discrete(3)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, model: Any):
        self.model = model


def test_an_mdp_is_taken_as_it_is():
    mdp = MDP.random(3, 2, 2, seed=0)
    assert MDP.of(mdp) is mdp


def test_toy_text_ends_by_outcome_not_by_state():
    """State 1 is entered both by ending and in passing: it keeps its rows, and only the ended outcome is cut."""
    table = {
        0: {0: [(0.5, 1, 2.0, True), (0.5, 1, 2.0, False)]},
        1: {0: [(1.0, 0, 1.0, False)]},
    }
    mdp = MDP.of(table)
    assert not mdp.terminals.any()
    assert mdp.rewards.tolist() == [[2.0], [1.0]]
    assert mdp.matrix().toarray().tolist() == [[0.0, 0.5], [1.0, 0.0]]
    assert mdp.start.tolist() == [0.5, 0.5]


def test_toy_text_terminals_are_entered_by_ending_only():
    """CliffWalking's goal has rows that move on; nothing happens in it all the same."""
    mdp = MDP.of(gym.make("CliffWalking-v1" if "CliffWalking-v1" in gym.registry else "CliffWalking-v0"))
    assert np.flatnonzero(mdp.terminals).tolist() == [47]
    assert mdp.rewards[47].tolist() == [0, 0, 0, 0]
    assert mdp.rows.indptr[47 * 4] == mdp.rows.indptr[48 * 4]
    assert mdp.start[36] == 1
    assert mdp.grid is not None
    assert mdp.grid.cells.shape == (4, 12)


def test_toy_text_as_lists_and_with_an_exit_that_pays():
    """A state left by an ending self-loop is acted in: its reward counts."""
    mdp = MDP.of([[[(1.0, 1, 0.0, False)]], [[(1.0, 1, 5.0, True)]]])
    assert not mdp.terminals.any()
    assert mdp.rewards.tolist() == [[0.0], [5.0]]
    assert mdp.rows.indptr.tolist() == [0, 1, 1]


def test_toy_text_states_that_end_in_place_are_acted_in():
    """Giving up where one began is an action, not a terminal."""
    mdp = MDP.of([[[(1.0, 0, -3.0, True)], [(1.0, 0, 1.0, False)]]])
    assert not mdp.terminals.any()
    assert mdp.rewards.tolist() == [[-3.0, 1.0]]

    env = Bare(None)
    env.P = [[[(1.0, 0, 0.0, False)]], [[(1.0, 0, 2.0, True)]]]
    env.initial_state_distrib = np.array([1.0, 0.0])
    del env.model
    assert not MDP.of(env).terminals.any()  # 0 is entered by ending alone, but one begins in it


def test_matrices_with_three_shapes_of_rewards():
    transitions = np.array([[[0.5, 0.5, 0], [0, 0, 1], [0, 0, 1]], [[0, 1, 0], [1, 0, 0], [0, 0, 1]]])
    by_state = np.array([1.0, 2.0, 0.0])
    expected = np.array([[1.0, 1.0], [2.0, 2.0], [0.0, 0.0]])
    by_transition = np.broadcast_to(by_state[None, :, None], (2, 3, 3))
    for rewards in (by_state, expected, by_transition):
        mdp = MDP.of((transitions, rewards))
        np.testing.assert_array_equal(mdp.rewards, expected)
        assert mdp.terminals.tolist() == [False, False, True]  # nothing leaves state 2, and it pays nothing
        np.testing.assert_array_equal(mdp.matrix().toarray()[:4], transitions.transpose(1, 0, 2).reshape(6, 3)[:4])


def test_float32_rows_are_rescaled():
    mdp = MDP.of((np.full((1, 3, 3), 1 / 3, np.float32), np.ones(3)))
    np.testing.assert_allclose(mdp.matrix().sum(axis=1), 1, atol=1e-15)


def test_random_models_are_reproducible_and_depend_on_each_argument():
    def arrays(*arguments: int) -> bytes:
        mdp = MDP.random(*arguments)
        return (
            mdp.rows.indptr.tobytes()
            + mdp.rows.indices.tobytes()
            + mdp.rows.probabilities.tobytes()
            + mdp.rewards.tobytes()
        )

    assert arrays(20, 3, 4, 0) == arrays(20, 3, 4, 0)
    assert len({arrays(*a) for a in ((20, 3, 4, 0), (21, 3, 4, 0), (20, 2, 4, 0), (20, 3, 5, 0), (20, 3, 4, 1))}) == 5
    np.testing.assert_allclose(MDP.random(50, 3, 4, 0).matrix().sum(axis=1), 1)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (changed("probabilities", (1, 0, 0), 0.9), "state 1, action 0: the probabilities sum to 0.9, not 1"),
        (changed("probabilities", (1, 1, 0), -1.0), "state 1, action 1: probability -1.0 of going to state 2"),
        (changed("probabilities", (0, 1, 0), np.nan), "state 0, action 1: probability nan of going to state 1"),
        (changed("rewards", (0, 1, 0), np.nan), "state 0, action 1: reward nan of going to state 1"),
        (changed("rewards", (1, 0, 0), np.inf), "state 1, action 0: reward inf of going to state 0"),
        (changed("successors", (1, 1, 0), 3), "state 1, action 1: successor 3: states are 0 to 2"),
        (changed("successors", (0, 0, 0), -1), "state 0, action 0: successor -1: states are 0 to 2"),
        (changed("start", (0,), 0.5), "the start probabilities sum to 0.5, not 1"),
        (model(start=np.array([2.0, -1.0, 0.0])), "start probability -1 of state 1"),
        (model(rewards=np.zeros((3, 2, 2))), r"model.rewards has shape \(3, 2, 2\), expected \(3, 2, 1\)"),
        (model(terminals=np.zeros(2, bool)), r"model.terminals has shape \(2,\), expected \(3\)"),
        (model(start=np.ones(1)), r"start has shape \(1,\), expected \(3\)"),
        ({}, "P has no states"),
        ({1: {0: [(1.0, 0, 0.0, False)]}}, r"P\[0\] must hold"),
        ([[[(1.0, 0, 0.0, True)]], [[(1.0, 0, 0.0, True)]] * 2], "state 1 has 2 actions and state 0 has 1"),
        ([[[(1.0, 0, 0.0)]]], "list of outcomes"),
        ([[[(1.0, 0, "much", True)]]], "list of outcomes"),
        ([[[(1.0, 7, 0.0, False)]]], "state 0, action 0: successor 7: states are 0 to 0"),
        ([[[(0.5, 0, 0.0, False)]]], "state 0, action 0: the probabilities sum to 0.5"),
        ((np.ones((1, 2, 3)), np.ones(2)), r"transitions of action 0 has shape \(2, 3\), expected \(2, 2\)"),
        ((np.full((1, 2, 2), 0.5), np.ones(3)), r"rewards have shape \(3,\)"),
        ((np.full((1, 2, 2), np.nan), np.ones(2)), "state 0, action 0: probability nan"),
        (gym.make("CartPole-v1"), "CartPoleEnv has no model to plan with"),
        ("GridWorld-v9", "GridWorld"),
        ("CartPole-v1", "CartPoleEnv has no model to plan with"),
        (Path("model.txt"), r"model.txt is no model: give the folder of a saved one, or a .csv or .parquet table"),
        (Path("model.csv"), "there is no file model.csv"),
    ],
)
def test_refusals(source: Any, message: str):
    with pytest.raises(UserError, match=message):
        MDP.of(source)


def test_wrong_arrays_are_refused_when_an_mdp_is_made_by_hand():
    good = MDP.random(3, 2, 2, seed=0)
    with pytest.raises(ValueError, match="indptr has shape"):
        MDP(good.rows._replace(indptr=good.rows.indptr[:-1]), good.rewards, good.terminals, good.start)
    with pytest.raises(ValueError, match="states are 0 to 2"):
        MDP(good.rows._replace(indices=good.rows.indices + 3), good.rewards, good.terminals, good.start)
