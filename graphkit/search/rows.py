"""The rows that an index is built of: read from whatever has names and a matrix, checked, and given in blocks.

Axes: N rows, D dimension.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np

from graphkit.search.filters import Column
from graphkit.search.name_lookup import NameLookup
from neuralcore.errors import UserError, nearest
from neuralcore.kernels.unit_rows.cpu import unit_rows  # by itself: its checks would cost what it does

Metric = Literal["cosine", "dot", "l2"]

BLOCK = 16_384  # rows checked and added at a time, so that a build holds the source, the index and little more
LONGEST = 1e18  # squares of lengths stay well inside float32


def read_source(
    source: Any,
    names: Sequence[str] | None,
    titles: Sequence[str] | None,
    attributes: Mapping[str, Sequence[Any]] | None,
) -> tuple[np.ndarray, NameLookup, dict[str, Column]]:
    """The matrix, the names and the attributes of whatever `SearchIndex.build` was given."""
    if hasattr(source, "matrix"):
        if names is not None or titles is not None:
            raise UserError(
                f"{type(source).__name__} has names of its own: leave `names` and `titles` out, or give its .matrix"
            )
        names = getattr(source, "names", None) if hasattr(source, "names") else getattr(source, "words", None)
        titles = getattr(source, "titles", None)
        attributes = {**getattr(source, "attributes", {}), **(attributes or {})}
        if names is not None and "type" in attributes:
            names, titles = told_apart(names, titles, attributes["type"])
        source = source.matrix
    if names is None:
        raise UserError("the rows have no names: give `names`, one string a row")
    matrix = real_array(source, "the matrix")
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise UserError(f"the matrix has shape {matrix.shape}: (N, D) with at least one row and one column is needed")
    lookup = NameLookup(names, titles)
    if len(lookup) != len(matrix):
        raise UserError(f"{len(lookup):,} names for {len(matrix):,} rows: give one a row")
    columns = {str(name): Column.of(name, values, len(matrix)) for name, values in (attributes or {}).items()}
    return matrix, lookup, columns


def told_apart(
    names: Sequence[str], titles: Sequence[str] | None, types: Sequence[str]
) -> tuple[Sequence[str], Sequence[str] | None]:
    """Names of several types, of which two may have the same: these become type/name, titled as they were."""
    count = Counter(names)
    if len(count) == len(names):
        return names, titles
    old = [""] * len(names) if titles is None else titles
    twice = [count[name] > 1 for name in names]
    return (
        [f"{kind}/{name}" if again else name for name, kind, again in zip(names, types, twice)],
        [title or (name if again else "") for name, title, again in zip(names, old, twice)],
    )


def real_array(values: Any, what: str) -> np.ndarray:
    """Real numbers as an array.

    Raises:
        UserError: they are not numbers, or not an array.
    """
    try:
        array = np.asarray(values)
    except ValueError:
        raise UserError(f"{what} is not an array: its rows differ in length") from None
    if array.dtype.kind not in "fiu":
        raise UserError(f"{what} is of type {array.dtype}: give real numbers")
    return array


def checked_blocks(
    matrix: np.ndarray, names: Sequence[str] | None, metric: Metric, rows: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """The rows as FAISS is given them, (at most BLOCK, D) float32 at a time, of length one for the cosine.

    Args:
        names: what rows are called in an error; None where they are queries.
        rows: numbers of those that are wanted; None for all.

    Raises:
        UserError: a row is NaN, infinite or, under the cosine, zero, or so long that its products overflow.
    """
    count = len(matrix) if rows is None else len(rows)
    for start in range(0, count, BLOCK):
        place = slice(start, start + BLOCK) if rows is None else rows[start : start + BLOCK]
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused
            block = np.ascontiguousarray(matrix[place], dtype=np.float32)

        def refuse(bad: Any, trouble: str, start: int = start) -> None:
            if bad.any():
                row = start + int(bad.argmax())
                row = row if rows is None else int(rows[row])
                called = f" ({names[row]!r})" if names is not None else " of the query"
                raise UserError(f"row {row}{called} {trouble}")

        refuse(np.isnan(block).any(axis=1), "holds NaN: nothing is near it; train again or leave it out")
        refuse(np.isinf(block).any(axis=1), "holds a number that is infinite in float32: scale it or leave it out")
        lengths = np.linalg.norm(block.astype(np.float64), axis=1, keepdims=True)
        if metric == "cosine":
            refuse(lengths[:, 0] == 0, "is zero and has no direction: leave it out, or use metric 'dot' or 'l2'")
            block = (block / lengths).astype(np.float32)
        else:
            refuse(lengths[:, 0] > LONGEST, f"is longer than {LONGEST:g}, its products overflow: scale the rows down")
        yield block


def checked_queries(vectors: np.ndarray, metric: Metric) -> np.ndarray:
    """(M, D) vectors to search for, as rows are prepared; in one go where all are in order, for one query's sake.

    Raises:
        UserError: as `checked_blocks`.
    """
    if vectors.dtype == np.float32:
        block = np.ascontiguousarray(vectors)
    else:
        with np.errstate(over="ignore"):
            block = np.ascontiguousarray(vectors, dtype=np.float32)
    units, squares = unit_rows(block)  # of float32 these are finite, unless a number was not
    good = 0 < squares[0] < LONGEST**2 if len(squares) == 1 else ((squares > 0) & (squares < LONGEST**2)).all()
    if not good:
        return np.concatenate([block[:0], *checked_blocks(vectors, None, metric)])
    return units if metric == "cosine" else block


def checked_metric(metric: str) -> Metric:
    """`metric`, if there is such.

    Raises:
        UserError: there is not.
    """
    for known in get_args(Metric):
        if metric == known:
            return known
    raise UserError(f"unknown metric {metric!r}: {nearest(str(metric), get_args(Metric))}")


def checked_k(k: int) -> int:
    """How many neighbours, as a number of at least 1.

    Raises:
        UserError: it is none.
    """
    try:
        k = operator.index(k)
    except TypeError:
        raise UserError(f"k = {k!r} is not a whole number") from None
    if k < 1:
        raise UserError(f"k = {k}: ask for at least 1 match")
    return k
