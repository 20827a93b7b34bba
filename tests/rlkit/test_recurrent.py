"""Recurrent agents: their state ends exactly where episodes do, in learning, in evaluation and over checkpoints."""

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
from neuralcore.sequence.cores import CORES
from rlkit import A2C, PPO, A2CConfig, PPOConfig, evaluate
from rlkit.policy_learner import PolicyLearner

SMALL: dict[str, Any] = {"num_envs": 3, "hidden": (8,), "core": "lstm", "core_width": 6, "final_learning_rate": None}

LSTM: dict[str, Any] = {"kind": "lstm", "width": 6}


class Wander(gym.Env):
    """Episodes of 1 to 6 steps that end either way; shows the episode's number, the step's, and noise."""

    observation_space = gym.spaces.Box(-100.0, 100.0, (3,), np.float32)
    action_space = gym.spaces.Discrete(3)

    def _seen(self) -> np.ndarray:
        return np.array([self.episode, self.t, self.np_random.normal()], np.float32)

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.episode = 0 if seed is not None else self.episode + 1
        self.t, self.left = 0, int(self.np_random.integers(1, 7))
        return self._seen(), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict]:
        self.t, self.left = self.t + 1, self.left - 1
        over, truncated = self.left == 0, bool(self.episode % 2)
        return self._seen(), float(action), over and not truncated, over and truncated, {}


def wanderers(count: int = 3) -> gym.vector.VectorEnv:
    return gym.vector.SyncVectorEnv([Wander] * count, autoreset_mode=gym.vector.AutoresetMode.NEXT_STEP)


def make(name: str, env: Any = None, seed: int = 3, **change: Any) -> PolicyLearner:
    env = wanderers() if env is None else env
    if name == "a2c":
        return A2C(env, A2CConfig(**{"n_step": 7, "learning_rate": 1e-2, **SMALL, **change}), seed=seed)
    settings = {
        "n_step": 7,
        "minibatch": 15,
        "epochs": 2,
        "learning_rate": 1e-2,
        "final_clip": None,
        **SMALL,
        **change,
    }
    return PPO(env, PPOConfig(**settings), seed=seed)


def weights(learner: PolicyLearner) -> bytes:
    return b"".join(p.detach().numpy().tobytes() for p in learner.network.parameters())


def record(learner: PolicyLearner, monkeypatch: pytest.MonkeyPatch, weights_stay: bool) -> list[tuple]:
    """What `evaluate` is shown and gives, step by step."""
    seen, plain = [], learner.evaluate

    def evaluate(observations: np.ndarray, *rest: Any) -> tuple[np.ndarray, np.ndarray]:
        outputs, values = plain(observations, *rest)
        seen.append((observations.copy(), outputs, values))
        return outputs, values

    monkeypatch.setattr(learner, "evaluate", evaluate)
    if weights_stay:
        monkeypatch.setattr(learner, "descend", lambda loss, **_: None)
    return seen


@pytest.mark.parametrize("name", ["a2c", "ppo"])
@pytest.mark.parametrize("core", CORES)
def test_each_episode_begins_with_nothing_and_keeps_all_of_itself(
    name: str, core: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = make(name, core=core, core_width=8)
    steps = record(learner, monkeypatch, weights_stay=True)
    ahead = []
    for _ in range(6):
        learner.advance()
        ahead.append(learner.segment.values[-1].copy())  # type: ignore[attr-defined]
    observations, outputs, values = (np.stack(arrays) for arrays in zip(*steps))
    assert len(observations) == 42
    lengths = set()
    for n in range(3):
        # The observations themselves say to which episode they belong; the reset row shows the last of it.
        for episode in np.unique(observations[:, n, 0]):
            rows = np.flatnonzero(observations[:, n, 0] == episode)
            np.testing.assert_array_equal(observations[rows, n, 1], np.arange(len(rows)))
            lengths.add(len(rows))
            with torch.no_grad():
                begins = torch.zeros(len(rows), 1, dtype=torch.bool)
                zero = learner.agent.blank(1)
                assert zero is not None
                wanted = learner.network.unroll(torch.from_numpy(observations[rows, n]), zero, begins)
            np.testing.assert_allclose(outputs[rows, n], wanted[0], rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(values[rows, n], wanted[1], rtol=1e-5, atol=1e-6)
    assert lengths >= {2, 4, 7}
    # What is seen after a segment is valued as it is when the next begins, and looking ahead moves no state.
    np.testing.assert_allclose(ahead[:-1], values[7::7], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["a2c", "ppo"])
@pytest.mark.parametrize("core", CORES)
def test_learning_sees_what_acting_gave(name: str, core: str, monkeypatch: pytest.MonkeyPatch) -> None:
    change: dict[str, Any] = {"core": core, "core_width": 8}
    learner = make(name, minibatch=21, epochs=1, **change) if name == "ppo" else make(name, **change)
    steps = record(learner, monkeypatch, weights_stay=False)
    learned, plain = [], learner.forward
    monkeypatch.setattr(learner, "forward", lambda *a, **k: learned.append(plain(*a, **k)) or learned[-1])  # type: ignore[func-returns-value]
    before = weights(learner)
    for part in range(5):
        learner.advance()
        acted = steps[7 * part :]
        for i in (0, 1):
            given = np.concatenate([step[1 + i] for step in acted])
            np.testing.assert_allclose(learned[part][i].detach(), given, rtol=1e-5, atol=1e-6)
    assert len(learned) == 5
    assert weights(learner) != before


def test_ppo_deals_whole_sequences(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = make("ppo")
    assert isinstance(learner, PPO)
    batches: list[tuple] = []
    monkeypatch.setattr(learner, "update", lambda *batch, envs: batches.append((*batch, envs)))
    learner.advance()
    segment = learner.segment
    assert [len(batch[-1]) for batch in batches] == [2, 1, 2, 1]  # minibatches of 15 hold two sequences of 7
    for half in (batches[:2], batches[2:]):
        assert sorted(np.concatenate([batch[-1] for batch in half])) == [0, 1, 2]
    for observation, action, old_log_probability, _, target, envs in batches:
        kept = segment.transition[:, envs]
        np.testing.assert_array_equal(observation, segment.rows(segment.observations[:-1, envs]))
        np.testing.assert_array_equal(action, segment.actions[:, envs][kept])
        np.testing.assert_allclose(target, segment.returns(0.99, 0.95).returns[:, envs][kept], rtol=1e-6)
        outputs, _ = learner.unroll(observation, envs)
        log_probability, _ = learner.judge(outputs, action)
        torch.testing.assert_close(log_probability, old_log_probability)


@pytest.mark.parametrize("name", ["a2c", "ppo"])
def test_same_seed_same_bytes_and_going_on_equals_never_stopping(name: str, tmp_path: Path) -> None:
    options = {"checkpoint_every": 60, "report_every": 50}
    whole, again, other = (make(name, seed=s) for s in (3, 3, 4))
    whole.learn(200, folder=tmp_path / "whole", **options)
    again.learn(200, folder=tmp_path / "again", **options)
    other.learn(200)
    assert weights(whole) == weights(again) != weights(other)
    part = make(name)
    part.learn(60, folder=tmp_path / "part", **options)
    assert part.core_state is not None
    assert part.steps < whole.steps
    part = make(name)
    part.learn(200, folder=tmp_path / "part", **options)
    assert (part.steps, part.updates) == (whole.steps, whole.updates)
    assert weights(part) == weights(whole)
    part.save(tmp_path / "saved")
    loaded = make(name, seed=9).load(tmp_path / "saved")
    assert loaded.core_state is not None
    assert torch.equal(loaded.core_state, part.core_state)
    assert part.core_state.any()


@pytest.mark.parametrize("name", ["a2c", "ppo"])
def test_a_cut_empties_the_state(name: str) -> None:
    learner = make(name)
    learner.advance()
    while learner.rollout.begins.any():
        learner.advance()
    assert learner.state_now().any()  # type: ignore[union-attr]
    learner.cut(5)
    assert not learner.state_now().any()  # type: ignore[union-attr]


def test_a2c_remembers_its_convolutions_beside_a_core(monkeypatch: pytest.MonkeyPatch) -> None:
    class Picture(Wander):
        observation_space = gym.spaces.Box(0, 255, (2, 36, 40), np.uint8)

        def _seen(self) -> np.ndarray:
            return self.np_random.integers(0, 256, (2, 36, 40), dtype=np.uint8)

    learners = []
    for forget in (False, True):
        env = gym.vector.SyncVectorEnv([Picture] * 3, autoreset_mode=gym.vector.AutoresetMode.NEXT_STEP)
        learner = make("a2c", env, n_step=3)
        assert isinstance(learner, A2C)
        assert learner.memory is not None
        if forget:
            learner.memory = None
        learner.advance()
        learners.append(learner)
    for ours, plain in zip(*(learner.network.parameters() for learner in learners)):
        torch.testing.assert_close(ours, plain, rtol=1e-3, atol=1e-4)


def sure_agent(core: dict[str, Any] | None = LSTM, actions: gym.Space = Wander.action_space) -> agents.PolicyAgent:
    """An agent whose actions hang on all that it has seen."""
    agent = agents.PolicyAgent(
        Wander.observation_space,
        actions,
        network="mlp",
        hidden=[16],
        generator=torch.Generator().manual_seed(1),
        core=core,
    )
    with torch.no_grad():
        agent.network.policy.weight.mul_(1_000.0)
    return agent


def test_an_evaluation_is_the_same_for_a_vector_and_one_after_the_other() -> None:
    agent = sure_agent()
    result = evaluate(agent, wanderers(4), episodes=21, seed=5)
    played = sorted(zip(result.returns.tolist(), result.lengths.tolist()))
    seeds: list[list[int]] = []

    class Told(gym.vector.SyncVectorEnv):
        def reset(self, *, seed: Any = None, options: Any = None) -> tuple:
            seeds.append(seed)
            return super().reset(seed=seed, options=options)

    evaluate(agent, Told([Wander] * 4), episodes=1, seed=5)
    expected, forgetful = [], []
    for into, begin in ((expected, agent.begin), (forgetful, lambda: None)):
        for i in range(4):
            env, seed = Wander(), seeds[0][i]
            for _ in range(len(range(i, 21, 4))):
                observation, _ = env.reset(seed=seed)
                seed = None
                begin()
                total, length, over = 0.0, 0, False
                while not over:
                    action = agent.act(observation, deterministic=True)
                    observation, reward, terminated, truncated, _ = env.step(int(action))
                    total, length, over = total + reward, length + 1, terminated or truncated
                into.append((total, length))
    assert played == sorted(expected)
    assert played != sorted(forgetful)  # the check can fail
    assert len({total for total, _ in played}) > 3


def test_an_agent_remembers_until_episodes_begin(tmp_path: Path) -> None:
    agent = sure_agent(actions=gym.spaces.Box(-1e9, 1e9, (2,), np.float32))
    seen = np.random.default_rng(0).normal(size=(4, 3, 3)).astype(np.float32)  # steps, rows
    first, second, third, fourth = (agent.act(rows, deterministic=True) for rows in seen)
    agent.begin()
    np.testing.assert_array_equal(agent.act(seen[0], deterministic=True), first)
    agent.act(seen[1], deterministic=True)
    agent.begin(np.array([False, True, False]))
    again = agent.act(seen[2], deterministic=True)
    np.testing.assert_array_equal(again[[0, 2]], third[[0, 2]])
    assert (again[1] != third[1]).all()
    agent.begin(np.ones(3, bool))
    np.testing.assert_allclose(agent.act(seen[2], deterministic=True)[1], again[1], rtol=1e-5)
    with pytest.raises(UserError, match=r"remembers 3 episodes and is shown 1 observations: agent.begin\(\)"):
        agent.act(seen[0, 0])
    agent.begin()
    assert agent.act(seen[0, 0]).shape == (2,)
    assert agent.act(seen[1, 0]).shape == (2,)
    loaded = agents.load(agent.save(tmp_path))
    assert loaded.recurrent
    for rows, expected in zip(seen, (first, second, third, fourth)):
        np.testing.assert_array_equal(loaded.act(rows, deterministic=True), expected)
    assert json.loads((tmp_path / "agent.json").read_text())["architecture"]["core"] == LSTM
    with pytest.raises(UserError, match="depends on all it has seen"):
        loaded.action_probabilities(seen[0])
    # So was an agent written when there was no other core.
    older = {"network": "mlp", "hidden": [16], "lstm": 6}
    description = json.loads((tmp_path / "agent.json").read_text()) | {"architecture": older}
    (tmp_path / "agent.json").write_text(json.dumps(description))
    again = agents.load(tmp_path).act(seen[0], deterministic=True)
    np.testing.assert_array_equal(again, first)


def test_agents_without_memory_have_nothing_to_forget(tmp_path: Path) -> None:
    agent = sure_agent(core=None)
    assert not agent.recurrent
    agent.act(np.zeros((3, 3), np.float32))
    agent.begin(np.array([True, False, True]))
    agent.act(np.zeros((2, 3), np.float32))
    assert "core" not in (agent.save(tmp_path) / "agent.json").read_text()
    others = agents.RandomAgent(Wander.observation_space, Wander.action_space)
    assert not others.recurrent
    others.begin()
