"""Vectors of graphs in other programs' formats: there and back, by other readers, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from safetensors.numpy import load_file

from graphkit.cli import main
from graphkit.embedding import format_files
from graphkit.embedding.bigraph_format import _moved
from graphkit.embedding.config import EmbedConfig, Operator, RelationConfig
from graphkit.embedding.embedding import GraphEmbedding
from graphkit.embedding.evaluation import HEADS, TAILS
from graphkit.embedding.formats import read, write
from graphkit.embedding.vectors import GraphVectors
from graphkit.graphs.graph import Graph
from neuralcore.errors import UserError
from neuralcore.lazy import installed

SMALL = EmbedConfig(dimension=4, epochs=1, batch_size=4, negatives=3, operator="diagonal")
needs_h5py = pytest.mark.skipif(not installed("h5py"), reason="needs h5py: pip install 'rlgraphkit[hdf5]'")


def shop(types: bool = False, **settings: object) -> GraphEmbedding:
    """Users who bought and saw things; "kiwi" is both a user and a thing where there are types."""
    names = ["kiwi", "b c", "ü", "d", "e", "kiwi" if types else "f"]
    edges = np.array([[0, 0, 3], [1, 0, 4], [2, 1, 5], [0, 1, 4], [1, 1, 3]])
    kinds = {"types": {"user": 3, "thing": 3}, "sides": [("user", "thing")] * 2} if types else {}
    graph = Graph.of(names, ["bought", "saw"], edges, ["", "B", "", "", "", ""], **kinds)  # type: ignore[arg-type]
    relations = {"saw": RelationConfig(operator="linear")} if types else {}
    return GraphEmbedding(graph, SMALL, seed=1, relations=relations, **settings).fit()


def same(found: GraphVectors, embedding: GraphEmbedding, *, titles: bool = True, config: bool = True) -> None:
    expected = GraphVectors.of(embedding)
    assert found.names == expected.names
    assert dict(found.types) == dict(expected.types)
    assert found.titles == (expected.titles if titles else [])
    np.testing.assert_array_equal(found.matrix, expected.matrix)
    assert (found.relations, found.operators) == (expected.relations, expected.operators)
    assert found.tables.keys() == expected.tables.keys()
    for name, table in expected.tables.items():
        np.testing.assert_array_equal(found.tables[name], table)
    assert (found.config == expected.config) is config


def same_scores(found: GraphEmbedding, expected: GraphEmbedding) -> None:
    for relation in range(2):
        for side, given in ((TAILS, 0), (HEADS, 4)):
            question = np.array([given]), np.array([relation]), side
            np.testing.assert_allclose(found.score(*question), expected.score(*question), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("types", [False, True])
@pytest.mark.parametrize("suffix", [".parquet", ".safetensors"])
def test_all_of_it_there_and_back(tmp_path: Path, suffix: str, types: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graphkit.embedding.vectors.PIECE", 40)  # two rows at a time
    embedding = shop(types)
    written = write(GraphVectors.of(embedding), tmp_path / f"v{suffix}")
    assert sorted(tmp_path.iterdir()) == sorted(written)
    same(read(tmp_path / f"v{suffix}"), embedding)
    same_scores(read(tmp_path / f"v{suffix}").embedding(embedding.graph), embedding)


@pytest.mark.parametrize("operator", ["identity", "translation", "complex_diagonal", "rotation", "linear", "affine"])
def test_tsv_there_and_back(tmp_path: Path, operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graphkit.embedding.vectors.PIECE", 40)
    monkeypatch.setattr("graphkit.embedding.formats.BLOCK", 8)
    embedding = shop(operator=operator)
    write(GraphVectors.of(embedding), tmp_path / "v.tsv")
    same(read(tmp_path / "v.tsv"), embedding, titles=False, config=False)
    # As PyTorch-BigGraph's export_to_tsv: a name and its numbers, tabs between.
    rows = [line.split("\t") for line in (tmp_path / "v.tsv").read_text().splitlines()]
    assert [row[0] for row in rows] == embedding.graph.entities
    np.testing.assert_array_equal(np.array([row[1:] for row in rows], np.float32), embedding.matrix)


def test_tsv_of_relations_by_hand(tmp_path: Path) -> None:
    embedding = shop(operator="complex_diagonal")
    write(GraphVectors.of(embedding), tmp_path / "v.tsv")
    lines = (tmp_path / "v.relations.tsv").read_text().splitlines()
    table = embedding.tables["complex_diagonal"].weight
    # bought asks for tails by row 0 of two relations, saw for heads by row 2 + 1; imaginary parts come last.
    assert lines[0].split("\t") == ["bought", "lhs", "complex_diagonal", "real", "2", *table[0, :2].astype(str)]
    assert lines[7].split("\t") == ["saw", "rhs", "complex_diagonal", "imag", "2", *table[3, 2:].astype(str)]


def test_other_readers(tmp_path: Path) -> None:
    embedding = shop(types=True)
    for suffix in (".parquet", ".safetensors"):
        write(GraphVectors.of(embedding), tmp_path / f"v{suffix}")
    table = pyarrow.parquet.read_table(tmp_path / "v.parquet")
    assert table["type"].to_pylist() == ["user"] * 3 + ["thing"] * 3
    assert str(table.schema.field("vector").type) == "fixed_size_list<element: float>[4]"
    np.testing.assert_array_equal(np.array(table["vector"].to_pylist(), np.float32), embedding.matrix)
    arrays = load_file(tmp_path / "v.safetensors")
    np.testing.assert_array_equal(arrays["entities"], embedding.matrix)
    assert arrays["names.utf8"].tobytes().decode() == "kiwib cüdekiwi"
    assert arrays["names.ends"].tolist() == [4, 7, 9, 10, 11, 15]


def test_word2vec_and_the_command(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    names = ["a", "ü", "c"]
    graph = Graph.of(names, ["r"], np.array([[0, 0, 1], [1, 0, 2]]))
    embedding = GraphEmbedding(graph, SMALL).fit()
    embedding.save("run/vectors")
    same(read("run"), embedding)
    assert main(["export", "run", "--out", "v.txt"]) == 0
    assert "3 vectors of 4 numbers, 1 relations read; word2vec's format has no relations" in capfd.readouterr().out
    found = read("v.txt")
    assert found.names == names
    np.testing.assert_array_equal(found.matrix, embedding.matrix)
    assert main(["export", "v.txt", "--out", "v.parquet"]) == 0  # from one format into another
    np.testing.assert_array_equal(read("v.parquet").matrix, embedding.matrix)
    for words, message in [
        (["export", "nowhere", "--out", "v.tsv"], "nowhere is not there"),
        (["export", "run", "--out", "v.doc"], "the suffix says no format"),
        (["export", "v.txt", "--out", "v", "--format", "biggraph"], "how these vectors are compared"),
        (["export", "run", "--out", "missing/v.tsv"], "could not be written"),
    ]:
        assert main(words) == 2
        assert message in capfd.readouterr().err
    assert sorted(p.name for p in here.iterdir()) == ["run", "v.parquet", "v.txt"]


def test_what_a_format_cannot_hold(tmp_path: Path) -> None:
    typed, plain = GraphVectors.of(shop(types=True)), GraphVectors.of(shop())
    with pytest.raises(UserError, match="'kiwi' is there in two types"):
        write(typed, tmp_path / "v.tsv")
    with pytest.raises(UserError, match="'b c' is empty or has white space"):
        write(plain, tmp_path / "v.txt")
    ball = GraphVectors.of(shop(operator="identity", comparator="poincare"))
    with pytest.raises(UserError, match="no comparator poincare"):
        write(ball, tmp_path / "v", "biggraph")
    plain.names[1] = "b\tc"
    with pytest.raises(UserError, match="has a tab"):
        write(plain, tmp_path / "v.tsv")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("v.tsv", "a\t1\t2\nb\t1\n", "v.tsv:2: a name and 1 numbers, expected 2"),
        ("v.tsv", "a\t1\t2\nb\t1\tx\n", "v.tsv:2: something after 'b' is no number"),
        ("v.tsv", "a\t1\t2\na\t1\t3\n", "the name 'a' is there twice"),
        ("v.tsv", "a\t1\t2\nb\t1\tnan\n", "the vector of 'b' has NaN"),
        ("v.tsv", "a\t1\t2\nb\t\t1\n", "v.tsv:2: something after 'b' is no number"),
        ("v.tsv", "a\t1\t2\n\nb\t1\t2\n", "v.tsv:2: a name and 0 numbers"),
        ("v.tsv", "a b\n", "line 1 is no name with numbers"),
        ("v.parquet", "a", "cannot be read as parquet"),
        ("v.safetensors", "12345678x", "is not a safetensors file"),
    ],
)
def test_bad_files(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=message):
        read(tmp_path / name)


@pytest.mark.parametrize("suffix", [".tsv", ".parquet", ".safetensors", ".txt"])
def test_nothing_half_written_is_left(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = GraphVectors.of(GraphEmbedding(Graph.of(["a", "b"], ["r"], np.array([[0, 0, 1]])), SMALL).fit())
    path = tmp_path / f"v{suffix}"
    write(vectors, path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(format_files.os, "fsync", full)
    with pytest.raises(UserError, match=r"No space left on device\); what was there is intact"):
        write(vectors, path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


@pytest.mark.parametrize("operator", ["identity", "diagonal", "complex_diagonal", "linear", "affine", "translation"])
def test_an_operator_moved_orders_alike(operator: Operator) -> None:
    from neuralcore.scoring.operators import OPERATORS

    torch = pytest.importorskip("torch")
    generator = np.random.default_rng(0)
    head, tails = generator.normal(size=(1, 4)), generator.normal(size=(6, 4))
    numbers = generator.normal(size=OPERATORS[operator].width(4))
    forward = OPERATORS[operator].forward

    def act(x: np.ndarray, w: np.ndarray) -> np.ndarray:
        return forward(*map(torch.from_numpy, (x, w[None], np.zeros(len(x), np.int64)))).numpy()

    moved = _moved(operator, "dot", numbers, 4)
    assert moved is not None
    wanted, found = (head @ act(tails, numbers).T)[0], (act(head, moved) @ tails.T)[0]
    np.testing.assert_allclose(wanted - wanted[0], found - found[0], atol=1e-12)  # a shift is the same for all tails
    assert _moved(operator, "cos", numbers, 4) is (numbers if operator == "identity" else None)


@needs_h5py
@pytest.mark.parametrize("types", [False, True])
def test_bigraph_there_and_back(tmp_path: Path, types: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    import h5py

    monkeypatch.setattr("graphkit.embedding.vectors.PIECE", 40)
    embedding = shop(types)
    write(GraphVectors.of(embedding), tmp_path / "model", "biggraph")
    found = read(tmp_path / "model")
    np.testing.assert_array_equal(found.matrix, embedding.matrix)
    same_scores(found.embedding(embedding.graph), embedding)
    with h5py.File(tmp_path / "model" / f"embeddings_{'thing' if types else 'entity'}_0.v1.h5") as file:
        assert file.attrs["format_version"] == 1
        np.testing.assert_array_equal(file["embeddings"], embedding.matrix[3 if types else 0 :])
    with h5py.File(tmp_path / "model" / "model.v1.h5") as file:
        name = "relations/3/operator/rhs/linear_transformation" if types else "relations/0/operator/lhs/diagonals"
        expected = (
            embedding.tables["linear"].weight[0].reshape(4, 4) if types else embedding.tables["diagonal"].weight[:2]
        )
        np.testing.assert_array_equal(file["model"][name], expected)
    with pytest.raises(UserError, match="is there already"):
        write(GraphVectors.of(embedding), tmp_path / "model", "biggraph")


@needs_h5py
def test_rotations_keep_their_scores_in_bigraph(tmp_path: Path) -> None:
    embedding = shop(operator="rotation")
    write(GraphVectors.of(embedding), tmp_path / "model", "biggraph")
    assert read(tmp_path / "model").operators == ["complex_diagonal"] * 2
    same_scores(read(tmp_path / "model").embedding(embedding.graph), embedding)


def bigraph(folder: Path, **changes: object) -> None:
    """Two partitions of users, one of things, static relations, as PyTorch-BigGraph lays them out."""
    import h5py

    (folder / "entities").mkdir(parents=True)
    (folder / "model").mkdir()
    for name, names in {"user_0": ["u0", "u1"], "user_1": ["u2"], "thing_0": ["t0"]}.items():
        (folder / "entities" / f"entity_names_{name}.json").write_text(json.dumps(names))
        with h5py.File(folder / "model" / f"embeddings_{name}.v7.h5", "w") as file:
            file.attrs["format_version"] = 1
            file["embeddings"] = np.full((len(names), 2), len(names), np.float32)
    with h5py.File(folder / "model" / "model.v7.h5", "w") as file:
        file.attrs["format_version"] = 1
        file["model/entities/user/global_embedding"] = np.array([10.0, 20.0], np.float32)
        file["model/relations/0/operator/rhs/diagonal"] = np.array([2.0, 3.0], np.float32)
    config = {
        "entities": {"user": {"num_partitions": 2}, "thing": {"num_partitions": 1}},
        "relations": [{"name": "bought", "lhs": "user", "rhs": "thing", "operator": "diagonal"}],
        "dimension": 2,
        "comparator": "dot",
        "loss_fn": "softmax",
        "entity_path": "elsewhere",
        **changes,
    }
    (folder / "model" / "config.json").write_text(json.dumps(config))
    (folder / "model" / "checkpoint_version.txt").write_text("7\n")


@needs_h5py
def test_a_checkpoint_of_bigraph_is_read(tmp_path: Path) -> None:
    bigraph(tmp_path)
    found = read(tmp_path / "model")
    assert found.names == ["u0", "u1", "u2", "t0"]
    assert found.types == {"user": 3, "thing": 1}
    assert found.matrix.tolist() == [[12, 22], [12, 22], [11, 21], [1, 1]]  # with what is common to users
    assert found.sides == [("user", "thing")]
    assert found.tables["diagonal"].tolist() == [[2, 3], [2, 3]]


@needs_h5py
def test_bigraph_s_defects_are_told(tmp_path: Path) -> None:
    bigraph(tmp_path / "cos", comparator="cos")
    assert read(tmp_path / "cos" / "model").relations == []  # no vector asks for tails
    bigraph(tmp_path / "bias", bias=True)
    assert read(tmp_path / "bias" / "model").config is None
    bigraph(tmp_path / "dimension", dimension=3)
    with pytest.raises(UserError, match=r"diagonal is of shape \(2,\), expected \(3,\)|embeddings are"):
        read(tmp_path / "dimension" / "model")
    bigraph(tmp_path / "names")
    (tmp_path / "names" / "entities" / "entity_names_user_0.json").write_text('["u0"]')
    with pytest.raises(UserError, match="there are 1 names"):
        read(tmp_path / "names" / "model")
    bigraph(tmp_path / "file")
    (tmp_path / "file" / "model" / "model.v7.h5").write_bytes(b"no")
    with pytest.raises(UserError, match="cannot be read"):
        read(tmp_path / "file" / "model")
    (tmp_path / "file" / "model" / "model.v7.h5").unlink()
    with pytest.raises(UserError, match=r"model\.v7\.h5 is not there"):
        read(tmp_path / "file" / "model")
