"""Atari: ALE's vector environment and our single game are the same environment, bit for bit."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import envs
from envs.atari_game import shrink

ROW = ("observation", "reward", "terminated", "truncated", "lives", "frames")


def vector_rows(vector, actions, seed=3):
    observations, info = vector.reset(seed=seed)
    yield observations, np.zeros(len(observations)), False, False, info["lives"], info["episode_frame_number"]
    for action in actions:
        observations, rewards, terminations, truncations, info = vector.step(action)
        yield observations, rewards, terminations, truncations, info["lives"], info["episode_frame_number"]


def assert_same(env_id, steps, seed=3, copies=1, **preprocessing):
    """Play the same actions in both and compare every row; a reset follows where the vector resets by itself."""
    vector = envs.make_vec(env_id, copies, noop_max=0, **preprocessing)
    singles = [envs.make(env_id, noop_max=0, **preprocessing) for _ in range(copies)]
    generator = np.random.default_rng(0)
    actions = generator.integers(vector.single_action_space.n, size=(steps, copies))
    over = [True] * copies
    episodes = 0
    for step, batch in enumerate(vector_rows(vector, actions, seed)):
        for copy, single in enumerate(singles):
            if over[copy]:
                observation, info = single.reset(seed=seed + copy) if step == 0 else single.reset()
                row = (observation, 0.0, False, False)
                episodes += 1
            else:
                *row, info = single.step(actions[step - 1, copy])
            row = (*row, info["lives"], info["episode_frame_number"])
            over[copy] = row[2] or row[3]
            for name, ours, theirs in zip(ROW, row, batch, strict=True):
                theirs = theirs if np.isscalar(theirs) else theirs[copy]
                assert np.array_equal(ours, theirs), f"{name} differs at step {step}"
    vector.close()
    return episodes


@pytest.mark.parametrize(("env_id", "copies"), [("ALE/Pong-v5", 2), ("ALE/AirRaid-v5", 1)])  # 210 and 250 rows
def test_single_equals_vector(env_id, copies):
    assert_same(env_id, steps=300, copies=copies)


def test_single_equals_vector_across_episodes():
    assert assert_same("ALE/Breakout-v5", steps=400, use_fire_reset=True) > 2


@pytest.mark.parametrize(
    "preprocessing",
    [
        {"repeat_action_probability": 0.25},
        {"frameskip": 1, "stack_num": 2, "screen_size": 64},
        {"reward_clipping": True, "full_action_space": True},
        {"max_episode_steps": 40, "frameskip": 3},
    ],
)
def test_single_equals_vector_with_other_settings(preprocessing):
    assert_same("ALE/Seaquest-v5", steps=80, **preprocessing)


def test_lost_life_is_reported_and_the_game_goes_on():
    settings = {"noop_max": 0, "terminal_on_life_loss": True}
    single = envs.make("ALE/Breakout-v5", **settings)
    vector = envs.make_vec("ALE/Breakout-v5", 1, **settings)
    generator = np.random.default_rng(0)
    observation, info = single.reset(seed=0)
    vector.reset(seed=0)
    lives, terminated = [info["lives"]], False
    for _ in range(300):
        action = 0 if terminated else int(generator.integers(4))  # the single game goes on with a no-op
        theirs = vector.step(np.array([action]))
        if terminated:
            observation, info = single.reset()
            terminated = False
        else:
            observation, _, terminated, _, info = single.step(action)
        np.testing.assert_array_equal(observation, theirs[0][0])
        assert terminated == theirs[2][0]
        if info["lives"] != lives[-1]:
            lives.append(info["lives"])
    assert lives[:4] == [5, 4, 3, 2]
    vector.close()


def test_a_reset_before_the_end_begins_a_new_game():
    env = envs.make("ALE/Pong-v5", terminal_on_life_loss=True, noop_max=0)
    env.reset(seed=0)
    for _ in range(20):
        env.step(2)
    assert env.reset()[1]["episode_frame_number"] == 0


def test_vector_is_deterministic_whatever_the_threads():
    actions = np.random.default_rng(0).integers(4, size=(40, 2))
    one, two = (envs.make_atari_vec("ALE/Breakout-v5", 2, num_threads=threads) for threads in (1, 2))
    rows = [np.array([row[0] for row in vector_rows(*play)]) for play in [(one, actions, 7), (two, actions, 7)]]
    np.testing.assert_array_equal(*rows)
    frames = [vector.reset(seed=seed)[1]["episode_frame_number"] for vector, seed in [(one, 7), (two, 17)]]
    assert not np.array_equal(*frames)  # other seeds draw other numbers of no-ops
    one.close()
    two.close()


def test_single_is_deterministic_and_unseeded_ones_differ():
    env = envs.make("ALE/Pong-v5")

    def play(seed):
        rows = [env.reset(seed=seed)[0]]
        rows += [env.step(action)[0] for action in (2, 3, 1, 0) * 10]
        return np.array(rows)

    np.testing.assert_array_equal(play(1), play(1))
    unseeded = [envs.make("ALE/Pong-v5").reset()[1]["episode_frame_number"] for _ in range(4)]
    assert len(set(unseeded)) > 1  # the number of no-ops is drawn anew: all four agree once in 30^3 runs


def test_shapes_types_and_colour_pictures():
    env = envs.make("ALE/Pong-v5", render_mode="rgb_array")
    observation, info = env.reset(seed=0)
    assert (observation.shape, observation.dtype) == ((4, 84, 84), np.uint8)
    assert not observation[:3].any()  # zeros before the first frame
    assert observation[3].any()
    assert set(info) == {"lives", "frame_number", "episode_frame_number"}
    picture = env.render()
    assert (picture.shape, picture.dtype) == ((210, 160, 3), np.uint8)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 2
    assert env.metadata["render_fps"] == 15
    vector = envs.make_vec("ALE/Pong-v5", 2)
    observations, _ = vector.reset(seed=0)
    assert (observations.shape, observations.dtype) == ((2, 4, 84, 84), np.uint8)
    assert gym.make(vector.spec).observation_space == vector.single_observation_space
    assert vector.frame_stack == 4
    vector.close()


def test_ids_of_ale_work_after_importing_envs():
    vector = gym.make_vec("ALE/Pong-v5", 1)
    assert vector.reset(seed=0)[0].shape == (1, 4, 84, 84)
    vector.close()
    assert envs.make("PongNoFrameskip-v4").observation_space.shape == (4, 84, 84)


def test_gymnasium_finds_nothing_to_complain_about():
    check_env(envs.make("ALE/Pong-v5").unwrapped)


def test_shape_settings_matter():
    env = envs.make("ALE/Pong-v5", stack_num=3, screen_size=42, full_action_space=True, frameskip=2, noop_max=0)
    assert env.observation_space.shape == (3, 42, 42)
    assert env.action_space.n == 18
    assert env.reset(seed=0)[1]["episode_frame_number"] == 0
    assert env.step(0)[-1]["episode_frame_number"] == 2
    assert env.metadata["render_fps"] == 30


def test_number_of_noops_is_uniform_below_noop_max():
    env = envs.make("ALE/Pong-v5", noop_max=4)
    env.reset(seed=0)
    drawn = [env.reset()[1]["episode_frame_number"] for _ in range(80)]
    assert set(drawn) == {0, 1, 2, 3}
    assert min(drawn.count(number) for number in range(4)) > 8  # 20 expected, standard deviation 3.9


def test_fire_takes_the_place_of_a_frame():
    env = envs.make("ALE/Breakout-v5", noop_max=0, use_fire_reset=True)
    assert env.reset(seed=0)[1]["episode_frame_number"] == 1


def test_rewards_are_clipped_on_demand_only():
    def first_reward(**settings):
        env = envs.make("ALE/DemonAttack-v5", noop_max=0, **settings)
        env.reset(seed=0)
        rewards = [env.step(1)[1] for _ in range(60)]
        return next(filter(None, rewards))

    assert first_reward() == 10
    assert first_reward(reward_clipping=True) == 1


def test_sticky_actions_and_the_step_limit_matter():
    def play(**settings):
        env = envs.make("ALE/Pong-v5", noop_max=0, **settings)
        rows = [env.reset(seed=0)[0]]
        for step in range(30):
            observation, _, _, truncated, _ = env.step(2 + step % 2)
            rows.append(observation)
            if truncated:
                break
        return np.array(rows)

    plain = play()
    assert not np.array_equal(plain, play(repeat_action_probability=0.5))
    limited = play(max_episode_steps=10)
    assert len(limited) == 11
    np.testing.assert_array_equal(limited[:10], plain[:10])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"frameskip": 0}, "frameskip is 0: it must be a whole number of at least 1"),
        ({"noop_max": 1.5}, "noop_max is 1.5"),
        ({"screen_size": 161}, "screen_size is 161.*at most 160"),
        ({"repeat_action_probability": 2}, "repeat_action_probability is 2"),
    ],
)
@pytest.mark.parametrize("maker", [envs.make, envs.make_vec])
def test_bad_settings_are_named(maker, arguments, message):
    with pytest.raises(ValueError, match=message):
        maker("ALE/Pong-v5", **arguments)


def test_unknown_games_and_actions_are_named():
    with pytest.raises(ValueError, match="unknown Atari environment 'Pong-v5': did you mean 'ALE/Pong-v5'"):
        envs.make_atari("Pong-v5")
    with pytest.raises(ValueError, match="unknown Atari environment 'GridWorld-v0'"):
        envs.make_atari_vec("GridWorld-v0", 1)
    with pytest.raises(ValueError, match="num_threads is -1"):
        envs.make_atari_vec("ALE/Pong-v5", 1, num_threads=-1)
    env = envs.make("ALE/Pong-v5").unwrapped
    env.reset(seed=0)
    with pytest.raises(ValueError, match="action is 6: actions are 0 NOOP, 1 FIRE"):
        env.step(6)


def test_vector_takes_every_kind_of_seed_and_refuses_wrong_actions():
    vector = envs.make_vec("ALE/Pong-v5", 2)
    firsts = []
    for seed in (2**31 + 4, np.int64(4), [4, 5], np.array([4, 5])):
        firsts.append(vector.reset(seed=seed)[1]["episode_frame_number"].tolist())
    assert firsts == firsts[:1] * 4
    last = np.array([False, True])
    frames = [vector.reset(seed=s, options={"reset_mask": last})[1]["episode_frame_number"][1] for s in (3, [9, 4])]
    assert frames == [firsts[0][0]] * 2  # copy 1 of seed 3 has what copy 0 of seed 4 has
    with pytest.raises(ValueError, match=r"seed has the shape \(1,\): 2 copies take as many"):
        vector.reset(seed=[4], options={"reset_mask": last})
    assert vector.step([0, np.uint8(1)])[0].shape == (2, 4, 84, 84)
    for actions, message in [([0, 6], "each must be 0 to 5"), ([0], r"shape \(1,\)"), ([0.0, 1.0], "type float64")]:
        with pytest.raises(ValueError, match=message):
            vector.step(actions)
    vector.close()


def test_shrink_averages():
    """Constant frames stay; a frame of columns 0 and 255 in turn halves to their mean, 127.5, rounded to even."""
    assert (shrink(np.full((210, 160), 77, np.uint8), 84) == 77).all()
    stripes = np.tile(np.array([0, 255], np.uint8), (160, 80))
    assert (shrink(stripes, 80) == 128).all()
    ramp = np.repeat(np.arange(0, 210, dtype=np.uint8)[:, None], 160, axis=1)
    np.testing.assert_array_equal(shrink(ramp, 42)[:3, 0], [2, 7, 12])  # means of 0..4, 5..9, 10..14
