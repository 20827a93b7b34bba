from __future__ import annotations

import copy
import json
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch

import agents
from agents.agent import is_single, space_from_json, space_to_json
from neuralcore.errors import UserError

BOX = gym.spaces.Box(-1, np.array([1.0, np.inf], np.float32), (2,), np.float32)
PIXELS = gym.spaces.Box(0, 255, (4, 84, 84), np.uint8)


@pytest.mark.parametrize("space", [BOX, PIXELS, gym.spaces.Discrete(3, start=2)], ids=str)
def test_spaces_are_stored_as_plain_values(space: gym.Space) -> None:
    assert space_from_json(json.loads(json.dumps(space_to_json(space)))) == space


def test_a_space_that_cannot_be_stored() -> None:
    with pytest.raises(UserError, match="Discrete and Box"):
        space_to_json(gym.spaces.MultiBinary(3))


def test_single_or_batch() -> None:
    assert is_single(np.zeros(2), BOX)
    assert not is_single(np.zeros((7, 2)), BOX)
    assert is_single(3, gym.spaces.Discrete(5))
    assert not is_single(np.zeros(4, int), gym.spaces.Discrete(5))
    with pytest.raises(ValueError, match=r"shape \(3,\), expected \(2,\)"):
        is_single(np.zeros(3), BOX)


def q_agent(**change) -> agents.QAgent:
    import torch

    settings = {"network": "mlp", "hidden": [16], "generator": torch.Generator().manual_seed(1), **change}
    return agents.QAgent(BOX, gym.spaces.Discrete(3, start=1), **settings)


@pytest.mark.parametrize("kind", ["random", "q", "dueling"])
def test_agents_come_back_the_same(kind: str, tmp_path: Path) -> None:
    agent: agents.Agent
    if kind == "random":
        agent = agents.RandomAgent(BOX, gym.spaces.Discrete(3, start=1), seed=5)
    else:
        agent = q_agent(dueling=kind == "dueling", epsilon=0.3)
    observations = np.random.default_rng(0).normal(size=(11, 2)).astype(np.float32)
    agent.save(tmp_path / "agent")
    loaded = agents.load(tmp_path)  # a run folder: its agent/ is found
    assert isinstance(loaded, agents.Agent)
    assert type(loaded) is type(agent)
    actions = loaded.act(observations, deterministic=True)
    np.testing.assert_array_equal(actions, agent.act(observations, deterministic=True))
    assert actions.shape == (11,)
    assert set(np.unique(actions)) <= {1, 2, 3}
    single = loaded.act(observations[0])
    assert np.shape(single) == ()
    assert loaded.action_space.contains(np.int64(single))
    assert sorted(p.name for p in (tmp_path / "agent").iterdir()) == ["agent.json", "weights.safetensors"]


def test_exploration_is_the_agents_own_and_seeded() -> None:
    observations = np.zeros((300, 2), np.float32)
    greedy = q_agent().act(observations, deterministic=True)
    assert (greedy == greedy[0]).all()
    explored = [q_agent(epsilon=0.6, seed=s).act(observations) for s in (0, 0, 1)]
    np.testing.assert_array_equal(explored[0], explored[1])
    assert not np.array_equal(explored[0], explored[2])
    assert 0.25 < (explored[0] != greedy).mean() < 0.55  # 0.6 · 2/3 = 0.4


def test_dueling_values_have_the_advantages_mean_removed() -> None:
    import torch

    network = q_agent(dueling=True).network
    x = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
    features = network.trunk(x)
    assert network.value is not None
    torch.testing.assert_close(network(x).mean(1, keepdim=True), network.value(features))


def test_discrete_observations_are_one_hot() -> None:
    agent = agents.QAgent(gym.spaces.Discrete(4), gym.spaces.Discrete(2), network="mlp", hidden=[])
    values = agent.action_values(np.arange(4))
    head = agent.network.advantage
    np.testing.assert_allclose(values, (head.weight.T + head.bias).detach().numpy(), rtol=1e-6)


@pytest.mark.parametrize("damage", ["weights", "json", "class", "format", "missing", "architecture"])
def test_a_damaged_agent_is_refused(damage: str, tmp_path: Path) -> None:
    folder = q_agent().save(tmp_path)
    if damage == "weights":
        data = bytearray((folder / "weights.safetensors").read_bytes())
        data[-1] ^= 1
        (folder / "weights.safetensors").write_bytes(data)
        message = "damaged"
    elif damage == "missing":
        (folder / "agent.json").unlink()
        message = "holds no agent"
    else:
        description = json.loads((folder / "agent.json").read_text())
        change, message = {
            "json": ({}, "not JSON"),
            "class": ({"class": "QAgnt"}, "did you mean 'QAgent'"),
            "format": ({"format": 99}, "format 1"),
            "architecture": ({"architecture": {"network": "mlp", "hidden": [8]}}, "do not fit"),
        }[damage]
        text = json.dumps({**description, **change})
        (folder / "agent.json").write_text(text[:-5] if damage == "json" else text)
    with pytest.raises(UserError, match=message):
        agents.load(folder)


def test_networks_that_cannot_be() -> None:
    with pytest.raises(UserError, match="one hidden layer"):
        agents.QAgent(PIXELS, gym.spaces.Discrete(2), network="nature", hidden=[64, 64])
    with pytest.raises(UserError, match="image observations"):
        agents.QAgent(BOX, gym.spaces.Discrete(2), network="nature", hidden=[64])
    with pytest.raises(UserError, match="did you mean 'nature'"):
        agents.QAgent(PIXELS, gym.spaces.Discrete(2), network="natur", hidden=[64])
    with pytest.raises(ValueError, match="at least 36x36"):
        agents.QAgent(
            gym.spaces.Box(0, 255, (1, 20, 40), np.uint8), gym.spaces.Discrete(2), network="nature", hidden=[8]
        )


def test_importing_agents_is_light() -> None:
    import subprocess
    import sys

    code = "import sys, agents, rlkit, graphkit, neuralcore; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("rows", [1, 5, 40])
@pytest.mark.parametrize("dueling", [False, True])
def test_acting_gives_what_the_network_gives(dueling: bool, rows: int) -> None:
    """Few rows go by op `perceptron`, many by torch; both see weights that change, and copies see their own."""
    space = gym.spaces.Box(-1, 1, (3, 2), np.float32)
    agent = agents.QAgent(space, gym.spaces.Discrete(4), network="mlp", hidden=[9, 7], dueling=dueling)
    twin = copy.deepcopy(agent)
    observations = np.random.default_rng(rows).normal(size=(rows, 3, 2)).astype(np.float32)
    for _ in range(2):
        expected = agent.network(torch.from_numpy(observations)).detach().numpy()
        np.testing.assert_allclose(agent.action_values(observations), expected, rtol=1e-4, atol=1e-6)
        before = twin.action_values(observations)
        with torch.no_grad():
            for parameter in agent.network.parameters():
                parameter.mul_(1.5)
        np.testing.assert_array_equal(twin.action_values(observations), before)
