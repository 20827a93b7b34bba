"""Average precision by hand: every rule of VOC and COCO has an example of its own."""

from __future__ import annotations

import numpy as np
import pytest

from neuralcore.detection.average_precision import Boxes, average_precision, detection, interval, judged


def there(*boxes: tuple[float, ...], difficult: tuple[bool, ...] | None = None) -> Boxes:
    hard = np.zeros(len(boxes), bool) if difficult is None else np.array(difficult)
    return Boxes(np.array(boxes, np.float32).reshape(-1, 4), np.zeros(len(boxes), np.int64), None, hard)


def found(*boxes: tuple[float, ...]) -> Boxes:
    """Left, top, right, bottom, score."""
    array = np.array(boxes, np.float32).reshape(-1, 5)
    return Boxes(array[:, :4], np.zeros(len(boxes), np.int64), array[:, 4])


A, B = (0.0, 0.0, 10.0, 10.0), (20.0, 0.0, 30.0, 10.0)


def test_average_precision_by_hand() -> None:
    """Right, wrong, right, wrong, right of four objects: precisions 1, 1/2, 2/3, 1/2, 3/5, made monotonous."""
    right = np.array([True, False, True, False, True])
    assert average_precision(right, 4) == pytest.approx((1 + 2 / 3 + 3 / 5) / 4)
    # 101 recalls: 0 … 0.25 (26 of them) at 1, … 0.50 (25) at 2/3, … 0.75 (25) at 3/5, the rest at 0
    assert average_precision(right, 4, "101") == pytest.approx((26 + 25 * 2 / 3 + 25 * 3 / 5) / 101)
    assert average_precision(np.zeros(0, bool), 3) == 0.0
    assert np.isnan(average_precision(right, 0))
    assert average_precision(np.array([True] * 3), 3) == average_precision(np.array([True] * 3), 3, "101") == 1.0


def test_an_object_is_found_once() -> None:
    images = [found((*A, 0.9), (*A, 0.8)), found((*B, 0.85))]
    result = judged(images, [there(A), there(B)], 0, 0.5, free=False)
    assert result.right.tolist() == [True, True, False]  # in the order of their scores, over both images
    assert result.image.tolist() == [0, 1, 0]
    assert result.objects.tolist() == [1, 1]


def test_voc_takes_the_best_object_and_coco_the_best_that_is_free() -> None:
    """Two boxes over two objects that overlap each other: the second's best object is taken already."""
    left, right = (0.0, 0.0, 10.0, 10.0), (3.0, 0.0, 13.0, 10.0)
    both = [found((0.5, 0.0, 10.5, 10.0, 0.9), (1.0, 0.0, 11.0, 10.0, 0.8))]
    assert judged(both, [there(left, right)], 0, 0.5, free=False).right.tolist() == [True, False]
    assert judged(both, [there(left, right)], 0, 0.5, free=True).right.tolist() == [True, True]


@pytest.mark.parametrize("free", [True, False])
def test_what_finds_a_difficult_object_counts_for_nothing(free: bool) -> None:
    result = judged([found((*A, 0.9), (*B, 0.8), (*A, 0.7))], [there(A, B, difficult=(True, False))], 0, 0.5, free)
    assert result.right.tolist() == [True]
    assert result.objects.tolist() == [1]


def test_the_threshold_is_met_by_equality() -> None:
    """10 x 10 and 10 x 20 pixels: IoU is one half."""
    half = [found((0.0, 0.0, 10.0, 20.0, 0.9))]
    assert judged(half, [there(A)], 0, 0.5, free=False).right.tolist() == [True]
    assert judged(half, [there(A)], 0, 0.55, free=False).right.tolist() == [False]


def test_figures_of_two_classes() -> None:
    """Class 0 found at IoU 2/3, so at four of COCO's ten thresholds; class 1 missed; of class 2 there is none."""
    truth = Boxes(np.array([A, B], np.float32), np.array([0, 1]), None, np.zeros(2, bool))
    wide = Boxes(np.array([(0.0, 0.0, 10.0, 15.0)], np.float32), np.array([0]), np.array([0.7], np.float32))
    figures = detection([wide], [truth], ["a", "b", "c"])
    assert figures["ap_50_a"] == 1.0
    assert figures["ap_50_b"] == 0.0
    assert np.isnan(figures["ap_50_c"])
    assert figures["map_50"] == 0.5
    assert figures["map"] == pytest.approx(0.4 / 2)
    assert figures["map_50_low"] == figures["map_50_high"] == 0.5  # one image


def test_masks_are_judged_by_their_pixels() -> None:
    """The same box, but half of its pixels."""
    whole, half = np.zeros((2, 1, 10, 10), bool)
    whole[:], half[:, :4] = True, True
    truth = there(A)._replace(masks=whole)
    for mask, expected in ((whole, 1.0), (half, 0.0)):
        figures = detection([found((*A, 0.9))._replace(masks=mask)], [truth], ["a"])
        assert figures["map_50"] == 1.0
        assert figures["mask_map_50"] == expected


def test_the_interval_draws_images() -> None:
    """Half of the images are found whole, half not at all."""
    images = [found((*A, 0.9)) if n % 2 else found((*B, 0.9)) for n in range(40)]
    one = judged(images, [there(A)] * 40, 0, 0.5, free=False)
    low, high = interval([one])
    whole = average_precision(one.right, 40)
    assert low < whole < high
    assert 0.05 < high - low < 0.5
