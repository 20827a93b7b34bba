"""Shared negatives: a batch of edges asks all its questions of one pool of candidates.

The pool is the batch's own heads and tails, which are one another's negatives and frequent entities often, and some
drawn uniformly from all entities (Lerer et al. 2019, section 4.3). It names each entity once: what is true for a
question is one column of its scores, and never among its own negatives.

Axes: B edges, 2·B questions, K candidates, S relation rows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Pool(NamedTuple):
    """The questions of B edges, the tails asked for and then the heads.

    Attributes:
        entities: (K,) the candidates, each once, in order.
        given, true: (2·B,) columns of the pool: what is given, and what is sought.
        relations: (S,) the rows of relation parameters that occur, each once; row R + r is relation r the other way.
        asked: (2·B,) the row of `relations` each question goes by.
    """

    entities: np.ndarray
    given: np.ndarray
    true: np.ndarray
    relations: np.ndarray
    asked: np.ndarray


def share_pool(edges: np.ndarray, uniform: np.ndarray, relations: int) -> Pool:
    """One pool for a batch.

    Args:
        edges: (B, 3) head, relation, tail. uniform: (U,) entities drawn at random. relations: R.

    >>> share_pool(np.array([[7, 0, 3]]), np.array([3, 5]), relations=2)[:3]
    (array([3, 5, 7]), array([2, 0]), array([0, 2]))
    """
    heads, kinds, tails = edges.T
    entities, at = np.unique(np.concatenate([heads, tails, uniform]), return_inverse=True)
    rows, asked = np.unique(np.concatenate([kinds, kinds + relations]), return_inverse=True)
    given = at[: 2 * len(edges)]
    return Pool(entities, given, np.roll(given, len(edges)), rows, asked)
