"""RoI align against torch's own interpolation, and its gradient against finite differences."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from neuralcore.kernels.roi_align import roi_align
from neuralcore.layers.roi_align import roi_aligned


def by_grid_sample(features: torch.Tensor, box: torch.Tensor, scale: float, size: int, samples: int) -> torch.Tensor:
    """(C, size, size) of one image (C, H, W), by another way: points first, then means of cells."""
    height, width = features.shape[1:]
    count = size * samples
    left, top, right, bottom = (box * scale).tolist()
    x = left + (torch.arange(count) + 0.5) * (right - left) / count
    y = top + (torch.arange(count) + 0.5) * (bottom - top) / count
    grid = torch.stack([x.expand(count, -1) / width, y[:, None].expand(-1, count) / height], dim=2) * 2 - 1
    points = F.grid_sample(features[None], grid[None], padding_mode="border", align_corners=False)
    return F.avg_pool2d(points, samples)[0]


@pytest.mark.parametrize(("size", "samples", "scale"), [(1, 1, 1.0), (3, 2, 0.5), (7, 2, 0.25), (2, 4, 1.0)])
def test_it_is_interpolation_and_a_mean(size: int, samples: int, scale: float) -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, 3, 9, 12, generator=generator)
    sides = torch.tensor([12.0, 9.0]) / scale
    corner = torch.rand(6, 2, generator=generator) * 0.6 * sides
    boxes = torch.cat([corner, corner + (0.05 + 0.35 * torch.rand(6, 2, generator=generator)) * sides], dim=1)
    images = torch.tensor([0, 1, 1, 0, 1, 0])
    found = roi_aligned(features, boxes, images, scale, size, samples)
    for cells, box, image in zip(found, boxes, images, strict=True):
        expected = by_grid_sample(features[image], box, scale, size, samples)
        torch.testing.assert_close(cells, expected, rtol=1e-4, atol=1e-5)


def test_by_hand() -> None:
    """A box over the four middle pixels of a ramp: the middle of each cell lies at a pixel's centre."""
    ramp = torch.arange(16.0).view(1, 1, 4, 4)
    cells = roi_aligned(ramp, torch.tensor([[1.0, 1.0, 3.0, 3.0]]), torch.tensor([0]), 1.0, 2, samples=1)
    torch.testing.assert_close(cells[0, 0], torch.tensor([[5.0, 6.0], [9.0, 10.0]]))
    far = roi_aligned(ramp, torch.tensor([[9.0, 9.0, 12.0, 12.0]]), torch.tensor([0]), 1.0, 2)
    assert float(far.abs().max()) == 0.0


def test_its_gradient_is_that_of_the_sum() -> None:
    """The op is linear in the features, so <g, f(x)> = <gradient, x>, in either layout."""
    generator = torch.Generator().manual_seed(1)
    boxes = torch.tensor([[0.0, 0.0, 20.0, 30.0], [-4.0, 5.0, 9.0, 40.0], [3.0, 3.0, 3.5, 4.0]])
    images = torch.tensor([0, 1, 1])
    for layout in (torch.contiguous_format, torch.channels_last):
        features = torch.randn(2, 5, 7, 6, generator=generator).contiguous(memory_format=layout).requires_grad_()
        cells = roi_aligned(features, boxes, images, 0.25, 3)
        weights = torch.randn(cells.shape, generator=generator)
        (cells * weights).sum().backward()
        assert features.grad is not None
        weighted = (cells * weights).sum().detach()
        torch.testing.assert_close((features.grad * features).sum(), weighted, rtol=1e-4, atol=1e-4)
        assert float(features.grad[0].abs().sum()) > 0


def test_what_does_not_fit_is_refused() -> None:
    features, boxes = torch.zeros(1, 4, 4, 2).numpy(), torch.zeros(3, 4).numpy()
    images = torch.zeros(3, dtype=torch.int64).numpy()
    with pytest.raises(ValueError, match="images has shape"):
        roi_align(features, boxes, images[:2], 1.0, 2, 2)
    with pytest.raises(ValueError, match="scale must be above 0"):
        roi_align(features, boxes, images, 0.0, 2, 2)
    with pytest.raises(ValueError, match="expected float32"):
        roi_align(features.astype("float64"), boxes, images, 1.0, 2, 2)
