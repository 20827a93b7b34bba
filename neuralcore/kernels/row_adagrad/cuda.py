"""Op `row_adagrad` by Triton: one program a table row, walking the sorted gradients that belong to it."""

from __future__ import annotations

import torch
import triton
import triton.language as tl


@triton.jit
def row_adagrad_kernel(
    weight,
    weight_stride,
    state,
    gradients,
    order,
    starts,
    targets,
    learning_rate,
    epsilon,
    DIMENSION: tl.constexpr,
    BLOCK: tl.constexpr,  # the power of two that holds a row
):
    program = tl.program_id(0)
    row = tl.load(targets + program)
    column = tl.arange(0, BLOCK)
    inside = column < DIMENSION
    total = tl.zeros([BLOCK], tl.float32)
    begin = tl.load(starts + program)
    end = tl.load(starts + program + 1)
    for m in range(begin, end):
        source = tl.load(order + m)
        total += tl.load(gradients + source * DIMENSION + column, mask=inside, other=0.0)
    accumulated = tl.load(state + row) + tl.sum(total * total, axis=0) / DIMENSION
    tl.store(state + row, accumulated)
    here = weight + row * weight_stride + column
    step = learning_rate / (tl.sqrt(accumulated) + epsilon) * total
    before = tl.load(here, mask=inside, other=0.0)
    # A number that makes no step is as it was: a frozen row's -0.0 would become 0.0.
    tl.store(here, tl.where(step == 0.0, before, before - step), mask=inside)


def row_adagrad(
    weight: torch.Tensor,
    state: torch.Tensor,
    rows: torch.Tensor,
    gradients: torch.Tensor,
    learning_rate: float,
    epsilon: float,
) -> None:
    ordered, order = torch.sort(rows, stable=True)
    targets, counts = torch.unique_consecutive(ordered, return_counts=True)
    starts = torch.zeros(len(targets) + 1, dtype=torch.int64, device=rows.device)
    torch.cumsum(counts, 0, out=starts[1:])
    dimension = weight.shape[1]
    row_adagrad_kernel[(len(targets),)](
        weight,
        weight.stride(0),
        state,
        gradients.contiguous(),
        order,
        starts,
        targets,
        learning_rate,
        epsilon,
        DIMENSION=dimension,
        BLOCK=triton.next_power_of_2(dimension),
    )


# (kernel, signature, constants): what a test compiles for GPUs that are not there
COMPILE_SIGNATURES = [
    (
        row_adagrad_kernel,
        {
            "weight": "*fp32",
            "weight_stride": "i64",
            "state": "*fp32",
            "gradients": "*fp32",
            **dict.fromkeys(("order", "starts", "targets"), "*i64"),
            "learning_rate": "fp32",
            "epsilon": "fp32",
            "DIMENSION": "constexpr",
            "BLOCK": "constexpr",
        },
        {"DIMENSION": 100, "BLOCK": 128},
    ),
]
