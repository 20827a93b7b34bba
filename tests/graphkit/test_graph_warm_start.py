"""A training that begins with vectors there already, and rows that stay as they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from graphkit.cli import main
from graphkit.embedding.config import EmbedConfig
from graphkit.embedding.embedding import GraphEmbedding
from graphkit.embedding.formats import write
from graphkit.embedding.trainer import EdgeTrainer
from graphkit.embedding.vectors import GraphVectors
from graphkit.graphs.graph import Graph
from neuralcore.errors import UserError
from neuralcore.kernels.edge_step import Scoring, edge_step
from neuralcore.kernels.row_adagrad import row_adagrad
from neuralcore.scoring.losses import Answers

SMALL = EmbedConfig(dimension=8, epochs=2, batch_size=10, negatives=10, operator="diagonal", learning_rate=0.3)


def ring(count: int, relations: tuple[str, ...] = ("next", "before")) -> Graph:
    """Nodes in a circle, named from the last to the first, so that rows differ between sizes."""
    names = [f"n{i}" for i in reversed(range(count))]
    place = {int(name[1:]): row for row, name in enumerate(names)}
    edges = [(place[i], 0, place[(i + 1) % count]) for i in range(count)]
    edges += [(place[(i + 1) % count], len(relations) - 1, place[i]) for i in range(count)]
    return Graph.of(names, list(relations), np.array(edges))


def rows_of(embedding: GraphEmbedding, names: list[str]) -> np.ndarray:
    return embedding.matrix[[embedding.graph.entities.index(name) for name in names]]


@pytest.mark.parametrize("implementation", ["reference", "cpu"])
def test_an_infinite_sum_is_a_step_of_exactly_0(implementation: str) -> None:
    generator = np.random.default_rng(0)
    table, relations = (generator.normal(size=(n, 4)).astype(np.float32) for n in (6, 2))
    state, relation_state = np.zeros(6, np.float32), np.zeros((2, 4), np.float32)
    state[[1, 4]] = relation_state[0] = np.inf
    before = table.copy(), relations.copy()
    row_adagrad(
        table,
        state,
        np.array([1, 2]),
        np.ones((2, 4), np.float32),
        0.1,
        implementation=implementation,  # type: ignore[arg-type]
    )
    answers = Answers(np.arange(4), np.array([1, 0, 3, 4]), np.ones(4, np.float32), None)  # type: ignore[arg-type]
    for candidates in (None, np.arange(6)):
        edge_step(
            table,
            state,
            relations,
            relation_state,
            np.array([0, 1, 2, 4]),
            np.array([0, 1, 0, 1]),
            candidates,
            answers,
            scoring=Scoring("diagonal", "dot", "softmax", 1.0, 0.1, 0.1),
            learning_rate=0.1,
            implementation=implementation,  # type: ignore[arg-type]
        )
    assert table[[1, 4]].tobytes() == before[0][[1, 4]].tobytes()
    assert relations[0].tobytes() == before[1][0].tobytes()
    assert (table[[0, 2, 3, 5]] != before[0][[0, 2, 3, 5]]).all()
    assert (relations[1] != before[1][1]).all()


@pytest.mark.parametrize("partitions", [1, 4])
@pytest.mark.parametrize("form", ["run", "v.tsv", "v.txt", "v.parquet", "v.safetensors"])
def test_new_nodes_join_and_frozen_ones_stay(tmp_path: Path, form: str, partitions: int) -> None:
    old = GraphEmbedding(ring(12), SMALL, seed=1, partitions=partitions)
    old.fit(folder=tmp_path / "run")
    old.save(tmp_path / "run" / "vectors")
    (tmp_path / "run" / "config.toml").write_text("seed = 1\n")
    if form != "run":
        write(GraphVectors.of(old), tmp_path / form)
    frozen = [f"n{i}" for i in range(6)]
    new = GraphEmbedding(ring(20), SMALL, seed=2, partitions=partitions)
    new.fit(start=tmp_path / form, freeze=[*frozen] + ([] if form == "v.txt" else ["next"]))
    assert rows_of(new, frozen).tobytes() == rows_of(old, frozen).tobytes()
    others = [f"n{i}" for i in range(6, 12)]
    assert (rows_of(new, others) != rows_of(old, others)).all()
    both = [embedding.tables["diagonal"].weight for embedding in (old, new)]
    stays = (both[0] == both[1]).all(axis=1).tolist()
    assert stays == ([False] * 4 if form == "v.txt" else [True, False, True, False])


def test_what_was_there_is_where_it_begins(tmp_path: Path) -> None:
    old = GraphEmbedding(ring(12), SMALL, seed=1, partitions=3)
    old.fit(folder=tmp_path)
    old.save(tmp_path / "vectors")
    (tmp_path / "config.toml").write_text("seed = 1\n")
    new = ring(12, ("next", "other", "before"))
    trainer = EdgeTrainer(new, SMALL, 5, start=(tmp_path, []))
    trainer.shards.bring((0,))
    np.testing.assert_array_equal(trainer.shards.arrays(0)["weight"], old.matrix)
    assert (trainer.shards.arrays(0)["state"] > 0).all()  # Adagrad's sums, out of the shards of the checkpoint
    table, were = trainer.tables["diagonal"], old.tables["diagonal"]
    np.testing.assert_array_equal(table.weight[[0, 2, 3, 5]], were.weight)
    np.testing.assert_array_equal(table.state[[0, 2, 3, 5]], were.state)
    assert (table.state[[1, 4]] == 0).all()
    # Another operator's numbers are not this one's.
    other = EdgeTrainer(new, EmbedConfig(dimension=8, operator="translation"), 5, start=(tmp_path, []))
    assert other.start is not None
    assert other.start.relations_found == 0


def test_the_sums_of_each_entity_are_its_own(tmp_path: Path) -> None:
    """The state of a run with partitions, shuffled over shards, is that of the same names."""
    old = GraphEmbedding(ring(12), SMALL, seed=1, partitions=3)
    with EdgeTrainer(old.graph, old.config, 1, tmp_path) as trainer:
        trainer.fit(2)
        states = {}
        for shard in range(3):
            entities, rows = trainer.partition.members(shard)
            trainer.shards.wait()
            assert trainer.store is not None
            state = trainer.store.read(f"entities_{shard}")["state"]
            states |= {old.graph.entities[e]: state[r] for e, r in zip(entities, rows)}
        old._take(trainer, np.empty((12, 8), np.float32))
    old.save(tmp_path / "vectors")
    (tmp_path / "config.toml").write_text("seed = 1\n")
    graph = ring(15)
    begun = EdgeTrainer(graph, SMALL, 5, start=(tmp_path, []))
    begun.shards.bring((0,))
    found = begun.shards.arrays(0)["state"]
    assert [found[i] for i, name in enumerate(graph.entities)] == [states.get(n, 0.0) for n in graph.entities]


def test_mistakes_are_told(tmp_path: Path) -> None:
    old = GraphEmbedding(ring(6), SMALL).fit()
    write(GraphVectors.of(old), tmp_path / "v.tsv")
    start = tmp_path / "v.tsv"
    graph = ring(8)
    for fit, message in [
        ({"freeze": ["n0"]}, "name one"),
        ({"start": start, "freeze": ["n7"]}, "'n7' is to stay as it is, but .* has no vector of it"),
        ({"start": start, "freeze": ["m0"]}, "'m0' is to stay as it is, but not in the graph"),
        ({"start": tmp_path / "w.tsv"}, "is not there"),
    ]:
        with pytest.raises(UserError, match=message):
            GraphEmbedding(graph, SMALL).fit(**fit)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="numbers, not dimension = 4"):
        GraphEmbedding(graph, SMALL, dimension=4).fit(start=start)
    with pytest.raises(UserError, match="has no vector of any entity"):
        GraphEmbedding(Graph.of(["x", "y"], ["next"], np.array([[0, 0, 1]])), SMALL).fit(start=start)
    with pytest.raises(UserError, match="this one has begun"):
        GraphEmbedding(graph, SMALL).fit(1).fit(2, start=start)


def test_the_command(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name, count in (("old", 6), ("new", 8)):
        graph = ring(count)
        lines = [f"{graph.entities[h]}\t{graph.relations[r]}\t{graph.entities[t]}\n" for h, r, t in graph.train]
        Path(f"{name}.tsv").write_text("".join(lines))
    small = ["--dimension", "8", "--epochs", "1", "--run"]
    assert main(["embed", "old.tsv", *small, "a"]) == 0
    Path("names").write_text("n1\nn4\n")
    command = ["embed", "new.tsv", *small, "b", "--start", "a", "--freeze", "names"]
    assert main(command) == 0
    old, new = GraphEmbedding.load("a"), GraphEmbedding.load("b")
    assert rows_of(new, ["n1", "n4"]).tobytes() == rows_of(old, ["n1", "n4"]).tobytes()
    assert main(command) == 0  # the same command goes on
    Path("names").write_text("n1\n")
    capfd.readouterr()
    assert main([*command, "--epochs", "2"]) == 2
    assert "was learned from other edges" in capfd.readouterr().err
    for words, message in [
        (["embed", "new.tsv", "--freeze", "names"], "--freeze needs --start"),
        (["embed", "new.tsv", *small, "c", "--start", "a", "--freeze", "gone"], "gone cannot be read"),
    ]:
        assert main(words) == 2
        assert message in capfd.readouterr().err


def test_what_is_frozen_stays_outside_the_ball_and_at_minus_zero(tmp_path: Path) -> None:
    old = GraphEmbedding(ring(12), SMALL, seed=1).fit()
    old.matrix *= 10.0 / np.abs(old.matrix).max()
    old.matrix[1] = -0.0
    old.save(tmp_path)
    new = GraphEmbedding(ring(12), SMALL, seed=2, operator="identity", comparator="poincare")
    new.fit(start=tmp_path, freeze=[f"n{i}" for i in range(6)])
    frozen, others = ([f"n{i}" for i in some] for some in (range(6), range(6, 12)))
    assert np.linalg.norm(rows_of(old, frozen), axis=1).max() > 1.0
    assert rows_of(new, frozen).tobytes() == rows_of(old, frozen).tobytes()
    assert np.linalg.norm(rows_of(new, others), axis=1).max() < 1.0
