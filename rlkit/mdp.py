"""Markov decision processes as sparse arrays; made from environments, tables, matrices, functions and files.

The planners need r(s, a), p(s' | s, a) and where an episode ends. An end can belong to a state (a goal) or to a
single outcome (toy-text's `terminated` flag), so it is kept in the one form that covers both: an outcome after which
the episode is over has no successor, and what a row misses from 1 is the probability that the episode ends there.

    q(s, a) = r(s, a) + γ Σ_s' p(s' | s, a) v(s'),   Σ_s' p(s' | s, a) = 1 - P(the episode ends | s, a)

Axes: S states, A actions, E outcomes in CSR order (row s·A + a holds the outcomes of action a in state s).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from neuralcore.errors import UserError
from neuralcore.kernels.bellman import Rows, Table, match_model
from neuralcore.shape import match_shape

TABLES = (".csv", ".parquet")  # files that hold a table of transitions
ENDS = 1e-9  # a row that misses more than this from 1 may end; less is rounding


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
    """A finite Markov decision process; make one with `MDP.of`, `MDP.from_function`, `MDP.read` or `MDP.random`.

    Attributes:
        transitions: `Rows`, or a `Table` for worlds that are alike everywhere, such as grids (see the op `bellman`);
            probabilities may sum to less than 1 (see the module).
        rewards: (S, A) float64, expected reward r(s, a).
        terminals: (S,) bool, states in which the episode is over; they have no successors and their rewards are 0.
        start: (S,) float64, distribution of the first state.
        grid: how to draw it, or None.
        state_names, action_names: S and A strings, or empty where numbers say it all.
    """

    transitions: Rows | Table
    rewards: np.ndarray
    terminals: np.ndarray
    start: np.ndarray
    grid: Grid | None = None
    state_names: tuple[str, ...] = ()
    action_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        states, actions = match_model(self.transitions, self.rewards, self.start)
        match_shape(self.terminals, states, name="terminals")
        table = isinstance(self.transitions, Table)
        successors = self.transitions.successors if isinstance(self.transitions, Table) else self.transitions.indices
        if successors.size and not (-1 if table else 0) <= successors.min() <= successors.max() < states:
            raise ValueError(f"successors are {successors.min()} to {successors.max()}: states are 0 to {states - 1}")
        for names, count in ((self.state_names, states), (self.action_names, actions)):
            if names and len(names) != count:
                raise ValueError(f"there are {len(names)} names for {count}: {names[:3]}…")

    @property
    def states(self) -> int:
        """S."""
        return self.rewards.shape[0]

    @property
    def actions(self) -> int:
        """A."""
        return self.rewards.shape[1]

    @cached_property
    def rows(self) -> Rows:
        """The transitions as rows, whatever their storage."""
        if isinstance(self.transitions, Rows):
            return self.transitions
        successors, weights = self.transitions
        state, action, d = np.nonzero((successors >= 0)[:, None, :] & (weights > 0))
        integers = index_type(len(state))
        lengths = np.bincount(state * self.actions + action, minlength=self.states * self.actions)
        indptr: np.ndarray = np.concatenate([[0], np.cumsum(lengths)]).astype(integers)
        return Rows(indptr, successors[state, d].astype(integers), weights[action, d])

    def matrix(self) -> Any:
        """p(s' | s, a) as a scipy CSR matrix of shape (S·A, S) that shares memory with `rows`."""
        from scipy.sparse import csr_matrix

        indptr, indices, probabilities = self.rows
        return csr_matrix((probabilities, indices, indptr), shape=(self.states * self.actions, self.states))

    @cached_property
    def ends(self) -> np.ndarray:
        """(S, A) bool: whether the episode may end with that action; True in terminals."""
        if isinstance(self.transitions, Table):
            inside = (self.transitions.successors >= 0).astype(np.float64)
            goes_on = np.einsum("sd,ad->sa", inside, self.transitions.weights)
        else:
            goes_on = np.asarray(self.matrix().sum(axis=1)).reshape(self.rewards.shape)
        return goes_on < 1 - ENDS

    @property
    def endless(self) -> bool:
        """Whether no episode ever ends."""
        return not (self.terminals.any() or self.ends.any())

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
                - a pair (transitions, rewards): A matrices (S, S), as an array (A, S, S) or a list of arrays or scipy
                  sparse matrices; rewards (S,), (S, A), (A, S, S) or a list of A matrices (S, S). A state that no
                  action leaves and that pays nothing is a terminal; the start is uniform over the others;
                - the id of an environment, such as "FrozenLake-v1";
                - the path of what `save` wrote, or of a table that `MDP.read` reads.

        Raises:
            UserError: there is no model in it, or the model is wrong; the message names the state and action.
        """
        from rlkit import model_readers as readers

        if isinstance(source, MDP):
            return source
        if isinstance(source, (str, Path)):
            return readers.of_name(source)
        if isinstance(source, tuple) and len(source) == 2:
            return readers.of_matrices(*source)
        if isinstance(source, (Mapping, Sequence)):
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
    def from_function(
        cls,
        outcomes: Callable[[Any, Any], Iterable[tuple[Any, ...]]],
        states: int | Sequence[Hashable],
        actions: int | Sequence[Hashable],
        *,
        start: Any = None,
    ) -> MDP:
        """A model told by a function.

        Args:
            outcomes: (state, action) -> an iterable of (probability, successor, reward) or (probability, successor,
                reward, terminated). An outcome may come several times; its probabilities are added.
            states, actions: their number, for states and actions that are 0, 1, …; or a sequence of what the function
                takes and gives, such as pairs, whose texts become the names.
            start: the first state, or {state: probability}; None is uniform over states that are no terminals. A
                state that no action leaves and that pays nothing is a terminal.

        Raises:
            UserError: an outcome that cannot be, named by state and action.
        """
        from rlkit.model_readers import of_function

        return of_function(outcomes, states, actions, start)

    @classmethod
    def read(cls, path: str | Path) -> MDP:
        """A model from a folder that `save` wrote, or from a .csv or .parquet table of transitions.

        The table has a row an outcome with the columns state, action, successor, probability, reward and, if wanted,
        terminated (0 or 1). States and actions are numbers from 0, or names, then numbered in the order in which they
        appear. A successor that has no rows of its own is a terminal, as is a state that no action leaves and that
        pays nothing.

        Raises:
            UserError: an unreadable or damaged file, a missing column, a wrong value, each with file and row.
        """
        from rlkit import model_files

        return model_files.read(Path(path))

    def save(self, folder: str | Path) -> Path:
        """Write the model to a folder: `model.json` with the hash of `model.safetensors`. Nothing is pickled."""
        from rlkit import model_files

        return model_files.save(self, Path(folder))

    def to_toy_text(self) -> dict[int, dict[int, list[tuple[float, int, float, bool]]]]:
        """`P[s][a] = [(probability, successor, reward, terminated), …]`, for planners that read Gymnasium's table.

        Each outcome carries the expected reward r(s, a), so that all expectations are this model's.
        """
        from rlkit import model_files

        return model_files.to_toy_text(self)

    def to_matrices(self) -> tuple[list[Any], np.ndarray]:
        """(A scipy CSR matrices (S, S) whose rows sum to 1, rewards (S, A)), as most other planners take a model.

        Where an episode ends, it goes to the first terminal, which keeps itself for reward 0; a model without a
        terminal gets one as state S.
        """
        from rlkit import model_files

        return model_files.to_matrices(self)

    def to_arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """(transitions (A, S, S), rewards (S, A)) as dense arrays: `to_matrices`, for small models."""
        matrices, rewards = self.to_matrices()
        return np.stack([matrix.toarray() for matrix in matrices]), rewards

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
        transitions = Rows(
            np.arange(0, rows * branching + 1, branching, dtype=integers),
            generator.integers(0, states, rows * branching, dtype=integers),
            probabilities.reshape(-1),
        )
        rewards = generator.normal(size=(states, actions))
        return cls(transitions, rewards, np.zeros(states, bool), np.full(states, 1 / states))


def index_type(outcomes: int) -> type:
    """int32 halves the traffic of a sweep; it must count every outcome."""
    return np.int32 if outcomes < 2**31 else np.int64
