"""The methods by name, as the commands have them, and their pictures."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from torch import nn

from neuralcore import cli
from neuralcore.data.shapes import shapes
from neuralcore.fitting.saved import save_model
from neuralcore.seeding import seeded_torch
from neuralcore.understanding import occlusion, output_score
from neuralcore.understanding.methods import Method, pixel_map
from neuralcore.understanding.pictures import maps_picture, overlaid
from neuralcore.vision.classification import network
from neuralcore.vision.classification_config import ClassifyConfig


def resnet(model: str = "resnet") -> tuple[nn.Module, ClassifyConfig, dict]:
    settings = {"depth": 8, "widths": [4, 8, 8]} if model == "resnet" else {}
    config = ClassifyConfig(data="shapes", model=model, settings=settings)
    names = ["circle", "square", "triangle", "ring", "cross"]
    description = {"names": names, "shape": [3, 32, 32], "mean": [0.3] * 3, "std": [0.2] * 3}
    with seeded_torch(0):
        return network(config, description).eval(), config, description


@pytest.mark.parametrize("method", get_args(Method))
def test_every_method_gives_a_map(method: Method) -> None:
    model, _, _ = resnet()
    images = torch.from_numpy(shapes(2).images).float() / 255.0
    one = pixel_map(method, model, output_score(model, 1), images, target=1)
    assert one.shape == (2, 32, 32)
    assert one.min() >= 0.0
    assert one.max() > 0.0
    other = pixel_map(method, model, output_score(model, 2), images, target=2)
    assert not torch.equal(one, other)


def test_what_is_covered_may_be_covered_by_an_image() -> None:
    x = torch.rand((1, 3, 8, 8), generator=torch.Generator().manual_seed(0))

    def score(x: torch.Tensor) -> torch.Tensor:
        return x[:, :, 3, 3].sum(1)

    found = occlusion(score, x, side=1, stride=1, fill=0.25 * x)
    assert float(found[0, 3, 3]) == pytest.approx(float(0.75 * x[0, :, 3, 3].sum()))
    assert float(found.sum()) == pytest.approx(float(found[0, 3, 3]))


def test_a_picture_of_maps(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs matplotlib (extra plots)")
    images = np.random.default_rng(0).random((2, 4, 10, 12))
    maps_picture(images, ["a", "b"], {"one": images[:, 0], "none": np.zeros((2, 10, 12))}, tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 3_000
    mixed = overlaid(np.zeros((2, 2)), np.array([[0.0, 0.0], [0.0, 1.0]]))
    np.testing.assert_allclose(mixed[0, 0], 0.15)
    assert mixed[1, 1, 0] > 0.7 > mixed[1, 1, 2]


@pytest.fixture
def run(here: Path) -> Path:
    model, config, description = resnet()
    save_model(here / "run" / "model", model, "classify", config, description)
    image_module = pytest.importorskip("PIL.Image", reason="needs Pillow (extra vision)")
    for number, image in enumerate(shapes(2).images):
        image_module.fromarray(image.transpose(1, 2, 0)).resize((40, 40)).save(here / f"{number}.png")
    return here / "run"


def test_the_command(run: Path, capsys: pytest.CaptureFixture) -> None:
    pytest.importorskip("matplotlib", reason="needs matplotlib (extra plots)")
    assert cli.main(["explain", "run", "0.png", "1.png"]) == 0
    out = capsys.readouterr().out
    assert "guided, occlusion, grad-cam" in out
    assert Path("explained.png").stat().st_size > 20_000
    words = ["explain", "run", "0.png", "--method", "cam", "--of", "ring", "--out", "ring.png"]
    assert cli.main(words) == 0
    assert "0.png: ring 0." in capsys.readouterr().out
    model, config, description = resnet("linear")
    save_model(Path("linear/model"), model, "classify", config, description)
    assert cli.main(["explain", "linear", "0.png"]) == 0
    out = capsys.readouterr().out
    assert "grad-cam" not in out
    assert "guided" not in out
    assert cli.main(["explain", "run", "0.png", "--method", "gradient", "--out", "new/folder/a.png"]) == 0
    assert Path("new/folder/a.png").stat().st_size > 3_000


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "0.png", "--of", "rimg"], "did you mean 'ring'"),
        (["run", "nothing.png"], "nothing.png is no picture"),
        (["nowhere", "0.png"], "no fitted model"),
        (["run", "0.png", "--out", "a.txt"], "name a .png, .pdf or .svg file"),
        (["run", "0.png", "--method", "grad-cam", "--module", "network.trunck"], "did you mean 'network.trunk'"),
        (["run", "0.png", "--method", "cam", "--module", "network.head"], "gives numbers of shape"),
        (["run", "0.png", "--method", "grad-cam", "--module", "network.head"], "gives numbers of shape"),
        (["run", "0.png", "--method", "guided", "--module", "network.trunk"], "--module is for cam and grad-cam"),
        (["run"], "name a picture"),
    ],
)
def test_mistakes_are_one_line(run: Path, capsys: pytest.CaptureFixture, words: list[str], message: str) -> None:
    assert cli.main(["explain", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.strip().splitlines()) == 1
