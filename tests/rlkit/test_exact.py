"""The exact value of an agent: published values, played returns, and what `rlkit evaluate` says."""

from __future__ import annotations

import json
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

import agents
from neuralcore.checkpoint import read_arrays
from neuralcore.config import parse
from neuralcore.errors import UserError
from rlkit import MDP, evaluate, inspect_runs, solve
from rlkit.exact import evaluate_exactly, is_tabular

pytest.importorskip("envs")


def lake(**arguments: object) -> gym.Env:
    versions = [i for i in gym.registry if i.startswith("FrozenLake-v")]
    return gym.make(max(versions), **arguments)


def test_an_optimal_agent_loses_nothing():
    env = lake()
    found = evaluate_exactly(solve(env).agent(), env)
    assert np.abs(found.gap).max() < 1e-6
    assert found.optimal_states == 11
    assert "optimal in 11 of 11 states" in found.summary()


def test_a_random_agent_has_the_published_values():
    """Sutton & Barto, figure 4.1."""
    env = gym.make("GridWorld-v0", layout="sutton_barto_4x4", slip=0.0, living_reward=-1.0)
    agent = agents.RandomAgent(env.observation_space, env.action_space)
    found = evaluate_exactly(agent, env, discount=1.0)
    np.testing.assert_allclose(found.values[:4], [0, -14, -20, -22], atol=1e-9)
    assert found.gap[3] == pytest.approx(19)
    assert found.optimal_states == 2  # where all four ways are equally short
    # The best first action of four, all later ones optimal: from the corner two lead to -3 and two to -4.
    assert found.loss[3] == pytest.approx(0.5)
    row = found.as_row()
    assert row["optimal_bound"] is None
    assert row["states"] == 14


@pytest.mark.parametrize("observation", ["index", "one_hot"])
@pytest.mark.parametrize("deterministic", [True, False])
def test_a_deep_agent_by_hand(observation: str, deterministic: bool):
    """Its exact values are those of the policy that its network's values and epsilon spell out."""
    import torch

    env = gym.make("GridWorld-v0", observation=observation)
    agent = agents.QAgent(
        env.observation_space,
        env.action_space,
        network="mlp",
        hidden=[8],
        epsilon=0.3,
        generator=torch.Generator().manual_seed(3),
    )
    found = evaluate_exactly(agent, env, discount=0.9, deterministic=deterministic)
    shown = np.arange(11) if observation == "index" else np.eye(11, dtype=np.float32)
    greedy = agent.action_values(shown).argmax(axis=1)
    policy = np.eye(4)[greedy] if deterministic else 0.7 * np.eye(4)[greedy] + 0.3 / 4
    mdp = MDP.of(env)
    chain = np.einsum("sa,sat->st", policy, mdp.matrix().toarray().reshape(11, 4, 11))
    values = np.linalg.solve(np.eye(11) - 0.9 * chain, (policy * mdp.rewards).sum(axis=1))
    np.testing.assert_allclose(found.values, values, atol=1e-9)
    assert found.value == pytest.approx(values[7])
    assert (found.gap >= -1e-9).all()


def test_the_exact_value_is_the_mean_of_what_is_played():
    env = lake()
    agent = agents.RandomAgent(env.observation_space, env.action_space, seed=1)
    exact = evaluate_exactly(agent, env, discount=1.0, deterministic=False)
    played = evaluate(agent, env.spec.id, episodes=2_000, deterministic=False)
    low, high = played.interval(0.9999)
    assert low <= exact.value <= high


def test_refusals():
    cart = gym.make("CartPole-v1")
    agent = agents.RandomAgent(cart.observation_space, cart.action_space)
    assert not is_tabular(cart)
    with pytest.raises(UserError, match="CartPoleEnv has no model"):
        evaluate_exactly(agent, cart)
    with pytest.raises(UserError, match="the agent's observation space is Box"):
        evaluate_exactly(agent, lake())
    env = gym.make("GridWorld-v0", slip=0.0)
    still = agents.TabularAgent(np.full(11, 3), env.observation_space, env.action_space)
    with pytest.raises(UserError, match="discount 1: from state 0, the episode never ends"):
        evaluate_exactly(still, env, discount=1.0)
    assert evaluate_exactly(still, env, discount=0.5).values[7] == pytest.approx(-0.08)


def command(*words: str) -> int:
    return inspect_runs.evaluate(parse(inspect_runs.EvaluateArguments, words, prog="rlkit evaluate"))


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    pytest.importorskip("matplotlib")
    run = tmp_path / "run"
    env = gym.make("GridWorld-v0", living_reward=-0.4)
    solve(gym.make("GridWorld-v0"), discount=1).agent().save(run / "agent")
    (run / "config.toml").write_text(
        'env = "GridWorld-v0"\nenv_args = ["living_reward=-0.4"]\n[dqn]\ndiscount = 0.9\n'
    )
    assert command(str(run), "--episodes", "5", "--plot", str(tmp_path / "gap.png")) == 0
    out = capsys.readouterr().out
    assert "5 episodes" in out
    assert "exact, discount 0.9: value of the start" in out
    assert "gap to the optimal value, and what the agent does:\n┌──" in out
    assert (tmp_path / "gap.png").stat().st_size > 5_000
    row = json.loads((run / "exact.json").read_text())
    best = solve(env, discount=0.9)
    assert row["optimal_value"] == pytest.approx(best.expected_return)
    assert row["value"] < row["optimal_value"]
    arrays = read_arrays(run / "exact.safetensors", row["arrays_sha256"])
    np.testing.assert_allclose(arrays["optimal_values"], best.values, atol=1e-6)
    np.testing.assert_allclose(arrays["gap"], arrays["optimal_values"] - arrays["values"])
    assert json.loads((run / "evaluation.json").read_text())["episodes"] == 5

    assert command(str(run), "--episodes", "0", "--discount", "0.5", "--env-args", "slip=0.5") == 0
    out = capsys.readouterr().out
    assert "mean return" not in out
    assert "discount 0.5" in out
    assert json.loads((run / "exact.json").read_text())["discount"] == 0.5


def test_the_command_refuses(tmp_path: Path):
    env = gym.make("CartPole-v1")
    agents.RandomAgent(env.observation_space, env.action_space).save(tmp_path)
    for words, message in (
        (("--discount", "0.9"), "--discount is for the exact value, and CartPole-v1 carries no model"),
        (("--plot", str(tmp_path / "gap.png")), "--plot is for the exact value"),
        (("--plot", "gap.gif"), "the name must end in"),
        (("--episodes", "0"), "episodes must be 1 or more"),
    ):
        with pytest.raises(UserError, match=message):
            command(str(tmp_path), "--env", "CartPole-v1", *words)
    solve(lake()).agent().save(tmp_path / "lake")
    with pytest.raises(UserError, match=r"discount is 0\.0"):
        command(str(tmp_path / "lake"), "--env", lake().spec.id, "--discount", "0")
