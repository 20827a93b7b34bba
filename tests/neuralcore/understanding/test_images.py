"""Images made to please a network: that they do, that every setting changes something, and Gram matrices."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from neuralcore.errors import UserError
from neuralcore.seeding import seeded_torch
from neuralcore.understanding import ascend, deep_dream, gram, invert, output_score, texture, transfer
from neuralcore.understanding.ascent import blurred
from neuralcore.understanding.inversion import total_variation


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def model() -> nn.Module:
    with seeded_torch(3):
        layers = [nn.Conv2d(2, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU()]
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)).eval()


def images(count: int = 1, side: int = 14, seed: int = 1) -> torch.Tensor:
    return torch.rand((count, 2, side, side), generator=generator(seed))


def test_ascent_raises_the_score_and_every_setting_matters(model: nn.Module) -> None:
    x, score = images(2), output_score(model, 1)
    base: dict[str, Any] = {"steps": 12}
    found = ascend(score, x, **base, generator=generator())
    assert (score(found) > score(x)).all()
    assert found.min() >= 0.0
    assert found.max() <= 1.0
    assert torch.equal(found, ascend(score, x, **base, generator=generator()))
    changes: list[dict[str, Any]] = [{"steps": 5}, {"step_size": 0.01}, {"decay": 0.1}, {"blur": 1.0}]
    for change in [*changes, {"blur_every": 3}, {"jitter": 0}, {"blur": 0.0}]:
        assert not torch.equal(found, ascend(score, x, **{**base, **change}, generator=generator())), change


def test_a_blur_keeps_the_mean_and_spreads_as_a_gaussian() -> None:
    point = torch.zeros(1, 2, 31, 31)
    point[:, :, 15, 15] = 1.0
    found = blurred(point, 2.0)
    torch.testing.assert_close(found.sum((2, 3)), torch.ones(1, 2))
    at = torch.arange(31.0) - 15
    variance = (found[0, 0].sum(0) * at**2).sum()
    assert float(variance) == pytest.approx(4.0, rel=0.05)


def test_a_dream_strengthens_what_a_layer_sees(model: nn.Module) -> None:
    x = images(2, 24)
    found = deep_dream(model, "2", x, steps=4, generator=generator())
    assert found.shape == x.shape
    with torch.no_grad():
        before, after = (model[:3](y).pow(2).flatten(1).mean(1) for y in (x, found))
    assert (after > 1.1 * before).all()
    for change in ({"octaves": 1}, {"ratio": 1.8}, {"step_size": 0.01}, {"jitter": 0}, {"steps": 2}):
        assert not torch.equal(found, deep_dream(model, "2", x, **{"steps": 4, **change}, generator=generator()))
    with pytest.raises(UserError, match="no module 'conv'"):
        deep_dream(model, "conv", x, generator=generator())
    with pytest.raises(UserError, match="octaves must be 1 or more"):
        deep_dream(model, "2", x, octaves=0, generator=generator())


def test_inversion_comes_near_the_features(model: nn.Module) -> None:
    x = blurred(images(2), 1.5)
    priors = {"range_weight": 0.0, "variation_weight": 0.0}
    found, history = invert(model, "2", x, steps=150, **priors, generator=generator())
    assert history[-1] < 0.02 * history[0]
    assert (found - x).abs().mean() < 0.06  # the first layers lose little
    assert all(p.requires_grad and p.grad is None for p in model.parameters())
    smooth = invert(model, "2", x, steps=20, range_weight=0.0, variation_weight=50.0, generator=generator())[0]
    rough = invert(model, "2", x, steps=20, **priors, generator=generator())[0]
    assert (total_variation(smooth) < total_variation(rough)).all()
    grey = invert(model, "2", x, steps=20, range_weight=1e4, variation_weight=0.0, generator=generator())[0]
    assert (grey - 0.5).abs().max() < (rough - 0.5).abs().max()


def test_total_variation_by_hand() -> None:
    x = torch.tensor([[[[0.0, 1.0], [2.0, 5.0]]]])
    assert float(total_variation(x)) == pytest.approx(4.0 + 1.0)
    assert float(total_variation(x, beta=1.0)) == pytest.approx(5.0**0.5)


def test_a_gram_matrix_is_the_mean_of_products() -> None:
    maps = torch.randn((2, 3, 4, 5), generator=generator())
    torch.testing.assert_close(gram(maps), torch.einsum("bihw,bjhw->bij", maps, maps) / 20)


def test_style_goes_on_falling() -> None:
    """Black and white images under batch norms: most pixels go to the edges, and a step must not end the descent."""
    with seeded_torch(0):
        wide = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()).eval()
    noise = torch.rand((1, 1, 20, 20), generator=generator(2))
    image = torch.rand((1, 1, 20, 20), generator=generator(3)).round()
    _, history = texture(wide, ["0", "1"], image, steps=60, generator=generator())
    assert history[-1] < 5e-3 * history[0]
    found, history = transfer(wide, noise, image, content_module="1", style_modules=["0", "1"], steps=60)
    assert history[-1] < 0.25 * history[0]
    assert history[-1] == min(history)
    assert found.min() >= 0.0
    assert found.max() <= 1.0


def test_a_texture_of_another_size_has_the_same_gram_matrices(model: nn.Module) -> None:
    image = images(1, 16)
    found, history = texture(model, ["0", "2"], image, size=(20, 18), steps=25, generator=generator())
    assert found.shape == (1, 2, 20, 18)
    assert history[-1] < 0.05 * history[0]
    with torch.no_grad():
        wanted, got = (gram(model[:3](x)) for x in (image, found))
    assert (wanted - got).norm() < 0.3 * wanted.norm()
    with pytest.raises(UserError, match="one module or more"):
        texture(model, [], image, generator=generator())


def test_a_transfer_lies_between_content_and_style(model: nn.Module) -> None:
    content, style = blurred(images(1, 16, seed=2), 2.0), images(1, 12, seed=3)
    given: dict[str, Any] = {"content_module": "2", "style_modules": ["0", "2"], "steps": 15}
    found, history = transfer(model, content, style, **given)
    assert found.shape == content.shape
    assert history[-1] < 0.5 * history[0]
    kept, _ = transfer(model, content, style, **given, content_weight=100.0)
    assert (kept - content).norm() < (found - content).norm()
    with torch.no_grad():
        wanted = gram(model[:3](style))
        apart = [float((gram(model[:3](x)) - wanted).norm()) for x in (kept, found)]
    assert apart[1] < apart[0]
    assert not torch.equal(found, transfer(model, content, style, **given, style_weight=1000.0)[0])
