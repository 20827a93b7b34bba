"""`graphkit import`: edge lists of any size, in any of the usual formats, into a folder that is mapped when read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro


@dataclass(frozen=True)
class ImportArguments:
    """Import edge lists as a folder for `graphkit embed`, in memory bounded by the names."""

    sources: tyro.conf.Positional[tuple[str, ...]]
    """files of edges (.tsv, .csv, also .gz, .xz and .zst; .parquet, .arrow), or a folder with train, valid, test"""
    out: str
    """folder to write, which must not be there"""
    columns: str | None = None
    """names or numbers of the columns: head,tail or head,relation,tail or head,relation,tail,weight; - for no
    relation"""
    delimiter: str | None = None
    """between columns of text; by default a comma in .csv, otherwise a tab"""
    header: bool | None = None
    """whether the first line of text names the columns; by default, if it has those names"""
    bad_rows: Literal["error", "skip"] = "error"
    """stop at a bad row with its file, line and column, or leave such rows out and count them"""
    duplicates: Literal["keep", "sum"] = "keep"
    """keep edges that are there several times, or make one of them with the sum of their weights"""
    split: str | None = None
    """shares of train, valid and test, such as 0.8,0.1,0.1"""
    seed: int = 0
    """of the split"""
    seen: bool = False
    """move edges of valid and test to train whose relation or entities are not there"""
    config: str | None = None
    """a .toml file whose tables [relations.<name>] say the types of each relation's head and tail"""


def import_edges(arguments: ImportArguments) -> int:
    """Import edge lists as a folder for `graphkit embed`, in memory bounded by the names."""
    from graphkit.graphs.importers import import_graph
    from neuralcore.errors import UserError

    try:
        split = None if arguments.split is None else [float(share) for share in arguments.split.split(",")]
    except ValueError:
        raise UserError(f"--split {arguments.split} is not numbers with commas between, as 0.8,0.1,0.1") from None
    imported = import_graph(
        arguments.sources,
        arguments.out,
        columns=None if arguments.columns is None else arguments.columns.split(","),
        delimiter=arguments.delimiter,
        header=arguments.header,
        bad_rows=arguments.bad_rows,
        duplicates=arguments.duplicates,
        split=split,
        seed=arguments.seed,
        seen=arguments.seen,
        sides=None if arguments.config is None else _sides(arguments.config),
    )
    print(imported)
    return 0


def _sides(config: str) -> dict[str, tuple[str, str]] | None:
    """Relation -> types, from the same tables that `graphkit embed` takes; None where all are of one type."""
    from graphkit.embedding.config import RelationConfig
    from neuralcore.config import find_config, from_mapping, read_toml
    from neuralcore.errors import UserError

    path: Path = find_config(config)
    tables = read_toml(path).get("relations", {})
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise UserError(f"{path}: relations is not a table of tables [relations.<name>]")
    each = {name: from_mapping(RelationConfig, table, path) for name, table in tables.items()}
    sides = {name: (mine.head, mine.tail) for name, mine in each.items()}
    return sides if any(pair != ("entity", "entity") for pair in sides.values()) else None
