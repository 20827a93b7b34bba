"""Markov decision processes as sparse arrays, read from environments, toy-text tables and dense matrices.

The planners need r(s, a), p(s' | s, a) and where an episode ends. An end can belong to a state (a goal) or to a
single outcome (toy-text's `terminated` flag), so it is kept in the one form that covers both: an outcome after which
the episode is over has no successor, and what a row misses from 1 is the probability that the episode ends there.

    q(s, a) = r(s, a) + γ Σ_s' p(s' | s, a) v(s'),   Σ_s' p(s' | s, a) = 1 - P(the episode ends | s, a)

Axes: S states, A actions, E outcomes in CSR order (row s·A + a holds the outcomes of action a in state s).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from neuralcore.errors import UserError
from neuralcore.shape import match_shape


@dataclass(frozen=True, eq=False)
class Grid:
    """How to draw a model whose states are cells.

    Attributes:
        cells: (H, W) int, the state of each cell, -1 for a wall.
        action_symbols: A strings, such as "↑".
        terminal_rewards: (S,) float64, mean reward of entering each terminal; 0 for other states.
    """

    cells: np.ndarray
    action_symbols: tuple[str, ...]
    terminal_rewards: np.ndarray


@dataclass(frozen=True, eq=False)
class MDP:
    """A finite Markov decision process; make one with `MDP.of` or `MDP.random`.

    Attributes:
        indptr: (S·A + 1,), indices: (E,) int32 (int64 where E needs it), probabilities: (E,) float64: the rows of
            p(s' | s, a) in CSR form; a row sums to at most 1 (see the module).
        rewards: (S, A) float64, expected reward r(s, a).
        terminals: (S,) bool, states in which the episode is over; their rows are empty and their rewards 0.
        start: (S,) float64, distribution of the first state.
        grid: how to draw it, or None.
    """

    indptr: np.ndarray
    indices: np.ndarray
    probabilities: np.ndarray
    rewards: np.ndarray
    terminals: np.ndarray
    start: np.ndarray
    grid: Grid | None = None

    def __post_init__(self) -> None:
        states, actions = match_shape(self.rewards, -1, -1, name="rewards")
        match_shape(self.indptr, states * actions + 1, name="indptr")
        match_shape(self.probabilities, *match_shape(self.indices, -1, name="indices"), name="probabilities")
        match_shape(self.terminals, states, name="terminals")
        match_shape(self.start, states, name="start")
        if self.indices.size and not 0 <= self.indices.min() <= self.indices.max() < states:
            raise ValueError(
                f"indices hold {self.indices.min()} to {self.indices.max()}: states are 0 to {states - 1}"
            )

    @property
    def states(self) -> int:
        """S."""
        return self.rewards.shape[0]

    @property
    def actions(self) -> int:
        """A."""
        return self.rewards.shape[1]

    def matrix(self) -> Any:
        """p(s' | s, a) as a scipy CSR matrix of shape (S·A, S) that shares memory with this model."""
        from scipy.sparse import csr_matrix

        shape = self.states * self.actions, self.states
        return csr_matrix((self.probabilities, self.indices, self.indptr), shape=shape)

    @classmethod
    def of(cls, source: Any) -> MDP:
        """The model behind anything that carries one.

        Args:
            source: one of
                - an `MDP`;
                - a Gymnasium environment (wrapped or not) with a `model` or a toy-text table `P`. A time limit is no
                  part of the model: planning is for the unlimited problem;
                - such a model: `successors`, `probabilities` and `rewards` (S, A, K), `terminals` and `start` (S,),
                  `action_symbols`, `grid`;
                - such a table: `P[s][a] = [(probability, successor, reward, terminated), …]`;
                - a pair of arrays (transitions (A, S, S), rewards (S,), (S, A) or (A, S, S)). A state that no action
                  leaves and that pays nothing is a terminal; the start is uniform over the others.

        Raises:
            UserError: there is no model in it, or the model is wrong; the message names the state and action.
        """
        from rlkit import model_readers as readers

        if isinstance(source, MDP):
            return source
        if isinstance(source, tuple) and len(source) == 2:
            return readers.of_matrices(*source)
        if isinstance(source, (Mapping, Sequence)) and not isinstance(source, str):
            return readers.of_toy_text(source)
        environment = getattr(source, "unwrapped", source)
        model = getattr(environment, "model", environment)
        if hasattr(model, "successors"):
            return readers.of_model(model)
        if hasattr(environment, "P"):
            return readers.of_toy_text(environment.P, environment)
        raise UserError(
            f"{type(environment).__name__} has no model to plan with (neither .model nor .P): "
            f"plan in an environment that has one, such as GridWorld-v0, or learn from experience"
        )

    @classmethod
    def random(cls, states: int, actions: int, branching: int, seed: int) -> MDP:
        """A garnet (Archibald, McKinnon & Thomas 1995): random successors, nothing ever ends.

        Args:
            states: S. actions: A.
            branching: outcomes of each action, successors drawn with replacement, probabilities by cutting [0, 1] at
                uniform points; rewards are standard normal.
            seed: of the generator; the same arguments give the same model.
        """
        generator = np.random.default_rng(seed)
        rows = states * actions
        cuts = np.sort(generator.random((rows, branching - 1)), axis=1)
        probabilities = np.diff(cuts, axis=1, prepend=0.0, append=1.0)
        integers = index_type(rows * branching)
        return cls(
            np.arange(0, rows * branching + 1, branching, dtype=integers),
            generator.integers(0, states, rows * branching, dtype=integers),
            probabilities.reshape(-1),
            generator.normal(size=(states, actions)),
            np.zeros(states, bool),
            np.full(states, 1 / states),
        )


def index_type(outcomes: int) -> type:
    """int32 halves the traffic of a sweep; it must count every outcome."""
    return np.int32 if outcomes < 2**31 else np.int64
