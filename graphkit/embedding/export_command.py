"""`graphkit export`: a graph's vectors for other programs, or from one format into another.

graphkit export runs/wn18rr --out wn18rr.parquet
graphkit export runs/wn18rr --out wn18rr --format biggraph
graphkit export their/model --out vectors.tsv                       from PyTorch-BigGraph's checkpoint
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tyro.conf import Positional


@dataclass(frozen=True)
class ExportArguments:
    """Write a graph's vectors, and its relations where the format has room for them, in another format."""

    source: Positional[Path]
    """run folder of graphkit embed, or vectors in any of these formats"""
    out: Path
    """.txt or .vec (word2vec's text format, also .gz and .xz), .tsv, .parquet, .safetensors, or a new folder"""
    format: Literal["word2vec", "tsv", "parquet", "safetensors", "biggraph"] | None = None
    """None: that of the suffix; biggraph is PyTorch-BigGraph's folder of HDF5 files (extra hdf5)"""


def export(arguments: ExportArguments) -> int:
    """Write a graph's vectors, and its relations where the format has room for them, in another format."""
    from graphkit.embedding.formats import format_of, read, write

    vectors = read(arguments.source)
    written = write(vectors, arguments.out, arguments.format)
    form = arguments.format or format_of(arguments.out)
    names = " and ".join(map(str, written))
    left = "; word2vec's format has no relations" if form == "word2vec" and vectors.relations else ""
    count, dimension = vectors.matrix.shape
    print(f"{names}: {count:,} vectors of {dimension:,} numbers, {len(vectors.relations):,} relations read{left}")
    return 0
