"""What an agent looks at: its network as a function of images, and the command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

import agents
from neuralcore.errors import UserError
from neuralcore.understanding import gradient, output_score
from neuralcore.understanding.score import last_maps
from rlkit import cli
from rlkit.frame_model import FrameModel

ACTIONS = gym.spaces.Discrete(3)


def observations(shape: tuple[int, ...], high: int = 255) -> np.ndarray:
    return np.random.default_rng(0).integers(high + 1, size=(2, *shape), dtype=np.uint8)


@pytest.mark.parametrize(
    ("network", "shape", "high"),
    [
        ("nature", (4, 40, 40), 255),
        ("impala", (4, 12, 12), 255),
        ("impala", (12, 12, 3), 255),
        ("impala", (7, 7, 3), 10),
        ("nature", (40, 40, 3), 10),
    ],
)
def test_a_network_is_asked_for_what_it_gives_the_agent(network: str, shape: tuple[int, ...], high: int) -> None:
    space = gym.spaces.Box(0, high, shape, np.uint8)
    seen, generator = observations(shape, high), torch.Generator().manual_seed(0)
    hidden = [16]
    q = agents.QAgent(space, ACTIONS, network=network, hidden=hidden, dueling=True, generator=generator)
    policy = agents.PolicyAgent(space, ACTIONS, network=network, hidden=hidden, generator=generator)
    with torch.no_grad():
        values = q.network(torch.from_numpy(seen))
        logits, value = policy.network(torch.from_numpy(seen))
    for agent, actions, state in ((q, values, values.amax(1)), (policy, logits, value)):
        model = FrameModel(agent)
        images = model.images(seen)
        assert images.max() <= 1.0
        found = model(images).detach()
        wanted = torch.cat([actions - actions.mean(1, keepdim=True), state[:, None]], 1)
        torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)
        assert gradient(output_score(model, 1), images).abs().max() > 0.0
        assert "trunk" in last_maps(model, images)


def test_agents_that_cannot_be_explained() -> None:
    flat = gym.spaces.Box(0.0, 1.0, (4,), np.float32)
    with pytest.raises(UserError, match="only of images"):
        FrameModel(agents.QAgent(flat, ACTIONS, network="mlp", hidden=[8]))
    with pytest.raises(UserError, match="no network"):
        FrameModel(agents.RandomAgent(flat, ACTIONS, seed=0))
    space = gym.spaces.Box(0, 255, (4, 12, 12), np.uint8)
    with pytest.raises(UserError, match="recurrent"):
        FrameModel(
            agents.PolicyAgent(space, ACTIONS, network="impala", hidden=[8], core={"kind": "lstm", "width": 8})
        )


def test_the_shipped_agent(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="needs matplotlib (extra plots)")
    words: list[Any] = ["explain", "pretrained:pong_a2c", "--frames", "2", "--start", "3", "--every", "2"]
    assert cli.main([*words, "--method", "grad-cam"]) == 0
    assert "2 frames of ALE/Pong-v5" in capsys.readouterr().out
    picture = Path("runs/pong_a2c/explained.png")
    first = picture.read_bytes()
    assert cli.main([*words, "--method", "grad-cam", "--of", "value"]) == 0
    assert picture.read_bytes() != first
    capsys.readouterr()
    for flag, value, message in [
        ("--frames", "0", "--frames must be 1 or more"),
        ("--out", "a.txt", "name a .png"),
        ("--env", "CartPole-v1", "choose another --env"),
    ]:
        assert cli.main([*words, flag, value]) == 2, flag
        assert message in capsys.readouterr().err
