"""Op `edge_step`, the truth: the loss as it is written, autograd, and the two optimisers a line each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch

from neuralcore.kernels.edge_step import EPSILON, Scoring
from neuralcore.kernels.row_adagrad import row_adagrad
from neuralcore.scoring.comparators import COMPARATORS, ball_scale, into_ball
from neuralcore.scoring.losses import LOSSES, Answers
from neuralcore.scoring.operators import OPERATORS, regulariser


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
    operator = OPERATORS[scoring.operator]
    x = torch.tensor(entities, requires_grad=True)
    w = torch.tensor(relations, requires_grad=True)
    pool = torch.arange(len(entities)) if candidates is None else torch.as_tensor(candidates)
    given_rows, asked_rows = torch.as_tensor(given), torch.as_tensor(asked)
    answers = answers.each(torch.as_tensor)

    query = operator.forward(x[given_rows], w, asked_rows)
    scores = COMPARATORS[scoring.comparator].forward(query, x[pool])
    loss = LOSSES[scoring.loss].forward(scores, answers, scoring.margin).sum()
    regular = torch.zeros(())
    for vectors, complex_numbers in (
        (x[given_rows][answers.question], operator.complex),
        (x[pool[answers.column]], operator.complex),
        *([] if operator.bounded else [(w[asked_rows][answers.question], operator.complex)]),
    ):
        each = regulariser(vectors, complex_numbers, scoring.n3, scoring.l2)
        regular = regular + (answers.weight * each).sum()
    of_x, of_w = torch.autograd.grad(loss + regular, (x, w), materialize_grads=True)

    stepped = torch.cat([given_rows, pool]).unique().numpy()
    before, gradient = torch.from_numpy(entities[stepped]), of_x[stepped]
    ball = COMPARATORS[scoring.comparator].ball
    if ball:
        gradient = gradient * ball_scale(before)
    row_adagrad(
        entities, entity_state, stepped, gradient.numpy(), learning_rate, epsilon=EPSILON, implementation="reference"
    )
    if ball:
        step = torch.from_numpy(entities[stepped]) - before
        entities[stepped] = into_ball(before + ball_scale(before) * step).numpy()
    rows = np.unique(asked)
    gradient = of_w.numpy()[rows]
    relation_state[rows] += gradient**2
    relations[rows] -= learning_rate * gradient / (np.sqrt(relation_state[rows]) + EPSILON)
    return float(loss.detach())
