"""Losses: the true answers of a question against its negatives, over one row of scores a question.

A question has one answer or several, each with a weight w; all but the answer itself are its negatives, and with
`filtered` all but any known answer of its question. Summed over answers a, with n its negatives:

    softmax    -w log( e^s_a / (e^s_a + sum_n e^s_n) )            Lacroix et al. 2018, eq. 2
    logistic   w ( log(1 + e^-s_a) + mean_n log(1 + e^s_n) )      Trouillon et al. 2016
    ranking    w mean_n max(0, margin - s_a + s_n)                Bordes et al. 2013, eq. 1

So a question with m answers costs what one with a single answer does: the same loss as that of m questions, at 1/m of
the matrix products (FB15k-237's 544,230 questions are 149,689 different ones).

Axes: B questions, K candidates, A answers. `forward(scores (B, K), answers, margin) -> (A,)`, each answer's loss;
`backward(…)` gives that and the gradient (B, K) of its sum, written over the scores.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch.nn.functional import softplus


class Still(NamedTuple):
    """What judges questions whose candidates are no fair sample of all; see `neuralcore.scoring.apart`.

    Attributes:
        vectors: (M, D) float32, of entities from everywhere. times: (K,) float32, how many times a candidate moves.
        hidden: (question, place in vectors), int64, of those that are the answer itself, by questions.
    """

    vectors: torch.Tensor
    times: torch.Tensor
    hidden: tuple[torch.Tensor, torch.Tensor]

    def each(self, convert: Callable[[Any], torch.Tensor]) -> Still:
        """The same with every array converted."""
        return Still(convert(self.vectors), convert(self.times), (convert(self.hidden[0]), convert(self.hidden[1])))


class Answers(NamedTuple):
    """What is right, in a block of scores.

    Attributes:
        question, column: (A,) int64, where each answer's score stands. weight: (A,) float32.
        known: None, or where filtered (question, column) of every known answer, those above among them: int64, each
            entry once.
        still: None, or what judges the questions, each of which has one answer then.
    """

    question: torch.Tensor
    column: torch.Tensor
    weight: torch.Tensor
    known: tuple[torch.Tensor, torch.Tensor] | None = None
    still: Still | None = None

    def alone(self, questions: int) -> Answers:
        """The same; where each of B questions has one answer, it is known: nothing has to be subtracted then."""
        if self.known is None and len(self.question) == questions:
            return self._replace(known=(self.question, self.column))
        return self

    def each(self, convert: Callable[[Any], torch.Tensor]) -> Answers:
        """The same with every array converted."""
        known = None if self.known is None else (convert(self.known[0]), convert(self.known[1]))
        still = None if self.still is None else self.still.each(convert)
        return Answers(convert(self.question), convert(self.column), convert(self.weight), known, still)


Scores = torch.Tensor
Forward = Callable[[Scores, Answers, float], torch.Tensor]
Backward = Callable[[Scores, Answers, float], tuple[torch.Tensor, Scores]]


class Loss(NamedTuple):
    """One of those above."""

    forward: Forward
    backward: Backward


def _negatives(scores: Scores, answers: Answers) -> Scores:
    """(B, K): the scores, those that are nobody's negatives at -inf."""
    if answers.known is None:
        return scores
    return scores.index_put(answers.known, scores.new_tensor(-torch.inf))


def _count(scores: Scores, answers: Answers) -> torch.Tensor:
    """(A,) how many negatives each answer has, 1 for none: it divides."""
    if answers.known is None:
        return scores.new_full((len(answers.question),), max(scores.shape[1] - 1, 1))
    left = scores.shape[1] - torch.bincount(answers.known[0], minlength=len(scores))
    return left.clamp_min(1).to(scores.dtype)[answers.question]


def _softmax(scores: Scores, answers: Answers, margin: float = 0.0) -> torch.Tensor:
    answers = answers.alone(len(scores))
    own = scores[answers.question, answers.column]
    total = _negatives(scores, answers).logsumexp(1)[answers.question]
    if answers.known is not None:
        total = torch.logaddexp(own, total)
    return answers.weight * (total - own)


def _softmax_backward(scores: Scores, answers: Answers, margin: float = 0.0) -> tuple[torch.Tensor, Scores]:
    answers = answers.alone(len(scores))
    place = (answers.question, answers.column)
    own = scores[place]
    if answers.known is not None:
        scores.index_put_(answers.known, scores.new_tensor(-torch.inf))
    largest = scores.amax(1).clamp_min(torch.finfo(scores.dtype).min)
    ds = scores.sub_(largest[:, None]).exp_()
    sums = ds.sum(1)
    total = (largest + sums.log())[answers.question]
    part = answers.weight
    if answers.known is not None:
        part = part * torch.sigmoid(total - own)  # the negatives' share
        total = torch.logaddexp(own, total)
    rows = torch.zeros_like(sums).index_add_(0, answers.question, part)
    # A question that has no negatives at all has nothing to learn.
    ds.mul_(torch.where(sums > 0.0, rows / sums, 0.0)[:, None])
    ds.index_put_(place, -part, accumulate=True)
    return answers.weight * (total - own), ds


def _logistic(scores: Scores, answers: Answers, margin: float = 0.0) -> torch.Tensor:
    answers = answers.alone(len(scores))
    own = scores[answers.question, answers.column]
    others = softplus(_negatives(scores, answers)).sum(1, dtype=torch.float64)[answers.question]
    if answers.known is None:
        others = others - softplus(own)
    return answers.weight * (softplus(-own) + others.to(own.dtype) / _count(scores, answers))


def _logistic_backward(scores: Scores, answers: Answers, margin: float = 0.0) -> tuple[torch.Tensor, Scores]:
    answers = answers.alone(len(scores))
    place = (answers.question, answers.column)
    own, count = scores[place], _count(scores, answers)
    if answers.known is not None:
        scores.index_put_(answers.known, scores.new_tensor(-torch.inf))
    others = softplus(scores).sum(1, dtype=torch.float64)[answers.question]
    share = answers.weight / count
    rows = torch.zeros_like(scores[:, 0]).index_add_(0, answers.question, share)
    ds = scores.sigmoid_().mul_(rows[:, None])
    of_own = -answers.weight * torch.sigmoid(-own)
    if answers.known is None:
        others = others - softplus(own)
        of_own = of_own - share * torch.sigmoid(own)
    ds.index_put_(place, of_own, accumulate=True)
    return answers.weight * (softplus(-own) + others.to(own.dtype) / count), ds


def _ranking(scores: Scores, answers: Answers, margin: float = 1.0) -> torch.Tensor:
    answers = answers.alone(len(scores))
    own = scores[answers.question, answers.column]
    violation = (margin - own[:, None] + _negatives(scores, answers)[answers.question]).clamp_min(0.0)
    if answers.known is None:
        violation = violation.index_put(
            (torch.arange(len(own), device=own.device), answers.column), own.new_zeros(())
        )
    return answers.weight * violation.sum(1) / _count(scores, answers)


def _ranking_backward(scores: Scores, answers: Answers, margin: float = 1.0) -> tuple[torch.Tensor, Scores]:
    answers = answers.alone(len(scores))
    place = (answers.question, answers.column)
    own, count = scores[place], _count(scores, answers)
    if answers.known is not None:
        scores.index_put_(answers.known, scores.new_tensor(-torch.inf))
    single = len(answers.question) == len(scores) and bool((answers.question[1:] > answers.question[:-1]).all())
    violation = (scores if single else scores[answers.question]).add_((margin - own)[:, None]).clamp_min_(0.0)
    if answers.known is None:
        violation[torch.arange(len(own), device=own.device), answers.column] = 0.0
    total, share = violation.sum(1), answers.weight / count
    ds = violation.sign_().mul_(share[:, None])
    of_own = ds.sum(1)
    if not single:
        ds = torch.zeros_like(scores).index_add_(0, answers.question, ds)
    ds.index_put_(place, -of_own, accumulate=True)
    return answers.weight * total / count, ds


LOSSES: dict[str, Loss] = {
    "softmax": Loss(_softmax, _softmax_backward),
    "logistic": Loss(_logistic, _logistic_backward),
    "ranking": Loss(_ranking, _ranking_backward),
}
