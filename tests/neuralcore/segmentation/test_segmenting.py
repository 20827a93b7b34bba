"""The task "segment": its reader, its settings, a run and what is in its folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from neuralcore import cli
from neuralcore.data.masked import read_masked, with_neighbours
from neuralcore.errors import UserError
from neuralcore.fitting.saved import load_model
from neuralcore.segmentation.segmenting import Segmenting
from neuralcore.segmentation.segmenting_config import SegmentConfig
from neuralcore.segmentation.tiles import predicted

FILE = """
task = "segment"
data = "tiny.npz"
model = "unet"
valid = 2
test = 2
tile = 32
tiles = 2
overlap = 8
judged = "object"
class_weights = "balanced"
elastic = 1.0
relight = 0.1

[settings]
width = 4
depth = 2

[fit]
epochs = 2
batch_size = 4
learning_rate = 3e-3
"""


@pytest.fixture
def file(here: Path) -> Path:
    """Ten images of 40 x 48 pixels: bright squares on a dark ground."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 60, (10, 40, 48)).astype(np.uint8)
    masks = np.zeros((10, 40, 48), bool)
    for image, mask in zip(images, masks, strict=True):
        top, left = rng.integers(0, 20, 2)
        mask[top : top + 18, left : left + 18] = True
        image[mask] += 150
    np.savez(here / "tiny.npz", image=images, mask=masks)
    path = here / "tiny.toml"
    path.write_text(FILE)
    return path


def test_a_run_and_its_folder(file: Path, capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["fit", str(file), "--threads", "1"]) == 0
    assert "test: accuracy" in capsys.readouterr().out
    run = Path("runs/tiny")
    for name in ("curves.png", "segmented.png", "test.json", "card.md"):
        assert (run / name).is_file(), name
    fitted = load_model(run)
    assert fitted.description["names"] == ["ground", "object"]
    with torch.no_grad():
        assert fitted.model(torch.zeros(1, 1, 40, 44, dtype=torch.uint8)).shape == (1, 2, 40, 44)

    pillow_image = pytest.importorskip("PIL.Image")
    Path("pictures/within").mkdir(parents=True)
    images = read_masked("tiny.npz").images[:2, 0]
    pillow_image.fromarray(images[0]).save("pictures/a.png")
    pillow_image.fromarray(images[1]).save("pictures/within/b.png")
    assert cli.main(["segment", str(run), "pictures"]) == 0
    assert "2 pictures of labels, ground, object" in capsys.readouterr().out
    with torch.no_grad():
        odds = predicted(fitted.model, torch.from_numpy(images[1:]), tile=32, overlap=8)
    for name in ("labels/a.png", "labels/within/b.png"):
        labels = np.asarray(pillow_image.open(name))
        assert labels.shape == (40, 48)
    np.testing.assert_array_equal(labels, odds.argmax(0).numpy())
    assert json.loads(Path("labels/names.json").read_text()) == ["ground", "object"]
    assert cli.main(["detect", str(run), "pictures"]) == 2
    assert "is a 'segment' model" in capsys.readouterr().err


def test_a_slice_is_seen_with_those_around_it(file: Path, capsys: pytest.CaptureFixture) -> None:
    volume = read_masked("tiny.npz").images
    seen = with_neighbours(volume, 2)
    assert seen.shape == (10, 5, 40, 48)
    np.testing.assert_array_equal(seen[4], volume[2:7, 0])
    np.testing.assert_array_equal(seen[9], volume[[7, 8, 9, 9, 9], 0])
    file.write_text(FILE.replace("valid = 2", "valid = 2\nneighbours = 2"))
    assert cli.main(["fit", str(file), "--threads", "1"]) == 0
    fitted = load_model(Path("runs/tiny"))
    pillow_image = pytest.importorskip("PIL.Image")
    Path("slices").mkdir()
    for number, image in enumerate(volume[:, 0]):
        pillow_image.fromarray(image).save(f"slices/of {number + 1}.png")
    assert cli.main(["segment", "runs/tiny", "slices"]) == 0
    for number in (0, 4, 9):
        with torch.no_grad():
            odds = predicted(fitted.model, torch.from_numpy(seen[number]), tile=32, overlap=8)
        np.testing.assert_array_equal(
            np.asarray(pillow_image.open(f"labels/of {number + 1}.png")), odds.argmax(0).numpy()
        )
    pillow_image.fromarray(volume[0, 0, :30]).save("slices/of 6.png")
    assert cli.main(["segment", "runs/tiny", "slices"]) == 2
    assert "slices/of 6.png is of another size than slices/of 4.png" in capsys.readouterr().err


def task_of(file: Path, **changes: Any) -> Segmenting:
    given = {"data": str(file.parent / "tiny.npz"), "settings": {"width": 2, "depth": 1}, "valid": 2, "test": 3}
    return SegmentConfig(**{**given, "tile": 32, "overlap": 4, **changes}).build(0)


def test_splits_are_whole_images_in_their_order(file: Path) -> None:
    task, whole = task_of(file), read_masked("tiny.npz")
    assert [len(data) for data in task.splits.values()] == [5, 2, 3]
    np.testing.assert_array_equal(task.splits["test"].images, whole.images[7:])
    order = task.order(np.random.default_rng(0))
    assert np.bincount(order).tolist() == [4] * 5


@pytest.mark.parametrize("padded", [True, False])
def test_tiles_larger_than_the_image_are_mirrored(file: Path, padded: bool) -> None:
    task = task_of(file, tile=64, settings={"width": 2, "depth": 1, "padded": padded})
    batch = task.batch(np.array([0, 1]), torch.Generator().manual_seed(0), torch.device("cpu"))
    assert batch.images.shape == (2, 1, 64 + 2 * task.margin, 64 + 2 * task.margin)
    middle = batch.images[:, 0, task.margin : task.margin + 64, task.margin : task.margin + 64]
    assert torch.equal(middle > 100, batch.labels == 1)
    with torch.no_grad():
        assert task.predictions("test").shape == (3, 2, 40, 48)


@pytest.mark.parametrize(
    ("setting", "values"),
    [
        ("class_weights", ("none", "balanced")),
        ("dice", (0.0, 1.0)),
        ("neighbours", (0, 1)),
        ("turn", (False, True)),
        ("elastic", (0.0, 4.0)),
        ("relight", (0.0, 0.3)),
        ("tile", (16, 32)),
        ("settings", ({"width": 2, "depth": 1}, {"width": 2, "depth": 1, "norm": True})),
        ("settings", ({"width": 2, "depth": 1}, {"width": 2, "depth": 1, "padded": False})),
    ],
)
def test_every_setting_changes_the_loss(file: Path, setting: str, values: tuple[Any, Any]) -> None:
    losses = []
    for value in values:
        task = task_of(file, **{setting: value})
        batch = task.batch(np.arange(4), torch.Generator().manual_seed(0), torch.device("cpu"))
        losses.append(float(task.loss(batch, torch.Generator())[0].detach()))
    assert losses[0] != losses[1]


def test_settings_of_the_evaluation_matter(file: Path) -> None:
    figures = {}
    for name, changes in {"one": {}, "overlap": {"overlap": 24}, "judged": {"judged": "object"}}.items():
        task = task_of(file, settings={"width": 2, "depth": 2}, tile=32, **changes)
        task.model.eval()
        figures[name] = task.evaluate("test")
    assert figures["overlap"]["loss"] != figures["one"]["loss"]
    assert figures["judged"]["dice"] == figures["one"]["dice_object"] != figures["one"]["dice"]
    assert task_of(file, valid=0).evaluate("valid") == {}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"image": np.zeros((2, 4, 4), np.uint8)}, "lacks the array 'mask'"),
        ({"image": np.zeros((2, 4, 4)), "mask": np.zeros((2, 4, 4), bool)}, "image is .* float64"),
        ({"image": np.zeros((2, 4, 4), np.uint8), "mask": np.zeros((2, 4, 5), bool)}, "mask is"),
        ({"image": np.zeros((2, 4, 4), np.uint8), "mask": np.full((2, 4, 4), -1)}, "mask has -1"),
        (
            {
                "image": np.zeros((1, 2, 2), np.uint8),
                "mask": np.array([[[0, 3], [1, 255]]]),
                "names": np.array(["a"]),
            },
            "4 cl",
        ),
    ],
)
def test_a_file_of_another_form_is_refused(here: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    np.savez("odd.npz", **arrays)
    with pytest.raises(UserError, match=message):
        read_masked("odd.npz")


def test_files_that_are_none(here: Path) -> None:
    with pytest.raises(UserError, match="no file of masked images nowhere"):
        read_masked("nowhere")
    Path("empty").mkdir()
    with pytest.raises(UserError, match="holds 0"):
        read_masked("empty")
    Path("bad.npz").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(UserError, match=r"bad.npz is damaged"):
        read_masked("bad.npz")
    np.savez("pickled.npz", image=np.array([{}], dtype=object), mask=np.zeros(1, bool))
    with pytest.raises(UserError, match="of plain arrays"):
        read_masked("pickled.npz")


def test_colours_names_and_pixels_without_a_label(here: Path) -> None:
    masks = np.array([[[0, 2], [255, 1]]])
    np.savez("some.npz", image=np.zeros((1, 2, 2, 3), np.uint8), mask=masks, names=np.array(["a", "b", "c", "d"]))
    found = read_masked("some.npz")
    assert found.images.shape == (1, 3, 2, 2)
    assert found.names == ("a", "b", "c", "d")
    np.testing.assert_array_equal(found.labels, masks)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("valid = 2", "valid = 9"), "10 images, of which 11 would be held out"),
        (('"object"', '"objects"'), "judged: no class 'objects': did you mean 'object'"),
        (("tile = 32", "tile = 30"), "this unet gives 32 pixels a side"),
        (("overlap = 8", "overlap = 40"), "overlap must be below the tile's 32"),
        (('"unet"', '"u-net"'), "did you mean 'unet'"),
    ],
)
def test_mistakes_are_one_line(
    file: Path, capsys: pytest.CaptureFixture, change: tuple[str, str], message: str
) -> None:
    file.write_text(FILE.replace(*change))
    assert cli.main(["fit", str(file)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.strip().splitlines()) == 1


def test_the_micrographs_are_read(shared_data: Path) -> None:
    if not (shared_data / "segment-isbi").is_dir():
        pytest.skip("no ISBI slices")
    found = read_masked(str(shared_data / "segment-isbi"))
    assert found.images.shape == (30, 1, 512, 512)
    assert found.names == ("membrane", "interior")
    assert found.labels.mean() == pytest.approx(0.780, abs=5e-4)
