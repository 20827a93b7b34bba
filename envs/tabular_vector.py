"""Thousands of GridWorlds or Chains in one compiled loop, each the same as a single one with its seed.

N copies of a `TabularModel` are three arrays of numbers: where each is, how long its episode has lasted, and its
random numbers. One pass over them does what N calls of `TabularEnv.step` would, so that the results are those of
`gymnasium.vector.SyncVectorEnv` bit for bit, in autoreset mode NEXT_STEP.

A single environment draws `Generator.random()` once a step and once a reset, and so does a copy here: its generator
is NumPy's PCG64, begun by NumPy and stepped by the loop. PCG64 is the XSL-RR variant of O'Neill (2014), PCG: A Family
of Simple Fast Space-Efficient Statistically Good Algorithms for Random Number Generation, section 6.3.

Axes: N copies, S states, A actions, K outcomes. Importing this module imports numba; importing `envs` does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector.utils import batch_space
from numba import njit, uint64

from envs.chain import Chain
from envs.gridworld import GridWorld
from envs.model import TabularModel
from envs.tabular import TabularEnv, describe_actions, first_state, observation_space, one_hot

ENDLESS = np.iinfo(np.int64).max  # steps
# The multiplier of PCG64, 0x2360ED051FC65DA44385DF649FCCF645, in halves: numba has no integers of 128 bits.
MULTIPLIER_HIGH, MULTIPLIER_LOW = np.uint64(0x2360ED051FC65DA4), np.uint64(0x4385DF649FCCF645)


class TabularVectorEnv(gym.vector.VectorEnv):
    """N copies of a `TabularModel`, stepped together in autoreset mode NEXT_STEP.

    Args:
        model: S states, A actions, K outcomes. Probabilities or rewards with stride 0 along the states (a view of one
            (A, K) table, as `np.broadcast_to` makes it) stay one table.
        num_envs: N.
        observation: "index" observes the state's number, int64 (N,); "one_hot" float32 (N, S).
        max_episode_steps: steps after which an episode is truncated; None or -1 for no limit.
        render_mode: None. Copies are not drawn.

    As in `TabularEnv`, `reset(options={"state": s})` begins in state s, and infos hold the states' numbers under
    "state", int64 (N,). As in Gymnasium's own vector environments, copy i is seeded with seed + i or with the i-th of
    a list, a reset without a seed lets the random numbers go on, and `reset(options={"reset_mask": mask})` resets
    where the (N,) bools are True, and nowhere else. Every array given out is new, so that a learner may keep it.

    Raises:
        ValueError: an argument, an option or an action out of range.
        gymnasium.error.ResetNeeded: a step before the first reset.
    """

    metadata = {"render_modes": [], "autoreset_mode": gym.vector.AutoresetMode.NEXT_STEP}  # noqa: RUF012 (Gymnasium's)

    def __init__(
        self,
        model: TabularModel,
        num_envs: int,
        *,
        observation: str = "index",
        max_episode_steps: int | None = None,
        render_mode: str | None = None,
    ):
        if num_envs < 1:
            raise ValueError(f"num_envs is {num_envs}: it must be at least 1")
        if render_mode is not None:
            raise ValueError(
                f"render_mode is {render_mode!r}: many at once are not drawn; render a single one with envs.make, "
                "or pass vectorization_mode='sync'"
            )
        if max_episode_steps not in (None, -1) and max_episode_steps < 1:
            raise ValueError(f"max_episode_steps is {max_episode_steps}: 1 or more, or -1 for no limit")
        self.model, self.num_envs, self.observation = model, num_envs, observation
        self.max_episode_steps = None if max_episode_steps == -1 else max_episode_steps
        self.single_observation_space = observation_space(model, observation)
        self.single_action_space = gym.spaces.Discrete(model.successors.shape[1])
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

        # Summed as `TabularEnv` sums; states in which no episode begins are never drawn and left out.
        starts = np.flatnonzero(model.start)
        self._starts = starts, np.cumsum(model.start)[starts]
        self._tables = (
            np.cumsum(_one_if_shared(model.probabilities), axis=2),  # (S or 1, A, K)
            np.ascontiguousarray(_one_if_shared(model.rewards)),  # (S or 1, A, K)
            np.ascontiguousarray(model.successors),
            np.ascontiguousarray(model.terminals),
        )
        self._begun = False
        self._states = np.zeros(num_envs, np.int64)
        self._elapsed = np.zeros(num_envs, np.int64)  # steps of the episode so far
        self._finished = np.zeros(num_envs, bool)  # the next step is a reset
        self._streams = np.zeros((num_envs, 4), np.uint64)  # of PCG64: state high, low; increment high, low
        self._seeds: list[int | None] = [None] * num_envs

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        first, mask = first_state(self.model, options), self._mask((options or {}).get("reset_mask"))
        if seed is None:
            seed = [None] * self.num_envs
        elif isinstance(seed, int):
            seed = range(seed, seed + self.num_envs)
        if len(seed) != self.num_envs:
            raise ValueError(f"seed has {len(seed)} entries: {self.num_envs} sub-environments take as many")
        self._seed(seed, mask)
        if first is None:
            _draw_starts(mask, self._streams, self._starts, self._states)
        else:
            self._states[mask] = first
        self._elapsed[mask] = 0
        self._finished[mask] = False
        self._begun = True
        return self._observe(), {"state": np.where(mask, self._states, 0), "_state": mask.copy()}

    def step(self, actions: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Act in all copies; the action of a copy whose episode has just ended is ignored, and it is reset instead.

        Args:
            actions: (N,) integers in 0 … A-1.

        Returns:
            Observations (N,) or (N, S), rewards float64 (N,), terminated and truncated bool (N,), infos.
        """
        if not self._begun:
            raise gym.error.ResetNeeded("Cannot call env.step() before calling env.reset()")
        given = np.asarray(actions)
        if given.shape != (self.num_envs,):
            raise ValueError(
                f"actions have the shape {given.shape}: {self.num_envs} sub-environments take {(self.num_envs,)}"
            )
        if given.dtype.kind not in "iu":
            raise ValueError(
                f"sub-environment 0: action is {given[0]!r} of dtype {given.dtype}: "
                f"actions are integers, {describe_actions(self.model)}"
            )
        rewards = np.empty(self.num_envs)
        terminated, truncated = np.empty(self.num_envs, bool), np.empty(self.num_envs, bool)
        refused = _step(
            np.ascontiguousarray(given, np.int64),
            self.max_episode_steps or ENDLESS,
            self._tables,
            self._starts,
            self._states,
            self._elapsed,
            self._finished,
            self._streams,
            rewards,
            terminated,
            truncated,
        )
        if refused >= 0:
            raise ValueError(
                f"sub-environment {refused}: action is {given[refused]}: actions are {describe_actions(self.model)}"
            )
        infos = {"state": self._states.copy(), "_state": np.ones(self.num_envs, bool)}
        return self._observe(), rewards, terminated, truncated, infos

    @property  # type: ignore[misc]
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]
        """A NumPy generator for each copy, as it stands now. Drawing from it does not move the copy's own on."""
        self._seed([None] * self.num_envs, np.ones(self.num_envs, bool))
        generators = []
        for high, low, increment_high, increment_low in self._streams.tolist():
            bits = np.random.PCG64(0)
            words = {"state": high << 64 | low, "inc": increment_high << 64 | increment_low}
            bits.state = {**bits.state, "state": words}  # type: ignore[typeddict-item]
            generators.append(np.random.Generator(bits))
        return tuple(generators)

    @property
    def np_random_seed(self) -> tuple[int | None, ...]:  # type: ignore[override]
        """The seed that each copy was last given, or drew."""
        self._seed([None] * self.num_envs, np.ones(self.num_envs, bool))
        return tuple(self._seeds)

    def snapshot(self) -> dict[str, np.ndarray]:
        """Where all copies are, and their random numbers: what `restore` takes."""
        return {
            "states": self._states.copy(),
            "elapsed": self._elapsed.copy(),
            "finished": self._finished.copy(),
            "streams": self._streams.copy(),
        }

    def restore(self, snapshot: dict[str, np.ndarray]) -> None:
        """Be where `snapshot` was taken, after a first reset; `np_random_seed` stays that of the reset.

        Raises:
            ValueError: it is of another number of copies.
        """
        for name, array in snapshot.items():
            own = getattr(self, f"_{name}")
            if array.shape != own.shape:
                raise ValueError(f"the snapshot's {name} are {array.shape}: {self.num_envs} copies have {own.shape}")
            own[:] = array

    def _mask(self, mask: Any) -> np.ndarray:
        """The copies to reset, checked: all for None."""
        if mask is None:
            return np.ones(self.num_envs, bool)
        mask = np.asarray(mask)
        if mask.dtype != bool or mask.shape != (self.num_envs,) or not mask.any():
            raise ValueError(
                f"options['reset_mask'] is {mask.dtype} of shape {mask.shape}: "
                f"it takes bools of shape {(self.num_envs,)}, at least one of them True"
            )
        if not self._begun:
            raise gym.error.ResetNeeded("options['reset_mask'] before a first reset of all sub-environments")
        return mask

    def _seed(self, seeds: Sequence[int | None], mask: np.ndarray) -> None:
        """Begin the random numbers of copies that are given a seed, or have none yet: then with one of their own."""
        for i in np.flatnonzero(mask).tolist():
            if seeds[i] is not None or self._seeds[i] is None:
                generator, self._seeds[i] = seeding.np_random(seeds[i])
                words = generator.bit_generator.state["state"]
                self._streams[i] = *divmod(words["state"], 2**64), *divmod(words["inc"], 2**64)

    def _observe(self) -> np.ndarray:
        return self._states.copy() if self.observation == "index" else one_hot(self._states, len(self.model.start))


def grid_worlds(num_envs: int = 1, *, max_episode_steps: int | None = None, **arguments: Any) -> TabularVectorEnv:
    """N copies of `GridWorld(**arguments)`."""
    return _copies(GridWorld(**arguments), num_envs, max_episode_steps)


def chains(num_envs: int = 1, *, max_episode_steps: int | None = None, **arguments: Any) -> TabularVectorEnv:
    """N copies of `Chain(**arguments)`, whose episodes end by themselves; `max_episode_steps` can end them sooner."""
    chain = Chain(**arguments)
    limit = chain.episode_steps if max_episode_steps in (None, -1) else min(max_episode_steps, chain.episode_steps)
    return _copies(chain, num_envs, limit)


def _copies(single: TabularEnv, num_envs: int, max_episode_steps: int | None) -> TabularVectorEnv:
    return TabularVectorEnv(
        single.model,
        num_envs,
        observation=single.observation,
        max_episode_steps=max_episode_steps,
        render_mode=single.render_mode,
    )


def _one_if_shared(table: np.ndarray) -> np.ndarray:
    """(S, A, K), or (1, A, K) where all states share one row."""
    return table[:1] if table.strides[0] == 0 else table


@njit(cache=True, nogil=True)
def _step(actions, limit, tables, starts, states, elapsed, finished, streams, rewards, terminated, truncated):
    """One step of every copy, in place; returns -1, or the first copy with a bad action and nothing done."""
    cumulative, paid, successors, terminals = tables
    _, n_actions, n_outcomes = successors.shape
    for i in range(len(actions)):
        if not finished[i] and not 0 <= actions[i] < n_actions:
            return i
    # Where all states share a row, they read row 0: their number times 0.
    own_chances, own_rewards = uint64(len(cumulative) > 1), uint64(len(paid) > 1)
    for i in range(len(actions)):
        uniform = _random(streams, i)
        if finished[i]:
            states[i] = _start(starts, uniform)
            elapsed[i] = 0
            rewards[i] = 0.0
            terminated[i] = truncated[i] = finished[i] = False
            continue
        # Unsigned, because for signed indices numba first asks whether they count from the end.
        state, action = uint64(states[i]), uint64(actions[i])
        chances = cumulative[state * own_chances, action]
        target = uniform * chances[n_outcomes - 1]
        # np.searchsorted(chances, target, "right") without branches, which would be guessed wrong as often as a move
        # slips: how many running sums the target has reached. It is below the last.
        outcome = uint64(0)
        for k in range(n_outcomes - 1):
            outcome += uint64(chances[k] <= target)
        successor = successors[state, action, outcome]
        states[i] = successor
        rewards[i] = paid[state * own_rewards, action, outcome]
        elapsed[i] += 1
        terminated[i] = terminals[uint64(successor)]
        truncated[i] = elapsed[i] >= limit
        finished[i] = terminated[i] or truncated[i]
    return -1


@njit(cache=True, nogil=True)
def _draw_starts(mask, streams, starts, states):
    """Draw the first states of the copies in `mask`."""
    for i in range(len(mask)):
        if mask[i]:
            states[i] = _start(starts, _random(streams, i))


@njit(cache=True, nogil=True)
def _start(starts, uniform):
    """The first state that a number in [0, 1) stands for, as `envs.tabular._sample` finds it."""
    numbers, cumulative = starts
    return numbers[np.searchsorted(cumulative, uniform * cumulative[-1], side="right")]


@njit(cache=True, nogil=True)
def _random(streams, i):
    """What `Generator.random()` would give for stream i, which moves on.

    state <- state · multiplier + increment modulo 2^128; then the halves of the state are XORed, the result is turned
    to the right by the state's top 6 bits, and its top 53 bits are taken as a fraction. All operands are unsigned:
    with a signed one, numba would go over to float64.
    """
    high, low = streams[i, 0], streams[i, 1]
    product = low * MULTIPLIER_LOW
    high = _high_product(low, MULTIPLIER_LOW) + high * MULTIPLIER_LOW + low * MULTIPLIER_HIGH + streams[i, 2]
    low = product + streams[i, 3]
    high += uint64(low < product)  # the carry
    streams[i, 0], streams[i, 1] = high, low
    mixed, turn = high ^ low, high >> uint64(58)
    mixed = mixed >> turn | mixed << ((uint64(64) - turn) & uint64(63))
    return np.int64(mixed >> uint64(11)) * 2.0**-53


@njit(cache=True, nogil=True)
def _high_product(a, b):
    """The upper 64 bits of a · b, by the products of their 32-bit halves."""
    half, mask = uint64(32), uint64(0xFFFFFFFF)
    a_high, a_low, b_high, b_low = a >> half, a & mask, b >> half, b & mask
    middle = a_high * b_low + (a_low * b_low >> half)
    carried = a_low * b_high + (middle & mask)
    return a_high * b_high + (middle >> half) + (carried >> half)
