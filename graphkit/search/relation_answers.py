"""The entities that best complete (head, relation, ?) or (?, relation, tail), by number.

Axes: N entities, k answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from graphkit.embedding.evaluation import HEADS, TAILS
from neuralcore.errors import UserError, nearest

if TYPE_CHECKING:
    from graphkit.embedding.embedding import GraphEmbedding


@dataclass(frozen=True)
class Best:
    """The number of what was `given`, and the k best `entities` with their `scores`, falling."""

    given: int
    entities: np.ndarray
    scores: np.ndarray


def best(embedding: GraphEmbedding, head: str | None, relation: str, tail: str | None, k: int) -> Best:
    """The k best answers, ties by number.

    Args:
        head, tail: one of them: the name of an entity of the type that the relation has on that side.

    Raises:
        UserError: an unknown name, or a relation that was not trained for that side.
    """
    graph, side = embedding.graph, HEADS if head is None else TAILS
    if relation not in graph.relations:
        raise UserError(f"no relation {relation!r}: {nearest(relation, graph.relations)}")
    number = graph.relations.index(relation)
    if not embedding.asks(number, side):
        raise UserError(f"{relation!r} was not trained to tell its {'tails' if side == TAILS else 'heads'}")
    name = tail if head is None else head
    assert name is not None
    kind = graph.sides[number][0 if side == TAILS else 1]
    are, could = graph.rows_of(kind), embedding.answers(number, side)
    names = graph.entities[are.start : are.stop]
    bare = name.removeprefix(f"{kind}/")
    asked = name if name in names else bare
    if asked not in names:
        among = f" among those of type {kind}" if len(graph.types) > 1 else ""
        raise UserError(f"no entity {name!r}{among}: {nearest(name, names)}")
    given = are.start + names.index(asked)
    scores = embedding.score(np.array([given]), np.array([number]), side)[0].numpy()
    kept = np.argpartition(-scores, k - 1)[:k] if k < len(scores) else np.arange(len(scores))
    order = kept[np.lexsort((kept, -scores[kept]))]
    return Best(given, could.start + order, scores[order])
