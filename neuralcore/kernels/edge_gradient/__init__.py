"""Op `edge_gradient`: the loss of a batch of questions against a shared pool of candidates, and its derivatives.

A question is what is known of an edge, an entity and a relation, and asks for the entity at the other end; its
answers stand among the candidates, the rest of which are its negatives (Lerer et al. 2019, section 4.3: negatives
that are shared make all scores one matrix product). With q = operator(x_given, w_relation) and
s = comparator(q, x_candidate):

    loss = sum over answers of loss(s, answer)  +  sum over answers of n3 (|x_given|³ + |w_relation|³ + |x_answer|³)
                                                                + l2 (|x_given|² + |w_relation|² + |x_answer|²)
           + relation_prediction · sum over answers of which_relation(x_given, x_answer)

with the cubes and squares summed over the numbers of a vector, each weighted as its answer is (Lacroix et al. 2018,
eq. 4; a rotation's angles are left alone), and which_relation as in `neuralcore.scoring.which_relation`. Formulas:
`neuralcore.scoring`. Op `edge_step` is this and a step of the optimiser; alone it serves vectors that are not rows of
a table, but made of something else, which then takes the gradient further (`graphkit.embedding.features`).

Axes: N entities of D numbers, S relations of W numbers, B questions, K candidates, A answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from neuralcore import kernels
from neuralcore.shape import match_shape

if TYPE_CHECKING:
    from neuralcore.scoring.losses import Answers


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
    relation_prediction: float = 0.0
    """weight of the loss that asks which relation an answer has; for operators of
    `neuralcore.scoring.which_relation.PAIRINGS` with the comparator dot"""
    precision: str = "float32"
    """of the products of questions and candidates, "float32" or, with the comparators dot and (squared_)l2,
    "bfloat16", whose sums are float32 as well; the tables are float32 in any case"""


class EdgeGradient(NamedTuple):
    """What a batch wants changed.

    Attributes:
        loss: summed over the answers, without the regularisers.
        rows: (M,) int64 entities; one that is there more than once has the sum of its gradients.
        entities: (M, D) float32, the gradient of each.
        relation_rows: (s,) int64 relations, each once: those asked, with relation_prediction all.
        relations: (s, W) float32, the gradient of each.
    """

    loss: float
    rows: Any
    entities: Any
    relation_rows: Any
    relations: Any


def edge_gradient(
    entities: Any,
    relations: Any,
    given: Any,
    asked: Any,
    candidates: Any,
    answers: Answers,
    *,
    scoring: Scoring,
    map_parts: Callable[..., Iterable[Any]] = map,
    implementation: kernels.Implementation = "auto",
) -> EdgeGradient:
    """The summed loss and its gradient with respect to the vectors that took part; nothing is changed.

    The CPU implementation cuts the questions into parts of a fixed size and sums their gradients in order, so a
    `map_parts` that runs them on threads gives the same bytes as `map`.

    Args:
        entities: (N, D) float32. relations: (S, W) float32.
        given: (B,) int64, the entity of each question, B above 0. asked: (B,) int64, its row of `relations`.
        candidates: (K,) int64 entities, each at most once; None for all N.
        answers: see `neuralcore.scoring.losses.Answers`; every question has one at least, in the order of questions;
            columns are places in `candidates`.
        scoring: which functions. map_parts: `map`, or the like of a thread pool.

    Raises:
        ValueError: a shape does not fit, or there is no question.
        UserError: there is no such implementation.
    """
    match_edges(entities, relations, given, asked, candidates, answers)
    if given.shape[0] == 0:
        raise ValueError("a batch has one question at least")
    gradient = kernels.implementation("edge_gradient", implementation, entities)
    return gradient(entities, relations, given, asked, candidates, answers, scoring, map_parts)


def match_edges(entities: Any, relations: Any, given: Any, asked: Any, candidates: Any, answers: Answers) -> None:
    """Raise a ValueError for a shape that does not fit."""
    _, dimension = match_shape(entities, -1, -1, name="entities")
    match_shape(relations, -1, -1, name="relations")
    match_shape(asked, *match_shape(given, -1, name="given"), name="asked")
    if candidates is not None:
        match_shape(candidates, -1, name="candidates")
    match_shape(answers.column, *match_shape(answers.question, -1, name="answers.question"), name="answers.column")
    match_shape(answers.weight, answers.question.shape[0], name="answers.weight")
    if answers.still is not None:
        match_shape(answers.still.vectors, -1, dimension, name="answers.still.vectors")
        match_shape(answers.still.times, (entities if candidates is None else candidates).shape[0], name="times")
        if answers.known is not None or answers.question.shape[0] != given.shape[0]:
            raise ValueError("a question that is judged by still candidates has one answer, and none known")
