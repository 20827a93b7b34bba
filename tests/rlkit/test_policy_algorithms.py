"""What A2C, PPO and REINFORCE have in common: probes with known answers, seeds, going on, settings, Box actions."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import agents
from neuralcore.errors import UserError
from rlkit import A2C, PPO, REINFORCE, A2CConfig, PPOConfig, REINFORCEConfig, evaluate
from rlkit.environments import make_vector_env
from rlkit.policy_learner import PolicyLearner

SHARED: dict[str, Any] = {"num_envs": 4, "hidden": (32,), "clip_rewards": False}
SMALL: dict[str, Any] = {
    "a2c": A2CConfig(n_step=4, learning_rate=5e-3, **SHARED),
    "ppo": PPOConfig(
        n_step=16, minibatch=32, learning_rate=5e-3, clip=0.2, final_clip=None, entropy_weight=0.0, **SHARED
    ),
    "reinforce": REINFORCEConfig(episodes=8, learning_rate=1e-2, **SHARED),
    "reinforce-plain": REINFORCEConfig(episodes=8, learning_rate=1e-2, baseline=False, **SHARED),
}
LEARNERS: dict[str, Any] = {"a2c": A2C, "ppo": PPO, "reinforce": REINFORCE, "reinforce-plain": REINFORCE}
VALUED = [name for name in SMALL if name != "reinforce-plain"]


def make(name: str, env: Any = "CartPole-v1", seed: int = 3, **change: Any) -> PolicyLearner:
    return LEARNERS[name](env, dataclasses.replace(SMALL[name], **change), seed=seed)


def weights(learner: PolicyLearner) -> bytes:
    return b"".join(p.detach().numpy().tobytes() for p in learner.network.parameters())


@pytest.mark.parametrize("env_id", ["ProbeValue-v0", "ProbeObservation-v0", "ProbeDiscount-v0", "ProbeTruncation-v0"])
@pytest.mark.parametrize("name", VALUED)
def test_values_of_probes(name: str, env_id: str) -> None:
    discount = 0.5
    env = make_vector_env(env_id, 4)
    change = {"episodes": 2} if name == "reinforce" else {}
    learner = make(name, env, discount=discount, final_learning_rate=0.0, **change)
    learner.learn(1_500)
    observations, values = env.envs[0].unwrapped.answer(discount)  # type: ignore[attr-defined]
    np.testing.assert_allclose(learner.agent.evaluate(observations)[1], values.max(axis=1), atol=0.1)


@pytest.mark.parametrize("env_id", ["ProbeAction-v0", "ProbePolicy-v0"])
@pytest.mark.parametrize("name", SMALL)
def test_policies_of_probes(name: str, env_id: str) -> None:
    env = make_vector_env(env_id, 4)
    learner = make(name, env)
    learner.learn(1_500)
    observations, values = env.envs[0].unwrapped.answer(0.5)  # type: ignore[attr-defined]
    found = learner.agent.action_probabilities(observations)
    assert (found[np.arange(len(found)), np.argmax(values, axis=1)] > 0.9).all()


@pytest.mark.parametrize("name", SMALL)
def test_same_seed_same_bytes_and_another_seed_others(name: str) -> None:
    one, two, three = (make(name, seed=s) for s in (3, 3, 4))
    for learner in (one, two, three):
        learner.learn(600)
    assert one.steps >= 600
    assert one.updates > 0
    assert weights(one) == weights(two) != weights(three)


@pytest.mark.parametrize("name", SMALL)
def test_going_on_equals_never_stopping(name: str, tmp_path: Path) -> None:
    options = {"checkpoint_every": 200, "report_every": 130}
    change = {"final_learning_rate": 1e-3}

    def learner() -> PolicyLearner:
        learner = make(name, **change)
        learner.plan(800)
        return learner

    whole = learner()
    whole.learn(800, folder=tmp_path / "whole", **options)
    part = learner()
    # A run that is killed knows from its start how long it is to be: stop it after its second checkpoint.
    steps = []
    take_checkpoint = part.state
    part.state = lambda: steps.append(part.steps) or take_checkpoint()  # type: ignore[method-assign,func-returns-value]
    advance = part.advance

    def killed() -> None:
        if len(steps) == 2:
            raise KeyboardInterrupt
        advance()

    part.advance = killed  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        part.learn(800, folder=tmp_path / "part", **options)
    again = make(name, **change)
    again.learn(800, folder=tmp_path / "part", **options)
    assert steps[1] < again.steps == whole.steps
    assert weights(whole) == weights(again)
    assert whole.updates == again.updates
    rows = [(tmp_path / folder / "metrics.jsonl").read_text() for folder in ("whole", "part")]
    assert rows[0] == rows[1]
    assert "gradient_norm" in rows[0]


@pytest.mark.parametrize("name", SMALL)
def test_save_and_load_go_on(name: str, tmp_path: Path) -> None:
    one = make(name)
    one.learn(300)
    one.save(tmp_path)
    two = make(name, seed=0).load(tmp_path)
    assert weights(one) == weights(two)
    assert (two.steps, two.updates) == (one.steps, one.updates)
    one_metrics, two_metrics = one.metrics(), two.metrics()
    for metrics in (one_metrics, two_metrics):
        del metrics["learning_rate"]  # the second does not know yet how long it is to learn
    assert one_metrics == two_metrics
    assert "loss" in one_metrics
    two.learn(700)
    assert weights(one) != weights(two)
    with pytest.raises(UserError, match="no checkpoint"):
        two.load(tmp_path / "nothing")


CHANGES: dict[str, Any] = {
    "num_envs": 2,
    "n_step": 8,
    "network": "mlp",  # the same as auto here; images are tested below
    "hidden": (16,),
    "initial_weights": "orthogonal",
    "core": "lstm",
    "core_width": 8,
    "core_memory": 3,
    "discount": 0.5,
    "trace": 0.5,
    "optimizer": "adam",
    "rmsprop_epsilon": 1e-2,
    "learning_rate": 1e-4,
    "final_learning_rate": 1e-3,
    "value_weight": 0.1,
    "entropy_weight": 0.1,
    "final_entropy_weight": 0.5,
    "max_gradient_norm": 0.01,
    "clip_rewards": True,
    "precision": "bf16",
    "epochs": 2,
    "minibatch": 16,
    "clip": 0.05,
    "final_clip": 0.0,
    "episodes": 2,
    "baseline": False,
}


@pytest.mark.parametrize(
    ("name", "field"), [(name, f.name) for name in VALUED for f in dataclasses.fields(SMALL[name])]
)
def test_every_field_changes_something(name: str, field: str) -> None:
    def train(**change: Any) -> bytes:
        config = dataclasses.replace(SMALL[name], **change)
        # Chain-v0 pays more than 1 at its far end, so that clipping shows.
        env = make_vector_env("Chain-v0", config.num_envs, length=3, far_reward=3.0)
        learner = LEARNERS[name](env, config, seed=0)
        learner.learn(400)
        return weights(learner)

    if field == "network":
        assert train() == train(network="mlp")
    elif field == "trunk_from":  # of a chain there is no trunk to take; of images in test_small_images
        with pytest.raises(UserError, match="holds no fitted model"):
            train(trunk_from="nowhere")
    elif field == "core_width":
        assert train(core="lstm") != train(core="lstm", core_width=CHANGES[field])
    elif field == "core_memory":
        core = {"core": "transformer", "core_width": 8}
        assert train(**core) != train(**core, core_memory=CHANGES[field])
    else:
        default = getattr(SMALL[name], field)
        change = not default if isinstance(default, bool) and field not in CHANGES else CHANGES[field]
        assert train() != train(**{field: change})


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("a2c", {"discount": 1.5}, r"discount must lie in \[0, 1\], got 1.5"),
        ("a2c", {"trace": -0.1}, r"trace must lie in \[0, 1\], got -0.1"),
        ("a2c", {"n_step": 0}, "n_step must be 1 or more, got 0"),
        ("a2c", {"optimizer": "adam", "rmsprop_epsilon": 0.1}, "rmsprop_epsilon 0.1 has no meaning"),
        ("a2c", {"learning_rate": 0.0}, "learning_rate must be above 0"),
        ("a2c", {"entropy_weight": -1.0}, "entropy_weight must be 0 or more"),
        ("ppo", {"clip": 0.0}, "clip must be above 0"),
        ("a2c", {"core_width": 8}, "core_width 8 has no meaning for core 'none'"),
        ("a2c", {"core": "gru", "core_memory": 8}, "core_memory 8 is of core 'transformer', not 'gru'"),
        ("ppo", {"core": "lstm", "core_width": 0}, "core_width must be 1 or more, got 0"),
        ("ppo", {"core": "lstm", "minibatch": 8}, "minibatch 8 is less than n_step 16: with a core"),
        ("ppo", {"minibatch": 65}, "minibatch 65 is more than a segment has: n_step 16 in each of 4"),
        ("reinforce", {"episodes": 0}, "episodes must be 1 or more"),
        ("reinforce-plain", {"value_weight": 0.7}, "value_weight 0.7 has no meaning without a baseline"),
    ],
)
def test_contradictions_die_in_the_config(name: str, change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SMALL[name], **change)


@pytest.mark.parametrize("name", VALUED)
def test_images_take_the_nature_trunk(name: str) -> None:
    small = {"a2c": {"n_step": 2}, "ppo": {"n_step": 4, "minibatch": 8, "epochs": 1}, "reinforce": {"episodes": 2}}
    learner = make(name, "ProbeImage-v0", num_envs=2, **small[name])
    assert learner.agent.architecture["network"] == "nature"
    learner.learn(12)
    assert learner.updates > 0
    assert learner.metrics()["loss"] != 0.0


class Aim(gym.Env):
    """One step: the reward falls with the squared distance of a two-dimensional action to (0.5, -0.5)."""

    observation_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)
    action_space = gym.spaces.Box(-2.5, 2.5, (2,), np.float32)

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        assert self.action_space.contains(action)
        return np.zeros(1, np.float32), -float(np.square(action - [0.5, -0.5]).sum()), True, False, {}


def deviation(learner: PolicyLearner) -> float:
    assert learner.network.log_std is not None
    return float(learner.network.log_std.detach().exp().mean())


@pytest.mark.parametrize("name", SMALL)
def test_box_actions_find_their_aim(name: str) -> None:
    mode = {"autoreset_mode": gym.vector.AutoresetMode.NEXT_STEP}
    learner = make(name, gym.vector.SyncVectorEnv([Aim] * 4, **mode), entropy_weight=0.0, final_learning_rate=0.0)
    before = deviation(learner)
    learner.learn(3_000)
    aimed = learner.agent.act(np.zeros((1, 1), np.float32), deterministic=True)
    np.testing.assert_allclose(aimed, [[0.5, -0.5]], atol=0.15)
    assert deviation(learner) < 0.8 * before


@pytest.mark.parametrize("name", SMALL)
def test_pendulum_runs_and_its_agent_is_carried_away(name: str, tmp_path: Path) -> None:
    # A pendulum's episode has 200 steps, all truncated.
    learner = make(name, "Pendulum-v1", **({"episodes": 4} if "reinforce" in name else {}))
    agent = learner.learn(820)
    assert learner.updates > 0
    loaded = agents.load(agent.save(tmp_path))
    one, two = (evaluate(a, "Pendulum-v1", episodes=2).returns for a in (agent, loaded))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("name", SMALL)
def test_a_diverging_run_stops_with_finite_checkpoints(name: str, tmp_path: Path) -> None:
    learner = make(name, learning_rate=1e30, max_gradient_norm=None)
    with pytest.raises(UserError, match=r"became (nan|inf).*lower the learning rate"):
        learner.learn(3_000, folder=tmp_path / "discrete", checkpoint_every=10_000, report_every=100)
    learner = make(name, "Pendulum-v1", learning_rate=1e30, max_gradient_norm=None)
    with pytest.raises(UserError, match=r"became (nan|inf).*lower the learning rate"):
        learner.learn(3_000, folder=tmp_path / "box", checkpoint_every=10_000, report_every=5_000)


@pytest.mark.parametrize("name", VALUED)
def test_environments_it_cannot_act_in(name: str) -> None:
    with pytest.raises(UserError, match="2 copies, num_envs is 4"):
        make(name, make_vector_env("CartPole-v1", 2))


@pytest.mark.parametrize("name", VALUED)
def test_schedules_run_from_the_first_value_to_the_last(name: str) -> None:
    learner = make(name, learning_rate=0.1, final_learning_rate=0.02, entropy_weight=0.4, final_entropy_weight=0.0)
    assert learner.learning_rate == 0.1  # nothing is planned yet
    learner.plan(1_000)
    learner.steps = 250
    assert learner.learning_rate == pytest.approx(0.08)
    assert learner.entropy_weight == pytest.approx(0.3)
    learner.steps = 2_000
    assert learner.metrics()["learning_rate"] == 0.02
