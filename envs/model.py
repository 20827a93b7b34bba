"""The exact model of a finite Markov decision process, as plain arrays.

An environment that carries a `TabularModel` can be planned in as well as acted in: the same arrays drive `step` and
the Bellman equation

    V(s) = max_a Σ_k probabilities[s, a, k] · (rewards[s, a, k] + γ · V(successors[s, a, k])),

so the two cannot disagree. Axes: S states, A actions, K outcomes of one action, H × W cells of a grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ToyText = list[list[list[tuple[float, int, float, bool]]]]


@dataclass(frozen=True)
class TabularModel:
    """States 0 … S-1, actions 0 … A-1 and, for each pair, K outcomes.

    Nothing is checked here: the environments build the arrays, and a planner checks what it reads.

    Args:
        successors: (S, A, K) int32 or int64, the next state of each outcome. Two outcomes may name the same state.
        probabilities: (S, A, K) float64, each (s, a) row sums to 1; an outcome that only pads has probability 0.
        rewards: (S, A, K) float64, the reward paid on that outcome.
        terminals: (S,) bool, states in which an episode has ended. Their rows are self-loops with reward 0.
        start: (S,) float64, the distribution of the first state.
        action_symbols: A strings to draw a policy with, such as "↑".
        grid: (H, W) int, the state of each cell and -1 for a wall; None where the states are not cells of a grid.
    """

    successors: np.ndarray
    probabilities: np.ndarray
    rewards: np.ndarray
    terminals: np.ndarray
    start: np.ndarray
    action_symbols: tuple[str, ...]
    grid: np.ndarray | None = None


def toy_text(model: TabularModel) -> ToyText:
    """The model as Gymnasium's toy-text environments write it, which many other planners read.

    Args:
        model: any finite model.

    Returns:
        P with `P[s][a] = [(probability, next state, reward, terminated), …]` in plain Python numbers. Outcomes of
        probability 0 are left out; outcomes with the same next state are merged, their reward being the
        probability-weighted mean, so that every expectation is unchanged.
    """
    n_states, n_actions, _ = model.successors.shape
    terminals = model.terminals.tolist()
    successors, probabilities, rewards = (
        model.successors.tolist(),
        model.probabilities.tolist(),
        model.rewards.tolist(),
    )

    def outcomes(state: int, action: int) -> list[tuple[float, int, float, bool]]:
        merged: dict[int, tuple[float, float]] = {}  # next state -> (probability, mean reward)
        for successor, probability, reward in zip(
            successors[state][action], probabilities[state][action], rewards[state][action], strict=True
        ):
            if probability > 0:
                mass, mean = merged.get(successor, (0.0, reward))
                mass += probability
                merged[successor] = mass, mean + (reward - mean) * probability / mass  # exact for equal rewards
        return [(mass, s, mean, terminals[s]) for s, (mass, mean) in merged.items()]

    return [[outcomes(state, action) for action in range(n_actions)] for state in range(n_states)]
