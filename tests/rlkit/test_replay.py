from __future__ import annotations

import shutil

import gymnasium as gym
import numpy as np
import pytest
import torch

from agents.q_agent import encode
from neuralcore.checkpoint import CheckpointStore
from neuralcore.errors import UserError
from rlkit import replay as replay_module
from rlkit.environments import make_vector_env
from rlkit.mapped_array import mapped_array
from rlkit.replay import ReplayBuffer
from rlkit.rollout import Rollout, Step


def numbered(buffer: ReplayBuffer, count: int, episode: int = 5) -> None:
    """Rows numbered from `written` on: observation = row, action = row, terminated every `episode` rows."""
    n = buffer.num_envs
    for t in range(buffer.written, buffer.written + count):
        phase = t % (episode + 1)
        step = Step(
            np.full((n, 1), t, np.float32),
            np.full(n, t),
            np.full(n, float(t)),
            np.full(n, phase == episode - 1),
            np.zeros(n, bool),
            np.full(n, phase != episode),
        )
        buffer.add(step)


def test_successors_follow_and_reset_rows_are_never_drawn() -> None:
    buffer = ReplayBuffer(60, 3, (1,), np.float32)
    numbered(buffer, 57)  # the ring of 21 rows has gone round twice
    batch = buffer.sample(2_000, np.random.default_rng(0), discount=0.9)
    before, after = batch.observation_tm1[:, 0], batch.observation_t[:, 0]
    np.testing.assert_array_equal(after, before + 1)
    np.testing.assert_array_equal(batch.action_tm1, before)
    np.testing.assert_array_equal(batch.reward_t, before)
    assert not (before % 6 == 5).any()
    np.testing.assert_allclose(batch.discount_t, np.where(before % 6 == 4, 0.0, 0.9))
    # Every transition the ring still holds is drawn, and about as often as any other.
    values, counts = np.unique(before, return_counts=True)
    assert set(values) == {t for t in range(36, 56) if t % 6 != 5}
    assert counts.max() < 2 * counts.min()


def test_frame_stacks_stored_once_equal_the_environments_own() -> None:
    env = make_vector_env("ALE/Pong-v5", 2)
    rollout = Rollout(env, seed=0)
    buffer = ReplayBuffer(150, 2, (4, 84, 84), np.uint8, stack=4)
    generator = np.random.default_rng(1)
    seen: dict[tuple[int, int], np.ndarray] = {}
    for t in range(110):  # the ring goes round; a cut in the middle begins new episodes
        if t == 60:
            seen.update({(buffer.written, i): rollout.observations[i].copy() for i in range(2)})
            buffer.cut(rollout.observations)
            rollout.restart(1)
        seen.update({(buffer.written, i): rollout.observations[i].copy() for i in range(2)})
        buffer.add(rollout.step(generator.integers(6, size=2)))
    assert buffer.frames.nbytes == buffer.rows * 2 * 84 * 84
    newest = buffer.written - 1
    for row in range(newest - len(buffer), newest):
        for i in range(2):
            stack = buffer._observations(np.array([row]), np.array([i]))[0]
            np.testing.assert_array_equal(stack, seen[row, i], err_msg=f"row {row}")


def test_a_cut_ends_the_episode_without_ending_the_value() -> None:
    buffer = ReplayBuffer(20, 1, (1,), np.float32)
    numbered(buffer, 3, episode=100)
    buffer.cut(np.array([[99.0]], np.float32))
    numbered(buffer, 2, episode=100)
    batch = buffer.sample(200, np.random.default_rng(0), discount=0.9)
    last = batch.observation_tm1[:, 0] == 2
    assert last.any()
    assert (batch.observation_t[last, 0] == 99).all()
    np.testing.assert_allclose(batch.discount_t, 0.9)
    assert not (batch.observation_tm1[:, 0] == 99).any()


def test_n_step_returns_stop_where_episodes_do() -> None:
    buffer = ReplayBuffer(60, 1, (1,), np.float32)
    numbered(buffer, 12)  # rows 0-4 an episode that terminates, 5 its last observation, 6-10 another, 11 the newest
    buffer.terminated[10] = False  # the second is truncated
    batch = buffer.sample(500, np.random.default_rng(0), discount=0.5, n_step=3)
    found = {
        int(o[0]): (float(r), float(d), int(a[0]))
        for o, r, d, a in zip(batch.observation_tm1, batch.reward_t, batch.discount_t, batch.observation_t)
    }
    assert found[1] == (1 + 2 / 2 + 3 / 4, 0.125, 4)
    assert found[2] == (2 + 3 / 2 + 4 / 4, 0.0, 5)  # terminated in the third step
    assert found[4] == (4, 0.0, 5)
    assert found[9] == (9 + 10 / 2, 0.25, 11)  # truncated after two: bootstraps from the last observation
    assert found[10] == (10, 0.5, 11)
    clipped = buffer.sample(50, np.random.default_rng(0), discount=0.5, n_step=2, clip_rewards=True)
    assert clipped.reward_t.max() == 1.5


def test_only_changed_segments_are_written_again(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_module, "SEGMENT_BYTES", 5 * 4 * 2)  # five rows a segment
    buffer = ReplayBuffer(40, 2, (1,), np.float32)
    store = CheckpointStore(tmp_path)
    numbered(buffer, 12)
    first = store.save(1, {}, dict(buffer.shards()))
    numbered(buffer, 2)
    second = store.save(2, {}, dict(buffer.shards()))
    same = [p.name for p in sorted(first.glob("replay_0*")) if p.samefile(second / p.name)]
    assert same == ["replay_00000.safetensors", "replay_00001.safetensors"]
    for count in (7, 13, 21, 30):  # and at any point of the ring what is restored is what was kept
        numbered(buffer, count)
        store.save(buffer.written, {}, dict(buffer.shards()))
        loaded = CheckpointStore(tmp_path).load()
        assert loaded is not None
        other = ReplayBuffer(40, 2, (1,), np.float32)
        other.restore(loaded.shards)
        one, two = (b.sample(64, np.random.default_rng(3), discount=0.9) for b in (buffer, other))
        np.testing.assert_array_equal(one.observation_tm1, two.observation_tm1)
        np.testing.assert_array_equal(one.discount_t, two.discount_t)


@pytest.mark.parametrize("stack", [1, 4])
def test_a_device_gives_the_bytes_that_memory_gives(stack: int, tmp_path) -> None:
    """On a GPU where there is one; the code is the same on the CPU."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    shape, dtype = ((4, 3, 2), np.uint8) if stack == 4 else ((2,), np.float64)
    options = {"stack": stack, "priority_exponent": 0.6}
    in_memory = ReplayBuffer(60, 3, shape, dtype, **options)
    on_device, again = (ReplayBuffer(60, 3, shape, dtype, device=device, **options) for _ in range(2))
    rng = np.random.default_rng(0)
    for _ in range(57):
        transition = rng.random(3) < 0.9
        observations = rng.integers(0, 256, (3, *shape)).astype(dtype)
        never = np.zeros(3, bool)
        step = Step(observations, rng.integers(0, 2, 3), rng.normal(size=3), never, never, transition)
        in_memory.add(step)
        on_device.add(step)
    store = CheckpointStore(tmp_path)
    store.save(1, {}, dict(on_device.shards()))
    checkpoint = store.load()
    assert checkpoint is not None
    again.restore(checkpoint.shards)
    assert in_memory.nbytes == on_device.nbytes
    one, two, three = (
        b.sample(64, np.random.default_rng(3), discount=0.9, n_step=3) for b in (in_memory, on_device, again)
    )
    for other in (two, three):
        assert isinstance(other.observation_t, torch.Tensor)
        assert other.observation_t.device.type == device.type
        for name, value in vars(one).items():
            found = getattr(other, name)
            found = found.cpu().numpy() if isinstance(found, torch.Tensor) else found
            assert found.dtype == value.dtype
            np.testing.assert_array_equal(found, value, err_msg=name)
    space = gym.spaces.Box(0, 255, shape, dtype)
    encoded = [encode(batch.observation_tm1, space, device) for batch in (one, two)]
    assert encoded[0].dtype == encoded[1].dtype
    assert torch.equal(*encoded)


def test_a_file_gives_the_bytes_that_memory_gives(tmp_path) -> None:
    in_memory, in_file = (ReplayBuffer(60, 3, (1,), np.float32, folder=f) for f in ("", str(tmp_path / "disk")))
    for buffer in (in_memory, in_file):
        numbered(buffer, 57)
    assert in_memory.frames[: in_memory.rows].tobytes() == in_file.frames[: in_file.rows].tobytes()
    one, two = (b.sample(64, np.random.default_rng(3), discount=0.9) for b in (in_memory, in_file))
    assert one.observation_t.tobytes() == two.observation_t.tobytes()
    store = CheckpointStore(tmp_path / "checkpoints")
    store.save(1, {}, dict(in_file.shards()))
    checkpoint = store.load()
    assert checkpoint is not None
    again = ReplayBuffer(60, 3, (1,), np.float32, folder=str(tmp_path / "disk"))
    again.restore(checkpoint.shards)
    assert again.frames.tobytes() == in_memory.frames.tobytes()
    # The files have no name: whatever ends the process, it leaves nothing behind.
    assert list((tmp_path / "disk").iterdir()) == []


def test_a_mapped_file_takes_the_disk_page_by_page(tmp_path) -> None:
    if shutil.disk_usage(tmp_path).free < 8e9:
        pytest.skip("needs 8 GB free, of which it takes next to nothing")
    free = shutil.disk_usage(tmp_path).free
    array = mapped_array((4_000, 1_000_000), np.uint8, tmp_path)
    array[::1_000, 5] = 7
    assert array[::1_000, :10].sum() == 4 * 7
    assert free - shutil.disk_usage(tmp_path).free < 2e9
    with pytest.raises(UserError, match=r"GB free, the replay needs 8000000.00 GB"):
        mapped_array((8_000_000, 1_000_000_000), np.uint8, tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be kept in"):
        mapped_array((8,), np.uint8, tmp_path / "file")


def test_a_million_atari_transitions_fit_in_7_5_gigabytes() -> None:
    for exponent in (None, 0.6):  # the pages are taken only when written: this costs nothing here
        buffer = ReplayBuffer(1_000_000, 1, (4, 84, 84), np.uint8, stack=4, priority_exponent=exponent)
        print(f"1,000,000 Atari transitions, priority exponent {exponent}: {buffer.nbytes / 1e9:.3f} GB")
        assert buffer.nbytes <= 7.5e9


def test_mistakes() -> None:
    with pytest.raises(UserError, match="fewer than two steps"):
        ReplayBuffer(3, 2, (1,), np.float32)
    with pytest.raises(ValueError, match="no stack of 4"):
        ReplayBuffer(100, 2, (3, 84, 84), np.uint8, stack=4)
    with pytest.raises(ValueError, match="nothing that can be sampled"):
        ReplayBuffer(100, 2, (1,), np.float32).sample(1, np.random.default_rng(0), discount=0.9)
