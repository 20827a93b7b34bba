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
    states,
    ACTIONS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    state = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = state < states
    gamma = tl.load(discount)
    best = tl.full([BLOCK], float("-inf"), tl.float64)
    for action in range(ACTIONS):
        row = state * ACTIONS + action
        begin = tl.load(indptr + row, mask=inside, other=0)
        length = tl.load(indptr + row + 1, mask=inside, other=0) - begin
        expected = tl.zeros([BLOCK], tl.float64)
        for k in range(tl.max(length, axis=0)):  # as far as the block's longest row
            here = k < length
            successor = tl.load(indices + begin + k, mask=here, other=0)
            probability = tl.load(probabilities + begin + k, mask=here, other=0.0)
            expected += probability * tl.load(values + successor, mask=here, other=0.0)
        value = tl.load(rewards + row, mask=inside, other=0.0) + gamma * expected
        tl.store(q + row, value, mask=inside)
        best = tl.maximum(best, value)
    tl.store(swept + state, best, mask=inside)


@triton.jit
def table_kernel(
    successors,
    weights,
    rewards,
    values,
    discount,
    swept,
    q,
    states,
    ACTIONS: tl.constexpr,
    WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,
):
    state = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = state < states
    gamma = tl.load(discount)
    best = tl.full([BLOCK], float("-inf"), tl.float64)
    for action in range(ACTIONS):
        expected = tl.zeros([BLOCK], tl.float64)
        for d in range(WIDTH):  # the values come from the cache after the first action
            successor = tl.load(successors + state * WIDTH + d, mask=inside, other=-1)
            value = tl.load(values + successor, mask=successor >= 0, other=0.0)
            expected += tl.load(weights + action * WIDTH + d) * value
        value = tl.load(rewards + state * ACTIONS + action, mask=inside, other=0.0) + gamma * expected
        tl.store(q + state * ACTIONS + action, value, mask=inside)
        best = tl.maximum(best, value)
    tl.store(swept + state, best, mask=inside)


def bellman(
    transitions: Rows | Table,
    rewards: torch.Tensor,
    values: torch.Tensor,
    discount: float,
    out: tuple[torch.Tensor, torch.Tensor] | None,
) -> tuple[torch.Tensor, torch.Tensor, float]:
    swept, q = (torch.empty_like(values), torch.empty_like(rewards)) if out is None else out
    states, actions = rewards.shape
    gamma = torch.full((1,), discount, dtype=torch.float64, device=values.device)
    arguments = (*transitions, rewards, values, gamma, swept, q, states)
    programs = (triton.cdiv(states, BLOCK),)
    if isinstance(transitions, Table):
        table_kernel[programs](*arguments, ACTIONS=actions, WIDTH=transitions.weights.shape[1], BLOCK=BLOCK)
    else:
        rows_kernel[programs](*arguments, ACTIONS=actions, BLOCK=BLOCK)
    return swept, q, float((swept - values).abs().max())


_SHARED = dict.fromkeys(("rewards", "values", "discount", "swept", "q"), "*fp64")
_SIZES = {"states": "i64", "ACTIONS": "constexpr", "BLOCK": "constexpr"}
# (kernel, signature, constants): what a test compiles for GPUs that are not there
COMPILE_SIGNATURES = [
    (
        rows_kernel,
        {"indptr": "*i32", "indices": "*i32", "probabilities": "*fp64", **_SHARED, **_SIZES},
        {"ACTIONS": 4, "BLOCK": BLOCK},
    ),
    (
        table_kernel,
        {"successors": "*i32", "weights": "*fp64", **_SHARED, **_SIZES, "WIDTH": "constexpr"},
        {"ACTIONS": 4, "WIDTH": 4, "BLOCK": BLOCK},
    ),
]
