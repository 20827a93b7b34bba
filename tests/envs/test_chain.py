"""Chain: rewards and values by hand, and every argument felt."""

import gymnasium as gym
import numpy as np
import pytest


def make(**kwargs):
    return gym.make("Chain-v0", **kwargs).unwrapped


def test_model_computed_by_hand():
    model = make(length=3, near_reward=0.5, far_reward=2.0, slip=0.25).model
    assert model.successors.tolist() == [[[0, 1], [1, 0]], [[0, 2], [2, 0]], [[1, 2], [2, 1]]]
    assert model.rewards.tolist() == [[[0.5, 0], [0, 0.5]], [[0.5, 2], [2, 0.5]], [[0, 2], [2, 0]]]
    assert (model.probabilities == [0.75, 0.25]).all()
    assert model.start.tolist() == [0, 1, 0]
    assert not model.terminals.any()
    assert model.grid is None
    assert make(length=3, slip=0.25).P[2][1] == [(0.75, 2, 1.0, False), (0.25, 1, 0.0, False)]


def test_far_end_is_worth_the_way_only_to_the_patient(value_iteration):
    model = make(length=6, near_reward=0.1).model
    distance = 5 - np.arange(6)
    right = np.where(distance > 0, 0.9 ** (distance - 1.0), 1.0) / (1 - 0.9)
    np.testing.assert_allclose(value_iteration(model, 0.9), right, atol=1e-9)
    assert value_iteration(model, 0.5)[0] == pytest.approx(0.1 / (1 - 0.5))  # staying left beats 0.5^4 / (1 - 0.5)


@pytest.mark.parametrize(
    ("action", "total"), [(0, 0.001 * 19), (1, 12.0)]
)  # 8 moves, the last of them and 11 more paid
def test_an_episode_is_truncated_after_length_plus_nine_steps(action, total):
    env = make(length=10)
    env.reset(seed=0)
    rows = [env.step(action) for _ in range(19)]
    assert [row[3] for row in rows] == [False] * 18 + [True]
    assert not any(row[2] for row in rows)
    assert sum(row[1] for row in rows) == pytest.approx(total)


def test_slip_performs_the_opposite_action():
    env = make(length=5, slip=0.2)
    env.reset(seed=0)
    slips = 0
    for _ in range(4_000):
        env.reset(options={"state": 2})
        slips += env.step(1)[0] == 1
    assert slips / 4_000 == pytest.approx(0.2, abs=0.03)


@pytest.mark.parametrize("change", [{"length": 11}, {"near_reward": 0.5}, {"far_reward": 3.0}, {"slip": 0.2}])
def test_every_argument_matters(change):
    assert make().P != make(**change).P


def test_rendering():
    env = make(length=5, render_mode="ansi", observation="one_hot")
    assert env.reset(seed=0)[0].tolist() == [0, 1, 0, 0, 0]
    assert env.render() == "+0.001 |.@...| +1\n"
    env = make(length=5, render_mode="rgb_array")
    env.reset(seed=0)
    assert env.render().shape == (64, 5 * 64, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"length": 2}, "length is 2"),
        ({"slip": -0.1}, "slip is -0.1"),
        ({"far_reward": float("nan")}, "far_reward is nan"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)
