"""Prioritised sampling: who can be drawn, how often, with what weight, and after a restart."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chi2

from neuralcore.checkpoint import CheckpointStore
from neuralcore.errors import UserError
from rlkit.priorities import Priorities
from rlkit.replay import ReplayBuffer
from rlkit.rollout import Step


def grow(buffer: ReplayBuffer, rng: np.random.Generator, count: int) -> None:
    """Rows of random contents, one in five of them a reset row."""
    n = buffer.num_envs
    for _ in range(count):
        transition = rng.random(n) < 0.8
        frames = rng.integers(0, 255, (n, *buffer.shape)).astype(np.uint8)
        ended = (rng.random(n) < 0.1) & transition
        buffer.add(Step(frames, rng.integers(4, size=n), rng.random(n), ended, np.zeros(n, bool), transition))


def make(capacity: int = 40, num_envs: int = 2, stack: int = 1, exponent: float | None = 0.6) -> ReplayBuffer:
    shape = (stack, 3) if stack > 1 else (3,)
    return ReplayBuffer(capacity, num_envs, shape, np.uint8, stack=stack, priority_exponent=exponent)


@pytest.mark.parametrize(("num_envs", "stack"), [(1, 1), (3, 1), (1, 4), (2, 4)])
def test_who_has_a_priority_can_be_drawn_uniformly_and_the_reverse(num_envs: int, stack: int) -> None:
    rng = np.random.default_rng(0)
    buffer = make(13, num_envs, stack)
    assert buffer.priorities is not None
    for _ in range(4 * buffer.rows):
        grow(buffer, rng, 1)
        newest = buffer.written - 1
        expected = np.zeros((buffer.rows, num_envs), bool)
        for row in range(newest - len(buffer), newest):  # the rows that uniform sampling draws from
            expected[row % buffer.rows] = buffer.transition[row % buffer.rows]
        np.testing.assert_array_equal(buffer.priorities.leaves.reshape(expected.shape) > 0, expected)
        if expected.any():  # an update in between changes priorities, never who has one
            batch = buffer.sample(5, rng, discount=0.9, n_step=3, importance_exponent=0.5)
            assert batch.place is not None
            assert expected.reshape(-1)[batch.place].all()
            buffer.priorities.learned(rng.integers(expected.size, size=5), rng.normal(size=5))


def test_draws_follow_the_priorities() -> None:
    """Chi-square with 30 degrees of freedom: two-sided for single draws, and less than that for strata."""
    rng = np.random.default_rng(2)
    priorities = Priorities(31, 0.7, 0.01)
    priorities.admit(np.arange(31), np.ones(31, bool))
    errors = rng.normal(size=31) * 10
    priorities.learned(np.arange(31), errors)
    shares = (np.abs(errors) + 0.01) ** 0.7
    shares /= shares.sum()
    draws = 16_000

    def statistic(batch: int) -> float:
        places = np.concatenate([priorities.draw(batch, rng, 0.4)[0] for _ in range(draws // batch)])
        counts = np.bincount(places, minlength=31)
        return float(((counts - draws * shares) ** 2 / (draws * shares)).sum())

    assert chi2.ppf(1e-3, 30) < statistic(1) < chi2.ppf(1 - 1e-3, 30)
    assert statistic(32) < chi2.ppf(0.5, 30)


def test_a_batch_is_drawn_in_strata() -> None:
    priorities = Priorities(8, 1.0, 1e-9)
    priorities.admit(np.arange(8), np.ones(8, bool))
    for seed in range(20):  # eight equal priorities, a batch of eight: each exactly once
        assert priorities.draw(8, np.random.default_rng(seed), 1.0)[0].tolist() == list(range(8))


def test_weights_by_hand() -> None:
    priorities = Priorities(3, 2.0, 0.5)
    priorities.admit(np.arange(3), np.ones(3, bool))
    priorities.learned(np.arange(3), np.array([0.5, -1.5, 3.5]))  # p = 1, 2, 4; p² = 1, 4, 16 of 21
    assert priorities.leaves.tolist() == [1.0, 4.0, 16.0]
    places, weights = priorities.draw(210, np.random.default_rng(0), 0.5)
    # (3 · 1/21)^-1/2 to (3 · 16/21)^-1/2, divided by the largest: 1, 1/2, 1/4
    np.testing.assert_allclose(weights, np.array([1.0, 0.5, 0.25])[places], rtol=1e-6)
    assert np.bincount(places) == pytest.approx([10, 40, 160], abs=1)
    assert (priorities.draw(50, np.random.default_rng(0), 0.0)[1] == 1.0).all()
    alone = Priorities(3, 1.0, 0.5)
    alone.admit(np.arange(3), np.array([False, True, False]))
    places, weights = alone.draw(4, np.random.default_rng(0), 1.0)
    assert (places.tolist(), weights.tolist()) == ([1, 1, 1, 1], [1.0, 1.0, 1.0, 1.0])


def test_new_transitions_get_the_largest_priority_so_far() -> None:
    priorities = Priorities(4, 1.0, 0.5)
    priorities.admit(np.array([0, 1]), np.array([True, False]))
    assert priorities.leaves.tolist() == [1.0, 0.0, 0.0, 0.0]
    priorities.learned(np.array([0]), np.array([6.5], np.float32))
    priorities.learned(np.array([0]), np.array([0.0], np.float32))
    priorities.admit(np.array([2]), np.array([True]))
    assert priorities.leaves.tolist() == [0.5, 0.0, 7.0, 0.0]
    priorities.learned(np.array([1, 2]), np.array([9.0, 1.0]))  # place 1 has none and gets none
    assert priorities.leaves.tolist() == [0.5, 0.0, 1.5, 0.0]


def test_priorities_survive_a_checkpoint_at_any_point_of_the_ring(tmp_path) -> None:
    rng = np.random.default_rng(0)
    buffer = make()
    store = CheckpointStore(tmp_path)
    for count in (1, 3, 12, 7, 20, 2):
        grow(buffer, rng, count)
        if len(buffer):
            assert buffer.priorities is not None
            buffer.priorities.learned(rng.integers(40, size=30), rng.normal(size=30) * 3)
        store.save(buffer.written, {}, dict(buffer.shards()))
        loaded = CheckpointStore(tmp_path).load()
        assert loaded is not None
        other = make()
        grow(other, rng, 5)  # what was there before is gone
        other.restore(loaded.shards)
        assert buffer.priorities is not None
        assert other.priorities is not None
        assert other.priorities.tree.tobytes() == buffer.priorities.tree.tobytes()
        assert other.priorities.largest == buffer.priorities.largest
        if len(buffer):
            one, two = (b.sample(16, np.random.default_rng(3), discount=0.9) for b in (buffer, other))
            np.testing.assert_array_equal(one.observation_tm1, two.observation_tm1)
            np.testing.assert_array_equal(one.weight, two.weight)


def test_a_batch_by_priority_is_what_uniform_sampling_makes_of_those_rows() -> None:
    """Both go by the same rows: each transition drawn by priority is found among many drawn uniformly."""

    def rows(buffer: ReplayBuffer, count: int) -> set[tuple[bytes, ...]]:
        batch = buffer.sample(count, np.random.default_rng(5), discount=0.9, n_step=3, clip_rewards=True)
        arrays = (batch.observation_tm1, batch.action_tm1, batch.reward_t, batch.discount_t, batch.observation_t)
        return set(itertools.starmap(lambda *row: tuple(x.tobytes() for x in row), zip(*arrays)))

    buffers = [make(30, 2, 4, exponent) for exponent in (None, 0.6)]
    for buffer in buffers:
        grow(buffer, np.random.default_rng(1), 50)
    assert rows(buffers[0], 2_000) == rows(buffers[1], 2_000)


@pytest.mark.faults
def test_kill_9_and_the_same_command_gives_the_same_bytes(here: Path, finish_despite_kills: Callable) -> None:
    """With frames in a file besides, which a killed process takes with it."""
    command = [sys.executable, "-m", "rlkit.cli", "train", "configs/rl/cartpole_dqn.toml", "--steps", "6_000"]
    command += ["--prioritised", "--checkpoint-every", "1_000", "--replay-folder", "frames", "--run"]
    subprocess.run([*command, "whole"], check=True, capture_output=True)
    assert finish_despite_kills([*command, "killed"], Path("killed")) >= 1
    for name in ("agent/weights.safetensors", "metrics.jsonl"):
        assert (Path("whole") / name).read_bytes() == (Path("killed") / name).read_bytes(), name
    assert list(Path("frames").iterdir()) == []


def test_mistakes() -> None:
    priorities = Priorities(4, 0.6, 1e-6)
    with pytest.raises(RuntimeError, match="only reset rows"):
        priorities.draw(1, np.random.default_rng(0), 1.0)
    priorities.admit(np.array([0]), np.array([True]))
    with pytest.raises(UserError, match=r"became nan.*lower the learning rate"):
        priorities.learned(np.array([0]), np.array([np.nan], np.float32))
    with pytest.raises(ValueError, match="errors has shape"):
        priorities.learned(np.array([0]), np.zeros((1, 1)))
