"""Nearest neighbours against every distance by hand, and votes that are tied."""

from __future__ import annotations

import numpy as np
import pytest

from neuralcore.vision import neighbours
from neuralcore.vision.neighbours import Neighbours


@pytest.mark.parametrize("k", [1, 4, 23])
def test_the_nearest_are_those_of_all_distances(monkeypatch: pytest.MonkeyPatch, k: int) -> None:
    monkeypatch.setattr(neighbours, "MOST", 50)  # two queries at once
    generator = np.random.default_rng(0)
    examples = generator.integers(0, 3, (23, 1, 2, 2), dtype=np.uint8)  # many are equally far away
    queries = generator.integers(0, 3, (7, 1, 2, 2), dtype=np.uint8)
    rows, squares = Neighbours(examples, np.zeros(23, np.int64)).nearest(queries, k)
    for query, found, far in zip(queries, rows, squares):
        every = [(int(((query.astype(int) - x.astype(int)) ** 2).sum()), row) for row, x in enumerate(examples)]
        assert [(int(d), int(r)) for d, r in zip(far, found)] == sorted(every)[:k]


def test_bytes_are_exact_where_float32_is_not() -> None:
    """Two images of 3,072 bright pixels, one pixel apart by one: the square of the distance is 1."""
    bright = np.full((2, 3072), 254, np.uint8)
    bright[1, 0] = 255
    rows, squares = Neighbours(bright, np.array([0, 1])).nearest(bright, 2)
    assert rows.tolist() == [[0, 1], [1, 0]]
    assert squares.tolist() == [[0, 1], [0, 1]]


def test_a_tie_is_told_and_goes_to_the_nearest() -> None:
    examples = np.array([[0], [3], [4], [9], [11]], np.uint8)
    told = Neighbours(examples, np.array([2, 0, 0, 1, 2])).tell(np.array([[10], [1], [10]], np.uint8), 2)
    # 10 has 9 and 11 equally near, of classes 1 and 2: a tie, and the lower row is the nearer. 1 has 0 and 3.
    assert told.labels.tolist() == [1, 2, 1]
    assert told.tied.tolist() == [True, True, True]
    assert told.edge.tolist() == [False, False, False]
    told = Neighbours(examples, np.array([2, 0, 0, 1, 2])).tell(np.array([[10], [3]], np.uint8), 1)
    assert told.labels.tolist() == [1, 0]
    assert told.tied.tolist() == [False, False]
    assert told.edge.tolist() == [True, False]
    told = Neighbours(examples, np.array([2, 0, 0, 1, 2])).tell(np.array([[4]], np.uint8), 5)
    assert told.labels.tolist() == [0]  # 0 and 2 have two votes, and 4 itself is of class 0
    assert told.tied.tolist() == [True]
    assert told.edge.tolist() == [False]


def test_what_cannot_be_asked_is_refused() -> None:
    kept = Neighbours(np.zeros((3, 2), np.uint8), np.array([0, 1, 1]))
    for k in (0, 4):
        with pytest.raises(ValueError, match="from 1 to the number of examples, 3"):
            kept.nearest(np.zeros((1, 2), np.uint8), k)
    rows, squares = kept.nearest(np.zeros((1, 2), np.uint8), 2)
    assert kept.vote(rows, squares, 1).edge.tolist() == [True]
    for k in (0, 2):
        with pytest.raises(ValueError, match=f"k = {k} needs {k + 1} neighbours, got 2"):
            kept.vote(rows, squares, k)
    with pytest.raises(ValueError, match="queries has shape"):
        kept.nearest(np.zeros((1, 3), np.uint8), 1)
    with pytest.raises(ValueError, match="labels has shape"):
        Neighbours(np.zeros((3, 2)), np.zeros(2, np.int64))
