"""Beam search against all sentences there are, against the greedy one, and alone against in a batch."""

from __future__ import annotations

import itertools

import pytest
import torch

from neuralcore.translation.beam import beam_search, length_penalty

BEGIN, END = 3, 2  # of these tests' four tokens


class Table:
    """What follows depends on the question and the last two tokens: log-probabilities (B, V, V, V)."""

    def __init__(self, logs: torch.Tensor):
        self.logs = logs
        self.at = torch.arange(len(logs))
        self.before = torch.full((len(logs),), BEGIN)
        self.last = torch.full((len(logs),), BEGIN)
        self.rows_seen: list[int] = []

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        self.before, self.last = self.last, tokens
        self.rows_seen.append(len(tokens))
        return self.logs[self.at, self.before, self.last]

    def choose(self, rows: torch.Tensor) -> None:
        self.at, self.before, self.last = self.at[rows], self.before[rows], self.last[rows]


def tables(count: int, seed: int, sharp: float = 2.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (sharp * torch.randn(count, 4, 4, 4, generator=generator, dtype=torch.float64)).log_softmax(3)


def best_of_all(logs: torch.Tensor, limit: int, alpha: float) -> tuple[list[int], float]:
    """The sentence of the highest score, of one question's table (V, V, V), by trying each."""
    found: tuple[list[int], float] = ([], -1e9)
    for length in range(limit):
        for words in itertools.product((0, 1, 3), repeat=length):
            said = [BEGIN, BEGIN, *words, END]
            log = sum(float(logs[a, b, c]) for a, b, c in zip(said, said[1:], said[2:]))
            score = log / length_penalty(length + 1, alpha)
            if score > found[1]:
                found = list(words), score
    return found


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.5])
def test_a_wide_beam_finds_the_best_of_all(alpha: float) -> None:
    logs, limits = tables(8, 1), torch.tensor([4, 3, 1, 4, 2, 4, 4, 3])
    found = beam_search(Table(logs), limits, beam=200, alpha=alpha, begin=BEGIN, end=END)
    for answers, table, limit in zip(found, logs, limits.tolist()):
        words, score = best_of_all(table, limit, alpha)
        assert answers[0].tokens == words
        assert answers[0].score == pytest.approx(score, abs=1e-5)
        assert len(answers) == sum(3**length for length in range(limit))  # every sentence, each once
        assert len({tuple(answer.tokens) for answer in answers}) == len(answers)


def test_a_beam_of_one_is_greedy() -> None:
    logs, limit = tables(20, 2), 9
    found = beam_search(Table(logs), torch.full((20,), limit), beam=1, begin=BEGIN, end=END)
    lengths = set()
    for (answer,), table in zip(found, logs):
        said = [BEGIN, BEGIN]
        while said[-1] != END and len(said) < limit + 1:
            said.append(int(table[said[-2], said[-1]].argmax()))
        assert answer.tokens == [word for word in said[2:] if word != END]
        lengths.add(len(answer.tokens))
    assert len(lengths) > 3


def test_questions_do_not_know_each_other() -> None:
    logs, limits = tables(12, 3), torch.arange(1, 13)
    together = beam_search(Table(logs), limits, beam=3, begin=BEGIN, end=END)
    for number in range(12):
        alone = beam_search(Table(logs[number, None]), limits[number, None], beam=3, begin=BEGIN, end=END)
        assert alone[0] == together[number]


def test_every_answer_has_its_own_probability() -> None:
    logs = tables(6, 4)
    for answers, table in zip(beam_search(Table(logs), torch.full((6,), 7), beam=4, begin=BEGIN, end=END), logs):
        assert len(answers) == 4
        for answer in answers:
            said = [BEGIN, BEGIN, *answer.tokens, END]
            log = sum(float(table[a, b, c]) for a, b, c in zip(said, said[1:], said[2:]))
            assert answer.log == pytest.approx(log, abs=1e-5)
            assert answer.score == pytest.approx(log / length_penalty(len(answer.tokens) + 1, 0.6), abs=1e-5)
        assert answers == sorted(answers, key=lambda answer: -answer.score)


def test_what_is_done_is_no_longer_asked() -> None:
    logs = tables(4, 5)
    logs[:3, :, :, END] = 0.0  # three questions end at once
    table = Table(logs)
    beam_search(table, torch.full((4,), 6), beam=1, begin=BEGIN, end=END)
    assert table.rows_seen[0] == 4
    assert set(table.rows_seen[1:]) <= {1}


def test_alpha_makes_up_for_length() -> None:
    assert length_penalty(1, 0.6) == 1.0
    assert length_penalty(7, 1.0) == 2.0
    lengths = []
    for alpha in (0.0, 3.0):
        found = beam_search(Table(tables(30, 6)), torch.full((30,), 8), beam=6, alpha=alpha, begin=BEGIN, end=END)
        lengths.append(sum(len(answers[0].tokens) for answers in found))
    assert lengths[0] < lengths[1]


def test_a_beam_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="beam must be 1 or more, got 0"):
        beam_search(Table(tables(1, 0)), torch.ones(1, dtype=torch.int64), beam=0)
    assert beam_search(Table(tables(0, 0)), torch.ones(0, dtype=torch.int64)) == []
