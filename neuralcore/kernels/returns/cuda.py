"""Op `returns` by Triton: one lane an environment, which walks from the last step to the first."""

from __future__ import annotations

import torch
import triton
import triton.language as tl

BLOCK = 64  # environments a program


@triton.jit
def returns_kernel(
    rewards,
    values,
    terminated,
    truncated,
    transition,
    factors,  # discount and discount · trace by pointer: a Python float would reach the kernel as float32
    advantages,
    sums,
    steps,
    count,
    BLOCK: tl.constexpr,
):
    lane = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = lane < count
    discount, passing = tl.load(factors), tl.load(factors + 1)
    at = (steps - 1) * count + lane  # where this row's entry lies
    value_after = tl.load(values + at + count, mask=inside, other=0.0).to(tl.float64)
    after = tl.zeros([BLOCK], tl.float64)
    for _ in range(steps):
        over = tl.load(terminated + at, mask=inside, other=0) != 0
        cut = tl.load(truncated + at, mask=inside, other=0) != 0
        taken = tl.load(transition + at, mask=inside, other=0) != 0
        value = tl.load(values + at, mask=inside, other=0.0).to(tl.float64)
        delta = tl.load(rewards + at, mask=inside, other=0.0).to(tl.float64) - value
        delta += tl.where(over, 0.0, discount * value_after)
        after = tl.where(taken, delta + tl.where(over | cut, 0.0, passing * after), 0.0)
        tl.store(advantages + at, after, mask=inside)
        tl.store(sums + at, after + value, mask=inside)
        value_after = value
        at -= count


def returns(
    rewards: torch.Tensor,
    values: torch.Tensor,
    terminated: torch.Tensor,
    truncated: torch.Tensor,
    transition: torch.Tensor,
    discount: float,
    trace: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    steps, count = rewards.shape
    advantages, sums = torch.empty_like(rewards), torch.empty_like(rewards)
    factors = torch.tensor([discount, discount * trace], dtype=torch.float64, device=rewards.device)
    flags = (flag.view(torch.uint8) for flag in (terminated, truncated, transition))
    if rewards.numel():
        returns_kernel[(triton.cdiv(count, BLOCK),)](
            rewards, values, *flags, factors, advantages, sums, steps, count, BLOCK=BLOCK
        )
    return advantages, sums


# (kernel, signature, constants): what a test compiles for GPUs that are not there
COMPILE_SIGNATURES = [
    (
        returns_kernel,
        {
            **dict.fromkeys(("rewards", "values"), dtype),
            **dict.fromkeys(("terminated", "truncated", "transition"), "*u8"),
            "factors": "*fp64",
            **dict.fromkeys(("advantages", "sums"), dtype),
            **dict.fromkeys(("steps", "count"), "i64"),
            "BLOCK": "constexpr",
        },
        {"BLOCK": BLOCK},
    )
    for dtype in ("*fp32", "*fp64")
]
