"""The compiled GridWorld and Chain against Gymnasium's SyncVectorEnv of single ones, bit for bit."""

import copy

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils import seeding

import envs
from envs.gridworld import GridWorld
from envs.model import TabularModel
from envs.tabular import TabularEnv
from envs.tabular_vector import TabularVectorEnv, _random
from rlkit.rollout import Rollout

GRID, CHAIN = "GridWorld-v0", "Chain-v0"
COPIES = 7


def both(env_id, num_envs=COPIES, **arguments):
    return (
        envs.make_vec(env_id, num_envs, vectorization_mode="vector_entry_point", **arguments),
        envs.make_vec(env_id, num_envs, vectorization_mode="sync", **arguments),
    )


def assert_same(ours, theirs):
    """Results of a reset or a step: equal values, dtypes and infos."""
    assert len(ours) == len(theirs)
    assert ours[-1].keys() == theirs[-1].keys()
    pairs = [*zip(ours[:-1], theirs[:-1]), *((ours[-1][key], theirs[-1][key]) for key in ours[-1])]
    for mine, other in pairs:
        assert mine.dtype == other.dtype
        np.testing.assert_array_equal(mine, other)


def walk(ours, theirs, steps, seed=0):
    """Both through the same actions, with the same results; returns how many episodes terminated and truncated."""
    actions = np.random.default_rng(seed).integers(ours.single_action_space.n, size=(steps, ours.num_envs))
    terminated = truncated = 0
    for row in actions:
        mine = ours.step(row)
        assert_same(mine, theirs.step(row))
        terminated += mine[2].sum()
        truncated += mine[3].sum()
    return terminated, truncated


@pytest.mark.parametrize(
    ("env_id", "arguments"),
    [
        (GRID, {}),
        (GRID, {"layout": "cliff", "slip": 0.1, "terminal_rewards": {"X": -100}, "observation": "one_hot"}),
        (GRID, {"layout": "four_rooms", "slip": 1.0}),
        (GRID, {"layout": "sutton_barto_4x4", "slip": 0.0, "living_reward": -1.0}),
        (GRID, {"layout": "S.S\n.#+", "slip": 1 / 3, "max_episode_steps": 5}),
        (GRID, {"layout": "dyna_maze", "max_episode_steps": 1}),
        (CHAIN, {}),
        (CHAIN, {"length": 3, "slip": 0.3, "near_reward": 0.25, "observation": "one_hot"}),
        (CHAIN, {"length": 5, "max_episode_steps": 4}),
        (CHAIN, {"length": 5, "max_episode_steps": 400}),
    ],
    ids=str,
)
def test_equals_the_single_ones(env_id, arguments):
    ours, theirs = both(env_id, **arguments)
    assert ours.observation_space == theirs.observation_space
    assert ours.single_observation_space == theirs.single_observation_space
    assert ours.action_space == theirs.action_space
    assert_same(ours.reset(seed=11), theirs.reset(seed=11))
    ended = walk(ours, theirs, 700)
    assert_same(ours.reset(), theirs.reset())  # the random numbers go on
    walk(ours, theirs, 100, seed=1)
    assert_same(ours.reset(seed=3), theirs.reset(seed=3))
    walk(ours, theirs, 100, seed=2)
    assert ended[1 if env_id == CHAIN or "max_episode_steps" in arguments else 0] > 0
    ours.close()


def test_time_limit_as_registered_and_as_given():
    corridor = {"layout": "S.#G", "slip": 0.0}  # the goal is out of reach
    ours, theirs = both(GRID, 1, **corridor)
    assert_same(ours.reset(seed=0), theirs.reset(seed=0))
    assert walk(ours, theirs, 2_003) == (0, 2)
    for limit, ended in [(100, 19), (-1, 0), (None, 1)]:
        ours, theirs = both(GRID, 1, **corridor, max_episode_steps=limit)
        assert_same(ours.reset(seed=0), theirs.reset(seed=0))
        assert walk(ours, theirs, 2_000) == (0, ended)


def test_seeds_by_list_and_by_mask():
    ours, theirs = both(GRID, layout="four_rooms")
    seeds = [5, 5, 2**40, 0, 7, 8, 9]
    assert_same(ours.reset(seed=seeds), theirs.reset(seed=list(seeds)))
    walk(ours, theirs, 50)
    seeds = [None, 1, None, None, 2, None, None]
    assert_same(ours.reset(seed=seeds), theirs.reset(seed=list(seeds)))
    walk(ours, theirs, 50)
    mask = np.arange(COPIES) % 2 == 0
    for seed in (None, 30):
        options = {"reset_mask": mask}
        assert_same(ours.reset(seed=seed, options=options), theirs.reset(seed=seed, options=dict(options)))
        walk(ours, theirs, 50)
    assert options["reset_mask"] is mask
    assert ours.np_random_seed == theirs.np_random_seed


def test_a_mask_at_the_end_of_episodes():
    """Copies reset by hand are not reset again by themselves, the others are."""
    ours, theirs = both(CHAIN, 4, length=3)
    assert_same(ours.reset(seed=0), theirs.reset(seed=0))
    assert walk(ours, theirs, 12) == (0, 4)
    options = {"reset_mask": np.array([True, False, True, False])}
    assert_same(ours.reset(options=options), theirs.reset(options=dict(options)))
    walk(ours, theirs, 30)


def test_exploring_starts():
    ours, theirs = both(GRID)
    for options in ({"state": 5}, {"state": np.int64(0)}, {"state": 3}, {"state": None}, {}):
        assert_same(ours.reset(seed=1, options=options), theirs.reset(seed=1, options=options))
        walk(ours, theirs, 20)
    for vector in (ours, theirs):
        with pytest.raises(ValueError, match=r"options\['state'\] is 11: this environment has the states 0 to 10"):
            vector.reset(options={"state": 11})


def test_without_a_seed_every_copy_has_entropy_of_its_own():
    ours, theirs = both(GRID, layout="open_20x20", slip=0.5)
    ours.reset()
    seeds = ours.np_random_seed
    assert len(set(seeds)) == COPIES
    ours.reset()
    assert ours.np_random_seed == seeds
    assert_same(ours.reset(seed=seeds), theirs.reset(seed=seeds))
    walk(ours, theirs, 50)


def test_random_numbers_are_numpys():
    seeds = [0, 1, 123456789, 2**100]
    ours = envs.make_vec(GRID, len(seeds))
    ours.reset(seed=seeds, options={"state": 0})  # no draw
    generators = [seeding.np_random(seed)[0] for seed in seeds]
    for i, generator in enumerate(generators):
        drawn = [_random(ours._streams, i) for _ in range(5_000)]
        assert drawn == generator.random(5_000).tolist()
    now = ours.np_random
    assert [generator.random() for generator in now] == [generator.random() for generator in generators]
    assert ours.np_random[0].bit_generator.state != now[0].bit_generator.state  # copies: drawing moves nothing here


def random_model(states, actions, outcomes, seed):
    """Any model: sums that miss 1 by rounding, impossible outcomes, several starts, terminals."""
    generator = np.random.default_rng(seed)
    probabilities = generator.random((states, actions, outcomes)) * (generator.random((outcomes,)) < 0.7)
    probabilities[..., outcomes // 2] += 0.01
    probabilities /= probabilities.sum(axis=2, keepdims=True)
    start = generator.random(states) * (np.arange(states) % 3 == 1)
    return TabularModel(
        successors=generator.integers(states, size=(states, actions, outcomes)),
        probabilities=probabilities,
        rewards=generator.normal(size=(states, actions, outcomes)),
        terminals=generator.random(states) < 0.1,
        start=start / start.sum(),
        action_symbols=tuple("abcdefgh"[:actions]),
    )


@pytest.mark.parametrize(("states", "actions", "outcomes"), [(4, 1, 1), (30, 2, 9), (50, 8, 40)])
def test_any_model(states, actions, outcomes):
    model = random_model(states, actions, outcomes, seed=states)
    ours = TabularVectorEnv(model, COPIES)
    theirs = gym.vector.SyncVectorEnv([lambda: TabularEnv(model)] * COPIES)
    assert_same(ours.reset(seed=0), theirs.reset(seed=0))
    walk(ours, theirs, 1_000)


def test_tables_shared_by_all_states_are_not_copied():
    model = copy.copy(GridWorld("four_rooms").model)
    object.__setattr__(model, "probabilities", np.broadcast_to(model.probabilities[0], model.successors.shape))
    shared = TabularVectorEnv(model, COPIES)
    assert shared._tables[0].shape == (1, 4, 3)
    object.__setattr__(model, "rewards", np.broadcast_to(np.arange(12.0).reshape(4, 3), model.successors.shape))
    assert TabularVectorEnv(model, COPIES)._tables[1].shape == (1, 4, 3)
    theirs = envs.make_vec(GRID, COPIES, layout="four_rooms", vectorization_mode="sync")
    assert_same(shared.reset(seed=0), theirs.reset(seed=0))
    walk(shared, theirs, 300)
    ours, theirs = TabularVectorEnv(model, COPIES), gym.vector.SyncVectorEnv([lambda: with_model(model)] * COPIES)
    assert_same(ours.reset(seed=0), theirs.reset(seed=0))
    walk(ours, theirs, 300)


def with_model(model):
    env = GridWorld("four_rooms")
    env.model = model
    return env


def test_nothing_given_out_changes_later():
    ours = envs.make_vec(GRID, COPIES, layout="cliff", slip=0.5)
    results = [ours.reset(seed=0)]
    kept = [copy.deepcopy(results[0])]
    for _ in range(30):
        results.append(ours.step(np.full(COPIES, 1)))
        kept.append(copy.deepcopy(results[-1]))
    for result, before in zip(results, kept):
        assert_same(result, before)
    other = copy.deepcopy(ours)
    for result in results:
        for array in (*result[:-1], *result[-1].values()):
            array[...] = 1  # and what is done to it is not felt
    assert_same(ours.step(np.zeros(COPIES, int)), other.step(np.zeros(COPIES, int)))


def test_made_by_gymnasium():
    ours = gym.make_vec(GRID, num_envs=3, vectorization_mode="vector_entry_point", layout="cliff")
    assert isinstance(ours, TabularVectorEnv)
    assert ours.max_episode_steps == 1_000
    assert repr(ours) == "TabularVectorEnv(GridWorld-v0, num_envs=3)"
    assert gym.make_vec(ours.spec).observation_space == ours.observation_space
    assert gym.make_vec(CHAIN, num_envs=3, length=4).max_episode_steps == 13
    for actions in ([0, 1, 2], (0, 1, 2), np.array([0, 1, 2], np.uint8), np.arange(6)[::2] // 2):
        ours.reset(seed=0)
        assert ours.step(actions)[0].shape == (3,)
    wrapped = gym.wrappers.vector.RecordEpisodeStatistics(ours)
    wrapped.reset(seed=0)
    assert wrapped.observation_space.contains(wrapped.step(wrapped.action_space.sample())[0])
    ours.close()
    ours.close()
    assert ours.closed


@pytest.mark.parametrize("env_id", [GRID, CHAIN])
@pytest.mark.parametrize("observation", ["index", "one_hot"])
def test_observations_lie_in_the_space(env_id, observation):
    ours = envs.make_vec(env_id, 3, observation=observation)
    assert ours.observation_space.contains(ours.reset(seed=0)[0])
    observations, rewards, *_ = ours.step(ours.action_space.sample())
    assert ours.observation_space.contains(observations)
    assert rewards.dtype == np.float64


def test_rollout_takes_it():
    rollouts = [Rollout(vector, seed=4) for vector in both(GRID, slip=0.3)]
    for _ in range(200):
        actions = np.random.default_rng(0).integers(4, size=COPIES)
        mine, other = (rollout.step(actions) for rollout in rollouts)
        np.testing.assert_array_equal(mine.reward, other.reward)
        np.testing.assert_array_equal(mine.transition, other.transition)
    episodes = [rollout.take_episodes() for rollout in rollouts]
    assert episodes[0] == episodes[1] != []


def test_a_big_grid():
    layout = envs.random_layout(300, 300, 0.2, seed=0)
    ours, theirs = both(GRID, 2, layout=layout)
    assert_same(ours.reset(seed=0), theirs.reset(seed=0))
    walk(ours, theirs, 1_100)
    many = envs.make_vec(GRID, 20_000, layout=layout)
    many.reset(options={"state": 40_000})
    states = many.step(np.zeros(20_000, int))[0]
    assert set(states.tolist()) == set(GridWorld(layout).model.successors[40_000, 0].tolist())


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        ([0, 1, 4], r"sub-environment 2: action is 4: actions are 0 ↑, 1 →, 2 ↓, 3 ←"),
        ([0, -1, 4], r"sub-environment 1: action is -1"),
        (np.array([0, 2**64 - 1, 0], np.uint64), "sub-environment 1: action is 18446744073709551615"),
        ([0.0, 1.0, 2.0], r"sub-environment 0: action is .*0.0.* of dtype float64: actions are integers, 0 ↑, 1 →"),
        ([True, False, True], "of dtype bool"),
        ([0, 1], r"actions have the shape \(2,\): 3 sub-environments take \(3,\)"),
        ([[0, 1, 2]], r"shape \(1, 3\)"),
        (1, r"shape \(\)"),
    ],
    ids=str,
)
def test_bad_actions_are_named_and_nothing_moves(actions, message):
    ours = envs.make_vec(GRID, 3)
    ours.reset(seed=0)
    before = copy.deepcopy(ours)
    with pytest.raises(ValueError, match=message):
        ours.step(actions)
    assert_same(ours.step([0, 1, 2]), before.step([0, 1, 2]))


def test_the_action_of_a_reset_row_is_ignored():
    ours, theirs = both(GRID, 2, layout="SG", slip=0.0)
    assert_same(ours.reset(seed=0), theirs.reset(seed=0))
    for actions in ([1, 3], [99, 1], [1, -5]):
        assert_same(ours.step(np.array(actions)), theirs.step(np.array(actions)))


@pytest.mark.parametrize(
    ("env_id", "arguments", "message"),
    [
        (GRID, {"render_mode": "ansi"}, "render_mode is 'ansi'.*render a single one with envs.make"),
        (CHAIN, {"render_mode": "rgb_array"}, "render a single one with envs.make"),
        (GRID, {"observation": "onehot"}, "unknown observation 'onehot': did you mean 'one_hot'"),
        (GRID, {"slip": 2.0}, "slip is 2.0"),
        (GRID, {"max_episode_steps": 0}, "max_episode_steps is 0"),
        (CHAIN, {"max_episode_steps": -2}, "max_episode_steps is -2"),
        (CHAIN, {"length": 2}, "length is 2"),
    ],
)
def test_bad_arguments_are_named(env_id, arguments, message):
    with pytest.raises(ValueError, match=message):
        envs.make_vec(env_id, 2, **arguments)


def test_bad_resets_are_named():
    with pytest.raises(ValueError, match="num_envs is 0"):
        TabularVectorEnv(GridWorld().model, 0)
    ours = envs.make_vec(GRID, 3)
    with pytest.raises(gym.error.ResetNeeded):
        ours.step([0, 0, 0])
    with pytest.raises(gym.error.ResetNeeded):
        ours.reset(options={"reset_mask": np.array([True, False, True])})
    with pytest.raises(ValueError, match="seed has 2 entries: 3 sub-environments"):
        ours.reset(seed=[1, 2])
    with pytest.raises(gym.error.Error, match="Seed must be"):
        ours.reset(seed=-1)
    ours.reset()
    for mask in ([True], np.zeros(3, bool), np.ones(3)):
        with pytest.raises(ValueError, match="reset_mask"):
            ours.reset(options={"reset_mask": mask})


def test_a_snapshot_brings_another_vector_to_the_same_place():
    one, two, three = (envs.make_vec("GridWorld-v0", n, slip=0.3, max_episode_steps=9) for n in (3, 3, 2))
    for seed, env in enumerate((one, two, three)):
        env.reset(seed=seed)
    actions = np.random.default_rng(0).integers(4, size=(40, 3))
    for row in actions:
        one.step(row)
    kept = one.snapshot()
    ahead = [one.step(row)[:4] for row in actions]
    two.restore(kept)
    for row, expected in zip(actions, ahead):
        for array, other in zip(two.step(row)[:4], expected):
            np.testing.assert_array_equal(array, other)
    with pytest.raises(ValueError, match=r"states are \(3,\): 2 copies have \(2,\)"):
        three.restore(kept)
