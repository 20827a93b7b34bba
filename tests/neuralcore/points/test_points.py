"""PointNet and the autoencoder: published counts, no order of points, one batch learned by heart."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from neuralcore.data.solids import SOLIDS, solids, turned
from neuralcore.fitting import FitConfig, fit
from neuralcore.points import points_task
from neuralcore.points.autoencoder import PointAutoencoder
from neuralcore.points.pointnet import PointNet, skewness
from neuralcore.points.points_config import PointsAutoencodeConfig, PointsConfig
from neuralcore.vision.counting import parameters


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Eight clouds in place of the thousands."""
    found = {"train": solids(8, 48, seed=0), "test": solids(6, 48, seed=1)}
    monkeypatch.setattr(points_task, "read_points", lambda points: found)
    yield
    torch.set_num_threads(1)


def test_the_published_pointnet() -> None:
    def shared(*widths: int) -> int:
        return sum(a * b + 3 * b for a, b in itertools.pairwise(widths))  # weights, a bias, a gain and an offset

    def connected(outputs: int) -> int:
        return shared(1024, 512, 256) + 257 * outputs

    plain = shared(3, 64, 64) + shared(64, 64, 128, 1024) + connected(40)
    transforms = sum(shared(c, 64, 128, 1024) + connected(c * c) for c in (3, 64))
    with torch.device("meta"):
        assert parameters(PointNet(40)) == plain + transforms == 3_480_049
        assert parameters(PointNet(40, transforms=False)) == plain == 819_624


def test_the_order_of_points_changes_no_bit() -> None:
    clouds = torch.from_numpy(solids(3, 101).values)
    order = torch.randperm(101, generator=torch.Generator().manual_seed(0))
    for model in (PointNet(6, width=0.5).eval(), PointAutoencoder(20).eval()):
        assert torch.equal(model(clouds), model(clouds[:, order]))


def test_transforms_begin_as_the_identity_and_are_kept_orthogonal() -> None:
    model = PointNet(4, width=0.25)
    _, matrix = model.with_transform(torch.randn(5, 30, 3))
    assert matrix is not None
    assert torch.equal(matrix, torch.eye(16).expand(5, 16, 16))
    assert skewness(matrix).tolist() == [0.0] * 5
    rotation = torch.from_numpy(turned(np.array([0.3, -1.0, 2.0, 0.5])))[None]
    assert float(skewness(rotation)) < 1e-20
    assert skewness(torch.tensor([[[2.0, 0.0], [0.0, 1.0]]])).tolist() == [9.0]


def test_solids() -> None:
    clouds = solids(60, 400, seed=3, noise=0.0)
    radii = np.linalg.norm(clouds.values, axis=2)
    np.testing.assert_allclose(radii.max(1), 1.0, rtol=1e-5)
    spread = radii.std(1)
    others = spread[clouds.labels != SOLIDS.index("sphere")]
    assert spread[clouds.labels == SOLIDS.index("sphere")].max() < others.min()
    assert np.array_equal(clouds.values, solids(60, 400, seed=3, noise=0.0).values)


def test_one_batch_is_classified_by_heart(tmp_path: Path) -> None:
    config = PointsConfig(points=48, width=0.25, dropout=0.0, valid=0.0)
    task = config.build(seed=0)
    fit(task, FitConfig(epochs=30, batch_size=8, learning_rate=1e-2, evaluate_every=0.0), seed=0)
    task.model.train()
    batch = task.batch(np.arange(8), torch.Generator(), torch.device("cpu"))
    loss, _ = task.loss(batch, torch.Generator())
    assert float(loss.detach()) < 0.2
    task.model.eval()
    again = config.rebuild(task.description)
    again.load_state_dict(task.model.state_dict())
    assert torch.equal(again.eval()(batch[0]), task.model(batch[0]))
    assert "accuracy" in task.evaluate("test")


def test_one_batch_of_clouds_comes_back() -> None:
    config = PointsAutoencodeConfig(points=48, code=16, hidden=64, valid=0.0)
    task = config.build(seed=0)
    batch = task.batch(np.arange(8), torch.Generator(), torch.device("cpu"))
    before = float(task.loss(batch, torch.Generator())[0].detach())
    fit(task, FitConfig(epochs=60, batch_size=8, learning_rate=1e-2, evaluate_every=0.0), seed=0)
    task.model.train()
    assert float(task.loss(batch, torch.Generator())[0].detach()) < 0.5 * before
    task.model.eval()
    assert task.evaluate("test")["chamfer"] > 0.0
    assert task.evaluate("valid") == {}


def test_jitter_and_the_regulariser_change_something() -> None:
    config = PointsConfig(points=48, width=0.25, dropout=0.0, valid=0.0)
    rows, device = np.arange(8), torch.device("cpu")
    losses = []
    for changed in ({}, {"jitter": 0.1}, {"orthogonal": 0.5}):
        task = dataclasses.replace(config, **changed).build(0)
        with torch.no_grad():
            task.model.features.last.bias.mul_(1.5)
        batch = task.batch(rows, torch.Generator().manual_seed(0), device)
        losses.append(float(task.loss(batch, torch.Generator())[0].detach()))
    assert len(set(losses)) == 3
    with pytest.raises(ValueError, match="jitter must be 0 or more"):
        PointsConfig(jitter=-1.0)
