"""Op `edge_step`: a gradient step of a graph embedding on a batch of questions against a shared pool of candidates.

What a question is, and the loss, are those of op `edge_gradient`. By its gradient every row of entities that took
part makes a step of row-wise Adagrad (op `row_adagrad`), and every relation asked a step of Adagrad by number. With
the comparator poincare, whose entities live in the unit ball, gradients and steps of entities are Riemannian ones,
and who has left the ball is put back.

Axes: N entities of D numbers, S relations of W numbers, B questions, K candidates, A answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from neuralcore import kernels
from neuralcore.kernels.edge_gradient import Scoring, match_edges
from neuralcore.shape import match_shape

if TYPE_CHECKING:
    from neuralcore.scoring.losses import Answers

__all__ = ["EPSILON", "Scoring", "edge_step"]

EPSILON = 1e-10  # of Adagrad


def edge_step(
    entities: Any,
    entity_state: Any,
    relations: Any,
    relation_state: Any,
    given: Any,
    asked: Any,
    candidates: Any,
    answers: Answers,
    *,
    scoring: Scoring,
    learning_rate: float,
    map_parts: Callable[..., Iterable[Any]] = map,
    implementation: kernels.Implementation = "auto",
) -> float:
    """Step all four tables in place; returns the summed loss before the step, without the regularisers.

    Args:
        entities: (N, D) float32. entity_state: (N,) float32, of row-wise Adagrad.
        relations: (S, W) float32. relation_state: (S, W) float32, of Adagrad.
        given, asked, candidates, answers: the batch, see op `edge_gradient`; no question is no step.
        scoring: which functions. learning_rate: step size.
        map_parts: `map`, or the like of a thread pool, which gives the same bytes.

    Raises:
        ValueError: a shape does not fit.
        UserError: there is no such implementation.
    """
    match_edges(entities, relations, given, asked, candidates, answers)
    match_shape(entity_state, entities.shape[0], name="entity_state")
    match_shape(relation_state, *relations.shape, name="relation_state")
    step = kernels.implementation("edge_step", implementation, entities)
    if given.shape[0] == 0:
        return 0.0
    tables = (entities, entity_state, relations, relation_state)
    return step(*tables, given, asked, candidates, answers, scoring, learning_rate, map_parts)
