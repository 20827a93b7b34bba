"""Op `nms`, the truth: one box after the other, the best first."""

from __future__ import annotations

import numpy as np

from neuralcore.kernels.box_iou.reference import box_iou


def nms(boxes: np.ndarray, scores: np.ndarray, groups: np.ndarray, threshold: float) -> np.ndarray:
    left = np.argsort(-scores, kind="stable")
    kept = []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(best)
        hidden = box_iou(boxes[best][None], boxes[left])[0] > np.float32(threshold)
        left = left[~(hidden & (groups[left] == groups[best]))]
    return np.array(kept, np.int64)
