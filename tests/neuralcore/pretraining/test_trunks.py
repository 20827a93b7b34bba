"""Tasks that fit a trunk: a batch is fitted, features serve the probe and a classifier's start, mistakes are told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from neuralcore import cli
from neuralcore.errors import UserError
from neuralcore.fitting import FitConfig
from neuralcore.fitting.check import gradients
from neuralcore.fitting.loop import Fit, evaluate
from neuralcore.fitting.saved import load_model
from neuralcore.pretraining.fixmatch import pseudo_labels
from neuralcore.pretraining.trunk_config import ContrastConfig, EmbedConfig, FixMatchConfig, RotateConfig
from neuralcore.pretraining.trunks import trunk_features

Use = Callable[..., None]
CPU = torch.device("cpu")
SMALL: dict[str, Any] = {"settings": {"depth": 8, "widths": (8, 16, 16)}, "valid": 0.0}


def fit_of(**changes: Any) -> FitConfig:
    settings = {"epochs": 10, "batch_size": 32, "learning_rate": 5e-3, "evaluate_every": 0.0}
    return FitConfig(**settings | changes)


def before_and_after(config: Any, figure: str) -> tuple[float, float]:
    task = config.build(0)
    before = evaluate(task, "test", CPU, config.fit)[figure]
    Fit(task, config.fit).run()
    return before, evaluate(task, "test", CPU, config.fit)[figure]


def test_turns_are_told(use_glyphs: Use) -> None:
    use_glyphs(4, 24)
    before, after = before_and_after(RotateConfig("glyphs", probe=0, fit=fit_of(), **SMALL), "accuracy")
    assert before < 0.5
    assert after > 0.75


def test_views_of_an_image_are_told(use_glyphs: Use) -> None:
    use_glyphs(6, 16)
    config = ContrastConfig("glyphs", probe=0, features=16, least=0.8, temperature=0.2, fit=fit_of(), **SMALL)
    before, after = before_and_after(config, "loss")
    assert after < before - 0.4


@pytest.mark.parametrize("loss", ["batch_hard", "semi_hard", "pairwise"])
def test_classes_are_brought_together(use_glyphs: Use, loss: Any) -> None:
    use_glyphs(5, 16)
    margin = 1.0 if loss == "pairwise" else 0.2
    config = EmbedConfig("glyphs", probe=0, loss=loss, margin=margin, each=4, fit=fit_of(epochs=12), **SMALL)
    before, after = before_and_after(config, "recall_at_1")
    assert after > max(before, 0.6)


def test_a_batch_has_several_of_a_class(use_glyphs: Use) -> None:
    use_glyphs(5, 11)
    task = EmbedConfig("glyphs", each=4, fit=fit_of(batch_size=8), **SMALL).build(0)
    rows = task.order(np.random.default_rng(0))
    assert len(rows) == len(set(rows.tolist())) == 5 * 8  # eleven are two groups of four
    labels = task.images["train"].labels[rows].reshape(-1, 4)
    assert (labels == labels[:, :1]).all()


def test_both_losses_by_hand(use_glyphs: Use) -> None:
    use_glyphs(3, 12)
    config = FixMatchConfig("glyphs", labels=2, weight=0.5, threshold=0.9, **SMALL)
    task = config.build(0)
    assert np.bincount(task.images["train"].labels[task.labelled]).tolist() == [2, 2, 2]
    batch = task.batch(np.arange(8), torch.Generator().manual_seed(0), CPU)
    assert [len(x) for x in batch if x is not None] == [2, 2, 8, 8]
    known, weak, strong = torch.randn(18, 3, generator=torch.Generator().manual_seed(0)).split([2, 8, 8])
    weak = weak * 5.0
    task.model.forward = lambda images: torch.cat([known, weak, strong])  # type: ignore[method-assign, union-attr]
    loss, figures = task.loss(batch, torch.Generator())
    odds, logs = torch.softmax(weak, 1), torch.log_softmax(strong, 1)
    guessed = sum(-float(logs[i, odds[i].argmax()]) for i in range(8) if odds[i].max() >= 0.9) / 8
    supervised = -float(torch.log_softmax(known, 1)[torch.arange(2), batch.labels].mean())
    assert float(loss) == pytest.approx(supervised + 0.5 * guessed, rel=1e-5)
    assert 0.0 < float(figures["sure"]) < 1.0
    alone = FixMatchConfig("glyphs", labels=2, weight=0.0, **SMALL).build(0)
    assert alone.batch(np.arange(8), torch.Generator(), CPU).strong is None


@pytest.mark.parametrize("make", [FixMatchConfig, ContrastConfig])
def test_gradients_are_of_the_loss(use_glyphs: Use, make: Any) -> None:
    use_glyphs(3, 12)
    assert gradients(
        make("glyphs", settings={"depth": 8, "widths": (4, 4, 4)}, valid=0.0).build(0), device=CPU
    ).passed


def test_few_labels_are_fitted(use_glyphs: Use) -> None:
    use_glyphs(3, 30)
    config = FixMatchConfig("glyphs", labels=8, threshold=0.8, fit=fit_of(epochs=40), **SMALL)
    before, after = before_and_after(config, "accuracy")
    assert after > max(before, 0.7)


def test_pseudo_labels_by_hand() -> None:
    logits = torch.tensor([[3.0, 0.0], [0.0, 0.1], [-9.0, 9.0]], requires_grad=True)
    taken, sure = pseudo_labels(logits, 0.95)
    assert taken.tolist() == [0, 1, 1]
    assert sure.tolist() == [True, False, True]  # 0.953, 0.525, 1
    assert not taken.requires_grad


def test_a_classifier_begins_with_the_trunk(here: Path) -> None:
    text = '\ndata = "shapes"\nmodel = "quick_net"\nexamples = 64\n{more}\n[settings]\nwidths = [8, 8, 8]\n'
    text += "[fit]\nepochs = 1\nbatch_size = 32\nevaluate_every = 0.0\n"
    Path("before.toml").write_text('task = "rotate"' + text.format(more="probe = 40"))
    Path("after.toml").write_text('task = "classify"' + text.format(more='start = "runs/before"'))
    assert cli.main(["fit", "before.toml", "--threads", "1"]) == 0
    assert cli.main(["fit", "after.toml", "--threads", "1", "--freeze", "network.trunk"]) == 0
    one, two = (load_model(f"runs/{name}").model for name in ("before", "after"))
    images = np.random.default_rng(0).integers(0, 256, (4, 3, 32, 32)).astype(np.uint8)
    torch.testing.assert_close(trunk_features(one, images), trunk_features(two, images))  # type: ignore[arg-type]


def test_pictures_and_the_probe(use_glyphs: Use, tmp_path: Path) -> None:
    use_glyphs(3, 12)
    fit = fit_of(batch_size=16)
    for make, names in ((ContrastConfig, ("views", "nearest")), (EmbedConfig, ("nearest",))):
        task = make("glyphs", probe=20, fit=fit, **SMALL).build(0)
        with torch.no_grad():
            task.draw(tmp_path)
        for name in names:
            (tmp_path / f"{name}.png").unlink()
        assert 0.0 <= evaluate(task, "test", CPU, fit)["probe_accuracy"] <= 1.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RotateConfig("x", probe=-1), "probe must be 0 or more"),
        (lambda: ContrastConfig("x", least=0.0), "least must be above 0"),
        (lambda: ContrastConfig("x", temperature=0.0), "temperature must be above 0"),
        (lambda: ContrastConfig("x", fit=FitConfig(batch_size=1)), "a batch_size of 2 or more"),
        (lambda: EmbedConfig("x", each=100), "holds no two classes of 100"),
        (lambda: FixMatchConfig("x", threshold=1.0), "threshold must be from 0"),
    ],
)
def test_mistakes_of_settings(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_mistakes_of_data(use_glyphs: Use) -> None:
    use_glyphs(3, 5)
    with pytest.raises(UserError, match="a has 5 training images, labels = 6"):
        FixMatchConfig("glyphs", labels=6, **SMALL).build(0)
    with pytest.raises(UserError, match="no two classes have 8 training images"):
        EmbedConfig("glyphs", **SMALL).build(0)
    config = RotateConfig("glyphs", probe=100, **SMALL)
    with pytest.raises(UserError, match="probe = 100 is more than the 15 training images"):
        evaluate(config.build(0), "test", CPU, config.fit)
