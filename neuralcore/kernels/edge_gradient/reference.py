"""Op `edge_gradient`, the truth: the loss as it is written, and autograd."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch

from neuralcore.kernels.edge_gradient import EdgeGradient, Scoring
from neuralcore.scoring.apart import LOSSES_APART
from neuralcore.scoring.comparators import COMPARATORS
from neuralcore.scoring.losses import LOSSES, Answers
from neuralcore.scoring.operators import OPERATORS, regulariser
from neuralcore.scoring.which_relation import which_relation


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
    operator = OPERATORS[scoring.operator]
    x = torch.tensor(entities, requires_grad=True)
    w = torch.tensor(relations, requires_grad=True)
    pool = torch.arange(len(entities)) if candidates is None else torch.as_tensor(candidates)
    given_rows, asked_rows = torch.as_tensor(given), torch.as_tensor(asked)
    answers = answers.each(torch.as_tensor)

    query = operator.forward(x[given_rows], w, asked_rows)
    compare = COMPARATORS[scoring.comparator].forward
    regular = torch.zeros(())
    if answers.still is None:
        loss = LOSSES[scoring.loss].forward(compare(query, x[pool]), answers, scoring.margin).sum()
    else:
        still, column = answers.still, answers.column
        own = compare(query, x[pool]).gather(1, column[:, None])[:, 0]
        judged = compare(query, still.vectors).index_put(still.hidden, torch.tensor(-torch.inf))
        moving, rest = compare(query.detach(), x[pool]), (column, answers.weight, still.times, scoring.margin)
        losses, potential = LOSSES_APART[scoring.loss].forward(judged, own, moving, *rest)
        loss, regular = losses.sum(), potential.sum()
    for vectors, complex_numbers in (
        (x[given_rows][answers.question], operator.complex),
        (x[pool[answers.column]], operator.complex),
        *([] if operator.bounded else [(w[asked_rows][answers.question], operator.complex)]),
    ):
        each = regulariser(vectors, complex_numbers, scoring.n3, scoring.l2)
        regular = regular + (answers.weight * each).sum()
    rows, relation_rows = torch.cat([given_rows, pool]).unique().numpy(), np.unique(asked)
    if scoring.relation_prediction:
        pairs = x[given_rows][answers.question], w, x[pool[answers.column]]
        asks = which_relation(operator, *pairs, asked_rows[answers.question], answers.weight)
        loss = loss + scoring.relation_prediction * asks.sum()
        relation_rows = np.arange(len(relations))
    of_x, of_w = torch.autograd.grad(loss + regular, (x, w), materialize_grads=True)
    return EdgeGradient(float(loss.detach()), rows, of_x.numpy()[rows], relation_rows, of_w.numpy()[relation_rows])
