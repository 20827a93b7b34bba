"""Op `bellman_worklist`: Bellman backups where news has arrived, in a window that moves over the states.

States stand in blocks of consecutive numbers, and a block is dirty when a value that one of its states depends on
has changed. The first dirty blocks, at most a window of them, are backed up in order as `bellman_in_place` does it,
and the window is laid anew from the first dirty block. A state whose value has moved by more than the tolerance since
its predecessors were last told makes their blocks dirty. When no block is dirty any more, no value differs from its
own backup by more than the tolerance:  max |Tv - v| <= γ · tolerance.

Why a window: along n steps of a slippery world news is thrown back about n/10 times, so that a sweep over everything
would have to be repeated that often. A window lets each stretch settle before the next one begins, and a stretch fits
into the cache. With states in `backward_order`, ten backups a state solve a grid of any size.

To work only on what is dirty is prioritised sweeping (Moore & Atkeson 1993); the blocks are those of Wingate & Seppi
(2005); the window takes the place of a priority queue.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from neuralcore import kernels
from neuralcore.kernels.bellman import Rows, Table, match_model
from neuralcore.kernels.predecessors import Predecessors
from neuralcore.shape import match_shape


class Work(NamedTuple):
    """What was done: the number of `backups`, the largest `change` of a value, and the first dirty block (or their
    number, when none is left)."""

    backups: int
    change: float
    first_dirty: int


def bellman_worklist(
    transitions: Rows | Table,
    rewards: Any,
    values: Any,
    discount: float,
    predecessors: Predecessors,
    told: Any,
    dirty: Any,
    *,
    tolerance: float,
    block: int = 1_024,
    window: int = 16,
    max_backups: int = 2**62,
    implementation: kernels.Implementation = "auto",
) -> Work:
    """Back up until no block is dirty, or until the window that reaches `max_backups` is done.

    Args:
        transitions: `Rows` or a `Table`, of S states and A actions.
        rewards: (S, A) float64.
        values: (S,) float64; changed.
        discount: γ in [0, 1].
        predecessors: of the same transitions.
        told: (S,) float64, each state's value as its predecessors know it, at first a copy of `values`; changed.
        dirty: (ceil(S / block),) bool, the blocks to begin with; changed. Called again, it goes on.
        tolerance: change of a value that is not worth telling, above 0.
        block: states of a block. window: blocks.

    Returns:
        The `Work`.

    Raises:
        ValueError: a shape does not fit.
    """
    states, _ = match_model(transitions, rewards, values)
    match_shape(told, states, name="told")
    match_shape(dirty, -(-states // block), name="dirty")
    match_shape(predecessors.indptr, states + 1, name="predecessors.indptr")
    work = kernels.implementation("bellman_worklist", implementation, values)
    arrays = transitions, rewards, values, discount, predecessors, told, dirty
    return Work(*work(*arrays, tolerance, block, window, max_backups))
