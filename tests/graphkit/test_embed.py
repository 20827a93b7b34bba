from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from graphkit.cli import main
from graphkit.embedding.config import MODELS, EmbedConfig
from graphkit.embedding.embedding import GraphEmbedding
from graphkit.embedding.evaluation import HEADS, TAILS, rank
from graphkit.embedding.tables import HostTables
from graphkit.embedding.trainer import EdgeTrainer
from graphkit.graphs.graph import Graph
from neuralcore.config import from_mapping, to_mapping
from neuralcore.errors import UserError
from neuralcore.mapped import forget_pages
from neuralcore.scoring.operators import OPERATORS

SMALL = EmbedConfig(dimension=16, epochs=3, batch_size=20, negatives=10, learning_rate=0.3)


def families(count: int = 12, size: int = 5) -> Graph:
    """Families of people: parent_of from the first two to the others, married between the two, both ways."""
    names = [f"f{f}p{p}" for f in range(count) for p in range(size)]
    edges = []
    for f in range(count):
        base = f * size
        edges += [(base + a, 0, base + b) for a in (0, 1) for b in range(2, size)]
        edges += [(base, 1, base + 1), (base + 1, 1, base)]
    rows = np.array(edges)
    held = np.random.default_rng(0).permutation(len(rows))
    return Graph.of(names, ["parent_of", "married"], {"train": rows[held[12:]], "test": rows[held[:12]]})


def vectors(embedding: GraphEmbedding) -> bytes:
    return embedding.matrix.tobytes() + b"".join(t.weight.tobytes() for t in embedding.tables.values())


@pytest.mark.parametrize("operator", ["translation", "complex_diagonal"])
def test_ranks_against_brute_force(operator: str) -> None:
    graph = families()
    embedding = GraphEmbedding(graph, SMALL, operator=operator, seed=1).fit()
    edges, count = graph.edges["test"], len(graph.entities)
    known = {tuple(e) for e in graph.all_edges().tolist()}
    expected: dict[bool, list[float]] = {True: [], False: []}
    for side in (TAILS, HEADS):
        for head, relation, tail in edges.tolist():
            given, true = (head, tail) if side == TAILS else (tail, head)
            scores = embedding.score(np.array([given]), np.array([relation]), side)[0].tolist()
            for filtered in (True, False):
                better = equal = 0
                for other in range(count):
                    edge = (head, relation, other) if side == TAILS else (other, relation, tail)
                    if other == true or (filtered and edge in known):
                        continue
                    better += scores[other] > scores[true]
                    equal += scores[other] == scores[true]
                expected[filtered].append(1 + better + equal / 2)
    for filtered, ranks in expected.items():
        found = rank(embedding.score, edges, graph.all_edges() if filtered else None, count).rank
        # A batch's matrix product rounds otherwise than a single row's: near-ties may swap.
        np.testing.assert_allclose(found, ranks, atol=1.0)
        assert np.mean(found == ranks) > 0.9


@pytest.mark.parametrize(
    "settings",
    [
        {"operator": "complex_diagonal", "n3": 0.02},
        {"operator": "diagonal", "comparator": "cos", "loss": "ranking", "margin": 0.5},
        {"operator": "translation", "comparator": "l2", "loss": "ranking"},
        {"operator": "translation", "comparator": "squared_l2", "loss": "logistic", "learning_rate": 0.1},
    ],
    ids=lambda s: s["operator"],
)
def test_a_planted_graph_is_learned(settings: dict) -> None:
    graph = families()
    ranking = GraphEmbedding(graph, SMALL, **{"epochs": 80, **settings}).fit().evaluate()
    chance = np.mean(1 / np.arange(1, 61))
    assert ranking.mrr > 5 * chance  # 0.08 by chance


def test_known_edges_are_predicted() -> None:
    embedding = GraphEmbedding(families(), SMALL, epochs=80).fit()
    train = embedding.graph.train
    head, _, tail = train[train[:, 1] == 1][0]
    names = embedding.graph.entities
    assert names[tail] in [n for n, _ in embedding.predict(head=names[head], relation="married", k=3)]
    assert names[head] in [n for n, _ in embedding.predict(relation="married", tail=names[tail], k=3)]
    assert len(embedding.predict(head=names[0], relation="married", k=1000)) == len(names)
    new = [n for n, _ in embedding.predict(head=names[head], relation="married", k=1000, new_only=True)]
    assert names[tail] not in new
    assert len(new) == len(names) - 1
    with pytest.raises(UserError, match="either head or tail"):
        embedding.predict(head="f0p0", relation="married", tail="f0p1")
    with pytest.raises(UserError, match="unknown relation 'maried': did you mean 'married'"):
        embedding.predict(head="f0p0", relation="maried")
    with pytest.raises(UserError, match="unknown entity"):
        embedding.predict(head="f0p99", relation="married")
    with pytest.raises(UserError, match="no 'valid' edges"):
        embedding.evaluate("valid")


def test_same_seed_same_bytes() -> None:
    one, two, three = (GraphEmbedding(families(), SMALL, seed=s).fit() for s in (1, 1, 2))
    assert vectors(one) == vectors(two) != vectors(three)


@pytest.mark.parametrize("threads", [2, 3])
def test_the_number_of_threads_changes_no_byte(threads: int) -> None:
    """A step of 2 x 400 questions is cut into parts by its size alone."""
    graph = families(count=150)
    before = torch.get_num_threads()
    try:
        found = []
        for count in (1, threads):
            torch.set_num_threads(count)
            found.append(vectors(GraphEmbedding(graph, SMALL, batch_size=400, n3=0.01, epochs=2).fit()))
            assert torch.get_num_threads() == count  # fit gives them back
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1]


def test_a_step_is_the_same_however_it_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = (GraphEmbedding(families(), SMALL, n3=0.01, epochs=1) for _ in range(2))
    one.fit()
    monkeypatch.setattr("neuralcore.kernels.edge_gradient.cpu.PART", 7)
    two.fit()
    np.testing.assert_allclose(two.matrix, one.matrix, rtol=1e-3, atol=1e-5)


def test_a_pass_against_the_dense_formula() -> None:
    """The tails' step, then the heads': Adagrad on loss + n3·Σ|·|³, differentiated over whole tables."""
    embedding = GraphEmbedding(families(), SMALL, n3=0.05, batch_size=1000, negatives=2000, epochs=1)
    first = EdgeTrainer(embedding.graph, embedding.config, 0)
    first.shards.bring((0,))
    weight = torch.from_numpy(first.shards.table.weight.copy()).requires_grad_()
    relations = torch.from_numpy(first.tables["complex_diagonal"].weight.copy()).requires_grad_()
    state = [torch.zeros(60, 1), torch.zeros_like(relations)]
    heads, kinds, tails = torch.from_numpy(embedding.graph.train).T
    complex_diagonal = OPERATORS["complex_diagonal"].forward
    # With 2,000 draws all 60 entities are in the pool.
    for given, asked, true in ((heads, kinds, tails), (tails, kinds + 2, heads)):
        x, w = weight[given], relations[asked]
        scores = complex_diagonal(weight[given], relations, asked) @ weight.T
        loss = torch.nn.functional.cross_entropy(scores, true, reduction="sum")
        cubes = sum((v[:, :8].square() + v[:, 8:].square()).pow(1.5).sum() for v in (x, w, weight[true]))
        of_x, of_w = torch.autograd.grad(loss + 0.05 * cubes, (weight, relations))
        with torch.no_grad():
            state[0] += of_x.square().mean(1, keepdim=True)
            state[1] += of_w.square()
            weight -= 0.3 * of_x / (state[0].sqrt() + 1e-10)
            relations -= 0.3 * of_w / (state[1].sqrt() + 1e-10)
    embedding.fit()
    torch.testing.assert_close(torch.from_numpy(embedding.matrix), weight.detach(), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(
        torch.from_numpy(embedding.tables["complex_diagonal"].weight), relations.detach(), rtol=1e-3, atol=1e-4
    )


def test_checkpoints_of_other_edges_are_refused(tmp_path: Path) -> None:
    GraphEmbedding(families(), SMALL).fit(1, folder=tmp_path)
    with pytest.raises(UserError, match="learned from other edges"):
        GraphEmbedding(families(count=13), SMALL).fit(2, folder=tmp_path)


def test_going_on_equals_never_stopping(tmp_path: Path) -> None:
    whole = GraphEmbedding(families(), SMALL, seed=1).fit(4)
    GraphEmbedding(families(), SMALL, seed=1).fit(2, folder=tmp_path)
    again = GraphEmbedding(families(), SMALL, seed=1).fit(4, folder=tmp_path)
    assert vectors(whole) == vectors(again)
    assert [json.loads(r)["epoch"] for r in (tmp_path / "metrics.jsonl").read_text().splitlines()] == [1, 2, 3, 4]


CHANGES = {
    "model": "distmult",
    "operator": "translation",
    "comparator": "cos",
    "loss": "logistic",
    "margin": 0.5,
    "dimension": 8,
    "epochs": 2,
    "batch_size": 30,
    "negatives": 5,
    "learning_rate": 0.1,
    "n3": 0.1,
    "init_scale": 0.2,
    "frequent_negatives": 5,
    "given_negatives": True,
    "all_negatives": True,
    "filtered": True,
    "l2": 0.1,
    "relation_prediction": 0.5,
    "precision": "bfloat16",
    "decay": 0.5,
    "partitions": 3,
    "slots": 3,
}


@pytest.mark.parametrize("partitions", [1, 3])
def test_the_step_size_falls_to_nothing_at_the_end(partitions: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[float] = []
    step = HostTables.step

    def noted(self: HostTables, batch: Any, scoring: Any, rate: float, map_parts: Any) -> float:
        rates.append(rate)
        return step(self, batch, scoring, rate, map_parts)

    monkeypatch.setattr(HostTables, "step", noted)
    whole = GraphEmbedding(families(), SMALL, epochs=4, decay=0.5, partitions=partitions).fit()
    half = np.array(rates[len(rates) // 2 :])  # epochs in partitions may differ by a step
    assert rates[: len(rates) // 2 - 2] == [0.3] * (len(rates) // 2 - 2)
    assert (np.diff(half) <= 0).all()  # straight down, ending a step above 0
    assert half[0] > 0.29
    assert half[len(half) // 2] == pytest.approx(0.15, abs=0.01)
    assert 0 < half[-1] < 0.02
    if partitions == 1:  # who stops between epochs and goes on falls alike
        parts = GraphEmbedding(families(), SMALL, epochs=4, decay=0.5).fit(3).fit()
        assert vectors(parts) == vectors(whole)
        with pytest.raises(UserError, match=r"5 epochs are more than the config's 4, .* drop decay"):
            whole.fit(5)


@pytest.mark.parametrize("name", [f.name for f in dataclasses.fields(EmbedConfig)])
def test_every_field_changes_something(name: str) -> None:
    base = {"margin": {"loss": "ranking"}, "slots": {"partitions": 3}, "all_negatives": {"negatives": 250}}.get(
        name, {}
    )
    one = GraphEmbedding(families(), SMALL, **base).fit()
    two = GraphEmbedding(families(), SMALL, **base, **{name: CHANGES[name]}).fit()
    assert vectors(one) != vectors(two)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dimension": 0}, "dimension must be 1 or more, got 0"),
        ({"dimension": 7}, "even dimension, got 7"),
        ({"learning_rate": -1.0}, r"learning_rate must be above 0, got -1\.0"),
        ({"model": "transe", "operator": "diagonal"}, "transe has the operator translation, not diagonal: drop one"),
        ({"model": "rotate", "dimension": 7}, "rotation needs an even dimension, got 7"),
        ({"slots": 1}, "slots must be 2 or more, got 1"),
        ({"all_negatives": True}, "the other negatives change nothing with all_negatives"),
        ({"given_negatives": True, "partitions": 2}, "given_negatives would depend on partitions, which must be 1"),
        ({"filtered": True, "partitions": 2}, "filtered needs all entities in memory: partitions must be 1, got 2"),
        ({"n3": -0.1}, r"n3 must be 0 or more, got -0\.1"),
        ({"decay": 1.5}, r"decay must be from 0 to 1, a share of the epochs, got 1\.5"),
        ({"relation_prediction": 1.0, "comparator": "l2"}, "relation_prediction needs the comparator dot, not l2"),
        ({"precision": "bfloat16", "comparator": "cos"}, "bfloat16 is for the comparators dot, l2 and"),
        ({"init_scale": float("nan")}, "init_scale must be above 0, got nan"),
        ({"margin": 2.0}, r"margin 2\.0 belongs to the ranking loss, but the loss is softmax"),
        ({"margin": -2.0, "loss": "ranking"}, r"margin must be above 0, got -2\.0"),
    ],
)
def test_contradictions_die_in_the_config(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SMALL, **change)


def test_relation_prediction_needs_scores_linear_in_the_relation() -> None:
    with pytest.raises(UserError, match="relation_prediction needs the operators diagonal and complex_diagonal, not"):
        GraphEmbedding(families(), SMALL, operator="linear", relation_prediction=1.0).fit()


@pytest.mark.parametrize("name", MODELS)
def test_classical_models_by_name(name: str) -> None:
    config = EmbedConfig(model=name, dimension=6)  # type: ignore[arg-type]
    assert (config.operator, config.comparator) == MODELS[name]
    assert dataclasses.replace(config, epochs=3).operator == config.operator
    assert config == from_mapping(EmbedConfig, to_mapping(config))


def test_saved_and_loaded(tmp_path: Path) -> None:
    embedding = GraphEmbedding(families(), SMALL, seed=1).fit()
    embedding.save(tmp_path / "vectors")
    loaded = GraphEmbedding.load(tmp_path)
    assert vectors(embedding) == vectors(loaded)
    assert loaded.graph.entities == embedding.graph.entities
    assert loaded.config == embedding.config
    assert loaded.evaluate() == embedding.evaluate()
    embedding.fit(4).save(tmp_path / "vectors")  # in place of the old one, whose files go
    assert len(list((tmp_path / "vectors").iterdir())) == 3
    for path in (tmp_path / "vectors").iterdir():
        data = path.read_bytes()
        path.write_bytes(bytes([data[0] ^ 1]) + data[1:])
        with pytest.raises(UserError, match=r"damaged|holds"):
            GraphEmbedding.load(tmp_path)
        path.write_bytes(data)
    assert GraphEmbedding.load(tmp_path).epoch == 4
    with pytest.raises(UserError, match="holds no vectors"):
        GraphEmbedding.load(tmp_path / "nowhere")


def test_a_diverging_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="lower the learning rate"), np.errstate(all="ignore"):
        GraphEmbedding(families(), SMALL, learning_rate=1e30, operator="diagonal").fit(folder=tmp_path)


def write_families(folder: Path) -> None:
    graph = families()
    folder.mkdir()
    for split, rows in graph.edges.items():
        lines = [f"{graph.entities[h]}\t{graph.relations[r]}\t{graph.entities[t]}\n" for h, r, t in rows]
        (folder / f"{split}.tsv").write_text("".join(lines))


def test_the_commands(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_families(here / "g")
    Path("p.toml").write_text('graph = "g"\n[config]\ndimension = 8\nepochs = 2\n')
    assert main(["embed", "p.toml", "--run", "r", "--epochs", "3"]) == 0
    out = capfd.readouterr().out
    assert "60 entities, 2 relations, edges: 84 train, 12 test" in out
    assert "test: filtered MRR" in out
    assert {p.name for p in Path("r").iterdir()} >= {
        "vectors",
        "card.md",
        "config.toml",
        "test.json",
        "metrics.jsonl",
    }
    assert main(["evaluate", "r"]) == 0
    assert capfd.readouterr().out.splitlines()[0] in out
    written = Path("r/config.toml").read_text()
    assert 'margin = "None"' in written
    # A run from before None had a word in TOML, and older than a field, goes on.
    Path("r/config.toml").write_text(re.sub(r'.*("None"|init_scale.*)\n', "", written))
    assert main(["embed", "r/config.toml"]) == 0
    assert "config.init_scale, which is newer" in capfd.readouterr().err
    assert Path("r/config.toml").read_text() == written
    assert main(["search", "r", "f0p0", "--k", "3", "--format", "csv"]) == 0
    assert capfd.readouterr().out.count("f0p0") >= 3
    for words, message in [
        (["embed", "p.toml", "--run", "r", "--seed", "9"], "seed = 0, not 9"),
        (["embed", "nothing.tsv"], "no edge list nothing.tsv"),
        (["embed", "sample:wn18"], "did you mean 'wn18rr'"),
        (["embed", "g", "--dimension", "7"], "even dimension, got 7"),
        (["embed", "g", "--dimensions", "7"], "did you mean '--dimension'"),
        (["evaluate", "r", "--split", "valid"], "no 'valid' edges"),
        (["evaluate", "g"], "holds no vectors"),
    ]:
        assert main(words) == 2
        err = capfd.readouterr().err
        assert message in err
        assert len(err.strip().splitlines()) == 1
    assert sorted(p.name for p in here.iterdir()) == ["g", "p.toml", "r"]


@pytest.mark.faults
def test_kill_9_and_the_same_command_gives_the_same_bytes(here: Path, finish_despite_kills: Callable) -> None:
    write_families(here / "g")
    command = [
        sys.executable,
        "-m",
        "graphkit.cli",
        "embed",
        "g",
        "--epochs",
        "200",
        "--decay",
        "0.5",
        "--threads",
        "1",
        "--run",
    ]
    subprocess.run([*command, "whole"], check=True, capture_output=True)
    assert finish_despite_kills([*command, "killed"], Path("killed")) >= 1
    names = [sorted(p.name for p in Path(run, "vectors").glob("arrays_*")) for run in ("whole", "killed")]
    assert names[0] == names[1]  # the names carry the hashes
    assert Path("whole/metrics.jsonl").read_bytes() == Path("killed/metrics.jsonl").read_bytes()


@pytest.mark.learning
@pytest.mark.parametrize("seed", [0, 1])
def test_wn18rr(seed: int) -> None:
    from graphkit import samples
    from neuralcore.config import find_config, from_mapping, read_toml

    path = find_config("configs/graph/wn18rr.toml")
    config = from_mapping(EmbedConfig, read_toml(path)["config"], path)
    embedding = GraphEmbedding(Graph.read(samples.path("wn18rr")), config, seed=seed).fit()
    assert embedding.evaluate().mrr > 0.445  # 0.462 on seed 0


def test_what_is_loaded_stays_in_the_file(tmp_path: Path) -> None:
    edges = np.array([[0, 0, 1], [1, 0, 2], [2, 1, 0], [2, 1, 0], [1, 1, 1]])
    graph = Graph.of(["a", "b", "c"], ["r", "s"], {"train": edges, "test": edges[:2]}, weights=np.ones(5))
    trained = GraphEmbedding(graph, dimension=4, epochs=1).fit()
    trained.save(tmp_path)
    loaded = GraphEmbedding.load(tmp_path)
    assert str(loaded.graph) == str(graph)
    for array in (loaded.matrix, loaded.graph.train, loaded.graph.edges["test"], loaded.graph.weights):
        assert isinstance(array, np.memmap)
    assert not loaded.graph.train.flags.writeable
    assert loaded.predict("a", "r") == trained.predict("a", "r")
    loaded.matrix *= 2.0
    forget_pages(loaded.matrix)  # as whoever goes over it in pieces does
    np.testing.assert_array_equal(loaded.matrix, 2.0 * trained.matrix)
    np.testing.assert_array_equal(GraphEmbedding.load(tmp_path).matrix, trained.matrix)
    loaded.save(tmp_path)  # over the file it is mapped from
    np.testing.assert_array_equal(GraphEmbedding.load(tmp_path).matrix, 2.0 * trained.matrix)
    loaded.fit(2)
    assert loaded.epoch == 2
