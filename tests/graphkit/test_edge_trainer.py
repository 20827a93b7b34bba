"""Training in partitions: what lies where, what is asked of whom, and that going on is exact."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from graphkit.cli import main
from graphkit.embedding import buckets as buckets_file
from graphkit.embedding.buckets import Buckets
from graphkit.embedding.config import EmbedConfig, RelationConfig
from graphkit.embedding.embedding import GraphEmbedding
from graphkit.embedding.partition import Partition, visits
from graphkit.embedding.questions import TOGETHER, Grouped, KnownAnswers, pooled
from graphkit.embedding.trainer import EdgeTrainer
from graphkit.graphs.graph import Graph
from neuralcore.errors import UserError

SMALL = EmbedConfig(dimension=8, epochs=2, batch_size=20, negatives=12, learning_rate=0.3)


def random_graph(entities: int = 50, relations: int = 3, edges: int = 300, weights: bool = False) -> Graph:
    generator = np.random.default_rng(0)
    rows = np.stack([generator.integers(n, size=edges) for n in (entities, relations, entities)], axis=1)
    names = [f"e{i}" for i in range(entities)]
    heavy = generator.uniform(0.5, 2.0, edges).astype(np.float32) if weights else None
    return Graph.of(names, [f"r{i}" for i in range(relations)], rows, weights=heavy)


def as_set(edges: np.ndarray, weights: np.ndarray | None) -> list[tuple]:
    return sorted((*e, *([] if weights is None else [weights[i]])) for i, e in enumerate(edges.tolist()))


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("in_files", [False, True])
def test_buckets_hold_every_edge_once(
    shards: int, in_files: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buckets_file, "BLOCK", 16)  # so that a bucket is more than one block
    graph, partition = random_graph(weights=True), Partition((50,), shards, seed=4)
    found = Buckets.of(graph.train, graph.weights, partition, 4, tmp_path / "b" if in_files else None)
    assert isinstance(found.edges, np.memmap) == in_files
    again, entity = [], np.argsort(partition.places())  # at a row of all shards' rows, one after the other
    rows_before = np.cumsum([0] + [len(partition.rows_of(0, shard)) for shard in range(shards)])
    assert found.weights is not None
    for a in range(shards):
        for b in range(shards):
            rows = found.slice(a, b)
            parts = [found.slice(a, b, k, 7) for k in range(7)]
            assert [i for part in parts for i in part] == list(rows)
            edges = found.edges[rows.start : rows.stop]
            head, tail = entity[rows_before[a] + edges[:, 0]], entity[rows_before[b] + edges[:, 2]]
            again += as_set(np.stack([head, edges[:, 1], tail], axis=1), found.weights[rows.start : rows.stop])
    assert sorted(again) == as_set(graph.train, graph.weights)
    first = found.slice(0, 0)
    assert np.any(np.diff(found.edges[first.start : first.stop, 0]) < 0)  # not in the order they came in
    other = Buckets.of(graph.train, graph.weights, partition, 4)
    assert found.edges.tobytes() == other.edges.tobytes()


def test_a_pool_by_hand() -> None:
    answers = KnownAnswers(np.array([[7, 0, 3], [7, 0, 5], [3, 2, 9], [3, 2, 9]]), relations=4, rows=10)
    given, asked, answer = np.array([7, 3]), np.array([0, 2]), np.array([3, 9])
    weight = np.array([1.0, 2.0], np.float32)
    batch = pooled(given, asked, answer, weight, np.array([5, 3, 5]), answers.of(given, asked))
    assert batch.candidates is not None
    assert batch.candidates.tolist() == [3, 5, 9]  # each once, so no answer is its own negative
    assert batch.candidates[np.asarray(batch.answers.column)].tolist() == [3, 9]
    assert batch.answers.known is not None
    entries = sorted(zip(*(part.tolist() for part in batch.answers.known)))
    assert entries == [(0, 0), (0, 1), (1, 2)]
    # The heads' questions are known as well, and what nobody knows is empty.
    which, rows = answers.of(np.array([9, 9, 5]), np.array([6, 1, 4]))
    assert (which.tolist(), rows.tolist()) == ([0, 2], [3, 7])


def test_questions_are_asked_once_with_all_their_answers() -> None:
    edges = np.array([[0, 0, 1], [0, 0, 2], [0, 0, 1], [3, 1, 2]])
    head, relation, tail = edges.T
    both = (np.r_[head, tail], np.r_[relation, relation + 2], np.r_[tail, head])
    grouped = Grouped(*both, np.tile(np.array([1.0, 2.0, 4.0, 8.0], np.float32), 2), None, filtered=True)
    asked: dict[tuple[int, int], dict[int, float]] = {}
    for batch in grouped.batches(np.random.default_rng(0), 2):
        assert batch.candidates is None
        for q, c, w in zip(*(np.asarray(part).tolist() for part in batch.answers[:3])):
            asked.setdefault((int(batch.given[q]), int(batch.asked[q])), {})[c] = w
    assert asked == {
        (0, 0): {1: 5.0, 2: 2.0},
        (3, 1): {2: 8.0},
        (1, 2): {0: 5.0},
        (2, 2): {0: 2.0},
        (2, 3): {3: 8.0},
    }


@pytest.mark.parametrize("filtered", [False, True])
def test_a_question_with_many_answers_is_asked_in_parts(filtered: bool) -> None:
    count = 2 * TOGETHER + 3
    given, answer = np.r_[np.full(count, 7), 8], np.r_[np.arange(count), 2]
    weight = np.arange(count + 1, dtype=np.float32)
    grouped = Grouped(given, np.zeros(count + 1, np.int64), answer, weight, None, filtered)
    companies = []
    for seed in (0, 1):
        found: dict[int, list[list[int]]] = {7: [], 8: []}
        for batch in grouped.batches(np.random.default_rng(seed), 3):
            question, column, weights = (np.asarray(part) for part in batch.answers[:3])
            for q, g in enumerate(batch.given.tolist()):
                found[g].append(sorted(column[question == q].tolist()))
                if batch.answers.known is not None:
                    which, known = (np.asarray(part) for part in batch.answers.known)
                    assert known[which == q].tolist() == (list(range(count)) if g == 7 else [2])
            assert (
                weights[np.asarray(batch.given)[question] == 7].tolist()
                == column[np.asarray(batch.given)[question] == 7].tolist()
            )
        assert sorted(map(len, found[7])) == [3, TOGETHER, TOGETHER]
        assert sorted(a for part in found[7] for a in part) == list(range(count))
        assert found[8] == [[2]]
        companies.append(sorted(found[7]))
    assert companies[0] != companies[1]


@pytest.mark.parametrize(("partitions", "slots"), [(1, 2), (2, 2), (4, 2), (4, 3), (5, 3)])
def test_an_epoch_asks_every_edge_both_ways(partitions: int, slots: int, tmp_path: Path) -> None:
    graph = random_graph(entities=400, edges=3000, weights=True)
    config = EmbedConfig(dimension=4, batch_size=9, negatives=20, partitions=partitions, slots=slots)
    trainer = EdgeTrainer(graph, config, 3, tmp_path)
    places, capacity = trainer.partition.places(), trainer.partition.capacity
    entity = np.full((partitions, capacity), -1)
    entity[places // capacity, places % capacity] = np.arange(400)
    asked, met = [], np.zeros((400, 400))
    trainer.batches.plan(visits(partitions, slots))
    for visit in visits(partitions, slots):
        trainer.shards.bring(visit.shards)
        trainer.shards.save(1, {}, {})
        held = entity[list(visit.shards)].reshape(-1)
        for _, _, batch in trainer.batches.of(visit, trainer.vectors_of, np.random.default_rng(1)):
            assert batch.candidates is not None
            assert len(set(batch.candidates.tolist())) == len(batch.candidates)
            assert held[batch.candidates].min() >= 0  # never one of the rows that a shard has too many
            given, answers = held[batch.given], held[batch.candidates[np.asarray(batch.answers.column)]]
            asked += zip(given, batch.asked.tolist(), answers, np.asarray(batch.answers.weight).tolist())
            for g in given:
                met[g, held[batch.candidates]] += 1
    trainer.shards.__exit__(None, None, None)
    assert graph.weights is not None
    expected = [(h, r, t, w) for (h, r, t), w in zip(graph.train.tolist(), graph.weights.tolist())]
    expected += [(t, r + 3, h, w) for h, r, t, w in expected]
    assert sorted(asked) == sorted(expected)
    # Given an entity, those of its own shard are met as often as others are.
    same = (places[:, None] // capacity) == (places[None] // capacity)
    if partitions > 1:
        assert met[same].mean() == pytest.approx(met[~same].mean(), rel=0.1)


@pytest.mark.parametrize(("partitions", "slots"), [(2, 2), (4, 2), (4, 3), (5, 3)])
def test_going_on_at_a_visit_equals_never_stopping(partitions: int, slots: int, tmp_path: Path) -> None:
    config = EmbedConfig(dimension=8, epochs=2, batch_size=20, negatives=12, partitions=partitions, slots=slots)
    graph = random_graph(weights=True)
    whole = GraphEmbedding(graph, config, seed=1).fit(folder=tmp_path / "whole")
    # Stop after each visit: as if it had been killed there.
    stops = 0

    class Stopped(Exception):
        pass

    for _ in range(100):
        try:
            with EdgeTrainer(graph, config, 1, tmp_path / "cut") as trainer:
                save = trainer.shards.save

                def save_and_stop(*arguments: object, save: Callable = save, trainer: EdgeTrainer = trainer) -> None:
                    save(*arguments)
                    trainer.shards.wait()
                    raise Stopped

                trainer.shards.save = save_and_stop  # type: ignore[method-assign]
                trainer.fit(2)
        except Stopped:
            stops += 1
            continue
        break
    assert stops == 2 * len(visits(partitions, slots))
    cut = GraphEmbedding(graph, config, seed=1).fit(folder=tmp_path / "cut")
    assert cut.epoch == 2
    assert cut.matrix.tobytes() == whole.matrix.tobytes()
    assert cut.tables["complex_diagonal"].weight.tobytes() == whole.tables["complex_diagonal"].weight.tobytes()
    assert not (tmp_path / "cut" / "buckets").exists()
    temporary = GraphEmbedding(graph, config, seed=1).fit()  # where no folder is named
    assert temporary.matrix.tobytes() == whole.matrix.tobytes()


def test_threads_and_partitions_change_no_byte(tmp_path: Path) -> None:
    graph, before, found = random_graph(edges=3000), torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            model = GraphEmbedding(graph, SMALL, batch_size=700, partitions=3).fit(folder=tmp_path / str(threads))
            found.append(model.matrix.tobytes())
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1]


def test_a_weight_of_two_is_an_edge_twice() -> None:
    """Where questions are asked once with all their answers, and so the second edge is not another question."""
    rows = random_graph(edges=80).train
    weights = np.where(np.arange(80) % 2, 1.0, 2.0).astype(np.float32)
    twice = np.concatenate([rows, rows[::2]])
    names = [f"e{i}" for i in range(50)], ["a", "b", "c"]
    settings = {"all_negatives": True, "negatives": 250, "batch_size": 1000, "n3": 0.1, "epochs": 1}
    one = GraphEmbedding(Graph.of(*names, rows, weights=weights), SMALL, **settings).fit()
    two = GraphEmbedding(Graph.of(*names, twice), SMALL, **settings).fit()
    np.testing.assert_allclose(one.matrix, two.matrix, rtol=1e-3, atol=1e-5)
    with pytest.raises(UserError, match=r"train edge 3 weighs -1\.0: weights are numbers above 0"):
        Graph.of(*names, rows, weights=np.where(np.arange(80) == 3, -1.0, 1.0))


def test_other_partitions_or_seeds_are_refused(tmp_path: Path) -> None:
    GraphEmbedding(random_graph(), SMALL).fit(1, folder=tmp_path)
    for change in ({"partitions": 2}, {"seed": 5}):
        with pytest.raises(UserError, match="with other partitions, relations, features, start or seed"):
            GraphEmbedding(random_graph(), SMALL, **change).fit(2, folder=tmp_path)  # type: ignore[arg-type]


def test_a_shard_that_was_damaged_meanwhile_is_told(tmp_path: Path) -> None:
    config = EmbedConfig(dimension=8, epochs=1, batch_size=20, negatives=12, partitions=3)
    with EdgeTrainer(random_graph(), config, 0, tmp_path) as trainer:
        trainer.fit(1)
        trainer.shards.wait()
        away = next(shard for shard in range(3) if shard not in trainer.shards.held)
        path = next((tmp_path / "checkpoints").glob(f"step_3/entities_{away}.safetensors"))
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
        with pytest.raises(UserError, match=r"entities_\d\.safetensors is damaged"):
            trainer.shards.vectors(np.empty((50, 8), np.float32))


def shops(users: int = 40, pages: int = 30) -> Graph:
    """Users follow users of their own kind, and like pages of it; the kind is the number's last digit in base 5."""
    generator = np.random.default_rng(3)
    edges = []
    for user in range(users):
        friends = [other for other in range(users) if other % 5 == user % 5 and other != user]
        liked = [users + page for page in range(pages) if page % 5 == user % 5]
        edges += [(user, 0, int(other)) for other in generator.permutation(friends)[:5]]
        edges += [(user, 1, int(page)) for page in generator.permutation(liked)[:4]]
    rows = np.array(edges)[generator.permutation(len(edges))]
    names = [f"n{i}" for i in range(users)] + [f"n{i}" for i in range(pages)]  # the same names in both types
    splits = {"train": rows[40:], "test": rows[:40]}
    types, sides = {"user": users, "page": pages}, [("user", "user"), ("user", "page")]
    return Graph.of(names, ["follows", "likes"], splits, types=types, sides=sides)


@pytest.mark.parametrize("settings", [{}, {"partitions": 3}, {"all_negatives": True, "negatives": 250}])
def test_types_and_a_relation_of_another_kind(settings: dict, tmp_path: Path) -> None:
    graph = shops()
    relations = {"likes": RelationConfig(operator="translation", weight=2.0, negatives=7 if not settings else None)}
    config = EmbedConfig(dimension=16, epochs=60, batch_size=20, negatives=20, learning_rate=0.2)
    model = GraphEmbedding(graph, config, relations=relations, **settings).fit()
    assert {name: table.weight.shape for name, table in model.tables.items()} == {
        "complex_diagonal": (2, 16),
        "translation": (2, 16),
    }
    # A fifth of 40 users and of 30 pages fits: at chance, a rank is about 18 of 36 filtered.
    ranking = model.evaluate()
    assert ranking.mrr > 0.3
    assert ranking.mr < 8
    found = model.predict(head="n3", relation="likes", k=6)
    assert {int(name[1:]) % 5 for name, _ in found} == {3}
    assert max(int(name[1:]) for name, _ in model.predict(head="n3", relation="likes", k=100)) == 29  # pages alone
    assert len(model.predict(relation="likes", tail="n4", k=100)) == 40
    model.save(tmp_path)
    loaded = GraphEmbedding.load(tmp_path)
    assert loaded.evaluate() == ranking
    assert (loaded.graph.types, loaded.graph.sides) == (graph.types, graph.sides)


def test_an_edge_of_the_wrong_type_is_told() -> None:
    graph = shops()
    rows = graph.train.copy()
    rows[7] = (3, 1, 5)
    with pytest.raises(UserError, match=r"train edge 7 is \[3, 1, 5\], whose tail is no page"):
        Graph.of(graph.entities, graph.relations, rows, types=graph.types, sides=graph.sides)
    with pytest.raises(UserError, match="no relation 'like': did you mean 'likes'"):
        GraphEmbedding(graph, relations={"like": RelationConfig()})


def test_types_by_command(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    graph = shops()
    for split, rows in graph.edges.items():
        lines = [f"{graph.entities[h]}\t{graph.relations[r]}\t{graph.entities[t]}\n" for h, r, t in rows]
        Path("g").mkdir(exist_ok=True)
        Path(f"g/{split}.tsv").write_text("".join(lines))
    tables = '[relations.follows]\nhead = "user"\ntail = "user"\n[relations.likes]\nhead = "user"\ntail = "page"\n'
    Path("p.toml").write_text(f'graph = "g"\n[config]\ndimension = 8\nepochs = 2\n{tables}operator = "affine"\n')
    assert main(["embed", "p.toml", "--run", "r"]) == 0
    assert "70 entities (40 user, 30 page), 2 relations" in capfd.readouterr().out
    model = GraphEmbedding.load("r")
    assert model.relations["likes"].operator == "affine"
    assert len(set(model.graph.entities)) == 40  # user n3 is not page n3
    assert main(["embed", "r/config.toml"]) == 0  # what the run folder keeps is a command
    Path("q.toml").write_text(f'graph = "g"\n{tables.replace("likes", "liked")}')
    assert main(["embed", "q.toml"]) == 2
    assert "relation 'likes' has no sides: did you mean 'liked'" in capfd.readouterr().err
    Path("q.toml").write_text(f'graph = "g"\n{tables}wieght = 2.0\n')
    assert main(["embed", "q.toml"]) == 2
    assert "q.toml:8: unknown key 'wieght': did you mean 'weight'" in capfd.readouterr().err


def test_a_tree_in_the_hyperbolic_plane() -> None:
    """What has many descendants comes to lie in the middle, and each under its ancestors (Nickel & Kiela 2017)."""
    count, edges = (3**5 - 1) // 2, []
    depth = np.zeros(count, int)
    for node in range(1, count):
        depth[node], above = depth[(node - 1) // 3] + 1, node
        while above:
            above = (above - 1) // 3
            edges.append((node, 0, above))
    graph = Graph.of([f"n{i}" for i in range(count)], ["is_a"], np.array(edges))
    settings = {"operator": "identity", "comparator": "poincare", "init_scale": 1e-3, "dimension": 3}
    model = GraphEmbedding(graph, SMALL, batch_size=50, negatives=50, **settings).fit(60)
    length = np.linalg.norm(model.matrix, axis=1)
    assert length.max() < 1.0
    means = [length[depth == level].mean() for level in range(4)]
    assert means == sorted(means)
    assert length[0] < 0.3 < 0.75 < length[depth == 4].mean()
    with pytest.raises(ValueError, match="poincare needs the operator identity"):
        EmbedConfig(comparator="poincare")


@pytest.mark.faults
def test_kill_9_between_and_within_visits(here: Path, finish_despite_kills: Callable) -> None:
    graph = random_graph(edges=2000)
    lines = [f"e{h}\tr{r}\te{t}\n" for h, r, t in graph.train]
    Path("g.tsv").write_text("".join(lines))
    command = [sys.executable, "-m", "graphkit.cli", "embed", "g.tsv", "--epochs", "20", "--threads", "1"]
    command += ["--partitions", "4", "--run"]
    subprocess.run([*command, "whole"], check=True, capture_output=True)
    assert finish_despite_kills([*command, "killed"], Path("killed")) >= 1
    names = [sorted(p.name for p in Path(run, "vectors").glob("arrays_*")) for run in ("whole", "killed")]
    assert names[0] == names[1]  # the names carry the hashes
