"""The Chamfer distance by hand, and its gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from neuralcore.kernels.chamfer import chamfer
from neuralcore.layers.chamfer import chamfer_distance


def test_by_hand() -> None:
    points = torch.tensor([[[0.0, 0.0], [3.0, 0.0]]])
    others = torch.tensor([[[0.0, 1.0], [0.0, -1.0], [3.0, 2.0]]])
    found = chamfer(points.numpy(), others.numpy())
    assert found.rows.tolist() == [[0, 2]]  # of two at the same distance, the first
    assert found.squares.tolist() == [[1.0, 4.0]]
    assert found.other_rows.tolist() == [[0, 0, 1]]
    assert chamfer_distance(points, others).tolist() == [(1.0 + 4.0) / 2 + (1.0 + 1.0 + 4.0) / 3]


def test_the_gradient_is_that_of_all_distances() -> None:
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(3, 9, 3, generator=generator, requires_grad=True)
    others = torch.randn(3, 14, 3, generator=generator, requires_grad=True)
    weights = torch.tensor([1.0, 2.0, -0.5])
    squares = (points[:, :, None] - others[:, None]).square().sum(3)
    plain = squares.amin(2).mean(1) + squares.amin(1).mean(1)
    expected = torch.autograd.grad((weights * plain).sum(), (points, others))
    found = chamfer_distance(points, others)
    torch.testing.assert_close(found, plain)
    for one, other in zip(torch.autograd.grad((weights * found).sum(), (points, others)), expected, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    ("shapes", "dtype", "message"),
    [
        (((1, 2, 3), (2, 2, 3)), np.float32, "others has shape"),
        (((1, 2, 3), (1, 0, 3)), np.float32, "clouds need points, got 2 and 0"),
        (((1, 2, 3), (1, 2, 3)), np.float64, "points are float64, expected float32"),
    ],
)
def test_what_does_not_fit(shapes: tuple[tuple[int, ...], ...], dtype: type, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        chamfer(*(np.zeros(shape, dtype) for shape in shapes))
