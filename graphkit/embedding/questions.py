"""What a batch of edges asks, and of whom: questions, their answers, and the pool of candidates they share.

An edge (h, r, t) asks twice: which tail, given (h, r), and which head, given (t, r); the second question has relation
parameters of its own, row R + r (reciprocal relations, Lacroix et al. 2018). Negatives are shared by all questions of
a batch (Lerer et al. 2019, section 4.3): the answers to the others, some drawn uniformly, some by how often entities
are an answer, or all entities.

Axes: B questions, K candidates, A answers, E edges, N rows, R relations.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from neuralcore.scoring.losses import Answers

TOGETHER = 16  # answers of a question in a step; see `Grouped`


class Batch(NamedTuple):
    """What op `edge_step` takes.

    Attributes:
        given, asked: (B,) int64 rows of entities and of relation parameters.
        candidates: (K,) int64 rows, each once; None for all.
        answers: as arrays.
    """

    given: np.ndarray
    asked: np.ndarray
    candidates: np.ndarray | None
    answers: Answers


class KnownAnswers:
    """The rows that complete (given, asked, ?) to a known edge, by binary search in one sorted array.

    Args:
        edges: (E, 3) rows head, relation, tail. relations: R. rows: N.
    """

    def __init__(self, edges: np.ndarray, relations: int, rows: int):
        head, relation, tail = (edges[:, i].astype(np.int64) for i in range(3))
        keys = np.concatenate([relation * rows + head, (relation + relations) * rows + tail])
        found = np.concatenate([tail, head])
        order = np.lexsort((found, keys))
        keys, found = keys[order], found[order]
        once = np.r_[True, (keys[1:] != keys[:-1]) | (found[1:] != found[:-1])]
        self._rows, self._answers = rows, found[once]
        self._questions, self._starts = np.unique(keys[once], return_index=True)
        self._starts = np.append(self._starts, len(self._answers))

    def of(self, given: np.ndarray, asked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Index arrays (which question, row) of all the known answers to B questions."""
        if not len(self._questions):
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        keys = asked.astype(np.int64) * self._rows + given
        at = np.minimum(np.searchsorted(self._questions, keys), len(self._questions) - 1)
        counts = np.where(self._questions[at] == keys, self._starts[at + 1] - self._starts[at], 0)
        return spread(self._starts[at], counts, self._answers)


def spread(starts: np.ndarray, counts: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of B stretches of `values`, one after the other: which stretch each value is of, and the values.

    >>> spread(np.array([3, 0]), np.array([1, 2]), np.array([5, 6, 7, 8]))
    (array([0, 1, 1]), array([8, 5, 6]))
    """
    which = np.repeat(np.arange(len(counts)), counts)
    within = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
    return which, values[starts[which] + within]


def pooled(
    given: np.ndarray,
    asked: np.ndarray,
    answer: np.ndarray,
    weight: np.ndarray,
    negatives: np.ndarray,
    known: tuple[np.ndarray, np.ndarray] | None = None,
) -> Batch:
    """B questions of one answer each (B,), against a pool of one another's answers and of `negatives` (U,).

    `known`, of `KnownAnswers`, says which of the pool are no negatives of a question.
    """
    candidates, column = np.unique(np.concatenate([answer, negatives]), return_inverse=True)
    question, column = np.arange(len(given)), column[: len(given)]
    left_out = None
    if known is not None:
        which, rows = known
        # Those in the pool; the answer itself is known, too.
        at = np.minimum(np.searchsorted(candidates, rows), len(candidates) - 1)
        there = candidates[at] == rows
        left_out = which[there], at[there]
    return Batch(given, asked, candidates, Answers(question, column, weight, left_out))  # type: ignore[arg-type]


class Grouped:
    """Different questions, each with its answers: for steps against all entities that could be one.

    Scores of a question are computed once for up to `TOGETHER` answers, and the loss is that of asking once an edge.
    A question with thousands of answers is asked several times, with other answers each time: all at once they would
    make one large gradient, which Adagrad would remember in every row's step size (FB15k-237, 4 passes, one seed: MRR
    .3135 with all answers at once, .3154 with 16, for 8 % more questions).

    Args:
        given, asked, answer: (A,) of edges, one way or both. weight: (A,) float32.
        candidates: the rows of all that could be answers; None if those are all rows.
        filtered: whether answers are not each other's negatives.
    """

    def __init__(
        self,
        given: np.ndarray,
        asked: np.ndarray,
        answer: np.ndarray,
        weight: np.ndarray,
        candidates: range | None,
        filtered: bool,
    ):
        order = np.lexsort((answer, given, asked))
        given, asked, answer, weight = given[order], asked[order], answer[order], weight[order]
        new_question = np.r_[True, (given[1:] != given[:-1]) | (asked[1:] != asked[:-1])]
        # An edge that is there twice is one answer of twice the weight.
        once = np.flatnonzero(new_question | np.r_[True, answer[1:] != answer[:-1]])
        self.weight = np.add.reduceat(weight, once)
        self.answer = answer[once] - (candidates.start if candidates else 0)
        self.question = np.cumsum(new_question)[once] - 1  # of each answer
        first = np.searchsorted(self.question, np.arange(self.question[-1] + 1))
        times = np.arange(len(once)) - first[self.question]
        self.starts = np.flatnonzero(times % TOGETHER == 0)  # of what is asked at once
        self.given, self.asked = given[once[self.starts]], asked[once[self.starts]]
        self.known = np.append(first, len(once))
        self.candidates = None if candidates is None else np.arange(candidates.start, candidates.stop)
        self.filtered = filtered

    def __len__(self) -> int:
        return len(self.given)

    def batches(self, generator: np.random.Generator, size: int) -> Iterator[Batch]:
        """Every answer once, in random order and company."""
        company = np.lexsort((generator.random(len(self.answer)), self.question))
        answers, weights = self.answer[company], self.weight[company]
        stops = np.append(self.starts[1:], len(answers))
        order = generator.permutation(len(self))
        for start in range(0, len(order), size):
            mine = order[start : start + size]
            stretches = self.starts[mine], stops[mine] - self.starts[mine]
            question, answer = spread(*stretches, answers)
            _, weight = spread(*stretches, weights)
            known = None
            if self.filtered:
                number = self.question[self.starts[mine]]
                known = spread(self.known[number], self.known[number + 1] - self.known[number], self.answer)
            yield Batch(
                self.given[mine],
                self.asked[mine],
                self.candidates,
                Answers(question, answer, weight, known),  # type: ignore[arg-type]
            )
