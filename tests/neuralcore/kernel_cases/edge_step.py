"""Cases of op `edge_step`: every operator, comparator and loss, with and without known answers, odd sizes."""

from __future__ import annotations

from typing import Any

import numpy as np

from neuralcore.kernels.edge_step import Scoring
from neuralcore.scoring.losses import Answers, Still
from neuralcore.scoring.operators import OPERATORS

OP = "edge_step"
# (N, D, B, K or 0 for all, operator, comparator, loss, filtered or how many candidates are still, weight of the loss
# that asks which relation, if any)
SIZES = [
    (9, 4, 3, 5, "complex_diagonal", "dot", "softmax", False),
    (40, 6, 17, 20, "complex_diagonal", "dot", "softmax", True),
    (700, 10, 600, 0, "complex_diagonal", "dot", "softmax", True),
    (50, 8, 30, 0, "diagonal", "dot", "logistic", False),
    (30, 8, 21, 30, "translation", "l2", "ranking", False),
    (30, 7, 21, 12, "translation", "squared_l2", "ranking", True),
    (30, 6, 9, 12, "rotation", "l2", "softmax", False),
    (20, 5, 9, 12, "linear", "cos", "logistic", True),
    (20, 5, 9, 12, "affine", "dot", "softmax", False),
    (20, 5, 1, 1, "identity", "cos", "softmax", True),
    (40, 5, 30, 25, "identity", "poincare", "softmax", False),
    (30, 3, 20, 0, "identity", "poincare", "ranking", False),
    (60, 6, 17, 20, "complex_diagonal", "dot", "softmax", 13),
    (700, 9, 300, 90, "identity", "dot", "softmax", 41),
    (40, 5, 11, 1, "diagonal", "cos", "logistic", 7),
    (40, 6, 11, 30, "translation", "l2", "ranking", 25),
    (40, 6, 11, 30, "translation", "squared_l2", "softmax", 1),
    (40, 5, 11, 30, "identity", "poincare", "softmax", 9),
    (40, 6, 17, 20, "complex_diagonal", "dot", "softmax", False, 0.7),
    (700, 10, 600, 0, "complex_diagonal", "dot", "softmax", True, 4.0),
    (50, 7, 30, 0, "diagonal", "dot", "logistic", False, 0.3),
    (60, 6, 17, 20, "complex_diagonal", "dot", "softmax", 13, 1.0),
]
TOLERANCE = {"rtol": 2e-3, "atol": 2e-5}  # float32; the first Adagrad step divides by the gradient's own size


def make_case(size: Any, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """(entities, their state, relations, their state, given, asked, candidates, answers)."""
    count, dimension, questions, candidates, operator, comparator, loss, filtered, *which = size
    width = OPERATORS[operator].width(dimension)
    entities = rng.normal(size=(count, dimension)).astype(np.float32)
    if comparator == "poincare":  # inside the unit ball
        entities *= rng.uniform(0.0, 0.97, (count, 1)).astype(np.float32) / np.linalg.norm(
            entities, axis=1, keepdims=True
        )
    relations = rng.normal(size=(5, width)).astype(np.float32)
    pool = rng.permutation(count)[:candidates] if candidates else None
    columns = candidates or count
    # One to three different answers a question, and where filtered one more that is known.
    most = 1 if type(filtered) is int else 3
    chosen = [rng.permutation(columns)[: rng.integers(1, most + 1)] for _ in range(questions)]
    asked_for = [c[: max(1, len(c) - 1)] for c in chosen] if filtered is True else chosen
    question = np.repeat(np.arange(questions), [len(c) for c in asked_for])
    known = (
        (np.repeat(np.arange(questions), [len(c) for c in chosen]), np.concatenate(chosen))
        if filtered is True
        else None
    )
    weight = rng.uniform(0.5, 2.0, len(question)).astype(np.float32)
    still = None
    if most == 1:
        hidden = (np.array([0, questions - 1]), np.array([0, filtered - 1]))
        copies = entities[rng.permutation(count)[:filtered]] * np.float32(0.9)
        still = Still(copies, rng.uniform(0.5, 2.0, candidates).astype(np.float32), hidden)  # type: ignore[arg-type]
    answers = Answers(question, np.concatenate(asked_for), weight, known, still)  # type: ignore[arg-type]
    args = (
        entities,
        rng.uniform(0.5, 1.0, count).astype(np.float32),
        relations,
        rng.uniform(0.5, 1.0, relations.shape).astype(np.float32),
        rng.integers(0, count, questions),
        rng.integers(0, 4, questions),
        pool,
        answers,
    )
    scoring = Scoring(operator, comparator, loss, 1.5, n3=0.01, l2=0.02, relation_prediction=sum(which))
    return args, {"scoring": scoring, "learning_rate": 0.1}


def outputs(args: tuple[Any, ...], result: float) -> dict[str, Any]:
    names = ("entities", "entity_state", "relations", "relation_state")
    return {**dict(zip(names, args)), "loss": np.array(result)}
