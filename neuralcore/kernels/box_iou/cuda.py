"""Op `box_iou` by Triton: one program a tile of the result."""

from __future__ import annotations

import torch
import triton
import triton.language as tl

ROWS, COLUMNS = 16, 64  # of a tile


@triton.jit
def tile_iou(boxes, others, row, column, here, there):
    """Intersection over union of the boxes `row` with the others `column`, where they are here and there."""
    left = tl.load(boxes + row * 4, mask=here, other=0.0)
    top = tl.load(boxes + row * 4 + 1, mask=here, other=0.0)
    right = tl.load(boxes + row * 4 + 2, mask=here, other=0.0)
    bottom = tl.load(boxes + row * 4 + 3, mask=here, other=0.0)
    other_left = tl.load(others + column * 4, mask=there, other=0.0)
    other_top = tl.load(others + column * 4 + 1, mask=there, other=0.0)
    other_right = tl.load(others + column * 4 + 2, mask=there, other=0.0)
    other_bottom = tl.load(others + column * 4 + 3, mask=there, other=0.0)
    wide = tl.minimum(right[:, None], other_right[None, :]) - tl.maximum(left[:, None], other_left[None, :])
    tall = tl.minimum(bottom[:, None], other_bottom[None, :]) - tl.maximum(top[:, None], other_top[None, :])
    common = tl.maximum(wide, 0.0) * tl.maximum(tall, 0.0)
    area = (right - left) * (bottom - top)
    other_area = (other_right - other_left) * (other_bottom - other_top)
    union = area[:, None] + other_area[None, :] - common
    return tl.where(union > 0.0, common / tl.where(union > 0.0, union, 1.0), 0.0)


@triton.jit
def iou_kernel(boxes, others, found, count, width, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    here, there = row < count, column < width
    share = tile_iou(boxes, others, row, column, here, there)
    at = row[:, None].to(tl.int64) * width + column[None, :]
    tl.store(found + at, share, mask=here[:, None] & there[None, :])


def box_iou(boxes: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    count, width = len(boxes), len(others)
    found = torch.empty(count, width, device=boxes.device)
    if count and width:
        grid = (triton.cdiv(count, ROWS), triton.cdiv(width, COLUMNS))
        iou_kernel[grid](boxes, others, found, count, width, ROWS=ROWS, COLUMNS=COLUMNS)
    return found


# (kernel, signature, constants): what a test compiles for GPUs that are not there
COMPILE_SIGNATURES = [
    (
        iou_kernel,
        {
            **dict.fromkeys(("boxes", "others", "found"), "*fp32"),
            **dict.fromkeys(("count", "width"), "i32"),
            **dict.fromkeys(("ROWS", "COLUMNS"), "constexpr"),
        },
        {"ROWS": ROWS, "COLUMNS": COLUMNS},
    )
]
