"""An encoder of texts as an ONNX graph: numbers of words in, vectors out, for runtimes that know no Python.

    tokens (batch, length) int64, -1 where there is none, or one without a vector    ->    vectors (batch, D) float32

    rows  = table[tokens]                   the table's last row, which -1 reads, is of zeros
    mean  = sum of rows / max(1, how many of them are known)
    v     = mean - (mean Cᵀ) C              C (C, D): the components that are taken out, where there are any

Two encoders have this form: `SIFEncoder`, whose weights a / (a + p(w)) are multiplied into the table, and the bags of
a trained graph, where a text's words are an entity's tags. Beside the graph lies <name>.vocabulary.json, with the
words in the order of the table and how a text is cut into words; `token_ids` reads it. Sums are in float32, where our
own are in float64.

Axes: V words of D numbers, B texts of up to L words.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from graphkit.embedding.embedding import GraphEmbedding
from graphkit.embedding.encoders import TagTable
from graphkit.embedding.features import Encoded
from graphkit.embedding.format_files import replacing
from graphkit.export.sources import place_of
from graphkit.graphs.features import Bags
from graphkit.search.text_encoder import SIFEncoder
from graphkit.search.text_features import tags_in
from graphkit.words.corpus import Tokenizer
from neuralcore.checkpoint import sha256
from neuralcore.errors import UserError
from neuralcore.lazy import lazy_import

onnx = lazy_import("onnx", extra="onnx")

FORMAT = 1
OPSET, IR_VERSION = 17, 8  # of 2022: what runtimes of the last years read
LARGEST = 2_000_000_000  # bytes of a table: Protocol Buffers hold 2 GiB in all
NONE = -1  # in place of a word
TAGS = "tags"  # a text is cut by `graphkit.search.text_features.tags_in`


@dataclass(frozen=True)
class WordTable:
    """What the graph is made of.

    Attributes:
        words: V, in order. rows: (V, D) float32, weighted. known: (V,) bool, which count in the mean.
        components: (C, D). cut: how a text becomes words, for the file beside.
    """

    words: Sequence[str]
    rows: np.ndarray
    known: np.ndarray
    components: np.ndarray
    cut: Mapping[str, Any]

    @classmethod
    def of_sif(cls, encoder: SIFEncoder) -> WordTable:
        """Word vectors, weighted.

        Raises:
            UserError: unknown words get vectors of their n-grams, of which no table can have a row for each.
        """
        words = encoder.words
        if words.ngrams is not None:
            raise UserError(
                "these word vectors make vectors of unknown words from their n-grams, which an ONNX table of words "
                "cannot: train without --longest-ngram for this"
            )
        total = max(sum(encoder.counts.values()), 1)
        share = np.array([encoder.counts.get(word, 0) / total for word in words.words])
        rows = (encoder.a / (encoder.a + share))[:, None] * words.matrix.astype(np.float64)
        config = words.config
        cut: dict[str, Any] = {"encoder": "sif", "tokenizer": "words", "lowercase": False}
        if config is not None:
            cut |= {"tokenizer": str(config.tokenizer), "lowercase": config.lowercase}
        known = np.asarray(words.matrix.any(axis=1))
        return cls(words.words, rows.astype(np.float32), known, encoder.components, cut)

    @classmethod
    def of_bags(cls, encoded: Sequence[Encoded], where: Path) -> WordTable:
        """The vectors of tags.

        Raises:
            UserError: no type, or more than one, has bags of tags.
        """
        found = [part for part in encoded if isinstance(part.source, Bags) and isinstance(part.encoder, TagTable)]
        if len(found) != 1:
            kinds = ", ".join(part.kind for part in found) or "none"
            raise UserError(f"{where}: an encoder of texts is of one type with bags of words, here are {kinds}")
        (part,) = found
        assert isinstance(part.source, Bags)
        assert isinstance(part.encoder, TagTable)
        rows = part.encoder.weight
        cut = {"encoder": "tags", "tokenizer": TAGS, "lowercase": False}
        nothing = np.zeros((0, rows.shape[1]))
        return cls(list(part.source.names), rows, np.ones(len(rows), bool), nothing, cut)


def read_table(path: Path) -> WordTable:
    """Of an index of `graphkit documents --vectors`, an encoder's own folder, or a graph trained with bags of words.

    Raises:
        UserError: there is no encoder of texts.
    """
    place, kind = place_of(path)
    if kind == "text_index":
        from graphkit.search.text_index import TextIndex

        encoder = TextIndex.load(place).encoder
        if isinstance(encoder, SIFEncoder):
            return WordTable.of_sif(encoder)
        raise UserError(f"{path} has BM25 and no encoder: make it anew with graphkit documents --vectors")
    if kind == "text_encoder":
        return WordTable.of_sif(SIFEncoder.load(place))
    if kind == "graph_embedding":
        return WordTable.of_bags(GraphEmbedding.load(place).encoded, path)
    raise UserError(f"{path} has no encoder of texts: name an index of graphkit documents --vectors")


def model_of(table: WordTable) -> Any:
    """The graph, an `onnx.ModelProto`.

    Raises:
        UserError: the table is too large for one file.
    """
    size, dimension = table.rows.shape
    if table.rows.nbytes > LARGEST:
        raise UserError(f"{size:,} words of {dimension} numbers are more than the 2 GiB of an ONNX file: fewer words")
    helper, numpy_helper, proto = onnx.helper, onnx.numpy_helper, onnx.TensorProto
    padded = np.concatenate([table.rows, np.zeros((1, dimension), np.float32)])
    counted = np.append(table.known, False).astype(np.float32)
    constants = {"table": padded, "known": counted, "one": np.ones(1, np.float32), "axis": np.array([1])}
    nodes = [
        helper.make_node("Gather", ["table", "tokens"], ["rows"]),
        helper.make_node("ReduceSum", ["rows", "axis"], ["sum"], keepdims=0),
        helper.make_node("Gather", ["known", "tokens"], ["counted"]),
        helper.make_node("ReduceSum", ["counted", "axis"], ["count"], keepdims=1),
        helper.make_node("Max", ["count", "one"], ["length"]),
        helper.make_node("Div", ["sum", "length"], ["mean" if len(table.components) else "vectors"]),
    ]
    if len(table.components):
        constants["components"] = table.components.astype(np.float32)
        constants["transposed"] = np.ascontiguousarray(table.components.T.astype(np.float32))
        nodes += [
            helper.make_node("MatMul", ["mean", "transposed"], ["along"]),
            helper.make_node("MatMul", ["along", "components"], ["shared"]),
            helper.make_node("Sub", ["mean", "shared"], ["vectors"]),
        ]
    graph = helper.make_graph(
        nodes,
        "text_encoder",
        [helper.make_tensor_value_info("tokens", proto.INT64, ["batch", "length"])],
        [helper.make_tensor_value_info("vectors", proto.FLOAT, ["batch", dimension])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opset = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, producer_name="rlgraphkit", opset_imports=opset, ir_version=IR_VERSION)
    onnx.checker.check_model(model, full_check=True)
    return model


def write_onnx(table: WordTable, path: Path) -> list[Path]:
    """Write the graph and its words; returns both paths.

    Raises:
        UserError: the extra is not installed, the table is too large, or a file cannot be written; what was there is
            intact.
    """
    beside = path.with_name(f"{path.stem}.vocabulary.json")
    model = model_of(table)
    with replacing(path) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))
        digest = sha256(temporary)
    details = {"format": FORMAT, "model": path.name, "sha256": digest, "none": NONE, **table.cut}
    with replacing(beside) as temporary, open(temporary, "w", encoding="utf-8") as file:
        json.dump({**details, "words": list(table.words)}, file, ensure_ascii=False)
    return [path, beside]


def export_encoder(source: Path, out: Path) -> str:
    """Write the encoder of a folder; returns a line that tells what was written."""
    table = read_table(source)
    names = " and ".join(map(str, write_onnx(table, out)))
    components = f", {len(table.components)} taken out" if len(table.components) else ""
    return f"{names}: {len(table.words):,} words of {table.rows.shape[1]:,} numbers{components}"


def token_ids(vocabulary: Mapping[str, Any], texts: Sequence[str]) -> np.ndarray:
    """(B, L) int64 that the graph takes, L of the longest text.

    Args:
        vocabulary: what the file beside the graph holds, or its dictionary in Python.

    Raises:
        UserError: it is of another version.
    """
    if vocabulary.get("format") != FORMAT:
        raise UserError(f"a vocabulary of format {vocabulary.get('format')}, this version reads {FORMAT}")
    place = {word: number for number, word in enumerate(vocabulary["words"])}
    if vocabulary["tokenizer"] == TAGS:
        rows = [[place[tag] for tag in tags_in(text, place)[0]] for text in texts]
    else:
        tokenizer = Tokenizer(vocabulary["tokenizer"], vocabulary["lowercase"])
        lines = (itertools.chain.from_iterable(tokenizer.tokenized(text)) for text in texts)
        rows = [[place.get(word, place.get(word.lower(), NONE)) for word in line] for line in lines]
    found = np.full((len(texts), max(map(len, rows), default=0)), NONE, np.int64)
    for row, numbers in enumerate(rows):
        found[row, : len(numbers)] = numbers
    return found
