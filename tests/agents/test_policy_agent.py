"""PolicyAgent: its distributions, its two kinds of actions, and its folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

import agents
from neuralcore.errors import UserError

BOX = gym.spaces.Box(-1, 1, (2,), np.float32)
ACTIONS = {
    "discrete": gym.spaces.Discrete(3, start=5),
    "box": gym.spaces.Box(np.array([[-1.0, -0.5, 0.0]]), np.array([[1.0, 0.5, np.inf]]), dtype=np.float64),
}
OBSERVATIONS = np.random.default_rng(0).normal(size=(11, 2)).astype(np.float32)


def policy_agent(actions: gym.Space = ACTIONS["discrete"], **change: Any) -> agents.PolicyAgent:
    settings = {"network": "mlp", "hidden": [16], "generator": torch.Generator().manual_seed(1), **change}
    return agents.PolicyAgent(BOX, actions, **settings)


def make_sure(agent: agents.PolicyAgent) -> agents.PolicyAgent:
    """Undo the small first weights, so that actions depend on observations."""
    with torch.no_grad():
        agent.network.policy.weight.mul_(1_000.0)
    return agent


@pytest.mark.parametrize("kind", ACTIONS)
def test_it_comes_back_the_same(kind: str, tmp_path: Path) -> None:
    agent = make_sure(policy_agent(ACTIONS[kind], log_std=-1.0))
    agent.save(tmp_path / "agent")
    loaded = agents.load(tmp_path)
    assert isinstance(loaded, agents.Agent)
    assert isinstance(loaded, agents.PolicyAgent)
    actions = loaded.act(OBSERVATIONS, deterministic=True)
    np.testing.assert_array_equal(actions, agent.act(OBSERVATIONS, deterministic=True))
    outputs = agent.evaluate(OBSERVATIONS)[0]
    assert len(np.unique(outputs, axis=0)) == 11
    np.testing.assert_array_equal(loaded.evaluate(OBSERVATIONS)[0], outputs)
    np.testing.assert_array_equal(loaded.act(OBSERVATIONS), agent.act(OBSERVATIONS))  # both draw by seed 0
    assert sorted(p.name for p in (tmp_path / "agent").iterdir()) == ["agent.json", "weights.safetensors"]


@pytest.mark.parametrize("deterministic", [True, False])
@pytest.mark.parametrize("kind", ACTIONS)
def test_actions_lie_in_their_space(kind: str, deterministic: bool) -> None:
    agent = make_sure(policy_agent(ACTIONS[kind], log_std=2.0))
    actions = agent.act(OBSERVATIONS, deterministic=deterministic)
    assert all(agent.action_space.contains(action) for action in actions)
    assert actions.shape == (11, *agent.action_space.shape)
    single = agent.act(OBSERVATIONS[0], deterministic=deterministic)
    assert np.shape(single) == agent.action_space.shape
    assert agent.action_space.contains(np.asarray(single) if kind == "box" else np.int64(single))


def test_draws_follow_the_probabilities() -> None:
    agent = policy_agent()
    with torch.no_grad():
        agent.network.policy.weight.zero_()
        agent.network.policy.bias.copy_(torch.tensor([0.2, 0.5, 0.3]).log())
    expected = np.tile([0.2, 0.5, 0.3], (11, 1))
    np.testing.assert_allclose(agent.action_probabilities(OBSERVATIONS), expected, rtol=1e-6)
    np.testing.assert_array_equal(agent.action_probabilities(OBSERVATIONS, deterministic=True)[0], [0, 1, 0])
    drawn = agent.act(np.zeros((20_000, 2), np.float32))
    np.testing.assert_allclose(np.bincount(drawn - 5) / 20_000, [0.2, 0.5, 0.3], atol=0.015)


def test_normal_draws_have_their_mean_and_deviation() -> None:
    agent = policy_agent(gym.spaces.Box(-np.inf, np.inf, (2,), np.float32), log_std=-0.5)
    with torch.no_grad():
        agent.network.policy.weight.zero_()
        agent.network.policy.bias.copy_(torch.tensor([1.0, -2.0]))
    drawn = agent.act(np.zeros((20_000, 2), np.float32))
    assert drawn.dtype == np.float32
    np.testing.assert_allclose(drawn.mean(axis=0), [1.0, -2.0], atol=0.02)
    np.testing.assert_allclose(drawn.std(axis=0), np.exp(-0.5), atol=0.02)
    with pytest.raises(UserError, match="no list of actions"):
        agent.action_probabilities(OBSERVATIONS)


def test_at_first_actions_are_about_equally_likely() -> None:
    np.testing.assert_allclose(policy_agent().action_probabilities(OBSERVATIONS), 1 / 3, atol=0.02)


def test_images_and_numbered_states() -> None:
    pixels = gym.spaces.Box(0, 255, (4, 84, 84), np.uint8)
    agent = agents.PolicyAgent(pixels, gym.spaces.Discrete(6), network="nature", hidden=[512])
    assert agent.act(np.zeros((2, 4, 84, 84), np.uint8)).shape == (2,)
    states = gym.spaces.Discrete(4, start=2)
    agent = agents.PolicyAgent(states, gym.spaces.Discrete(6), network="mlp", hidden=[])
    np.testing.assert_allclose(agent.action_probabilities(np.arange(2, 6)).sum(axis=1), 1.0)


def test_what_it_cannot_do_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Box of floats"):
        policy_agent(gym.spaces.MultiBinary(3))
    with pytest.raises(UserError, match="Box of floats"):
        policy_agent(gym.spaces.Box(0, 9, (2,), np.int64))
    with pytest.raises(UserError, match="Box or Discrete observations"):
        agents.PolicyAgent(gym.spaces.MultiBinary(3), ACTIONS["discrete"], network="mlp", hidden=[])
    folder = policy_agent().save(tmp_path)
    description = json.loads((folder / "agent.json").read_text())
    description["architecture"]["hidden"] = [8]
    (folder / "agent.json").write_text(json.dumps(description))
    with pytest.raises(UserError, match="do not fit"):
        agents.load(folder)
