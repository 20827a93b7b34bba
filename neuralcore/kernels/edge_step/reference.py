"""Op `edge_step`, the truth: the gradient of the loss, and the two optimisers a line each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch

from neuralcore.kernels.edge_gradient.reference import edge_gradient
from neuralcore.kernels.edge_step import EPSILON, Scoring
from neuralcore.kernels.row_adagrad.reference import row_adagrad
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
    stepped, gradient = found.rows, torch.from_numpy(found.entities)
    before = torch.from_numpy(entities[stepped])
    ball = COMPARATORS[scoring.comparator].ball
    if ball:
        gradient = gradient * ball_scale(before)
    row_adagrad(entities, entity_state, stepped, gradient.numpy(), learning_rate, EPSILON)
    if ball:
        step = torch.from_numpy(entities[stepped]) - before
        moved = into_ball(before + ball_scale(before) * step)
        entities[stepped] = torch.where((step == 0.0).all(1, keepdim=True), before, moved).numpy()
    rows = found.relation_rows
    relation_state[rows] += found.relations**2
    relations[rows] -= learning_rate * found.relations / (np.sqrt(relation_state[rows]) + EPSILON)
    return found.loss
