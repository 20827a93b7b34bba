"""PixelCNN: no number sees itself or a later one, all earlier ones are seen, and samples follow the probabilities."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from neuralcore import cli
from neuralcore.data.images import Images
from neuralcore.fitting import FitConfig
from neuralcore.fitting.loop import Fit, evaluate
from neuralcore.fitting.saved import save_model
from neuralcore.generative.masked import Above, Row, channel_of
from neuralcore.generative.pixelcnn import PixelCNN
from neuralcore.generative.pixelcnn_config import PixelCNNConfig

SIZE = 5


def tiny(**changes: int) -> PixelCNN:
    settings = {"channels": 1, "size": SIZE, "levels": 4, "width": 6, "layers": 3} | changes
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return PixelCNN(**settings).double()


@pytest.mark.parametrize("channels", [1, 3])
def test_each_number_depends_on_all_earlier_ones_and_no_others(channels: int) -> None:
    model = tiny(channels=channels, width=24)
    model.shares = lambda x: x.double()  # type: ignore[method-assign, assignment]
    weights = torch.arange(1.0, 5.0, dtype=torch.float64)[None, None, :, None, None]  # of levels, that none cancels

    def odds(x: torch.Tensor) -> torch.Tensor:  # (C, H, W)
        return (model.along(x, model.above(x, None)).double() * weights).sum(2)[0]

    generator, size = torch.Generator().manual_seed(0), (1, channels, SIZE, SIZE)
    some = [torch.rand(size, generator=generator, dtype=torch.float64) for _ in range(3)]  # a ReLU may silence one
    jacobian = sum(torch.autograd.functional.jacobian(odds, x)[:, :, :, 0].abs() for x in some)  # (C, H, W, C, H, W)
    assert isinstance(jacobian, torch.Tensor)
    # in the order in which numbers are made: rows, pixels, channels
    order = jacobian.permute(1, 2, 0, 4, 5, 3).reshape(channels * SIZE**2, channels * SIZE**2)
    later = torch.ones_like(order).triu()
    assert (order * later == 0.0).all()
    earlier = (order > 0.0) | (later > 0.0)
    assert earlier.all()


@pytest.mark.parametrize(("channels", "classes"), [(1, 0), (1, 3), (3, 0)])
def test_row_by_row_is_what_the_whole_pass_gives(channels: int, classes: int) -> None:
    model = tiny(channels=channels, classes=classes).float()
    images = torch.randint(0, 256, (2, channels, SIZE, SIZE), dtype=torch.uint8, generator=torch.Generator())
    labels = torch.tensor([0, 2]) if classes else None
    whole = model(images, labels)
    numbers = model.quantised(images)
    for y in range(SIZE):
        links = [link[:, :, y:] for link in model.above(numbers[:, :, : y + 1], labels)]
        torch.testing.assert_close(model.along(numbers[:, :, y : y + 1], links)[..., 0, :], whole[..., y, :])


def test_probabilities_of_all_images_sum_to_one() -> None:
    model = tiny(size=2, levels=2).float()
    images = (
        torch.tensor([[int(b) for b in f"{i:04b}"] for i in range(16)], dtype=torch.uint8).view(16, 1, 2, 2) * 255
    )
    with torch.no_grad():
        odds = 2.0 ** (-4.0 * model.bits(images).double())
    assert float(odds.sum()) == pytest.approx(1.0, abs=1e-5)
    drawn = model.sample(4_000, torch.Generator().manual_seed(0)).flatten(1).long()
    shares = torch.bincount((drawn * torch.tensor([8, 4, 2, 1])).sum(1), minlength=16) / 4_000
    assert ((shares - odds).abs() < 4.0 * (odds * (1.0 - odds) / 4_000).sqrt()).all()


def test_given_rows_are_kept_and_the_seed_decides() -> None:
    model = tiny(classes=3).float()
    given = torch.randint(0, 256, (4, 1, 3, SIZE), dtype=torch.uint8)
    one, two = (model.sample(4, torch.Generator().manual_seed(5), given=given) for _ in range(2))
    assert torch.equal(one, two)
    assert torch.equal(one[:, :, :3], model.shares(model.quantised(given)))
    with pytest.raises(ValueError, match="a model of 3 classes was given no labels"):
        model(torch.zeros(1, 1, SIZE, SIZE, dtype=torch.uint8))


def test_weights_that_count() -> None:
    def counted(model: PixelCNN) -> int:
        rows = [layer for layer in model.modules() if isinstance(layer, Row)]
        return sum(p.numel() for p in model.parameters()) - sum(int((row.mask == 0.0).sum()) for row in rows)

    w, k, levels = 32, 10, 256
    layer = 6 * w * 2 * w + 2 * w + 4 * w * w + 2 * w + 2 * w * 2 * w + 2 * w + w * w + w + 4 * w * k
    first = 28 * w + w + 3 * w + w
    expected = first + 5 * layer + w * w + w + w * levels + levels
    assert counted(PixelCNN(classes=k)) == expected == 125_600
    assert channel_of(7, 3).tolist() == [0, 0, 0, 1, 1, 2, 2]
    assert Above(1, 1, 2).weight.shape[2:] == (3, 5)


def test_it_fits_images() -> None:
    fit = FitConfig(epochs=30, batch_size=16, learning_rate=1e-2, evaluate_every=0.0)
    config = PixelCNNConfig("shapes", examples=16, valid=0.0, levels=4, width=6, layers=1, fit=fit)
    task = config.build(0)
    task.images.splits["test"] = task.images["test"].of(np.arange(16))
    before = evaluate(task, "test", torch.device("cpu"), fit)["bits_per_dimension"]
    assert before == pytest.approx(2.0, abs=0.3)  # of four levels
    Fit(task, fit).run()
    assert evaluate(task, "test", torch.device("cpu"), fit)["bits_per_dimension"] < 0.5 * before


def test_pictures_of_each_class_and_of_lower_halves(few: Images, tmp_path: Path) -> None:
    task = PixelCNNConfig("few", valid=0.0, levels=4, width=4, layers=1).build(0)
    with torch.no_grad():
        task.draw(tmp_path)
    for name in ("samples", "completions"):
        assert (tmp_path / f"{name}.png").stat().st_size > 1_000
    save_model(tmp_path / "model", task.model, "pixelcnn", task.config, task.description)
    out = tmp_path / "b.png"
    assert cli.main(["sample", str(tmp_path), "--of", "b", "--count", "2", "--out", str(out)]) == 0
    assert out.stat().st_size > 100
    assert cli.main(["sample", str(tmp_path), "--of", "e"]) == 2
