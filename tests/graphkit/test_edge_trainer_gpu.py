"""Graph embeddings on a GPU: by Triton's interpreter, on tensors in the CPU's memory, it does what the CPU does."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphkit.cli import main
from graphkit.embedding import embedding as embedding_module
from graphkit.embedding import tables as tables_module
from graphkit.embedding.config import EmbedConfig, RelationConfig
from graphkit.embedding.embedding import GraphEmbedding
from graphkit.embedding.features import Features
from graphkit.embedding.shards import Shards
from graphkit.embedding.tables import DeviceTables
from graphkit.embedding.trainer import EdgeTrainer
from graphkit.graphs.features import Dense
from graphkit.graphs.graph import Graph
from neuralcore.errors import UserError
from neuralcore.kernels.row_adagrad import row_adagrad

torch = pytest.importorskip("torch")
pytest.importorskip("triton")
HERE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")

SMALL = EmbedConfig(dimension=6, epochs=2, batch_size=15, negatives=8, learning_rate=0.3)
CLOSE: dict[str, float] = {"rtol": 2e-3, "atol": 2e-5}


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> str:
    """A name by which `fit` trains as on a GPU."""
    monkeypatch.setattr(embedding_module, "gpu", lambda name: HERE if name == "there" else None)
    return "there"


def weighted(edges: int = 40, entities: int = 16) -> Graph:
    """Random edges of two types of entities and three relations, each edge with a weight of its own."""
    generator, half = np.random.default_rng(0), entities // 2
    relation = generator.integers(3, size=edges)
    tail = np.where(relation == 2, half, 0) + generator.integers(half, size=edges)  # the last one's are of type b
    rows = np.stack([generator.integers(half, size=edges), relation, tail], axis=1)
    weights = generator.uniform(0.5, 2.0, edges).astype(np.float32)
    types, sides = {"a": half, "b": half}, [("a", "a"), ("a", "a"), ("a", "b")]
    names = [f"e{i}" for i in range(entities)]
    return Graph.of(names, ["r0", "r1", "r2"], rows, weights=weights, types=types, sides=sides)


RELATIONS = {"r1": RelationConfig(operator="translation", weight=2.0), "r2": RelationConfig(sides="tails")}


def numbers(model: GraphEmbedding) -> list[np.ndarray]:
    return [model.matrix, *(array for table in model.tables.values() for array in table)]


# -- the same as on the CPU -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"frequent_negatives": 5, "filtered": True, "loss": "logistic", "operator": "affine"},
        {"all_negatives": True, "negatives": 250, "filtered": True, "n3": 0.02},
        {"comparator": "poincare", "operator": "identity", "loss": "ranking"},
        {"partitions": 2, "loss": "ranking", "comparator": "l2"},
        {"partitions": 4, "frequent_negatives": 5},
        {"partitions": 4, "slots": 3, "loss": "logistic", "comparator": "cos", "l2": 0.01},
    ],
    ids=str,
)
def test_the_vectors_are_those_of_the_cpu(settings: dict[str, Any], there: str) -> None:
    relations = {} if settings.get("comparator") == "poincare" else RELATIONS
    config = replace(SMALL, epochs=1, **settings)
    found, expected = (
        GraphEmbedding(weighted(), config, seed=3, relations=relations).fit(device=device)
        for device in (there, "cpu")
    )
    before = EdgeTrainer(weighted(), replace(config, partitions=1), 3, None, relations).tables
    for one, other in zip(numbers(found), numbers(expected)):
        np.testing.assert_allclose(one, other, **CLOSE)
    assert found.epoch == 1
    for operator, table in before.items():
        if table.weight.size:
            assert np.abs(expected.tables[operator].weight - table.weight).max() > 0.05
    assert np.abs(expected.matrix).max() > (0.05 if relations else 0.3)


@pytest.mark.parametrize("names", [["there", "cpu"], ["cpu", "there"]])
def test_a_later_fit_on_the_other_device(names: list[str], there: str) -> None:
    model = GraphEmbedding(weighted(), SMALL).fit(1, device=names[0])
    model.fit(2, device=names[1])
    for one, other in zip(numbers(model), numbers(GraphEmbedding(weighted(), SMALL).fit())):
        np.testing.assert_allclose(one, other, **CLOSE)


@pytest.mark.parametrize("devices", [[HERE, None], [None, HERE]], ids=["back", "there"])
@pytest.mark.parametrize("partitions", [1, 4])
def test_a_checkpoint_goes_on_on_the_other_device(
    devices: list[Any], partitions: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    epochs = 2 if partitions == 1 else 1
    config, graph = replace(SMALL, partitions=partitions, epochs=epochs), weighted()
    expected = GraphEmbedding(graph, config, relations=RELATIONS).fit()
    saves: list[int] = []

    class Stopped(Exception):
        pass

    save = Shards.save

    def save_and_stop(self: Shards, *arguments: Any) -> None:
        save(self, *arguments)
        saves.append(arguments[0])
        if partitions == 1 or len(saves) == 4:  # after the first pass, or within it
            self.wait()
            raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(Shards, "save", save_and_stop)
        with EdgeTrainer(graph, config, 0, tmp_path, RELATIONS) as trainer, pytest.raises(Stopped):
            trainer.fit(epochs, device=devices[0])
    with EdgeTrainer(graph, config, 0, tmp_path, RELATIONS) as trainer:
        assert (trainer.epoch, trainer.visit) == ((1, 0) if partitions == 1 else (0, 4))
        trainer.fit(epochs, device=devices[1])
        matrix = trainer.vectors(np.empty_like(expected.matrix))
        tables = trainer.tables
    np.testing.assert_allclose(matrix, expected.matrix, **CLOSE)
    for operator, table in expected.tables.items():
        for one, other in zip(tables[operator], table):
            np.testing.assert_allclose(one, other, **CLOSE)


def test_what_is_frozen_stays_to_the_bit(there: str, tmp_path: Path) -> None:
    old = GraphEmbedding(weighted(), SMALL).fit(1)
    old.matrix[3, 2] = -0.0
    old.save(tmp_path / "vectors")
    new = GraphEmbedding(weighted(), SMALL, seed=1)
    frozen = [f"e{i}" for i in range(8)]
    new.fit(1, start=tmp_path / "vectors", freeze=[*frozen, "r0"], device=there)
    assert new.matrix[:8].tobytes() == old.matrix[:8].tobytes()
    assert (new.matrix[8:] != old.matrix[8:]).any(axis=1).sum() >= 6  # some have no edge
    both = [model.tables["complex_diagonal"].weight for model in (old, new)]
    assert (both[0] == both[1]).all(axis=1).tolist() == [True, False, False, True, False, False]
    # A step of 0 in either direction.
    table = torch.tensor([[-0.0, 0.0], [-0.0, 0.0]], device=HERE)
    gradients = torch.tensor([[1.0, 1.0], [-1.0, -1.0]], device=HERE)
    rows = torch.arange(2, device=HERE)
    row_adagrad(table, torch.full((2,), torch.inf, device=HERE), rows, gradients, 0.1, implementation="cuda")
    assert table.signbit().tolist() == [[True, False], [True, False]]


def test_rows_of_a_device_are_what_they_are_now() -> None:
    with EdgeTrainer(weighted(), SMALL, 0) as trainer:
        came = trainer.shards.bring((0,))
        assert came == [0]
        assert trainer.shards.bring((0,)) == []
        there = DeviceTables(trainer.shards, trainer.tables, HERE)
        before = trainer.shards.table.weight.copy()
        there.weight[5] = 1.0
        assert (there.rows(np.array([5, 2])) == np.stack([np.ones(6), before[2]])).all()
        assert (trainer.shards.table.weight == before).all()
        there.fetch()
        assert (trainer.shards.table.weight[5] == 1.0).all()


# -- what is refused ------------------------------------------------------------------------------------------------


def test_too_little_memory_is_told(there: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(tables_module, "edge_step", full)
    with pytest.raises(UserError, match=r"no room for tables of 0\.00 GB .*: lower dimension"):
        GraphEmbedding(weighted(), SMALL).fit(device=there)
    monkeypatch.setattr(torch.Tensor, "to", full)
    with EdgeTrainer(weighted(), SMALL, 0) as trainer, pytest.raises(UserError, match="no room"):
        DeviceTables(trainer.shards, trainer.tables, HERE)


def test_features_are_the_cpu_s(there: str) -> None:
    graph = weighted()
    model = GraphEmbedding(graph, SMALL, features={"a": Features(Dense(np.eye(8, dtype=np.float32)))})
    with pytest.raises(UserError, match="features are trained on the CPU alone: leave out device 'there'"):
        model.fit(1, device=there)


@without_gpu
def test_a_gpu_that_is_not_there_is_told_before_anything_is_done(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("g.tsv").write_text("a\tr\tb\nb\tr\tc\n")
    assert main(["embed", "g.tsv", "--device", "cuda", "--run", "run"]) == 2
    assert "sees no GPU: use cpu" in capsys.readouterr().err
    assert not Path("run").exists()
    with pytest.raises(UserError, match="use auto, cpu, cuda or cuda:N"):
        GraphEmbedding(weighted(), SMALL).fit(device="gpu")
    assert main(["embed", "g.tsv", "--epochs", "1", "--run", "run"]) == 0
    assert main(["embed", "g.tsv", "--epochs", "2", "--run", "run", "--device", "auto"]) == 0  # may change
    assert " threads." in Path("run/card.md").read_text()


def test_help_does_without_torch() -> None:
    code = (
        "import contextlib, io, sys\nfrom graphkit.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()) as shown, contextlib.suppress(SystemExit):\n"
        "    main(['embed', '--help'])\n"
        "assert '--device' in shown.getvalue(); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(tables_module.__file__).parents[2])


# -- with a GPU -----------------------------------------------------------------------------------------------------


def planted(entities: int = 3000, groups: int = 50, edges: int = 100_000) -> Graph:
    """Each relation leads from a group to another one of its own; some edges are held out."""
    generator = np.random.default_rng(0)
    head, relation = generator.integers(entities, size=edges), generator.integers(7, size=edges)
    group = (head % groups + 11 * relation + 3) % groups
    tail = generator.integers(entities // groups, size=edges) * groups + group
    rows = np.stack([head, relation, tail], axis=1)
    splits = {"train": rows[edges // 10 :], "test": rows[: edges // 100]}
    return Graph.of([f"e{i}" for i in range(entities)], [f"r{i}" for i in range(7)], splits)


@pytest.mark.gpu
@pytest.mark.parametrize(
    "settings",
    [{}, {"dimension": 400}, {"all_negatives": True, "batch_size": 1000}, {"partitions": 4}],
    ids=str,
)
def test_a_gpu_learns_what_the_cpu_learns(settings: dict[str, Any]) -> None:
    mrr = []
    for device in ("cpu", "cuda"):
        model = GraphEmbedding(planted(), **{"dimension": 64, **settings}).fit(5, device=device)
        mrr.append(model.evaluate().mrr)
    assert mrr[0] > 0.05  # two seeds on the CPU: .086 to .146; at chance .003
    assert mrr[1] == pytest.approx(mrr[0], rel=0.05)
