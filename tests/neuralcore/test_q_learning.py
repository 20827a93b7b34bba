"""Op `q_learning` by hand, and its gradient by torch's differentiation. The conformance test has the rest."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from neuralcore.kernels.q_learning import q_learning

TARGET = np.array([[10.0, 20.0], [30.0, 40.0]], np.float32)
SELECTOR = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
Q = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
ROWS = np.array([0, 1]), np.array([0.5, 1.0], np.float32), np.array([0.9, 0.0], np.float32)
ONES = np.ones(2, np.float32)


def test_errors_by_hand() -> None:
    # 0.5 + 0.9·20 - 1 = 17.5;  1 + 0·40 - 4 = -3
    learned = q_learning(Q, *ROWS, TARGET, TARGET, ONES, None)
    np.testing.assert_allclose(learned.errors, [17.5, -3.0])
    np.testing.assert_allclose(learned.losses, [0.5 * 17.5**2, 4.5])
    # Double: the selector prefers action 0 in the first row, rated 10 by the target.
    learned = q_learning(Q, *ROWS, TARGET, SELECTOR, np.array([0.5, 1.0], np.float32), 1.0)
    np.testing.assert_allclose(learned.errors, [8.5, -3.0])
    np.testing.assert_allclose(learned.losses, [0.5 * (8.5 - 0.5), 3.0 - 0.5])
    np.testing.assert_allclose(learned.gradient, [[-0.25, 0.0], [0.0, 0.5]])  # clipped to ±1, over a batch of two


@pytest.mark.parametrize("clip", [None, 0.7])
def test_the_gradient_is_that_of_the_mean_loss(clip: float | None) -> None:
    rng = np.random.default_rng(3)
    values = torch.from_numpy(rng.normal(size=(9, 4)).astype(np.float32)).requires_grad_()
    target, selector = (rng.normal(size=(9, 4)).astype(np.float32) for _ in range(2))
    action, reward = rng.integers(0, 4, 9), rng.normal(size=9).astype(np.float32)
    discount, weight = rng.random(9, np.float32), rng.random(9, np.float32)
    learned = q_learning(values.detach().numpy(), action, reward, discount, target, selector, weight, clip)

    bootstrap = torch.from_numpy(target).gather(1, torch.from_numpy(selector).argmax(1, keepdim=True)).squeeze(1)
    wanted = torch.from_numpy(reward) + torch.from_numpy(discount) * bootstrap
    found = values.gather(1, torch.from_numpy(action)[:, None]).squeeze(1)
    huber = torch.nn.functional.huber_loss(found, wanted, reduction="none", delta=clip or 1e9)
    losses = torch.from_numpy(weight) * huber
    losses.mean().backward()
    np.testing.assert_allclose(learned.losses, losses.detach(), rtol=1e-5)
    np.testing.assert_allclose(learned.gradient, values.grad, rtol=1e-5, atol=1e-7)


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match="weight has shape"):
        q_learning(Q, *ROWS, TARGET, TARGET, ONES[:, None], None)
    with pytest.raises(ValueError, match="reward_t has shape"):
        q_learning(Q, ROWS[0], ONES[:, None], ROWS[2], TARGET, TARGET, ONES, None)
