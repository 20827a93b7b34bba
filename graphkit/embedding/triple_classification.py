"""Triple classification: is an edge true? (Socher et al. 2013, "Reasoning With Neural Tensor Networks", section 4.)

Each held-out edge gets a false one beside it, one end replaced by a random entity of the same type that makes no
known edge. An edge is called true when its score is above its relation's threshold, which is the one that is right
most often on the validation edges; relations without any take the threshold of all together.

Axes: E edges, R relations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from graphkit.embedding.questions import KnownAnswers

TRIES = 100  # to find a false edge; where every one tried is true, the edge has no false one beside it


@dataclass(frozen=True)
class TripleClassification:
    """Figures of true and false edges, as many of each.

    Attributes:
        accuracy: share that are called right. auc: how often a true edge scores above a false one, ties by half.
        edges: how many there were, both kinds.
    """

    accuracy: float
    auc: float
    edges: int

    def as_row(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def false_edges(
    edges: np.ndarray,
    known: np.ndarray,
    entities: int,
    relations: int,
    answers: Callable[[int, int], range],
    generator: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """For each edge (E, 3) one that is not known, and which edges (F,) have one: rows (F, 3).

    Args:
        known: (M, 3) every edge. entities: N. relations: R.
        answers: (relation, side) -> the entities that could be there; side 0 is the tail, 1 the head.
    """
    true = KnownAnswers(np.concatenate([known, edges]), relations, entities)
    found = edges.copy()
    left = np.arange(len(edges))
    for _ in range(TRIES):
        if not len(left):
            break
        part = edges[left].copy()
        sides = generator.integers(2, size=len(left))
        ranges = [answers(int(relation), int(side)) for relation, side in zip(part[:, 1], sides)]
        drawn = generator.integers([r.start for r in ranges], [r.stop for r in ranges])
        columns = np.where(sides == 0, 2, 0)
        part[np.arange(len(part)), columns] = drawn
        which, tails = true.of(part[:, 0], part[:, 1])
        is_true = np.zeros(len(part), bool)
        is_true[which[tails == part[which, 2]]] = True
        found[left] = part
        left = left[is_true]
    whole = np.setdiff1d(np.arange(len(edges)), left)
    return found[whole], whole


def threshold(true: np.ndarray, false: np.ndarray) -> float:
    """The score above which edges are called true with the fewest mistakes, half-way between two scores."""
    scores = np.concatenate([true, false])
    order = np.argsort(scores, kind="stable")
    sign = np.concatenate([np.ones(len(true)), -np.ones(len(false))])[order]
    # With the first k scores called false, right are the false ones among them and the true ones after.
    right = np.concatenate([[0.0], np.cumsum(-sign)])
    ordered = scores[order]
    cuts = np.concatenate([[-np.inf], (ordered[1:] + ordered[:-1]) / 2, [np.inf]])
    between = np.concatenate([[True], ordered[1:] > ordered[:-1], [True]])  # equal scores cannot be told apart
    return float(cuts[int(np.argmax(np.where(between, right, -np.inf)))])


def classify(
    score: Callable[[np.ndarray], np.ndarray],
    valid: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
) -> TripleClassification:
    """Thresholds from the validation edges, figures from the test edges.

    Args:
        score: (E, 3) -> (E,). valid, test: true edges (E, 3) and false ones.
    """
    scores = [[score(edges) for edges in pair] for pair in (valid, test)]
    common = threshold(*scores[0])
    right = 0
    for relation in np.unique(np.concatenate([test[0][:, 1], test[1][:, 1]])):
        mine = [[s[edges[:, 1] == relation] for s, edges in zip(s2, pair)] for s2, pair in zip(scores, (valid, test))]
        cut = threshold(*mine[0]) if len(mine[0][0]) and len(mine[0][1]) else common
        right += int((mine[1][0] > cut).sum()) + int((mine[1][1] <= cut).sum())
    true, false = scores[1]
    ordered = np.sort(false)
    below, upto = np.searchsorted(ordered, true), np.searchsorted(ordered, true, side="right")
    auc = float(((below + upto) / 2).mean() / max(len(false), 1))
    return TripleClassification(right / (len(true) + len(false)), auc, len(true) + len(false))
