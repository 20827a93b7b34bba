"""Indices that FAISS wrote without us: no hashes, no names. Read only where someone asks for just that.

Axes: N rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graphkit.search import kinds
from graphkit.search.filters import Column
from graphkit.search.folder import Stored
from graphkit.search.name_lookup import NameLookup
from graphkit.search.rows import BLOCK, Metric, checked_blocks, checked_metric
from neuralcore.errors import UserError
from neuralcore.lazy import lazy_import

faiss = lazy_import("faiss", extra="cpu")

UNIT = 1e-3  # by how much the length of a row may differ from one under the cosine


def read_bare_file(
    path: Path,
    names: Sequence[str],
    titles: Sequence[str] | None,
    attributes: Mapping[str, Sequence[Any]] | None,
    metric: Metric | None,
) -> Stored:
    """See `SearchIndex.read_foreign`."""
    if not path.is_file():
        raise UserError(f"there is no file {path}")
    try:
        index = faiss.read_index(str(path))
    except RuntimeError as error:
        raise UserError(f"{path} is no index of FAISS: {str(error).rsplit(': ', 1)[-1]}") from None
    own: dict[int, Metric] = {faiss.METRIC_L2: "l2", faiss.METRIC_INNER_PRODUCT: "dot"}
    if index.metric_type not in own:
        raise UserError(f"{path} is by FAISS's metric {index.metric_type}: only products and l2 are searched by")
    found = own[index.metric_type]
    metric = found if metric is None else checked_metric(metric)
    if metric != found and (metric, found) != ("cosine", "dot"):
        raise UserError(f"{path} is an index by {found}, not {metric}: leave the metric out")
    lookup = NameLookup(names, titles)
    if len(lookup) != index.ntotal:
        raise UserError(
            f"{len(lookup):,} names for the {index.ntotal:,} rows of {path}: give one a row, in their order"
        )
    if (lists := kinds.inverted(index)) is not None and lists.direct_map.no():
        lists.make_direct_map()
    for start in range(0, index.ntotal, BLOCK):
        try:
            rows = index.reconstruct_batch(np.arange(start, min(start + BLOCK, index.ntotal)))
        except RuntimeError:
            raise UserError(
                f"{path}: {type(index).__name__} cannot give a row back, which a query by name needs"
            ) from None
        for _ in checked_blocks(rows, list(lookup.names[start : start + BLOCK]), metric):
            pass  # the reading is the check
        away = np.abs(np.linalg.norm(rows.astype(np.float64), axis=1) - 1) > UNIT
        if metric == "cosine" and away.any():
            row = start + int(away.argmax())
            raise UserError(f"row {row} ({lookup.names[row]!r}) of {path} is not of length one: use metric 'dot'")
    columns = {str(name): Column.of(name, values, len(lookup)) for name, values in (attributes or {}).items()}
    factory = "Flat" if isinstance(index, faiss.IndexFlat) else type(index).__name__
    reason = f"{path.name} was read without hashes"
    recall = 1.0 if factory == "Flat" else None
    return Stored(index, lookup, columns, {"metric": metric, "factory": factory, "reason": reason, "recall": recall})
