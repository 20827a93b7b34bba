"""Op `sum_tree_update` by Triton: one lane a named leaf, one launch a level.

Launches follow one another, so a level finds the one below it finished. Lanes that share a node write the same sum.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

BLOCK = 128  # leaves a program


@triton.jit
def leaves_kernel(tree, leaves, priorities, order, first, count, BLOCK: tl.constexpr):
    """Set leaves, given sorted with their places in `order`: of equal ones the last alone is written."""
    lane = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    leaf = tl.load(leaves + lane, mask=lane < count, other=-1)
    following = tl.load(leaves + lane + 1, mask=lane + 1 < count, other=-1)
    write = (lane < count) & (leaf != following)
    source = tl.load(order + lane, mask=write, other=0)
    tl.store(tree + first + leaf, tl.load(priorities + source, mask=write, other=0.0), mask=write)


@triton.jit
def level_kernel(tree, leaves, first, count, height, BLOCK: tl.constexpr):
    """Sum the nodes `height` levels above the leaves from their children."""
    lane = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = lane < count
    node = (first + tl.load(leaves + lane, mask=inside, other=0)) >> height
    left = tl.load(tree + 2 * node, mask=inside, other=0.0)
    right = tl.load(tree + 2 * node + 1, mask=inside, other=0.0)
    tl.store(tree + node, left + right, mask=inside)


def sum_tree_update(tree: torch.Tensor, leaves: torch.Tensor, priorities: torch.Tensor) -> None:
    first, count = len(tree) // 2, len(leaves)
    ordered, order = torch.sort(leaves, stable=True)
    programs = (triton.cdiv(count, BLOCK),)
    leaves_kernel[programs](tree, ordered, priorities, order, first, count, BLOCK=BLOCK)
    for height in range(1, first.bit_length()):
        level_kernel[programs](tree, ordered, first, count, height, BLOCK=BLOCK)


_SHARED = {"tree": "*fp64", "leaves": "*i64", "first": "i64", "count": "i32", "BLOCK": "constexpr"}
# (kernel, signature, constants): what a test compiles for GPUs that are not there
COMPILE_SIGNATURES = [
    (leaves_kernel, {**_SHARED, "priorities": "*fp64", "order": "*i64"}, {"BLOCK": BLOCK}),
    (level_kernel, {**_SHARED, "height": "i32"}, {"BLOCK": BLOCK}),
]
