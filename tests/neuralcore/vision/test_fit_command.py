"""`neuralcore fit` as a person uses it: a run, its folder, going on, and what mistakes are called."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from neuralcore import cli
from neuralcore.checkpoint import read_arrays
from neuralcore.data.shapes import shapes
from neuralcore.errors import UserError
from neuralcore.fitting.saved import load_model

FILE = """
task = "classify"
data = "shapes"
model = "quick_net"
examples = 300
shift = 1
flip = true
cutout = 4
mixup = 0.2
cutmix = 1.0
smoothing = 0.1

[settings]
widths = [8, 8, 8]

[fit]
epochs = 2
batch_size = 50
optimiser = "nesterov"
learning_rate = 0.1
schedule = "linear"
average = "ema"
"""


@pytest.fixture
def file(here: Path) -> Path:
    path = here / "tiny.toml"
    path.write_text(FILE)
    return path


def test_a_run_and_its_folder(file: Path, capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["fit", str(file), "--threads", "1"]) == 0
    run = Path("runs/tiny")
    out = capsys.readouterr().out
    assert "test: accuracy" in out
    for name in ("config.toml", "metrics.jsonl", "card.md", "valid.json", "test.json", "model/manifest.json"):
        assert (run / name).is_file(), name
    for name in ("curves", "confusion", "calibration", "worst"):
        assert (run / f"{name}.png").stat().st_size > 5_000, name
    fitted = load_model(run)
    assert fitted.description["names"][0] == "circle"
    images = shapes(500, seed=1).classified()
    with torch.no_grad():
        right = fitted.model(torch.from_numpy(images.images)).argmax(1).numpy() == images.labels
    assert json.loads((run / "test.json").read_text())["accuracy"] == pytest.approx(right.mean())
    before = (run / "model" / "weights.safetensors").read_bytes()
    assert cli.main(["fit", "runs/tiny/config.toml", "--threads", "1"]) == 0  # done already: nothing changes
    assert "going on from step 10" in capsys.readouterr().out
    assert (run / "model" / "weights.safetensors").read_bytes() == before


def test_a_fitted_model_is_begun_with(file: Path, capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["fit", str(file), "--run", "one", "--threads", "1"]) == 0
    tuned = FILE.replace('data = "shapes"', 'data = "shapes"\nstart = "one"').replace(
        "[fit]", '[fit]\nfreeze = ["network.trunk"]'
    )
    Path("tuned.toml").write_text(tuned)
    assert cli.main(["fit", "tuned.toml", "--run", "two", "--class-weights", "balanced", "--threads", "1"]) == 0
    one, two = (load_model(name).model.state_dict() for name in ("one", "two"))
    trunk = [name for name in one if name.startswith("network.trunk") and one[name].is_floating_point()]
    assert all(torch.equal(one[name], two[name]) for name in trunk)
    assert not torch.equal(one["network.head.2.weight"], two["network.head.2.weight"])
    Path("other.toml").write_text(
        FILE.replace("[8, 8, 8]", "[12, 12, 12]").replace('data = "shapes"', 'data = "shapes"\nstart = "one"')
    )
    assert (
        cli.main(["fit", "other.toml", "--run", "three", "--threads", "1"]) == 0
    )  # the first layer fits, and is taken
    assert cli.main(["fit", str(file), "--run", "four", "--start", "nowhere"]) == 2
    assert "no fitted model" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "words", "message"),
    [
        (("quick_net", "quick_nett"), [], "did you mean 'quick_net'"),
        (("widths", "width"), [], "quick_net has no 'width': did you mean 'widths'"),
        (("[8, 8, 8]", "[8, 8, 8, 8, 8]"), [], "needs images of 97 pixels or more, got 32"),
        (("epochs = 2", "epochs = 0"), [], "epochs must be 1 or more"),
        (("epochs = 2", "epoch = 2"), [], "tiny.toml:17: unknown key 'epoch': did you mean 'epochs'"),
        (('"classify"', '"clasify"'), [], "did you mean 'classify'"),
        (('task = "classify"\n', ""), [], "'task' is required"),
        (('"shapes"', '"nowhere"'), [], "no folder of images nowhere"),
        (("cutout = 4", "cutout = 64"), [], "more than the side"),
        (("smoothing = 0.1", 'loss = "hinge"'), [], "of cross_entropy, not of hinge"),
        (("x", "x"), ["--epohcs", "3"], "unknown flag --epohcs"),
        (("x", "x"), ["--device", "tpu"], "device 'tpu' is not known"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(
    file: Path, capsys: pytest.CaptureFixture, change: tuple[str, str], words: list[str], message: str
) -> None:
    file.write_text(FILE.replace(*change))
    assert cli.main(["fit", str(file), *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.strip().splitlines()) == 1
    assert not Path("runs").exists()


def test_a_damaged_model_is_refused(file: Path) -> None:
    assert cli.main(["fit", str(file), "--run", "one", "--epochs", "1", "--threads", "1"]) == 0
    for name in ("weights.safetensors", "manifest.json"):
        path = Path("one/model") / name
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        with pytest.raises(UserError, match="damaged"):
            load_model("one")
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    load_model("one")


@pytest.mark.faults
def test_killed_at_any_moment_it_goes_on_exactly(
    file: Path, finish_despite_kills: Callable[[Sequence[str], Path], int]
) -> None:
    words = [sys.executable, "-m", "neuralcore.cli", "fit", str(file), "--threads", "1", "--epochs", "12"]
    subprocess.run([*words, "--run", "whole"], check=True, capture_output=True)
    cut_words = [*words, "--run", "cut", "--checkpoint-minutes", "0.0001"]
    assert finish_despite_kills(cut_words, Path("cut")) > 0
    whole, cut = (
        read_arrays(
            Path(run) / "model" / "weights.safetensors",
            json.loads((Path(run) / "model/manifest.json").read_text())["sha256"],
        )
        for run in ("whole", "cut")
    )
    for name, array in whole.items():
        np.testing.assert_array_equal(array, cut[name], err_msg=name)
