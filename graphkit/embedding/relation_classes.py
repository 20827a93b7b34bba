"""Relations that are trained alike: what a step may mix, and where each relation's numbers are.

A step has one operator, asks for entities of one type, and shares one pool of negatives; relations that agree in all
of that are a class. Most graphs have one class. The numbers of relations lie in a table for each operator.

Axes: R relations, n of them with an operator, W numbers of each.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from graphkit.embedding.config import EmbedConfig, RelationConfig
from graphkit.graphs.graph import Graph
from neuralcore.errors import UserError, nearest
from neuralcore.scoring.operators import OPERATORS
from neuralcore.scoring.which_relation import PAIRINGS


class RelationClass(NamedTuple):
    """What relations of a class have in common; `head` and `tail` are numbers of types."""

    operator: str
    head: int
    tail: int
    negatives: int


# Of `RelationConfig.sides`: the questions, 0 the tails', 1 the heads'.
ASKED = {"both": (0, 1), "tails": (0,), "heads": (1,)}


class RelationTable(NamedTuple):
    """The relations of one operator.

    Attributes:
        weight: (2 n, W) float32; row i serves (h, r, ?) and row n + i (?, r, t). state: (2 n, W), of Adagrad.
    """

    weight: np.ndarray
    state: np.ndarray

    @property
    def half(self) -> int:
        """n, how far a relation's second row is from its first."""
        return len(self.weight) // 2


class Relations:
    """The classes of a graph's relations.

    Args:
        settings: relation -> `RelationConfig`; those not named are as the config says.

    Attributes:
        classes: the classes. operators: those that occur. operator_of: (R,) names.
        class_of, row_of: (R,) int64, a relation's class and its row in its operator's table.
        asked: of each class which questions are asked, of `ASKED`. is_asked: (R, 2) bool, the same of each relation.
        weight_of: (R,) float32, what an edge counts, or None where every one counts 1.

    Raises:
        UserError: `settings` has a relation the graph has not, or relation_prediction does not go with an operator.
    """

    def __init__(self, graph: Graph, config: EmbedConfig, settings: Mapping[str, RelationConfig]):
        for name in settings:
            if name not in graph.relations:
                raise UserError(f"the graph has no relation {name!r}: {nearest(name, graph.relations)}")
        types = list(graph.types)
        each = [settings.get(name) or RelationConfig() for name in graph.relations]
        keys = [
            RelationClass(
                mine.operator or config.operator,
                types.index(head),
                types.index(tail),
                config.negatives if mine.negatives is None else mine.negatives,
            )
            for mine, (head, tail) in zip(each, graph.sides)
        ]
        alike = [(key, ASKED[mine.sides]) for key, mine in zip(keys, each)]
        unique = list(dict.fromkeys(alike))
        self.classes, self.asked = [key for key, _ in unique], [asked for _, asked in unique]
        self.class_of = np.array([unique.index(one) for one in alike])
        self.is_asked = np.array([[side in asked for side in (0, 1)] for _, asked in alike])
        self.operators = list(dict.fromkeys(key.operator for key in keys))
        for name in self.operators:
            if config.relation_prediction and name not in PAIRINGS:
                known = " and ".join(PAIRINGS)
                raise UserError(f"relation_prediction needs the operators {known}, not {name}: leave it out")
        self.operator_of = np.array([key.operator for key in keys])
        counts = dict.fromkeys(self.operators, 0)
        self.row_of = np.zeros(len(keys), np.int64)
        for i, key in enumerate(keys):
            self.row_of[i] = counts[key.operator]
            counts[key.operator] += 1
        weights = np.array([mine.weight for mine in each], np.float32)
        self.weight_of = None if (weights == 1.0).all() else weights
        self.counts = counts

    def begin(self, dimension: int, scale: float, generator: np.random.Generator) -> dict[str, RelationTable]:
        """Operator -> its table, about the operator's neutral element."""
        tables = {}
        for name in self.operators:
            operator, shape = OPERATORS[name], (2 * self.counts[name], OPERATORS[name].width(dimension))
            if operator.bounded:  # whose neutral element is one angle of many
                first = generator.uniform(-math.pi, math.pi, shape)
            else:
                first = operator.neutral(dimension).numpy() + generator.normal(0.0, scale, shape)
            tables[name] = RelationTable(first.astype(np.float32), np.zeros(shape, np.float32))
        return tables
