"""The replay buffer: the last transitions of N environments, every frame stored once.

Rows are vector steps in the order they came, columns environments. Row t holds observation_t, action_t, the reward
and `terminated`; the observation after it is row t+1's observation, also at the end of an episode, because in
autoreset mode NEXT_STEP the last observation has a row of its own (a reset row: stored, never sampled).

When an observation is a stack of S frames (C, H, W) -> the environment's own frame stack, only its newest frame is
kept, and a stack is put together again when sampled: frames from before an episode's start are zeros. A stack of
four stored twice (before and after) costs 56 kB a transition, this costs 7 kB.

Transitions are drawn uniformly or by priority (`rlkit.priorities`), and the frames are kept in memory, in a file
(`rlkit.mapped_array`) or on the device that learns (`rlkit.device_array`); neither changes anything else here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from neuralcore.checkpoint import Shard
from neuralcore.errors import UserError
from neuralcore.shape import match_shape
from rlkit.device_array import DeviceArray
from rlkit.mapped_array import mapped_array
from rlkit.priorities import Priorities
from rlkit.rollout import Step

SEGMENT_BYTES = 32 * 2**20  # a checkpoint rewrites only the segments that changed since the last one


@dataclass(frozen=True)
class Transitions:
    """A batch of B transitions.

    Attributes:
        observation_tm1: (B, …) before the action; a tensor if the frames are kept on a device.
        action_tm1: (B,) int64.
        reward_t: (B,) float32, the discounted sum of the n rewards that followed.
        discount_t: (B,) float32, what the value of observation_t counts: discount^n, 0 where the episode terminated.
        observation_t: (B, …) after those n steps, or the last of the episode.
        weight: (B,) float32, what each counts in the loss; None where all count alike (uniform sampling).
        place: (B,) int64, what `Priorities.learned` knows them by; None in uniform sampling.
    """

    observation_tm1: np.ndarray | torch.Tensor
    action_tm1: np.ndarray
    reward_t: np.ndarray
    discount_t: np.ndarray
    observation_t: np.ndarray | torch.Tensor
    weight: np.ndarray | None = None
    place: np.ndarray | None = None

    def part(self, rows: slice) -> Transitions:
        """Some of them."""
        return Transitions(*(None if a is None else a[rows] for a in vars(self).values()))  # type: ignore[arg-type]


class ReplayBuffer:
    """A ring of vector steps.

    Args:
        capacity: transitions kept, at least (rounded up to whole rows).
        num_envs: N. shape, dtype: of one observation.
        stack: S when the observation's first axis is a stack of S frames of which the last is the newest; 1 else.
        priority_exponent, priority_floor: see `Priorities`; an exponent of None draws uniformly.
        folder: where the file of the frames goes; empty keeps them in memory.
        device: where the frames go instead; None keeps them in memory.

    Attributes:
        priorities: the `Priorities`, place = row · N + column, or None.
    """

    def __init__(
        self,
        capacity: int,
        num_envs: int,
        shape: tuple[int, ...],
        dtype: np.dtype | type,
        *,
        stack: int = 1,
        priority_exponent: float | None = None,
        priority_floor: float = 1e-6,
        folder: str = "",
        device: torch.device | None = None,
    ):
        if capacity < 2 * num_envs:
            raise UserError(f"replay capacity {capacity} holds fewer than two steps of {num_envs} environments")
        if stack > 1 and shape[0] != stack:
            raise ValueError(f"observations of shape {shape} are no stack of {stack} frames")
        self.num_envs, self.shape, self.stack = num_envs, shape, stack
        # One row more than asked for: the newest row has no successor yet, so it cannot be sampled.
        self.rows = -(-capacity // num_envs) + stack
        frame = shape[1:] if stack > 1 else shape
        # np.empty takes memory from the system only as rows are written: a large buffer starts small.
        frames = (self.rows, num_envs, *frame)
        self.frames: np.ndarray | DeviceArray
        if device is not None:
            self.frames = DeviceArray(frames, dtype, device)
        else:
            self.frames = mapped_array(frames, dtype, folder) if folder else np.empty(frames, dtype=dtype)
        self.actions = np.empty((self.rows, num_envs), dtype=np.int64)
        self.rewards = np.empty((self.rows, num_envs), dtype=np.float32)
        self.terminated = np.empty((self.rows, num_envs), dtype=bool)
        self.transition = np.zeros((self.rows, num_envs), dtype=bool)
        self.age = np.zeros((self.rows, num_envs), dtype=np.uint8)  # steps since the episode began, up to S-1
        self.written = 0  # rows ever written
        self._age = np.zeros(num_envs, dtype=np.uint8)
        self.priorities: Priorities | None = None
        if priority_exponent is not None:
            self.priorities = Priorities(self.rows * num_envs, priority_exponent, priority_floor)
        row_bytes = max(self.frames[0].nbytes, 1)
        self.segment_rows = max(1, min(self.rows, SEGMENT_BYTES // row_bytes))

    def __len__(self) -> int:
        """Rows that can be sampled from (each of N transitions, less its reset rows)."""
        return max(min(self.written, self.rows) - self.stack, 0)

    @property
    def nbytes(self) -> int:
        """Bytes taken once the ring is full."""
        return sum(getattr(self, name).nbytes for name in _ARRAYS) + (
            self.priorities.tree.nbytes if self.priorities else 0
        )

    def add(self, step: Step) -> None:
        """Append one step of the N environments."""
        match_shape(step.observation_t, self.num_envs, *self.shape, name="observation_t")
        row = self.written % self.rows
        self.frames[row] = step.observation_t[:, -1] if self.stack > 1 else step.observation_t
        self.actions[row] = step.action_t
        self.rewards[row] = step.reward
        self.terminated[row] = step.terminated
        self.transition[row] = step.transition
        self.age[row] = self._age
        # After a reset row a new episode begins.
        self._age = np.where(step.transition, np.minimum(self._age + 1, self.stack - 1), 0).astype(np.uint8)
        self.written += 1
        if self.priorities is not None and len(self):
            self._admit(self.priorities)

    def _admit(self, priorities: Priorities) -> None:
        """The row before the newest has a successor now and can be drawn; in a full ring, the oldest no longer."""
        entered = (self.written - 2) % self.rows
        left = (self.written - 2 - len(self)) % self.rows
        columns = np.arange(self.num_envs)
        places = np.concatenate([entered * self.num_envs + columns, left * self.num_envs + columns])
        priorities.admit(places, np.concatenate([self.transition[entered], np.zeros(self.num_envs, dtype=bool)]))

    def cut(self, observations: np.ndarray) -> None:
        """Close the open episodes, as a time limit would: their last observations are stored, never acted upon.

        Args:
            observations: (N, …) what the environments show now.
        """
        nothing = np.zeros(self.num_envs)
        never = np.zeros(self.num_envs, dtype=bool)
        self.add(Step(observations, nothing.astype(np.int64), nothing, never, never, never))

    def sample(
        self,
        batch: int,
        generator: np.random.Generator,
        *,
        discount: float,
        n_step: int = 1,
        clip_rewards: bool = False,
        importance_exponent: float = 0.0,
    ) -> Transitions:
        """`batch` transitions, with replacement: uniformly, or by priority, weighted with `importance_exponent`.

        With `n_step` above 1 the rewards of up to n steps are summed (Sutton & Barto, section 7.1); the sum ends
        early where the episode does, and bootstraps there if that was a truncation.
        """
        size = len(self)
        if size < 1:
            raise ValueError("the replay buffer holds nothing that can be sampled yet")
        newest = self.written - 1  # no successor yet; sampled rows lie in [newest - size, newest)
        weight_in_loss = place = None
        if self.priorities is None:
            rows, columns = self._draw(batch, generator)
        else:
            place, weight_in_loss = self.priorities.draw(batch, generator, importance_exponent)
            at, columns = np.divmod(place, self.num_envs)
            rows = newest - (newest - at) % self.rows
        reward = np.zeros(batch, dtype=np.float32)
        weight = np.ones(batch, dtype=np.float32)  # discount^k so far; 0 once the episode has terminated
        after, running = rows.copy(), np.ones(batch, dtype=bool)
        for _ in range(n_step):
            at = after % self.rows
            running &= self.transition[at, columns] & (after < newest)
            rewards = self.rewards[at, columns]
            if clip_rewards:
                rewards = rewards.clip(-1.0, 1.0)
            reward += np.where(running, weight * rewards, 0.0).astype(np.float32)
            ended = running & self.terminated[at, columns]
            weight = np.where(ended, 0.0, np.where(running, weight * discount, weight)).astype(np.float32)
            after += running
            running &= ~ended
        return Transitions(
            self._observations(rows, columns),
            self.actions[rows % self.rows, columns],
            reward,
            weight,
            self._observations(after, columns),
            weight_in_loss,
            place,
        )

    def _draw(self, batch: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """(B,) rows and columns, uniformly among the transitions: what is none is drawn again."""
        newest, size = self.written - 1, len(self)
        rows, columns = _draw(generator, newest - size, newest, self.num_envs, batch)
        for _ in range(1000):
            rejected = np.flatnonzero(~self.transition[rows % self.rows, columns])
            if len(rejected) == 0:
                return rows, columns
            again = _draw(generator, newest - size, newest, self.num_envs, len(rejected))
            rows[rejected], columns[rejected] = again
        raise RuntimeError("the replay buffer holds no transitions, only reset rows")

    def _observations(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray | torch.Tensor:
        """(B, *shape): the observations of those rows, stacks put together again."""
        if self.stack == 1:
            return self.frames[rows % self.rows, columns]
        back = np.arange(self.stack - 1, -1, -1)  # S-1 … 0 steps before the row
        frames = self.frames[(rows[:, None] - back) % self.rows, columns[:, None]]
        before_start = back[None, :] > self.age[rows % self.rows, columns][:, None]
        frames[torch.from_numpy(before_start) if isinstance(frames, torch.Tensor) else before_start] = 0
        return frames

    def shards(self) -> Iterator[tuple[str, Shard]]:
        """The buffer in segments whose version changes only when they were written to."""
        for number, start in enumerate(range(0, min(self.written, self.rows), self.segment_rows)):
            part = slice(start, min(start + self.segment_rows, self.rows))
            used = slice(start, min(part.stop, self.written))
            arrays = {name: _on_host(getattr(self, name)[used]) for name in _ARRAYS}
            yield f"replay_{number:05d}", Shard(arrays, version=self._last_write(part))
        yield "replay_position", Shard({"written": np.array([self.written]), "age": self._age})
        if self.priorities is not None:  # they change everywhere at once, so they are no part of the segments
            leaves = self.priorities.leaves[: min(self.written, self.rows) * self.num_envs]
            largest = np.array([self.priorities.largest])
            yield "replay_priorities", Shard({"leaves": leaves, "largest": largest})

    def _last_write(self, part: slice) -> int:
        """The number of the newest row inside a segment: changes if and only if the segment does."""
        newest = self.written - 1
        at = newest % self.rows
        if part.start <= at < part.stop:
            return newest
        last = part.stop - 1
        return newest - (at - last) % self.rows

    def restore(self, shards: dict[str, dict[str, np.ndarray]]) -> None:
        """Take what `shards` gave."""
        self.written = int(shards["replay_position"]["written"][0])
        self._age = shards["replay_position"]["age"].copy()
        for number, start in enumerate(range(0, min(self.written, self.rows), self.segment_rows)):
            for name in _ARRAYS:
                stored = shards[f"replay_{number:05d}"][name]
                getattr(self, name)[start : start + len(stored)] = stored
        if self.priorities is not None:
            kept = shards["replay_priorities"]
            self.priorities.restore(kept["leaves"], float(kept["largest"][0]))


_ARRAYS = ("frames", "actions", "rewards", "terminated", "transition", "age")


def _on_host(values: np.ndarray | torch.Tensor) -> np.ndarray:
    return values.cpu().numpy() if isinstance(values, torch.Tensor) else values


def _draw(
    generator: np.random.Generator, low: int, high: int, num_envs: int, count: int
) -> tuple[np.ndarray, np.ndarray]:
    return generator.integers(low, high, size=count), generator.integers(num_envs, size=count)
