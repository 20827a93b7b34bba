"""Graph networks: published counts, dense references, a few labels by heart, the task from file to run folder."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from neuralcore.config import from_mapping, preset_folder, read_toml
from neuralcore.data.labelled_graphs import communities
from neuralcore.errors import UserError
from neuralcore.fitting import FitConfig, fit
from neuralcore.fitting.command import COMMON
from neuralcore.fitting.tasks import config_class
from neuralcore.message_passing.networks import GraphNetwork, dropped
from neuralcore.message_passing.nodes_config import NodesConfig
from neuralcore.message_passing.nodes_task import distances
from neuralcore.vision.counting import parameters

KINDS = ["gcn", "sage", "gat", "node_edge_node"]
CPU = torch.device("cpu")


@pytest.fixture(autouse=True, scope="module")
def geometric() -> None:
    """Its import warns that torch.jit is old."""
    pytest.importorskip("torch_geometric.nn", reason="needs the extra geometric")


def config_of(kind: Any, **more: Any) -> NodesConfig:
    fit_config = FitConfig(epochs=40, batch_size=40, optimiser="adam", learning_rate=0.03, evaluate_every=0.0)
    return NodesConfig(**{"model": kind, "width": 8, "normalise": False, "dropout": 0.0, "fit": fit_config, **more})


def test_published_counts() -> None:
    f, k = 1433, 7  # Cora's
    assert parameters(GraphNetwork("gcn", f, k, width=16)) == f * 16 + 16 + 16 * k + k == 23_063
    gat = f * 64 + 3 * 64 + 64 * k + 3 * k
    assert parameters(GraphNetwork("gat", f, k, width=8, heads=8)) == gat == 92_373
    assert parameters(GraphNetwork("sage", f, k, width=16)) == 2 * f * 16 + 16 + 2 * 16 * k + k
    w = 16
    one = 2 * w * w + w + w * w + w + 2 * w * w + w + w * w + w  # edges without values, then nodes
    found = parameters(GraphNetwork("node_edge_node", f, k, width=w))
    assert found == f * w + w + one + (one + w * w) + w * k + k


def dense(graph) -> torch.Tensor:
    """(N, N): what comes to row i from column j."""
    found = torch.zeros(len(graph), len(graph), dtype=torch.float64)
    found[tuple(graph.both_ways()[::-1].copy())] = 1.0
    return found


def test_layers_are_the_papers_formulas() -> None:
    graph = communities(40, 3, seed=1)
    a, ends = dense(graph), torch.from_numpy(graph.both_ways())
    x = torch.from_numpy(graph.features.toarray()).double()
    torch.manual_seed(0)
    gcn = GraphNetwork("gcn", 16, 3, dropout=0.5).double().eval()
    loops = a + torch.eye(40)
    root = loops.sum(1).rsqrt()
    spread = root[:, None] * loops * root
    hidden = F.relu(spread @ x @ gcn.layers[0].lin.weight.T + gcn.layers[0].bias)
    expected = spread @ hidden @ gcn.layers[1].lin.weight.T + gcn.layers[1].bias
    torch.testing.assert_close(gcn(x, ends), expected)

    sage = GraphNetwork("sage", 16, 3, layers=1).double().eval()
    mean = (a / a.sum(1, keepdim=True).clamp_min(1.0)) @ x
    layer = sage.layers[0]
    torch.testing.assert_close(
        sage(x, ends), mean @ layer.lin_l.weight.T + layer.lin_l.bias + x @ layer.lin_r.weight.T
    )

    gat = GraphNetwork("gat", 16, 3, layers=1, last_heads=2).double().eval()
    layer = gat.layers[0]
    values = (x @ layer.lin.weight.T).view(40, 2, 3)
    sent, received = (values * layer.att_src).sum(2), (values * layer.att_dst).sum(2)
    scores = F.leaky_relu(received[:, None] + sent[None], 0.2).masked_fill(loops[:, :, None] == 0, -torch.inf)
    heads = torch.einsum("ijh,jhc->ihc", scores.softmax(1), values)
    torch.testing.assert_close(gat(x, ends), heads.mean(1) + layer.bias)


@pytest.mark.parametrize("kind", KINDS)
def test_labels_are_learned_by_heart(kind, tmp_path: Path) -> None:
    config = config_of(kind)
    task = config.build(seed=0)
    found = fit(task, config.fit, seed=0)
    assert found.steps == 1
    assert found.history[-1]["accuracy"] > 0.6  # the mean over all epochs
    batch = task.batch(task.order(np.random.default_rng(0)), torch.Generator(), CPU)
    with torch.no_grad():
        assert float(task.loss(batch, torch.Generator())[0]) < 0.2
    assert task.evaluate("test")["accuracy"] > 0.5
    again = config.rebuild(task.description)
    again.load_state_dict(task.model.state_dict())
    assert torch.equal(again.eval()(batch.features, batch.ends), torch.from_numpy(task.logits()))


@pytest.mark.parametrize("kind", KINDS)
def test_sparse_features_are_as_dense_ones(kind) -> None:
    task = config_of(kind).build(seed=0)
    x = task.features.clone().requires_grad_(False)
    found = []
    for features in (x, x.to_dense()):
        task.model.zero_grad()
        task.model(features, task.ends).square().sum().backward()
        found.append([p.grad.clone() for p in task.model.parameters()])
    for a, b in zip(*found):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)


def test_dropout_of_sparse_features() -> None:
    x = torch.sparse_coo_tensor(
        torch.tensor([[0, 1, 1], [2, 0, 1]]), torch.tensor([1.0, 2.0, 3.0]), (2, 3), check_invariants=True
    ).coalesce()
    torch.manual_seed(0)
    several = torch.stack([dropped(x, 0.5, True).to_dense() for _ in range(50)])
    assert set(several[:, 1, 1].tolist()) == {0.0, 6.0}
    assert not several[:, 0, :2].any()
    assert torch.equal(dropped(x, 0.5, False).to_dense(), x.to_dense())


def test_every_setting_changes_something() -> None:
    def loss(config: NodesConfig) -> float:
        task = config.build(seed=0)
        batch = task.batch(task.graph.rows["train"], torch.Generator(), CPU)
        torch.manual_seed(0)
        return float(task.loss(batch, torch.Generator())[0].detach())

    begin = config_of("gat", dropout=0.1)
    found = {"": loss(begin)}
    for more in (
        {"model": "gcn"},
        {"features": "identity"},
        {"normalise": True},
        {"width": 9},
        {"layers": 3},
        {"heads": 7},
        {"last_heads": 2},
        {"dropout": 0.3},
        {"l2_first": 0.1},
    ):
        found[str(more)] = loss(dataclasses.replace(begin, **more))
    assert len(set(found.values())) == len(found), found
    for judge, lower in (("loss", True), ("accuracy", False)):
        task = dataclasses.replace(begin, judge=judge).build(0)
        assert (task.score, task.lower) == (judge, lower)


def test_bad_settings() -> None:
    for more, said in (
        ({"width": 0}, "width must be 1 or more"),
        ({"dropout": 1.0}, "dropout must be from 0"),
        ({"l2_first": -1.0}, "l2_first must be 0 or more"),
        ({"model": "gcn", "heads": 4}, "heads are of gat"),
    ):
        with pytest.raises(ValueError, match=said):
            NodesConfig(**more)
    with pytest.raises(UserError, match="fp32 only"):
        NodesConfig(fit=FitConfig(precision="bf16")).build(0)


def test_distances() -> None:
    graph = dataclasses.replace(communities(40, 2), edges=np.array([[0, 1], [1, 2], [2, 3], [0, 5]]))
    found = distances(graph, np.array([0]))
    assert found[:6].tolist() == [0, 1, 2, 3, -1, 1]


def test_a_run_folder_and_its_pictures(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra plots")
    from neuralcore import cli
    from neuralcore.fitting.saved import load_model

    words = ["fit", "configs/sequence/communities_node_edge_node.toml", "--run", "run", "--epochs", "3"]
    assert cli.main(words) == 0
    assert {"confusion.png", "calibration.png", "by_distance.png", "test.json"} <= {
        p.name for p in Path("run").iterdir()
    }
    assert load_model("run").description["names"][0] == "community 0"
    assert "nodes, " in capsys.readouterr().out


@pytest.mark.parametrize("name", ["cora_gcn", "cora_gat", "cora_sage", "citeseer_gcn", "citeseer_gat", "pubmed_gcn"])
def test_presets_begin_on_their_data(name: str, shared_data: Path) -> None:
    path = preset_folder() / "sequence" / f"{name}.toml"
    values = {key: value for key, value in read_toml(path).items() if key not in COMMON}
    values["data"] = str(shared_data / Path(values["data"]).name)
    config = from_mapping(config_class(values.pop("task")), values, path)
    task = config.build(seed=0)
    assert config.fit.batch_size == len(task.graph.rows["train"])
    first = task.loss(task.batch(task.graph.rows["train"], torch.Generator(), CPU), torch.Generator())[0]
    assert float(first.detach()) == pytest.approx(np.log(task.classes), rel=0.1)


@pytest.mark.learning
@pytest.mark.parametrize(("name", "least"), [("cora_gcn", 0.80), ("cora_gat", 0.815)])
def test_cora_is_learned(name: str, least: float, shared_data: Path) -> None:
    path = preset_folder() / "sequence" / f"{name}.toml"
    values = {**read_toml(path), "data": str(shared_data / "graph-cora")}
    values.pop("task")
    config = from_mapping(NodesConfig, values, path)
    found = []
    for seed in range(3):
        task = config.build(seed)
        fit(task, config.fit, seed=seed)
        found.append(task.evaluate("test")["accuracy"])
    assert np.mean(found) >= least
