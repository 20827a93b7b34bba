"""Op `roi_align_backward` by Triton: one program a cell of a box and a block of its channels, sums by atomics."""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from neuralcore.kernels.roi_align.cuda import MOST, place_of


@triton.jit
def scatter_kernel(
    gradient,
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
    image = found + tl.load(images + box) * height * width * channels + channel
    value = tl.load(gradient + cell.to(tl.int64) * channels + channel, mask=inside, other=0.0)
    value = value / (SAMPLES * SAMPLES)
    for p in range(SAMPLES):
        y, past_y, y_inside = place_of(top, bottom, height, row * SAMPLES + p, SIZE * SAMPLES)
        y_after = tl.minimum(y + 1, height - 1)
        for q in range(SAMPLES):
            x, past_x, x_inside = place_of(left, right, width, column * SAMPLES + q, SIZE * SAMPLES)
            x_after = tl.minimum(x + 1, width - 1)
            share = value * (y_inside * x_inside)
            above = share * (1.0 - past_y)
            below = share * past_y
            tl.atomic_add(image + (y * width + x) * channels, above * (1.0 - past_x), mask=inside)
            tl.atomic_add(image + (y * width + x_after) * channels, above * past_x, mask=inside)
            tl.atomic_add(image + (y_after * width + x) * channels, below * (1.0 - past_x), mask=inside)
            tl.atomic_add(image + (y_after * width + x_after) * channels, below * past_x, mask=inside)


def roi_align_backward(
    gradient: torch.Tensor,
    boxes: torch.Tensor,
    images: torch.Tensor,
    scale: float,
    samples: int,
    shape: tuple[int, int, int],
) -> torch.Tensor:
    size, channels = gradient.shape[1], gradient.shape[3]
    found = torch.zeros(*shape, channels, device=gradient.device)
    if gradient.numel():
        block = min(triton.next_power_of_2(channels), MOST)
        scatter_kernel[(len(boxes) * size * size, triton.cdiv(channels, block))](
            gradient,
            boxes,
            images,
            torch.tensor([scale], device=gradient.device),
            found,
            shape[1],
            shape[2],
            channels,
            SIZE=size,
            SAMPLES=samples,
            BLOCK=block,
        )
    return found


# (kernel, signature, constants): what a test compiles for GPUs that are not there
COMPILE_SIGNATURES = [
    (
        scatter_kernel,
        {
            **dict.fromkeys(("gradient", "boxes", "scale", "found"), "*fp32"),
            "images": "*i64",
            **dict.fromkeys(("height", "width", "channels"), "i32"),
            **dict.fromkeys(("SIZE", "SAMPLES", "BLOCK"), "constexpr"),
        },
        {"SIZE": 7, "SAMPLES": 2, "BLOCK": 64},
    )
]
