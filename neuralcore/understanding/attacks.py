"""Images that mislead a network, within so little that a person sees no difference.

- FGSM: Goodfellow et al. 2015 (https://arxiv.org/abs/1412.6572), section 4: x + ε sign(∂ loss / ∂ x);
- PGD: Madry et al. 2018 (https://arxiv.org/abs/1706.06083), section 2.1: such steps, each brought back into the ball
  of ε around x, from a random point in it, the worst of some restarts being kept.

The loss is log Σ_k≠y exp(z_k) - z_y, of which cross-entropy is the softplus: its gradient has the same direction, and
does not become 0 in float32 where a network is sure of itself, which would pass for robustness.

A model takes images (B, C, H, W) in [0, 1] and gives logits (B, K); what leaves [0, 1] is cut off. It should be in
evaluation mode.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch

from neuralcore.shape import match_shape

Model = Callable[[torch.Tensor], torch.Tensor]
Norm = Literal["linf", "l2"]
AT_ONCE = 500  # images attacked in a pass


def fgsm(model: Model, images: torch.Tensor, labels: torch.Tensor, epsilon: float) -> torch.Tensor:
    """Images at most ε away in each number, where a linear model's loss is largest."""
    return (images + epsilon * _slope(model, images, labels)[0].sign()).clamp(0.0, 1.0)


def pgd(
    model: Model,
    images: torch.Tensor,
    labels: torch.Tensor,
    epsilon: float,
    *,
    norm: Norm = "linf",
    steps: int = 20,
    step_size: float | None = None,
    restarts: int = 1,
    start_at_random: bool = True,
    generator: torch.Generator,
) -> torch.Tensor:
    """Images within ε of those given, whose loss is large: of all that were seen on the way, each image's worst.

    Args:
        norm: linf: no number is moved further than ε; l2: the length of what is added is ε or less.
        step_size: of each step, by default 2.5 ε / steps (Madry et al. 2018, section 5.2 for the ratio).
        restarts: times it is begun anew. start_at_random: from a point in the ball drawn evenly, else from the image.
    """
    count = match_shape(labels, -1, name="labels")[0]
    match_shape(images, count, -1, -1, -1, name="images")
    size = 2.5 * epsilon / steps if step_size is None else step_size
    worst, losses = images.clone(), torch.full((count,), -torch.inf, device=images.device)

    def see(x: torch.Tensor, seen: torch.Tensor) -> None:
        """Keep what is worse than anything before; what is told right counts less than anything told wrong."""
        nonlocal worst, losses
        is_worse = seen > losses
        worst = torch.where(is_worse[:, None, None, None], x, worst)
        losses = torch.where(is_worse, seen, losses)

    for _ in range(restarts):
        delta = torch.zeros_like(images)
        if start_at_random:
            delta = _drawn(images, epsilon, norm, generator)
        x = (images + delta).clamp(0.0, 1.0)
        for _ in range(steps):
            slope, seen = _slope(model, x, labels)
            see(x, seen)
            step = slope.sign() if norm == "linf" else slope / _length(slope)
            x = _back(x + size * step, images, epsilon, norm)
        with torch.no_grad():
            see(x, _harm(model(x), labels))
    return worst


def robust_accuracy(
    model: Model,
    images: torch.Tensor,
    labels: torch.Tensor,
    epsilon: float,
    *,
    norm: Norm = "linf",
    steps: int = 20,
    restarts: int = 1,
    seed: int = 0,
) -> torch.Tensor:
    """(B,) bool: which images are told right, before and after the attack; its mean is the robust accuracy."""
    right = []
    generator = torch.Generator().manual_seed(seed)
    for some, own in zip(images.split(AT_ONCE), labels.split(AT_ONCE)):
        x = as_floats(some)
        with torch.no_grad():
            told = model(x).argmax(1) == own
        at = told.nonzero()[:, 0]  # the others need no attack
        if len(at):
            bad = pgd(model, x[at], own[at], epsilon, norm=norm, steps=steps, restarts=restarts, generator=generator)
            with torch.no_grad():
                told[at] = model(bad).argmax(1) == own[at]
        right.append(told)
    return torch.cat(right)


def as_floats(images: torch.Tensor) -> torch.Tensor:
    """Images in [0, 1], from bytes or such floats."""
    return images.float() / 255.0 if images.dtype == torch.uint8 else images


def _slope(model: Model, images: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """∂ loss / ∂ images, and how harmful they are (B,)."""
    with torch.enable_grad():
        x = images.detach().clone().requires_grad_(True)
        logits = model(x).float()
        others = logits.scatter(1, labels[:, None], -torch.inf)
        loss = others.logsumexp(1) - logits.gather(1, labels[:, None])[:, 0]
        (slope,) = torch.autograd.grad(loss.sum(), x)
    return slope, _harm(logits.detach(), labels)


def _harm(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """(B,): the largest other logit less the own one; above 0 where the image is told wrong."""
    own = logits.gather(1, labels[:, None])[:, 0]
    others = logits.scatter(1, labels[:, None], -torch.inf)
    return (others.amax(1) - own).float()


def _length(x: torch.Tensor) -> torch.Tensor:
    return x.flatten(1).norm(dim=1).clamp_min(1e-12)[:, None, None, None]


def _back(x: torch.Tensor, images: torch.Tensor, epsilon: float, norm: Norm) -> torch.Tensor:
    """The nearest point in the ball around the images, then in [0, 1]."""
    delta = x - images
    if norm == "linf":
        delta = delta.clamp(-epsilon, epsilon)
    else:
        delta = delta * (epsilon / _length(delta)).clamp_max(1.0)
    return (images + delta).clamp(0.0, 1.0)


def _drawn(images: torch.Tensor, epsilon: float, norm: Norm, generator: torch.Generator) -> torch.Tensor:
    """A point of the ball, evenly."""
    if norm == "linf":
        return epsilon * (2.0 * torch.rand(images.shape, generator=generator) - 1.0).to(images)
    direction = torch.randn(images.shape, generator=generator).to(images)
    share = torch.rand(len(images), generator=generator).to(images) ** (1.0 / images[0].numel())
    return epsilon * share[:, None, None, None] * direction / _length(direction)
