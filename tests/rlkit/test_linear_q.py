"""Q-learning with a linear network: equal to the table, right by hand, and an algorithm like the others."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

import agents
from neuralcore.errors import UserError
from neuralcore.layers.fourier import FourierBasis
from rlkit.cli import main
from rlkit.environments import make_vector_env
from rlkit.linear_features import features
from rlkit.linear_q import LinearQ
from rlkit.linear_q_config import LinearQConfig
from rlkit.tabular import QLearning
from rlkit.tabular_config import TDConfig

CART = {"low": (-2.4, -3.0, -0.21, -3.0), "high": (2.4, 3.0, 0.21, 3.0)}


@pytest.mark.parametrize("num_envs", [1, 5])
def test_with_one_hot_features_it_is_the_table_bit_for_bit(num_envs: int) -> None:
    shared: dict[str, Any] = {"num_envs": num_envs, "learning_rate": 0.3, "final_learning_rate": 0.01}
    linear = LinearQ("GridWorld-v0", LinearQConfig(**shared, epsilon_steps=500), seed=3)
    table = QLearning("GridWorld-v0", TDConfig(**shared, epsilon_steps=500), seed=3)
    agent = linear.learn(1_000)
    table.learn(1_000)
    np.testing.assert_array_equal(linear.weights.T, table.q)
    np.testing.assert_array_equal(agent.action_values(np.arange(11)), table.q.astype(np.float32))


def test_one_update_by_hand() -> None:
    learner = LinearQ("CartPole-v1", LinearQConfig(learning_rate=0.5), seed=0)
    learner.weights[:] = [[1.0, 0.0, 2.0, 0.0, 3.0], [0.0, 0.0, 0.0, 0.0, 0.0]]
    phi = np.array([2.0, 1.0, -1.0, 0.0, 1.0])  # the four numbers and the constant
    learner.update(phi, 0, 7.0)  # q = 2 - 2 + 3 = 3, error 4
    np.testing.assert_allclose(learner.weights, [[5.0, 2.0, 0.0, 0.0, 5.0], [0.0] * 5])


def test_a_step_bootstraps_but_not_beyond_a_terminal() -> None:
    learner = LinearQ("CartPole-v1", LinearQConfig(learning_rate=0.1, discount=0.5), seed=0)
    learner.weights[:, 4] = 8.0  # both actions are worth 8 everywhere
    targets: list[tuple[float, bool]] = []
    step = learner.rollout.step
    ends: list[bool] = []

    def stepped(actions: np.ndarray) -> Any:
        taken = step(actions)
        ends.append(bool(taken.terminated[0]))
        return taken

    def seen(phi: np.ndarray, action: int, target: float) -> None:
        targets.append((target, ends[-1]))

    learner.update, learner.rollout.step = seen, stepped  # type: ignore[method-assign]
    while not any(ends):
        learner.advance()
    assert {target for target, end in targets if not end} == {1 + 0.5 * 8}
    assert [target for target, end in targets if end] == [1.0]


def test_each_observation_has_its_features_computed_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Twice would give the same bytes; kept ones are not used for what is shown after a cut or a restored state."""
    count = 0

    def counted(*words: Any) -> np.ndarray:
        nonlocal count
        count += 1
        return features(*words)

    monkeypatch.setattr("rlkit.linear_q.features", counted)
    config = LinearQConfig(num_envs=2, features="fourier", order=2, **CART)
    once, twice = (LinearQ("CartPole-v1", config, seed=4) for _ in range(2))

    def advance(steps: int) -> tuple[int, int]:
        nonlocal count
        counts = []
        for learner in (once, twice):
            count = 0
            for _ in range(steps):
                if learner is twice:
                    learner._features = None
                learner.advance()
            counts.append(count)
        np.testing.assert_array_equal(once.weights, twice.weights)
        return counts[0], counts[1]

    assert advance(80) == (81, 160)
    once.save(tmp_path)
    for learner in (once, twice):
        learner.cut(1)
    assert advance(10) == (11, 20)
    for learner in (once, twice):
        learner.load(tmp_path)
    assert advance(10) == (11, 20)


def test_fourier_basis_by_hand() -> None:
    basis = FourierBasis(2, 4)
    basis.low[:], basis.high[:] = torch.tensor([-1.0, 0.0]), torch.tensor([1.0, 2.0])
    found = basis(torch.tensor([[0.0, 1.0], [-1.0, 9.0]]))  # scaled: (1/2, 1/2) and, clipped, (0, 1)
    expected = [[1.0, 0.0, 0.0, -1.0], [1.0, -1.0, 1.0, -1.0]]  # frequencies 00, 01, 10, 11
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)
    with pytest.raises(UserError, match=r"\(order \+ 1\)\^2 features, not 5"):
        FourierBasis(2, 5)


def test_quick_cosines_learn_slowly() -> None:
    learner = LinearQ("MountainCar-v0", LinearQConfig(features="fourier", order=2), seed=0)
    found = dict(zip(map(tuple, [(0, 0), (0, 1), (2, 2)]), learner.scale[[0, 1, 8]]))
    assert found == pytest.approx({(0, 0): 1.0, (0, 1): 1.0, (2, 2): 8**-0.5})


@pytest.mark.parametrize(
    ("env", "config"),
    [
        ("GridWorld-v0", LinearQConfig()),
        ("CartPole-v1", LinearQConfig(learning_rate=0.01)),
        ("CartPole-v1", LinearQConfig(features="fourier", order=1, **CART)),
    ],
)
def test_the_agent_is_kept_and_acts_by_the_weights(env: str, config: LinearQConfig, tmp_path: Path) -> None:
    learner = LinearQ(env, config, seed=1)
    agent = learner.learn(300)
    agent.save(tmp_path)
    space = agent.observation_space
    space.seed(0)
    seen = np.array([space.sample() for _ in range(20)])
    if isinstance(space, gym.spaces.Box):
        seen = np.clip(seen, -1, 1)
    again: Any = agents.load(tmp_path)
    expected = features(agent, seen) @ learner.weights.T
    np.testing.assert_allclose(again.action_values(seen), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(
        again.act(seen, deterministic=True), agent.action_space.start + expected.argmax(axis=1)
    )


@pytest.mark.parametrize(
    ("env", "config"),
    [
        ("GridWorld-v0", LinearQConfig(num_envs=3)),
        ("CartPole-v1", LinearQConfig(features="fourier", order=1, final_learning_rate=0.0, **CART)),
    ],
)
def test_going_on_equals_never_stopping(env: str, config: LinearQConfig, tmp_path: Path) -> None:
    options = {"checkpoint_every": 200, "report_every": 130}
    whole = LinearQ(env, config, seed=3)
    whole.learn(800, folder=tmp_path / "whole", **options)
    part = LinearQ(env, config, seed=3)
    part.learn(800, folder=tmp_path / "part", **options)
    # As if killed before the last checkpoint: on from the one near 600, over the rows that came after it.
    (tmp_path / "part" / "checkpoints" / f"step_{part.steps}").rename(tmp_path / "gone")
    again = LinearQ(env, config, seed=3)
    again.learn(800, folder=tmp_path / "part", **options)
    assert whole.weights.tobytes() == again.weights.tobytes() == part.weights.tobytes()
    rows = [(tmp_path / name / "metrics.jsonl").read_text() for name in ("whole", "part")]
    assert rows[0] == rows[1]
    other = LinearQ(env, config, seed=4)
    other.learn(800)
    assert other.weights.tobytes() != whole.weights.tobytes()


def test_save_and_load_go_on(tmp_path: Path) -> None:
    one = LinearQ("GridWorld-v0", seed=3)
    one.learn(300)
    one.save(tmp_path)
    two = LinearQ("GridWorld-v0", seed=3)
    two.learn(50)
    two.load(tmp_path)
    one.load(tmp_path)
    for learner in (one, two):
        learner.learn(500)
    assert one.weights.tobytes() == two.weights.tobytes()
    with pytest.raises(ValueError, match=r"the checkpoint's weights has shape \(4, 11\), expected \(4, 16\)"):
        LinearQ("FrozenLake-v1").load(tmp_path)


CHANGES: dict[str, dict[str, Any]] = {
    "num_envs": {"num_envs": 2},
    "features": {"features": "plain", "order": 3, "low": (), "high": ()},
    "order": {"order": 2},
    "low": {"low": (-1.0, -3.0, -0.21, -3.0)},
    "high": {"high": (1.0, 3.0, 0.21, 3.0)},
    "discount": {"discount": 0.5},
    "learning_rate": {"learning_rate": 0.03},
    "final_learning_rate": {"final_learning_rate": 0.0},
    "initial_epsilon": {"initial_epsilon": 0.5},
    "final_epsilon": {"final_epsilon": 0.5},
    "epsilon_steps": {"epsilon_steps": 100},
}


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(LinearQConfig)])
def test_every_field_changes_something(name: str) -> None:
    def train(config: LinearQConfig) -> bytes:
        learner = LinearQ("CartPole-v1", config, seed=0)
        learner.learn(200)
        return learner.weights.tobytes()

    base = LinearQConfig(features="fourier", order=1, learning_rate=0.01, epsilon_steps=150, **CART)
    assert train(base) != train(dataclasses.replace(base, **CHANGES[name]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_envs": 0}, "num_envs must be 1 or more, got 0"),
        ({"order": 0}, "order must be 1 or more, got 0"),
        ({"order": 5}, "order 5 changes nothing unless features is fourier"),
        ({"low": (0.0,), "high": (1.0,)}, "changes nothing unless features is fourier"),
        ({"features": "fourier", "low": (0.0,)}, "must be pairs of bounds"),
        ({"features": "fourier", "low": (1.0,), "high": (1.0,)}, "must be pairs of bounds"),
        ({"discount": 1.5}, r"discount must lie in \[0, 1\], got 1.5"),
        ({"epsilon_steps": -1}, "epsilon_steps must be 0 or more, got -1"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0, got 0.0"),
        ({"final_learning_rate": -1.0}, "final_learning_rate must be 0 or more, got -1.0"),
    ],
)
def test_contradictions_die_in_the_config(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LinearQConfig(**change)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--env", "CartPole-v1", "--features", "fourier"], "observed number 1 has none"),
        (["--env", "MountainCar-v0", "--features", "fourier", "--low", "0", "--high", "1"], "low has 1 numbers"),
        (["--env", "GridWorld-v0", "--features", "fourier"], "fourier features are for Box observations"),
        (["--env", "Pendulum-v1"], "needs Discrete actions"),
        (["--env", "GridWorld-v0", "--device", "cuda"], "unknown flag --device"),
    ],
)
def test_mistakes_are_one_line_and_leave_the_disk(
    words: list[str], message: str, here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "linear-q", *words]) == 2
    err = capfd.readouterr().err
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not list(here.iterdir())


def test_divergence_is_told_with_a_remedy(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = "--learning-rate", "100", "--steps", "3_000", "--run", "r"
    assert main(["train", "linear-q", "--env", "CartPole-v1", *words]) == 2
    err = [line for line in capfd.readouterr().err.splitlines() if not line.startswith("{")]
    assert len(err) == 1
    assert "lower the learning rate" in err[0]


def test_train_evaluate_and_go_on(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = "--env-args", "layout=open_5x5", "--num-envs", "4", "--run", "r", "--evaluate-episodes", "2"
    assert main(["train", "linear-q", "--env", "GridWorld-v0", "--steps", "2_000", *words]) == 0
    rows = [json.loads(line) for line in Path("r/metrics.jsonl").read_text().splitlines()]
    assert rows[-1].keys() >= {"td_error", "target", "epsilon", "return", "length", "episodes"}
    assert main(["train", "r/config.toml", "--steps", "4_000"]) == 0
    assert "going on from step 2,0" in capfd.readouterr().out
    assert main(["evaluate", "r", "--episodes", "2"]) == 0
    assert "optimal in" in capfd.readouterr().out


def test_help_is_answered_without_numpy() -> None:
    code = (
        "import sys\nfrom rlkit.cli import main\n"
        "try: main(sys.argv[1:])\nexcept SystemExit: pass\n"
        "assert 'torch' not in sys.modules and 'numpy' not in sys.modules, 'heavy import'"
    )
    for words in (["train", "linear-q"], ["fitted-q"], ["collect"]):
        command = [sys.executable, "-c", code, *words, "--help"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert f"usage: rlkit {' '.join(words)}" in done.stdout


def test_environments_it_cannot_learn_in() -> None:
    with pytest.raises(UserError, match="2 copies, num_envs is 1"):
        LinearQ(make_vector_env("GridWorld-v0", 2))


@pytest.mark.faults
def test_kill_9_and_the_same_command_gives_the_same_bytes(here: Path, finish_despite_kills: Callable) -> None:
    words = "--env", "GridWorld-v0", "--steps", "30_000", "--checkpoint-every", "3_000", "--run"
    command = [sys.executable, "-m", "rlkit.cli", "train", "linear-q", *words]
    subprocess.run([*command, "whole"], check=True, capture_output=True)
    assert finish_despite_kills([*command, "killed"], Path("killed")) >= 1
    for name in ("agent/weights.safetensors", "metrics.jsonl"):
        assert (Path("whole") / name).read_bytes() == (Path("killed") / name).read_bytes(), name
