"""Prioritised value iteration: backups in the order in which news travels, where there is news.

Most of a large world is far from any reward and worth the same everywhere: what it would be worth if every step paid
the usual reward for ever. Values begin there. The states whose first backup disagrees are where news comes from
(goals, traps, doors), and a search from them, against the transitions, puts the states in the order in which it
reaches them (op `backward_order`). The model is renumbered in that order once, so that neighbours are neighbours in
memory too, and op `bellman_worklist` backs up, in a window that moves along, the blocks whose inputs have changed.

Any order and any first values lead to the same fixed point; a good one takes ten backups a state on a grid where
sweeping takes a thousand. The certificate is computed afterwards, from the values alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neuralcore.kernels.backward_order import backward_order
from neuralcore.kernels.bellman import Rows, Table, bellman
from neuralcore.kernels.bellman_worklist import bellman_worklist
from neuralcore.kernels.predecessors import predecessors
from rlkit.certificate import Progress
from rlkit.mdp import MDP

WINDOW = 24  # layers: on slippery grids of any size, within a tenth of the best window


@dataclass(frozen=True, eq=False)
class BackwardOrder:
    """States in the order in which news reaches them.

    Attributes:
        order: (S,) int32, the states; the first `sources` of them are where news comes from.
        layers: steps from a source to the farthest state, plus 1.
        values: (S,) float64, where to begin.
    """

    order: np.ndarray
    sources: int
    layers: int
    values: np.ndarray


def first_values(mdp: MDP, discount: float) -> np.ndarray:
    """What a state is worth where every step pays the usual reward for ever: the median best reward / (1 - γ).

    At discount 1 that sum has no bound, and values begin at 0.
    """
    values = np.zeros(mdp.states)
    acting = ~mdp.terminals
    if discount < 1 and acting.any():
        best = mdp.rewards.max(axis=1)
        usual = np.partition(best[acting], acting.sum() // 2)[acting.sum() // 2]
        values[acting] = usual / (1 - discount)
    return values


def backward_model(mdp: MDP, discount: float, tolerance: float) -> BackwardOrder:
    """Find where news comes from and the order in which it travels.

    At discount 1 news comes from where episodes end: a value is a sum up to there.
    """
    values = first_values(mdp, discount)
    if discount < 1:
        swept = bellman(mdp.transitions, mdp.rewards, values, discount).values
        sources = np.abs(swept - values) > 0.5 * tolerance
    else:
        sources = mdp.ends.any(axis=1)
    found = backward_order(predecessors(mdp.transitions, mdp.states), sources)
    return BackwardOrder(found.order, int(sources.sum()), found.layers, values)


def back_up_in_order(
    mdp: MDP, order: BackwardOrder, discount: float, tolerance: float, max_iterations: int, progress: Progress
) -> tuple[np.ndarray, list[float]]:
    """Values (S,) whose Bellman residual is within the tolerance, and the largest change in each sweep's worth.

    Args:
        max_iterations: sweeps' worth of backups (S of them) to stop after in any case.
    """
    transitions, rewards = _renumbered(mdp, order.order)
    values = order.values[order.order]
    told = values.copy()
    # Blocks as wide as a layer skip what has settled. A model a few layers deep is one window, swept as a whole.
    layer = -(-mdp.states // max(order.layers, 1))
    block = min(max(layer, 64), 512)
    window = max(WINDOW, WINDOW * layer // block)
    dirty = np.zeros(-(-mdp.states // block), bool)
    # At discount 1 no state begins at its value; below it, the states that agree with their own backup do.
    dirty[: len(dirty) if discount == 1 else -(-order.sources // block)] = True
    before = predecessors(transitions, mdp.states)
    history: list[float] = []
    while dirty.any() and len(history) < max_iterations:
        work = bellman_worklist(
            transitions,
            rewards,
            values,
            discount,
            before,
            told,
            dirty,
            tolerance=0.9 * tolerance,  # the rest is for rounding
            block=block,
            window=window,
            max_backups=mdp.states,
        )
        history.append(work.change)
        progress(work.first_dirty / len(dirty), len(history), work.change)
    found = np.empty_like(values)
    found[order.order] = values
    return found, history or [0.0]


def _renumbered(mdp: MDP, order: np.ndarray) -> tuple[Rows | Table, np.ndarray]:
    """The transitions and rewards with state order[i] as state i."""
    position = np.empty(mdp.states + 1, np.int32)
    position[order] = np.arange(mdp.states, dtype=np.int32)
    position[-1] = -1  # of the end of an episode
    rewards = mdp.rewards[order]
    if isinstance(mdp.transitions, Table):
        return Table(position[mdp.transitions.successors[order]], mdp.transitions.weights), rewards
    rows = (order[:, None].astype(np.int64) * mdp.actions + np.arange(mdp.actions)).reshape(-1)
    moved = mdp.matrix()[rows]
    return Rows(moved.indptr, position[moved.indices], moved.data), rewards
