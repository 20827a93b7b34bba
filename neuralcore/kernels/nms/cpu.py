"""Op `nms` by numba: each box is compared with those of its group that are kept so far, which are few."""

from __future__ import annotations

import numpy as np
from numba import njit


def nms(boxes: np.ndarray, scores: np.ndarray, groups: np.ndarray, threshold: float) -> np.ndarray:
    order = np.argsort(-scores, kind="stable")
    return _kept(boxes[order], groups[order], np.float32(threshold), order)


@njit(cache=True, nogil=True)
def _kept(boxes, groups, threshold, order):
    count = len(boxes)
    kept = np.empty(count, np.int64)  # places in the order
    found = 0
    for i in range(count):
        left, top, right, bottom = boxes[i]
        area = (right - left) * (bottom - top)
        hidden = False
        for k in range(found):
            j = kept[k]
            if groups[j] != groups[i]:
                continue
            wide = min(right, boxes[j, 2]) - max(left, boxes[j, 0])
            tall = min(bottom, boxes[j, 3]) - max(top, boxes[j, 1])
            if wide > 0.0 and tall > 0.0:
                common = wide * tall
                other = (boxes[j, 2] - boxes[j, 0]) * (boxes[j, 3] - boxes[j, 1])
                if common / (other + area - common) > threshold:
                    hidden = True
                    break
        if not hidden:
            kept[found] = i
            found += 1
    return order[kept[:found]]
