"""Op `edge_step` on the CPU: op `edge_gradient`'s matrix products, the rows stepped in place by numba."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from types import EllipsisType
from typing import Any

import numpy as np
import torch

from neuralcore.kernels.edge_gradient.cpu import edge_gradient
from neuralcore.kernels.edge_step import EPSILON, Scoring
from neuralcore.kernels.row_adagrad.cpu import row_adagrad
from neuralcore.scoring.comparators import COMPARATORS, ball_scale, into_ball
from neuralcore.scoring.losses import Answers


def edge_step(
    entities: np.ndarray,
    entity_state: np.ndarray,
    relations: np.ndarray,
    relation_state: np.ndarray,
    given: np.ndarray,
    asked: np.ndarray,
    candidates: np.ndarray | None,
    answers: Answers,
    scoring: Scoring,
    learning_rate: float,
    map_parts: Callable[..., Iterable[Any]],
) -> float:
    found = edge_gradient(entities, relations, given, asked, candidates, answers, scoring, map_parts)
    x, w, s = (torch.from_numpy(table) for table in (entities, relations, relation_state))
    with in_ball(x, torch.from_numpy(found.rows), torch.from_numpy(found.entities), scoring):
        row_adagrad(entities, entity_state, found.rows, found.entities, learning_rate, EPSILON)
    adagrad(w, s, torch.from_numpy(found.relations), learning_rate, torch.from_numpy(found.relation_rows))
    return found.loss


def adagrad(
    weight: torch.Tensor,
    state: torch.Tensor,
    gradient: torch.Tensor,
    learning_rate: float,
    rows: torch.Tensor | EllipsisType = ...,
) -> None:
    """Step some rows of a table, each named once, by Adagrad with an accumulator a number; `gradient` is used up."""
    squares = state[rows] + gradient.square()
    state[rows] = squares
    weight[rows] -= gradient.div_(squares.sqrt_().add_(EPSILON)).mul_(learning_rate)


@contextlib.contextmanager
def in_ball(x: torch.Tensor, rows: torch.Tensor, gradient: torch.Tensor, scoring: Scoring) -> Iterator[None]:
    """Around an optimiser's step on some rows of x (a row may be there twice): it becomes Riemannian, if need be.

    A row that made no step, as a frozen one, stays as it is, even outside the ball.
    """
    if not COMPARATORS[scoring.comparator].ball:
        yield
        return
    before = x.index_select(0, rows)
    scale = ball_scale(before)
    gradient.mul_(scale)
    yield
    step = x.index_select(0, rows) - before
    still = (step == 0.0).all(1, keepdim=True)
    x[rows] = torch.where(still, before, into_ball(before + scale * step))
