"""Language models: what they learn, what they carry on, and that caches and clusters change nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from neuralcore import cli
from neuralcore.errors import UserError
from neuralcore.fitting import FitConfig
from neuralcore.fitting.loop import Fit, evaluate
from neuralcore.fitting.saved import load_model, save_model
from neuralcore.language.choice import Choice
from neuralcore.language.language_config import LanguageConfig
from neuralcore.language.language_task import LanguageTask
from neuralcore.language.model import adaptive_losses
from neuralcore.language.sampling import continued, odds, written

LINE = "the quick brown fox jumps over the lazy dog\n"
TINY: dict[str, Any] = {"width": 16, "layers": 2, "heads": 2, "context": 8, "dropout": 0.0, "valid": 0.2}


@pytest.fixture
def text(tmp_path: Path) -> str:
    (tmp_path / "fox.txt").write_text(LINE * 40, encoding="utf-8")
    return str(tmp_path / "fox.txt")


def config(text: str, network: Any = "transformer", **changes: Any) -> LanguageConfig:
    fit = FitConfig(**{"epochs": 2, "batch_size": 8, "learning_rate": 0.01, **changes.pop("fit", {})})
    return LanguageConfig(data=text, network=network, fit=fit, **{**TINY, **changes})


@pytest.mark.parametrize(
    ("network", "changes"),
    [
        ("transformer", {}),
        ("transformer", {"positions": "learned", "tied": False}),
        ("transformer", {"positions": "sinusoidal", "unit": "words"}),
        ("lstm", {}),
        ("gru", {"unit": "words", "tied": False, "cutoffs": (7, 10)}),
        ("rnn", {"layers": 1}),
        ("irnn", {"layers": 1}),
    ],
)
def test_a_text_with_rules_is_learned_by_heart(text: str, network: str, changes: dict[str, Any]) -> None:
    passes = 12 if network == "transformer" else 60 if "cutoffs" in changes else 24
    c = config(text, network, **changes, fit={"epochs": passes, "learning_rate": 0.02, "clip": 1.0})
    task = LanguageTask(c)
    before = evaluate(task, "valid", torch.device("cpu"), c.fit)["loss"]
    assert before == pytest.approx(np.log(len(task.tokens)), rel=0.25)
    Fit(task, c.fit).run()
    found = evaluate(task, "valid", torch.device("cpu"), c.fit)
    assert found["loss"] < 0.45
    assert found["perplexity"] == pytest.approx(np.exp(found["loss"]))
    assert ("bits" in found) == (c.unit == "characters")


def test_greedy_writing_goes_on_with_what_was_learned(text: str) -> None:
    c = config(text, fit={"epochs": 16})
    task = LanguageTask(c)
    Fit(task, c.fit).run()
    prompt = task.tokens.encode("jumps ov")
    made = continued(task.model, prompt, 36, Choice(temperature=0.0))
    assert task.tokens.decode(made) == "er the lazy dog\nthe quick brown fox jumps over"[:36]


@pytest.mark.parametrize(
    ("network", "positions"), [("transformer", "rotary"), ("transformer", "learned"), ("gru", "rotary")]
)
def test_caches_write_what_is_written_without(text: str, network: str, positions: Any) -> None:
    """Beyond the context too, where a Transformer begins anew with its last half."""
    task = LanguageTask(config(text, network, positions=positions))
    prompt = task.tokens.encode(LINE)[:5]
    quick = list(written(task.model.eval(), prompt, 30, Choice(), seed=3))
    if network == "transformer":
        assert quick == list(written(task.model, prompt, 30, Choice(), seed=3, cached=False))
    again = list(written(task.model, prompt, 30, Choice(), seed=3))
    assert quick == again
    assert list(written(task.model, prompt, 30, Choice(), seed=4)) != quick
    assert not set(written(task.model, prompt, 30, Choice(), seed=3, banned=quick[:3])) & set(quick[:3])


def test_state_is_carried_from_step_to_step(text: str) -> None:
    """With learning switched off, the losses of an epoch's steps are those of reading all at once."""
    c = config(text, "lstm", fit={"batch_size": 4})
    task = LanguageTask(c)
    rows = task.order(np.random.default_rng(0))
    losses, generator = [], torch.Generator()
    task.model.eval()
    with torch.no_grad():
        for start in range(0, len(rows), 4):
            losses.append(
                task.loss(task.batch(rows[start : start + 4], generator, torch.device("cpu")), generator)[0]
            )
    each = (len(task.ids["train"]) - 1) // 4
    steps = each // c.context * c.context
    ids = torch.from_numpy(task.ids["train"])
    parts = torch.stack([ids[i * each : i * each + steps + 1] for i in range(4)])
    with torch.no_grad():
        wanted = task.model.losses(task.model(parts[:, :-1])[0], parts[:, 1:])
    torch.testing.assert_close(torch.stack(losses), wanted.unflatten(1, (-1, c.context)).mean((0, 2)))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_killed_run_goes_on_with_its_state(text: str, precision: str, tmp_path: Path) -> None:
    fit = {"epochs": 2, "checkpoint_minutes": 1e-9, "precision": precision}
    c = config(text, "lstm", dropout=0.1, fit=fit)
    whole = LanguageTask(c)
    Fit(whole, c.fit).run()
    first = Fit(LanguageTask(c), c.fit, folder=tmp_path / "run")
    steps = first.steps + first.steps // 2  # in the midst of the second pass
    first.total = steps
    first.run()
    second = LanguageTask(c)
    fit = Fit(second, c.fit, folder=tmp_path / "run")
    assert fit.step == steps
    fit.run()
    for mine, theirs in zip(whole.model.state_dict().values(), second.model.state_dict().values()):
        assert torch.equal(mine, theirs)


def test_clusters_are_torch_s_own() -> None:
    torch.manual_seed(0)
    layer = torch.nn.AdaptiveLogSoftmaxWithLoss(16, 30, [4, 12])
    thoughts, targets = torch.randn(50, 16), torch.randint(30, (50,))
    targets[:3] = torch.tensor([3, 4, 12])
    torch.testing.assert_close(adaptive_losses(layer, thoughts, targets), -layer(thoughts, targets).output)
    some = targets[targets < 4]
    torch.testing.assert_close(
        adaptive_losses(layer, thoughts[: len(some)], some), -layer(thoughts[: len(some)], some).output
    )


def test_counts_of_weights(text: str) -> None:
    V, W = len(LanguageTask(config(text)).tokens), 16
    block = 4 * (W * W + W) + 2 * W * 4 * W + 4 * W + W + 4 * W
    assert count(config(text)) == V * W + V + 2 * block + 2 * W
    assert count(config(text, tied=False)) == 2 * V * W + V + 2 * block + 2 * W
    assert count(config(text, positions="learned")) == V * W + V + 2 * block + 2 * W + 8 * W
    assert count(config(text, "lstm")) == V * W + V + 2 * (8 * W * W + 8 * W)


def count(c: LanguageConfig) -> int:
    return sum(p.numel() for p in LanguageTask(c).model.parameters())


def test_draws_by_hand() -> None:
    logs = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log()
    torch.testing.assert_close(odds(logs, Choice()), logs.exp())
    torch.testing.assert_close(odds(logs, Choice(top_k=2)), torch.tensor([[0.625, 0.375, 0.0, 0.0]]))
    torch.testing.assert_close(odds(logs, Choice(top_p=0.6)), torch.tensor([[0.625, 0.375, 0.0, 0.0]]))
    torch.testing.assert_close(odds(logs, Choice(top_p=0.5)), torch.tensor([[1.0, 0.0, 0.0, 0.0]]))
    squared = torch.tensor([[0.25, 0.09, 0.0225, 0.0025]])
    torch.testing.assert_close(odds(logs, Choice(temperature=0.5)), squared / squared.sum())
    for wrong in ({"temperature": -1.0}, {"top_k": -1}, {"top_p": 0.0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Choice(**wrong)  # type: ignore[arg-type]


def test_a_run_writes(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    task = LanguageTask(config(text, "gru", unit="words"))
    save_model(tmp_path / "model", task.model, "language", task.config, task.description)
    assert load_model(tmp_path).description["tokens"]["unit"] == "words"
    assert cli.main(["generate", str(tmp_path), "--prompt", "the quick", "--count", "5"]) == 0
    assert capsys.readouterr().out.startswith("the quick")
    assert cli.main(["generate", str(tmp_path), "--prompt", "the bird"]) == 2
    assert "'bird' not in the vocabulary" in capsys.readouterr().err
    assert cli.main(["generate", str(tmp_path), "--prompt", ""]) == 2
    assert cli.main(["ngram", text, "--order", "3", "--write", "4"]) == 0
    assert "valid: perplexity 1.1" in capsys.readouterr().out


def test_word_vectors_to_begin_with(text: str, tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_text("fox 1 2 3 4\nhen 5 6 7 8\ndog -4 -3 -2 -1\n", encoding="utf-8")
    small: dict[str, Any] = {"unit": "words", "width": 4, "layers": 1, "vectors": str(tmp_path / "v.txt")}
    for network, deviation in (("lstm", 0.1), ("transformer", 0.02)):
        task = LanguageTask(config(text, network, **small))
        rows = [task.tokens.numbers[word] for word in ("fox", "dog")]
        expected = np.array([[1, 2, 3, 4], [-4, -3, -2, -1]]) * deviation / 7.5**0.5
        np.testing.assert_allclose(task.model.embedding.weight.detach().numpy()[rows], expected, rtol=1e-6)
    with pytest.raises(ValueError, match="unit = 'words'"):
        config(text, vectors="v.txt")


def test_mistakes_are_told(text: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="tokens, 501 are needed: lower context"):
        LanguageTask(config(text, context=500))
    with pytest.raises(UserError, match="too few for 400 streams"):
        LanguageTask(config(text, "lstm", fit={"batch_size": 400})).order(np.random.default_rng(0))
    with pytest.raises(UserError, match="99 is not below the vocabulary"):
        LanguageTask(config(text, tied=False, cutoffs=(5, 99)))
    for changes, message in (
        ({"heads": 3}, "heads must divide"),
        ({"tied": True, "cutoffs": (5,)}, "tied = false"),
        ({"tied": False, "cutoffs": (5, 5)}, "cutoffs must rise"),
        ({"unit": "bpe"}, "bpe needs a vocabulary"),
        ({"width": 6, "heads": 2}, "even width"),
    ):
        with pytest.raises(ValueError, match=message):
            replace(config(text), **changes)
    for other in ({"layer_drop": 0.1}, {"inner": 8}, {"positions": "learned"}):
        with pytest.raises(ValueError, match="layer_drop, inner and positions are of the transformer, not of gru"):
            config(text, "gru", **other)
    (tmp_path / "two").mkdir()
    for name in ("a.txt", "b.txt"):
        (tmp_path / "two" / name).write_text("x")
    with pytest.raises(UserError, match="has 2 texts"):
        LanguageTask(config(str(tmp_path / "two")))
