"""Rows that come and go: added at the end, removed as gaps, updated as both, until the index is made anew.

FAISS's graphs cannot lose a row, and its flat index moves all rows behind one that goes. So a removed row stays where
it is, under no name, and searches are told to leave it out, which costs them a bit a row. All is checked before the
first change: an index is changed as asked, or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graphkit.search import kinds
from graphkit.search.filters import Column
from graphkit.search.name_lookup import NameLookup
from graphkit.search.rows import BLOCK, checked_blocks, real_array
from neuralcore.errors import UserError, nearest
from neuralcore.lazy import lazy_import

if TYPE_CHECKING:
    from graphkit.search.index import SearchIndex

faiss = lazy_import("faiss", extra="cpu")

GAPS = 0.25  # of the rows


def rows_of(lookup: NameLookup, names: Sequence[str]) -> np.ndarray:
    """(B,) the rows of names that all have to be there, each once.

    Raises:
        UserError: one is not, or is named twice.
    """
    names = _names(names)
    rows = lookup.rows_of(names)
    if (missing := np.flatnonzero(rows < 0)).size:
        name = names[int(missing[0])]
        raise UserError(f"no name {name!r} among {len(lookup):,}: {nearest(name, lookup.names)}")
    return rows


def add(
    index: SearchIndex,
    names: Sequence[str],
    vectors: Any,
    titles: Sequence[str] | None,
    attributes: Mapping[str, Sequence[Any]] | None,
) -> None:
    """See `SearchIndex.add`."""
    _check_changeable(index)
    names, given = _names(names), attributes or {}
    known = index._lookup.rows_of(names)
    if (there := np.flatnonzero(known >= 0)).size:
        raise UserError(f"the name {names[int(there[0])]!r} is there already: update it, or choose another")
    fresh = NameLookup(names, titles)  # which checks both
    for name in given:
        if name not in index.attributes:
            raise UserError(f"no attribute {name!r}: {nearest(name, index.attributes)}")
    if missing := [name for name in index.attributes if name not in given]:
        raise UserError(f"the rows of this index have the attribute {missing[0]!r}: give it to the new ones")
    columns = {name: column.joined(name, given[name], len(names)) for name, column in index.attributes.items()}
    block = _block(index, names, vectors)
    _append(index, block)
    index._lookup.add(names, None if titles is None else [fresh.title(row) for row in range(len(names))])
    index.attributes = columns


def remove(index: SearchIndex, names: Sequence[str]) -> None:
    """See `SearchIndex.remove`."""
    _check_changeable(index)
    rows = rows_of(index._lookup, names)
    if len(rows) == len(index):
        raise UserError("these are all the rows: an index has at least one")
    _check_gaps(index)
    index._lookup.remove(rows)


def update(index: SearchIndex, names: Sequence[str], vectors: Any) -> None:
    """See `SearchIndex.update`."""
    _check_changeable(index)
    names, lookup = _names(names), index._lookup
    rows = rows_of(lookup, names)
    block = _block(index, names, vectors)
    _check_gaps(index)
    titles = None if lookup.titles is None else [lookup.title(row) for row in rows.tolist()]
    values = {name: column.rows_at(rows) for name, column in index.attributes.items()}
    columns = {name: column.joined(name, values[name], len(names)) for name, column in index.attributes.items()}
    _append(index, block)
    lookup.remove(rows)
    lookup.add(names, titles)
    index.attributes = columns


def wanted(lookup: NameLookup) -> bool:
    """See `SearchIndex.compaction_wanted`."""
    return lookup.gaps > GAPS * lookup.rows


def compact(index: SearchIndex) -> None:
    """See `SearchIndex.compact`."""
    _check_changeable(index)
    lookup = index._lookup
    live = np.flatnonzero(~lookup.removed)
    made = faiss.clone_index(index.faiss)  # with what was trained, and how hard it looks
    made.reset()
    for start in range(0, len(live), BLOCK):
        made.add(index.faiss.reconstruct_batch(live[start : start + BLOCK]))
    index._lookup = NameLookup(list(lookup.names), None if lookup.titles is None else list(lookup.titles))
    index.attributes = {name: Column(col.values[live], col.texts) for name, col in index.attributes.items()}
    index.faiss = made
    _renew_gpu(index)


def _names(names: Sequence[str]) -> list[str]:
    """Names to change, each once.

    Raises:
        UserError: there is none, or one is no string or there twice.
    """
    if isinstance(names, str):
        raise UserError(f"names is one string, {names!r}: give a list of names")
    lookup = NameLookup(names)
    if not len(lookup):
        raise UserError("no names are given")
    return list(lookup.names)


def _block(index: SearchIndex, names: Sequence[str], vectors: Any) -> np.ndarray:
    array = real_array(vectors, "the matrix")
    if array.shape != (len(names), index.dimension):
        raise UserError(
            f"the matrix has shape {array.shape}, {len(names)} names need ({len(names)}, {index.dimension})"
        )
    return np.concatenate(list(checked_blocks(array, names, index.metric)))


def _append(index: SearchIndex, block: np.ndarray) -> None:
    try:
        index.faiss.add(block)
    except RuntimeError as error:
        raise UserError(
            f"{index.factory} takes no more rows: {str(error).rsplit(': ', 1)[-1]}; build it anew"
        ) from None
    _renew_gpu(index)


def _renew_gpu(index: SearchIndex) -> None:
    if index._gpu is not None:
        index._gpu = kinds.on_gpu(index.faiss)


def _check_changeable(index: SearchIndex) -> None:
    if index.mapped:
        raise UserError("a mapped index lies in its file and cannot be changed: load it without mapped")


def _check_gaps(index: SearchIndex) -> None:
    """Refuse gaps where this kind of FAISS index cannot step over them."""
    live = np.ones(index.faiss.ntotal, bool)
    try:
        index.faiss.search(index.faiss.reconstruct(0)[None], 1, params=kinds.parameters(index.faiss, live))
    except RuntimeError:
        raise UserError(f"{index.factory} cannot leave rows out of a search: build it anew without them") from None
