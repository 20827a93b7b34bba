"""What a query of words asks for: the row of a name, or a - b + c of three, and which rows the answer leaves out.

Axes: M queries, D dimension.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphkit.search.matches import FoundRows, Matches
from graphkit.search.name_lookup import Mode, NameLookup
from neuralcore.errors import UserError

ANALOGY = re.compile(r"(.+?) - (.+?) \+ (.+)", re.DOTALL)


@dataclass(frozen=True)
class Asked:
    """How one query was understood: `mode`, the `name` it was understood as, and the `rows` to leave out."""

    rows: tuple[int, ...]
    mode: Mode
    name: str | None


VECTOR = Asked((), "vector", None)


def understood(index: Any, lookup: NameLookup, queries: Sequence[str], fuzzy: bool) -> tuple[np.ndarray, list[Asked]]:
    """(M, D) float32 vectors to search for, and what each is.

    Args:
        index: FAISS's, which gives rows back. fuzzy: whether a name that is spelt alike will do.

    Raises:
        UserError: a query means no row, or several.
    """
    if len(queries) == 1 and (only := lookup.row_of(queries[0])) is not None:
        return index.reconstruct(only)[None], [Asked((only,), "exact", queries[0])]
    exact = lookup.rows_of(queries)
    if len(queries) == 1 and exact[0] >= 0:  # a name alone, as most come: without the arrays of a batch
        row = int(exact[0])
        return index.reconstruct(row)[None], [Asked((row,), "exact", queries[0])]
    vectors = np.empty((len(queries), index.d), np.float32)
    vectors[exact >= 0] = index.reconstruct_batch(exact[exact >= 0])
    asked = []
    for place, (query, row) in enumerate(zip(queries, exact.tolist())):
        if row >= 0:
            asked.append(Asked((row,), "exact", query))
        elif parts := ANALOGY.fullmatch(query):
            vectors[place], meaning = analogy(index, lookup, parts.groups(), fuzzy)
            asked.append(meaning)
        else:
            row, mode = lookup.understand(query, fuzzy)
            vectors[place] = index.reconstruct(row)
            asked.append(Asked((row,), mode, lookup.name(row)))
    return vectors, asked


def analogy(index: Any, lookup: NameLookup, parts: Sequence[str], fuzzy: bool) -> tuple[np.ndarray, Asked]:
    """(D,) float64: a - b + c of three names, not yet of length one, and what that is."""
    rows = [lookup.understand(part, fuzzy)[0] for part in parts]
    a, b, c = index.reconstruct_batch(np.array(rows)).astype(np.float64)
    name = "{} - {} + {}".format(*map(lookup.name, rows))
    if not (a - b + c).any():
        raise UserError(f"{name} is zero, to which nothing is nearer than the rest: ask for other names")
    return a - b + c, Asked(tuple(rows), "analogy", name)


def answered(
    lookup: NameLookup, scores: np.ndarray, rows: np.ndarray, k: int, asked: Sequence[Asked]
) -> list[Matches]:
    """(M, ·) scores and rows as M answers of at most k, each without the rows that were asked for, and without -1."""
    out, whole = [], not rows.size or (min(rows[0].tolist()) if len(rows) == 1 else rows.min()) >= 0
    if whole and rows.shape[1] <= k and not any(meaning.rows for meaning in asked):
        found_rows = (FoundRows(lookup, each, found) for each, found in zip(scores, rows))
        return [Matches(found, meaning.mode, meaning.name) for found, meaning in zip(found_rows, asked)]
    for each, found, meaning in zip(scores, rows, asked):
        if whole and len(meaning.rows) == 1 and len(found) and found[0] == meaning.rows[0]:
            each, found = each[1:], found[1:]  # as mostly: nothing is nearer to a row than itself
        elif meaning.rows or not whole:
            kept = found >= 0
            for row in meaning.rows:
                kept &= found != row
            each, found = each[kept], found[kept]
        out.append(Matches(FoundRows(lookup, each[:k], found[:k]), meaning.mode, meaning.name))
    return out
