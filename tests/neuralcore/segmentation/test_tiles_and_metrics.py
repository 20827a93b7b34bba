"""Tiles, metrics and variations: hand-made numbers, and what must not change what is shown."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from neuralcore.segmentation.augmentation import cropped, deformed, relit, turned
from neuralcore.segmentation.metrics import counts, dice, iou, segmentation
from neuralcore.segmentation.tiles import mirrored, predicted, starts


def grey_levels(images: torch.Tensor) -> torch.Tensor:
    """A network that looks at single pixels: two classes, bright and dark."""
    x = images.float() / 64 - 2.0
    return torch.cat([x, -x], dim=1)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(1)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (50, 91), (7, 20), (33, 32)])
@pytest.mark.parametrize(("tile", "overlap", "margin"), [(32, 8, 0), (16, 0, 4), (16, 9, 0)])
def test_tiles_give_what_the_whole_gives(height: int, width: int, tile: int, overlap: int, margin: int) -> None:
    """A network without context is the same in any tile, so weights must sum to 1 everywhere."""
    image = torch.randint(0, 256, (1, height, width), dtype=torch.uint8, generator=generator())

    def network(x: torch.Tensor) -> torch.Tensor:
        assert x.shape[2:] == (tile + 2 * margin, tile + 2 * margin)
        middle = slice(margin, margin + tile)
        return grey_levels(x)[:, :, middle, middle]

    found = predicted(network, image, tile=tile, overlap=overlap, margin=margin)
    torch.testing.assert_close(found, grey_levels(image[None])[0].softmax(0), rtol=1e-5, atol=1e-6)


def test_turned_views_make_a_network_indifferent_to_turns() -> None:
    """One that looks a knight's move away is so once all turns are averaged."""
    image = torch.randint(0, 256, (1, 24, 19), dtype=torch.uint8, generator=generator())

    def network(x: torch.Tensor) -> torch.Tensor:
        return grey_levels(x.roll((1, 2), (2, 3))) * (1 + x.float() / 255)

    def found(image: torch.Tensor, views: int) -> torch.Tensor:
        return predicted(network, image, tile=16, overlap=4, views=views)

    for quarters, views in ((1, 4), (2, 4), (1, 8), (3, 8)):
        turned = found(image.rot90(quarters, (1, 2)), views).rot90(-quarters, (1, 2))
        torch.testing.assert_close(turned, found(image, views), rtol=1e-5, atol=1e-6)
    mirrored_too = found(image.flip(2), 8).flip(2)
    torch.testing.assert_close(mirrored_too, found(image, 8), rtol=1e-5, atol=1e-6)
    assert (found(image.flip(2), 4).flip(2) - found(image, 4)).abs().max() > 0.01
    assert (found(image.rot90(1, (1, 2)), 1).rot90(-1, (1, 2)) - found(image, 1)).abs().max() > 0.01


def test_where_tiles_begin() -> None:
    assert starts(512, 256, 64) == [0, 128, 256]
    assert starts(100, 128, 16) == [0]
    assert starts(512, 256, 0) == [0, 256]
    for length in range(30, 90):
        at = starts(length, 30, 7)
        assert at[0] == 0
        assert at[-1] == length - 30
        assert all(0 < b - a <= 23 for a, b in itertools.pairwise(at))


def test_the_mirror_repeats_no_border() -> None:
    row = torch.arange(4)[None, None]
    assert mirrored(row, 1, 12, 4)[0, 0].tolist() == [2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1]
    assert mirrored(row[:, :, :1], 3, 2, 1).flatten().tolist() == [0] * 6


def test_dice_and_iou_by_hand() -> None:
    labels = np.array([[[0, 0, 1, 1, 255]]], np.uint8)
    found = np.array([[[0, 1, 1, 1, 0]]], np.uint8)
    matrix = counts(labels, found, 3).sum(0)
    assert matrix.tolist() == [[1, 1, 0], [0, 2, 0], [0, 0, 0]]
    np.testing.assert_allclose(dice(matrix), [2 / 3, 4 / 5, np.nan])
    np.testing.assert_allclose(iou(matrix), [1 / 2, 2 / 3, np.nan])
    figures = segmentation(counts(labels, found, 3), ["a", "b", "c"])
    assert figures["dice"] == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert figures["accuracy"] == 3 / 4
    assert segmentation(counts(labels, found, 3), ["a", "b", "c"], "b")["dice"] == pytest.approx(4 / 5)


def test_the_interval_is_of_blocks() -> None:
    """Four blocks of which one is wrong throughout: drawing blocks again, not pixels, the interval is wide."""
    labels = np.zeros((1, 256, 200), np.uint8)
    labels[:, ::2] = 1
    found = labels.copy()
    found[:, :128, :128] = 1 - found[:, :128, :128]
    units = counts(labels, found, 2)
    assert units.shape == (4, 2, 2)
    figures = segmentation(units, ["a", "b"], "b")
    assert figures["dice"] == pytest.approx(1 - 128 * 128 / (256 * 200))
    assert figures["dice_low"] < 0.4
    assert figures["dice_high"] == 1.0


def test_images_and_labels_move_together() -> None:
    """Labels that are the image's brighter half stay so, but where pixels are mixed with their neighbours."""
    ramp = torch.linspace(0, 6.28 * 3, 40)
    images = (
        ((torch.sin(ramp)[:, None] * torch.cos(ramp * 0.7) + 1) * 127).to(torch.uint8)[None, None].repeat(6, 1, 1, 1)
    )
    labels = (images[:, 0] > 127).to(torch.uint8)
    for vary in (
        lambda g: turned(images, labels, g),
        lambda g: cropped(images, labels, 17, g),
        lambda g: deformed(images, labels, 3.0, g),
    ):
        moved, kept = vary(generator())
        again, _ = vary(generator())
        assert torch.equal(moved, again)
        assert moved.dtype == kept.dtype == torch.uint8
        assert moved.shape[2:] == kept.shape[1:]
        assert not torch.equal(moved[0], moved[1])
        clear = (moved[:, 0].int() - 127).abs() > 30
        assert ((moved[:, 0] > 127) == (kept == 1))[clear].float().mean() > 0.995
    lit = relit(images, 0.3, generator())
    assert lit.dtype == torch.uint8
    assert not torch.equal(lit[0], lit[1])
    still, same = deformed(images, labels, 0.0, generator())
    assert torch.equal(still, images)
    assert torch.equal(same, labels)


def test_all_eight_views_are_drawn() -> None:
    corner = torch.zeros(200, 1, 4, 4, dtype=torch.uint8)
    corner[:, :, 0, 1] = 1
    views, labels = turned(corner, corner[:, 0], generator())
    assert len({tuple(view.flatten().tolist()) for view in views}) == 8
    assert torch.equal(views[:, 0], labels)
