"""What `random_walks` draws, against the papers' own formula (the conformance test holds it to its reference)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import chi2

from neuralcore.kernels.random_walks import TRIES, cumulative_weights, random_walks

NODES = 8
# Rows of different lengths, some edges one way only: 6 ends walks, 7 has one edge, nothing leads to 5.
EDGES = [(0, 1), (0, 2), (0, 3), (1, 0), (1, 2), (1, 4), (1, 6), (2, 0), (2, 1), (2, 3), (2, 2), (3, 0), (3, 4)]
EDGES += [(3, 7), (4, 0), (4, 1), (4, 2), (4, 3), (4, 7), (5, 0), (5, 4), (7, 4)]


def graph(weighted: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray]:
    """Offsets, neighbours, cumulative weights, and the (N, N) weights they stand for."""
    rows = np.array(sorted(EDGES))
    weights = np.random.default_rng(3).uniform(0.2, 3.0, len(rows)) if weighted else np.ones(len(rows))
    offsets = np.searchsorted(rows[:, 0], np.arange(NODES + 1)).astype(np.int64)
    dense = np.zeros((NODES, NODES))
    dense[rows[:, 0], rows[:, 1]] = weights
    return offsets, rows[:, 1].astype(np.int32), cumulative_weights(offsets, weights) if weighted else None, dense


def probabilities(dense: np.ndarray, before: int, node: int, p: float, q: float) -> np.ndarray:
    """(N,) of the next node, as section 3.2 of node2vec has it: 1/p back, 1 at distance 1 from `before`, else 1/q."""
    alpha = np.where(dense[before] > 0.0, 1.0, 1.0 / q)
    alpha[before] = 1.0 / p
    mass = alpha * dense[node]
    return mass / mass.sum()


SETTINGS = [(1.0, 1.0), (0.25, 0.25), (0.25, 4.0), (4.0, 0.25), (3.0, 2.0), (0.5, 1.0), (1e5, 1e6)]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("p", "q"), SETTINGS)
def test_transitions_have_the_papers_probabilities(p: float, q: float, weighted: bool) -> None:
    """Pearson's chi-square over all pairs (t, v) with enough visits; it fails once in ten thousand right programs."""
    offsets, neighbours, cumulative, dense = graph(weighted)
    starts = np.tile(np.arange(NODES, dtype=np.int32), 12_500)
    walks = random_walks(
        offsets, neighbours, starts, cumulative=cumulative, length=6, p=p, q=q, seed=5, epoch=1, implementation="cpu"
    )
    counts = np.zeros((NODES, NODES, NODES))
    for step in range(walks.shape[1] - 2):
        triple = walks[:, step : step + 3]
        np.add.at(counts, tuple(triple[triple[:, 2] >= 0].T), 1)
    statistic, freedom = 0.0, 0
    for before in range(NODES):
        for node in np.flatnonzero(dense[before]):
            expected = (
                counts[before, node].sum() * probabilities(dense, before, node, p, q) if dense[node].any() else None
            )
            if expected is None:
                continue
            assert not counts[before, node][expected == 0.0].any()
            enough = expected > 5.0
            statistic += float(((counts[before, node] - expected)[enough] ** 2 / expected[enough]).sum())
            freedom += max(int(enough.sum()) - 1, 0)
    assert freedom > 10
    assert statistic < chi2.isf(1e-4, freedom), (statistic, freedom)


def test_the_first_step_goes_by_weight_alone() -> None:
    offsets, neighbours, cumulative, dense = graph(weighted=True)
    walks = random_walks(
        offsets,
        neighbours,
        np.full(50_000, 4, np.int32),
        cumulative=cumulative,
        length=2,
        p=0.1,
        q=9.0,
        seed=0,
        epoch=0,
    )
    expected = 50_000 * dense[4] / dense[4].sum()
    found = np.bincount(walks[:, 1], minlength=NODES)
    enough = expected > 0.0
    assert ((found - expected)[enough] ** 2 / expected[enough]).sum() < chi2.isf(1e-4, enough.sum() - 1)
    assert not found[~enough].any()


def test_walks_follow_edges_and_end_where_there_is_none() -> None:
    offsets, neighbours, _, dense = graph(weighted=False)
    walks = random_walks(
        offsets, neighbours, np.array([6, 1, 5, 0], np.int32), length=50, p=0.5, q=2.0, seed=2, epoch=0
    )
    assert walks[0].tolist() == [6] + [-1] * 49
    for walk in walks:
        ended = np.append(walk, -1).tolist().index(-1)
        assert (walk[ended:] == -1).all()
        assert (dense[walk[: ended - 1], walk[1:ended]] > 0.0).all()
        assert ended == 50 or walk[ended - 1] == 6


@pytest.mark.parametrize("implementation", ["reference", "cpu"])
def test_a_walk_depends_on_its_number_alone(implementation: Any) -> None:
    offsets, neighbours, cumulative, _ = graph(weighted=True)
    starts = np.arange(NODES, dtype=np.int32)
    usual = {"cumulative": cumulative, "length": 30, "p": 0.3, "q": 2.0, "seed": 9, "epoch": 4}

    def walks(some: np.ndarray, **changed: Any) -> np.ndarray:
        return random_walks(offsets, neighbours, some, **{**usual, **changed}, implementation=implementation)

    whole = walks(starts)
    parts = [walks(starts[begin : begin + 3], first=begin) for begin in (0, 3, 6)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    np.testing.assert_array_equal(walks(starts, length=12), whole[:, :12])
    for changed in ({"seed": 10}, {"epoch": 5}, {"first": 1}, {"p": 0.4}, {"q": 1.0}, {"cumulative": None}):
        assert (walks(starts, **changed) != whole).any(), changed
    assert len({tuple(row) for row in walks(np.zeros(20, np.int32), length=40).tolist()}) == 20


def test_a_step_is_bounded_however_unlikely_each_neighbour_is() -> None:
    """A hub whose neighbours are all far from each other, and a walk that hardly ever may go on or back."""
    leaves = 2000
    offsets = np.array([0, leaves, *range(leaves + 1, 2 * leaves + 1)], np.int64)
    neighbours = np.concatenate([np.arange(1, leaves + 1), np.zeros(leaves, np.int64)]).astype(np.int32)
    walks = random_walks(offsets, neighbours, np.ones(200, np.int32), length=9, p=1e9, q=1e9, seed=1, epoch=0)
    assert (walks[:, 1::2] == 0).all()
    assert len(np.unique(walks[:, 2::2])) > 500  # 800 draws of 2,000 leaves alike
    assert leaves > TRIES


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"length": 0}, "length must be 1 or more"),
        ({"p": 0.0}, "p and q must be above 0, got 0.0"),
        ({"q": float("inf")}, "p and q must be above 0"),
        ({"starts": np.array([NODES], np.int32)}, "starts must be nodes, from 0 to 7"),
        ({"starts": np.array([0], np.int64)}, "starts is int64, expected int32"),
        ({"offsets": np.arange(NODES + 1)}, "offsets must go from 0 to the 22 edges"),
        ({"cumulative": np.ones(3)}, "cumulative"),
        ({"first": -1}, "first 0 or more"),
    ],
)
def test_what_does_not_fit_is_refused(changed: dict[str, Any], message: str) -> None:
    offsets, neighbours, cumulative, _ = graph(weighted=True)
    usual = {"offsets": offsets, "neighbours": neighbours, "starts": np.zeros(1, np.int32), "cumulative": cumulative}
    with pytest.raises(ValueError, match=message):
        random_walks(**{**usual, "length": 3, "seed": 0, "epoch": 0, **changed})


def test_weights_are_summed_up_row_by_row() -> None:
    offsets = np.array([0, 2, 2, 3, 6], np.int64)
    found = cumulative_weights(offsets, np.array([1.0, 2.0, 5.0, 1e-3, 1e3, 1.0]))
    np.testing.assert_array_equal(found, [1.0, 3.0, 5.0, 1e-3, 1e-3 + 1e3, 1e-3 + 1e3 + 1.0])
