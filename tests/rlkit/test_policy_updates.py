"""What one update of A2C, PPO and REINFORCE sees: scripted episodes against sums written out by hand."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from neuralcore.errors import UserError
from rlkit import A2C, PPO, REINFORCE, A2CConfig, PPOConfig, REINFORCEConfig
from rlkit.policy_gradient import categorical
from rlkit.reinforce import Trajectory, whole_returns

LINEAR: dict[str, Any] = {"num_envs": 1, "hidden": (), "discount": 0.5, "clip_rewards": False}


class Script(gym.vector.VectorEnv):
    """One environment that pays 1, 2, 3, … and shows the number of its step, which may end with "t" or "u"."""

    metadata = {"autoreset_mode": gym.vector.AutoresetMode.NEXT_STEP}  # noqa: RUF012

    def __init__(self, ends: str):
        self.ends, self.num_envs = ends, 1
        self.single_observation_space = gym.spaces.Discrete(10)
        self.single_action_space = gym.spaces.Discrete(2, start=7)
        self.taken: list[int] = []

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[np.ndarray, dict]:
        self.at, self.over = 0, False
        return np.array([0]), {}

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict]:
        no = np.array([False])
        if self.over:
            self.at, self.over = 0, False
            return np.array([0]), np.zeros(1), no, no, {}
        self.taken.append(int(actions[0]) - 7)
        end = self.ends[self.at]
        self.at += 1
        self.over = end in "tu"
        return np.array([self.at]), np.array([float(self.at)]), np.array([end == "t"]), np.array([end == "u"]), {}


def capture(learner: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """What `descend` is asked for, instead of a step."""
    seen: dict[str, float] = {}

    def descend(loss: torch.Tensor, **figures: torch.Tensor) -> None:
        seen.update(loss=loss.item(), **{name: figure.item() for name, figure in figures.items()})
        learner.updates += 1

    monkeypatch.setattr(learner, "descend", descend)
    return seen


def judged(learner: Any, states: list[int], actions: list[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """log π, entropies and values by the network as it is, for the states acted in and all states after."""
    with torch.no_grad():
        outputs, values = learner.network(torch.nn.functional.one_hot(torch.tensor(states), 10).float())
        log_probability, entropy = categorical(outputs[: len(actions)], torch.tensor(actions))
    return log_probability.numpy(), entropy.numpy(), values.numpy()


@pytest.mark.parametrize("end", ["t", "u"])
def test_a2c_leaves_reset_rows_out(end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    env = Script(f"--{end}---")
    learner = A2C(env, A2CConfig(n_step=5, value_weight=0.5, entropy_weight=0.1, **LINEAR), seed=0)
    seen = capture(learner, monkeypatch)
    learner.advance()
    assert learner.steps == 4  # of the five rows one is a reset row
    log_probability, entropy, v = judged(learner, [0, 1, 2, 0, 3, 1], env.taken)
    last = 0.5 * v[4] if end == "u" else 0.0
    target = np.array([1 + 0.5 * (2 + 0.5 * (3 + last)), 2 + 0.5 * (3 + last), 3 + last, 1 + 0.5 * v[5]])
    advantage = target - v[:4]
    policy_loss, value_loss = -(advantage * log_probability).mean(), np.square(advantage).mean()
    assert seen["policy_loss"] == pytest.approx(policy_loss, rel=1e-5)
    assert seen["value_loss"] == pytest.approx(value_loss, rel=1e-5)
    assert seen["entropy"] == pytest.approx(entropy.mean(), rel=1e-5)
    assert seen["loss"] == pytest.approx(policy_loss + 0.5 * value_loss - 0.1 * entropy.mean(), rel=1e-5)


@pytest.mark.parametrize("core", ["none", "lstm"])
@pytest.mark.parametrize("name", ["a2c", "ppo"])
def test_a_segment_of_reset_rows_alone_changes_nothing(name: str, core: str) -> None:
    """Steps of one environment, of which every third is a reset row; Adam would go on moving without a gradient."""
    shared: dict[str, Any] = {**LINEAR, "n_step": 1, "normalise_advantages": True, "core": core}
    if name == "a2c":
        learner: Any = A2C(Script(".t"), A2CConfig(**shared, optimizer="adam"), seed=0)
    else:
        learner = PPO(Script(".t"), PPOConfig(**shared, minibatch=1, epochs=1), seed=0)
    for t in range(9):
        before, updates = [p.detach().clone() for p in learner.network.parameters()], learner.updates
        learner.advance()
        assert learner.updates - updates == (t % 3 != 2)
        if t % 3 == 2:
            assert all(torch.equal(a, b) for a, b in zip(before, learner.network.parameters()))
    assert learner.steps == 6
    assert np.isfinite(list(learner.metrics().values())).all()


def test_a2c_remembers_its_layers_for_one_segment_alone() -> None:
    class Dots(Script):
        def __init__(self, ends: str):
            super().__init__(ends)
            self.single_observation_space = gym.spaces.Box(0, 255, (1, 36, 36), np.uint8)

        def reset(self, **words: Any) -> tuple[np.ndarray, dict]:
            super().reset(**words)
            return np.zeros((1, 1, 36, 36), np.uint8), {}

        def step(self, actions: np.ndarray) -> Any:
            return np.zeros((1, 1, 36, 36), np.uint8), *super().step(actions)[1:]

    learner = A2C(Dots("t"), A2CConfig(num_envs=1, n_step=1, hidden=(4,)), seed=0)
    assert learner.memory is not None
    learner.learn(3)
    assert learner.updates == 3


def test_ppo_sees_every_transition_once_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = PPO(Script("--t---"), PPOConfig(n_step=8, minibatch=4, epochs=3, trace=0.5, **LINEAR), seed=0)
    batches = []
    monkeypatch.setattr(learner, "update", lambda *batch: batches.append(batch))
    learner.advance()
    assert learner.steps == 6  # of the eight rows two are reset rows
    assert [len(batch[0]) for batch in batches] == [3, 3] * 3
    states = [sorted(torch.cat([b[0] for b in batches[i : i + 2]]).argmax(1).tolist()) for i in (0, 2, 4)]
    assert states == [[0, 0, 1, 1, 2, 2]] * 3
    orders = [torch.cat([b[0] for b in batches[i : i + 2]]).argmax(1).tolist() for i in (0, 2, 4)]
    assert orders[0] != orders[1] != orders[2]
    # Normalised over the segment, and the ratio is 1 before the first step.
    advantage = torch.cat([batch[3] for batch in batches[:2]])
    assert advantage.mean().item() == pytest.approx(0.0, abs=1e-6)
    assert advantage.std(correction=0).item() == pytest.approx(1.0, abs=1e-5)
    observation, action, old_log_probability = (torch.cat([b[i] for b in batches[:2]]) for i in (0, 1, 2))
    with torch.no_grad():
        log_probability, _ = learner.judge(learner.network(observation)[0], action)
    torch.testing.assert_close(log_probability, old_log_probability)


@pytest.mark.parametrize("baseline", [True, False])
@pytest.mark.parametrize("end", ["t", "u"])
def test_reinforce_by_hand(end: str, baseline: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    env = Script(f"--{end}")
    learner = REINFORCE(env, REINFORCEConfig(episodes=2, baseline=baseline, **LINEAR), seed=0)
    seen = capture(learner, monkeypatch)
    for _ in range(7):
        assert learner.updates == 0
        learner.advance()
    assert learner.updates == 1
    assert learner.steps == 6
    log_probability, entropy, v = judged(learner, [0, 1, 2, 0, 1, 2, 3], env.taken)
    last = 0.5 * v[6] if baseline and end == "u" else 0.0
    target = np.tile([1 + 0.5 * (2 + 0.5 * (3 + last)), 2 + 0.5 * (3 + last), 3 + last], 2)
    advantage = target - v[:6] if baseline else target
    assert seen["policy_loss"] == pytest.approx(-(advantage * log_probability).mean(), rel=1e-5)
    assert seen["entropy"] == pytest.approx(entropy.mean(), rel=1e-5)
    assert ("value_loss" in seen) == baseline
    if baseline:
        assert seen["value_loss"] == pytest.approx(np.square(advantage).mean(), rel=1e-5)
        assert seen["loss"] == pytest.approx(seen["policy_loss"] + 0.5 * seen["value_loss"], rel=1e-5)


@pytest.mark.parametrize("baseline", [True, False])
def test_a_cut_ends_reinforces_episodes_or_drops_them(baseline: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    env = Script("--t---")
    learner = REINFORCE(env, REINFORCEConfig(episodes=9, baseline=baseline, **LINEAR), seed=0)
    seen = capture(learner, monkeypatch)
    for _ in range(6):  # an episode of 3, a reset row, and two steps of the next
        learner.advance()
    learner.cut(1)
    log_probability, _, v = judged(learner, [0, 1, 2, 0, 1, 2], env.taken)
    target = np.array([1 + 0.5 * (2 + 0.5 * 3), 2 + 0.5 * 3, 3, 1 + 0.5 * (2 + 0.5 * v[5]), 2 + 0.5 * v[5]])
    advantage = target - v[:5] if baseline else target[:3]
    assert seen["policy_loss"] == pytest.approx(-(advantage * log_probability[: len(advantage)]).mean(), rel=1e-5)
    assert learner.updates == 1
    learner.cut(2)  # nothing is open
    assert learner.updates == 1


def test_returns_of_episodes_of_uneven_length() -> None:
    episodes = [
        Trajectory([0, 1, 2], [0, 0], [1.0, 2.0], terminated=True),
        Trajectory([0, 1], [0], [4.0], terminated=False),
    ]
    values = np.array([10, 20, 30, 40, 50], np.float32)
    advantages, targets = whole_returns(episodes, np.array([2, 1]), values, 0.5)
    np.testing.assert_allclose(targets, [2.0, 2.0, 4 + 25])
    np.testing.assert_allclose(advantages, targets - [10, 20, 40])


def test_actions_of_no_number_are_named() -> None:
    env = gym.make_vec("Pendulum-v1", 1, vectorization_mode="sync")
    learner = A2C(env, A2CConfig(num_envs=1, hidden=(8,)), seed=0)
    with torch.no_grad():
        learner.network.policy.bias.fill_(float("nan"))
    with pytest.raises(UserError, match="actions became nan or inf"):
        learner.advance()
