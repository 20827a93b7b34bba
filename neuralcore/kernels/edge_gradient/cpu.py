"""Op `edge_gradient` on the CPU: derivatives by hand around torch's matrix products.

A part of the questions makes its block of scores, turns it into the gradient in place, and multiplies it back: three
matrix products, one exponential a score, and nothing else of the block's size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch

from neuralcore.kernels.edge_gradient import EdgeGradient, Scoring
from neuralcore.scoring.comparators import COMPARATORS
from neuralcore.scoring.losses import LOSSES, Answers
from neuralcore.scoring.operators import OPERATORS, regulariser_gradient

PART = 256  # questions a part: enough work for a thread, and two parts at the usual batch


class Part(NamedTuple):
    """Some of the questions: their rows, and their answers counted from the part's first question."""

    given: torch.Tensor
    asked: torch.Tensor
    answers: Answers


class Gradients(NamedTuple):
    """Of a part: its summed loss, the gradients (B, D) of what is given, (K, D) of candidates, (s, W) of
    relations."""

    loss: float
    given: torch.Tensor
    candidates: torch.Tensor
    relations: torch.Tensor
    relation_gradient: torch.Tensor


def edge_gradient(
    entities: np.ndarray,
    relations: np.ndarray,
    given: np.ndarray,
    asked: np.ndarray,
    candidates: np.ndarray | None,
    answers: Answers,
    scoring: Scoring,
    map_parts: Callable[..., Iterable[Any]],
) -> EdgeGradient:
    x, w = torch.from_numpy(entities), torch.from_numpy(relations)
    pool = x if candidates is None else x.index_select(0, torch.from_numpy(candidates))
    answers = answers.each(torch.from_numpy)
    parts = list(parts_of(torch.from_numpy(given), torch.from_numpy(asked), answers, PART))
    rows = torch.unique(torch.from_numpy(asked))
    loss, of_given, of_pool, of_relations = 0.0, [], None, torch.zeros(len(rows), w.shape[1])
    # Summed in order, part by part: whichever thread was first.
    for found in map_parts(lambda part: gradients(x, w, pool, part, scoring), parts):
        loss += found.loss
        of_given.append(found.given)
        of_pool = found.candidates if of_pool is None else of_pool.add_(found.candidates)
        of_relations.index_add_(0, torch.searchsorted(rows, found.relations), found.relation_gradient)
    assert of_pool is not None
    if scoring.n3 or scoring.l2:
        regularise_answers(of_pool, pool, answers, scoring)

    took_part, gradient = torch.from_numpy(given), torch.cat(of_given)
    if candidates is None:
        took_part, gradient = torch.arange(len(x)), of_pool.index_add_(0, took_part, gradient)
    else:
        took_part = torch.cat([took_part, torch.from_numpy(candidates)])
        gradient = torch.cat([gradient, of_pool])
    return EdgeGradient(loss, took_part.numpy(), gradient.numpy(), rows.numpy(), of_relations.numpy())


def parts_of(given: torch.Tensor, asked: torch.Tensor, answers: Answers, size: int) -> Iterator[Part]:
    """The questions cut into parts of a size."""
    bounds = torch.arange(0, len(given) + size, size, device=given.device)
    cuts = torch.searchsorted(answers.question, bounds).tolist()
    known_cuts = cuts if answers.known is None else torch.searchsorted(answers.known[0], bounds).tolist()
    for i, start in enumerate(range(0, len(given), size)):
        mine, known = slice(cuts[i], cuts[i + 1]), answers.known
        if known is not None:
            left = slice(known_cuts[i], known_cuts[i + 1])
            known = known[0][left] - start, known[1][left]
        local = Answers(answers.question[mine] - start, answers.column[mine], answers.weight[mine], known)
        yield Part(given[start : start + size], asked[start : start + size], local)


def gradients(x: torch.Tensor, w: torch.Tensor, pool: torch.Tensor, part: Part, scoring: Scoring) -> Gradients:
    """What one part wants changed."""
    operator, comparator = OPERATORS[scoring.operator], COMPARATORS[scoring.comparator]
    relations, asked = torch.unique(part.asked, return_inverse=True)
    given, weights = x.index_select(0, part.given), w.index_select(0, relations)
    query = operator.forward(given, weights, asked)
    scores = comparator.forward(query, pool)
    kept = scores if scoring.comparator == "dot" else scores.clone()  # whose backward pass needs no scores
    losses, of_scores = LOSSES[scoring.loss].backward(scores, part.answers, scoring.margin)
    of_query, of_pool = comparator.backward(query, pool, kept, of_scores)
    of_given, of_weights = operator.backward(given, weights, asked, of_query)
    if scoring.n3 or scoring.l2:
        times = torch.zeros(len(given), device=given.device).index_add_(0, part.answers.question, part.answers.weight)
        of_given = of_given + times[:, None] * regulariser_gradient(given, operator.complex, scoring.n3, scoring.l2)
        if not operator.bounded:
            times = torch.zeros(len(relations), device=given.device).index_add_(0, asked, times)
            of_weights += times[:, None] * regulariser_gradient(weights, operator.complex, scoring.n3, scoring.l2)
    return Gradients(float(losses.sum()), of_given, of_pool, relations, of_weights)


def regularise_answers(of_pool: torch.Tensor, pool: torch.Tensor, answers: Answers, scoring: Scoring) -> None:
    """Add the answers' part of the regulariser to the candidates' gradient."""
    columns, places = torch.unique(answers.column, return_inverse=True)
    times = torch.zeros(len(columns), device=pool.device).index_add_(0, places, answers.weight)
    vectors = pool.index_select(0, columns)
    complex_numbers = OPERATORS[scoring.operator].complex
    gradient = regulariser_gradient(vectors, complex_numbers, scoring.n3, scoring.l2)
    of_pool.index_add_(0, columns, gradient.mul_(times[:, None]))
