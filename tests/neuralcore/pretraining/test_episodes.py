"""Few-shot learning: what an episode is, the tasks by hand, and that unseen classes are told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from neuralcore.errors import UserError
from neuralcore.fitting import FitConfig
from neuralcore.fitting.check import gradients
from neuralcore.fitting.loop import Fit, evaluate
from neuralcore.pretraining.conv4 import Conv4
from neuralcore.pretraining.episodes import EpisodeData, accuracies, draw, mean_interval, own_class
from neuralcore.pretraining.episodes_config import EpisodesConfig, MAMLConfig, PrototypicalConfig
from neuralcore.pretraining.maml import adapted
from neuralcore.pretraining.prototypical import distances, episode_accuracies
from neuralcore.vision.counting import parameters

Use = Callable[..., None]
CPU = torch.device("cpu")


def test_an_episode_has_no_image_twice() -> None:
    by_class = [np.arange(10 * c, 10 * c + 10) for c in range(6)]
    generator = np.random.default_rng(0)
    for _ in range(20):
        support, query = draw(by_class, 4, 3, 5, generator)
        assert support.shape == (4, 3)
        assert query.shape == (4, 5)
        both = np.concatenate([support, query], 1)
        assert len(np.unique(both)) == 32
        assert (both // 10 == both[:, :1] // 10).all()  # a row is of one class
        assert len(np.unique(both[:, 0] // 10)) == 4


def test_classes_to_learn_from_and_to_be_judged_by_are_disjoint(use_glyphs: Use) -> None:
    use_glyphs(7, 12)
    config = EpisodesConfig("glyphs", valid=0.25, held_out=3, ways=3, shots=1, queries=2, episodes=4)
    held = []
    for seed in range(4):
        data = EpisodeData(config, seed)
        labels = {name: {int(data.splits[name].labels[r[0]]) for r in rows} for name, rows in data.by_class.items()}
        assert labels["train"] == labels["valid"]
        assert len(labels["train"]) == 4
        assert labels["train"] | labels["test"] == set(range(7))
        assert data.description["held_out"] == [data.images.names[i] for i in sorted(labels["test"])]
        held.append(tuple(labels["test"]))
    assert len(set(held)) > 1  # the seed draws them
    batch = data.batch(np.arange(5), torch.Generator().manual_seed(0), CPU)
    assert batch.support.shape == (5, 3, 1, 1, 16, 16)
    assert batch.query.shape == (5, 3, 2, 1, 16, 16)
    again = data.batch(np.arange(5), torch.Generator().manual_seed(0), CPU)
    assert torch.equal(batch.query, again.query)


def test_prototypes_by_hand() -> None:
    support = torch.tensor([[[[0.0, 0.0], [2.0, 0.0]], [[0.0, 4.0], [0.0, 6.0]]]])  # means (1, 0) and (0, 5)
    query = torch.tensor([[[[1.0, 1.0]], [[0.0, 1.0]]]])
    logits = distances(support, query)
    torch.testing.assert_close(logits, torch.tensor([[[[-1.0, -17.0]], [[-2.0, -16.0]]]]))
    assert accuracies(logits).tolist() == [0.5]
    expected = -torch.log_softmax(torch.tensor([[-1.0, -17.0], [-2.0, -16.0]]), 1)
    torch.testing.assert_close(own_class(logits), (expected[0, 0] + expected[1, 1]) / 2)


def test_the_interval_is_of_episodes() -> None:
    found = mean_interval(np.array([0.0, 1.0, 1.0, 1.0]))
    assert found.value == 0.75
    assert found.high - found.value == pytest.approx(1.96 * 0.5 / 2.0)  # the deviation is 0.5


@pytest.mark.parametrize("second_order", [True, False])
def test_the_gradient_through_steps_in_closed_form(second_order: bool) -> None:
    """L_support = ½ a w², L_query = ½ b (w - c)²: two steps of α make w (1 - α a)², whose derivative is (1 - α
    a)²."""
    a, b, c, rate, w = 0.7, 1.3, 2.0, 0.4, torch.tensor(3.0, requires_grad=True, dtype=torch.float64)
    after = adapted(lambda now: 0.5 * a * now["w"] ** 2, {"w": w}, 2, rate, second_order=second_order)["w"]
    kept = (1.0 - rate * a) ** 2
    assert float(after.detach()) == pytest.approx(3.0 * kept)
    (gradient,) = torch.autograd.grad(0.5 * b * (after - c) ** 2, w)
    assert float(gradient) == pytest.approx(b * (3.0 * kept - c) * (kept if second_order else 1.0))


def test_conv4_is_as_published() -> None:
    assert parameters(Conv4(5, channels=1, size=28).trunk) == 111_936
    net = Conv4(5, channels=3, size=84)
    assert parameters(net.trunk) == 113_088
    assert net.features == 1_600
    assert net(torch.zeros(2, 3, 84, 84)).shape == (2, 5)
    assert Conv4(5, channels=1, size=28, width=8).trunk(torch.zeros(2, 1, 28, 28)).shape == (2, 8, 1, 1)


def fitted(config: PrototypicalConfig | MAMLConfig) -> dict[str, float]:
    """Figures of the held out classes, before and after."""
    task = config.build(0)
    before = evaluate(task, "test", CPU, config.fit)["accuracy"]
    Fit(task, config.fit).run()
    after = evaluate(task, "test", CPU, config.fit)
    assert after["accuracy_low"] < after["accuracy"] < after["accuracy_high"]
    return {"before": before, "after": after["accuracy"]}


COMMON: dict[str, Any] = {"held_out": 3, "ways": 3, "shots": 3, "queries": 5, "judged": 40, "width": 16, "valid": 0.0}


def test_prototypes_tell_unseen_classes(use_glyphs: Use) -> None:
    use_glyphs(12, 20)
    fit = FitConfig(epochs=1, batch_size=4, learning_rate=5e-3, evaluate_every=0.0)
    found = fitted(PrototypicalConfig("glyphs", episodes=160, fit=fit, **COMMON))
    assert found["after"] > found["before"] + 0.08  # 0.13 to 0.35 for seeds 0 to 3


def test_a_step_tells_unseen_classes(use_glyphs: Use) -> None:
    use_glyphs(12, 20)
    fit = FitConfig(epochs=1, batch_size=2, learning_rate=1e-2, evaluate_every=0.0)
    found = fitted(MAMLConfig("glyphs", episodes=120, steps=1, rate=0.4, fit=fit, **COMMON))
    assert found["after"] > found["before"] + 0.2  # 0.36 to 0.49 for seeds 0 to 3


def test_the_gradient_through_steps_is_of_the_loss(use_glyphs: Use) -> None:
    use_glyphs(6, 12)
    task = MAMLConfig("glyphs", steps=1, **COMMON | {"width": 3, "queries": 2}).build(0)
    assert gradients(task, device=CPU).passed


def test_features_of_the_pixels_are_told_too(use_glyphs: Use) -> None:
    use_glyphs(5, 20)
    data = EpisodeData(EpisodesConfig("glyphs", valid=0.0, held_out=3, ways=3, shots=5, queries=5, judged=30), 0)
    labels = torch.nn.functional.one_hot(torch.from_numpy(data.splits["test"].labels)).float()
    assert episode_accuracies(labels, data.judged("test")).tolist() == [1.0] * 30
    pixels = torch.from_numpy(data.splits["test"].images).flatten(1).float()
    assert 0.3 < episode_accuracies(pixels, data.judged("test")).mean() < 1.0


def test_a_picture_of_an_episode(use_glyphs: Use, tmp_path: Path) -> None:
    use_glyphs(6, 12)
    for cls in (PrototypicalConfig, MAMLConfig):
        task = cls("glyphs", valid=0.0, held_out=3, ways=3, queries=7, width=4)
        with torch.no_grad():
            task.build(0).draw(tmp_path)
        assert (tmp_path / "episode.png").stat().st_size > 5_000


def test_mistakes(use_glyphs: Use) -> None:
    use_glyphs(5, 12)
    with pytest.raises(ValueError, match="3 held out classes are too few for episodes of 4 ways"):
        PrototypicalConfig("glyphs", held_out=3)
    with pytest.raises(UserError, match="leaves too few to learn from"):
        PrototypicalConfig("glyphs", valid=0.0, held_out=4).build(0)
    with pytest.raises(UserError, match=r"an episode needs 1 \+ 15 of each: lower shots or queries"):
        PrototypicalConfig("glyphs", valid=0.0, held_out=3, ways=3).build(0)
    with pytest.raises(UserError, match="2 classes to learn from are too few for 3 ways"):
        MAMLConfig("glyphs", valid=0.0, held_out=3, ways=3, queries=5).build(0)
