"""Registration, `envs.make` and `envs.make_vec`: every id, alone and many at once."""

import importlib
import json
import subprocess
import sys
import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

import envs


@pytest.mark.parametrize("env_id", envs.IDS)
def test_gymnasium_finds_nothing_to_complain_about(env_id):
    check_env(gym.make(env_id).unwrapped)


@pytest.mark.parametrize("env_id", ["GridWorld-v0", "Chain-v0"])
def test_one_hot_observations_pass_the_checker_too(env_id):
    check_env(gym.make(env_id, observation="one_hot").unwrapped)


def test_registering_again_is_harmless_and_silent():
    before = dict(gym.registry)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        envs.register()
        importlib.reload(envs)
    assert gym.registry == before


def test_prefix_finds_the_ids_in_a_fresh_interpreter():
    code = (
        "import json, sys, gymnasium as gym; env = gym.make('envs:GridWorld-v0'); env.reset(seed=0); "
        "heavy = ('torch', 'rlkit', 'agents', 'neuralcore', 'graphkit', 'cv2', 'numba'); "
        "heavy = [m for m in heavy if m in sys.modules]; "
        "print(json.dumps([heavy, 'ALE/Pong-v5' in gym.registry]))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(answer.stdout) == [[], True]
    assert answer.stderr == ""


@pytest.mark.parametrize("env_id", envs.IDS)
@pytest.mark.parametrize("mode", ["sync", None])
def test_vector_equals_single_copies(env_id, mode):
    vector = envs.make_vec(env_id, 2, vectorization_mode=mode)
    assert vector.metadata["autoreset_mode"] == AutoresetMode.NEXT_STEP
    singles = [envs.make(env_id) for _ in range(2)]
    observations, _ = vector.reset(seed=[5, 6])
    firsts = [single.reset(seed=5 + copy)[0] for copy, single in enumerate(singles)]
    np.testing.assert_array_equal(observations, np.array(firsts))
    vector.action_space.seed(0)
    ended = [False, False]
    for _ in range(30):
        actions = vector.action_space.sample()
        observations, rewards, terminations, truncations, _ = vector.step(actions)
        for copy, single in enumerate(singles):
            if ended[copy]:  # NEXT_STEP: this row is the reset
                row = (single.reset()[0], 0.0, False, False)
            else:
                row = single.step(actions[copy])[:4]
            ended[copy] = row[2] or row[3]
            np.testing.assert_array_equal(observations[copy], row[0])
            assert (rewards[copy], terminations[copy], truncations[copy]) == row[1:]
    vector.close()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # Python 3.12's, on fork
@pytest.mark.parametrize("env_id", [*envs.IDS, "ALE/Pong-v5"])
def test_async_vector_equals_sync(env_id):
    vectors = [envs.make_vec(env_id, 2, vectorization_mode=mode) for mode in ("sync", "async")]
    for sync, asynchronous in zip(*(play(vector, 12) for vector in vectors), strict=True):
        np.testing.assert_array_equal(sync, asynchronous)


def play(vector, steps):
    vector.action_space.seed(0)
    rows = [vector.reset(seed=0)[0]]
    for _ in range(steps):
        rows.extend(np.array(part) for part in vector.step(vector.action_space.sample())[:4])
    vector.close()
    return rows


def test_async_vector_in_spawned_processes():
    vector = envs.make_vec(
        "envs:GridWorld-v0",
        2,
        vectorization_mode="async",
        vector_kwargs={"context": "spawn"},
        layout="cliff",
        slip=0.0,
    )
    assert vector.reset(seed=0)[0].tolist() == [36, 36]
    assert vector.step(np.array([0, 1]))[0].tolist() == [24, 37]
    vector.close()


def test_arguments_reach_the_copies():
    vector = envs.make_vec(
        "GridWorld-v0", 3, observation="one_hot", max_episode_steps=2, wrappers=[gym.wrappers.FlattenObservation]
    )
    assert vector.single_observation_space.shape == (11,)
    assert isinstance(vector.envs[0], gym.wrappers.FlattenObservation)
    vector.reset(seed=0)
    vector.step(np.zeros(3, int))
    assert vector.step(np.zeros(3, int))[3].all()
    vector.close()


def test_an_environment_of_others():
    single = envs.make("CartPole-v1").reset(seed=1)[0]
    assert single.shape == (4,)
    vector = envs.make_vec("CartPole-v1", 2)
    np.testing.assert_array_equal(vector.reset(seed=0)[0][1], single)  # not so in its vector form, hence "sync"
    vector.close()


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({}, "TabularVectorEnv"),
        ({"vectorization_mode": "vector_entry_point", "disable_env_checker": True}, "TabularVectorEnv"),
        ({"vectorization_mode": "sync"}, "SyncVectorEnv"),
        ({"wrappers": [gym.wrappers.FlattenObservation]}, "SyncVectorEnv"),
        ({"vector_kwargs": {"copy": False}}, "SyncVectorEnv"),
    ],
)
@pytest.mark.parametrize("env_id", ["GridWorld-v0", "Chain-v0"])
def test_own_vector_form_is_taken_where_nothing_asks_for_single_copies(env_id, arguments, kind):
    vector = envs.make_vec(env_id, 2, **arguments)
    assert type(vector).__name__ == kind
    vector.close()


def test_vector_forms_of_others_on_request():
    for env_id in ("CartPole-v1", "ALE/Pong-v5"):
        vector = envs.make_vec(env_id, 2, vectorization_mode="vector_entry_point")
        assert type(vector).__name__ in ("CartPoleVectorEnv", "AtariVectorEnv", "AtariVector")
        vector.close()


@pytest.mark.parametrize(
    ("env_id", "arguments", "message"),
    [
        ("GridWrld-v0", {}, "unknown environment 'GridWrld-v0': did you mean 'GridWorld-v0'"),
        ("ALE/Pogn-v5", {}, "unknown environment 'ALE/Pogn-v5': did you mean 'ALE/Pong-v5'"),
        ("absent_module:X-v0", {}, "cannot import 'absent_module'"),
        ("GridWorld-v0", {"slipp": 0.1}, "unknown argument of GridWorld-v0 'slipp': did you mean 'slip'"),
        ("ALE/Pong-v5", {"noopmax": 3}, "unknown Atari setting 'noopmax': did you mean 'noop_max'"),
    ],
)
@pytest.mark.parametrize("maker", [envs.make, envs.make_vec])
def test_unknown_names_are_answered_with_the_nearest(maker, env_id, arguments, message):
    with pytest.raises(ValueError, match=message) as caught:
        maker(env_id, **arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("env_id", "arguments", "message"),
    [
        ("Chain-v0", {"num_envs": 0}, "num_envs is 0"),
        ("Chain-v0", {"vectorization_mode": "asink"}, "unknown vectorization_mode 'asink': did you mean 'async'"),
        ("Chain-v0", {"vector_kwargs": {"autoreset_mode": "SameStep"}}, "NEXT_STEP here"),
        ("Chain-v0", {"vectorization_mode": "vector"}, "known: .*sync, async"),
        ("ALE/Pong-v5", {"vector_kwargs": {"context": "spawn"}}, "need vectorization_mode"),
        ("ProbeValue-v0", {"vectorization_mode": "vector_entry_point"}, "ProbeValue-v0 has no vector entry point"),
        (
            "GridWorld-v0",
            {"vectorization_mode": "vector_entry_point", "wrappers": [gym.wrappers.FlattenObservation]},
            "need vectorization_mode='sync' or 'async' for GridWorld-v0",
        ),
    ],
)
def test_make_vec_refuses(env_id, arguments, message):
    with pytest.raises(ValueError, match=message):
        envs.make_vec(env_id, **arguments)
