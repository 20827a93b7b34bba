"""import_graph: edge lists of any size into a folder that is mapped when read, in memory bounded by the names.

    import_graph(["clicks.csv.gz"], "clicks", columns=["user", "-", "page", "times"])   ->  Graph.read("clicks")

Names are numbered while the rows go by (op `name_numbers`), in order of appearance, a row's head before its tail;
entities of several types are put type after type in the end. Edges go to files at once
(`graphkit.graphs.import_stage`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from graphkit.graphs import folder as graph_folder
from graphkit.graphs.edge_sources import COMPRESSED, TABLES, Layout, Reader
from graphkit.graphs.graph import SPLITS
from graphkit.graphs.import_stage import Imported, Sides, Stage
from neuralcore.errors import UserError, nearest


def import_graph(
    sources: Sequence[str | Path],
    out: str | Path,
    *,
    columns: Sequence[str | int] | None = None,
    delimiter: str | None = None,
    header: bool | None = None,
    bad_rows: Literal["error", "skip"] = "error",
    duplicates: Literal["keep", "sum"] = "keep",
    split: Sequence[float] | None = None,
    seed: int = 0,
    seen: bool = False,
    sides: Sides | None = None,
) -> Imported:
    """Import files of edges, or one folder with files named train, valid and test, as the folder `out`.

    Args:
        columns, delimiter, header: see `Layout`.
        bad_rows: whether a bad row is an error, or skipped and counted.
        duplicates: "sum" makes one edge of those that are there several times, with the sum of their weights.
        split: shares of train, valid and test (in this order) of edges that are in no split yet.
        seed: of the split.
        seen: whether an edge of valid and test goes to train if its relation or one of its entities is not there.
        sides: relation -> the types of its heads and tails, of every relation; None if all entities are of one type.

    Raises:
        UserError: a file cannot be read, a row is bad, or the folder is there or cannot be written; nothing is left.
    """
    files = _files([Path(source) for source in sources])
    shares = _shares(split, files)
    if seen and len(shares) + len({name for name, _ in files}) < 3:
        raise UserError("seen moves edges of valid and test to train, and there is no split: give one")
    reader = Reader(Layout(columns, delimiter, header), skip=bad_rows == "skip")
    out = Path(out)
    with graph_folder.new_folder(out) as folder:
        stage = Stage(folder, sides)
        try:
            for name, path in files:
                for edges in reader.read(path):
                    stage.add(name, edges, shares, seed)
        finally:
            stage.close()
        result = Imported(out, skipped=dict(reader.skipped))
        stage.finish(result, seen=seen, sum_duplicates=duplicates == "sum")
    return result


def _files(sources: list[Path]) -> list[tuple[str, Path]]:
    """(split, file) in the order of reading."""
    if not sources:
        raise UserError("no file of edges was named: give at least one")
    if len(sources) == 1 and sources[0].is_dir():
        endings = ["", *COMPRESSED]
        names = [f"{kind}{ending}" for kind in (".tsv", ".csv", ".txt") for ending in endings] + list(TABLES)
        found = [(split, sources[0] / f"{split}{name}") for split in SPLITS for name in names]
        files = [(split, path) for split, path in found if path.is_file()]
        if not any(split == "train" for split, _ in files):
            raise UserError(f"{sources[0]} holds no train.tsv, .csv, .parquet or the like: name its files instead")
        return files
    for path in sources:
        if not path.is_file():
            siblings = [p.name for p in path.parent.glob("*") if p.is_file()]
            kind = "a folder among several sources" if path.is_dir() else "no such file"
            raise UserError(f"{path}: {kind}" + (f": {nearest(path.name, siblings)}" if siblings else ""))
    return [("train", path) for path in sources]


def _shares(split: Sequence[float] | None, files: list[tuple[str, Path]]) -> dict[str, float]:
    """Split -> its share, those that are to be drawn."""
    if split is None:
        return {}
    if len(split) not in (2, 3) or min(split) < 0 or not split[0] > 0 or abs(sum(split) - 1.0) > 1e-6:
        raise UserError(f"split {list(split)}: give shares of train, valid and test that sum to 1, as 0.8,0.1,0.1")
    if any(name != "train" for name, _ in files):
        raise UserError("the folder has splits of its own: leave --split out, or name the files")
    return {name: share for name, share in zip(SPLITS, split) if share > 0}
