"""Entities with features: bags of tags, dense vectors and modules, beside and instead of learned rows."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from graphkit import Bags, Dense, Features, Graph, GraphEmbedding, WordVectors
from graphkit.cli import main
from graphkit.embedding.config import EmbedConfig, FeatureConfig
from graphkit.embedding.formats import read, write
from graphkit.embedding.partition import visits
from graphkit.embedding.questions import Batch, pooled
from graphkit.embedding.trainer import EdgeTrainer
from graphkit.embedding.vectors import GraphVectors
from neuralcore.errors import UserError

ARTICLES, TOPICS, KINDS = 41, 7, 3
SMALL = EmbedConfig(operator="diagonal", dimension=5, epochs=2, batch_size=20, negatives=12, learning_rate=0.3)


def wiki(held_out: int = 0) -> Graph:
    """Articles cite articles of their own kind and have a topic of it; the last `held_out` have test edges alone."""
    generator, edges = np.random.default_rng(5), []
    for article in range(ARTICLES):
        alike = [other for other in range(ARTICLES - held_out) if other % KINDS == article % KINDS != other]
        edges += [(article, 0, int(other)) for other in generator.permutation(alike)[:4]]
        topics = [ARTICLES + topic for topic in range(TOPICS) if topic % KINDS == article % KINDS]
        edges += [(article, 1, topic) for topic in topics]
    rows = np.array(edges)
    new = rows[:, 0] >= ARTICLES - held_out
    splits = {"train": rows[~new], "test": rows[new]} if held_out else {"train": rows}
    names = [f"a{i}" for i in range(ARTICLES)] + [f"t{i}" for i in range(TOPICS)]
    types, sides = {"article": ARTICLES, "topic": TOPICS}, [("article", "article"), ("article", "topic")]
    return Graph.of(names, ["cites", "about"], splits, types=types, sides=sides)


def texts() -> list[list[str]]:
    """Words of an article's kind, and others; the first article has none."""
    generator = np.random.default_rng(6)
    mine = [[f"kind{i % KINDS}"] * 2 + [f"w{n}" for n in generator.integers(9, size=i % 5)] for i in range(ARTICLES)]
    return [[], *mine[1:]]


def numbers() -> np.ndarray:
    matrix = np.random.default_rng(7).normal(size=(ARTICLES, 11)).astype(np.float32)
    matrix[np.arange(ARTICLES), np.arange(ARTICLES) % KINDS] += 4.0
    return matrix


class Deep(torch.nn.Module):
    """With numbers it draws itself, and some that are no parameters."""

    def __init__(self, inputs: int = 11, outputs: int = 5) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.first, self.second = (torch.nn.Linear(inputs, 8), torch.nn.Linear(8, outputs))
        for parameter in self.parameters():
            parameter.data.normal_(0.0, 0.3, generator=generator)
        self.norm, self.dropout = torch.nn.BatchNorm1d(8), torch.nn.Dropout(0.2)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.second(self.dropout(torch.relu(self.norm(self.first(features)))))


def test_bags_by_hand(tmp_path: Path) -> None:
    bags = Bags.of([["red", "round", "red"], [], ["round", "new", "größer"]], min_count=2)
    assert (list(bags.names), bags.known.tolist()) == (["red", "round"], [True, False, True])
    assert (bags.offsets.tolist(), bags.indices.tolist(), bags.weights.tolist()) == (
        [0, 2, 2, 3],
        [0, 1, 1],
        [2, 1, 1],
    )
    np.testing.assert_allclose(bags.means().weights, [2 / 3, 1 / 3, 1.0], rtol=1e-6)
    some = bags.take(np.array([2, 0, 1, 0]))
    assert (some.offsets.tolist(), some.indices.tolist()) == ([0, 1, 3, 3, 5], [1, 0, 1, 0, 1])
    assert bags.named([["blue"], ["round", "blue", "round"]]).weights.tolist() == [2.0]
    path = tmp_path / "bags.tsv"
    path.write_text("c\tround new  größer\n\na\tred round\tred\r\n")
    found = Bags.read(path, ["a", "b", "c"], min_count=2)
    assert [found.names[i] for i in found.indices] == ["red", "round", "round"]
    assert (found.offsets.tolist(), found.weights.tolist()) == ([0, 2, 2, 3], [2.0, 1.0, 1.0])
    for text, message in (
        ("a\tred\nb red\n", r"bags\.tsv:2: no tab between an entity and its tags"),
        ("a\tred\nd\tred\n", r"bags\.tsv:2: the graph has no such entity 'd'.*known: a, b"),
        ("a\tred\nb\tred\na\tred\n", r"bags\.tsv:3: 'a' was on line 1 already"),
        ("a\tred\n", "holds no tag that is there 2 times"),
    ):
        path.write_text(text)
        with pytest.raises(UserError, match=message):
            Bags.read(path, ["a", "b"], min_count=2)
    with pytest.raises(UserError, match="no file of features"):
        Bags.read(tmp_path / "none.tsv", ["a"])
    with pytest.raises(UserError, match=r"not the text 'red': split it"):
        Bags.of(["red"])
    with pytest.raises(UserError, match=r"bag 1 has the weight -1\.0"):
        Bags(np.array([0, 1, 2]), np.array([0, 0]), np.array([1.0, -1.0]), ["x"])
    with pytest.raises(UserError, match="a bag has tag 2, of 2"):
        Bags(np.array([0, 1]), np.array([2]), np.array([1.0]), ["x", "y"])
    with pytest.raises(UserError, match="row 1 of the dense features has NaN or infinity"):
        Dense(np.array([[1.0], [np.nan]]))


def batches(relation: int) -> Iterator[Batch]:
    """Which article or topic, given an article; which article, given a topic; and all of them as candidates."""
    generator = np.random.default_rng(9)
    edges = wiki().train
    mine = edges[edges[:, 1] == relation]
    for step in range(6):
        some = mine[generator.integers(len(mine), size=13)]
        given, answer = (some[:, 0], some[:, 2]) if step % 2 else (some[:, 2], some[:, 0])
        weight = generator.uniform(0.5, 2.0, 13).astype(np.float32)
        batch = pooled(given, np.full(13, relation + 2 * (step % 2)), answer, weight, generator.integers(20, size=5))
        if step >= 4:
            batch = batch._replace(candidates=None, answers=batch.answers._replace(column=answer))
        yield batch


@pytest.mark.parametrize("relation", [0, 1])
@pytest.mark.parametrize("row", [True, False])
@pytest.mark.parametrize("dense", [True, False])
def test_training_against_autograd(dense: bool, row: bool, relation: int) -> None:
    """The whole of it as one graph of torch's: EmbeddingBag or a matrix, cross entropy, and the optimisers."""
    source = Dense(numbers()) if dense else Bags.of(texts())
    features = {"article": Features(source, row=row, learning_rate=0.2)}
    trainer = EdgeTrainer(wiki(), SMALL, 3, features=features)
    assert trainer.encoders is not None
    trainer.shards.bring((0,))
    encoder, table = trainer.encoders.parts[0].encoder, trainer.tables["diagonal"]
    assert encoder is not None
    # The first step goes by the sign of a gradient, also of one that is rounding alone: begin as if after some.
    halves = {name: np.full_like(sums, 0.5) for name, sums in encoder.state().items() if name != "steps"}
    encoder.restore(encoder.arrays(), {"steps": np.array([0]), **halves})
    rows = torch.tensor(trainer.shards.table.weight, requires_grad=True)
    relations = torch.tensor(table.weight, requires_grad=True)
    learned = {name: torch.tensor(array) for name, array in encoder.arrays().items()}
    weight = learned["weight"].requires_grad_()
    bias = torch.zeros(5, requires_grad=True)
    assert bool(rows[0].any()) == (row and not dense)  # the one article of which nothing is known
    assert not rows[1:ARTICLES].any()
    rows.data[1:ARTICLES] += 0.1 * row  # as if after some steps
    trainer.shards.table.weight[:] = rows.detach()
    if dense:
        scaled = torch.tensor(numbers()) / np.abs(numbers()).sum(axis=1).mean()
        assert learned["scale"] == pytest.approx(1 / np.abs(numbers()).sum(axis=1).mean(), rel=1e-5)
        by_number = torch.optim.Adagrad([weight, bias], lr=0.2, eps=1e-10, initial_accumulator_value=0.5)
    else:
        each = [[(n, bag.count(n)) for n in dict.fromkeys(bag)] for bag in texts()]
        place = {name: i for i, name in enumerate(source.names)}  # type: ignore[union-attr]
        tags = torch.tensor([place[name] for bag in each for name, _ in bag])
        shares = torch.tensor([count / len(words) for bag, words in zip(each, texts()) for _, count in bag])
        offsets = torch.tensor(np.cumsum([0, *map(len, each)])[:-1])
        by_number = None
    of_relations = torch.optim.Adagrad([relations], lr=0.3, eps=1e-10)
    sums, tag_sums = torch.zeros(len(rows)), torch.full((len(weight),), 0.5)
    for batch in batches(relation):
        loss = trainer.encoders.step(trainer.shards, table, batch, trainer.scorings["diagonal"], 1.0, map)
        if dense:
            made = scaled @ weight + bias
        else:
            made = torch.nn.functional.embedding_bag(tags, weight, offsets, mode="sum", per_sample_weights=shares)
        x = rows + torch.nn.functional.pad(made, (0, 0, 0, TOPICS))
        pool = x if batch.candidates is None else x[batch.candidates]
        scores = (x[batch.given] * relations[batch.asked]) @ pool.T
        own = torch.nn.functional.cross_entropy(scores, torch.as_tensor(batch.answers.column), reduction="none")
        total = (own * torch.as_tensor(batch.answers.weight)).sum()
        assert loss == pytest.approx(float(total.detach()), rel=1e-4)
        for parameter in (rows, relations, weight, bias):
            parameter.grad = None
        total.backward()
        of_relations.step()
        with torch.no_grad():
            if not row:
                rows.grad[:ARTICLES] = 0.0
            for parameter, mine, rate in ((rows, sums, 0.3), *([] if by_number else [(weight, tag_sums, 0.2)])):
                mine += parameter.grad.square().mean(dim=1)
                parameter -= rate * parameter.grad / (mine.sqrt() + 1e-10)[:, None]
        if by_number:
            by_number.step()
    close = {"rtol": 2e-3, "atol": 2e-4}
    np.testing.assert_allclose(trainer.shards.table.weight, rows.detach(), **close)
    np.testing.assert_allclose(table.weight, relations.detach(), **close)
    np.testing.assert_allclose(encoder.arrays()["weight"], weight.detach(), **close)
    if dense:
        np.testing.assert_allclose(encoder.arrays()["bias"], bias.detach(), **close)


def test_embedding_bag_is_a_table_of_tags() -> None:
    """A module is called with what EmbeddingBag takes."""

    class Table(torch.nn.Module):
        def __init__(self, begin: np.ndarray) -> None:
            super().__init__()
            self.bag = torch.nn.EmbeddingBag(*begin.shape, mode="sum")
            self.bag.weight.data.copy_(torch.from_numpy(begin))

        def forward(self, tags: torch.Tensor, offsets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
            return self.bag(tags, offsets, per_sample_weights=weights)

    bags = Bags.of(texts())
    plain = GraphEmbedding(wiki(), SMALL, features={"article": Features(bags)})
    first = EdgeTrainer(wiki(), SMALL, 0, features=plain.features)
    assert first.encoders is not None
    assert first.encoders.parts[0].encoder is not None
    table = Table(first.encoders.parts[0].encoder.arrays()["weight"])
    module = GraphEmbedding(wiki(), SMALL, features={"article": Features(bags, encoder=table)})
    other = EdgeTrainer(wiki(), SMALL, 0, features=module.features)
    for trainer in (first, other):
        trainer.shards.bring((0,))
    begun = [trainer.vectors(np.empty((48, 5), np.float32)) for trainer in (first, other)]
    np.testing.assert_allclose(*begun, rtol=1e-5, atol=1e-6)
    rows = first.shards.table.weight
    assert (begun[0][1:ARTICLES] != 0).all()
    assert not rows[1:ARTICLES].any()
    assert begun[0][0].tolist() == rows[0].tolist()  # of whom nothing is known
    assert (begun[0][ARTICLES:] == rows[ARTICLES:]).all()
    before = table.bag.weight.detach().clone()
    module.fit()
    assert torch.equal(table.bag.weight, before)  # a copy is trained
    deep = Features(Dense(numbers()), encoder=torch.nn.Linear(11, 3))
    with pytest.raises(UserError, match=r"the encoder gives \(\d+, 3\) of torch.float32, expected \(\d+, 5\)"):
        GraphEmbedding(wiki(), SMALL, features={"article": deep}).fit()


def both() -> dict[str, Features]:
    topics = np.eye(TOPICS, dtype=np.float32)
    deep = Features(Dense(topics), row=False, encoder=Deep(TOPICS), learning_rate=0.05)
    return {"topic": deep, "article": Features(Bags.of(texts()))}


def bytes_of(model: GraphEmbedding) -> bytes:
    arrays = [array for part in model.encoded for array in part.encoder.arrays().values() if part.encoder]  # type: ignore[union-attr]
    return b"".join(array.tobytes() for array in (model.matrix, *arrays))


@pytest.mark.parametrize("partitions", [1, 3])
def test_going_on_at_a_visit_equals_never_stopping(partitions: int, tmp_path: Path) -> None:
    settings = {"partitions": partitions, "seed": 1, "features": both()}
    whole = GraphEmbedding(wiki(), SMALL, **settings).fit(folder=tmp_path / "whole")

    class Stopped(Exception):
        pass

    stops = 0
    for _ in range(100):
        try:
            with EdgeTrainer(wiki(), whole.config, 1, tmp_path / "cut", features=both()) as trainer:
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
    assert stops == 2 * len(visits(partitions, 2))
    cut = GraphEmbedding(wiki(), SMALL, **settings).fit(folder=tmp_path / "cut")
    assert bytes_of(cut) == bytes_of(whole)
    assert (whole.matrix[ARTICLES:] != 0).any(axis=1).all()
    other = both() | {"article": Features(Bags.of(texts()[::-1]))}
    with pytest.raises(UserError, match="with other partitions, relations, features, start or seed"):
        GraphEmbedding(wiki(), SMALL, **settings | {"features": other}).fit(3, folder=tmp_path / "cut")


def test_each_row_of_a_shard_has_its_entity_s_features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = EmbedConfig(operator="diagonal", dimension=5, batch_size=20, negatives=12, partitions=4)
    features = {"article": Features(Bags.of(texts())), "topic": Features(Dense(np.eye(TOPICS)), row=False)}
    with EdgeTrainer(wiki(), config, 2, tmp_path / "all", features=features) as trainer:
        expected, places = trainer.vectors(np.empty((48, 5), np.float32)), trainer.partition.places()
    with EdgeTrainer(wiki(), config, 2, tmp_path / "some", features=features) as trainer:
        trainer.batches.plan(visits(4, 2))
        visit = visits(4, 2)[2]
        trainer.shards.bring(visit.shards)
        held = [place for shard in visit.shards for place in np.arange(shard * 13, (shard + 1) * 13)]
        entity = {row: int(np.flatnonzero(places == place)[0]) for row, place in enumerate(held) if place in places}
        assert trainer.partition.capacity == 13
        _, operator, batch = next(iter(trainer.batches.of(visit, trainer.vectors_of, np.random.default_rng(0))))
        assert batch.candidates is not None
        seen = {}
        monkeypatch.setattr(
            "graphkit.embedding.features.edge_gradient", lambda x, *_, **__: seen.update(x=x) or 1 / 0
        )
        with pytest.raises(ZeroDivisionError):
            trainer._step(operator, batch, 1.0, map)
        rows = sorted({*batch.given.tolist(), *batch.candidates.tolist()})
        np.testing.assert_allclose(seen["x"], expected[[entity[row] for row in rows]], rtol=1e-5, atol=1e-6)


def test_threads_change_no_byte() -> None:
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found.append(bytes_of(GraphEmbedding(wiki(), SMALL, batch_size=700, features=both()).fit()))
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1]


@pytest.mark.parametrize("settings", [{}, {"partitions": 3}, {"all_negatives": True, "negatives": 250}])
def test_entities_without_an_edge_are_told_by_their_features(settings: dict) -> None:
    graph = wiki(held_out=9)
    config = EmbedConfig(dimension=16, epochs=12, batch_size=50, negatives=20, learning_rate=0.3)
    rows = GraphEmbedding(graph, config, **settings).fit().evaluate()
    for source in (Bags.of(texts()), Dense(numbers())):
        model = GraphEmbedding(graph, config, features={"article": Features(source, row=False)}, **settings).fit()
        # Of 7 topics two or three fit, of 41 articles 10: at chance the mean rank is about 3 and 19, filtered.
        assert model.evaluate().mrr > 1.5 * rows.mrr
        new = model.encode(texts() if isinstance(source, Bags) else numbers())
        np.testing.assert_allclose(new, model.matrix[:ARTICLES], rtol=1e-4, atol=1e-6)
        of_name, of_vector = (model.predict(h, "about", k=7) for h in ("a40", new[40]))
        assert [name for name, _ in of_name] == [name for name, _ in of_vector]
        assert {int(name[1:]) % KINDS for name, _ in of_name[:2]} == {40 % KINDS}
        assert model.predict(head=new[40], relation="about", new_only=True)  # none of them is known


def test_what_is_said_about_features_changes_something() -> None:
    def trained(**changes: object) -> bytes:
        features = Features(**{"source": Bags.of(texts()), **changes})  # type: ignore[arg-type]
        return GraphEmbedding(wiki(), SMALL, features={"article": features}).fit().matrix.tobytes()

    found = [
        GraphEmbedding(wiki(), SMALL).fit().matrix.tobytes(),
        *(trained(), trained(row=False), trained(learning_rate=0.1)),
        *(trained(source=Bags.of(texts(), min_count=6)), trained(source=Dense(numbers()))),
        trained(source=Dense(numbers()), encoder=Deep()),
    ]
    assert len(set(found)) == len(found)
    assert trained() == found[1]
    with pytest.raises(UserError, match="'articles', but no such type: did you mean 'article'"):
        GraphEmbedding(wiki(), features={"articles": Features(Bags.of(texts()))})
    with pytest.raises(UserError, match="features of 40 article, of which the graph has 41"):
        GraphEmbedding(wiki(), features={"article": Features(Bags.of(texts()[:-1]))})
    ball = {"comparator": "poincare", "operator": "identity"}
    with pytest.raises(UserError, match="poincare has vectors in the unit ball"):
        GraphEmbedding(wiki(), features={"article": Features(Bags.of(texts()))}, **ball)
    for wrong in ({}, {"bags": "a", "dense": "b"}, {"dense": "b", "min_count": 2}):
        with pytest.raises(ValueError, match=r"bags or dense|drop it"):
            FeatureConfig(**wrong)  # type: ignore[arg-type]


def test_saved_and_loaded(tmp_path: Path) -> None:
    model = GraphEmbedding(wiki(), SMALL, features=both()).fit()
    model.save(tmp_path / "v")
    loaded = GraphEmbedding.load(tmp_path / "v")
    assert loaded.matrix.tobytes() == model.matrix.tobytes()
    words = [["kind1", "w3"], ["unheard"]]
    assert loaded.encode(words, "article").tobytes() == model.encode(words, "article").tobytes()
    assert not loaded.encode(words, "article")[1].any()
    eye = np.eye(TOPICS, dtype=np.float32)
    with pytest.raises(
        UserError, match=r"the encoder of topic is a module: pass it, load\(…, encoders={'topic': …}\)"
    ):
        loaded.encode(eye, "topic")
    with pytest.raises(UserError, match="no type None has features and is trained: known: article, topic"):
        loaded.encode(words)
    with pytest.raises(UserError, match="the features themselves are not saved"):
        loaded.fit()
    loaded.save(tmp_path / "again")
    again = GraphEmbedding.load(tmp_path / "again", encoders={"topic": Deep(TOPICS)})
    np.testing.assert_array_equal(again.encode(eye, "topic"), again.matrix[ARTICLES:])
    with pytest.raises(UserError, match="features of topic are 7 numbers, not 6"):
        again.encode(eye[:, 1:], "topic")
    with pytest.raises(UserError, match="numbers of another encoder"):
        GraphEmbedding.load(tmp_path / "v", encoders={"topic": Deep(9)})
    with pytest.raises(UserError, match="no encoder of 'article' is a module"):
        GraphEmbedding.load(tmp_path / "v", encoders={"article": Deep()})
    write(GraphVectors.of(model), tmp_path / "x.parquet")
    assert read(tmp_path / "x.parquet").matrix.tobytes() == model.matrix.tobytes()
    assert read(tmp_path / "v").matrix.tobytes() == model.matrix.tobytes()
    with pytest.raises(UserError, match="a start is of vectors without features"):
        GraphEmbedding(wiki(), SMALL, features=both()).fit(start=tmp_path / "v")


def written() -> str:
    """The graph and its features as files; a configuration that names them."""
    graph = wiki()
    lines = [f"{graph.entities[h]}\t{graph.relations[r]}\t{graph.entities[t]}\n" for h, r, t in graph.train]
    Path("g.tsv").write_text("".join(lines))
    Path("texts.tsv").write_text("".join(f"a{i}\t{' '.join(bag)}\n" for i, bag in enumerate(texts()) if bag))
    vectors = GraphVectors([f"t{i}" for i in range(2, 60)], np.random.default_rng(0).normal(size=(58, 3)))
    write(vectors, "topics.txt")
    sides = (
        '[relations.cites]\nhead = "article"\ntail = "article"\n[relations.about]\nhead = "article"\ntail = "topic"\n'
    )
    return f'graph = "g.tsv"\n[config]\ndimension = 8\nepochs = 3\n{sides}'


def test_by_command(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    begin = written()
    good = f'{begin}[features.article]\nbags = "texts.tsv"\nmin_count = 2\n[features.topic]\ndense = "topics.txt"\n'
    Path("p.toml").write_text(good + "row = false\n")
    assert main(["embed", "p.toml", "--run", "r"]) == 0
    out = capfd.readouterr().out
    assert "features of article: 12 tags," in out
    assert "a bag; 1 of 41 without" in out
    assert "features of topic: 3 numbers; 2 of 7 without" in out
    model = GraphEmbedding.load("r")
    assert model.encode([["kind1"]], "article").shape == (1, 8)
    assert main(["embed", "r/config.toml"]) == 0  # what the run folder keeps is a command
    assert main(["search", "r", "a3", "--k", "2"]) == 0
    capfd.readouterr()
    bad = Path("nan.txt")
    bad.write_text("t3 1.0 2.0\nt4 nan 1.0\n")
    Path("unknown.tsv").write_text("a1\tx\na99\tx\n")
    for table, message in (
        ('[features.article]\nbags = "text.tsv"\n', "no file of features text.tsv"),
        ('[features.article]\nbags = "unknown.tsv"\n', "unknown.tsv:2: the graph has no such entity 'a99'"),
        ('[features.articles]\nbags = "texts.tsv"\n', "'articles', but no such type: did you mean 'article'"),
        ('[features.topic]\ndense = "nan.txt"\n', "nan.txt"),
        ('[features.article]\ndense = "topics.txt"\n', "topics.txt has no vector of any article"),
        ('[features.topic]\ndense = "none.vec"\n', "none.vec is not there"),
        ("[features.topic]\nrow = false\n", "features are bags or dense: name the file of one of them"),
        ('[features.topic]\nbag = "texts.tsv"\n', "q.toml:12: unknown key 'bag': did you mean 'bags'"),
    ):
        Path("q.toml").write_text(begin + table)
        assert main(["embed", "q.toml", "--run", "q"]) == 2
        errors = capfd.readouterr().err
        assert message in errors
        assert errors.count("\n") == 1
        assert not Path("q").exists()


def test_dense_features_are_any_named_vectors(here: Path) -> None:
    graph = Graph.of(["red", "blue", "gone"], ["near"], np.array([[0, 0, 1], [1, 0, 0], [2, 0, 1]]))
    Path("text.txt").write_text("red blue red green blue red\n" * 30)
    words = WordVectors.train("text.txt", dimension=4, epochs=1, min_count=1)
    words.save("words")
    model = GraphEmbedding(graph, dimension=4, features={"entity": FeatureConfig(dense="words")})
    source = model.features["entity"].source
    assert isinstance(source, Dense)
    np.testing.assert_array_equal(source.matrix[:2], [words["red"], words["blue"]])
    assert not source.matrix[2].any()
    assert model.fit(1).matrix.shape == (3, 4)


@pytest.mark.faults
def test_kill_9_with_features(here: Path, finish_despite_kills: Callable) -> None:
    table = '[features.article]\nbags = "texts.tsv"\n[features.topic]\ndense = "topics.txt"\nrow = false\n'
    Path("p.toml").write_text(written() + table)
    command = [sys.executable, "-m", "graphkit.cli", "embed", "p.toml", "--epochs", "60", "--threads", "1"]
    command += ["--partitions", "4", "--run"]
    subprocess.run([*command, "whole"], check=True, capture_output=True)
    assert finish_despite_kills([*command, "killed"], Path("killed")) >= 1
    names = [sorted(p.name for p in Path(run, "vectors").glob("arrays_*")) for run in ("whole", "killed")]
    assert names[0] == names[1]  # the names carry the hashes
