"""Triton: a program takes one window after the other, its block in registers; what changed is added atomically.

`AT_ONCE` windows are in work, and two that share a word both start from the row as they found it: Hogwild on a GPU.
Under Triton's interpreter (`TRITON_INTERPRET=1`, torch CPU tensors) programs run in order, and the result of no more
windows than these is the reference's.

Rows are loaded past the first-level cache (`.cg`), where atomics do not write: there a frequent word's row might stay
as it was at its first use until all windows are done. Nobody waits for the additions (`relaxed`) but in one place: a
context word that occurs twice in a window is read again after its first step has been added, so a barrier stands
between the two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import triton
import triton.language as tl

from neuralcore.kernels.skipgram import LOGIT_BOUND

# Windows in work at a time: eight of four warps on each multiprocessor of a large GPU, which hides most of what they
# wait for. More would be older when they come to be written back (benchmarks/words_at_once.py).
AT_ONCE = 1024

if TYPE_CHECKING:
    import torch


@triton.jit(do_not_specialize=["windows"])
def skipgram_kernel(
    input_table,  # (V, P) float32
    output_table,  # (U, P) float32
    outputs,  # (W, R) int32
    signs,  # (W, R) int8
    offsets,  # (W + 1,) int64
    contexts,  # (C,) int32
    losses,  # (W,) float32
    windows,  # W
    learning_rate,
    P: tl.constexpr,
    R: tl.constexpr,
    ROWS: tl.constexpr,  # R and P, each up to a power of two
    COLUMNS: tl.constexpr,
    BOUND: tl.constexpr,
    MEAN: tl.constexpr,  # whether all of a window's inputs are one, their mean
    MARGIN: tl.constexpr,
):
    j = tl.arange(0, ROWS)
    k = tl.arange(0, COLUMNS)
    for w in range(tl.program_id(0).to(tl.int64), windows, tl.num_programs(0)):
        row = tl.load(outputs + w * R + j, mask=j < R, other=-1)
        sign = tl.load(signs + w * R + j, mask=j < R, other=0).to(tl.float32)
        active = row >= 0
        mask = active[:, None] & (k < P)[None, :]
        address = output_table + row.to(tl.int64)[:, None] * P + k[None, :]
        before = tl.load(address, mask=mask, other=0.0, cache_modifier=".cg")
        block = before
        loss = tl.zeros((ROWS,), tl.float32)
        first = tl.load(offsets + w)
        last = tl.load(offsets + w + 1)
        inputs = last - first
        if MEAN:
            inputs = tl.minimum(inputs, 1)
        for i in range(first, first + inputs):
            c = tl.load(contexts + i).to(tl.int64)
            x = tl.load(input_table + c * P + k, mask=k < P, other=0.0, cache_modifier=".cg")
            if MEAN:
                for n in range(first + 1, last):
                    c = tl.load(contexts + n).to(tl.int64)
                    x += tl.load(input_table + c * P + k, mask=k < P, other=0.0, cache_modifier=".cg")
                x /= (last - first).to(tl.float32)
            score = tl.sum(block * x[None, :], 1)
            if MARGIN:
                belonging = tl.sum(tl.where(j == 0, score, 0.0), 0)
                short = tl.maximum(1.0 - belonging + score, 0.0, propagate_nan=tl.PropagateNan.ALL)
                short = tl.where(active & (j > 0), short, 0.0)
                loss += short
                too_near = tl.where(short > 0.0, 1.0, 0.0)
                step = learning_rate * tl.where(j == 0, tl.sum(too_near, 0), -too_near)
            else:
                logit = tl.clamp(sign * score, -BOUND, BOUND, propagate_nan=tl.PropagateNan.ALL)
                probability = 1.0 / (1.0 + tl.exp(-logit))  # of the right answer
                # -log s(z) = log(1 + exp(-z)), with the larger part outside the logarithm
                loss += tl.where(active, tl.maximum(-logit, 0.0) + tl.log(1.0 + tl.exp(-tl.abs(logit))), 0.0)
                step = tl.where(active, learning_rate * sign * (1.0 - probability), 0.0)
            change = tl.sum(step[:, None] * block, 0)
            if MEAN:
                for n in range(first, last):
                    c = tl.load(contexts + n).to(tl.int64)
                    tl.atomic_add(input_table + c * P + k, change, mask=k < P, sem="relaxed")
            else:
                tl.atomic_add(input_table + c * P + k, change, mask=k < P, sem="relaxed")
            tl.debug_barrier()
            block += step[:, None] * x[None, :]
        tl.atomic_add(address, block - before, mask=mask, sem="relaxed")
        tl.store(losses + w, tl.sum(loss, 0))
        tl.debug_barrier()  # the next window may have a row in common with this one


def skipgram(
    input_table: torch.Tensor,
    output_table: torch.Tensor,
    outputs: torch.Tensor,
    signs: torch.Tensor,
    offsets: torch.Tensor,
    contexts: torch.Tensor,
    learning_rate: float,
    mean: bool = False,
    margin: bool = False,
) -> float:
    """As `neuralcore.kernels.skipgram.skipgram`, or with `mean` `neuralcore.kernels.cbow.cbow`, on CUDA tensors."""
    loss = descend(input_table, output_table, outputs, signs, offsets, contexts, learning_rate, mean, margin)
    return float(loss)


def descend(
    input_table: torch.Tensor,
    output_table: torch.Tensor,
    outputs: torch.Tensor,
    signs: torch.Tensor,
    offsets: torch.Tensor,
    contexts: torch.Tensor,
    learning_rate: float,
    mean: bool = False,
    margin: bool = False,
) -> torch.Tensor:
    """As `skipgram`, for who has windows that need no check: the loss stays on the device, () float64, and nothing
    waits for it."""
    (windows, count), width = outputs.shape, input_table.shape[1]
    losses = input_table.new_zeros(windows)
    if windows == 0 or count == 0:
        return losses.double().sum()
    skipgram_kernel[(min(windows, AT_ONCE),)](
        input_table,
        output_table,
        outputs,
        signs,
        offsets,
        contexts,
        losses,
        windows,
        learning_rate,
        P=width,
        R=count,
        ROWS=triton.next_power_of_2(count),
        COLUMNS=triton.next_power_of_2(width),
        BOUND=LOGIT_BOUND,
        MEAN=mean,
        MARGIN=margin,
    )
    return losses.double().sum()


_TYPES = {
    "input_table": "*fp32",
    "output_table": "*fp32",
    "outputs": "*i32",
    "signs": "*i8",
    "offsets": "*i64",
    "contexts": "*i32",
    "losses": "*fp32",
    "windows": "i32",
    "learning_rate": "fp32",
    **dict.fromkeys(("P", "R", "ROWS", "COLUMNS", "BOUND", "MEAN", "MARGIN"), "constexpr"),
}
# (kernel, types of its arguments, values of its constants) for the test that compiles every kernel without a GPU
_SIZES = {"P": 112, "R": 6, "ROWS": 8, "COLUMNS": 128, "BOUND": LOGIT_BOUND, "MEAN": False}
COMPILE_SIGNATURES = [(skipgram_kernel, _TYPES, {**_SIZES, "MARGIN": margin}) for margin in (False, True)]
