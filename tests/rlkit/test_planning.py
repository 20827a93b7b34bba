"""Planners against published values, hand computation, a linear programme, Gymnasium's models and each other."""

from __future__ import annotations

import math
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from neuralcore.errors import UserError
from rlkit import (
    MDP,
    finite_horizon,
    modified_policy_iteration,
    planning,
    policies,
    policy_iteration,
    q_iteration,
    solve,
    value_iteration,
)

IN_PLACE = [partial(value_iteration, sweep="gauss-seidel"), partial(value_iteration, sweep="prioritised")]
AT_ONE = [value_iteration, policy_iteration, q_iteration, solve, *IN_PLACE]  # those that know discount 1
PLANNERS = [*AT_ONE, modified_policy_iteration]

# Russell & Norvig, Artificial Intelligence: A Modern Approach (3rd edition), figure 17.3, row by row.
PUBLISHED = [0.812, 0.868, 0.918, 0.762, 0.660, 0.705, 0.655, 0.611, 0.388]


def russell_norvig(living_reward: float = -0.04) -> SimpleNamespace:
    """The 4 x 3 world of figure 17.1 by the contract of `envs`, written down independently of it."""
    grid = np.array([[0, 1, 2, 3], [4, -1, 5, 6], [7, 8, 9, 10]])
    moves = [(-1, 0), (0, 1), (1, 0), (0, -1)]
    cell = {int(state): (r, c) for r, row in enumerate(grid) for c, state in enumerate(row) if state >= 0}

    def step(state: int, action: int) -> int:
        r, c = cell[state][0] + moves[action][0], cell[state][1] + moves[action][1]
        inside = 0 <= r < 3 and 0 <= c < 4 and grid[r, c] >= 0
        return int(grid[r, c]) if inside else state

    terminal = {3: 1.0, 6: -1.0}
    successors = np.array([[[step(s, (a + t) % 4) for t in (0, 1, -1)] for a in range(4)] for s in range(11)])
    rewards = np.full((11, 4, 3), living_reward)
    for state, reward in terminal.items():
        rewards[successors == state] += reward
        successors[state], rewards[state] = state, 0
    return SimpleNamespace(
        successors=successors,
        probabilities=np.broadcast_to([0.8, 0.1, 0.1], (11, 4, 3)),
        rewards=rewards,
        terminals=np.isin(np.arange(11), list(terminal)),
        start=np.eye(11)[7],
        grid=grid,
        action_symbols=("↑", "→", "↓", "←"),
    )


def toy_text(name: str, **arguments: Any) -> gym.Env:
    """The newest version of a toy-text environment."""
    versions = [i for i in gym.registry if i.startswith(f"{name}-v")]
    return gym.make(max(versions), **arguments)


@pytest.mark.parametrize("planner", AT_ONE)
def test_published_values(planner: Any):
    solution = planner(russell_norvig(), discount=1)
    np.testing.assert_allclose(solution.values[~solution.mdp.terminals], PUBLISHED, atol=5e-4)
    assert solution.values[solution.mdp.terminals].tolist() == [0, 0]
    assert solution.converged
    assert solution.bound == math.inf
    assert abs(solution.expected_return - 0.705) < 5e-4


@pytest.mark.parametrize("planner", AT_ONE)
def test_published_values_in_the_environment(planner: Any):
    pytest.importorskip("envs")
    env = gym.make("GridWorld-v0", layout="russell_norvig", slip=0.2, living_reward=-0.04)
    solution = planner(env, discount=1)
    np.testing.assert_allclose(solution.values[~solution.mdp.terminals], PUBLISHED, atol=5e-4)


@pytest.mark.parametrize("planner", PLANNERS)
def test_two_states_by_hand(planner: Any):
    """Stay in 0 for 1 or go to 1 for 0; in 1 all actions pay 3 and end with probability one half."""
    table = [
        [[(1.0, 0, 1.0, False)], [(1.0, 1, 0.0, False)]],
        [[(0.5, 1, 3.0, False), (0.5, 1, 3.0, True)]] * 2,
    ]
    # v1 = 3 + .8 · .5 · v1 = 5;  q(0, go) = .8 · 5 = 4 < q(0, stay) = 1 / (1 - .8) = 5
    solution = planner(table, discount=0.8, tolerance=1e-10)
    np.testing.assert_allclose(solution.q, [[5, 4], [5, 5]], atol=1e-9)
    np.testing.assert_allclose(solution.values, [5, 5], atol=1e-9)
    assert solution.policy[0] == 0
    # v1 = 3 / (1 - .25) = 4;  q(0, go) = .5 · 4 = 2 = q(0, stay): a tie
    assert abs(np.diff(planner(table, discount=0.5, tolerance=1e-10).q[0])[0]) < 1e-9


def test_planners_agree_on_fifty_random_models():
    for seed in range(50):
        mdp = MDP.random(5 + seed, 1 + seed % 5, 1 + seed % 4, seed)
        discount = (0.5, 0.9, 0.99)[seed % 3]
        exact = policy_iteration(mdp, discount=discount)
        tolerance = 1e-7 * (1 - discount)
        for planner in PLANNERS:
            found = planner(mdp, discount=discount, tolerance=tolerance)
            np.testing.assert_allclose(found.values, exact.values, atol=1e-6)
            np.testing.assert_allclose(found.q, exact.q, atol=1e-6)
            assert np.abs(found.values - exact.values).max() <= found.bound + exact.bound
            assert found.residual <= tolerance


@pytest.mark.parametrize("seed", range(3))
def test_linear_programme(seed: int):
    """v* is the least v with v(s) >= q(s, a) for all s, a."""
    from scipy.optimize import linprog

    mdp = MDP.random(12, 3, 4, seed)
    discount = 0.9
    constraints = discount * mdp.matrix().toarray() - np.repeat(np.eye(12), 3, axis=0)
    found = linprog(np.ones(12), A_ub=constraints, b_ub=-mdp.rewards.reshape(-1), bounds=(None, None))
    for planner in PLANNERS:
        np.testing.assert_allclose(planner(mdp, discount=discount).values, found.x, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("FrozenLake", {"map_name": "8x8"}), ("CliffWalking", {}), ("Taxi", {})],
)
def test_gymnasium_models(name: str, arguments: dict[str, Any]):
    """Against value iteration written on the table itself, outcome by outcome."""
    env = toy_text(name, **arguments)
    exact = policy_iteration(env)
    assert exact.iterations < 20
    assert exact.converged
    iterated = value_iteration(env, tolerance=1e-9)
    np.testing.assert_allclose(iterated.values, exact.values, atol=1e-6)

    table = env.unwrapped.P
    q = [
        [
            sum(p * (r + 0.99 * (0.0 if ended else exact.values[s])) for p, s, r, ended in table[state][action])
            for action in range(len(table[state]))
        ]
        for state in range(len(table))
    ]
    acting = ~exact.mdp.terminals
    np.testing.assert_allclose(np.max(q, axis=1)[acting], exact.values[acting], atol=1e-8)


def test_discount_one_does_not_walk_in_circles():
    """On ice that does not slip every cell is worth 1, so every step is greedy; the agent arrives all the same."""
    env = toy_text("FrozenLake", is_slippery=False)
    for planner in AT_ONE:
        solution = planner(env, discount=1)
        assert solution.values[0] == pytest.approx(1)
        agent = solution.agent()
        state, steps, ended = env.reset(seed=0)[0], 0, False
        while not ended and steps < 20:
            state, reward, ended, _, _ = env.step(agent.act(state, deterministic=True))
            steps += 1
        assert ended
        assert reward == 1


def test_the_agent_reaches_the_goal():
    env = toy_text("CliffWalking")
    agent = value_iteration(env).agent()
    state, ret, ended = env.reset(seed=0)[0], 0, False
    while not ended:
        state, reward, ended, _, _ = env.step(agent.act(state))
        ret += reward
    assert ret == -13  # along the edge of the cliff


def test_every_argument_matters():
    mdp = MDP.random(30, 3, 3, 0)
    base = value_iteration(mdp)
    assert value_iteration(mdp, discount=0.5).values[0] != base.values[0]
    assert value_iteration(mdp, tolerance=1e-3).iterations < base.iterations
    assert value_iteration(mdp, max_iterations=3).iterations == 3
    assert q_iteration(mdp, max_iterations=3).iterations == 3
    assert q_iteration(mdp, tolerance=1e-3).iterations < q_iteration(mdp).iterations
    assert policy_iteration(mdp, max_iterations=1).iterations == 1
    assert policy_iteration(mdp, tolerance=10).iterations < policy_iteration(mdp).iterations
    assert policy_iteration(mdp, discount=0.5).values[0] != policy_iteration(mdp).values[0]
    for planner in (*IN_PLACE, modified_policy_iteration):
        assert planner(mdp, discount=0.5).values[0] != planner(mdp).values[0]
        assert planner(mdp, tolerance=1e-2).iterations < planner(mdp).iterations
        assert planner(mdp, max_iterations=2).iterations == 2
        assert not planner(mdp, max_iterations=2).converged
    iterations = [modified_policy_iteration(mdp, evaluations=n).iterations for n in (1, 20)]
    assert iterations[0] > iterations[1]
    with pytest.raises(UserError, match="evaluations is 0"):
        modified_policy_iteration(mdp, evaluations=0)
    with pytest.raises(UserError, match="unknown sweep 'jakobi': did you mean 'jacobi'"):
        value_iteration(mdp, sweep="jakobi")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="one state after the other, on the CPU: leave out device='cuda'"):
        value_iteration(mdp, sweep="prioritised", device="cuda")


def test_progress_reaches_the_end():
    for planner in PLANNERS:
        told: list[tuple[float, int, float]] = []
        solution = planner(MDP.random(50, 3, 3, 0), progress=lambda *now, told=told: told.append(now))
        assert [iteration for _, iteration, _ in told] == list(range(1, solution.iterations + 1))
        assert all(0 <= done <= 1 for done, _, _ in told)
        assert told[-1][0] >= 0.5


def test_finite_horizon_by_hand():
    """Two states, wait for 1 or cash in for 3 and end: with one decision left cash in, before that wait."""
    table = [[[(1.0, 0, 1.0, False)], [(1.0, 1, 3.0, True)]], [[(1.0, 1, 0.0, True)]] * 2]
    found = finite_horizon(table, 3)
    np.testing.assert_allclose(found.values[:, 0], [5, 4, 3, 0])
    assert found.policy[:, 0].tolist() == [0, 0, 1]
    assert found.horizon == 3
    assert found.residual == found.bound == 0
    assert finite_horizon(table, 1, end_values=np.array([9.0, 7.0])).values[0].tolist() == [10, 0]
    assert finite_horizon(table, 2, discount=0.5).values[0, 0] == 3
    with pytest.raises(UserError, match="horizon is 0"):
        finite_horizon(table, 0)
    with pytest.raises(UserError, match="end_values must be 2 finite numbers"):
        finite_horizon(table, 2, end_values=np.zeros(3))
    with pytest.raises(UserError, match="discount is 0"):
        finite_horizon(table, 2, discount=0)


def test_a_far_horizon_is_value_iteration():
    mdp = MDP.random(30, 3, 3, 5)
    far = finite_horizon(mdp, 40, discount=0.8)
    np.testing.assert_array_equal(far.values[0], value_iteration(mdp, discount=0.8, max_iterations=40).values)


def test_the_residual_is_that_of_the_values_and_bounds_their_error():
    mdp = MDP.random(40, 3, 3, 1)
    exact = policy_iteration(mdp, discount=0.9).values
    for sweeps in (1, 5, 30):
        early = value_iteration(mdp, discount=0.9, max_iterations=sweeps)
        assert not early.converged
        backed_up = (mdp.rewards + 0.9 * (mdp.matrix() @ early.values).reshape(40, 3)).max(axis=1)
        assert early.residual == np.abs(backed_up - early.values).max()
        assert np.abs(early.values - exact).max() <= early.bound
        assert early.bound == early.residual / (1 - early.discount)
    assert value_iteration(mdp).history.shape == (value_iteration(mdp).iterations,)


@pytest.mark.parametrize("planner", PLANNERS)
def test_same_input_same_bytes(planner: Any):
    a, b = (planner(MDP.random(60, 4, 3, 2)) for _ in range(2))
    for name in ("values", "q", "policy", "history"):
        assert getattr(a, name).tobytes() == getattr(b, name).tobytes()


def test_large_models_are_swept_on_threads_to_the_same_bytes(monkeypatch: pytest.MonkeyPatch):
    from neuralcore.kernels.bellman import cpu

    mdp = MDP.random(5_000, 3, 3, 0)
    alone = value_iteration(mdp, max_iterations=20)
    monkeypatch.setattr(cpu, "OUTCOMES_A_THREAD", 1_000)
    monkeypatch.setattr(cpu, "cpu_count", lambda: 7)
    assert value_iteration(mdp, max_iterations=20).values.tobytes() == alone.values.tobytes()


def test_evaluation_iterates_where_a_factorisation_would_fill(monkeypatch: pytest.MonkeyPatch):
    mdp = MDP.random(300, 3, 3, 0)
    policy = mdp.rewards.argmax(axis=1)
    direct = policies.evaluate(mdp, policy, 0.99)
    monkeypatch.setattr(policies, "DIRECT_EFFORT", 0)
    np.testing.assert_allclose(policies.evaluate(mdp, policy, 0.99), direct, rtol=1e-11)
    np.testing.assert_allclose(policies.evaluate(mdp, policy, 0.99, initial=direct), direct, rtol=1e-12)
    corridor = MDP.of([[[(1.0, s + 1, -1.0, s == 998)]] for s in range(999)] + [[[(1.0, 999, 0.0, True)]]])
    values = policies.evaluate(corridor, np.zeros(1_000, int), 1.0)  # BiCGSTAB gives up: LU
    np.testing.assert_allclose(values[:3], [-999, -998, -997], rtol=1e-9)


def test_discount_one_needs_an_end():
    endless = [[[(1.0, 0, 0.0, True)]], [[(1.0, 2, 0.0, False)]], [[(1.0, 1, 0.0, False)]]]
    with pytest.raises(UserError, match="discount 1: from state 1 no episode can end"):
        policy_iteration(endless, discount=1)
    for planner in AT_ONE:
        with pytest.raises(UserError, match="discount 1: from state 1 no episode can end, whichever"):
            planner(endless, discount=1)
    with pytest.raises(UserError, match="need not converge at discount 1: use value or policy"):
        modified_policy_iteration(russell_norvig(), discount=1)
    paying = [[[(1.0, 0, 0.0, True)], [(1.0, 0, 1.0, False)]]]
    with pytest.raises(UserError, match="from state 0, action 1, going round for ever pays without bound"):
        policy_iteration(paying, discount=1)
    unbounded = value_iteration(paying, discount=1, max_iterations=50)
    assert not unbounded.converged
    assert unbounded.residual == 1
    assert "NOT reached" in unbounded.summary()


@pytest.mark.parametrize("planner", PLANNERS)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"discount": 0}, r"discount is 0: it must lie in \(0, 1\]"),
        ({"discount": 1.01}, r"discount is 1.01"),
        ({"discount": math.nan}, r"discount is nan"),
        ({"tolerance": -1e-6}, "tolerance is -1e-06: it must be positive"),
        ({"tolerance": 0}, "tolerance is 0"),
        ({"tolerance": math.nan}, "tolerance is nan"),
        ({"max_iterations": 0}, "max_iterations is 0: it must be 1 or more"),
    ],
)
def test_arguments_out_of_range(planner: Any, arguments: dict[str, Any], message: str):
    with pytest.raises(UserError, match=message):
        planner(russell_norvig(), **arguments)


def test_a_device_that_is_not_there_is_named():
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(UserError, match="cuda"):
        value_iteration(russell_norvig(), device="cuda")
    assert value_iteration(russell_norvig(), device="auto").converged


@pytest.mark.gpu
@pytest.mark.parametrize("planner", [value_iteration, q_iteration])
def test_the_gpu_gives_the_same(planner: Any):
    mdp = MDP.random(10_000, 4, 3, 0)
    np.testing.assert_allclose(planner(mdp, device="cuda").values, planner(mdp).values, atol=1e-9)


def test_planning_does_without_torch():
    code = (
        "import sys, rlkit; rlkit.value_iteration(rlkit.MDP.random(9, 2, 2, 0)); "
        "assert 'torch' not in sys.modules and 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(planning.__file__).parents[1])
