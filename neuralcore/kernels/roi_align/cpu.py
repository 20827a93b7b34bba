"""Op `roi_align` by numba: a cell's points one by one, the channels side by side."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def roi_align(features, boxes, images, scale, size, samples):
    channels = features.shape[3]
    found = np.zeros((len(boxes), size, size, channels), np.float32)
    share = np.float32(1.0 / (samples * samples))
    for r in range(len(boxes)):
        image = features[images[r]]
        lows, parts = places(boxes[r, 1] * scale, boxes[r, 3] * scale, image.shape[0], size * samples)
        left_of, shares = places(boxes[r, 0] * scale, boxes[r, 2] * scale, image.shape[1], size * samples)
        last_row, last_column = image.shape[0] - 1, image.shape[1] - 1
        for p in range(size * samples):
            if lows[p] < 0:
                continue
            top, bottom = lows[p], min(lows[p] + 1, last_row)
            for q in range(size * samples):
                if left_of[q] < 0:
                    continue
                left, right = left_of[q], min(left_of[q] + 1, last_column)
                a = (np.float32(1.0) - parts[p]) * (np.float32(1.0) - shares[q]) * share
                b = (np.float32(1.0) - parts[p]) * shares[q] * share
                c = parts[p] * (np.float32(1.0) - shares[q]) * share
                d = parts[p] * shares[q] * share
                cell = found[r, p // samples, q // samples]
                for k in range(channels):
                    cell[k] += (
                        a * image[top, left, k]
                        + b * image[top, right, k]
                        + c * image[bottom, left, k]
                        + d * image[bottom, right, k]
                    )
    return found


@njit(cache=True, nogil=True)
def places(start, stop, pixels, count):
    """Of each of `count` points along an axis, the pixel below it (-1 outside), and how far it is past that one."""
    below = np.empty(count, np.int64)
    past = np.zeros(count, np.float32)
    step = (stop - start) / count
    for p in range(count):
        place = start + (p + 0.5) * step - 0.5
        if place < -1.0 or place > pixels:
            below[p] = -1
            continue
        place = min(max(place, 0.0), pixels - 1.0)
        below[p] = min(int(place), max(pixels - 2, 0))
        past[p] = place - below[p]
    return below, past
