"""Op `backward_order`: states in the order in which news from some of them reaches the others.

Breadth first, against the transitions. Backups in this order carry a reward through the whole model in one sweep
(Dai & Hansen 2007, Prioritizing Bellman backups without a priority queue).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from neuralcore import kernels
from neuralcore.kernels.predecessors import Predecessors
from neuralcore.shape import match_shape


class Order(NamedTuple):
    """order: (S,) int32, the states: sources first, then layer by layer, those that are never reached last.

    reached: how many are a source or lead to one. layers: the steps from a source to the farthest of them, plus 1; 0
    without sources.
    """

    order: Any
    reached: int
    layers: int


def backward_order(
    predecessors: Predecessors, sources: Any, *, implementation: kernels.Implementation = "auto"
) -> Order:
    """Order the states by their distance to a source.

    Args:
        predecessors: of S states.
        sources: (S,) bool, where news comes from.

    Returns:
        The `Order`; states of one layer in the order in which they are met.
    """
    match_shape(predecessors.indptr, len(sources) + 1, name="predecessors.indptr")
    find = kernels.implementation("backward_order", implementation, sources)
    order, reached, layers = find(predecessors, sources)
    return Order(order, int(reached), int(layers))
