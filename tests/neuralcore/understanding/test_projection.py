"""Principal components against the singular value decomposition, and the command that draws them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from neuralcore import cli
from neuralcore.data.shapes import shapes
from neuralcore.fitting.saved import save_model
from neuralcore.seeding import seeded_torch
from neuralcore.understanding import principal_components
from neuralcore.vision.classification import network
from neuralcore.vision.classification_config import ClassifyConfig


def test_components_are_those_of_the_singular_values() -> None:
    rows = np.random.default_rng(0).normal(size=(50, 7)).astype(np.float32) @ np.diag(np.arange(1.0, 8.0)) + 3.0
    found = principal_components(rows, 3)
    u, s, vt = np.linalg.svd(rows - rows.mean(0), full_matrices=False)
    np.testing.assert_allclose(found.shares, s[:3] ** 2 / (s**2).sum(), rtol=1e-4)
    np.testing.assert_allclose(np.abs(found.points), np.abs(u[:, :3] * s[:3]), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(np.abs(found.directions), np.abs(vt[:3]), rtol=1e-3, atol=1e-3)
    assert (found.directions[np.arange(3), np.abs(found.directions).argmax(1)] > 0.0).all()
    assert principal_components(np.ones((4, 2))).shares.tolist() == [0.0, 0.0]


def test_the_command(here: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib", reason="needs matplotlib (extra plots)")
    drawn = {"test": shapes(60).classified()}
    monkeypatch.setattr("neuralcore.data.images.read_images", lambda path: drawn)
    config = ClassifyConfig(data="shapes", model="resnet", settings={"depth": 8, "widths": [4, 8, 8]})
    names = list(drawn["test"].names)
    description = {"names": names, "shape": [3, 32, 32], "mean": [0.3] * 3, "std": [0.2] * 3}
    with seeded_torch(0):
        save_model(here / "run" / "model", network(config, description), "classify", config, description)
    assert cli.main(["project", "run", "--images", "50"]) == 0
    assert "50 images by 8 features" in capsys.readouterr().out
    with np.load("features.npz") as arrays:
        assert arrays["features"].shape == (50, 8)
        assert arrays["points"].shape == (50, 2)
        assert arrays["labels"].tolist() == drawn["test"].labels[:50].tolist()
        table = np.loadtxt("features.tsv", delimiter="\t")
        np.testing.assert_allclose(table, arrays["features"], rtol=1e-4, atol=1e-6)
    assert Path("features.labels.tsv").read_text().split() == [names[k] for k in drawn["test"].labels[:50]]
    assert Path("features.png").stat().st_size > 5_000
    for words, message in [
        (["run", "--split", "train"], "has no train images"),
        (["run", "--out", "a.txt"], "name a .png"),
        (["run", "--images", "1"], "must be 2 or more"),
    ]:
        assert cli.main(["project", *words]) == 2
        assert message in capsys.readouterr().err
