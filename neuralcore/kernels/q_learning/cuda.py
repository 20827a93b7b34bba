"""Op `q_learning` by Triton: one lane a transition, which walks over the actions."""

from __future__ import annotations

import torch
import triton
import triton.language as tl

BLOCK = 64  # transitions a program


@triton.jit
def q_learning_kernel(
    q_tm1,
    action_tm1,
    reward_t,
    discount_t,
    q_target_t,
    q_selector_t,
    weight,
    errors,
    losses,
    gradient,
    clip,
    batch,
    actions,
    BLOCK: tl.constexpr,
):
    lane = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = lane < batch
    at = lane * actions
    highest = tl.load(q_selector_t + at, mask=inside, other=0.0)
    rated = tl.load(q_target_t + at, mask=inside, other=0.0)
    for a in range(1, actions):
        other = tl.load(q_selector_t + at + a, mask=inside, other=0.0)
        rated = tl.where(other > highest, tl.load(q_target_t + at + a, mask=inside, other=0.0), rated)
        highest = tl.maximum(other, highest)
    taken = at + tl.load(action_tm1 + lane, mask=inside, other=0)
    error = tl.load(reward_t + lane, mask=inside, other=0.0)
    error += tl.load(discount_t + lane, mask=inside, other=0.0) * rated
    error -= tl.load(q_tm1 + taken, mask=inside, other=0.0)
    clipped = tl.minimum(tl.maximum(error, -clip), clip)
    w = tl.load(weight + lane, mask=inside, other=0.0)
    tl.store(errors + lane, error, mask=inside)
    tl.store(losses + lane, w * tl.abs(clipped) * (tl.abs(error) - 0.5 * tl.abs(clipped)), mask=inside)
    tl.store(gradient + taken, -w * clipped / batch, mask=inside)


def q_learning(
    q_tm1: torch.Tensor,
    action_tm1: torch.Tensor,
    reward_t: torch.Tensor,
    discount_t: torch.Tensor,
    q_target_t: torch.Tensor,
    q_selector_t: torch.Tensor,
    weight: torch.Tensor,
    clip: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    batch, actions = q_tm1.shape
    errors, losses, gradient = torch.empty_like(reward_t), torch.empty_like(reward_t), torch.zeros_like(q_tm1)
    if batch:
        q_learning_kernel[(triton.cdiv(batch, BLOCK),)](
            q_tm1,
            action_tm1,
            reward_t,
            discount_t,
            q_target_t,
            q_selector_t,
            weight,
            errors,
            losses,
            gradient,
            clip,
            batch,
            actions,
            BLOCK=BLOCK,
        )
    return errors, losses, gradient


# (kernel, signature, constants): what a test compiles for GPUs that are not there
_POINTERS = ("reward_t", "discount_t", "q_target_t", "q_selector_t", "weight", "errors", "losses", "gradient")
COMPILE_SIGNATURES = [
    (
        q_learning_kernel,
        {
            "q_tm1": "*fp32",
            "action_tm1": "*i64",
            **dict.fromkeys(_POINTERS, "*fp32"),
            "clip": "fp32",
            **dict.fromkeys(("batch", "actions"), "i64"),
            "BLOCK": "constexpr",
        },
        {"BLOCK": BLOCK},
    )
]
