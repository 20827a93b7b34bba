"""What a folder given to a command holds: a saved index, or vectors of words or of a graph.

A run folder stands for its `vectors/`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from graphkit.search.folder import KIND
from graphkit.vectors_folder import kind_of
from neuralcore.errors import UserError, nearest

if TYPE_CHECKING:
    from graphkit.embedding.embedding import GraphEmbedding
    from graphkit.words.vectors import WordVectors


def place_of(folder: Path) -> Path:
    """The folder of the manifest: `folder` or its `vectors/`.

    Raises:
        UserError: there is none, or it does not say what it holds.
    """
    if folder.is_file():
        raise UserError(
            f"{folder} is a file: name the folder of an index; if it is FAISS's own and you trust who made it, add "
            "--foreign NAMES.txt with the names of its rows"
        )
    place = folder if (folder / "manifest.json").is_file() else folder / "vectors"
    if not (place / "manifest.json").is_file():
        raise UserError(_nothing_in(folder))
    if kind_of(place) is None:
        raise UserError(
            f"{place / 'manifest.json'} is damaged, it does not say what it holds: save the vectors again"
        )
    return place


def source_of(place: Path) -> WordVectors | GraphEmbedding:
    """The vectors in a folder that `place_of` found.

    Raises:
        UserError: it holds something else, or is damaged.
    """
    kind = kind_of(place) or ""
    if kind == "word_vectors":
        from graphkit.words.vectors import WordVectors

        return WordVectors.load(place)
    if kind == "graph_embedding":
        from graphkit.embedding.embedding import GraphEmbedding

        return GraphEmbedding.load(place)
    raise UserError(
        f"{place / 'manifest.json'}: kind {kind!r}: {nearest(kind, ['word_vectors', 'graph_embedding', KIND])}"
    )


def _nothing_in(folder: Path) -> str:
    """Why there is nothing to search in a folder, and what to name instead."""
    if not folder.exists():
        siblings = [p.name for p in folder.absolute().parent.glob("*/")]
        return f"there is no folder {folder}" + (f": {nearest(folder.name, siblings)}" if siblings else "")
    if (folder / "checkpoints").is_dir():
        return (
            f"{folder} has no vectors yet, its run has not finished: start it again with the command it was made by"
        )
    return f"{folder} holds no vectors: name a run folder, its vectors/, or a folder written by --save-index"
