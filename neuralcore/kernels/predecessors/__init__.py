"""Op `predecessors`: for each state, from which other states some action may lead there.

Whose value changes, theirs may have to change too; and a search that starts where rewards are and goes against the
transitions meets the states in the order in which news reaches them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from neuralcore import kernels
from neuralcore.kernels.bellman import Rows, Table


class Predecessors(NamedTuple):
    """indptr: (S + 1,) int64, where each state's predecessors begin. sources: (F,) int32, without the state itself.

    Of a state with more than `MANY` outcomes, one that is reached by several of them is listed several times.
    """

    indptr: Any
    sources: Any


MANY = 64


def predecessors(
    transitions: Rows | Table, states: int, *, implementation: kernels.Implementation = "auto"
) -> Predecessors:
    """Turn the transitions around.

    Args:
        transitions: `Rows` or a `Table`, of `states` states (S).

    Returns:
        The `Predecessors`, those of a state in rising order.
    """
    find = kernels.implementation("predecessors", implementation, transitions[0])
    return Predecessors(*find(transitions, states))
