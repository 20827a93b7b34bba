"""`graphkit map`: rows of an index laid out in the plane by t-SNE, for the page of `graphkit serve`.

graphkit map runs/wn18rr
graphkit map indexes/text8 --rows 20000 --perplexity 50
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from graphkit.search.plane import POINTS
from neuralcore.errors import UserError


@dataclass(frozen=True)
class MapArguments:
    """Lay an index out in the plane by t-SNE, for the page of graphkit serve."""

    folder: Positional[Path]
    """A run folder, its vectors/ folder, or an index written by graphkit search --save-index. The map is written into
    it, and a service that is running takes it."""
    rows: int = POINTS
    """How many rows at most, 50,000 or fewer: of words the most frequent, else evenly spread ones."""
    perplexity: float | None = None
    """How many neighbours each row is to keep near, smoothly counted; 30 if not said, less for few rows."""
    iterations: int = 750
    """Gradient steps; the first 250 pull groups together, more than 750 change little."""
    metric: Literal["cosine", "dot", "l2"] | None = None
    """The metric that the service is started with; cosine if not said. A saved index keeps its own."""

    def __post_init__(self) -> None:
        if not 4 <= self.rows <= POINTS:
            raise ValueError(f"--rows {self.rows}: give 4 to {POINTS}")
        if self.iterations < 250:
            raise ValueError(f"--iterations {self.iterations}: give 250 or more")


def map_rows(arguments: MapArguments) -> int:
    """Lay an index out in the plane by t-SNE, for the page of graphkit serve."""
    from graphkit.search.folder import KIND
    from graphkit.search.opened import Opened
    from graphkit.search.plane import Plane, in_unit_square, rows_to_show, write_plane
    from graphkit.tsne_many import tsne_of_many
    from neuralcore.telemetry import Telemetry, duration

    opened = Opened(arguments.folder, arguments.metric)
    if opened.kind != KIND:
        opened = Opened(arguments.folder, arguments.metric, factory="Flat")  # only to give rows back
    started, before = time.monotonic(), (opened.place / "manifest.json").read_bytes()
    index = opened.index
    rows = rows_to_show(index, arguments.rows, by_frequency=opened.kind == "word_vectors")
    lines: list[Telemetry] = []

    def report(unit: str, done: int, total: int) -> None:
        if not lines or lines[-1].unit != unit:
            lines.append(Telemetry(total, unit, title="map"))
        if lines[-1].due() or done == total:
            lines[-1].show(done, {}, last=done == total)
        if done == total:
            lines[-1].close()

    try:
        vectors = index.faiss.reconstruct_batch(rows)
        points, divergence = tsne_of_many(vectors, arguments.perplexity, arguments.iterations, report)
    finally:
        for line in lines:
            line.close()
    if (opened.place / "manifest.json").read_bytes() != before:
        raise UserError(f"{opened.place} was saved anew meanwhile: run this again")
    details = {
        "method": "tsne",
        "metric": index.metric,
        "perplexity": arguments.perplexity,
        "iterations": arguments.iterations,
        "divergence": divergence,
    }
    folder = write_plane(opened.place, Plane(rows, in_unit_square(points), details))
    taken = duration(time.monotonic() - started)
    print(f"{folder}: {len(rows):,} rows by t-SNE in {taken}, KL {divergence:.3f}: graphkit serve {arguments.folder}")
    return 0
