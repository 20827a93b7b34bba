"""Exports for viewers and runtimes: TensorBoard's projector, Embedding Atlas, and encoders of texts as ONNX."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from graphkit import Bags, Features, Graph, GraphEmbedding, SearchIndex, TextIndex, WordVectors
from graphkit.cli import main
from graphkit.export.onnx_encoder import WordTable, model_of, token_ids, write_onnx
from graphkit.export.sources import read_source
from graphkit.search.documents import Document
from graphkit.search.text_encoder import SIFEncoder
from graphkit.search.text_features import TextFeatures
from graphkit.words.config import SkipGramConfig
from graphkit.words.vocabulary import Vocabulary
from neuralcore.errors import UserError
from neuralcore.lazy import installed

needs_tensorboard = pytest.mark.skipif(not installed("tensorboard"), reason="needs tensorboard: the extra track")
needs_onnx = pytest.mark.skipif(not installed("onnx"), reason="needs onnx: the extra onnx")
WORDS = ["the", "of", "heat", "Berlin", "berlin", "wing", "zero", "naïve", "flow"]


def vectors(**settings) -> WordVectors:
    matrix = np.random.default_rng(0).normal(size=(len(WORDS), 5)).astype(np.float32)
    matrix[6] = 0
    config = SkipGramConfig(dimension=5, **settings) if settings else None
    ngrams = np.ones((32, 5), np.float32) if settings.get("longest_ngram") else None
    return WordVectors(Vocabulary(WORDS, range(90, 0, -10)), matrix, config, ngrams)


def index() -> SearchIndex:
    matrix = np.random.default_rng(1).normal(size=(9, 4))
    titles = [f"Title {i}" if i % 2 else "" for i in range(9)]
    found = SearchIndex.build(
        matrix, [f"n{i}" for i in range(9)], titles=titles, attributes={"kind": list("aabbccaab"), "year": range(9)}
    )
    found.remove(["n4"])
    return found


def graph(bags: bool = True) -> GraphEmbedding:
    texts = Bags.of([["heat", "flow"], ["flow"], ["wing", "wing", "heat"], [], ["sci-fi"]])
    edges = np.array([[0, 0, 5], [1, 0, 5], [2, 0, 6], [3, 0, 6], [4, 0, 5]])
    names = [*"abcde", "t", "a"]
    known = Graph.of(names, ["about"], edges, types={"page": 5, "topic": 2}, sides=[("page", "topic")])
    return GraphEmbedding(known, dimension=6, features={"page": Features(texts)} if bags else {}).fit(3)


# ---- the projector


@needs_tensorboard
@pytest.mark.filterwarnings("ignore")
def test_tensorboard_reads_the_folder(tmp_path: Path, monkeypatch, capsys):
    from tensorboard.plugins import base_plugin
    from tensorboard.plugins.projector.projector_plugin import ProjectorPlugin
    from werkzeug.test import Client

    monkeypatch.chdir(tmp_path)
    index().save("index")
    assert main(["export", "index", "--out", "shown", "--format", "projector"]) == 0
    assert capsys.readouterr().out == "shown: 8 vectors of 4 numbers: tensorboard --logdir shown\n"
    plugin = ProjectorPlugin(base_plugin.TBContext(logdir="shown", multiplexer=None))
    plugin.data_provider = None
    apps = plugin.get_plugin_apps()

    def get(app: str, query: str = "") -> bytes:
        response = Client(apps[app]).get(f"/{query}", headers={"Accept-Encoding": "identity"})
        assert response.status_code == 200, response.text
        return response.data

    monkeypatch.setattr(plugin, "_append_plugin_asset_directories", lambda pairs: None)
    plugin._run_paths = {".": "shown"}
    plugin.multiplexer = None
    (runs,) = [json.loads(get("/runs"))]
    assert runs == ["."]
    config = json.loads(get("/info", "?run=."))
    assert config["embeddings"][0]["tensorShape"] == [8, 4]
    saved = read_source(Path("index"))
    shown = np.frombuffer(get("/tensor", "?run=.&name=vectors"), np.float32).reshape(8, 4)
    np.testing.assert_array_equal(shown, saved.vectors.matrix)
    lines = get("/metadata", "?run=.&name=vectors").decode().splitlines()
    assert lines[0] == "name\ttitle\tkind\tyear"
    assert lines[4:6] == ["n3\tTitle 3\tb\t3", "n5\tTitle 5\tc\t5"]


def test_a_single_column_has_no_header(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    vectors().save("words")
    assert main(["export", "words", "--out", "shown", "--format", "projector"]) == 0
    assert Path("shown/metadata.tsv").read_text(encoding="utf-8").split("\n") == [*WORDS, ""]
    numbers = np.loadtxt("shown/tensors.tsv", dtype=np.float32, delimiter="\t")
    np.testing.assert_array_equal(numbers, vectors().matrix)
    vectors(window=3).save("counted")
    assert main(["export", "counted", "--out", "counts", "--format", "projector"]) == 0
    assert Path("counts/metadata.tsv").read_text(encoding="utf-8").startswith("name\tcount\nthe\t90\nof\t80\n")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["index", "--out", "taken", "--format", "projector"], "taken is there already"),
        (["tab", "--out", "new", "--format", "projector"], "the name of row 1, 'a\\tb', has a tab"),
        (["clash", "--out", "new", "--format", "projector"], "an attribute is called 'name'"),
        (["clash", "--out", "new.parquet", "--format", "atlas"], "an attribute is called 'name'"),
        (["index", "--out", "v.doc"], "the suffix says no format: end it in .txt, .vec"),
        (["index", "--out", "v.tsv", "--layout", "tsne"], "--layout changes nothing without --format atlas"),
        (["index", "--out", "v.tsv", "--neighbors", "3"], "--neighbors changes nothing without"),
        (["index", "--out", "v.parquet", "--format", "atlas", "--neighbors", "-1"], "0 or more"),
        (["index", "--out", "v.onnx"], "index has no encoder of texts: name an index of graphkit documents"),
        (["nowhere", "--out", "v.onnx"], "nowhere has no encoder of texts"),
        (["nowhere", "--out", "v.tsv"], "nowhere is not there"),
    ],
)
def test_mistakes(tmp_path: Path, monkeypatch, capsys, words: list[str], told: str):
    monkeypatch.chdir(tmp_path)
    index().save("index")
    SearchIndex.build(np.eye(2), ["a", "a\tb"]).save("tab")
    SearchIndex.build(np.eye(2), ["a", "b"], attributes={"name": ["x", "y"]}).save("clash")
    Path("taken").mkdir()
    there = sorted(tmp_path.rglob("*"))
    assert main(["export", *words]) == 2
    printed = capsys.readouterr()
    assert told in printed.err
    assert printed.err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == there


# ---- the atlas


def test_the_atlas_has_what_it_takes(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    saved = index()
    saved.save("index")
    assert main(["export", "index", "--out", "a.parquet", "--format", "atlas", "--neighbors", "3"]) == 0
    assert capsys.readouterr().out.endswith(
        "embedding-atlas a.parquet --text text --x projection_x --y projection_y --neighbors neighbors\n"
    )
    table = pyarrow.parquet.read_table("a.parquet")
    assert table.schema.names == [
        *("name", "title", "text", "projection_x", "projection_y", "neighbors", "kind", "year", "vector")
    ]
    rows = table.to_pylist()
    assert [row["text"] for row in rows] == [row["title"] or row["name"] for row in rows]
    assert [(row["kind"], row["year"]) for row in rows][3:5] == [("b", 3), ("c", 5)]
    matrix = np.array([row["vector"] for row in rows], np.float32)
    cosines = matrix @ matrix.T
    np.fill_diagonal(cosines, -2)
    for row, mine in zip(rows, cosines):
        assert row["neighbors"]["ids"] == np.argsort(-mine)[:3].tolist()
        np.testing.assert_allclose(row["neighbors"]["distances"], 1 - np.sort(mine)[::-1][:3], atol=1e-6)
    centred = matrix - matrix.mean(axis=0)
    points = np.array([[row["projection_x"], row["projection_y"]] for row in rows])
    np.testing.assert_allclose(np.linalg.norm(points, axis=0), np.linalg.svd(centred)[1][:2], rtol=1e-5)


def test_layouts_zeros_and_types(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    vectors().save("words")
    words = ["export", "words", "--out", "w.parquet", "--format", "atlas"]
    assert main(words) == 0
    rows = pyarrow.parquet.read_table("w.parquet").to_pylist()
    assert rows[6]["neighbors"] == {"ids": [], "distances": []}
    assert sorted(rows[0]["neighbors"]["ids"]) == [1, 2, 3, 4, 5, 7, 8]  # all the others but zero
    first = [row["projection_x"] for row in rows]
    assert main([*words, "--layout", "tsne", "--neighbors", "0"]) == 0
    table = pyarrow.parquet.read_table("w.parquet")
    assert "neighbors" not in table.schema.names
    assert table["projection_x"].to_pylist() != first
    monkeypatch.setattr("graphkit.export.atlas.LARGEST", 5)  # more are laid out in another way
    monkeypatch.setattr("graphkit.export.atlas.tsne_of_many", lambda X: (np.full((len(X), 2), 7.0), 0.0))
    assert main([*words, "--layout", "tsne", "--neighbors", "0"]) == 0
    assert set(pyarrow.parquet.read_table("w.parquet")["projection_x"].to_pylist()) == {7.0}
    monkeypatch.setattr("graphkit.export.atlas.MOST", 5)
    assert main([*words, "--layout", "tsne"]) == 2
    graph().save("graph")
    assert main(["export", "graph", "--out", "g.parquet", "--format", "atlas"]) == 0
    assert pyarrow.parquet.read_table("g.parquet")["type"].to_pylist() == ["page"] * 5 + ["topic"] * 2


def test_documents_and_words_in_every_format(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    documents = [Document("d1", "heat of the wing", "A title"), Document("d2", "flow"), Document("d3", "???")]
    TextIndex.build(documents, vectors(), lexical=False).save("docs")
    assert main(["export", "docs", "--out", "d.parquet", "--format", "atlas"]) == 0
    rows = pyarrow.parquet.read_table("d.parquet").to_pylist()  # of d3 nothing is known
    assert [(row["name"], row["text"]) for row in rows] == [("d1", documents[0].full_text), ("d2", "flow")]
    vectors().save("words")
    for out in ("w.txt", "w.tsv", "w.parquet", "w.safetensors"):
        assert main(["export", "words", "--out", out]) == 0
        again = read_source(Path(out))
        assert list(again.vectors.names) == WORDS
        np.testing.assert_array_equal(again.vectors.matrix, vectors().matrix)


# ---- ONNX

TEXTS = [
    "",
    "unknown words",
    "heat",
    "The HEAT of the wing",
    "berlin Berlin BERLIN",
    "zero of",
    "zero",
    "naïve\nflow " * 9,
]


def evaluated(model, tokens: np.ndarray) -> np.ndarray:
    from onnx.reference import ReferenceEvaluator

    return ReferenceEvaluator(model).run(None, {"tokens": tokens})[0]


@needs_onnx
@pytest.mark.parametrize("settings", [{}, {"lowercase": True}, {"lowercase": False, "tokenizer": "whitespace"}])
@pytest.mark.parametrize("components", [0, 1, 2])
def test_onnx_encodes_as_the_encoder(settings: dict, components: int, tmp_path: Path):
    import onnx

    encoder = SIFEncoder.fit(vectors(**settings), TEXTS, components=components, a=0.01)
    write_onnx(WordTable.of_sif(encoder), tmp_path / "e.onnx")
    vocabulary = json.loads((tmp_path / "e.vocabulary.json").read_text(encoding="utf-8"))
    model = onnx.load(tmp_path / "e.onnx")
    for texts in (TEXTS, TEXTS[:2], TEXTS[:1], TEXTS[3:4], []):
        tokens = token_ids(vocabulary, texts)
        assert tokens.dtype == np.int64
        right = encoder.encode(texts)
        found = evaluated(model, tokens)
        assert found.shape == (len(texts), 5)
        np.testing.assert_allclose(found, right, rtol=1e-5, atol=1e-6)
    wider = np.pad(token_ids(vocabulary, TEXTS), ((0, 0), (0, 7)), constant_values=-1)
    np.testing.assert_allclose(evaluated(model, wider), encoder.encode(TEXTS), rtol=1e-5, atol=1e-6)


@needs_onnx
def test_onnx_of_an_index_and_of_a_graph(tmp_path: Path, monkeypatch, capsys):
    import onnx

    monkeypatch.chdir(tmp_path)
    documents = [Document("d1", "heat of the wing"), Document("d2", "flow")]
    TextIndex.build(documents, vectors(), lexical=False).save("docs")
    assert main(["export", "docs", "--out", "e.onnx"]) == 0
    assert capsys.readouterr().out == "e.onnx and e.vocabulary.json: 9 words of 5 numbers, 1 taken out\n"
    model, words = onnx.load("e.onnx"), json.loads(Path("e.vocabulary.json").read_text(encoding="utf-8"))
    right = TextIndex.load("docs").encoder.encode(TEXTS)
    np.testing.assert_allclose(evaluated(model, token_ids(words, TEXTS)), right, rtol=1e-5, atol=1e-6)
    first = Path("e.onnx").read_bytes()
    assert main(["export", "docs", "--out", "e.onnx"]) == 0
    assert Path("e.onnx").read_bytes() == first

    trained = graph()
    trained.save("graph")
    assert main(["export", "graph", "--out", "g.onnx"]) == 0
    model, words = onnx.load("g.onnx"), json.loads(Path("g.vocabulary.json").read_text(encoding="utf-8"))
    texts = ["", "Heat, wing! (Sci-Fi)", "nothing of it", "flow flow wing"]
    right = TextFeatures(trained).encode(texts)
    assert not right[[0, 2]].any()
    np.testing.assert_allclose(evaluated(model, token_ids(words, texts)), right, rtol=1e-5, atol=1e-6)
    graph(bags=False).save("plain")
    assert main(["export", "plain", "--out", "p.onnx"]) == 2
    assert "an encoder of texts is of one type with bags of words, here are none" in capsys.readouterr().err
    TextIndex.build(documents, vectors(longest_ngram=4, buckets=32), lexical=False).save("subwords")
    assert main(["export", "subwords", "--out", "p.onnx"]) == 2
    assert "make vectors of unknown words from their n-grams" in capsys.readouterr().err
    assert not list(Path().glob("p.*"))
    with pytest.raises(UserError, match="this version reads 1"):
        token_ids({**words, "format": 2}, texts)


@needs_onnx
def test_a_table_too_large(monkeypatch):
    monkeypatch.setattr("graphkit.export.onnx_encoder.LARGEST", 100)
    with pytest.raises(UserError, match="more than the 2 GiB of an ONNX file"):
        model_of(WordTable.of_sif(SIFEncoder.fit(vectors(), TEXTS)))
