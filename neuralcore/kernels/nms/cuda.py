"""Op `nms` by Triton: which box would hide which, all pairs at once; then one program goes down the order.

That program holds a flag for each box in its registers, and reads a row of the table for each box that is kept.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from neuralcore.kernels.box_iou.cuda import tile_iou

ROWS, COLUMNS = 16, 64  # of a tile of the table
MOST = 16_384  # boxes, whose flags a program's registers hold


@triton.jit
def hides_kernel(boxes, groups, hides, threshold, count, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    here, there = row < count, column < count
    share = tile_iou(boxes, boxes, row, column, here, there)
    group = tl.load(groups + row, mask=here, other=0)
    other_group = tl.load(groups + column, mask=there, other=0)
    hidden = (share > tl.load(threshold)) & (group[:, None] == other_group[None, :])
    at = row[:, None].to(tl.int64) * count + column[None, :]
    tl.store(hides + at, hidden.to(tl.int8), mask=here[:, None] & there[None, :])


@triton.jit
def kept_kernel(hides, kept, count, BLOCK: tl.constexpr):
    lane = tl.arange(0, BLOCK)
    alive = (lane < count).to(tl.int32)
    row = hides
    for i in range(count):
        if tl.sum(tl.where(lane == i, alive, 0), axis=0) > 0:
            hidden = tl.load(row + lane, mask=(lane > i) & (lane < count), other=0)
            alive = tl.where(hidden != 0, 0, alive)
        row += count
    tl.store(kept + lane, alive.to(tl.int8), mask=lane < count)


def nms(boxes: torch.Tensor, scores: torch.Tensor, groups: torch.Tensor, threshold: float) -> torch.Tensor:
    count = len(boxes)
    if count > MOST:
        raise ValueError(f"{count:,} boxes are more than the {MOST:,} that fit: give nms the best ones")
    order = torch.sort(scores, descending=True, stable=True).indices
    if not count:
        return order
    hides = torch.empty(count, count, dtype=torch.int8, device=boxes.device)
    kept = torch.empty(count, dtype=torch.int8, device=boxes.device)
    limit = torch.tensor([threshold], dtype=torch.float32, device=boxes.device)
    grid = (triton.cdiv(count, ROWS), triton.cdiv(count, COLUMNS))
    hides_kernel[grid](
        boxes[order].contiguous(), groups[order].contiguous(), hides, limit, count, ROWS=ROWS, COLUMNS=COLUMNS
    )
    block = triton.next_power_of_2(count)
    kept_kernel[(1,)](hides, kept, count, BLOCK=block, num_warps=min(max(block // 512, 1), 32))
    return order[kept.bool()]


# (kernel, signature, constants): what a test compiles for GPUs that are not there
COMPILE_SIGNATURES = [
    (
        hides_kernel,
        {
            "boxes": "*fp32",
            "groups": "*i64",
            "hides": "*i8",
            "threshold": "*fp32",
            "count": "i32",
            **dict.fromkeys(("ROWS", "COLUMNS"), "constexpr"),
        },
        {"ROWS": ROWS, "COLUMNS": COLUMNS},
    ),
    (kept_kernel, {"hides": "*i8", "kept": "*i8", "count": "i32", "BLOCK": "constexpr"}, {"BLOCK": 2048}),
]
