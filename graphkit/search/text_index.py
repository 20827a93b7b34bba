"""Search among documents by what is written in them: BM25, vectors of texts, and both fused.

index = TextIndex.build(read_documents("corpus.jsonl"), WordVectors.load("runs/words"))
index.search("heat conduction in composite slabs", k=10)              # by="hybrid", "bm25" or "vectors"
index.save("indexes/cranfield"); TextIndex.load("indexes/cranfield")
index.evaluate(read_documents("queries.jsonl"), read_qrels("qrels.tsv"))

BM25 finds the words themselves, vectors also what is said in others. A hybrid answer is the reciprocal rank fusion of
the first `DEPTH` of either (`graphkit.search.ranking_metrics`), the vectors' by `vector_weight`.

    <folder>/  parts_<16 hex digits>/{documents, encoder, vectors}/  manifest.json

The digits begin the SHA-256 of the parts' manifests: the atomic replacing of manifest.json is the moment at which a
new index is there, and reading verifies every hash. Axes: N documents, B texts, D dimension.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from graphkit.search.bm25 import BM25
from graphkit.search.documents import Document
from graphkit.search.index import Match, SearchIndex
from graphkit.search.ranking_metrics import Qrels, RetrievalFigures, evaluate_rankings, reciprocal_rank_fusion
from graphkit.search.sequence_encoder import SequenceEncoder
from graphkit.search.text_encoder import SIFEncoder, TextEncoder
from graphkit.vectors_folder import kind_of, read_vectors, write_vectors
from graphkit.words.vectors import WordVectors
from neuralcore.checkpoint import sealed, sha256, unsealed, write_text
from neuralcore.errors import UserError, nearest

By = Literal["hybrid", "bm25", "vectors"]

KIND, FORMAT = "text_index", 1
SEQUENCE = "fitted"  # the kind of a saved `SequenceEncoder`
DEPTH = 1000  # documents of each ranking that are fused
VECTOR_WEIGHT = 0.1  # what docs/results/text_search.md finds; with 1, vectors weaker than BM25 spoil its first ten


class TextMatches(list[Match]):
    """The documents found, the best first.

    Attributes:
        by: how they were searched for. unknown: words of the query that have no vector, where vectors were asked.
    """

    def __init__(self, matches: Sequence[Match], by: By, unknown: Sequence[str] = ()):
        super().__init__(matches)
        self.by, self.unknown = by, list(unknown)


class TextIndex:
    """N documents to search among; made by `build` or `load`.

    Attributes:
        documents: them. bm25: None without lexical search. encoder, vectors: None without vectors; documents of which
            the encoder knows nothing are not among `vectors`. vector_weight: of the vectors' ranking in a hybrid one.
    """

    def __init__(
        self,
        documents: Sequence[Document],
        bm25: BM25 | None,
        encoder: TextEncoder | None,
        vectors: SearchIndex | None,
        vector_weight: float,
    ):
        self.documents, self.bm25, self.encoder, self.vectors = list(documents), bm25, encoder, vectors
        self.vector_weight = vector_weight
        self._row = {document.name: row for row, document in enumerate(self.documents)}

    @classmethod
    def build(
        cls,
        documents: Sequence[Document],
        encoder: TextEncoder | WordVectors | None = None,
        *,
        lexical: bool = True,
        language: str = "english",
        k1: float = 1.5,
        b: float = 0.75,
        vector_weight: float = VECTOR_WEIGHT,
    ) -> TextIndex:
        """Index documents, their titles before their texts.

        Args:
            encoder: makes vectors; word vectors become a `SIFEncoder` fitted on these documents; None for BM25 alone.
            lexical: whether there is BM25. language, k1, b: its, see `BM25.build`.
            vector_weight: of the vectors' ranking in the fusion, where BM25's has 1 (the paper: 1); above 0.

        Raises:
            UserError: nothing to search by, a name is there twice, the encoder knows nothing of any document, or
                what `BM25.build` refuses.
        """
        if encoder is None and not lexical:
            raise UserError("an index without BM25 and without vectors finds nothing: give an encoder")
        if not 0.0 < vector_weight < float("inf"):
            raise UserError(f"vector_weight = {vector_weight}: a number above 0 (the paper of the fusion: 1)")
        names = [document.name for document in documents]
        if len(set(names)) < len(names):
            raise UserError("two documents have the same name: names must be unique")
        if not documents:
            raise UserError("there are no documents to index")
        texts = [document.full_text for document in documents]
        bm25 = BM25.build(texts, language, k1, b) if lexical else None
        if isinstance(encoder, WordVectors):
            encoder = SIFEncoder.fit(encoder, texts)
        vectors = None
        if encoder is not None:
            matrix = encoder.encode(texts)
            known = np.flatnonzero(matrix.any(axis=1))
            if not len(known):
                raise UserError(
                    f"the encoder knows nothing of the {len(texts):,} documents: is it of their language?"
                )
            titles = [documents[row].title for row in known.tolist()]
            vectors = SearchIndex.build(matrix[known], [names[row] for row in known], titles=titles)
        return cls(documents, bm25, encoder, vectors, vector_weight)

    def __len__(self) -> int:
        return len(self.documents)

    def __getitem__(self, name: str) -> Document:
        """The document of a name."""
        if name not in self._row:
            raise UserError(f"there is no document {name!r}: {nearest(name, self._row)}")
        return self.documents[self._row[name]]

    @property
    def ways(self) -> list[By]:
        """How it can be searched, the default first."""
        found: list[By] = ["bm25"] if self.bm25 is not None else []
        found += ["vectors"] if self.vectors is not None else []
        return ["hybrid", *found] if len(found) == 2 else found

    def search(self, query: str, k: int = 10, by: By | None = None) -> TextMatches:
        """The k best documents, equal scores by their order.

        Args:
            by: "bm25", the documents that have one of the query's words; "vectors", by the cosine; "hybrid", both
                fused. None: the first there is of hybrid, BM25, vectors.

        Returns:
            Fewer than k where BM25 finds fewer.

        Raises:
            UserError: the query is empty, nothing of it is known to what is asked, or this index has not that way.
        """
        by = self._checked(by)
        if k < 1:
            raise UserError(f"k = {k}: ask for at least 1 document")
        if not query.strip():
            raise UserError("the query is empty: type some words")
        encoder, unknown = self.encoder, list[str]()
        if by != "bm25" and isinstance(encoder, SIFEncoder | SequenceEncoder):
            unknown = encoder.unknown(query)
        found = self._ranking(query, k, by)
        if not found:
            words = "no word of the query is in a document" if by == "bm25" else "no word of the query is known"
            also = f" ({', '.join(map(repr, unknown))})" if unknown else ""
            raise UserError(f"{words}{also}: use others, or check their spelling")
        named = ((self.documents[row], score) for row, score in found)
        return TextMatches([Match(d.name, s, rank, d.title) for rank, (d, s) in enumerate(named, 1)], by, unknown)

    def evaluate(
        self, queries: Sequence[Document], qrels: Qrels, by: By | None = None
    ) -> tuple[RetrievalFigures, list[str]]:
        """nDCG@10, recall@100 and MRR@10 of queries, and the names of judged ones that found nothing, counted as 0.

        Raises:
            UserError: see `evaluate_rankings`.
        """
        by, names = self._checked(by), [document.name for document in self.documents]
        asked = [query for query in queries if query.name in qrels]
        rankings = {query.name: [names[row] for row, _ in self._ranking(query.text, 100, by)] for query in asked}
        return evaluate_rankings(rankings, qrels), [query for query, found in rankings.items() if not found]

    def _checked(self, by: By | None) -> By:
        if by is None:
            return self.ways[0]
        if by in self.ways:
            return by
        if by not in get_args(By):
            raise UserError(f"unknown way {by!r} to search: {nearest(by, self.ways)}")
        raise UserError(f"this index has no {by}: search by {' or '.join(self.ways)}, or build it anew")

    def _ranking(self, query: str, k: int, by: By) -> list[tuple[int, float]]:
        """Rows and scores of up to k documents; none where nothing of the query is known."""
        if by == "hybrid":
            both = [[row for row, _ in self._ranking(query, max(k, DEPTH), way)] for way in ("bm25", "vectors")]
            return reciprocal_rank_fusion(both, [1.0, self.vector_weight])[:k]
        if by == "bm25":
            assert self.bm25 is not None
            scores = self.bm25.scores(query)
            rows = np.flatnonzero(scores > 0)
            order = rows[np.argsort(-scores[rows], kind="stable")][:k]
            return list(zip(order.tolist(), scores[order].tolist()))
        assert self.vectors is not None
        assert self.encoder is not None
        vector = self.encoder.encode([query])[0]
        if not vector.any():
            return []
        return [(self._row[match.name], match.score) for match in self.vectors.search(vector, k)]

    def save(self, folder: str | Path) -> Path:
        """Write the index in place of what the folder held; an encoder of one's own is not in it.

        Raises:
            UserError: it cannot be written, or the folder holds something else; what was there is intact.
        """
        folder = Path(folder)
        others = folder.iterdir() if folder.is_dir() else [folder] if folder.exists() else []
        if kind_of(folder) != KIND and any(not path.name.startswith("parts") for path in others):
            raise UserError(f"{folder} holds {kind_of(folder) or 'something else'}: choose another folder")
        new = folder / "parts.new"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _unused(new).mkdir()
        except OSError as error:
            raise UserError(f"{folder} could not be written ({error.strerror}); what was there is intact") from None
        columns = {key: [getattr(d, key) for d in self.documents] for key in ("name", "title", "text")}
        arrays = {} if self.bm25 is None else self.bm25.arrays()
        language = None if self.bm25 is None else self.bm25.language
        write_vectors(new / "documents", "documents", arrays, columns, {"language": language})
        if self.vectors is not None:
            self.vectors.save(new / "vectors")
        if isinstance(self.encoder, (SIFEncoder, SequenceEncoder)):
            self.encoder.save(new / "encoder")
        parts = {path.name: sha256(path / "manifest.json") for path in sorted(new.iterdir())}
        place = _parts(folder, parts)
        try:
            if place.exists():  # the same index once more, perhaps to replace damaged files
                place.rename(_unused(folder / "parts.old"))
            new.rename(place)
            manifest = {"format": FORMAT, "kind": KIND, "parts": parts, "vector_weight": self.vector_weight}
            write_text(folder / "manifest.json", sealed(manifest))
        except OSError as error:
            raise UserError(f"{folder} could not be written ({error.strerror}); what was there is intact") from None
        for old in folder.glob("parts*"):
            if old != place:
                shutil.rmtree(old, ignore_errors=True)
        return folder

    @classmethod
    def load(cls, folder: str | Path, encoder: TextEncoder | None = None) -> TextIndex:
        """The index that `save` wrote.

        Args:
            encoder: the one it was built with, where that is neither of word vectors nor a `SequenceEncoder`.

        Raises:
            UserError: there is none, a byte of it has changed, or the encoder is missing.
        """
        folder = Path(folder)
        path = folder / "manifest.json"
        if not path.is_file():
            raise UserError(f"{folder} holds no text index (no manifest.json): make one by graphkit documents")
        if kind_of(folder) not in (KIND, None):
            raise UserError(f"{folder} holds {kind_of(folder)}, not a text index")
        try:
            manifest: dict[str, Any] = unsealed(path.read_bytes())
            if manifest["format"] != FORMAT:
                raise UserError(f"{path}: format {manifest['format']}, this version reads {FORMAT}")
            parts, weight = manifest["parts"], float(manifest["vector_weight"])
            place = _parts(folder, parts)
            for part, digest in parts.items():
                if sha256(place / part / "manifest.json") != digest:
                    raise ValueError(f"{part} is not as it was written")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{folder}: the index is damaged ({error}): build it again") from None
        arrays, columns, details = read_vectors(place / "documents", "documents")
        documents = [Document(*row) for row in zip(columns["name"], columns["text"], columns["title"])]
        language = details["language"]
        bm25 = None if language is None else BM25.of_arrays(arrays, len(documents), language)
        vectors = SearchIndex.load(place / "vectors") if "vectors" in parts else None
        if "encoder" in parts:
            sequence = kind_of(place / "encoder") == SEQUENCE
            encoder = (SequenceEncoder if sequence else SIFEncoder).load(place / "encoder")
        elif vectors is not None and encoder is None:
            raise UserError(f"{folder} was built with an encoder of its own: pass it, load(…, encoder=…)")
        return cls(documents, bm25, encoder if vectors is not None else None, vectors, weight)


def _unused(folder: Path) -> Path:
    """A folder's name, after what may be there is removed."""
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def _parts(folder: Path, parts: dict[str, str]) -> Path:
    return folder / f"parts_{hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]}"
