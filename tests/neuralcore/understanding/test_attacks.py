"""Attacks: exact on linear models, within their bounds, worse the harder they try."""

from __future__ import annotations

import pytest
import torch

from neuralcore.understanding import fgsm, pgd, robust_accuracy

W = torch.randn((3, 2 * 4 * 4), generator=torch.Generator().manual_seed(0))


def linear(images: torch.Tensor) -> torch.Tensor:
    return images.flatten(1) @ W[:2].T


def images(count: int = 5, seed: int = 1) -> torch.Tensor:
    """Far from black and white, so that nothing is cut off."""
    return 0.3 + 0.4 * torch.rand((count, 2, 4, 4), generator=torch.Generator().manual_seed(seed))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_fgsm_on_a_linear_model_is_exact() -> None:
    """Of two classes the loss rises with (w1 - w0) x alone, so the corner of the box that has its signs is worst."""
    x, labels = images(), torch.tensor([0, 1, 0, 1, 0])
    way = (W[1] - W[0]).sign().view(2, 4, 4)
    wanted = x + 0.1 * torch.where(labels[:, None, None, None] == 0, way, -way)
    torch.testing.assert_close(fgsm(linear, x, labels, 0.1), wanted)


def test_pgd_on_a_linear_model_reaches_the_worst_point() -> None:
    x, labels = images(), torch.tensor([0, 1, 0, 1, 0])
    bad = pgd(linear, x, labels, 0.1, steps=10, generator=generator())
    torch.testing.assert_close(bad, fgsm(linear, x, labels, 0.1))
    bad = pgd(linear, x, labels, 0.5, norm="l2", steps=20, step_size=0.5, generator=generator())
    way = (W[1] - W[0]) / (W[1] - W[0]).norm()
    wanted = x + 0.5 * torch.where(labels == 0, 1.0, -1.0)[:, None, None, None] * way.view(2, 4, 4)
    torch.testing.assert_close(bad, wanted, atol=2e-3, rtol=0.0)


class Bent(torch.nn.Module):
    """A network of random weights, whose loss has many maxima."""

    def __init__(self) -> None:
        super().__init__()
        g = generator(5)
        self.one, self.two = 2.0 * torch.randn((64, 32), generator=g), torch.randn((3, 64), generator=g)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sin(x.flatten(1) @ self.one.T) @ self.two.T


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_pgd_stays_within_its_ball_and_the_images(norm: str) -> None:
    x = torch.rand((20, 2, 4, 4), generator=generator(2))
    labels = torch.randint(3, (20,), generator=generator(3))
    bad = pgd(Bent(), x, labels, 0.2, norm=norm, steps=7, restarts=2, generator=generator())
    apart = (bad - x).flatten(1)
    sizes = apart.abs().amax(1) if norm == "linf" else apart.norm(dim=1)
    assert sizes.max() <= 0.2 + 1e-6
    assert sizes.max() > 0.15
    assert bad.min() >= 0.0
    assert bad.max() <= 1.0


def margin(model: torch.nn.Module, x: torch.Tensor, labels: torch.Tensor) -> float:
    logits = model(x)
    own = logits.gather(1, labels[:, None])[:, 0]
    return float((logits.scatter(1, labels[:, None], -torch.inf).amax(1) - own).mean())


def test_steps_restarts_and_the_start_each_matter() -> None:
    model, x = Bent(), images(50)
    labels = model(x).argmax(1)
    harm = [
        margin(model, pgd(model, x, labels, 0.1, **given, generator=generator()), labels)
        for given in (
            {"steps": 1, "start_at_random": False},
            {"steps": 10, "start_at_random": False},
            {"steps": 10},
            {"steps": 10, "restarts": 5},
        )
    ]
    assert harm[0] < harm[1]
    assert harm[2] < harm[3]
    assert harm[1] != harm[2]
    small = pgd(model, x, labels, 0.1, steps=10, step_size=0.001, generator=generator())
    assert margin(model, small, labels) < harm[2]
    same = [pgd(model, x, labels, 0.1, restarts=2, generator=generator()) for _ in range(2)]
    assert torch.equal(*same)


def test_robust_accuracy_counts_what_no_attack_turned() -> None:
    """A linear model of two classes: an image is safe if |(w1 - w0) x| is above ε times the sum of |w1 - w0|."""
    x = images(200)
    apart = x.flatten(1) @ (W[1] - W[0])
    labels = (apart > 0).long()
    labels[:10] = 1 - labels[:10]  # told wrong from the beginning
    epsilon = float(apart.abs().quantile(0.6) / (W[1] - W[0]).abs().sum())
    safe = apart.abs() > epsilon * (W[1] - W[0]).abs().sum()
    safe[:10] = False
    found = robust_accuracy(linear, x, labels, epsilon, steps=20, restarts=1)
    assert torch.equal(found, safe)
    as_bytes = (255.0 * x).round().to(torch.uint8)
    assert float(robust_accuracy(linear, as_bytes, labels, epsilon).float().mean()) == pytest.approx(
        float(safe.float().mean()), abs=0.03
    )
