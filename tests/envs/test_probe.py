"""The probes' known answers, found again by brute force."""

import gymnasium as gym
import numpy as np
import pytest

import envs  # registers the ids
from envs.probe import PROBES

DISCOUNT = 0.8


def key(observation):
    return observation.tobytes()


def best_return(env, seed, actions, depth=60):
    """The discounted return of the best continuation, by trying every action; a cut episode goes on after reset."""
    env.reset(seed=seed)
    for action in actions:
        _, reward, terminated, truncated, _ = env.step(action)
    if not actions:
        return max(best_return(env, seed, [action], depth) for action in range(env.action_space.n))
    if terminated or depth == 0:
        return reward
    if truncated:  # what follows is worth what the episode's beginning is: one observation, the same for ever
        assert len(answer_of(env).observations) == 1
        return reward + DISCOUNT * best_return(env, seed, [0], depth - 1)
    following = max(best_return(env, seed, [*actions, action], depth - 1) for action in range(env.action_space.n))
    return reward + DISCOUNT * following


def answer_of(env):
    return type(env).answer(DISCOUNT)


@pytest.mark.parametrize("env_id", PROBES)
def test_answers_by_brute_force(env_id):
    env = gym.make(env_id).unwrapped
    answer = answer_of(env)
    rows = {key(observation): row for row, observation in enumerate(answer.observations)}
    assert len(rows) == len(answer.observations) == len(answer.action_values)
    met = set()
    for seed in range(20):  # enough to draw every first observation
        observation, _ = env.reset(seed=seed)
        assert observation.dtype == answer.observations.dtype
        row = rows[key(observation)]
        met.add(row)
        for action in range(env.action_space.n):
            found = best_return(env, seed, [action])
            assert found == pytest.approx(answer.action_values[row, action], abs=1e-4)
    first_only = {"ProbeDiscount-v0": {0}}
    assert met == first_only.get(env_id, set(rows.values()))


def test_discount_probe_second_step():
    env = gym.make("ProbeDiscount-v0")
    observation, _ = env.reset(seed=0)
    assert observation.tolist() == [0]
    observation, reward, terminated, _, _ = env.step(0)
    assert (observation.tolist(), reward, terminated) == ([1], 0, False)
    assert env.step(0)[1:4] == (1, True, False)
    assert PROBES["ProbeDiscount-v0"].answer(0.3).values.tolist() == [0.3, 1.0]


def test_truncation_probe_never_terminates():
    env = gym.make("ProbeTruncation-v0")
    env.reset(seed=0)
    assert [env.step(0)[1:4] for _ in range(5)] == [(1, False, False)] * 4 + [(1, False, True)]
    assert PROBES["ProbeTruncation-v0"].answer(0.75).values.tolist() == [4.0]


def test_image_probe_lights_one_quadrant():
    answer = PROBES["ProbeImage-v0"].answer(0.9)
    assert answer.observations.shape == (4, 4, 84, 84)
    for quadrant, frames in enumerate(answer.observations):
        light = frames.reshape(4, 2, 42, 2, 42).sum(axis=(0, 2, 4), dtype=np.int64).ravel()
        assert light.argmax() == quadrant
        assert np.count_nonzero(light) == 1


@pytest.mark.parametrize("env_id", PROBES)
def test_rendering(env_id):
    env = gym.make(env_id, render_mode="ansi")
    env.reset(seed=0)
    assert env.render().endswith("\n")
    env = gym.make(env_id, render_mode="rgb_array")
    env.reset(seed=0)
    picture = env.render()
    assert picture.dtype == np.uint8
    assert picture.ndim == 3


def test_bad_action_is_named():
    env = envs.make("ProbePolicy-v0").unwrapped
    env.reset(seed=0)
    with pytest.raises(ValueError, match="action is 2: actions are 0 to 1"):
        env.step(2)
