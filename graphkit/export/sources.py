"""What can be exported: names, vectors and what is known of each row, whoever made them.

run folder of words, walks or a graph      its vectors/
folder of graphkit search --save-index     its rows without the gaps, of length one under the cosine
folder of graphkit documents               the vectors of the documents, with their texts
a file of vectors                          any format of `graphkit.embedding.formats`
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from graphkit.embedding.formats import read
from graphkit.embedding.vectors import GraphVectors
from graphkit.vectors_folder import kind_of
from neuralcore.errors import UserError

if TYPE_CHECKING:
    from graphkit.search.index import SearchIndex


@dataclass(frozen=True)
class Source:
    """N named vectors.

    Attributes:
        vectors: names, titles and the matrix; for a graph's also the relations.
        attributes: name -> N strings or numbers. texts: N texts, or empty.
    """

    vectors: GraphVectors
    attributes: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    texts: Sequence[str] = field(default_factory=list)


def place_of(path: Path) -> tuple[Path, str | None]:
    """The folder whose manifest says what it holds, and what; the path itself and None where there is none."""
    place = path if (path / "manifest.json").is_file() else path / "vectors"
    return (place, kind_of(place)) if (place / "manifest.json").is_file() else (path, None)


def read_source(path: Path) -> Source:
    """Vectors of any of these kinds.

    Raises:
        UserError: there are none, or they are damaged.
    """
    place, kind = place_of(path)
    if kind == "word_vectors":
        from graphkit.words.vectors import WordVectors

        words = WordVectors.load(place)
        counted = words.config is not None  # of other programs' vectors only the order is known
        return Source(
            GraphVectors(words.words, words.matrix), {"count": words.vocabulary.counts.tolist()} if counted else {}
        )
    if kind == "search_index":
        from graphkit.search.folder import can_map
        from graphkit.search.index import SearchIndex

        return _of_index(SearchIndex.load(place, mapped=can_map()))
    if kind == "text_index":
        from graphkit.search.text_index import TextIndex

        documents = TextIndex.load(place)
        if documents.vectors is None:
            raise UserError(f"{path} has BM25 and no vectors: make it anew with graphkit documents --vectors")
        found = _of_index(documents.vectors)
        return Source(found.vectors, found.attributes, [documents[name].full_text for name in found.vectors.names])
    vectors = read(path)
    return Source(vectors, {"type": vectors.type_names()} if len(vectors.types) > 1 else {})


def _of_index(index: SearchIndex) -> Source:
    rows = np.array(index._lookup.live, np.int64)
    matrix = index.faiss.reconstruct_batch(rows)
    attributes = {name: column.rows_at(rows) for name, column in index.attributes.items()}
    return Source(GraphVectors(index.names, matrix, index.titles or []), attributes)
