"""Op `bellman` by Triton: one program a block of states, one lane a state."""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from neuralcore.kernels.bellman import Rows, Table

BLOCK = 128  # states a program


@triton.jit
def rows_kernel(
    indptr,
    indices,
    probabilities,
    rewards,
    values,
    discount,  # a pointer: a Python float would reach the kernel as float32
    swept,
    q,
    policy,
    states,
    ACTIONS: tl.constexpr,
    FOLLOW: tl.constexpr,  # the policy's actions alone, instead of the best
    BLOCK: tl.constexpr,
):
    state = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = state < states
    gamma = tl.load(discount)
    best = tl.full([BLOCK], float("-inf"), tl.float64)
    chosen = tl.zeros([BLOCK], tl.int32)
    for choice in range(1 if FOLLOW else ACTIONS):
        action = tl.load(policy + state, mask=inside, other=0) if FOLLOW else tl.full([BLOCK], choice, tl.int32)
        row = state * ACTIONS + action
        begin = tl.load(indptr + row, mask=inside, other=0)
        length = tl.load(indptr + row + 1, mask=inside, other=0) - begin
        expected = tl.zeros([BLOCK], tl.float64)
        for k in range(tl.max(length, axis=0)):  # as far as the block's longest row
            here = k < length
            successor = tl.load(indices + begin + k, mask=here, other=0)
            probability = tl.load(probabilities + begin + k, mask=here, other=0.0)
            expected += probability * tl.load(values + successor, mask=here, other=0.0)
        found = tl.load(rewards + row, mask=inside, other=0.0) + gamma * expected
        if not FOLLOW:
            tl.store(q + row, found, mask=inside)
        chosen = tl.where(found > best, action, chosen)
        best = tl.where(found > best, found, best)
    tl.store(swept + state, best, mask=inside)
    if not FOLLOW:
        tl.store(policy + state, chosen, mask=inside)


@triton.jit
def table_kernel(
    successors,
    weights,
    rewards,
    values,
    discount,
    swept,
    q,
    policy,
    states,
    ACTIONS: tl.constexpr,
    WIDTH: tl.constexpr,
    FOLLOW: tl.constexpr,
    BLOCK: tl.constexpr,
):
    state = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = state < states
    gamma = tl.load(discount)
    best = tl.full([BLOCK], float("-inf"), tl.float64)
    chosen = tl.zeros([BLOCK], tl.int32)
    for choice in range(1 if FOLLOW else ACTIONS):
        action = tl.load(policy + state, mask=inside, other=0) if FOLLOW else tl.full([BLOCK], choice, tl.int32)
        expected = tl.zeros([BLOCK], tl.float64)
        for d in range(WIDTH):  # the values come from the cache after the first action
            successor = tl.load(successors + state * WIDTH + d, mask=inside, other=-1)
            nearby = tl.load(values + successor, mask=successor >= 0, other=0.0)
            expected += tl.load(weights + action * WIDTH + d) * nearby
        found = tl.load(rewards + state * ACTIONS + action, mask=inside, other=0.0) + gamma * expected
        if not FOLLOW:
            tl.store(q + state * ACTIONS + action, found, mask=inside)
        chosen = tl.where(found > best, action, chosen)
        best = tl.where(found > best, found, best)
    tl.store(swept + state, best, mask=inside)
    if not FOLLOW:
        tl.store(policy + state, chosen, mask=inside)


def bellman(
    transitions: Rows | Table,
    rewards: torch.Tensor,
    values: torch.Tensor,
    discount: float,
    policy: torch.Tensor | None,
    out: tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None,
) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor, float, float]:
    states, actions = rewards.shape
    follow = policy is not None
    if out is None:
        best = torch.empty(states, dtype=torch.int32, device=values.device)
        out = torch.empty_like(values), torch.empty_like(values if follow else rewards), best
    swept, q, best = out
    best = policy if policy is not None else best
    gamma = torch.full((1,), discount, dtype=torch.float64, device=values.device)
    arguments = (*transitions, rewards, values, gamma, swept, q, best, states)
    programs = (triton.cdiv(states, BLOCK),)
    if isinstance(transitions, Table):
        width = transitions.weights.shape[1]
        table_kernel[programs](*arguments, ACTIONS=actions, WIDTH=width, FOLLOW=follow, BLOCK=BLOCK)
    else:
        rows_kernel[programs](*arguments, ACTIONS=actions, FOLLOW=follow, BLOCK=BLOCK)
    lowest, highest = torch.stack(torch.aminmax(swept - values)).tolist()  # one wait for the device
    return swept, None if follow else q, best, lowest, highest


_SHARED = {**dict.fromkeys(("rewards", "values", "discount", "swept", "q"), "*fp64"), "policy": "*i32"}
_SIZES = {"states": "i64", "ACTIONS": "constexpr", "FOLLOW": "constexpr", "BLOCK": "constexpr"}
_ROWS = {"indptr": "*i32", "indices": "*i32", "probabilities": "*fp64", **_SHARED, **_SIZES}
_TABLE = {"successors": "*i32", "weights": "*fp64", **_SHARED, **_SIZES, "WIDTH": "constexpr"}
# (kernel, signature, constants): what a test compiles for GPUs that are not there
COMPILE_SIGNATURES = [
    (kernel, signature, {**sizes, "ACTIONS": 4, "FOLLOW": follow, "BLOCK": BLOCK})
    for kernel, signature, sizes in ((rows_kernel, _ROWS, {}), (table_kernel, _TABLE, {"WIDTH": 4}))
    for follow in (False, True)
]
