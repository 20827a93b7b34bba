"""`graphkit export`: vectors for other programs, or from one format into another.

graphkit export runs/wn18rr --out wn18rr.parquet
graphkit export runs/wn18rr --out wn18rr --format biggraph
graphkit export their/model --out vectors.tsv                       from PyTorch-BigGraph's checkpoint
graphkit export runs/text8 --out projector --format projector       then tensorboard --logdir projector
graphkit export runs/wn18rr --out atlas.parquet --format atlas      then embedding-atlas atlas.parquet …
graphkit export indexes/papers --out encoder.onnx                   the encoder of texts, for ONNX runtimes
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from neuralcore.errors import UserError

Form = Literal["word2vec", "tsv", "parquet", "safetensors", "biggraph", "projector", "atlas", "onnx"]


@dataclass(frozen=True)
class ExportArguments:
    """Write vectors, and a graph's relations where the format has room for them, in another format."""

    source: Positional[Path]
    """run folder of graphkit words, walk or embed, an index of graphkit search or documents, or vectors in any of
    these formats"""
    out: Path
    """.txt or .vec (word2vec's text format, also .gz, .xz), .tsv, .parquet, .safetensors, .onnx, or a new folder"""
    format: Form | None = None
    """None: that of the suffix; biggraph is PyTorch-BigGraph's folder of HDF5 files (extra hdf5), projector a folder
    for TensorBoard, atlas a Parquet file for Embedding Atlas, onnx an encoder of texts (extra onnx)"""
    layout: Literal["pca", "tsne"] = "pca"
    """of atlas: where rows lie in the plane; tsne up to 200,000 rows, a minute and more for tens of thousands"""
    neighbors: int = 10
    """of atlas: how many nearest rows are written with each; 0 for none"""

    def __post_init__(self) -> None:
        if self.format != "atlas":
            for name, given, default in (("layout", self.layout, "pca"), ("neighbors", self.neighbors, 10)):
                if given != default:
                    raise ValueError(f"--{name} changes nothing without --format atlas")
        if self.neighbors < 0:
            raise ValueError(f"--neighbors {self.neighbors}: 0 or more")


def export(arguments: ExportArguments) -> int:
    """Write vectors, and a graph's relations where the format has room for them, in another format."""
    from graphkit.embedding.formats import SUFFIXES, format_of, write
    from graphkit.export.sources import read_source

    out, form = arguments.out, arguments.format
    if form is None and out.suffix == ".onnx":
        form = "onnx"
    if form is None and format_of(out) is None:
        known = ", ".join((*SUFFIXES, ".onnx"))
        raise UserError(
            f"{out}: the suffix says no format: end it in {known}, or say --format biggraph or projector for a folder"
        )
    if form == "onnx":
        from graphkit.export.onnx_encoder import export_encoder

        print(export_encoder(arguments.source, out))
        return 0
    source = read_source(arguments.source)
    count, dimension = source.vectors.matrix.shape
    sizes = f"{count:,} vectors of {dimension:,} numbers"
    if form == "projector":
        from graphkit.export.projector import SHOWN, write_projector

        write_projector(source, out)
        part = f"; the projector shows the first {SHOWN:,}" if count > SHOWN else ""
        print(f"{out}: {sizes}{part}: tensorboard --logdir {out}")
        return 0
    if form == "atlas":
        from graphkit.export.atlas import write_atlas

        write_atlas(source, out, arguments.layout, arguments.neighbors)
        near = " --neighbors neighbors" if arguments.neighbors else ""
        print(f"{out}: {sizes}: embedding-atlas {out} --text text --x projection_x --y projection_y{near}")
        return 0
    vectors = source.vectors
    names = " and ".join(map(str, write(vectors, out, form)))
    left = (
        "; word2vec's format has no relations" if (form or format_of(out)) == "word2vec" and vectors.relations else ""
    )
    print(f"{names}: {sizes}, {len(vectors.relations):,} relations read{left}")
    return 0
