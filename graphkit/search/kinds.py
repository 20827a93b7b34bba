"""Which FAISS index serves how many rows, how hard it has to look, and how many of the true neighbours it then finds.

Exact search compares a query with every row; an inverted file (IVF) with those in the lists nearest to it; a graph
(HNSW, Malkov & Yashunin 2016, https://arxiv.org/abs/1603.09320) walks from neighbour to neighbour. The latter two
have one number that trades time for exactness, `nprobe` and `efSearch`. It is not known beforehand which value finds
enough: random vectors need ten times what clustered ones do. So it is measured, against exact search, on some rows.

Axes: N rows, D dimension, M queries, k neighbours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from neuralcore.errors import UserError
from neuralcore.lazy import lazy_import

faiss = lazy_import("faiss", extra="cpu")

EXACT_NUMBERS = 5_000_000  # rows x dimension that are compared in about a millisecond by one core
GRAPH_ROWS = 500_000  # linked in some minutes of one core; an inverted file of more is made in a fraction of that
POINTS = 64  # a list, to find its centre by; FAISS's own choice, 256, takes minutes where there are a million rows
PASSES = 10  # of k-means over these
JUDGED = 10  # neighbours of which recall tells the share that was found
QUERIES = 200  # rows that recall is measured with: 2,000 neighbours
COMPARED = (
    4e10  # multiplications at most to find their true neighbours, some seconds; fewer rows are asked of very many
)
EASED = 1e-6  # by how much of its length a score may be below the 10th's and still count: float32 says no more
HARDEST = 1024  # efSearch at most
MANY = 8  # where more than a list in so many is visited, a graph should be quicker: docs/results/search.md


def choose(rows: int, dimension: int) -> tuple[str, str]:
    """The FAISS factory string for N rows of D numbers, and why."""
    size = f"{rows:,} rows of {dimension} numbers"
    if rows * dimension <= EXACT_NUMBERS:
        return "Flat", f"exact: {size} are compared in a millisecond or less"
    if rows <= GRAPH_ROWS:
        return "HNSW32", f"a graph (HNSW): {size} are too many to compare with each, and few enough to link"
    lists = int(4 * math.sqrt(rows))
    return f"IVF{lists},Flat", f"lists (IVF): {size} are too many to compare with each, and many to link"


def make(
    factory: str, rows: int, dimension: int, metric: int, blocks: Callable[[np.ndarray | None], Iterator[np.ndarray]]
) -> Any:
    """A trained FAISS index with all rows.

    Args:
        factory: FAISS's string. metric: FAISS's number.
        blocks: all rows as (at most B, D) float32, or those whose numbers are given.

    Raises:
        RuntimeError: FAISS refuses the string, or it for so many rows.
    """
    index = faiss.index_factory(dimension, factory, metric)
    lists = inverted(index)
    if not index.is_trained:
        wanted = 100_000
        if lists is not None:
            lists.cp.max_points_per_centroid, lists.cp.niter = POINTS, PASSES
            wanted = max(wanted, POINTS * lists.nlist)
        some = None if wanted >= rows else np.sort(np.random.default_rng(0).permutation(rows)[:wanted])
        index.train(np.concatenate(list(blocks(some))))
    for block in blocks(None):
        index.add(block)
    if lists is not None:
        lists.make_direct_map()  # without it an inverted file cannot give a row back
    index.reconstruct(0)  # a query by name needs its row back: refused here rather than at the first one
    return index


def inverted(index: Any) -> Any:
    """The inverted file in a FAISS index, None where there is none."""
    return faiss.try_extract_index_ivf(index)


def effort(index: Any) -> dict[str, int]:
    """How hard an index looks: {"nprobe": lists} or {"efSearch": candidates}; {} where it always compares all."""
    if (lists := inverted(index)) is not None:
        return {"nprobe": lists.nprobe}
    inner = _inner(index)
    return {"efSearch": inner.hnsw.efSearch} if isinstance(inner, faiss.IndexHNSW) else {}


def set_effort(index: Any, value: int) -> None:
    """Make an index look so hard from now on; it is saved with it."""
    if (lists := inverted(index)) is not None:
        lists.nprobe = value
    elif isinstance(inner := _inner(index), faiss.IndexHNSW):
        inner.hnsw.efSearch = value


def parameters(index: Any, passing: np.ndarray | None) -> Any:
    """FAISS's parameters of one search among some rows only; None where all are searched.

    Where few rows pass, most of what is looked at does not: an approximate index looks harder by as much.

    Args:
        passing: (N,) bool.
    """
    if passing is None:
        return None
    times = max(1.0, len(passing) / max(int(passing.sum()), 1))
    return _parameters(index, faiss.IDSelectorBitmap(np.packbits(passing, bitorder="little")), times)


def _parameters(index: Any, selector: Any, times: float) -> Any:
    index = faiss.downcast_index(index)
    if isinstance(index, faiss.IndexPreTransform):
        return faiss.SearchParametersPreTransform(index_params=_parameters(index.index, selector, times))
    if isinstance(index, faiss.IndexIVF):
        return faiss.SearchParametersIVF(sel=selector, nprobe=min(math.ceil(index.nprobe * times), index.nlist))
    if isinstance(index, faiss.IndexHNSW):
        return faiss.SearchParametersHNSW(sel=selector, efSearch=math.ceil(index.hnsw.efSearch * times))
    return faiss.SearchParameters(sel=selector)


def tune(index: Any, target: float | None, measured: Callable[[], float]) -> float:
    """Look as hard as `target` needs, or as hard as an index can; returns the recall then measured.

    Args:
        target: share of the true neighbours to find; None leaves the index as it is.
        measured: the recall as the index now is.
    """
    if target is None or not effort(index):
        return measured()
    lists = inverted(index)
    most = lists.nlist if lists is not None else HARDEST
    value = 1 if lists is not None else 16
    while True:
        set_effort(index, min(value, most))
        found = measured()
        if found >= target or value >= most:
            return found
        value *= 2


def remark(index: Any) -> str:
    """What is to be said of an index that has been tuned: that its lists help little, or nothing."""
    lists = inverted(index)
    if lists is None or lists.nprobe * MANY <= lists.nlist:
        return ""
    return (
        f"; it has to visit {lists.nprobe} of {lists.nlist} lists, for these vectors cluster little: 'HNSW32' takes "
        "longer to build and should search faster"
    )


def judge(
    index: Any, rows: int, blocks: Callable[[np.ndarray | None], Iterator[np.ndarray]], squared: bool
) -> Callable[[], float]:
    """What measures recall@10: the share of some rows' true nearest rows that the index finds.

    The rows are drawn, the same ones each time, and are asked for without themselves. Equally near rows count alike.

    Args:
        blocks: all rows as (at most B, D) float32 as the index was given them, or those whose numbers are given.
        squared: whether near is a small squared distance, and not a large product.
    """
    count = int(np.clip(COMPARED / (rows * index.d), 20, QUERIES))
    asked = np.sort(np.random.default_rng(1).permutation(rows)[:count])
    queries = np.concatenate(list(blocks(asked)))
    k = min(JUDGED, rows - 1)
    best = np.full((len(asked), 0), -np.inf, np.float32)
    start = 0
    for block in blocks(None):
        scores = _scores(queries, block, squared)
        mine = (asked >= start) & (asked < start + len(block))
        scores[mine, asked[mine] - start] = -np.inf  # not itself
        best = np.concatenate([best, scores], axis=1)
        best = -np.partition(-best, min(k, best.shape[1]) - 1, axis=1)[:, :k]
        start += len(block)
    if k == 0:
        return lambda: 1.0
    lengths = np.linalg.norm(queries.astype(np.float64), axis=1)
    least = best.min(axis=1) - EASED * np.maximum(np.abs(best).max(axis=1), lengths**2 if squared else 0)

    def measured() -> float:
        _, found = index.search(queries, k + 1)
        places = np.unique(found[found >= 0])
        vectors = np.concatenate(list(blocks(places)))
        hits = 0
        for query, number, least_score, mine in zip(queries, asked, least, found):
            mine = mine[(mine >= 0) & (mine != number)][:k]
            scores = _scores(query[None], vectors[np.searchsorted(places, mine)], squared)[0]
            hits += int((scores >= least_score).sum())
        return hits / (k * len(asked))

    return measured


def _scores(queries: np.ndarray, rows: np.ndarray, squared: bool) -> np.ndarray:
    """(M, B) products, or negated squared distances."""
    if not squared:
        return queries @ rows.T
    both = (queries.astype(np.float64) ** 2).sum(axis=1)[:, None] + (rows.astype(np.float64) ** 2).sum(axis=1)
    return -(both - 2 * (queries.astype(np.float64) @ rows.T.astype(np.float64)))


def on_gpu(index: Any) -> Any:
    """A copy of a Flat or IVF index in the memory of the first GPU; the one that was given stays where it is.

    Raises:
        UserError: this FAISS is for CPUs, there is no GPU, or the kind of index cannot go there.
    """
    if not hasattr(faiss, "index_cpu_to_gpu") or faiss.get_num_gpus() == 0:
        raise UserError(
            "device 'cuda' needs a GPU and faiss-gpu, and this faiss sees none: pip install 'rlgraphkit[gpu]' in "
            "place of [cpu], or leave the device out"
        )
    try:
        return faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), 0, index)
    except RuntimeError:
        raise UserError(
            f"{type(index).__name__} cannot go to a GPU: use factory 'Flat' or 'IVF1024,Flat', or leave device out"
        ) from None


def _inner(index: Any) -> Any:
    index = faiss.downcast_index(index)
    return faiss.downcast_index(index.index) if isinstance(index, faiss.IndexPreTransform) else index
