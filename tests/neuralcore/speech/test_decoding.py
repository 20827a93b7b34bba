"""Decoding against sums over all paths; edit distances by hand."""

from __future__ import annotations

import itertools
from collections import defaultdict

import numpy as np
import pytest

from neuralcore.speech.decoding import collapsed, greedy, prefix_beam
from neuralcore.speech.edits import edits, error_rates


def logs(steps: int, kinds: int, seed: int) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(0.0, 1.5, (steps, kinds))
    return drawn - np.log(np.exp(drawn).sum(1, keepdims=True))


def by_all_paths(given: np.ndarray) -> dict[tuple[int, ...], float]:
    """Probability of every sequence of symbols."""
    found: dict[tuple[int, ...], float] = defaultdict(float)
    for path in itertools.product(range(given.shape[1]), repeat=len(given)):
        found[tuple(collapsed(np.array(path)))] += float(np.exp(given[range(len(given)), path].sum()))
    return found


def test_repeats_are_one_and_then_blanks_go() -> None:
    assert collapsed(np.array([0, 0, 3, 3, 0, 3, 1, 1, 2, 0])) == [3, 3, 1, 2]
    assert collapsed(np.array([0, 0])) == []
    assert collapsed(np.array([], np.int64)) == []


def test_greedy_follows_the_likeliest_path() -> None:
    given = np.log(np.array([[0.6, 0.4], [0.6, 0.4]]))
    assert greedy(given) == []  # 0.36, but [1] has 0.64
    assert prefix_beam(given, 4) == ([1], pytest.approx(np.log(0.64)))


@pytest.mark.parametrize("seed", range(6))
def test_a_wide_beam_is_exact(seed: int) -> None:
    given = logs(5, 3, seed)
    exact = by_all_paths(given)
    assert sum(exact.values()) == pytest.approx(1.0)
    best = max(exact, key=lambda symbols: exact[symbols])
    found, logarithm = prefix_beam(given, 1_000)
    assert tuple(found) == best
    assert np.exp(logarithm) == pytest.approx(exact[best])


@pytest.mark.parametrize("width", [1, 2, 5])
def test_a_narrow_beam_finds_no_more_than_there_is(width: int) -> None:
    for seed in range(6):
        given = logs(6, 3, seed)
        exact = by_all_paths(given)
        found, logarithm = prefix_beam(given, width)
        assert np.exp(logarithm) <= exact[tuple(found)] * (1 + 1e-9)


def test_impossible_symbols_are_not_written() -> None:
    given = np.log(np.array([[0.5, 0.5, 1e-300], [0.5, 0.5, 1e-300]]))
    given[:, 2] = -np.inf
    assert 2 not in prefix_beam(given, 50)[0]
    with pytest.raises(ValueError, match="beam must be 1 wide or more"):
        prefix_beam(given, 0)


@pytest.mark.parametrize(
    ("said", "written", "distance"),
    [([], [], 0), ([1, 2], [], 2), ([], [1, 2, 3], 3), ([1, 2, 3], [1, 3], 1), ([1, 2, 3, 4], [2, 1, 4, 3], 3)],
)
def test_edits(said: list[int], written: list[int], distance: int) -> None:
    assert edits(said, written) == edits(written, said) == distance


def test_rates_are_of_all_together() -> None:
    found = error_rates([[1, 2, 3], [1]], [[1, 2, 3], [2, 2]])
    assert found == {"error_rate": 0.5, "whole": 0.5}
