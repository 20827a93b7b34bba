"""Op `roi_align_backward`, the truth: the transposed products of the forward pass."""

from __future__ import annotations

import numpy as np

from neuralcore.kernels.roi_align.reference import weights


def roi_align_backward(
    gradient: np.ndarray,
    boxes: np.ndarray,
    images: np.ndarray,
    scale: float,
    samples: int,
    shape: tuple[int, int, int],
) -> np.ndarray:
    count, height, width = shape
    size, channels = gradient.shape[1], gradient.shape[3]
    found = np.zeros((count, height, width, channels), np.float32)
    for r, (left, top, right, bottom) in enumerate(boxes * np.float32(scale)):
        rows = weights(top, bottom, height, size, samples)
        columns = weights(left, right, width, size, samples)
        found[images[r]] += np.einsum("ih,ijc,jw->hwc", rows, gradient[r], columns).astype(np.float32)
    return found
