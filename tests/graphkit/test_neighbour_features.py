"""Encoders that look along edges: a step leaves out what it asks for, training learns, folders keep it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from graphkit import Bags, Dense, Features, Graph, GraphEmbedding
from graphkit.cli import main
from graphkit.embedding import features as features_file
from graphkit.embedding.encoders import ModuleEncoder
from graphkit.embedding.neighbours import Neighbourhoods
from neuralcore.message_passing import NeighbourEncoder

SETTINGS = {"operator": "identity", "dimension": 8, "batch_size": 40, "negatives": 20, "epochs": 6}


@pytest.fixture(autouse=True, scope="module")
def geometric() -> None:
    pytest.importorskip("torch_geometric.nn", reason="needs the extra geometric")


def rings() -> tuple[Graph, Bags]:
    """Three groups of twenty pages, linked among themselves; every second one has a word of its group."""
    generator = np.random.default_rng(0)
    edges = []
    for group in range(3):
        for page in range(20):
            for other in generator.choice(20, 3, replace=False):
                if other != page:
                    edges.append((20 * group + page, 0, 20 * group + int(other)))
    words = [[f"group{i // 20}"] if i % 2 else ["none"] for i in range(60)]
    rows = generator.permutation(np.unique(np.array(edges), axis=0))
    splits = {"train": rows[15:], "test": rows[:15]}
    return Graph.of([f"p{i}" for i in range(60)], ["links"], splits), Bags.of(words)


def encoder_of(bags: Bags, **more) -> NeighbourEncoder:
    torch.manual_seed(0)
    return NeighbourEncoder(len(bags.names), 8, **more)


def fitted(**more) -> GraphEmbedding:
    graph, bags = rings()
    features = {"entity": Features(bags, row=False, encoder=encoder_of(bags, **more))}
    return GraphEmbedding(graph, seed=0, features=features, **SETTINGS).fit()


def test_neighbours_help_and_every_setting_counts() -> None:
    graph, bags = rings()
    alone = GraphEmbedding(graph, seed=0, features={"entity": Features(bags, row=False)}, **SETTINGS).fit()
    found = fitted()
    assert found.evaluate().auc > alone.evaluate().auc + 0.1
    others = [fitted(layer="gat"), fitted(hops=2), fitted(most=1)]
    assert len({embedding.matrix.tobytes() for embedding in [found, *others]}) == 4
    assert np.array_equal(fitted().matrix, found.matrix)


def test_what_is_asked_is_not_gone_along(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[np.ndarray] = []

    def watched(self: Neighbourhoods, edges: np.ndarray) -> Neighbourhoods:
        asked.append(edges)
        return without(self, edges)

    without = Neighbourhoods.without
    monkeypatch.setattr(features_file.Neighbourhoods, "without", watched)
    graph, bags = rings()
    features = {"entity": Features(bags, row=False, encoder=encoder_of(bags))}
    GraphEmbedding(graph, seed=0, features=features, **{**SETTINGS, "epochs": 1}).fit()
    pairs = {tuple(sorted(edge)) for edge in np.concatenate(asked).tolist()}
    assert pairs == {tuple(sorted(edge)) for edge in graph.train[:, [0, 2]].tolist()}


def test_kept_and_used_again(tmp_path: Path) -> None:
    embedding, bags = fitted(), rings()[1]
    embedding.save(tmp_path / "vectors")
    again = GraphEmbedding.load(tmp_path / "vectors", encoders={"entity": encoder_of(bags)})
    assert np.array_equal(again.matrix, embedding.matrix)
    new = [["group1"], ["group2", "unknown"]]
    assert np.array_equal(again.encode(new), embedding.encode(new))
    nearest = np.argsort(-(again.encode(new) @ again.matrix.T), axis=1)[:, :5]
    assert (nearest // 20 == [[1], [2]]).mean() >= 0.8


def test_a_run_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    graph = rings()[0]
    dense = Dense(np.random.default_rng(1).normal(size=(60, 5)).astype(np.float32))
    whole, parts = [], []
    for kept, ends in ((whole, [4]), (parts, [1, 4])):
        for end in ends:
            torch.manual_seed(0)
            features = {"entity": Features(dense, encoder=NeighbourEncoder(5, 8, tags=False, hops=2))}
            embedding = GraphEmbedding(graph, seed=0, features=features, **SETTINGS)
            kept.append(embedding.fit(folder=tmp_path / str(len(ends)), epochs=end).matrix)
    assert np.array_equal(whole[-1], parts[-1])


def test_a_file_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """`graphkit embed` makes such an encoder, the run folder makes it again, and a cut run goes on to the same."""
    monkeypatch.chdir(tmp_path)
    graph, _ = rings()
    names = graph.entities
    lines = [f"{names[head]}\tlinks\t{names[tail]}\n" for head, _, tail in graph.train.tolist()]
    Path("links.tsv").write_text("".join(lines), encoding="utf-8")
    pages = [f"p{i}\t{f'group{i // 20}' if i % 2 else 'none'}\n" for i in range(60)]
    Path("pages.tsv").write_text("".join(pages), encoding="utf-8")
    text = (
        'graph = "links.tsv"\n[config]\noperator = "identity"\ndimension = 8\nepochs = 4\n'
        'batch_size = 40\nnegatives = 20\n[features.entity]\nbags = "pages.tsv"\nrow = false\n'
    )
    Path("alone.toml").write_text(text, encoding="utf-8")
    Path("around.toml").write_text(f'{text}neighbours = "gat"\nhops = 2\n', encoding="utf-8")
    for name in ("alone", "around"):
        assert main(["embed", f"{name}.toml", "--run", name]) == 0
    for epochs in ("2", "4"):
        assert main(["embed", "around.toml", "--run", "cut", "--epochs", epochs]) == 0
    alone, around, cut = (GraphEmbedding.load(name) for name in ("alone", "around", "cut"))
    assert not np.array_equal(alone.matrix, around.matrix)
    assert np.array_equal(cut.matrix, around.matrix)
    encoder = around.encoded[0].encoder
    assert isinstance(encoder, ModuleEncoder)
    assert len(encoder.module.layers) == 2
    assert np.isfinite(around.encode([["group1"]])).all()
    capsys.readouterr()
    Path("wrong.toml").write_text(f"{text}hops = 2\n", encoding="utf-8")
    assert main(["embed", "wrong.toml", "--run", "wrong"]) == 2
    assert "hops must be 1 or more, and above 1 only with neighbours" in capsys.readouterr().err
