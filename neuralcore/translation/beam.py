"""Beam search: the likeliest sentences that a model says token by token, for many questions at once.

Axes: B questions, G of them still searched, K hypotheses each, R = G K rows, V tokens.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch

from neuralcore.data.tokens import BEGIN, END


class Decoding(Protocol):
    """A model in the midst of its answers, one a row; it begins with B rows that have said nothing."""

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        """(R, V) log-probabilities of what follows when each row goes on with its token (R,) int64."""
        ...

    def choose(self, rows: torch.Tensor) -> None:
        """Go on with some rows (R',) int64, in another order or several times."""
        ...


class Hypothesis(NamedTuple):
    """An answer.

    Attributes:
        tokens: what is said, without begin and end. score: what answers are ranked by. log: its log-probability, with
            the end's.
    """

    tokens: list[int]
    score: float
    log: float


def length_penalty(length: int, alpha: float) -> float:
    """((5 + |Y|) / 6)^α, by which the log-probability of |Y| tokens is divided (Wu et al. 2016, eq. 14)."""
    return ((5.0 + length) / 6.0) ** alpha


@torch.no_grad()
def beam_search(
    decoding: Decoding,
    limits: torch.Tensor,
    *,
    beam: int = 5,
    alpha: float = 0.6,
    begin: int = BEGIN,
    end: int = END,
) -> list[list[Hypothesis]]:
    """For each question its finished answers, `beam` at most, the best first.

    Of all continuations of a question's hypotheses the 2 K likeliest are looked at. Those that end and are among the
    first K are finished; the K likeliest others go on, so that no finished one takes another's place. A question is
    done when K answers are finished, or when it has said as much as it may, where only the end can follow. So a beam
    of 1 is greedy, and one of all sentences finds the best of all.

    Args:
        decoding: at its beginning. limits: (B,) int64, tokens that an answer may have, with its end: 1 or more.
        beam: K. alpha: of `length_penalty`; 0: log-probabilities are compared as they are.
    """
    if beam < 1:
        raise ValueError(f"beam must be 1 or more, got {beam}")
    device, count = limits.device, len(limits)
    found: list[list[Hypothesis]] = [[] for _ in range(count)]
    left = torch.arange(count, device=device)  # the questions (G,) that are searched
    tokens = torch.full((count, 1), begin, device=device)
    sums = torch.zeros(count, 1, device=device)  # log-probabilities (G, K)
    said = torch.zeros(count, 1, 0, dtype=torch.int64, device=device)  # (G, K, length)
    for length in range(1, int(limits.max()) + 1 if count else 0):
        logs = decoding.step(tokens.flatten()).unflatten(0, tokens.shape)
        _, live, size = logs.shape
        is_last = limits[left] == length
        only_end = torch.full((size,), -torch.inf, device=device).index_fill(0, torch.tensor(end, device=device), 0.0)
        totals = sums[:, :, None] + torch.where(is_last[:, None, None], logs + only_end, logs)
        best, at = totals.flatten(1).topk(min(2 * beam, live * size), 1)
        parents, tokens = at // size, at % size
        ended = tokens == end
        done = is_last.clone()
        for place, rank in (ended & best.isfinite())[:, :beam].nonzero().tolist():
            answers = found[int(left[place])]
            if len(answers) < beam:
                log = float(best[place, rank])
                words = said[place, parents[place, rank]].tolist()
                answers.append(Hypothesis(words, log / length_penalty(length, alpha), log))
            done[place] |= len(answers) == beam
        if bool(done.all()):
            break
        going = (~done).nonzero()[:, 0]
        sums, order = best.masked_fill(ended, -torch.inf)[going].topk(min(beam, best.shape[1]), 1)
        parents, tokens = parents[going].gather(1, order), tokens[going].gather(1, order)
        rows = going[:, None] * live + parents
        decoding.choose(rows.flatten())
        said = torch.cat([said.flatten(0, 1)[rows.flatten()].unflatten(0, rows.shape), tokens[:, :, None]], 2)
        left = left[going]
    return [sorted(answers, key=lambda answer: -answer.score) for answers in found]
