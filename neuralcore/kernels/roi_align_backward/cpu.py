"""Op `roi_align_backward` by numba: a cell's points one by one, the channels side by side."""

from __future__ import annotations

import numpy as np
from numba import njit

from neuralcore.kernels.roi_align.cpu import places


@njit(cache=True, nogil=True)
def roi_align_backward(gradient, boxes, images, scale, samples, shape):
    size, channels = gradient.shape[1], gradient.shape[3]
    found = np.zeros((shape[0], shape[1], shape[2], channels), np.float32)
    share = np.float32(1.0 / (samples * samples))
    for r in range(len(boxes)):
        image = found[images[r]]
        lows, parts = places(boxes[r, 1] * scale, boxes[r, 3] * scale, shape[1], size * samples)
        left_of, shares = places(boxes[r, 0] * scale, boxes[r, 2] * scale, shape[2], size * samples)
        for p in range(size * samples):
            if lows[p] < 0:
                continue
            top, bottom = lows[p], min(lows[p] + 1, shape[1] - 1)
            for q in range(size * samples):
                if left_of[q] < 0:
                    continue
                left, right = left_of[q], min(left_of[q] + 1, shape[2] - 1)
                a = (np.float32(1.0) - parts[p]) * (np.float32(1.0) - shares[q]) * share
                b = (np.float32(1.0) - parts[p]) * shares[q] * share
                c = parts[p] * (np.float32(1.0) - shares[q]) * share
                d = parts[p] * shares[q] * share
                cell = gradient[r, p // samples, q // samples]
                for k in range(channels):
                    image[top, left, k] += a * cell[k]
                    image[top, right, k] += b * cell[k]
                    image[bottom, left, k] += c * cell[k]
                    image[bottom, right, k] += d * cell[k]
    return found
