"""A shortlist of tokens: an output layer that is asked for some tokens only (Jean et al. 2015, section 3.2).

Which tokens could follow is known from what is read: the K commonest of all, and for each token that is read the K'
that most often go with it. The paper takes those from a model of word alignments; here it is how much oftener two
tokens meet in a pair of texts than by chance (the Dice coefficient, 2 c(s, t) / (c(s) + c(t)), each counted once a
pair).

Axes: S tokens that can be read, V that can be written, C candidates, W width.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import nn

from neuralcore.data.tokens import SPECIAL

AT_ONCE = 4_000_000  # pairs of tokens that are counted at a time


class Shortlist:
    """Candidates by what is read.

    Args:
        common: (K,) int64 tokens that are always among them; the special ones are too.
        partners: (S, K') int64 tokens by the token that is read, -1 for none.
    """

    def __init__(self, common: np.ndarray, partners: np.ndarray):
        self.common = np.union1d(np.arange(len(SPECIAL)), common)
        self.partners = partners

    @classmethod
    def learn(
        cls,
        pairs: Iterable[tuple[Sequence[int], Sequence[int]]],
        sources: int,
        targets: int,
        *,
        common: int = 500,
        each: int = 20,
    ) -> Shortlist:
        """Of pairs of texts that mean the same (source ids, target ids).

        Args:
            sources: S. targets: V. common: K. each: K'.
        """
        counts, read, written, keys = np.zeros(targets, np.int64), np.zeros(sources), np.zeros(targets), []
        pending, found, totals = 0, np.empty(0, np.int64), np.empty(0, np.int64)
        for source, target in pairs:
            s, t = np.unique(np.asarray(source, np.int64)), np.unique(np.asarray(target, np.int64))
            counts += np.bincount(np.asarray(target, np.int64), minlength=targets)
            read[s] += 1
            written[t] += 1
            keys.append((s[:, None] * targets + t).ravel())
            pending += len(keys[-1])
            if pending > AT_ONCE:
                found, totals = _added(found, totals, keys)
                keys, pending = [], 0
        found, totals = _added(found, totals, keys)
        s, t = found // targets, found % targets
        score = 2.0 * totals / (read[s] + written[t])
        order = np.lexsort((t, -score, s))
        s, t = s[order], t[order]
        rank = np.arange(len(s)) - np.searchsorted(s, s)  # among the partners of its source
        partners = np.full((sources, each), -1, np.int64)
        kept = rank < each
        partners[s[kept], rank[kept]] = t[kept]
        return cls(np.argsort(-counts, kind="stable")[:common], partners)

    def candidates(self, source: Sequence[int] | np.ndarray) -> np.ndarray:
        """(C,) int64, rising: what may be written where these tokens were read, one text or several."""
        partners = self.partners[np.unique(np.asarray(source, np.int64))].ravel()
        return np.union1d(self.common, partners[partners >= 0])


def _added(found: np.ndarray, totals: np.ndarray, keys: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Sorted keys and how often each came, with more keys."""
    new, counts = np.unique(np.concatenate([*keys, np.empty(0, np.int64)]), return_counts=True)
    both, at = np.unique(np.concatenate([found, new]), return_inverse=True)
    return both, np.bincount(at, np.concatenate([totals, counts]), len(both)).astype(np.int64)


def narrowed(output: nn.Linear, candidates: torch.Tensor) -> nn.Linear:
    """The part of an output layer (W -> V) that gives the logits of candidates (C,): W -> C.

    Weights are copied: made once for a text, it costs C W where each step would cost V W. What it holds likeliest,
    `i`, is the token `candidates[i]`.
    """
    part = nn.Linear(output.in_features, len(candidates), bias=output.bias is not None, device="meta")
    part.weight = nn.Parameter(output.weight.detach()[candidates], requires_grad=False)
    if output.bias is not None:
        part.bias = nn.Parameter(output.bias.detach()[candidates], requires_grad=False)
    return part


def widened(logits: torch.Tensor, candidates: torch.Tensor, tokens: int) -> torch.Tensor:
    """(…, V) logits, -inf where there is no candidate, of (…, C)."""
    found = logits.new_full((*logits.shape[:-1], tokens), -torch.inf)
    return found.index_copy_(-1, candidates, logits)
