"""Op `edge_gradient` on a GPU: the CPU's derivatives by hand on CUDA tensors.

Matrix products are what a GPU does best by itself, so there is no kernel of our own. Parts are larger than on the
CPU, and only there so that a block of scores against all entities fits into memory; `map_parts` is not asked, for the
device runs what it is given side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

from neuralcore.kernels.edge_gradient import EdgeGradient, Scoring
from neuralcore.kernels.edge_gradient.cpu import as_seen, gradients, parts_of, regularise_answers, relation_rows
from neuralcore.scoring.losses import Answers

SCORES = 1 << 28  # numbers in a block of scores: 1 GiB


def edge_gradient(
    entities: torch.Tensor,
    relations: torch.Tensor,
    given: torch.Tensor,
    asked: torch.Tensor,
    candidates: torch.Tensor | None,
    answers: Answers,
    scoring: Scoring,
    map_parts: Callable[..., Iterable[Any]],
) -> EdgeGradient:
    pool = entities if candidates is None else entities.index_select(0, candidates)
    size = max(SCORES // max(len(pool), 1), 1)
    rows = relation_rows(asked, relations, scoring)
    of_relations = torch.zeros(len(rows), relations.shape[1], device=relations.device)
    loss, of_given, of_pool = 0.0, [], torch.zeros_like(pool)
    seen = as_seen(pool, scoring)
    for part in parts_of(given, asked, answers, size):
        found = gradients(entities, relations, pool, seen, part, scoring)
        loss += found.loss
        of_given.append(found.given)
        of_pool += found.candidates
        of_relations.index_add_(0, torch.searchsorted(rows, found.relations), found.relation_gradient)
    if scoring.n3 or scoring.l2:
        regularise_answers(of_pool, pool, answers, scoring)
    took_part = torch.arange(len(entities), device=entities.device) if candidates is None else candidates
    gradient = torch.cat([*of_given, of_pool])
    return EdgeGradient(loss, torch.cat([given, took_part]), gradient, rows, of_relations)
