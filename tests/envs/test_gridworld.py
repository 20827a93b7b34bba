"""GridWorld against published values, hand-computed rows and its own simulation."""

import time

import gymnasium as gym
import numpy as np
import pytest

import envs
from envs.gridworld import GridWorld

# Russell & Norvig, figure 17.3 (3rd edition): slip 0.2, living reward -0.04, discount 1.
PUBLISHED_UTILITIES = [0.812, 0.868, 0.918, 1.0, 0.762, 0.660, -1.0, 0.705, 0.655, 0.611, 0.388]
# Sutton & Barto, figure 4.1: the random policy on the 4 x 4 grid.
PUBLISHED_RANDOM_POLICY = [0, -14, -20, -22, -14, -18, -20, -20, -20, -20, -18, -14, -22, -20, -14, 0]


def make(**kwargs):
    return gym.make("GridWorld-v0", **kwargs).unwrapped


def test_values_are_the_published_ones(value_iteration):
    model = make().model
    values = value_iteration(model, discount=1.0)
    values[[3, 6]] = 1, -1  # the book writes a terminal's own reward there; entering it has paid it here
    np.testing.assert_allclose(values, PUBLISHED_UTILITIES, atol=1e-3)


def test_random_policy_has_the_published_values():
    model = make(layout="sutton_barto_4x4", slip=0.0, living_reward=-1.0).model
    transitions = np.zeros((16, 16))
    np.add.at(transitions, (np.arange(16)[:, None, None], model.successors), model.probabilities / 4)
    rewards = (model.probabilities * model.rewards).sum(axis=2).mean(axis=1)
    inner = ~model.terminals
    values = np.zeros(16)
    values[inner] = np.linalg.solve(np.eye(14) - transitions[np.ix_(inner, inner)], rewards[inner])
    np.testing.assert_allclose(values, PUBLISHED_RANDOM_POLICY, atol=1e-9)


def test_shortest_way_through_the_dyna_maze_has_14_steps(value_iteration):
    env = make(layout="dyna_maze", slip=0.0, living_reward=-1.0, terminal_rewards={"G": 0})
    start = int(env.model.start.argmax())
    assert value_iteration(env.model, discount=1.0)[start] == -14


def test_model_rows_computed_by_hand():
    model = make().model
    assert model.successors.shape == (11, 4, 3)
    assert model.grid.tolist() == [[0, 1, 2, 3], [4, -1, 5, 6], [7, 8, 9, 10]]
    assert model.start.tolist() == [0] * 7 + [1] + [0] * 3
    assert np.flatnonzero(model.terminals).tolist() == [3, 6]
    # Up from state 5 (beside the wall and the -1): ahead to 2, left into the wall, right into the terminal.
    assert model.successors[5, 0].tolist() == [2, 5, 6]
    np.testing.assert_allclose(model.probabilities[5, 0], [0.8, 0.1, 0.1])
    np.testing.assert_allclose(model.rewards[5, 0], [-0.04, -0.04, -1.04])
    # Terminals absorb and pay nothing.
    assert (model.successors[3] == 3).all()
    assert (model.rewards[3] == 0).all()
    assert model.action_symbols == ("↑", "→", "↓", "←")


def test_actions_are_up_right_down_left():
    model = make(layout="...\n...\n...", slip=0.0).model
    assert model.successors[4, :, 0].tolist() == [1, 5, 7, 3]


@pytest.mark.parametrize("layout", sorted(envs.LAYOUTS))
@pytest.mark.parametrize("slip", [0.0, 0.3])
def test_toy_text_equals_the_model(layout, slip):
    env = make(layout=layout, slip=slip)
    model = env.model
    n_states, n_actions, _ = model.successors.shape
    for state in range(n_states):
        for action in range(n_actions):
            row = env.P[state][action]
            assert sum(probability for probability, *_ in row) == pytest.approx(1)
            dense, weighted = np.zeros(n_states), np.zeros(n_states)
            np.add.at(dense, model.successors[state, action], model.probabilities[state, action])
            expected = model.probabilities[state, action] * model.rewards[state, action]
            np.add.at(weighted, model.successors[state, action], expected)
            for probability, successor, reward, terminated in row:
                assert probability == pytest.approx(dense[successor])
                assert probability * reward == pytest.approx(weighted[successor])
                assert terminated is bool(model.terminals[successor])
            assert len({successor for _, successor, *_ in row}) == len(row) == np.count_nonzero(dense)


def test_simulation_has_the_frequencies_of_the_model():
    env = make(terminal_rewards={"-": -3.0})
    env.reset(seed=0)
    draws = 4_000
    for state, action in [(5, 0), (7, 1), (2, 3)]:
        counts = dict.fromkeys(range(11), 0)
        for _ in range(draws):
            env.reset(options={"state": state})
            _, reward, terminated, truncated, info = env.step(action)
            counts[info["state"]] += 1
            expected = {successor: (r, end) for _, successor, r, end in env.P[state][action]}
            assert (reward, terminated) == expected[info["state"]]
            assert truncated is False
        for probability, successor, *_ in env.P[state][action]:
            error = 4 * np.sqrt(probability * (1 - probability) / draws)  # four standard errors
            assert counts[successor] / draws == pytest.approx(probability, abs=error)


def test_starts_are_drawn_uniformly_from_the_marked_or_all_free_cells():
    for layout, states in [("S.S\n.#+", {0, 2}), ("...\n.#+", {0, 1, 2, 3})]:
        env = make(layout=layout)
        env.reset(seed=0)
        first = [env.reset()[0] for _ in range(2_000)]
        assert set(first) == states
        for state in states:
            assert first.count(state) / 2_000 == pytest.approx(1 / len(states), abs=0.05)


def test_same_seed_same_trajectory():
    def trajectory(seed):
        env = gym.make("GridWorld-v0", layout="four_rooms")
        env.action_space.seed(seed)
        rows = [env.reset(seed=seed)]
        for _ in range(200):
            rows.append(env.step(env.action_space.sample()))
            if rows[-1][2]:
                rows.append(env.reset())
        return rows

    assert trajectory(1) == trajectory(1)
    assert trajectory(1) != trajectory(2)


@pytest.mark.parametrize(
    "change",
    [
        {"layout": "cliff"},
        {"slip": 0.1},
        {"living_reward": 0.0},
        {"terminal_rewards": {"+": 2.0}},
    ],
)
def test_every_argument_of_the_model_matters(change):
    plain, changed = make().model, make(**change).model
    arrays = ("successors", "probabilities", "rewards")
    assert any(not np.array_equal(getattr(plain, name), getattr(changed, name)) for name in arrays)


def test_one_hot_observation():
    env = make(observation="one_hot")
    observation, info = env.reset(seed=0)
    assert observation.dtype == np.float32
    assert observation.tolist() == [float(state == info["state"]) for state in range(11)]
    assert env.observation_space.contains(observation)


def test_own_terminal_symbols():
    env = make(layout="1S2", slip=0.0, living_reward=-0.5, terminal_rewards={"1": 4.0, "2": -7.0})
    env.reset(seed=0)
    assert env.step(3)[1:3] == (3.5, True)
    env.reset()
    assert env.step(1)[1:3] == (-7.5, True)


def test_ansi_shows_agent_walls_and_rewards():
    env = make(render_mode="ansi")
    env.reset(seed=0)
    assert env.render() == "...+\n.#.-\n@...\n@ agent  # wall  + +1  - -1\n"


def test_picture_shows_the_agent_move():
    env = make(render_mode="rgb_array", slip=0.0)
    env.reset(seed=0)
    before = env.render()
    assert before.shape == (3 * 64, 4 * 64, 3)
    assert before.dtype == np.uint8
    env.step(0)
    after = env.render()
    changed = np.argwhere((before != after).any(axis=2)) // 64
    assert {tuple(cell) for cell in changed.tolist()} == {(2, 0), (1, 0)}
    centres = after[32::64, 32::64].astype(int)
    assert centres[0, 3, 1] > centres[0, 3, 0]  # the +1 is green
    assert centres[1, 3, 0] > centres[1, 3, 1]  # the -1 is red


def test_small_cells_still_show_the_agent():
    env = make(layout="open_20x20", render_mode="rgb_array")
    assert make(layout=envs.random_layout(150, 700, 0.1, seed=0), render_mode="rgb_array")._picture().shape == (
        150,
        700,
        3,
    )
    env.reset(seed=0)
    assert env.render().shape == (640, 640, 3)


def test_rendering_without_a_mode_warns():
    env = make()
    env.reset(seed=0)
    with pytest.warns(UserWarning, match="render_mode="):
        assert env.render() is None


def test_a_million_cells_take_seconds():
    begin = time.perf_counter()
    model = make(layout=envs.random_layout(1000, 1000, 0.2, seed=1)).model
    assert time.perf_counter() - begin < 15
    assert 790_000 < len(model.terminals) < 810_000
    np.testing.assert_allclose(model.probabilities.sum(axis=2), 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"slip": 1.5}, "slip is 1.5"),
        ({"slip": float("nan")}, "slip is nan"),
        ({"living_reward": float("inf")}, "living_reward is inf"),
        ({"terminal_rewards": {"+": float("nan")}}, r"terminal_rewards\['\+'\] is nan"),
        ({"terminal_rewards": {"#": 1.0}}, "'#'.*taken"),
        ({"terminal_rewards": {"goal": 1.0}}, "'goal'.*one character"),
        ({"terminal_rewards": {"G": 1.0}}, "'G', which the layout does not contain"),
        ({"observation": "onehot"}, "unknown observation 'onehot': did you mean 'one_hot'"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)


def test_bad_render_mode_action_and_start_are_named():
    with pytest.raises(ValueError, match="did you mean 'ansi'"):
        GridWorld(render_mode="ansii")
    env = make()
    env.reset(seed=0)
    with pytest.raises(ValueError, match="action is 4: actions are 0 ↑, 1 →, 2 ↓, 3 ←"):
        env.step(4)
    with pytest.raises(ValueError, match="states 0 to 10"):
        env.reset(options={"state": 11})
