"""Op `edge_step`: one gradient step of a graph embedding on a batch of questions against a shared pool of candidates.

A question is what is known of an edge, an entity and a relation, and asks for the entity at the other end; its
answers stand among the candidates, the rest of which are its negatives (Lerer et al. 2019, section 4.3: negatives
that are shared make all scores one matrix product). With q = operator(x_given, w_relation) and
s = comparator(q, x_candidate):

    loss = sum over answers of loss(s, answer)  +  sum over answers of n3 (|x_given|³ + |w_relation|³ + |x_answer|³)
                                                                + l2 (|x_given|² + |w_relation|² + |x_answer|²)

with the cubes and squares summed over the numbers of a vector, each weighted as its answer is (Lacroix et al. 2018,
eq. 4; a rotation's angles are left alone). Then every row of entities that took part makes a step of row-wise Adagrad
by its summed gradient (op `row_adagrad`), and every relation asked a step of Adagrad by number. Formulas:
`neuralcore.scoring`. With the comparator poincare, whose entities live in the unit ball, gradients and steps of
entities are Riemannian ones, and who has left the ball is put back.

Axes: N entities of D numbers, S relations of W numbers, B questions, K candidates, A answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from neuralcore import kernels
from neuralcore.shape import match_shape

if TYPE_CHECKING:
    from neuralcore.scoring.losses import Answers

EPSILON = 1e-10  # of Adagrad


@dataclass(frozen=True)
class Scoring:
    """How edges are scored and what is asked of the scores, by the names in `neuralcore.scoring`."""

    operator: str = "complex_diagonal"
    comparator: str = "dot"
    loss: str = "softmax"
    margin: float = 1.0
    """of the ranking loss"""
    n3: float = 0.0
    """weight of the cubed absolute values"""
    l2: float = 0.0
    """weight of the squares"""


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

    The CPU implementation cuts the questions into parts of a fixed size and sums their gradients in order, so a
    `map_parts` that runs them on threads gives the same bytes as `map`.

    Args:
        entities: (N, D) float32. entity_state: (N,) float32, of row-wise Adagrad.
        relations: (S, W) float32. relation_state: (S, W) float32, of Adagrad.
        given: (B,) int64, the entity of each question. asked: (B,) int64, its row of `relations`.
        candidates: (K,) int64 entities, each at most once; None for all N.
        answers: see `neuralcore.scoring.losses.Answers`; every question has one at least, in the order of questions;
            columns are places in `candidates`.
        scoring: which functions. learning_rate: step size.
        map_parts: `map`, or the like of a thread pool.

    Raises:
        ValueError: a shape does not fit.
        UserError: there is no such implementation.
    """
    match_shape(entity_state, match_shape(entities, -1, -1, name="entities")[0], name="entity_state")
    match_shape(relation_state, *match_shape(relations, -1, -1, name="relations"), name="relation_state")
    match_shape(asked, *match_shape(given, -1, name="given"), name="asked")
    if candidates is not None:
        match_shape(candidates, -1, name="candidates")
    match_shape(answers.column, *match_shape(answers.question, -1, name="answers.question"), name="answers.column")
    match_shape(answers.weight, answers.question.shape[0], name="answers.weight")
    step = kernels.implementation("edge_step", implementation, entities)
    if given.shape[0] == 0:
        return 0.0
    tables = (entities, entity_state, relations, relation_state)
    return step(*tables, given, asked, candidates, answers, scoring, learning_rate, map_parts)
