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
from neuralcore.scoring.apart import LOSSES_APART
from neuralcore.scoring.comparators import COMPARATORS, C, Q
from neuralcore.scoring.losses import LOSSES, Answers, Still
from neuralcore.scoring.operators import OPERATORS, regulariser_gradient
from neuralcore.scoring.which_relation import which_relation_gradient

PART = 1 << 23  # numbers multiplied in a part, at least: a thread's work of some 200 microseconds


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
    size = part_size(len(given), len(pool) * x.shape[1])
    parts = list(parts_of(torch.from_numpy(given), torch.from_numpy(asked), answers, size))
    rows = relation_rows(torch.from_numpy(asked), w, scoring)
    loss, of_given, of_pool, of_relations = 0.0, [], None, torch.zeros(len(rows), w.shape[1])
    # Summed in order, part by part: whichever thread was first.
    seen = as_seen(pool, scoring)
    for found in map_parts(lambda part: gradients(x, w, pool, seen, part, scoring), parts):
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


def relation_rows(asked: torch.Tensor, w: torch.Tensor, scoring: Scoring) -> torch.Tensor:
    """(s,) the relations that have a gradient."""
    return torch.arange(len(w), device=w.device) if scoring.relation_prediction else torch.unique(asked)


def as_seen(pool: torch.Tensor, scoring: Scoring) -> torch.Tensor:
    """The candidates as questions are compared with them."""
    return pool.bfloat16() if scoring.precision == "bfloat16" else pool


def part_size(questions: int, products: int) -> int:
    """How many questions are a part, of so many multiplications each: 128 to 256, and parts alike."""
    most = 128 if 128 * products >= PART else 256
    return -(-questions // max(round(questions / most), 1))


def parts_of(given: torch.Tensor, asked: torch.Tensor, answers: Answers, size: int) -> Iterator[Part]:
    """The questions cut into parts of a size."""
    bounds = torch.arange(0, len(given) + size, size, device=given.device)
    cuts = torch.searchsorted(answers.question, bounds).tolist()
    known_cuts = cuts if answers.known is None else torch.searchsorted(answers.known[0], bounds).tolist()
    hidden_cuts = cuts if answers.still is None else torch.searchsorted(answers.still.hidden[0], bounds).tolist()
    for i, start in enumerate(range(0, len(given), size)):
        mine, known = slice(cuts[i], cuts[i + 1]), answers.known
        if known is not None:
            left = slice(known_cuts[i], known_cuts[i + 1])
            known = known[0][left] - start, known[1][left]
        still = answers.still
        if still is not None:
            left = slice(hidden_cuts[i], hidden_cuts[i + 1])
            still = still._replace(hidden=(still.hidden[0][left] - start, still.hidden[1][left]))
        local = Answers(answers.question[mine] - start, answers.column[mine], answers.weight[mine], known, still)
        yield Part(given[start : start + size], asked[start : start + size], local)


def gradients(
    x: torch.Tensor, w: torch.Tensor, pool: torch.Tensor, seen: torch.Tensor, part: Part, scoring: Scoring
) -> Gradients:
    """What one part wants changed; `seen` is the pool by `as_seen`."""
    operator, comparator = OPERATORS[scoring.operator], COMPARATORS[scoring.comparator]
    relations = relation_rows(part.asked, w, scoring)
    asked = torch.searchsorted(relations, part.asked)
    given, weights = x.index_select(0, part.given), w.index_select(0, relations)
    query = operator.forward(given, weights, asked)
    if part.answers.still is None:
        scores = comparator.forward(query, seen)
        kept = scores if scoring.comparator == "dot" else scores.clone()  # whose backward pass needs no scores
        losses, of_scores = LOSSES[scoring.loss].backward(scores, part.answers, scoring.margin)
        of_query, of_pool = comparator.backward(query, seen, kept, of_scores)
    else:
        losses, of_query, of_pool = _apart(query, pool, seen, part.answers, part.answers.still, scoring)
    of_given, of_weights = operator.backward(given, weights, asked, of_query)
    if scoring.n3 or scoring.l2:
        times = torch.zeros(len(given), device=given.device).index_add_(0, part.answers.question, part.answers.weight)
        of_given = of_given + times[:, None] * regulariser_gradient(given, operator.complex, scoring.n3, scoring.l2)
        if not operator.bounded:
            times = torch.zeros(len(relations), device=given.device).index_add_(0, asked, times)
            of_weights += times[:, None] * regulariser_gradient(weights, operator.complex, scoring.n3, scoring.l2)
    loss = losses.sum()
    if scoring.relation_prediction:
        question, column, weight, *_ = part.answers
        pairs = given.index_select(0, question), w, pool.index_select(0, column)
        weight = weight * scoring.relation_prediction
        losses, of_x, of_w, of_c = which_relation_gradient(scoring.operator, *pairs, part.asked[question], weight)
        loss = loss + losses.sum()
        of_given = of_given.index_add(0, question, of_x)
        of_weights += of_w
        of_pool = of_pool.index_add_(0, column, of_c)
    return Gradients(float(loss), of_given, of_pool, relations, of_weights)


def _apart(
    query: torch.Tensor, pool: torch.Tensor, seen: torch.Tensor, answers: Answers, still: Still, scoring: Scoring
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The losses (B,) and the gradients of the queries, by still candidates and the answer, and of the pool."""
    comparator, column = COMPARATORS[scoring.comparator], answers.column[:, None]
    copies = as_seen(still.vectors, scoring)
    of_others, of_moving = comparator.forward(query, copies), comparator.forward(query, seen)
    kept = (of_others, of_moving) if scoring.comparator == "dot" else (of_others.clone(), of_moving.clone())
    own = of_moving.gather(1, column)[:, 0]
    of_others.index_put_(still.hidden, of_others.new_tensor(-torch.inf))
    losses, ds_still, ds_own, ds = LOSSES_APART[scoring.loss].backward(
        of_others, own, of_moving, answers.column, answers.weight, still.times, scoring.margin
    )
    by_still, _ = comparator.backward(query, copies, kept[0], ds_still, Q)
    if scoring.comparator == "dot":
        by_answer = ds_own[:, None] * pool.index_select(0, answers.column)
    else:
        alone = torch.zeros_like(ds).scatter_(1, column, ds_own[:, None])
        by_answer, _ = comparator.backward(query, seen, kept[1], alone, Q)
    _, of_pool = comparator.backward(query, seen, kept[1], ds.scatter_(1, column, ds_own[:, None]), C)
    return losses, by_still + by_answer, of_pool


def regularise_answers(of_pool: torch.Tensor, pool: torch.Tensor, answers: Answers, scoring: Scoring) -> None:
    """Add the answers' part of the regulariser to the candidates' gradient."""
    columns, places = torch.unique(answers.column, return_inverse=True)
    times = torch.zeros(len(columns), device=pool.device).index_add_(0, places, answers.weight)
    vectors = pool.index_select(0, columns)
    complex_numbers = OPERATORS[scoring.operator].complex
    gradient = regulariser_gradient(vectors, complex_numbers, scoring.n3, scoring.l2)
    of_pool.index_add_(0, columns, gradient.mul_(times[:, None]))
