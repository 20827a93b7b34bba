"""The maths of policy gradients: against torch.distributions, numbers worked out by hand, and autograd."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from rlkit.policy_gradient import (
    categorical,
    clipped_surrogate_loss,
    gaussian,
    masked_mean,
    normalised,
    policy_gradient_loss,
    squared_error,
)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_categorical_is_torchs() -> None:
    logits, action = 3 * normal(7, 5), torch.tensor([0, 4, 2, 2, 1, 3, 0])
    log_probability, entropy = categorical(logits, action)
    torchs = torch.distributions.Categorical(logits=logits)
    torch.testing.assert_close(log_probability, torchs.log_prob(action))
    torch.testing.assert_close(entropy, torchs.entropy())


def test_categorical_by_hand_and_far_out() -> None:
    logits = torch.tensor([[math.log(3.0), 0.0], [1e9, -1e9]])
    log_probability, entropy = categorical(logits, torch.tensor([0, 0]))
    torch.testing.assert_close(log_probability, torch.tensor([math.log(0.75), 0.0]))
    torch.testing.assert_close(entropy, torch.tensor([-0.75 * math.log(0.75) - 0.25 * math.log(0.25), 0.0]))


def test_gaussian_is_torchs() -> None:
    mean, log_std, action = normal(7, 3), normal(3, seed=1), normal(7, 3, seed=2)
    log_probability, entropy = gaussian(mean, log_std, action)
    torchs = torch.distributions.Independent(torch.distributions.Normal(mean, log_std.exp()), 1)
    torch.testing.assert_close(log_probability, torchs.log_prob(action))
    torch.testing.assert_close(entropy, torchs.entropy())


def test_policy_gradient_by_hand() -> None:
    logits = torch.zeros(1, 2, requires_grad=True)
    log_probability, _ = categorical(logits, torch.tensor([0]))
    advantage = torch.tensor([3.0], requires_grad=True)
    loss = policy_gradient_loss(log_probability, advantage)
    assert loss.item() == pytest.approx(3 * math.log(2))
    loss.sum().backward()
    # The gradient of log softmax is [action taken] - π.
    np.testing.assert_allclose(logits.grad, [[-1.5, 1.5]])
    assert advantage.grad is None


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "slope"),
    [
        (1.0, 2.0, -2.0, -2.0),
        (1.1, 2.0, -2.2, -2.2),  # within the clip: the gradient by log π is -ρ A
        (1.5, 2.0, -2.4, 0.0),  # likelier by more than 0.2, and rewarded no more for it
        (0.5, 2.0, -1.0, -1.0),  # the wrong way: nothing is clipped
        (0.5, -2.0, 1.6, 0.0),
        (1.5, -2.0, 3.0, 3.0),
    ],
)
def test_clipped_surrogate_by_hand(ratio: float, advantage: float, loss: float, slope: float) -> None:
    old = torch.tensor([-1.0], requires_grad=True)
    log_probability = torch.tensor([math.log(ratio) - 1.0], requires_grad=True)
    found = clipped_surrogate_loss(log_probability, old, torch.tensor([advantage]), 0.2)
    assert found.item() == pytest.approx(loss)
    found.sum().backward()
    assert log_probability.grad is not None
    assert log_probability.grad.item() == pytest.approx(slope)
    assert old.grad is None


def test_before_the_first_step_both_losses_have_one_gradient() -> None:
    logits, action, advantage = normal(7, 5).requires_grad_(), torch.arange(7) % 5, normal(7, seed=3)
    log_probability, _ = categorical(logits, action)
    (plain,) = torch.autograd.grad(policy_gradient_loss(log_probability, advantage).sum(), logits, retain_graph=True)
    surrogate = clipped_surrogate_loss(log_probability, log_probability, advantage, 0.2)
    torch.testing.assert_close(torch.autograd.grad(surrogate.sum(), logits)[0], plain)


def test_squared_error_and_means() -> None:
    value, target = torch.tensor([1.0, 5.0], requires_grad=True), torch.tensor([3.0, 5.5], requires_grad=True)
    rows = squared_error(value, target)
    assert rows.tolist() == [4.0, 0.25]
    masked_mean(rows, torch.tensor([1.0, 0.0])).backward()
    np.testing.assert_allclose(value.grad, [-4.0, 0.0])
    assert target.grad is None
    assert masked_mean(torch.tensor([4.0, 0.25]), torch.ones(2)) == 2.125
    assert masked_mean(torch.tensor([4.0, 0.25]), torch.zeros(2)) == 0.0
    np.testing.assert_allclose(normalised(np.array([1.0, 3.0], np.float32)), [-1.0, 1.0], rtol=1e-6)
    np.testing.assert_array_equal(normalised(np.full(3, 2.0)), 0.0)


def test_shapes_that_would_broadcast_are_refused() -> None:
    flat, column = torch.zeros(2), torch.zeros(2, 1)
    for wrong in (
        lambda: categorical(torch.zeros(2, 3), torch.zeros(2, 1, dtype=torch.int64)),
        lambda: gaussian(column, torch.zeros(1), flat),
        lambda: policy_gradient_loss(flat, column),
        lambda: clipped_surrogate_loss(flat, flat, column, 0.2),
        lambda: squared_error(flat, column),
        lambda: masked_mean(flat, column),
        lambda: normalised(np.zeros((2, 1))),
    ):
        with pytest.raises(ValueError, match="has shape"):
            wrong()
