"""Op `sum_tree_find` by Triton: one lane a mass."""

from __future__ import annotations

import torch
import triton
import triton.language as tl

BLOCK = 128  # masses a program


@triton.jit
def find_kernel(tree, masses, leaves, first, levels, count, BLOCK: tl.constexpr):
    lane = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = lane < count
    mass = tl.load(masses + lane, mask=inside, other=0.0)
    node = tl.full([BLOCK], 1, tl.int64)
    for _ in range(levels):
        node = 2 * node
        left = tl.load(tree + node)
        goes_right = (mass >= left) & (tl.load(tree + node + 1) > 0.0)
        mass = tl.where(goes_right, mass - left, mass)
        node = tl.where(goes_right, node + 1, node)
    tl.store(leaves + lane, node - first, mask=inside)


def sum_tree_find(tree: torch.Tensor, masses: torch.Tensor) -> torch.Tensor:
    first, count = len(tree) // 2, len(masses)
    leaves = torch.empty(count, dtype=torch.int64, device=tree.device)
    if count:
        programs = (triton.cdiv(count, BLOCK),)
        find_kernel[programs](tree, masses, leaves, first, first.bit_length() - 1, count, BLOCK=BLOCK)
    return leaves


_SIGNATURE = {"tree": "*fp64", "masses": "*fp64", "leaves": "*i64", "first": "i64", "levels": "i32", "count": "i32"}
# (kernel, signature, constants): what a test compiles for GPUs that are not there
COMPILE_SIGNATURES = [(find_kernel, {**_SIGNATURE, "BLOCK": "constexpr"}, {"BLOCK": BLOCK})]
