"""Triton: one program a window, its block in registers; what changed is added atomically.

Windows run at once, so two that share a word both start from the row as they found it: Hogwild on a GPU. Under
Triton's interpreter (`TRITON_INTERPRET=1`, torch CPU tensors) programs run in order, and the result is the
reference's.

A context word that occurs twice in a window is read again after its first step has been added: a barrier stands
between the two, and the load bypasses the first-level cache (`.cg`), where atomics do not write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import triton
import triton.language as tl

from neuralcore.kernels.skipgram import LOGIT_BOUND

if TYPE_CHECKING:
    import torch


@triton.jit
def skipgram_kernel(
    input_table,  # (V, P) float32
    output_table,  # (V, P) float32
    targets,  # (W,) int32
    offsets,  # (W + 1,) int64
    contexts,  # (C,) int32
    negatives,  # (W, K) int32
    losses,  # (W,) float32
    learning_rate,
    P: tl.constexpr,
    K: tl.constexpr,
    ROWS: tl.constexpr,  # K + 1 and P, each up to a power of two
    COLUMNS: tl.constexpr,
    BOUND: tl.constexpr,
):
    w = tl.program_id(0).to(tl.int64)
    j = tl.arange(0, ROWS)
    k = tl.arange(0, COLUMNS)
    target = tl.load(targets + w)
    negative = tl.load(negatives + w * K + j - 1, mask=(j > 0) & (j <= K), other=0)
    row = tl.where(j == 0, target, negative)
    # The same rule as on the CPU: a row that stands earlier in the block is skipped.
    earlier = (row[:, None] == row[None, :]) & (j[None, :] < j[:, None])
    active = (j <= K) & (tl.sum(earlier.to(tl.int32), 1) == 0)
    mask = active[:, None] & (k < P)[None, :]
    address = output_table + row.to(tl.int64)[:, None] * P + k[None, :]
    before = tl.load(address, mask=mask, other=0.0)
    block = before
    sign = tl.where(j == 0, 1.0, -1.0)
    loss = tl.zeros((ROWS,), tl.float32)
    for i in range(tl.load(offsets + w), tl.load(offsets + w + 1)):
        c = tl.load(contexts + i).to(tl.int64)
        x = tl.load(input_table + c * P + k, mask=k < P, other=0.0, cache_modifier=".cg")
        logit = sign * tl.sum(block * x[None, :], 1)
        logit = tl.minimum(tl.maximum(logit, -BOUND), BOUND)
        probability = 1.0 / (1.0 + tl.exp(-logit))  # of the right answer
        # -log s(z) = log(1 + exp(-z)), with the larger part outside the logarithm
        loss += tl.where(active, tl.maximum(-logit, 0.0) + tl.log(1.0 + tl.exp(-tl.abs(logit))), 0.0)
        step = tl.where(active, learning_rate * sign * (1.0 - probability), 0.0)
        tl.atomic_add(input_table + c * P + k, tl.sum(step[:, None] * block, 0), mask=k < P)
        tl.debug_barrier()
        block += step[:, None] * x[None, :]
    tl.atomic_add(address, block - before, mask=mask)
    tl.store(losses + w, tl.sum(loss, 0))


def skipgram(
    input_table: torch.Tensor,
    output_table: torch.Tensor,
    targets: torch.Tensor,
    offsets: torch.Tensor,
    contexts: torch.Tensor,
    negatives: torch.Tensor,
    learning_rate: float,
) -> float:
    """As `neuralcore.kernels.skipgram.skipgram`, on CUDA tensors."""
    windows, width, count = targets.shape[0], input_table.shape[1], negatives.shape[1]
    if windows == 0:
        return 0.0
    losses = input_table.new_empty(windows)
    skipgram_kernel[(windows,)](
        input_table,
        output_table,
        targets,
        offsets,
        contexts,
        negatives,
        losses,
        learning_rate,
        P=width,
        K=count,
        ROWS=triton.next_power_of_2(count + 1),
        COLUMNS=triton.next_power_of_2(width),
        BOUND=LOGIT_BOUND,
    )
    return float(losses.double().sum())


# (kernel, types of its arguments, values of its constants) for the test that compiles every kernel without a GPU
COMPILE_SIGNATURES = [
    (
        skipgram_kernel,
        {
            "input_table": "*fp32",
            "output_table": "*fp32",
            "targets": "*i32",
            "offsets": "*i64",
            "contexts": "*i32",
            "negatives": "*i32",
            "losses": "*fp32",
            "learning_rate": "fp32",
            **dict.fromkeys(("P", "K", "ROWS", "COLUMNS", "BOUND"), "constexpr"),
        },
        {"P": 112, "K": 5, "ROWS": 8, "COLUMNS": 128, "BOUND": LOGIT_BOUND},
    ),
]
