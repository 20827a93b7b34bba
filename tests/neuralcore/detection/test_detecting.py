"""The task "detect": its reader, its settings, a run and what is in its folder."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from neuralcore import cli
from neuralcore.data.boxed import read_boxed
from neuralcore.detection.detecting import Detecting
from neuralcore.detection.detecting_config import DetectConfig
from neuralcore.errors import UserError
from neuralcore.fitting.saved import load_model

pillow_image = pytest.importorskip("PIL.Image")

FILE = """
task = "detect"
data = "voc"
model = "faster_rcnn"
side = 32
flip = "both"
scale = 0.2
colour = 0.1

[settings]
depth = 8
widths = [16, 16, 16]
features = 16
levels = 2
anchor = 8.0
ratios = [1.0]
proposals = 10
drawn = 8
hidden = 16

[fit]
epochs = 2
batch_size = 4
learning_rate = 3e-3
"""

OBJECT = (
    "<object><name>{name}</name><difficult>{hard}</difficult><bndbox><xmin>{box[0]}</xmin><ymin>{box[1]}</ymin>"
    "<xmax>{box[2]}</xmax><ymax>{box[3]}</ymax></bndbox></object>"
)


def write_voc(folder: Path, count: int = 8) -> None:
    """Images of 64 x 48 pixels, each with a bright block, and a second object that is difficult; one has none."""
    rng = np.random.default_rng(0)
    for name in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (folder / name).mkdir(parents=True)
    for number in range(count):
        image = rng.integers(0, 60, (48, 64, 3)).astype(np.uint8)
        left, top = rng.integers(0, 40), rng.integers(0, 24)
        image[top : top + 20, left : left + 20] += 150
        pillow_image.fromarray(image).save(folder / f"JPEGImages/{number}.jpg")
        objects = OBJECT.format(name="block", hard=0, box=(left + 1, top + 1, left + 20, top + 20))
        objects += OBJECT.format(name="speck", hard=1, box=(1, 1, 4, 4))
        (folder / f"Annotations/{number}.xml").write_text(f"<annotation>{objects if number else ''}</annotation>")
    splits = {"train": range(count - 4), "val": range(count - 4, count - 2), "trainval": range(count - 2)}
    for split, members in {**splits, "test": range(count - 2, count)}.items():
        (folder / f"ImageSets/Main/{split}.txt").write_text("".join(f"{n}\n" for n in members))


@pytest.fixture
def file(here: Path) -> Path:
    write_voc(here / "voc")
    path = here / "tiny.toml"
    path.write_text(FILE)
    return path


def test_a_run_and_its_folder(file: Path, capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["fit", str(file), "--threads", "1"]) == 0
    assert "test: map_50" in capsys.readouterr().out
    run = Path("runs/tiny")
    for name in ("curves.png", "detected.png", "test.json", "card.md"):
        assert (run / name).is_file(), name
    fitted = load_model(run)
    assert fitted.description["names"] == ["block", "speck"]
    assert fitted.description["shape"] == [3, 24, 32]
    images = torch.zeros(2, 3, 24, 32, dtype=torch.uint8)
    assert len(fitted.model.network.detect(fitted.model.normalised(images))) == 2


def test_pictures_are_looked_at(file: Path, capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["fit", str(file), "--threads", "1", "--epochs", "1", "--run", "run"]) == 0
    words = ["detect", "run", "voc/JPEGImages", "--least", "0.05", "--draw", "drawn"]
    assert cli.main(words) == 0
    assert "in 8 pictures" in capsys.readouterr().out
    lines = [json.loads(line) for line in Path("detections.jsonl").read_text().splitlines()]
    assert [line["picture"] for line in lines] == [str(n) for n in range(8)]
    told = [entry for line in lines for entry in line["objects"]]
    assert told
    for entry in told:
        left, top, right, bottom = entry["box"]
        assert 0 <= left < right <= 64  # of the picture as it is, not as the network saw it
        assert 0 <= top < bottom <= 48
    assert any(entry["box"][2] > 32 for entry in told)
    assert len(list(Path("drawn").glob("*.png"))) == 8
    assert cli.main(["detect", "run", "voc/JPEGImages/3.jpg", "--least", "1", "--out", "one.jsonl"]) == 0
    assert json.loads(Path("one.jsonl").read_text()) == {"picture": "3", "objects": []}
    capsys.readouterr()
    for mistake, message in (
        (["detect", "run", "nowhere"], "no pictures in nowhere"),
        (["detect", "nowhere", "voc"], "no fitted model"),
        (["detect", "run", "voc/JPEGImages", "--least", "2"], "least must be from 0 to 1"),
        (["segment", "run", "voc/JPEGImages"], "is a 'detect' model: name a run of task 'segment'"),
    ):
        assert cli.main(mistake) == 2
        assert message in capsys.readouterr().err


def test_boxes_are_counted_from_the_images_corner_and_scaled_with_it(file: Path) -> None:
    whole, half = read_boxed("voc")["train"], read_boxed("voc", 32)["train"]
    assert whole.images.shape == (4, 3, 48, 64)
    assert half.images.shape == (4, 3, 24, 32)
    assert [len(boxes) for boxes in whole.boxes] == [0, 2, 2, 2]
    for image, boxes, small, hard in zip(whole.images[1:], whole.boxes[1:], half.boxes[1:], whole.difficult[1:]):
        left, top, right, bottom = boxes[0].astype(int)
        assert (right - left, bottom - top) == (20, 20)
        assert image[:, top:bottom, left:right].min() > 100
        np.testing.assert_allclose(small, boxes / 2)
        assert boxes[1].tolist() == [0.0, 0.0, 4.0, 4.0]
        assert hard.tolist() == [False, True]


def test_an_archive_is_read_as_the_folder_is(file: Path) -> None:
    Path("packed").mkdir()
    with tarfile.open("packed/all.tar.xz", "w:xz") as archive:
        archive.add("voc", "VOC2007")
    for one, other in zip(read_boxed("voc").values(), read_boxed("packed").values(), strict=True):
        np.testing.assert_array_equal(one.images, other.images)
        np.testing.assert_array_equal(np.concatenate(one.boxes), np.concatenate(other.boxes))


def test_images_of_other_sizes_lie_on_one_canvas(file: Path) -> None:
    pillow_image.fromarray(np.full((10, 90, 3), 200, np.uint8)).save("voc/JPEGImages/0.jpg")
    found = read_boxed("voc")["train"]
    assert found.images.shape == (4, 3, 48, 90)
    assert found.images[0, :, :10].min() > 190
    assert found.images[0, :, 10:].max() == 0


def test_a_box_without_width_is_difficult(file: Path) -> None:
    text = OBJECT.format(name="block", hard=0, box=(9, 9, 9, 30))
    Path("voc/Annotations/1.xml").write_text(f"<annotation>{text}</annotation>")
    assert read_boxed("voc")["train"].difficult[1].tolist() == [True]


def task_of(**changes: Any) -> Detecting:
    settings = {"depth": 8, "widths": (16, 16, 16), "features": 16, "levels": 2, "towers": 1}
    return DetectConfig(**{"data": "voc", "side": 32, "settings": settings, **changes}).build(0)


@pytest.mark.parametrize(
    ("setting", "values"),
    [("flip", ("none", "both")), ("scale", (0.0, 0.3)), ("colour", (0.0, 0.3)), ("side", (32, 64))],
)
def test_every_setting_changes_the_loss(file: Path, setting: str, values: tuple[Any, Any]) -> None:
    losses = []
    for value in values:
        task = task_of(**{setting: value})
        batch = task.batch(np.arange(4), torch.Generator().manual_seed(0), torch.device("cpu"))
        losses.append(float(task.loss(batch, torch.Generator())[0].detach()))
    assert losses[0] != losses[1]


def test_what_is_learned_from(file: Path) -> None:
    assert {name: len(data) for name, data in task_of().splits.items()} == {"train": 4, "valid": 2, "test": 2}
    both = task_of(learn="trainval")
    assert {name: len(data) for name, data in both.splits.items()} == {"train": 6, "test": 2}
    assert both.evaluate("valid") == {}
    assert sorted(both.order(np.random.default_rng(0))) == list(range(6))


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        ("Annotations/1.xml", "<annotation><object>", "Annotations/1.xml: "),
        ("Annotations/1.xml", "<annotation><object><name>a</name></object></annotation>", "lacks bndbox/xmin"),
        ("Annotations/1.xml", OBJECT.format(name="a", hard=0, box=("x", 1, 2, 3)), "bndbox/xmin is 'x', no number"),
        ("JPEGImages/1.jpg", "no picture", "no picture that Pillow can read"),
        ("ImageSets/Main/train.txt", "1\n77\n", "lacks Annotations/77.xml"),
    ],
)
def test_damage_is_named(file: Path, path: str, text: str, message: str) -> None:
    if path.endswith("xml") and text.startswith("<object>"):
        text = f"<annotation>{text}</annotation>"
    (Path("voc") / path).write_text(text)
    with pytest.raises(UserError, match=message):
        read_boxed("voc")


def test_folders_that_are_none(here: Path) -> None:
    with pytest.raises(UserError, match="no folder of images with boxes nowhere"):
        read_boxed("nowhere")
    Path("empty").mkdir()
    with pytest.raises(UserError, match="neither Annotations/ nor one"):
        read_boxed("empty")
    Path("empty/a.tar.xz").write_bytes(b"no archive")
    with pytest.raises(UserError, match="is damaged"):
        read_boxed("empty")
    write_voc(here / "voc")
    for split in ("train", "trainval"):
        Path(f"voc/ImageSets/Main/{split}.txt").unlink()
    with pytest.raises(UserError, match=r"lacks ImageSets/Main/train"):
        read_boxed("voc")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('"faster_rcnn"', '"fast_rcnn"'), "did you mean 'faster_rcnn'"),
        (("hidden = 16", "hiden = 16"), "faster_rcnn has no 'hiden': did you mean 'hidden'"),
        (("scale = 0.2", "scale = -1.0"), "scale must be 0 or more"),
        (("scale = 0.2", 'learn = "val"'), "learn"),
        (("epochs = 2", 'epochs = 2\nkeep = "best"\n[x]'), "unknown key 'x'"),
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


def test_trainval_has_nothing_to_choose_by() -> None:
    from neuralcore.fitting import FitConfig

    with pytest.raises(ValueError, match="need validation images"):
        DetectConfig("voc", learn="trainval", fit=FitConfig(keep="best"))


def test_blood_cells_are_read(shared_data: Path) -> None:
    if not (shared_data / "detect-bccd").is_dir():
        pytest.skip("no BCCD")
    found = read_boxed(str(shared_data / "detect-bccd"), 64)
    assert {split: len(data) for split, data in found.items()} == {
        "train": 205,
        "val": 87,
        "trainval": 292,
        "test": 72,
    }
    assert found["test"].names == ("Platelets", "RBC", "WBC")
    counts = sum(np.bincount(np.concatenate(found[split].kinds), minlength=3) for split in ("trainval", "test"))
    assert counts.tolist() == [361, 4155, 372]
    assert sum(hard.sum() for split in ("trainval", "test") for hard in found[split].difficult) == 2
