"""Op `edge_step` on a GPU: op `edge_gradient` on CUDA tensors, the rows stepped by op `row_adagrad`'s Triton."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

from neuralcore.kernels.edge_gradient.cuda import edge_gradient
from neuralcore.kernels.edge_step import EPSILON, Scoring
from neuralcore.kernels.edge_step.cpu import adagrad, in_ball
from neuralcore.kernels.row_adagrad.cuda import COMPILE_SIGNATURES, row_adagrad
from neuralcore.scoring.losses import Answers

__all__ = ["COMPILE_SIGNATURES", "edge_step"]


def edge_step(
    entities: torch.Tensor,
    entity_state: torch.Tensor,
    relations: torch.Tensor,
    relation_state: torch.Tensor,
    given: torch.Tensor,
    asked: torch.Tensor,
    candidates: torch.Tensor | None,
    answers: Answers,
    scoring: Scoring,
    learning_rate: float,
    map_parts: Callable[..., Iterable[Any]],
) -> float:
    found = edge_gradient(entities, relations, given, asked, candidates, answers, scoring, map_parts)
    with in_ball(entities, found.rows, found.entities, scoring):
        row_adagrad(entities, entity_state, found.rows, found.entities, learning_rate, EPSILON)
    adagrad(relations, relation_state, found.relations, learning_rate, found.relation_rows)
    return found.loss
