"""How good found boxes are: average precision, as Pascal VOC and COCO count it.

VOC (Everingham et al. 2010, section 4.2, all points since 2010): found boxes in the order of their scores, over all
images; one is right if it overlaps the object that it overlaps most by IoU ≥ ½ and that object has not been found
before. The precision at a recall is the largest at that recall or more; its integral is the average precision.

COCO (Lin et al. 2014; pycocotools): each found box takes the free object that it overlaps most; the mean of the
precision at 101 recalls; the mean over IoU ½, 0.55, …, 0.95. At most 100 boxes an image.

Difficult objects count for nothing, and neither does a box that finds one. Axes: D found, M objects of an image.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from neuralcore.kernels.box_iou import box_iou

COCO = tuple(np.round(np.arange(0.5, 1.0, 0.05), 2).tolist())
RECALLS = np.linspace(0.0, 1.0, 101)
DRAWS = 500


class Judged(NamedTuple):
    """The boxes of one class, of all images, in the order of their scores.

    Attributes:
        right: (D,) bool. image: (D,) int64, which one. objects: (N,) int64, those of each image that count.
    """

    right: np.ndarray
    image: np.ndarray
    objects: np.ndarray


class Boxes(NamedTuple):
    """Objects of one image, found or there.

    Attributes:
        boxes: (M, 4) float32. kinds: (M,) int64. scores: (M,) float32 of found ones.
        difficult: (M,) bool of those that are there. masks: (M, H, W) bool, where they are judged.
    """

    boxes: np.ndarray
    kinds: np.ndarray
    scores: np.ndarray | None = None
    difficult: np.ndarray | None = None
    masks: np.ndarray | None = None


def judged(
    found: Sequence[Boxes], there: Sequence[Boxes], kind: int, threshold: float, free: bool, by_masks: bool = False
) -> Judged:
    """Which of the boxes that are told to be of a class are right.

    Args:
        found, there: of each image. kind: the class. threshold: IoU.
        free: whether a box looks for the best object that is still free (COCO), or is wrong if the best is not (VOC).
        by_masks: whether IoU is of masks, not of boxes.
    """
    scores, right, image, objects = [], [], [], np.zeros(len(there), np.int64)
    for number, (boxes, truth) in enumerate(zip(found, there, strict=True)):
        mine, own = boxes.kinds == kind, truth.kinds == kind
        hard = truth.difficult[own] if truth.difficult is not None else np.zeros(own.sum(), bool)
        objects[number] = (~hard).sum()
        assert boxes.scores is not None
        order = np.argsort(-boxes.scores[mine], kind="stable")
        shares = _shares(boxes, truth, np.flatnonzero(mine)[order], np.flatnonzero(own), by_masks)
        taken = np.zeros(own.sum(), bool)
        for score, share in zip(boxes.scores[mine][order], shares, strict=True):
            hit = _object_of(share, taken, hard, threshold, free)
            if hit >= 0 and hard[hit]:
                continue
            is_right = hit >= 0 and not taken[hit]
            if is_right:
                taken[hit] = True
            scores.append(score)
            right.append(is_right)
            image.append(number)
    order = np.argsort(-np.array(scores, np.float64), kind="stable")
    return Judged(np.array(right, bool)[order], np.array(image, np.int64)[order], objects)


def _shares(found: Boxes, there: Boxes, mine: np.ndarray, own: np.ndarray, by_masks: bool) -> np.ndarray:
    """(D, M) IoU of some found boxes, or masks, and some that are there."""
    if not by_masks:
        return box_iou(np.ascontiguousarray(found.boxes[mine]), np.ascontiguousarray(there.boxes[own]))
    assert found.masks is not None
    assert there.masks is not None
    a = found.masks[mine].reshape(len(mine), np.prod(found.masks.shape[1:])).astype(np.float32)
    b = there.masks[own].reshape(len(own), np.prod(there.masks.shape[1:])).astype(np.float32)
    common = a @ b.T
    return common / np.maximum(a.sum(1)[:, None] + b.sum(1) - common, 1.0)


def _object_of(share: np.ndarray, taken: np.ndarray, hard: np.ndarray, threshold: float, free: bool) -> int:
    """The object that a box is about, by IoU (M,); -1: none."""
    if not len(share):
        return -1
    if free:  # difficult ones only where no other will do
        for among in (~taken & ~hard, hard):
            best = int(np.where(among, share, -1.0).argmax())
            if among[best] and share[best] >= threshold:
                return best
        return -1
    best = int(share.argmax())
    return best if share[best] >= threshold else -1


def average_precision(right: np.ndarray, objects: int, points: str = "all") -> float:
    """Of boxes (D,) in order: "all", the integral over recall, or "101", the mean at 101 recalls; NaN: no objects."""
    if not objects:
        return float("nan")
    hits = np.cumsum(right)
    precision = hits / np.arange(1, len(right) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]  # the best at this recall or more
    recall = hits / objects
    if points == "all":
        return float((precision * np.diff(recall, prepend=0.0)).sum())
    at = np.searchsorted(recall, RECALLS - 1e-12, side="left")
    return float(np.append(precision, 0.0)[at].mean())


def interval(of_classes: Sequence[Judged], seed: int = 0) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval, over images, of the mean of "all" points' average precisions."""
    generator = np.random.default_rng(seed)
    count = len(of_classes[0].objects)
    drawn = []
    for _ in range(DRAWS):
        times = np.bincount(generator.integers(count, size=count), minlength=count)
        values = []
        for one in of_classes:
            repeats = times[one.image]
            values.append(average_precision(np.repeat(one.right, repeats), int((one.objects * times).sum())))
        drawn.append(_mean(values))
    return float(np.nanquantile(drawn, 0.025)), float(np.nanquantile(drawn, 0.975))


def detection(found: Sequence[Boxes], there: Sequence[Boxes], names: Sequence[str]) -> dict[str, float]:
    """ "map_50", VOC's, with its 95 % interval, "map", COCO's, "ap_50" of each class; "mask_map_50" where masks are.

    Classes of which there is no object are left out of the means.
    """
    voc = [judged(found, there, kind, 0.5, free=False) for kind in range(len(names))]
    each: list[float] = [average_precision(one.right, int(one.objects.sum())) for one in voc]
    strict: list[float] = []
    for kind in range(len(names)):
        for threshold in COCO:
            one = judged(found, there, kind, threshold, free=True)
            strict.append(average_precision(one.right, int(one.objects.sum()), "101"))
    some = [one for one, value in zip(voc, each, strict=True) if not np.isnan(value)]
    if not some:
        return {}
    low, high = interval(some)
    figures = {"map_50": _mean(each), "map_50_low": low, "map_50_high": high, "map": _mean(strict)}
    if all(one.masks is not None for one in (*found, *there)):
        masks = [judged(found, there, kind, 0.5, free=False, by_masks=True) for kind in range(len(names))]
        figures["mask_map_50"] = _mean([average_precision(one.right, int(one.objects.sum())) for one in masks])
    return figures | {f"ap_50_{name}": value for name, value in zip(names, each, strict=True)}


def _mean(values: Sequence[float]) -> float:
    """Of those that are numbers."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")
