"""Op `chamfer` by Triton: one program a block of points, which walks over all others; once for either direction."""

from __future__ import annotations

import torch
import triton
import triton.language as tl

POINTS, OTHERS = 32, 64  # of a tile of distances


@triton.jit
def nearest_kernel(
    points, others, rows, squares, count, other_count, width, POINTS: tl.constexpr, OTHERS: tl.constexpr
):
    pair = tl.program_id(1).to(tl.int64)
    point = tl.program_id(0) * POINTS + tl.arange(0, POINTS)
    here = point < count
    mine = points + (pair * count + point) * width
    best = tl.full([POINTS], float("inf"), tl.float32)
    nearest = tl.zeros([POINTS], tl.int32)
    for start in range(0, other_count, OTHERS):
        other = start + tl.arange(0, OTHERS)
        there = other < other_count
        theirs = others + (pair * other_count + other) * width
        apart = tl.zeros([POINTS, OTHERS], tl.float32)
        for d in range(width):
            a = tl.load(mine + d, mask=here, other=0.0)
            b = tl.load(theirs + d, mask=there, other=0.0)
            along = a[:, None] - b[None, :]
            apart += along * along
        apart = tl.where(there[None, :], apart, float("inf"))
        least = tl.min(apart, 1)
        first = tl.min(tl.where(apart == least[:, None], other[None, :], other_count), 1)
        nearest = tl.where(least < best, first, nearest)
        best = tl.minimum(least, best)
    at = pair * count + point
    tl.store(rows + at, nearest.to(tl.int64), mask=here)
    tl.store(squares + at, best, mask=here)


def chamfer(points: torch.Tensor, others: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return *_nearest(points, others), *_nearest(others, points)


def _nearest(points: torch.Tensor, others: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    pairs, count, width = points.shape
    rows = torch.empty(pairs, count, dtype=torch.int64, device=points.device)
    squares = torch.empty(pairs, count, device=points.device)
    if pairs:
        nearest_kernel[(triton.cdiv(count, POINTS), pairs)](
            points, others, rows, squares, count, others.shape[1], width, POINTS=POINTS, OTHERS=OTHERS
        )
    return rows, squares


# (kernel, signature, constants): what a test compiles for GPUs that are not there
COMPILE_SIGNATURES = [
    (
        nearest_kernel,
        {
            **dict.fromkeys(("points", "others", "squares"), "*fp32"),
            "rows": "*i64",
            **dict.fromkeys(("count", "other_count", "width"), "i32"),
            **dict.fromkeys(("POINTS", "OTHERS"), "constexpr"),
        },
        {"POINTS": POINTS, "OTHERS": OTHERS},
    )
]
