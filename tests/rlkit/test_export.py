"""`rlkit export`, and the agents that are shipped."""

from __future__ import annotations

import csv
import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

import agents
from agents import pretrained
from agents.agent import repack
from neuralcore.checkpoint import read_arrays
from neuralcore.errors import UserError
from rlkit.cli import main
from rlkit.curves import learning_curve
from rlkit.train import preset_of

pytest.importorskip("matplotlib")
TRAIN = ("train", "a2c", "--env", "GridWorld-v0", "--steps", "3000", "--hidden", "16", "--evaluate-episodes", "2")


@pytest.fixture
def run(here: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run `rlkit` in an empty folder; returns what it printed, both streams."""

    def call(*words: str, code: int = 0) -> str:
        assert main(list(words)) == code
        out, err = capfd.readouterr()
        return out + err

    return call


def test_an_exported_agent_plays_as_its_card_says(run: Callable[..., str], here: Path) -> None:
    run(*TRAIN, "--run", "r")
    out = run("export", "r", "--out", "given", "--episodes", "5")
    assert "float16" in out
    names = {path.name for path in (here / "given").iterdir()}
    assert names == {"agent", "config.toml", "evaluation.json", "curve.csv", "curve.png", "card.md"}
    row = json.loads((here / "given" / "evaluation.json").read_text())
    card = (here / "given" / "card.md").read_text()
    assert f"**{row['mean_return']:.2f}**" in card
    assert "3,0" in card
    assert f"{row['mean_return']:.2f}" in run("evaluate", "given", "--episodes", "5")
    assert json.loads((here / "given" / "evaluation.json").read_text())["steps"] == row["steps"]
    settings = tomllib.loads((here / "given" / "config.toml").read_text())
    assert "run" not in settings
    assert run("train", "given/config.toml", "--steps", "100", "--evaluate-episodes", "0", "--run", "anew")


def test_mistakes_leave_the_disk_as_it_was(run: Callable[..., str], here: Path) -> None:
    assert "no run folder" in run("export", "nowhere", "--out", "given", code=2)
    run(*TRAIN, "--run", "r")
    (here / "taken").mkdir()
    assert "taken exists" in run("export", "r", "--out", "taken", code=2)
    assert "episodes must be 1 or more" in run("export", "r", "--out", "given", "--episodes", "0", code=2)
    (here / "r" / "evaluation.json").unlink()
    assert "how long its agent was trained" in run("export", "r", "--out", "given", code=2)
    run(*TRAIN, "--run", "r")
    metrics = here / "r" / "metrics.jsonl"
    metrics.write_text(metrics.read_text() + "{half a row\n")
    count = len(metrics.read_text().splitlines())
    assert f"metrics.jsonl:{count}: not a row" in run("export", "r", "--out", "given", code=2)
    assert not list(here.glob("given*"))


def test_weights_in_16_bits_are_the_nearest_numbers(tmp_path: Path) -> None:
    space = gym.spaces.Box(-1, 1, (3,), np.float32)
    agent = agents.PolicyAgent(space, gym.spaces.Discrete(4), network="mlp", hidden=[33])
    agent.save(tmp_path / "whole")
    repack(tmp_path / "whole", tmp_path / "half", "float16")
    description = json.loads((tmp_path / "half" / "agent.json").read_text())
    stored = read_arrays(tmp_path / "half" / "weights.safetensors", description["weights_sha256"])
    assert {a.dtype for a in stored.values()} == {np.dtype(np.float16)}
    loaded = agents.load(tmp_path / "half")
    for name, value in agent.network.state_dict().items():
        found = loaded.network.state_dict()[name]
        assert found.dtype == value.dtype
        np.testing.assert_array_equal(found.numpy(), value.numpy().astype(np.float16).astype(np.float32))
    # once more gives the same: nothing is lost twice
    repack(tmp_path / "half", tmp_path / "again", "float16")
    weights = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("half", "again")]
    assert weights[0] == weights[1]
    loaded.network.policy.bias.data[0] = 1e6
    loaded.save(tmp_path / "large")
    with pytest.raises(UserError, match=r"policy\.bias is too large for 16 bits"):
        repack(tmp_path / "large", tmp_path / "no", "float16")


def test_a_learning_curve_weighs_rows_by_their_episodes(tmp_path: Path) -> None:
    rows = [(10, 1, 3.0), (40, 3, 7.0), (50, 0, None), (60, 2, 1.0), (150, 1, 99.0)]
    text = "".join(json.dumps({"step": s, "episodes": e, **({"return": r} if e else {})}) + "\n" for s, e, r in rows)
    (tmp_path / "metrics.jsonl").write_text(text)
    curve = learning_curve(tmp_path, 100, points=2)  # the row past step 100 is of a training that was not kept
    assert curve.steps.tolist() == [50, 100]
    assert curve.returns.tolist() == [6.0, 1.0]
    curve.write(tmp_path / "curve.csv")
    lines = (tmp_path / "curve.csv").read_text().splitlines()
    assert list(csv.reader(lines))[1:] == [["50", "4", "6.00"], ["100", "2", "1.00"]]


def test_the_preset_is_known_by_its_settings() -> None:
    from neuralcore.config import preset_folder, read_toml

    settings = read_toml(preset_folder() / "rl" / "cartpole_a2c.toml")
    assert preset_of({**settings, "seed": 9, "steps": 5}) == "configs/rl/cartpole_a2c.toml"
    settings["a2c"]["n_step"] += 1
    assert preset_of(settings) == ""


def test_what_is_not_shipped_is_refused(run: Callable[..., str]) -> None:
    assert "no pretrained agent 'pong_dqm'" in run("evaluate", "pretrained:pong_dqm", code=2)
    with pytest.raises(UserError, match="no pretrained agent"):
        agents.load("pretrained:nobody")


@pytest.mark.parametrize("name", pretrained.names())
def test_shipped_agents_are_small_and_act(name: str) -> None:
    folder = pretrained.resolve(f"pretrained:{name}")
    assert sum(path.stat().st_size for path in folder.rglob("*")) < 4_000_000
    agent = agents.load(f"pretrained:{name}")
    batch = np.stack([agent.observation_space.sample() for _ in range(3)])
    assert all(action in agent.action_space for action in agent.act(batch, deterministic=True))
    row = json.loads((folder / "evaluation.json").read_text())
    assert f"**{row['mean_return']:.2f}**" in (folder / "card.md").read_text()
