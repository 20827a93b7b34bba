"""Every algorithm with a network learns from small images, channels last and boolean as MinAtar's: IMPALA's trunk."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

import agents
from agents.q_agent import highest
from neuralcore.errors import UserError
from neuralcore.fitting.saved import save_model
from neuralcore.seeding import seeded_torch
from neuralcore.vision.classification_config import ClassifyConfig
from neuralcore.vision.normalised import ImageModel
from rlkit import A2C, DQN, PPO, REINFORCE, A2CConfig, DQNConfig, PPOConfig, REINFORCEConfig

SHARED: dict[str, Any] = {"num_envs": 2, "hidden": (16,)}
POLICY: dict[str, Any] = {**SHARED, "final_learning_rate": None}
MAKERS: dict[str, Any] = {
    "a2c": (A2C, A2CConfig(n_step=4, **POLICY)),
    "a2c-lstm": (A2C, A2CConfig(n_step=4, core="lstm", core_width=8, **POLICY)),
    "ppo": (PPO, PPOConfig(n_step=8, minibatch=8, epochs=1, final_clip=None, **POLICY)),
    "ppo-lstm": (
        PPO,
        PPOConfig(n_step=8, minibatch=8, epochs=1, final_clip=None, core="lstm", core_width=8, **POLICY),
    ),
    "reinforce": (REINFORCE, REINFORCEConfig(episodes=2, **SHARED)),
    "dqn": (
        DQN,
        DQNConfig(replay_capacity=100, learning_starts=8, batch_size=8, target_every=4, epsilon_steps=30, **SHARED),
    ),
}


class Bars(gym.Env):
    """In each of 4 planes a column or a row of 9x7 pixels is lit; the first one's direction is the paid action."""

    observation_space = gym.spaces.Box(0, 1, (9, 7, 4), np.bool_)
    action_space = gym.spaces.Discrete(2)

    def _seen(self) -> np.ndarray:
        seen = np.zeros((9, 7, 4), bool)
        self.paid = int(self.np_random.integers(2))
        for plane in range(4):
            is_column = self.paid if plane == 0 else int(self.np_random.integers(2))
            at = int(self.np_random.integers(7))
            seen[:, at, plane] |= bool(is_column)
            seen[at, :, plane] |= not is_column
        return seen

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.left = 5
        return self._seen(), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict]:
        self.left -= 1
        reward = float(action == self.paid)
        return self._seen(), reward, self.left == 0, False, {}


def bars(count: int) -> gym.vector.VectorEnv:
    return gym.vector.SyncVectorEnv([Bars] * count, autoreset_mode=gym.vector.AutoresetMode.NEXT_STEP)


def make(name: str, seed: int = 0) -> Any:
    learner, config = MAKERS[name]
    return learner(bars(2), config, seed=seed)


def weights(agent: Any) -> bytes:
    return b"".join(p.detach().contiguous().numpy().tobytes() for p in agent.network.parameters())


@pytest.mark.parametrize("name", MAKERS)
def test_it_trains_goes_on_and_is_carried_away(name: str, tmp_path: Path) -> None:
    options = {"checkpoint_every": 20, "report_every": 20}
    whole, part, again = (make(name) for _ in range(3))
    assert whole.agent.architecture["network"] == "impala"
    before = weights(whole.agent)
    whole.learn(50, folder=tmp_path / "whole", **options)
    part.learn(20, folder=tmp_path / "part", **options)
    again.learn(50, folder=tmp_path / "part", **options)
    assert whole.steps == again.steps >= 50
    assert weights(whole.agent) == weights(again.agent) != before
    agent = agents.load(whole.agent.save(tmp_path / "agent"))
    seen = np.random.default_rng(0).random((20, 9, 7, 4)) < 0.3
    np.testing.assert_array_equal(agent.act(seen, deterministic=True), whole.agent.act(seen, deterministic=True))
    assert agent.observation_space == Bars.observation_space


class Objects(Bars):
    """The same with the numbers of objects for pixels: 10 is lit."""

    observation_space = gym.spaces.Box(0, 10, (9, 7, 4), np.uint8)

    def _seen(self) -> np.ndarray:
        return super()._seen().astype(np.uint8) * 10


@pytest.mark.parametrize(
    ("space", "high"),
    [
        (gym.spaces.Box(0, 255, (4, 84, 84), np.uint8), 255.0),
        (gym.spaces.Box(0, 10, (7, 7, 3), np.uint8), 10.0),
        (gym.spaces.Box(0, 1, (10, 10, 4), np.bool_), 1.0),
        (gym.spaces.Box(-2, np.array([[[1, 5]]] * 9 * 9).reshape(9, 9, 2), dtype=np.int64), 5.0),
        (gym.spaces.Box(-np.inf, np.inf, (9, 9, 2), np.float32), 255.0),
        (gym.spaces.Box(0, 1000, (9, 9, 2), np.int32), 255.0),
        (gym.spaces.Box(0, 0, (9, 9, 2), np.uint8), 255.0),
        (gym.spaces.Discrete(4), 255.0),
    ],
)
def test_an_image_is_divided_by_the_largest_number_of_its_space(space: gym.Space, high: float) -> None:
    assert highest(space) == high


@pytest.mark.parametrize("name", ["a2c", "dqn"])
def test_what_learned_from_numbers_divided_by_255_goes_on_with_them(name: str, tmp_path: Path) -> None:
    """A small space's numbers were once divided by 255; agents and checkpoints from then do not say by what."""
    learner, config = MAKERS[name]
    seen = np.stack([Objects()._seen() for _ in range(5)])

    def made() -> Any:
        return learner(gym.vector.SyncVectorEnv([Objects] * 2), config, seed=0)

    def divisor(agent: Any) -> float:
        return agent.network.trunk.pixels.high

    def outputs(agent: Any) -> np.ndarray:
        return agent.action_values(seen) if name == "dqn" else agent.evaluate(seen)[0]

    new, old = made(), made()
    assert divisor(new.agent) == 10
    for network in (old.agent.network, getattr(old, "target", old.agent.network)):
        network.trunk.pixels.high = 255.0
    assert not np.array_equal(outputs(new.agent), outputs(old.agent))
    for made_so, high in ((new, 10), (old, 255)):
        made_so.learn(30)
        agent: Any = agents.load(made_so.agent.save(tmp_path / f"agent{high}"))
        np.testing.assert_array_equal(outputs(agent), outputs(made_so.agent))
        again = made()
        made_so.save(tmp_path / f"run{high}")
        again.load(tmp_path / f"run{high}")
        assert divisor(again.agent) == divisor(agent) == high
        for whole in (made_so, again):
            whole.learn(40)
        assert weights(again.agent) == weights(made_so.agent)


def classifier_run(folder: Path, network: str) -> ImageModel:
    """A classifier of 4x8x8 images in a run folder; what it learned does not matter."""
    config = ClassifyConfig("shapes", network, {"hidden": [16]} if network == "impala" else {"depth": 20})
    description = {"names": ["a", "b"], "shape": [4, 8, 8], "mean": [0.1, 0.2, 0.3, 0.4], "std": [0.5] * 4}
    with seeded_torch(0):
        model = config.rebuild(description)
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.uniform_(-0.5, 0.5)  # type: ignore[union-attr]
    save_model(folder / "model", model, "classify", config, description)
    assert isinstance(model, ImageModel)
    return model.eval()


@pytest.mark.parametrize(
    ("name", "network"), [("a2c", "resnet"), ("ppo-lstm", "impala"), ("reinforce", "impala"), ("dqn", "resnet")]
)
def test_it_begins_with_a_classifiers_trunk(name: str, network: str, tmp_path: Path) -> None:
    model = classifier_run(tmp_path / "fit", network)
    learner, config = MAKERS[name]

    def made(run: str = "fit") -> Any:
        changed = dataclasses.replace(config, network=network, trunk_from=str(tmp_path / run) if run else "")
        return learner(bars(2), changed, seed=0)

    whole = made()
    kernels = {n: v for n, v in model.trunk.named_parameters() if v.ndim == 4}
    for module in (whole.agent.network, getattr(whole, "target", whole.agent.network)):
        state = module.trunk.state_dict()
        assert all(torch.equal(state[n], v) for n, v in kernels.items())
        assert state["pixels.mean"].tolist() == model.normalised.mean.tolist()
    whole.learn(30)
    whole.save(tmp_path / "run")
    seen = np.random.default_rng(0).random((20, 9, 7, 4)) < 0.3
    agent = agents.load(whole.agent.save(tmp_path / "agent"))
    np.testing.assert_array_equal(agent.act(seen, deterministic=True), whole.agent.act(seen, deterministic=True))
    # The checkpoint has all of it: the classifier is no longer needed.
    again = made("").load(tmp_path / "run")
    for one in (whole, again):
        one.learn(50)
    assert weights(again.agent) == weights(whole.agent)


def test_another_networks_classifier_is_refused(tmp_path: Path) -> None:
    classifier_run(tmp_path, "resnet")
    with pytest.raises(UserError, match="are of another network"):
        PPO(bars(2), dataclasses.replace(MAKERS["ppo"][1], trunk_from=str(tmp_path)))
    with pytest.raises(UserError, match="a MLP takes no images"):
        PPO(bars(2), dataclasses.replace(MAKERS["ppo"][1], trunk_from=str(tmp_path), network="mlp"))


@pytest.mark.learning
def test_it_finds_the_bar() -> None:
    config = PPOConfig(num_envs=8, n_step=32, minibatch=64, epochs=2, hidden=(32,), learning_rate=2e-3, discount=0.0)
    learner = PPO(bars(8), config, seed=0)
    learner.learn(3_000)
    env = Bars()
    env.reset(seed=1)
    seen, paid = zip(*[(env._seen(), env.paid) for _ in range(100)])
    assert (learner.agent.act(np.stack(seen), deterministic=True) == paid).mean() > 0.9
