"""The task "caption": what is said of drawn shapes, learning by heart, trunks of classifiers, and a run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from neuralcore import cli
from neuralcore.data.shapes import Shapes
from neuralcore.data.tokens import BEGIN
from neuralcore.errors import UserError
from neuralcore.fitting import FitConfig
from neuralcore.fitting.check import gradients, overfit
from neuralcore.fitting.saved import save_model
from neuralcore.translation.caption_config import CaptionConfig
from neuralcore.translation.captions import caption, captioned_shapes
from neuralcore.vision.classification_config import ClassifyConfig

CPU = torch.device("cpu")
SMALL = {"depth": 8, "widths": [4, 8, 8]}


def config(**more: object) -> CaptionConfig:
    given = {"examples": 40, "held": 12, "size": 16, "settings": SMALL, "width": 24, "dropout": 0.0}
    return CaptionConfig(**{**given, "fit": FitConfig(batch_size=20), **more})  # type: ignore[arg-type]


def drawn(*squares: tuple[int, int, tuple[int, int, int]]) -> Shapes:
    """One image of squares of 4 pixels: top, left, colour."""
    images, masks = np.full((1, 3, 32, 32), 40, np.uint8), np.zeros((1, 2, 32, 32), bool)
    kinds, boxes = np.full((1, 2), -1), np.zeros((1, 2, 4), np.float32)
    for slot, (top, left, colour) in enumerate(squares):
        masks[0, slot, top : top + 4, left : left + 4] = True
        images[0][:, masks[0, slot]] = np.array(colour)[:, None]
        kinds[0, slot], boxes[0, slot] = 1 + slot, (left, top, left + 4, top + 4)
    return Shapes(images, kinds, boxes, masks)


def test_what_is_said_of_shapes() -> None:
    red, blue, grey = (250, 100, 90), (100, 90, 240), (200, 190, 210)
    assert caption(drawn((3, 3, red)), 0) == "a red square"
    assert caption(drawn((3, 3, red), (5, 20, blue)), 0) == "a red square left of a blue triangle"
    assert caption(drawn((5, 20, red), (3, 3, blue)), 0) == "a blue triangle left of a red square"
    assert caption(drawn((25, 9, red), (3, 3, grey)), 0) == "a grey triangle above a red square"
    for colour, name in (((250, 240, 95), "yellow"), ((95, 240, 230), "cyan"), ((240, 95, 230), "pink")):
        assert caption(drawn((3, 3, colour)), 0) == f"a {name} square"
    found = captioned_shapes(50, 16, seed=4)
    assert found.captions == captioned_shapes(50, 16, seed=4).captions
    assert any(" above " in said or " left of " in said for (said,) in found.captions)


def test_a_batch_is_learned_by_heart_and_gradients_are_right() -> None:
    task = config().build(0)
    found = overfit(task, examples=8, steps=150, learning_rate=1e-2, device=CPU)
    assert found.passed, found.text
    found = gradients(task, weights=1, device=CPU)
    assert found.passed, found.text


def test_word_by_word_is_as_all_at_once() -> None:
    task = config().build(0)
    model = task.model.eval()
    batch = task.batch(np.arange(5), torch.Generator(), CPU)
    assert batch.captions[:, 0].tolist() == [BEGIN] * 5
    with torch.no_grad():
        whole = (model(batch.images, batch.captions) @ model.output.T).log_softmax(2)
        decoding = model.decoding(batch.images)
        for t in range(4):
            torch.testing.assert_close(decoding.step(batch.captions[:, t]), whole[:, t])
        looked = model.attention(batch.images, batch.captions)
    assert looked.shape == (5, batch.captions.shape[1], *model.places)
    torch.testing.assert_close(looked.sum((2, 3)), torch.ones(looked.shape[:2]))


def test_it_begins_with_a_classifiers_trunk(here: Path) -> None:
    classifier = ClassifyConfig(data="shapes", settings=SMALL, examples=30)
    task = classifier.build(5)
    save_model(here / "run" / "model", task.model, "classify", classifier, task.description)
    plain, begun = config().build(0), config(trunk_from="run").build(0)
    for name, value in task.model.trunk.state_dict().items():
        assert torch.equal(begun.model.trunk.state_dict()[name], value)
    assert torch.equal(begun.model.normalised.mean, task.model.normalised.mean)
    assert torch.equal(begun.model.output, plain.model.output)
    with pytest.raises(UserError, match="run: the weights are of another network"):
        config(trunk_from="run", settings={"depth": 8, "widths": [4, 8, 16]}).build(0)
    with pytest.raises(UserError, match="model mlp: its trunk makes no map"):
        config(model="mlp", settings={}).build(0)


def test_contradictions_are_told() -> None:
    for more, message in (
        ({"width": 0}, "width must be 1 or more, got 0"),
        ({"size": 8}, "size must be 16 or more, got 8"),
        ({"dropout": 1.0}, "dropout must be"),
        ({"held": 0}, "held must be 1 or more"),
    ):
        with pytest.raises(ValueError, match=message):
            config(**more)


def test_a_run(here: Path) -> None:
    (here / "tiny.toml").write_text(
        'task = "caption"\nexamples = 40\nheld = 12\nsize = 16\nwidth = 16\nbeam = 2\n'
        "[settings]\ndepth = 8\nwidths = [4, 8, 8]\n[fit]\nepochs = 1\nbatch_size = 20\n"
    )
    assert cli.main(["fit", "tiny.toml", "--run", "run", "--threads", "1"]) == 0
    assert list(json.loads((here / "run" / "test.json").read_text())) == [
        "nats",
        "perplexity",
        "accuracy",
        "bleu",
        "exact",
    ]
    assert (here / "run" / "looking.png").stat().st_size > 1000
    assert cli.main(["translate", "run", "tiny.toml"]) == 2


def photos(folder: Path, count: int = 14) -> Path:
    """Pictures of one colour, with two captions each."""
    pillow_image = pytest.importorskip("PIL.Image")
    (folder / "photos" / "more").mkdir(parents=True)
    lines = []
    for number in range(count):
        name, colour = ("photos/more" if number % 2 else "photos"), ("red", "blue")[number % 3 % 2]
        pillow_image.new("RGB", (20, 30 + number), colour).save(folder / name / f"{number}.png")
        path = f"more/{number}.png" if number % 2 else f"{number}.png"
        lines += [f"{path}\tAll {colour}.\n", f"{path}\tNothing but {colour}\n"]
    (folder / "photos" / "captions.tsv").write_text("".join(lines), encoding="utf-8")
    return folder / "photos"


def test_pictures_of_ones_own_are_learned_and_described(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos(here)
    settings: dict = {"examples": 40, "held": 3, "unit": "terms", "fit": FitConfig(batch_size=4)}
    task = config(data="photos", **settings).build(0)
    assert [len(split) for split in task.splits.values()] == [8, 3, 3]
    assert sorted(task.tokens.symbols[5:]) == ["all", "blue", "but", "nothing", "red"]
    generator = torch.Generator().manual_seed(0)
    said = {tuple(task.batch(np.arange(1), generator, CPU).captions[0].tolist()) for _ in range(20)}
    assert len(said) == 2  # one of both captions, drawn anew
    (here / "own.toml").write_text(
        'task = "caption"\ndata = "photos"\nheld = 3\nunit = "terms"\nsize = 16\nwidth = 24\ndropout = 0.0\n'
        "[settings]\ndepth = 8\nwidths = [4, 8, 8]\n"
        '[fit]\nepochs = 60\nbatch_size = 4\nlearning_rate = 1e-2\nschedule = "cosine"\nevaluate_every = 60\n'
    )
    assert cli.main(["fit", "own.toml", "--run", "own", "--threads", "1"]) == 0
    capsys.readouterr()
    assert cli.main(["caption", "own", "photos", "--looking", "seen/look.png"]) == 0
    told = dict(line.split("\t") for line in capsys.readouterr().out.splitlines())
    assert len(told) == 14
    for name, sentence in told.items():
        assert ("red", "blue")[int(name.split("/")[-1]) % 3 % 2] in sentence
    assert (here / "seen" / "look.png").stat().st_size > 1000
    assert cli.main(["caption", "own", "nowhere"]) == 2


def test_what_is_wrong_with_captions_is_told(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = photos(here)
    own: dict = {"data": "photos", "held": 3}
    with pytest.raises(UserError, match="14 pictures, of which 14 would be held out"):
        config(data="photos", held=7).build(0)
    with pytest.raises(UserError, match="longer than 2 words, raise longest"):
        config(longest=2, **own).build(0)
    good = (folder / "captions.tsv").read_text(encoding="utf-8")
    for line, message in (("0.png\n", "29: a picture, a tab"), ("99.png\tx\n", ":29: no picture")):
        (folder / "captions.tsv").write_text(good + line, encoding="utf-8")
        with pytest.raises(UserError, match=message):
            config(**own).build(0)
    with pytest.raises(UserError, match=r"nowhere has no captions\.tsv"):
        config(data="nowhere").build(0)
    assert cli.main(["caption", "photos", "photos"]) == 2
    assert "photos" in capsys.readouterr().err
