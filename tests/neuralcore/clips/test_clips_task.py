"""Motions, and the task that tells them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from neuralcore.clips.clips_config import ClipsConfig
from neuralcore.clips.clips_task import ClipModel, shuffled, take_trunk
from neuralcore.clips.inflated import Inflated
from neuralcore.data.clips import MOTIONS, moving, read_clips
from neuralcore.errors import UserError
from neuralcore.fitting import FitConfig, fit
from neuralcore.vision import make_model

RESNET = {"inner": {"depth": 8, "widths": [4, 4, 8]}}
SETTINGS = {"c3d": {"width": 0.06, "dropout": 0.0}, "inflated": RESNET, "recurrent": {**RESNET, "code": 16}}


def test_one_frame_tells_nothing_of_the_motion() -> None:
    """Brightness, spread and centre of any frame are the same for all motions, up to chance."""
    clips = moving(800, 3, 16, seed=4)
    frames = clips.values[:, :, 0].astype(float)
    figures = np.stack([frames.mean((2, 3)), frames.std((2, 3)), frames.mean(2)[:, :, 0], frames.mean(3)[:, :, 0]], 2)
    figures = (figures - figures.mean(0)) / figures.std(0)
    for label in range(len(MOTIONS)):
        mine = figures[clips.labels == label]
        assert np.all(abs(mine.mean(0)) < 4.5 / np.sqrt(len(mine)))


def test_what_moves_where() -> None:
    clips = moving(250, 4, 24, seed=2)
    bright = (clips.values[:, :, 0] > 80).astype(float)
    angle = np.exp(2j * np.pi * np.arange(24) / 24)
    right = np.angle((bright.sum(2) @ angle)[:, 1:] / (bright.sum(2) @ angle)[:, :-1]).mean(1)
    down = np.angle((bright.sum(3) @ angle)[:, 1:] / (bright.sum(3) @ angle)[:, :-1]).mean(1)
    bigger = (np.diff(bright.sum((2, 3)), axis=1) > 0).mean(1)
    mean = {m: (clips.labels == MOTIONS.index(m)) for m in MOTIONS}
    assert np.median(right[mean["right"]]) > 0.2 > -0.2 > np.median(right[mean["left"]])
    assert np.median(down[mean["down"]]) > 0.2 > -0.2 > np.median(down[mean["up"]])
    assert bigger[mean["growing"]].mean() > 0.7 > 0.3 > bigger[mean["shrinking"]].mean()
    assert np.array_equal(clips.values, moving(250, 4, 24, seed=2).values)
    assert not np.array_equal(clips.values, moving(250, 4, 24, seed=3).values)


@pytest.mark.parametrize("model", SETTINGS)
def test_one_batch_is_learned_by_heart(model: str, few: None, tmp_path: Path) -> None:
    config = ClipsConfig(model=model, settings=SETTINGS[model], valid=0.0)
    task = config.build(seed=0)
    fit(task, FitConfig(epochs=25, batch_size=8, learning_rate=2e-2, evaluate_every=0.0), seed=0)
    task.model.train()
    batch = task.batch(np.arange(8), torch.Generator().manual_seed(0), torch.device("cpu"))
    loss, figures = task.loss(batch, torch.Generator())
    assert float(loss.detach()) < 0.2
    assert float(figures["accuracy"]) == 1.0
    again = config.rebuild(task.description)
    again.load_state_dict(task.model.state_dict())
    task.model.eval()
    assert torch.equal(again.eval()(batch[0]), task.model(batch[0]))
    assert {"accuracy", "accuracy_low", "loss"} <= task.evaluate("test").keys()
    if model == "c3d":
        with torch.no_grad():
            task.draw(tmp_path)
        assert {p.name for p in tmp_path.iterdir()} == {"confusion.png", "worst.png"}


def test_frames_are_shuffled_each_clip_by_itself(few: None) -> None:
    clips = torch.arange(12).reshape(3, 4, 1, 1, 1)
    mixed = shuffled(clips, torch.Generator().manual_seed(0))
    assert torch.equal(mixed.sort(1).values, clips)
    assert not torch.equal(mixed, clips)
    task = ClipsConfig(settings=SETTINGS["c3d"], valid=0.0).build(0)
    other = dataclasses.replace(task.config, shuffle=True).build(0)
    rows, device = np.arange(8), torch.device("cpu")
    assert not torch.equal(
        *(t.batch(rows, torch.Generator().manual_seed(0), device)[0] for t in (task, other))  # type: ignore[misc]
    )
    assert not np.array_equal(task.logits("test"), other.logits("test"))


def test_a_trunk_begins_with_a_classifiers() -> None:
    flat = ClipModel(make_model("resnet", 5, 3, 16, RESNET["inner"]), [0.5] * 3, [0.2] * 3)
    inner = dict(RESNET["inner"])
    deep = ClipModel(Inflated(4, channels=3, size=16, inner=inner), [0.5] * 3, [0.2] * 3)
    taken = take_trunk(deep, flat.state_dict(), "runs/x")
    assert "network.trunk.stem.0.weight" in taken
    mine, theirs = deep.network.trunk.stem[0].weight, flat.network.trunk.stem[0].weight
    torch.testing.assert_close(mine.sum(2), theirs)
    other = ClipModel(make_model("resnet", 5, 3, 16, {"depth": 8, "widths": [4, 4, 9]}), [0.5] * 3, [0.2] * 3)
    with pytest.raises(UserError, match=r"start: the trunk of runs/x does not fit at network\.trunk\.stages\.2"):
        take_trunk(deep, other.state_dict(), "runs/x")


def test_folders_of_frames(tmp_path: Path) -> None:
    for name, clip, count in (("run", "a", 5), ("run", "b", 3), ("walk", "a", 3)):
        folder = tmp_path / "train" / name / clip
        folder.mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (6, 4), (number * 10, 0, 0)).save(folder / f"{number}.png")
    found = read_clips(str(tmp_path), 3)["train"]
    assert found.names == ("run", "walk")
    assert found.values.shape == (3, 3, 3, 4, 6)
    assert found.labels.tolist() == [0, 0, 1]
    assert found.values[0, :, 0, 0, 0].tolist() == [0, 20, 40]
    with pytest.raises(UserError, match=r"b has 3 frames, fewer than 4: set frames lower"):
        read_clips(str(tmp_path), 4)
    with pytest.raises(UserError, match="has no train/<class>/<clip>/<frame>"):
        read_clips(str(tmp_path / "train"), 3)
    Image.new("RGB", (5, 4)).save(tmp_path / "train" / "walk" / "a" / "1.png")
    with pytest.raises(UserError, match=r"1\.png is \(4, 5\) pixels, others \(4, 6\)"):
        read_clips(str(tmp_path), 3)


def test_settings_that_contradict(few: None) -> None:
    with pytest.raises(ValueError, match="frames must be 2 or more"):
        ClipsConfig(frames=1)
    with pytest.raises(ValueError, match="need validation clips"):
        ClipsConfig(valid=0.0, fit=FitConfig(keep="best"))
    with pytest.raises(UserError, match="frames is a key of the task"):
        ClipsConfig(settings={"frames": 4}).build(0)
