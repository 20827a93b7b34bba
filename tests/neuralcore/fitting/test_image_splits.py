"""The images of a task: held out as "classify" holds them out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from neuralcore.data.images import Images
from neuralcore.errors import UserError
from neuralcore.fitting import FitConfig
from neuralcore.fitting.image_splits import ImageSplits
from neuralcore.fitting.image_task import ImageTaskConfig
from neuralcore.vision.classification_config import ClassifyConfig

CPU = torch.device("cpu")


def some(count: int, height: int = 8, width: int = 8) -> Images:
    images = np.arange(count * height * width, dtype=np.int64).reshape(count, 1, height, width).astype(np.uint8)
    return Images(images, np.arange(count) % 2, ("a", "b"))


@pytest.mark.parametrize(("valid", "examples"), [(0.0, None), (0.25, 12)])
def test_splits(monkeypatch: pytest.MonkeyPatch, valid: float, examples: int | None) -> None:
    found = {"train": some(20), "test": some(6)}
    for module in ("neuralcore.fitting.image_splits", "neuralcore.vision.classification"):
        monkeypatch.setattr(f"{module}.read_images", lambda path: found)
    splits = ImageSplits(ImageTaskConfig("x", valid=valid, examples=examples), seed=3)
    settings = {"depth": 8, "widths": (4, 4, 4)}
    theirs = ClassifyConfig("x", valid=valid, examples=examples, settings=settings).build(3).splits
    assert splits.splits.keys() == theirs.keys()
    for name, images in theirs.items():
        assert np.array_equal(splits[name].images, images.images)
    rows = splits.order(np.random.default_rng(0))
    assert sorted(rows) == list(range(len(splits["train"])))
    images, labels = splits.take(rows[:3], CPU)
    assert np.array_equal(images.numpy(), splits["train"].images[rows[:3]])
    assert np.array_equal(labels.numpy(), splits["train"].labels[rows[:3]])
    assert torch.from_numpy(splits["test"].images).shape == (6, 1, 8, 8)
    assert sum(len(images) for images, _ in splits.batches("test", CPU, most=5, at_once=2)) == 5
    assert splits.judged == "test"


def test_images_are_square(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neuralcore.fitting.image_splits.read_images", lambda path: {"train": some(4, 8, 6)})
    with pytest.raises(UserError, match="images of 8x6 pixels: bring them to one side"):
        ImageSplits(ImageTaskConfig("x", valid=0.0), 0)
    with pytest.raises(ValueError, match="patience and keep = 'best' need validation images"):
        ImageTaskConfig("x", valid=0.0, fit=FitConfig(keep="best"))
