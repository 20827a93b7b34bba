from __future__ import annotations

import dataclasses
import mmap

import numpy as np
import pytest
import torch

import agents
from neuralcore.errors import UserError
from rlkit.dqn import DQN, DQNConfig
from rlkit.environments import make_vector_env
from rlkit.replay import Transitions

SMALL = DQNConfig(
    num_envs=4,
    hidden=(32,),
    replay_capacity=2_000,
    learning_starts=64,
    train_every=2,
    batch_size=32,
    target_every=20,
    optimizer="adam",
    learning_rate=3e-3,
    epsilon_steps=500,
    final_epsilon=0.2,
)

PRIORITISED = dataclasses.replace(SMALL, prioritised=True)


def weights(dqn: DQN) -> bytes:
    return b"".join(p.detach().numpy().tobytes() for p in dqn.online.parameters())


@pytest.mark.parametrize(
    ("env_id", "network"),
    [
        ("ProbeValue-v0", {}),
        ("ProbeObservation-v0", {}),
        ("ProbeDiscount-v0", {}),
        ("ProbeAction-v0", {}),
        ("ProbePolicy-v0", {}),
        ("ProbeTruncation-v0", {"discount": 0.5}),
        ("ProbeObservation-v0", {"prioritised": True}),
        ("ProbeDiscount-v0", {"prioritised": True}),
        ("ProbePolicy-v0", {"prioritised": True}),
        ("ProbeTruncation-v0", {"discount": 0.5, "prioritised": True}),
    ],
)
def test_probes_have_known_answers(env_id: str, network: dict) -> None:
    config = dataclasses.replace(SMALL, clip_rewards=False, **network)
    env = make_vector_env(env_id, config.num_envs)
    dqn = DQN(env, config, seed=1)
    dqn.learn(2_500)
    probe = env.envs[0].unwrapped  # type: ignore[attr-defined]
    observations, values = probe.answer(config.discount)
    found = dqn.agent.action_values(np.asarray(observations, np.float32))
    np.testing.assert_allclose(found, np.asarray(values), atol=0.15)


def test_same_seed_same_bytes_and_another_seed_others() -> None:
    one, two, three = (DQN("CartPole-v1", SMALL, seed=s) for s in (3, 3, 4))
    for dqn in (one, two, three):
        dqn.learn(600)
    assert one.steps >= 600
    assert one.updates == (one.steps - 64) // 2
    assert weights(one) == weights(two) != weights(three)


@pytest.mark.parametrize(
    "change",
    [{}, {"prioritised": True, "replay_capacity": 300}, {"updates_at_once": 37}],
    ids=["uniform", "prioritised", "at once"],
)
def test_going_on_equals_never_stopping(change: dict, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"checkpoint_every": 200, "report_every": 130}
    config = dataclasses.replace(SMALL, **change)
    whole = DQN("CartPole-v1", config, seed=3)
    whole.learn(800, folder=tmp_path / "whole", **options)
    part = DQN("CartPole-v1", config, seed=3)
    advance = part.advance

    def die_at_500() -> None:
        if part.steps >= 500:
            raise KeyboardInterrupt
        advance()

    monkeypatch.setattr(part, "advance", die_at_500)
    with pytest.raises(KeyboardInterrupt):
        part.learn(800, folder=tmp_path / "part", **options)
    assert {int(p.name[5:]) // 100 for p in (tmp_path / "part" / "checkpoints").glob("step_*")} == {2, 4}
    again = DQN("CartPole-v1", config, seed=3)
    again.learn(800, folder=tmp_path / "part", **options)
    assert weights(whole) == weights(again)
    rows = [(tmp_path / name / "metrics.jsonl").read_text() for name in ("whole", "part")]
    assert rows[0] == rows[1]
    for name in ("frames", "actions", "rewards", "terminated", "transition"):
        one, two = (getattr(d.replay, name)[: whole.replay.written] for d in (whole, again))
        assert one.tobytes() == two.tobytes()
    if whole.replay.priorities is not None:
        assert again.replay.priorities is not None
        assert whole.replay.priorities.tree.tobytes() == again.replay.priorities.tree.tobytes()
        assert whole.replay.priorities.largest == again.replay.priorities.largest


def test_save_and_load_go_on(tmp_path) -> None:
    one = DQN("CartPole-v1", SMALL, seed=3)
    one.learn(300)
    one.save(tmp_path)
    two = DQN("CartPole-v1", SMALL, seed=0).load(tmp_path)
    assert weights(one) == weights(two)
    assert (two.steps, two.updates) == (one.steps, one.updates)
    with pytest.raises(UserError, match="no checkpoint"):
        two.load(tmp_path / "nothing")


CHANGES = {
    "network": "mlp",  # the same as auto here; images are tested below
    "hidden": (16,),
    "dueling": True,
    "double": True,
    "discount": 0.5,
    "replay_capacity": 100,
    "learning_starts": 128,
    "train_every": 3,
    "updates_at_once": 8,
    "batch_size": 16,
    "target_every": 7,
    "target_rate": 0.5,
    "n_step": 3,
    "optimizer": "rmsprop",
    "learning_rate": 1e-4,
    "final_learning_rate": 0.0,
    "max_gradient_norm": 0.01,
    "error_clip": 0.1,
    "clip_rewards": False,
    "initial_epsilon": 0.5,
    "final_epsilon": 0.5,
    "epsilon_steps": 100,
    "precision": "bf16",
    "num_envs": 2,
    "prioritised": True,
    "priority_exponent": 0.1,
    "initial_importance": 1.0,
    "priority_floor": 1.0,
    "replay_folder": "somewhere",
    "replay_on_device": True,
}
SAME = (
    "network",
    "replay_folder",
    "replay_on_device",
)  # they change where or how, not what: the test below them shows it


@pytest.mark.parametrize("name", [f.name for f in dataclasses.fields(DQNConfig)])
def test_every_field_changes_something(name: str, here) -> None:
    # Chain-v0 pays more than 1 at its far end, so that clipping shows.
    def train(config: DQNConfig) -> bytes:
        dqn = DQN(make_vector_env("Chain-v0", config.num_envs, length=3, far_reward=3.0), config, seed=0)
        dqn.learn(300)
        return weights(dqn)

    if name == "replay_on_device" and not torch.cuda.is_available():
        with pytest.raises(UserError, match="wants a GPU"):
            train(dataclasses.replace(SMALL, replay_on_device=True))
        return
    if name == "trunk_from":  # of a chain there is no trunk to take; of images in test_small_images
        with pytest.raises(UserError, match="holds no fitted model"):
            train(dataclasses.replace(SMALL, trunk_from="nowhere"))
        return
    of_priorities = name in ("priority_exponent", "initial_importance", "priority_floor")
    base = dataclasses.replace(SMALL, error_clip=1.0, prioritised=of_priorities)
    changed = dataclasses.replace(base, **{name: CHANGES[name]})
    if name in SAME:
        assert train(base) == train(changed)
    else:
        assert train(base) != train(changed)


def test_frames_in_a_file(tmp_path) -> None:
    config = dataclasses.replace(PRIORITISED, replay_folder=str(tmp_path))
    dqn = DQN("CartPole-v1", config, seed=0)
    assert not dqn.replay.frames.flags.owndata
    assert isinstance(dqn.replay.frames.base, mmap.mmap)
    assert list(tmp_path.iterdir()) == []
    dqn.save(tmp_path)
    with pytest.raises(UserError, match="the replay cannot be kept in"):
        DQN("CartPole-v1", dataclasses.replace(config, replay_folder=str(tmp_path / "LATEST")))


def test_importance_rises_to_one_at_the_planned_end() -> None:
    dqn = DQN("CartPole-v1", PRIORITISED, seed=0)
    dqn.plan(1_000)
    found = []
    for dqn.steps in (0, 500, 1_000, 2_000):
        found.append(dqn.importance)
    assert found == pytest.approx([0.4, 0.7, 1.0, 1.0])


def drawn_by(dqn: DQN, updates: int = 1) -> list[Transitions]:
    """What so many updates draw next, in batches; they will then draw just that."""
    drawn = [dqn.sample() for _ in range(updates)]
    left = list(drawn)

    def sample(batches: int = 1) -> Transitions:
        parts = [vars(left.pop(0)) for _ in range(batches)]
        joined = {n: np.concatenate([p[n] for p in parts]) if parts[0][n] is not None else None for n in parts[0]}
        return Transitions(**joined)

    dqn.sample = sample  # type: ignore[method-assign]
    return drawn


@pytest.mark.parametrize(
    "change", [{}, {"double": True, "dueling": True}, {"target_rate": 0.3, "target_every": 2}], ids=str
)
def test_updates_at_once_are_the_updates_one_by_one(change: dict) -> None:
    config = dataclasses.replace(SMALL, updates_at_once=8, **{"target_every": 5, **change})
    together, alone = (DQN("CartPole-v1", config, seed=0) for _ in range(2))
    for dqn in (together, alone):
        while dqn.updates < 8:
            assert dqn.updates == 0
            dqn.advance()
        assert dqn.updates in (8, 9)
        drawn_by(dqn, 11)
    together.improve(11)
    for _ in range(11):
        alone.improve(1)
    for ours, theirs in zip(together.online.parameters(), alone.online.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)
    for ours, theirs in zip(together.target.parameters(), alone.target.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)
    assert together.metrics() == pytest.approx(alone.metrics(), rel=1e-4)


def test_priorities_follow_the_errors() -> None:
    """With a network that is not changed any more, every priority drawn is the size of its error, plus the floor."""
    config = dataclasses.replace(PRIORITISED, learning_rate=1e-30, priority_exponent=1.0, priority_floor=0.25)
    dqn = DQN("CartPole-v1", config, seed=0)
    dqn.learn(400)
    (batch,) = drawn_by(dqn)
    dqn.improve(1)
    assert dqn.replay.priorities is not None
    q_tm1, q_t = (dqn.agent.action_values(o) for o in (batch.observation_tm1, batch.observation_t))
    target = batch.reward_t + batch.discount_t * q_t.max(axis=1)
    errors = target - q_tm1[np.arange(32), batch.action_tm1]
    np.testing.assert_allclose(dqn.replay.priorities.leaves[batch.place], np.abs(errors) + 0.25, atol=1e-5)


def test_pixels_take_the_nature_trunk() -> None:
    config = dataclasses.replace(SMALL, hidden=(512,), num_envs=2, replay_capacity=200, learning_starts=32)
    dqn = DQN("ALE/Pong-v5", config, seed=0)
    assert dqn.agent.architecture["network"] == "nature"
    assert sum(p.numel() for p in dqn.online.trunk.parameters()) == 1_684_128  # type: ignore[union-attr]
    assert dqn.replay.stack == 4
    dqn.learn(60)
    assert dqn.updates == (dqn.steps - 32) // 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"discount": 1.5}, r"discount must lie in \[0, 1\], got 1.5"),
        ({"target_rate": 0.0}, r"target_rate must lie in \(0, 1\], got 0.0"),
        ({"batch_size": 0}, "batch_size must be 1 or more, got 0"),
        ({"learning_starts": 8}, "learning_starts 8 is less than one batch of 32"),
        ({"learning_starts": 5_000}, "more than the replay holds"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0"),
        ({"error_clip": 0.0}, "error_clip must be above 0"),
        ({"max_gradient_norm": -1.0}, "max_gradient_norm must be above 0"),
        ({"final_epsilon": 2.0}, r"final_epsilon must lie in \[0, 1\]"),
        ({"priority_exponent": 0.5}, "priority_exponent 0.5 changes nothing unless prioritised is on"),
        ({"initial_importance": 1.0}, "initial_importance 1.0 changes nothing"),
        ({"priority_floor": 0.1}, "priority_floor 0.1 changes nothing"),
        ({"prioritised": True, "priority_exponent": 1.5}, r"priority_exponent must lie in \[0, 1\], got 1.5"),
        ({"prioritised": True, "initial_importance": -0.1}, r"initial_importance must lie in \[0, 1\], got -0.1"),
        ({"prioritised": True, "priority_floor": 0.0}, "priority_floor must be above 0, got 0.0"),
    ],
)
def test_contradictions_die_in_the_config(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SMALL, **change)


def test_environments_it_cannot_act_in() -> None:
    with pytest.raises(UserError, match="Discrete actions"):
        DQN("Pendulum-v1", SMALL)
    with pytest.raises(UserError, match="2 copies, num_envs is 4"):
        DQN(make_vector_env("CartPole-v1", 2), SMALL)


@pytest.mark.parametrize("prioritised", [False, True])
def test_a_diverging_run_stops_with_finite_checkpoints(prioritised: bool, tmp_path) -> None:
    config = dataclasses.replace(SMALL, learning_rate=1e30, error_clip=None, prioritised=prioritised)
    with pytest.raises(UserError, match=r"became (nan|inf).*lower the learning rate"):
        DQN("CartPole-v1", config, seed=0).learn(2_000, folder=tmp_path, checkpoint_every=10_000, report_every=100)


def test_the_agent_is_carried_away(tmp_path) -> None:
    dqn = DQN("CartPole-v1", dataclasses.replace(SMALL, dueling=True), seed=0)
    dqn.learn(200)
    dqn.agent.save(tmp_path)
    agent = agents.load(tmp_path)
    observations = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    np.testing.assert_array_equal(
        agent.act(observations, deterministic=True), dqn.agent.act(observations, deterministic=True)
    )
    assert np.ndim(agent.act(observations[0], deterministic=True)) == 0
