"""How a vector environment came to where it is, so that another process can bring a new one there.

An emulator's state cannot be read, but it follows from the seed of a reset and the actions since. What is kept, and
how long it gets, depends on what the vector environment can do:

    takes a snapshot   its own arrays (grids and chains): no actions are kept
    resets copies      each copy's last seed, and the actions since. They would be those of the whole training, so a
    alone              checkpoint marks all copies, and each, where its episode ends the next time, is reset once more
                       with a seed that depends on the checkpoint's number: Gymnasium's vectors of single
                       environments, and Atari's
    neither            the actions since the training began

Where an episode never ends, a mark takes no effect, and the actions since its beginning are kept as well.
Both ways of a training do the same, the one that goes on from the checkpoint and the one that was never stopped, so
no episode is cut, and nothing tells them apart. Axes: T steps kept, N copies.
"""

from __future__ import annotations

import time
from typing import Any

import gymnasium as gym
import numpy as np

from neuralcore.errors import UserError
from neuralcore.seeding import derived_seed

SHOW_EVERY = 10.0  # seconds between two lines while steps are taken again


class History:
    """What a vector environment has been through since `begin`, or as much of it as decides where it is now.

    Args:
        env: a vector environment in autoreset mode NEXT_STEP. It may say by the attribute `resets_alone = True` that
            it takes `reset(seed=[…], options={"reset_mask": mask})` with N seeds, and that a copy's future then
            follows from its seed and its actions; or have `snapshot()` and `restore(snapshot)`, a dict of arrays. A
            wrapper may have a state of its own, so what it wraps is not asked.
        seed: of the training.
    """

    def __init__(self, env: gym.vector.VectorEnv, seed: int):
        self.env, self.seed = env, seed
        bare = env is env.unwrapped
        self.snapshots = bare and hasattr(env, "snapshot")
        self.resets_alone = bare and (
            isinstance(env, gym.vector.SyncVectorEnv | gym.vector.AsyncVectorEnv)
            or getattr(env, "resets_alone", False)
        )

    def begin(self, number: int) -> np.ndarray:
        """Reset all copies, with seeds that are a function of `number`; what was before is forgotten."""
        self._marked = np.zeros(self.env.num_envs, dtype=bool)
        self._number = number
        self._seeds = self._seeds_of(number)
        self._begun = np.zeros(self.env.num_envs, dtype=np.int64)  # the row of `_actions` before which each was reset
        self._actions: np.ndarray | None = None
        self._rows = 0
        return self._reset()

    def mark(self, number: int) -> None:
        """All copies are to get a new seed, which depends on `number`, where their episodes end."""
        if self.resets_alone and not self.snapshots:
            self._marked[:] = True
            self._number = number

    def note(self, actions: np.ndarray, reset_row: np.ndarray) -> np.ndarray | None:
        """Remember a step that has been taken.

        Args:
            actions: (N, …). reset_row: (N,) the copies that have begun a new episode in it.

        Returns:
            (N, …) the observations, if some of those were marked and have begun once more.
        """
        if self.snapshots:
            return None
        if self._actions is None or self._rows == len(self._actions):
            self._make_room(actions)
        assert self._actions is not None
        self._actions[self._rows] = actions
        self._rows += 1
        if not self._marked.any():
            return None
        renewed = self._marked & reset_row
        if not renewed.any():
            return None
        self._marked &= ~renewed
        self._begun[renewed] = self._rows
        self._seeds[renewed] = self._seeds_of(self._number)[renewed]
        return self._reset(renewed)

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Plain values and arrays from which `restore` brings another environment to where this one is."""
        if self.snapshots:
            return {}, {f"env.{name}": array for name, array in self.env.snapshot().items()}  # type: ignore[attr-defined]
        arrays = {"marked": self._marked, "seeds": self._seeds, "begun": self._begun}
        if self._actions is None:
            return {"number": self._number, "dtype": None}, arrays
        self._forget()
        return {"number": self._number, "dtype": self._dtype.str}, {
            **arrays,
            "actions": self._actions[: self._rows],
        }

    def restore(self, plain: dict[str, Any], arrays: dict[str, np.ndarray], observations: np.ndarray) -> None:
        """Bring the environment to where `state` was taken; `observations` (N, …) are what it showed there.

        Raises:
            UserError: it shows something else.
        """
        if self.snapshots:
            self._reset()
            self.env.restore({n.removeprefix("env."): a for n, a in arrays.items() if n.startswith("env.")})  # type: ignore[attr-defined]
            return
        self._number = plain["number"]
        self._marked, self._seeds, self._begun = (arrays[name].copy() for name in ("marked", "seeds", "begun"))
        self._actions, self._rows = None, 0
        if plain["dtype"] is not None:
            self._dtype = np.dtype(plain["dtype"])
            self._actions = arrays["actions"].copy()
            self._rows = len(self._actions)
        shown = self._again()
        different = [i for i in range(self.env.num_envs) if shown[i].tobytes() != observations[i].tobytes()]
        if different:
            raise UserError(
                f"environment {different[0]} does not come back to where the checkpoint left it ({len(different)} of "
                f"{self.env.num_envs} do not): the same seed and actions must lead to the same observations. Mend "
                "the environment, or go on with new episodes (--new-episodes)"
            )

    def _again(self) -> np.ndarray:
        """Take the steps that have been kept, and show where they lead."""
        shown = self._reset()
        if self._actions is None:
            return shown
        due = set(self._begun.tolist())
        last = time.monotonic()
        for row in range(self._rows):
            shown = self.env.step(self._actions[row].astype(self._dtype))[0]
            if row + 1 in due:
                shown = self._reset(self._begun == row + 1)
            if time.monotonic() - last > SHOW_EVERY:
                last = time.monotonic()
                done = f"step {row + 1:,} of {self._rows:,}"
                print(f"bringing the environments back: {done} (--new-episodes goes on without)", flush=True)
        return shown

    def _reset(self, mask: np.ndarray | None = None) -> np.ndarray:
        """Reset all copies, or some, with their seeds."""
        if not self.resets_alone:
            return self.env.reset(seed=int(self._seeds[0]))[0]
        options = None if mask is None else {"reset_mask": mask.copy()}
        return self.env.reset(seed=self._seeds.tolist(), options=options)[0]

    def _seeds_of(self, number: int) -> np.ndarray:
        """(N,) int64, in a row, as Gymnasium makes them from one."""
        first = derived_seed(self.seed, "environment", number) % 2**31  # emulators take 31-bit seeds
        return first + np.arange(self.env.num_envs, dtype=np.int64)

    def _make_room(self, actions: np.ndarray) -> None:
        """Rows for as many steps again as are still needed."""
        if self._actions is None:
            self._dtype = np.asarray(actions).dtype
            self._actions = np.empty((64, *np.shape(actions)), _smallest(self.env.single_action_space, self._dtype))
            return
        self._forget()
        if 2 * self._rows > len(self._actions):
            self._actions = np.concatenate([self._actions, np.empty_like(self._actions)])

    def _forget(self) -> None:
        """Drop the steps before which no copy was last reset."""
        assert self._actions is not None
        first = int(self._begun.min())
        if first:
            self._actions[: self._rows - first] = self._actions[first : self._rows].copy()
            self._rows -= first
            self._begun -= first


def _smallest(space: gym.Space, dtype: np.dtype) -> np.dtype:
    """What holds every action of a space: one byte for those of a game."""
    if not isinstance(space, gym.spaces.Discrete):
        return dtype
    return np.result_type(np.min_scalar_type(int(space.start)), np.min_scalar_type(int(space.start + space.n - 1)))
