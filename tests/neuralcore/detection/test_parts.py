"""Boxes, anchors, matching, losses and variations: literal numbers, inverses, and what must not move."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from neuralcore.data.shapes import shapes
from neuralcore.detection.anchors import anchors_of, shapes_of
from neuralcore.detection.augmentation import flipped, recoloured, scaled
from neuralcore.detection.boxes import clipped, differences, moved, overlaps, thinned
from neuralcore.detection.losses import generalised_iou, sigmoid_focal
from neuralcore.detection.masks import gridded, pasted
from neuralcore.detection.matching import GROUND, IGNORED, matched, sampled
from neuralcore.detection.objects import Objects


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_differences_by_hand_and_back() -> None:
    anchor, box = torch.tensor([[0.0, 0.0, 10.0, 20.0]]), torch.tensor([[5.0, 0.0, 25.0, 20.0]])
    torch.testing.assert_close(differences(box, anchor), torch.tensor([[1.0, 0.0, math.log(2.0), 0.0]]))
    corner = torch.rand(50, 2, generator=generator()) * 90
    boxes = torch.cat([corner, corner + 1 + torch.rand(50, 2, generator=generator(1)) * 30], dim=1)
    torch.testing.assert_close(
        moved(differences(boxes, boxes.roll(1, 0)), boxes.roll(1, 0)), boxes, rtol=1e-4, atol=1e-3
    )
    assert moved(torch.full((1, 4), 1e9), anchor).isfinite().all()
    assert clipped(torch.tensor([[-5.0, 2.0, 50.0, 99.0]]), 30, 40).tolist() == [[0.0, 2.0, 40.0, 30.0]]


def test_overlaps_and_thinning_by_hand() -> None:
    boxes = torch.tensor([[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 5.0], [20.0, 0.0, 30.0, 10.0]])
    torch.testing.assert_close(overlaps(boxes[:1], boxes), torch.tensor([[1.0, 0.5, 0.0]]))
    scores, one = torch.tensor([0.5, 0.9, 0.7]), torch.zeros(3, dtype=torch.int64)
    assert thinned(boxes, scores, one, 0.4).tolist() == [1, 2]
    assert thinned(boxes, scores, one, 0.5).tolist() == [1, 2, 0]  # only above the threshold
    assert thinned(boxes, scores, torch.tensor([0, 1, 0]), 0.4).tolist() == [1, 2, 0]


def test_anchors_lie_around_positions() -> None:
    shapes = shapes_of(8.0, (1.0, 2.0), (0.25, 1.0))
    sides = shapes[:, 2:] - shapes[:, :2]
    torch.testing.assert_close(sides, torch.tensor([[16.0, 4.0], [8.0, 8.0], [32.0, 8.0], [16.0, 16.0]]))
    fine, coarse = anchors_of([(2, 3), (1, 1)], [8, 16], 2.0, (1.0,), (1.0,))
    assert fine.shape == (6, 4)
    assert fine[4].tolist() == [4.0, 4.0, 20.0, 20.0]  # row 1, column 1: centre 12, 12
    assert coarse.tolist() == [[-8.0, -8.0, 24.0, 24.0]]


def test_matching_by_hand() -> None:
    """Against one box of 10 x 10: IoU 1, 1/2, 2/5, 1/10 and 0."""
    anchors = torch.tensor([[0, 0, 10, 10], [0, 0, 10, 5], [0, 0, 10, 4], [0, 0, 10, 1], [50, 50, 60, 60]]).float()
    box, easy = torch.tensor([[0.0, 0.0, 10.0, 10.0]]), torch.tensor([False])
    assert matched(anchors, box, easy, 0.4, 0.5, False).tolist() == [0, 0, IGNORED, GROUND, GROUND]
    assert matched(anchors, box, ~easy, 0.4, 0.5, False).tolist() == [IGNORED] * 3 + [GROUND] * 2
    rest = anchors[2:]
    assert matched(rest, box, easy, 0.4, 0.5, False).tolist() == [IGNORED, GROUND, GROUND]
    assert matched(rest, box, easy, 0.4, 0.5, True).tolist() == [0, GROUND, GROUND]
    assert matched(rest, box[:0], easy[:0], 0.4, 0.5, True).tolist() == [GROUND] * 3
    far = torch.tensor([[90.0, 90.0, 95.0, 95.0]])  # no anchor meets it: none stands for it
    assert (matched(anchors, far, easy, 0.4, 0.5, True) == GROUND).all()


def test_sampling_takes_objects_first_and_fills_up_with_ground() -> None:
    of = torch.tensor([0] * 30 + [GROUND] * 100 + [IGNORED] * 50)
    taken, ground = sampled(of, 40, 0.25, generator())
    assert (len(taken), len(ground)) == (10, 30)
    assert (of[taken] == 0).all()
    assert (of[ground] == GROUND).all()
    taken, ground = sampled(of[27:], 40, 0.25, generator())
    assert (len(taken), len(ground)) == (3, 37)


def test_losses_by_hand() -> None:
    """p = 3/4: α (1 - p)² (-log p) where it should be 1, (1 - α) p² (-log(1 - p)) where 0."""
    logit = torch.full((1, 2), math.log(3.0))
    found = sigmoid_focal(logit, torch.tensor([[1.0, 0.0]]))
    expected = [0.25 / 16 * math.log(4 / 3), 0.75 * 9 / 16 * math.log(4)]
    torch.testing.assert_close(found, torch.tensor([expected]))
    boxes = torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 2.0, 2.0]])
    others = torch.tensor([[2.0, 0.0, 3.0, 1.0], [0.0, 0.0, 2.0, 1.0]])
    torch.testing.assert_close(generalised_iou(boxes, others), torch.tensor([-1 / 3, 0.5]))


def scenes(count: int = 6) -> tuple[torch.Tensor, list[Objects]]:
    drawn = shapes(count, size=64, seed=1, most=3)
    kept = []
    for kinds, boxes, masks in zip(drawn.kinds, drawn.boxes, drawn.masks, strict=True):
        there = torch.from_numpy(np.flatnonzero(kinds >= 0))
        arrays = (boxes, kinds, np.zeros(len(kinds), bool), masks)
        kept.append(Objects(*(torch.from_numpy(array)[there] for array in arrays)))
    return torch.from_numpy(drawn.images), kept


def box_of(mask: torch.Tensor) -> list[float]:
    rows, columns = mask.any(1).nonzero()[:, 0], mask.any(0).nonzero()[:, 0]
    return [float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)]


def test_boxes_stay_around_what_they_are_around() -> None:
    """Masks move with the images' pixels; so boxes must be those of the moved masks, but for a pixel's rounding."""
    images, objects = scenes()
    fill = torch.full((3,), 40.0)
    for seed in range(4):
        for vary, slack in (
            (lambda g: flipped(images, objects, True, g), 0.01),
            (lambda g: scaled(images, objects, 0.4, fill, g), 1.6),
        ):
            moved_images, moved_objects = vary(generator(seed))
            assert moved_images.shape == images.shape
            assert moved_images.dtype == torch.uint8
            for image, own in zip(moved_images, moved_objects, strict=True):
                assert own.masks is not None
                assert len(own.boxes) == len(own.kinds) == len(own.difficult) == len(own.masks)
                for box, mask, hard in zip(own.boxes, own.masks, own.difficult, strict=True):
                    if not hard and mask.any():
                        assert (box - torch.tensor(box_of(mask))).abs().max() <= slack
                    inner = mask & (image.float().mean(0) > 75)
                    assert inner.sum() >= 0.8 * mask.sum() - 12  # shapes are bright
    again = scaled(images, objects, 0.4, fill, generator(2))[0]
    assert torch.equal(again, scaled(images, objects, 0.4, fill, generator(2))[0])


def test_what_is_cut_off_becomes_difficult() -> None:
    images = torch.full((200, 3, 32, 32), 90, dtype=torch.uint8)
    box = torch.tensor([[0.0, 0.0, 6.0, 6.0]])
    one = Objects(box, torch.tensor([0]), torch.tensor([False]))
    _, found = scaled(images, [one] * 200, 1.0, torch.zeros(3), generator())
    kept = [own for own in found if len(own.boxes)]
    assert len(kept) < 200  # of some nothing is left
    assert {bool(own.difficult[0]) for own in kept} == {True, False}
    for own in kept:
        assert own.boxes.min() >= 0
        assert own.boxes.max() <= 32


def test_colours_vary_and_stay_bytes() -> None:
    images, _ = scenes()
    found = recoloured(images, 0.3, generator())
    assert found.dtype == torch.uint8
    ratios = found.float().mean((2, 3)) / images.float().mean((2, 3))
    assert ratios.std() > 0.02
    assert torch.equal(recoloured(images, 0.0, generator()), images)


def test_masks_go_to_grids_and_back() -> None:
    images, objects = scenes()
    for own in objects:
        assert own.masks is not None
        grids = gridded(own.masks, own.boxes, 28)
        assert grids.shape == (len(own.masks), 28, 28)
        for mask, box, grid in zip(own.masks, own.boxes, grids, strict=True):
            back = pasted(grid, box, 64, 64)
            assert (back & mask).sum() / (back | mask).sum() > 0.85
    assert not pasted(torch.ones(4, 4), torch.tensor([8.0, 8.0, 12.0, 16.0]), 32, 32)[:, 12:].any()
    assert pasted(torch.ones(4, 4), torch.tensor([8.0, 8.0, 12.0, 16.0]), 32, 32).sum() == 32
    assert images.shape[0] == 6


def test_focal_balance_and_focus_matter() -> None:
    logits, targets = torch.tensor([[0.3, -1.0]]), torch.tensor([[1.0, 0.0]])
    one = sigmoid_focal(logits, targets)
    assert not torch.equal(one, sigmoid_focal(logits, targets, balance=0.5))
    assert not torch.equal(one, sigmoid_focal(logits, targets, focus=0.0))
    with pytest.raises(ValueError, match="targets has shape"):
        sigmoid_focal(logits, targets[0])
