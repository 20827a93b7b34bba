"""Fitted Q iteration and its data sets: exact where it can be, closed form against a solver, damage, mistakes."""

from __future__ import annotations

import copy
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
from agents import TabularAgent
from neuralcore.errors import UserError
from neuralcore.optimizers import Adam
from rlkit import solve
from rlkit.cli import main
from rlkit.dataset import ARRAYS, Dataset, collect, read_file
from rlkit.environments import make_env, make_vector_env
from rlkit.exact import evaluate_exactly
from rlkit.fitted_q import FittedQ
from rlkit.fitted_q_config import FittedQConfig
from rlkit.linear_features import features


def whole_model(env: gym.Env, times: int) -> Dataset:
    """Every transition of a tabular model, `times` of each pair (s, a) shared out by the probabilities."""
    model: Any = env.unwrapped.model  # type: ignore[attr-defined]
    rows = []
    for s, a in np.ndindex(model.successors.shape[:2]):
        if model.terminals[s]:
            continue
        for k in range(model.successors.shape[2]):
            count = round(float(model.probabilities[s, a, k]) * times)
            after = int(model.successors[s, a, k])
            rows += [(s, a, model.rewards[s, a, k], bool(model.terminals[after]), after)] * count
    columns = [np.array(column) for column in zip(*rows)]
    arrays: dict[str, Any] = dict(zip(ARRAYS, columns, strict=True))
    return Dataset(**arrays, observation_space=env.observation_space, action_space=env.action_space)


def test_on_all_transitions_it_is_value_iteration_step_by_step_and_ends_at_q_star() -> None:
    env = make_env("GridWorld-v0")
    data, model = whole_model(env, 10), env.unwrapped.model  # type: ignore[attr-defined]
    learner = FittedQ(data, FittedQConfig(ridge=0.0, discount=0.9))
    q = np.zeros((11, 4))
    for _ in range(5):
        learner.iterate()
        value = np.where(model.terminals, 0.0, q.max(axis=1))
        q = (model.probabilities * (model.rewards + 0.9 * value[model.successors])).sum(axis=2)
        q[model.terminals] = 0.0
        np.testing.assert_allclose(learner.agent.action_values(np.arange(11)), q, atol=1e-6)
    agent = learner.learn(400, tolerance=1e-12)
    best = solve(env, discount=0.9, tolerance=1e-10)
    np.testing.assert_allclose(learner._model.after(), best.q[data.observation_t], atol=1e-9)  # type: ignore[union-attr]
    assert evaluate_exactly(agent, env, discount=0.9).gap.max() < 1e-9


def test_closed_form_is_ridge_regression() -> None:
    data = collect("CartPole-v1", 300, seed=1)
    config = FittedQConfig(ridge=0.01)
    learner = FittedQ(data, config)
    learner.learn(3)
    target = data.reward_t + config.discount * np.where(data.terminated_t, 0, learner._model.after().max(axis=1))
    learner.iterate()
    for action in (0, 1):
        rows = data.action_tm1 == action
        phi, y = features(learner.agent, data.observation_tm1[rows]), target[rows]
        # Ridge regression as least squares with rows added: |Φ w - y|² / n + ridge |w|².
        extra = np.sqrt(0.01 * rows.sum()) * np.eye(phi.shape[1])
        expected = np.linalg.lstsq(np.vstack([phi, extra]), np.append(y, np.zeros(len(extra))), rcond=None)[0]
        np.testing.assert_allclose(learner._model.weights[action], expected, rtol=1e-7)  # type: ignore[union-attr]


def test_a_pair_not_in_the_data_stays_at_0() -> None:
    data = whole_model(make_env("GridWorld-v0"), 10)
    keep = ~((data.observation_tm1 == 2) & (data.action_tm1 == 1))
    part = dataclasses.replace(data, **{name: getattr(data, name)[keep] for name in ARRAYS})  # type: ignore[arg-type]
    values = FittedQ(part, FittedQConfig(ridge=0.0)).learn(50).action_values(np.arange(11))
    assert values[2, 1] == pytest.approx(0.0, abs=1e-12)
    assert (np.abs(values[2, [0, 2, 3]]) > 0.1).all()


def test_a_network_is_fitted_too() -> None:
    env = make_env("GridWorld-v0", slip=0.0)
    data = whole_model(env, 1)
    config = FittedQConfig(hidden=(64,), gradient_steps=40, learning_rate=0.02, discount=0.9)
    agent = FittedQ(data, config, seed=0).learn(12)
    exact = evaluate_exactly(agent, env, discount=0.9)
    assert exact.best.expected_return - exact.value < 0.02


def test_a_network_moves_as_by_torchs_adam_in_one_call_a_step() -> None:
    data = collect("CartPole-v1", 60, seed=1)
    model: Any = FittedQ(data, FittedQConfig(hidden=(16,), gradient_steps=20, learning_rate=0.01), seed=2)._model
    assert isinstance(model._optimizer, Adam)
    network = copy.deepcopy(model.agent.network)
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    target = np.linspace(-1.0, 1.0, 60)
    model.fit(target)
    for _ in range(20):
        taken = network(torch.from_numpy(data.observation_tm1)).gather(1, torch.from_numpy(data.action_tm1)[:, None])
        loss = (taken.squeeze(1) - torch.from_numpy(target).float()).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    for ours, expected in zip(model.agent.network.parameters(), network.parameters()):
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("config", [FittedQConfig(), FittedQConfig(hidden=(16,), gradient_steps=5)])
def test_same_seed_same_bytes_and_going_on_is_exact(config: FittedQConfig, tmp_path: Path) -> None:
    data = collect("CartPole-v1", 200, num_envs=2, seed=1)
    whole, part = FittedQ(data, config, seed=2), FittedQ(data, config, seed=2)
    whole.learn(8)
    part.learn(5)
    part.save(tmp_path)
    again = FittedQ(data, config, seed=2).load(tmp_path)
    assert again.iterations == 5
    last = again.iterate()
    assert last == part.iterate()
    again.learn(8)
    seen = data.observation_tm1
    np.testing.assert_array_equal(whole.agent.action_values(seen), again.agent.action_values(seen))


CHANGES: dict[str, dict[str, Any]] = {
    "features": {"features": "plain", "order": 3, "low": (), "high": ()},
    "order": {"order": 2},
    "low": {"low": (-1.3, -0.07)},
    "high": {"high": (0.7, 0.07)},
    "ridge": {"ridge": 0.1},
    "hidden": {"hidden": (8,), "gradient_steps": 3, "learning_rate": 0.01},
    "gradient_steps": {"gradient_steps": 4},
    "learning_rate": {"learning_rate": 0.02},
    "discount": {"discount": 0.5},
}


@pytest.mark.parametrize("name", [f.name for f in dataclasses.fields(FittedQConfig) if f.name != "epsilon"])
def test_every_field_changes_something(name: str) -> None:
    data = collect("MountainCar-v0", 300, seed=1)

    def values(config: FittedQConfig) -> bytes:
        return FittedQ(data, config, seed=0).learn(3).action_values(data.observation_tm1).tobytes()

    linear = FittedQConfig(features="fourier", order=1, low=(-1.2, -0.07), high=(0.6, 0.07))
    network = FittedQConfig(hidden=(8,), gradient_steps=3, learning_rate=0.01)
    if name == "hidden":
        assert values(FittedQConfig()) != values(network)
    else:
        base = network if name in ("gradient_steps", "learning_rate") else linear
        assert values(base) != values(dataclasses.replace(base, **CHANGES[name]))


def test_epsilon_is_the_agents() -> None:
    data = collect("GridWorld-v0", 50, seed=1)
    for epsilon in (0.0, 0.5):
        agent = FittedQ(data, FittedQConfig(epsilon=epsilon)).learn(2)
        assert agent.action_probabilities(np.arange(11)).min() == pytest.approx(epsilon / 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ridge": -1.0}, "ridge must be 0 or more, got -1.0"),
        ({"discount": 1.5}, r"discount must lie in \[0, 1\], got 1.5"),
        ({"hidden": (8,), "ridge": 0.1}, r"ridge 0.1 changes nothing with a network of hidden \[8\]"),
        ({"hidden": (8,), "features": "fourier"}, "features fourier changes nothing"),
        ({"gradient_steps": 7}, "gradient_steps 7 changes nothing with plain linear features"),
        ({"order": 2}, "order 2 changes nothing"),
        ({"features": "fourier", "low": (1.0,), "high": (0.0,)}, "must be pairs of bounds"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0, got 0.0"),
        ({"gradient_steps": 0}, "gradient_steps must be 1 or more, got 0"),
    ],
)
def test_contradictions_die_in_the_config(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FittedQConfig(**change)


def test_divergence_is_told_with_a_remedy() -> None:
    # w -> 2 w (Tsitsiklis & Van Roy 1997, example 2.1): one transition from a feature of 1 to one of 2.
    box = gym.spaces.Box(-9, 9, (1,), np.float32)
    zero, one, two = np.zeros((1, 1)), np.ones((1, 1)), np.full((1, 1), 2.0)
    before, after = np.vstack([zero, one, zero]), np.vstack([zero, two, zero])
    data = Dataset(
        before.astype(np.float32),
        np.zeros(3, np.int64),
        np.array([0.0, 1.0, 0.0]),
        np.array([True, False, True]),
        after.astype(np.float32),
        box,
        gym.spaces.Discrete(1),
    )
    with pytest.raises(UserError, match=r"values diverged in iteration \d+: .*a higher ridge"):
        FittedQ(data, FittedQConfig(discount=0.99)).learn(1_000)


def test_collected_transitions_are_the_environments_own() -> None:
    env = make_vector_env("GridWorld-v0", 3)
    data = collect(env, 500, num_envs=3, seed=4)
    model: Any = make_env("GridWorld-v0").unwrapped.model  # type: ignore[attr-defined]
    assert len(data) == 500
    assert 10 < data.terminated_t.sum() < 200
    for s, a, r, end, after in zip(*(getattr(data, name) for name in ARRAYS)):
        k = list(model.successors[s, a]).index(after)
        assert model.rewards[s, a, k] == pytest.approx(r)
        assert (model.terminals[after], model.terminals[s]) == (end, False)
    one, two, three = (collect("GridWorld-v0", 50, seed=s).action_tm1.tobytes() for s in (1, 1, 2))
    assert one == two != three


def test_an_agent_may_act() -> None:
    env = make_env("GridWorld-v0")
    agent = TabularAgent(np.full(11, 2), env.observation_space, env.action_space)
    assert set(collect("GridWorld-v0", 30, agent=agent).action_tm1.tolist()) == {2}
    with pytest.raises(UserError, match=r"the agent is for Discrete\(11\)"):
        collect("FrozenLake-v1", 30, agent=agent)


def test_a_data_set_is_kept_and_damage_is_found(tmp_path: Path) -> None:
    data = dataclasses.replace(collect("CartPole-v1", 40), env="CartPole-v1", env_args=("a=1",))
    again = Dataset.load(data.save(tmp_path / "d"))
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(data, name), getattr(again, name))
    assert (again.env, again.env_args, again.observation_space) == ("CartPole-v1", ("a=1",), data.observation_space)
    path = tmp_path / "d" / "transitions.safetensors"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"d: the data set is damaged \(transitions.safetensors has SHA-256"):
        Dataset.load(tmp_path / "d")
    path.unlink()
    with pytest.raises(UserError, match=r"no transitions.safetensors"):
        Dataset.load(tmp_path / "d")
    with pytest.raises(UserError, match=r"nothing holds no data set \(no data.json\)"):
        Dataset.load(tmp_path / "nothing")


def test_files_from_elsewhere(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    data = collect("CartPole-v1", 40)
    arrays = {name: getattr(data, name) for name in ARRAYS}
    spaces = data.observation_space, data.action_space
    np.savez(tmp_path / "d.npz", **arrays)
    save_file(arrays, tmp_path / "d.safetensors")
    for name in ("d.npz", "d.safetensors"):
        again = read_file(tmp_path / name, *spaces)
        np.testing.assert_array_equal(again.observation_t, data.observation_t)

    def refused(message: str, name: str = "bad.npz", **changed: Any) -> None:
        kept = {n: a for n, a in {**arrays, **changed}.items() if a is not None}
        np.savez(tmp_path / "bad.npz", **kept)
        with pytest.raises(UserError, match=message):
            read_file(tmp_path / name, *spaces)

    refused(r"bad.npz has no array 'reward_t'", reward_t=None)
    refused(r"reward_t has shape \(39,\), expected \(40,\)", reward_t=arrays["reward_t"][1:])
    refused(r"observation_t has shape \(40, 3\), expected \(40, 4\)", observation_t=arrays["observation_t"][:, 1:])
    refused(r"action_tm1\[0\] is 2, which is not in Discrete\(2\)", action_tm1=np.full(40, 2))
    refused(r"action_tm1 is float64: integers", action_tm1=np.zeros(40))
    refused(r"terminated_t is int64: booleans", terminated_t=np.zeros(40, np.int64))
    refused(r"reward_t\[0\] is not finite", reward_t=np.full(40, np.nan))
    refused(r"cannot be read as arrays \(Object arrays cannot be loaded", reward_t=np.array([None] * 40))
    refused(r"nothing.npz is missing", name="nothing.npz")
    (tmp_path / "d.pkl").write_bytes(b"x")
    refused(r"its name ends in .pkl", name="d.pkl")
    for name in ("d.npz", "d.safetensors"):
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:200])
        refused(r"cannot be read as arrays", name=name)
    (tmp_path / "text.npz").write_text("a,b\n1\n")
    refused(r"cannot be read as arrays \(it is damaged, or no .npz file\)", name="text.npz")


def rlkit(*words: str, code: int = 0) -> None:
    assert main(list(words)) == code


def test_collect_fit_go_on_and_evaluate(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rlkit("collect", "GridWorld-v0", "--env-args", "slip=0.1", "--steps", "2_000", "--out", "d")
    assert "2,000 transitions of GridWorld-v0" in capfd.readouterr().out
    rlkit("collect", "GridWorld-v0", "--out", "d", code=2)
    assert "d holds a data set already" in capfd.readouterr().err
    rlkit("fitted-q", "d", "--iterations", "30", "--run", "r", "--evaluate-episodes", "3", "--checkpoint-every", "7")
    out, err = capfd.readouterr()
    assert "mean return of 3 greedy episodes" in out
    for line in err.splitlines():
        json.loads(line)
    rlkit("fitted-q", "d", "--iterations", "40", "--run", "r", "--evaluate-episodes", "0", "--checkpoint-every", "7")
    assert "going on from iteration 30" in capfd.readouterr().out
    rows = [json.loads(line) for line in Path("r/metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(1, 41))
    rlkit("evaluate", "r", "--episodes", "2")
    assert "optimal in" in capfd.readouterr().out
    data = collect(make_vector_env("GridWorld-v0", 1, slip=0.1), 2_000)
    seen = np.arange(11)
    expected = FittedQ(data).learn(40).action_values(seen)
    loaded: Any = agents.load("r")
    np.testing.assert_array_equal(loaded.action_values(seen), expected)
    # With other data the run does not go on.
    rlkit("collect", "GridWorld-v0", "--steps", "300", "--out", "e")
    rlkit("fitted-q", "e", "--env-args", "slip=0.1", "--run", "r", code=2)
    assert "data_sha256" in capfd.readouterr().err
    np.savez("d.npz", reward_t=np.zeros(3))
    rlkit("fitted-q", "d.npz", code=2)
    assert "d.npz does not say which environment it is of: --env ID" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fitted-q", "d"], "d holds no data set"),
        (["fitted-q", "d.npz"], "d.npz is missing"),
        (["fitted-q", "d.npz", "--env", "GridWorl-v0"], "d.npz is missing"),
        (["fitted-q", "d.npz", "--env", "GridWorld-v0"], "d.npz is missing"),
        (["fitted-q", "d", "--iterations", "0"], "iterations must be 1 or more"),
        (["fitted-q", "d", "--ridg", "0"], "did you mean '--ridge'"),
        (["collect", "Pendulum-v1", "--out", "d"], "transitions need Discrete actions"),
        (["collect", "CartPole-v1", "--out", "d", "--steps", "0"], "steps must be 1 or more"),
    ],
)
def test_mistakes_are_one_line_and_leave_the_disk(
    words: list[str], message: str, here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rlkit(*words, code=2)
    err = capfd.readouterr().err
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not list(here.iterdir())


@pytest.mark.faults
def test_kill_9_and_the_same_command_gives_the_same_bytes(here: Path, finish_despite_kills: Callable) -> None:
    rlkit("collect", "CartPole-v1", "--steps", "3_000", "--out", "d")
    words = "--iterations", "60", "--checkpoint-every", "5", "--evaluate-episodes", "0", "--hidden", "32", "--run"
    command = [sys.executable, "-m", "rlkit.cli", "fitted-q", "d", *words]
    subprocess.run([*command, "whole"], check=True, capture_output=True)
    assert finish_despite_kills([*command, "killed"], Path("killed")) >= 1
    for name in ("agent/weights.safetensors", "metrics.jsonl"):
        assert (Path("whole") / name).read_bytes() == (Path("killed") / name).read_bytes(), name
