"""Op `roi_align` by Triton: one program a cell of a box and a block of its channels."""

from __future__ import annotations

import torch
import triton
import triton.language as tl

MOST = 128  # channels of a block


@triton.jit
def place_of(start, stop, pixels, point, count):
    """The pixel below a point along an axis, how far it is past that one, and 1 if it is inside, else 0."""
    place = start + (point + 0.5) * ((stop - start) / count) - 0.5
    inside = tl.where((place >= -1.0) & (place <= pixels), 1.0, 0.0)
    place = tl.minimum(tl.maximum(place, 0.0), pixels - 1.0)
    below = tl.minimum(place.to(tl.int32), tl.maximum(pixels - 2, 0))
    return below, place - below, inside


@triton.jit
def align_kernel(
    features,
    boxes,
    images,
    scale,
    found,
    height,
    width,
    channels,
    SIZE: tl.constexpr,
    SAMPLES: tl.constexpr,
    BLOCK: tl.constexpr,
):
    cell = tl.program_id(0)
    box = cell // (SIZE * SIZE)
    row = cell // SIZE % SIZE
    column = cell % SIZE
    channel = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = channel < channels
    factor = tl.load(scale)
    left = tl.load(boxes + box * 4) * factor
    top = tl.load(boxes + box * 4 + 1) * factor
    right = tl.load(boxes + box * 4 + 2) * factor
    bottom = tl.load(boxes + box * 4 + 3) * factor
    image = features + tl.load(images + box) * height * width * channels + channel
    total = tl.zeros([BLOCK], tl.float32)
    for p in range(SAMPLES):
        y, past_y, y_inside = place_of(top, bottom, height, row * SAMPLES + p, SIZE * SAMPLES)
        y_after = tl.minimum(y + 1, height - 1)
        for q in range(SAMPLES):
            x, past_x, x_inside = place_of(left, right, width, column * SAMPLES + q, SIZE * SAMPLES)
            x_after = tl.minimum(x + 1, width - 1)
            a = tl.load(image + (y * width + x) * channels, mask=inside, other=0.0)
            b = tl.load(image + (y * width + x_after) * channels, mask=inside, other=0.0)
            c = tl.load(image + (y_after * width + x) * channels, mask=inside, other=0.0)
            d = tl.load(image + (y_after * width + x_after) * channels, mask=inside, other=0.0)
            above = a + (b - a) * past_x
            below = c + (d - c) * past_x
            total += (above + (below - above) * past_y) * (y_inside * x_inside)
    at = found + cell.to(tl.int64) * channels + channel
    tl.store(at, total / (SAMPLES * SAMPLES), mask=inside)


def roi_align(
    features: torch.Tensor, boxes: torch.Tensor, images: torch.Tensor, scale: float, size: int, samples: int
) -> torch.Tensor:
    _, height, width, channels = features.shape
    found = torch.empty(len(boxes), size, size, channels, device=features.device)
    if found.numel():
        block = min(triton.next_power_of_2(channels), MOST)
        align_kernel[(len(boxes) * size * size, triton.cdiv(channels, block))](
            features,
            boxes,
            images,
            torch.tensor([scale], device=features.device),
            found,
            height,
            width,
            channels,
            SIZE=size,
            SAMPLES=samples,
            BLOCK=block,
        )
    return found


# (kernel, signature, constants): what a test compiles for GPUs that are not there
COMPILE_SIGNATURES = [
    (
        align_kernel,
        {
            **dict.fromkeys(("features", "boxes", "scale", "found"), "*fp32"),
            "images": "*i64",
            **dict.fromkeys(("height", "width", "channels"), "i32"),
            **dict.fromkeys(("SIZE", "SAMPLES", "BLOCK"), "constexpr"),
        },
        {"SIZE": 7, "SAMPLES": 2, "BLOCK": 64},
    )
]
