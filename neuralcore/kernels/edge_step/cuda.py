"""Op `edge_step` on a GPU: the CPU's derivatives by hand on CUDA tensors, the rows stepped by op `row_adagrad`'s
Triton.

Matrix products are what a GPU does best by itself; what is left is rows that are gathered, summed and stepped. Parts
are larger than on the CPU, and only there so that a block of scores against all entities fits into memory;
`map_parts` is not asked, for the device runs what it is given side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

from neuralcore.kernels.edge_step import EPSILON, Scoring
from neuralcore.kernels.edge_step.cpu import gradients, in_ball, parts_of, regularise_answers
from neuralcore.kernels.row_adagrad.cuda import COMPILE_SIGNATURES, row_adagrad
from neuralcore.scoring.losses import Answers

__all__ = ["COMPILE_SIGNATURES", "edge_step"]

SCORES = 1 << 28  # numbers in a block of scores: 1 GiB


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
    pool = entities if candidates is None else entities.index_select(0, candidates)
    size = max(SCORES // max(len(pool), 1), 1)
    rows = torch.unique(asked)
    of_relations = torch.zeros(len(rows), relations.shape[1], device=relations.device)
    loss, of_given, of_pool = 0.0, [], torch.zeros_like(pool)
    for part in parts_of(given, asked, answers, size):
        found = gradients(entities, relations, pool, part, scoring)
        loss += found.loss
        of_given.append(found.given)
        of_pool += found.candidates
        of_relations.index_add_(0, torch.searchsorted(rows, found.relations), found.relation_gradient)
    if scoring.n3 or scoring.l2:
        regularise_answers(of_pool, pool, answers, scoring)
    stepped = torch.arange(len(entities), device=entities.device) if candidates is None else candidates
    stepped, gradient = torch.cat([given, stepped]), torch.cat([*of_given, of_pool])
    with in_ball(entities, stepped, gradient, scoring):
        row_adagrad(entities, entity_state, stepped, gradient, learning_rate, EPSILON)
    squares = relation_state[rows] + of_relations.square()
    relation_state[rows] = squares
    relations[rows] -= learning_rate * of_relations / (squares.sqrt() + EPSILON)
    return loss
