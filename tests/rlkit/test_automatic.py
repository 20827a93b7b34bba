"""`solve`: the method fits the model, and large worlds come out right whatever the news comes from."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuralcore.errors import UserError
from neuralcore.kernels.bellman import Table
from rlkit import MDP, policy_iteration, prioritised, solve, value_iteration
from rlkit.automatic import METHODS

envs = pytest.importorskip("envs")


def grid(height: int, width: int, walls: float = 0.2, seed: int = 0, **arguments: object) -> MDP:
    layout = envs.random_layout(height, width, walls, seed=seed)
    return MDP.of(gym.make("GridWorld-v0", layout=layout, **arguments))


def test_the_method_is_chosen_by_the_model():
    small = solve(grid(5, 5, 0.0))
    assert small.method == "policy iteration"
    assert "chosen because 25 states are few enough" in small.summary()
    endless = solve(MDP.random(2_000, 3, 3, 0))
    assert endless.method == "modified policy iteration"
    assert "no episode ends" in endless.reason
    deep = solve(grid(40, 40))
    assert deep.method == "prioritised value iteration"
    assert "up to 78 steps" in deep.reason
    assert solve(grid(40, 40, 0.0), discount=1).method == "prioritised value iteration"
    random = MDP.random(2_000, 3, 3, 0)
    terminals = np.arange(2_000) < 3
    rows = MDP.of(([matrix.multiply(~terminals[:, None]) + np.diag(terminals) for matrix in random.to_matrices()[0]],
                   random.rewards * ~terminals[:, None]))  # fmt: skip
    near = solve(rows)
    assert near.method == "modified policy iteration"
    assert "every state is within" in near.reason
    for found in (small, endless, deep, near):
        assert found.converged


def test_any_method_by_name():
    mdp = grid(6, 6)
    exact = policy_iteration(mdp)
    for method in METHODS:
        found = solve(mdp, method, tolerance=1e-9)
        assert found.method.replace(" ", "-").lower().startswith(method.split("-")[0])
        assert found.reason == ""
        np.testing.assert_allclose(found.values, exact.values, atol=1e-6)
    with pytest.raises(UserError, match="unknown method 'policy': did you mean 'policy-iteration'"):
        solve(mdp, "policy")
    assert solve(mdp, "value-iteration", max_iterations=2).iterations == 2


WORLDS = {
    "open": {"walls": 0.0},
    "strewn": {"walls": 0.35},
    "sure of foot": {"slip": 0.0},
    "on ice": {"slip": 0.9},
    "free steps": {"living_reward": 0.0},
    "paid steps": {"living_reward": 0.3},
}


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("discount", [0.9, 0.999, 1.0])
def test_prioritised_backups_find_the_optimum(world: str, discount: float):
    if discount == 1 and world == "paid steps":
        return  # staying pays without bound
    walls = 0.0 if discount == 1 else 0.2  # no cell that is walled in, from which no episode would end
    mdp = grid(23, 37, **{"walls": walls, **({} if discount == 1 and "walls" in WORLDS[world] else WORLDS[world])})
    exact = policy_iteration(mdp, discount=discount)
    for transitions in (mdp.transitions, mdp.rows):
        model = MDP(transitions, mdp.rewards, mdp.terminals, mdp.start)
        found = value_iteration(model, discount=discount, tolerance=1e-8, sweep="prioritised")
        assert found.converged
        error = np.abs(found.values - exact.values).max()
        assert error <= found.bound + exact.bound
        assert error <= 1e-4


def test_many_small_rewards_and_a_large_one_far_away():
    """News of the large one travels against the order in which that of the small ones came."""
    cells = np.full((41, 41), ".")
    cells[::4, ::4] = "+"
    cells[-1, -1] = "G"
    layout = "\n".join("".join(row) for row in cells)
    mdp = MDP.of(gym.make("GridWorld-v0", layout=layout, terminal_rewards={"+": 0.01, "G": 1_000.0}))
    found = value_iteration(mdp, discount=0.99, sweep="prioritised")
    np.testing.assert_allclose(found.values, policy_iteration(mdp, discount=0.99).values, atol=1e-4)


def test_a_large_grid_takes_ten_backups_a_state():
    mdp = grid(250, 250)
    found = value_iteration(mdp, sweep="prioritised")
    assert found.converged
    assert found.iterations < 25
    assert value_iteration(mdp, max_iterations=250).residual > 1e-3
    again = value_iteration(mdp, sweep="prioritised")
    assert found.values.tobytes() == again.values.tobytes()


def test_stopping_early_says_so():
    early = value_iteration(grid(60, 60), sweep="prioritised", max_iterations=1)
    assert early.iterations == 1
    assert not early.converged


def test_where_nothing_is_to_be_told():
    """All values are right from the start, so that no state is a source of news."""
    still = MDP.of([[[(1.0, 0, 1.0, False)]], [[(1.0, 0, 1.0, False)]]])
    found = value_iteration(still, discount=0.5, sweep="prioritised")
    assert found.values.tolist() == [2, 2]
    assert found.converged


def test_a_table_and_its_rows_are_the_same_model():
    mdp = grid(12, 9, slip=0.3)
    assert isinstance(mdp.transitions, Table)
    assert mdp.transitions.successors.shape == (mdp.states, 4)
    indptr, _, probabilities = mdp.rows
    assert np.bincount(np.repeat(np.arange(mdp.states * 4), np.diff(indptr)), probabilities).max() <= 1 + 1e-12
    plain = MDP(mdp.rows, mdp.rewards, mdp.terminals, mdp.start)
    np.testing.assert_array_equal(plain.ends, mdp.ends)
    assert mdp.ends.all(axis=1).tolist() == mdp.terminals.tolist()
    a, b = (value_iteration(m, tolerance=1e-9).values for m in (mdp, plain))
    np.testing.assert_allclose(a, b, atol=1e-9)


def test_first_values_are_the_usual_reward_for_ever():
    mdp = grid(10, 10)
    assert np.unique(prioritised.first_values(mdp, 0.99)[~mdp.terminals]).tolist() == pytest.approx([-4.0])
    assert prioritised.first_values(mdp, 1.0).tolist() == [0.0] * mdp.states


layouts = st.tuples(st.integers(2, 7), st.integers(1, 7), st.floats(0, 0.5), st.integers(0, 999))


@settings(max_examples=40, deadline=None)
@given(layouts, st.floats(0, 1), st.floats(-1, 1), st.sampled_from([0.3, 0.9, 0.99]))
def test_any_layout(size: tuple[int, int, float, int], slip: float, living_reward: float, discount: float):
    """Never NaN, within what rewards allow, no worse where every step pays more; and all methods agree."""
    mdp = grid(*size, slip=slip, living_reward=living_reward)
    exact = policy_iteration(mdp, discount=discount)
    assert np.isfinite(exact.values).all()
    acting = ~mdp.terminals
    low, high = min(mdp.rewards[acting].min(), 0.0), max(mdp.rewards[acting].max(), 0.0)
    assert exact.values.min() >= low / (1 - discount) - 1e-6
    assert exact.values.max() <= high / (1 - discount) + 1e-6
    richer = policy_iteration(grid(*size, slip=slip, living_reward=living_reward + 0.1), discount=discount)
    assert (richer.values >= exact.values - 1e-6).all()
    for method in METHODS:
        found = solve(mdp, method, discount=discount)
        assert found.converged
        assert np.abs(found.values - exact.values).max() <= found.bound + exact.bound + 1e-9
