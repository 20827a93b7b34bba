"""`neuralcore encode`: pictures become features of a graph's entities, and can be searched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from graphkit import Graph, GraphEmbedding
from graphkit.embedding.config import FeatureConfig
from neuralcore import cli
from neuralcore.data.shapes import shapes
from neuralcore.fitting.saved import load_model

image = pytest.importorskip("PIL.Image")

FILE = """
task = "classify"
data = "shapes"
model = "resnet"
examples = 100
[settings]
depth = 8
widths = [4, 8, 8]
[fit]
epochs = 1
batch_size = 50
"""


def test_pictures_as_vectors(here: Path, capsys: pytest.CaptureFixture) -> None:
    Path("tiny.toml").write_text(FILE)
    assert cli.main(["fit", "tiny.toml", "--run", "run", "--threads", "1"]) == 0
    drawn = shapes(12, seed=5).classified()
    for number, (pixels, label) in enumerate(zip(drawn.images, drawn.labels)):
        path = Path("pictures") / drawn.names[label] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.fromarray(pixels.transpose(1, 2, 0)).save(path)
    assert cli.main(["encode", "run", "pictures"]) == 0
    assert "12 pictures, 8 numbers each" in capsys.readouterr().out

    names = [f"{drawn.names[label]}/{number}" for number, label in enumerate(drawn.labels)]
    edges = np.array([[i, 0, (i + 1) % 12] for i in range(12)])
    graph = Graph.of(names, ["beside"], edges)
    features = {"entity": FeatureConfig(dense="pictures.parquet", row=False)}
    embedding = GraphEmbedding(graph, features=features, dimension=4, epochs=1, operator="identity")
    got = embedding.features["entity"].source.matrix  # type: ignore[union-attr]
    fitted = load_model("run")
    with torch.no_grad():
        maps = fitted.model.trunk(fitted.model.normalised(torch.from_numpy(drawn.images)))  # type: ignore[operator]
    np.testing.assert_allclose(got, maps.mean((2, 3)), rtol=1e-5, atol=1e-6)
    embedding.fit()

    for words, message in (
        (["run", "nowhere"], "no pictures in nowhere"),
        (["nowhere", "pictures"], "no fitted model"),
        (["run", "pictures", "--out", "no/such/file"], "could not be written"),
    ):
        assert cli.main(["encode", *words]) == 2
        assert message in capsys.readouterr().err
