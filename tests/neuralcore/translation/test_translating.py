"""The task "translate": what its settings do, learning by heart, a run, and `neuralcore translate` with it."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from neuralcore import cli
from neuralcore.data.tokens import BEGIN, END
from neuralcore.errors import UserError
from neuralcore.fitting import FitConfig
from neuralcore.fitting.check import gradients, overfit
from neuralcore.fitting.saved import load_model
from neuralcore.translation import MODELS
from neuralcore.translation.bleu import bleu
from neuralcore.translation.toy import toy_sentences
from neuralcore.translation.translate_config import TranslateConfig
from neuralcore.translation.translating import Translating
from neuralcore.translation.translator import Translator

SMALL = {
    "transformer": {"width": 32, "layers": 1, "heads": 2, "inner": 64, "dropout": 0.0},
    "recurrent": {"width": 32, "dropout": 0.0},
}
CPU = torch.device("cpu")


def files(folder: Path, train: int = 60, other: int = 12) -> None:
    """A folder of few sentences of the made language."""
    for number, (split, count) in enumerate({"train": train, "valid": other, "test": other}.items()):
        for name, lines in zip(("src", "tgt"), toy_sentences(count, number)):
            (folder / f"{split}.{name}").write_text("\n".join(lines) + "\n")


def config(model: str = "transformer", **more: object) -> TranslateConfig:
    given = {"data": ".", "model": model, "settings": SMALL[model], "unit": "words", "smoothing": 0.0}
    return TranslateConfig(**{**given, "fit": FitConfig(batch_size=16), **more})  # type: ignore[arg-type]


@pytest.fixture
def there(here: Path) -> Path:
    files(here)
    return here


@pytest.mark.parametrize("model", MODELS)
def test_a_batch_is_learned_by_heart_and_gradients_are_right(there: Path, model: str) -> None:
    task = config(model).build(0)
    found = overfit(task, examples=8, steps=150, learning_rate=1e-2, device=CPU)
    assert found.passed, found.text
    found = gradients(task, weights=1, device=CPU)
    assert found.passed, found.text


def test_a_batch(there: Path) -> None:
    task = config().build(0)
    batch = task.batch(np.arange(4), torch.Generator(), CPU)
    pairs = task.pairs["train"]
    for row in range(4):
        source, target = batch.source[row].tolist(), batch.target[row].tolist()
        assert target[0] == BEGIN
        assert source[source.index(END) + 1 :] == [0] * (len(source) - source.index(END) - 1)
        assert task.tokens.decode(source) == pairs.source[row]
        assert task.tokens.decode(target) == pairs.target[row]


def test_loss_is_of_real_tokens(there: Path) -> None:
    task = config().build(0)
    batch = task.batch(np.arange(6), torch.Generator(), CPU)
    with torch.no_grad():
        scores = (task.model(batch.source, batch.target[:, :-1]) @ task.model.output.T).log_softmax(2)
        logs = scores.gather(2, batch.target[:, 1:, None])[:, :, 0][batch.target[:, 1:] != 0]
        loss, figures = task.loss(batch, torch.Generator())
    assert float(loss) == pytest.approx(-float(logs.mean()), abs=1e-5)
    assert float(figures["nats"]) == pytest.approx(float(loss))
    smoothed = Translating(dataclasses.replace(task.config, smoothing=0.1), 0)
    with torch.no_grad():
        assert float(smoothed.loss(batch, torch.Generator())[0]) == pytest.approx(
            0.9 * float(loss) - 0.1 * float(scores.mean(2)[batch.target[:, 1:] != 0].mean()), abs=1e-5
        )


def test_longer_pairs_are_left_out_and_others_added(there: Path) -> None:
    every = config().build(0)
    assert len(every.order(np.random.default_rng(0))) == 60
    longest = max(len(line.split()) for line in every.pairs["train"].source)
    fewer = config(longest=longest - 1).build(0)
    assert 0 < len(fewer.order(np.random.default_rng(0))) < 60
    with pytest.raises(UserError, match="no training pair has 2 tokens or less"):
        config(longest=2).build(0)
    for name, lines in zip(("src", "tgt"), toy_sentences(7, 9)):
        Path(f"more.{name}").write_text("\n".join(lines) + "\n")
    assert len(config(extra="more.src,more.tgt").build(0).pairs["train"]) == 67
    assert len(config(vocabulary=20).build(0).tokens) == 20


def test_contradictions_are_told() -> None:
    for more, message in (
        ({"smoothing": 1.0}, "smoothing must be"),
        ({"beam": 0}, "beam must be 1 or more, got 0"),
        ({"translated": -1}, "translated must be"),
        ({"alpha": -0.5}, "alpha must be"),
        ({"source": "tgt"}, "source and target are both 'tgt'"),
        ({"extra": "one"}, "extra names two files"),
    ):
        with pytest.raises(ValueError, match=message):
            config(**more)


def test_together_or_alone_it_says_the_same(there: Path) -> None:
    task = config().build(3)
    translator = Translator(task.model.eval(), task.tokens, beam=3)
    sentences = task.pairs["test"].source
    together = translator.translate(sentences)
    assert together == [translator.translate([sentence])[0] for sentence in sentences]
    assert len(set(together)) > 1


def test_bleu() -> None:
    assert bleu(["the red fox sees a house ."], ["the red fox sees a house ."]) == pytest.approx(100.0)
    # Precisions 5/6, 3/5, 2/4, 1/3 and no brevity penalty, by hand.
    found = bleu(["the red fox sees a tree"], ["the red fox sees the tree"])
    assert found == pytest.approx(100.0 * (5 / 6 * 3 / 5 * 2 / 4 * 1 / 3) ** 0.25)
    with pytest.raises(ValueError, match="1 answers cannot be compared with 2"):
        bleu(["a"], ["a", "b"])


FILE = """
task = "translate"
data = "."
model = "recurrent"
unit = "words"
longest = 12
translated = 4
beam = 2

[settings]
width = 32

[fit]
epochs = 2
batch_size = 16
learning_rate = 1e-2
"""


def test_a_run_and_what_it_says(there: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    Path("tiny.toml").write_text(FILE)
    assert cli.main(["fit", "tiny.toml", "--run", "run", "--threads", "1"]) == 0
    run = Path("run")
    assert {"attention.png", "translations.txt", "test.json", "valid.json"} <= {p.name for p in run.iterdir()}
    figures = json.loads((run / "test.json").read_text())
    assert list(figures) == ["nats", "perplexity", "accuracy", "bleu", "exact"]
    assert figures["perplexity"] == pytest.approx(np.exp(figures["nats"]))
    capsys.readouterr()

    Path("ask.txt").write_text("the red fox sees a hen\na boat leaves the tree\n")
    assert cli.main(["translate", "run", "ask.txt", "--beam", "2"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2
    fitted = load_model("run")
    tokens = Translating(fitted.config, 0).tokens
    assert said == Translator(fitted.model, tokens, beam=2).translate(Path("ask.txt").read_text().splitlines())

    one = "the zebra sees a hen\n"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(one.encode())))
    assert cli.main(["translate", "run", "-", "--attention", "pictures/one.png"]) == 0
    found = capsys.readouterr()
    assert len(found.out.splitlines()) == 1
    assert found.err == "unknown to the model, taken as <unk>: zebra\n"
    assert Path("pictures/one.png").stat().st_size > 1000

    for text, more, message in (
        ("a hen\n\na hen\n", [], "bad.txt:2: nothing in this line"),
        ("a hen\n" + "a " * 13 + "\n", [], "bad.txt:2: 13 tokens, and the model was fitted to 12: cut it in two"),
        ("a hen\na fox\n", ["--attention", "x.png"], "a .png of one sentence, and bad.txt has 2"),
        ("a hen\n", ["--beam", "0"], "beam must be 1 or more"),
        ("", [], "bad.txt is empty"),
    ):
        Path("bad.txt").write_text(text)
        assert cli.main(["translate", "run", "bad.txt", *more]) == 2
        assert message in capsys.readouterr().err
    assert cli.main(["translate", ".", "ask.txt"]) == 2
    assert "holds no fitted model" in capsys.readouterr().err
