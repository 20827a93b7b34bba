"""Op `transducer` by Triton: a program an example, which walks over frames; the nodes of a frame are its lanes.

Within a frame α(u) = x(u) + α(u-1) y(u-1) is a recurrence over lanes. Steps of it make a step, in logarithms
(e, x) then (e', x') -> (e + e', log(exp(x + e') + exp(x'))), so it is a scan; β is one from the other end.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl


@triton.jit
def added(a, b):
    """log(exp(a) + exp(b)), also of -inf."""
    high, low = tl.maximum(a, b), tl.minimum(a, b)
    finite = tl.where(high == float("-inf"), 0.0, high)
    return high + tl.log(1.0 + tl.exp(low - finite))


@triton.jit
def joined(e, x, e_after, x_after):
    return e + e_after, added(x + e_after, x_after)


@triton.jit
def transducer_kernel(
    blank,
    symbol,
    frames,
    lengths,
    beta,  # (B, T + 1, U + 1) float64, to work in
    losses,
    of_blank,
    of_symbol,
    steps,
    nodes,
    BLOCK: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    last, length = tl.load(frames + row), tl.load(lengths + row)
    u = tl.arange(0, BLOCK)
    node, edge = u <= length, u < length
    nothing = tl.full([BLOCK], float("-inf"), tl.float64)
    beta += row * (steps + 1) * nodes
    at, at_symbol = (row * steps + last) * nodes + u, (row * steps + last) * (nodes - 1) + u
    after = tl.where(u == length, 0.0, nothing)
    tl.store(beta + last * nodes + u, after, mask=node)
    for back in range(last):
        at -= nodes
        at_symbol -= nodes - 1
        skip = tl.load(blank + at, mask=node, other=0.0).to(tl.float64)
        emit = tl.load(symbol + at_symbol, mask=edge, other=float("-inf")).to(tl.float64)
        _, after = tl.associative_scan((emit, tl.where(node, after + skip, nothing)), 0, joined, reverse=True)
        tl.store(beta + (last - 1 - back) * nodes + u, after, mask=node)
    whole = tl.sum(tl.where(u == 0, after, 0.0), 0)
    tl.store(losses + row, -whole)
    tl.debug_barrier()  # below, a lane reads what its neighbour wrote
    before = tl.where(u == 0, 0.0, nothing)  # what comes by ∅ from the frame before
    for t in range(last):
        skip = tl.load(blank + at, mask=node, other=0.0).to(tl.float64)
        emit = tl.load(symbol + at_symbol, mask=edge, other=float("-inf")).to(tl.float64)
        came = tl.load(symbol + at_symbol - 1, mask=node & (u > 0), other=float("-inf")).to(tl.float64)
        _, alpha = tl.associative_scan((came, before), 0, joined)
        next_frame = tl.load(beta + (t + 1) * nodes + u, mask=node, other=float("-inf"))
        next_node = tl.load(beta + t * nodes + u + 1, mask=edge, other=float("-inf"))
        tl.store(of_blank + at, -tl.exp(alpha + skip + next_frame - whole), mask=node)
        tl.store(of_symbol + at_symbol, -tl.exp(alpha + emit + next_node - whole), mask=edge)
        before = tl.where(node, alpha + skip, nothing)
        at += nodes
        at_symbol += nodes - 1


def transducer(
    blank: torch.Tensor, symbol: torch.Tensor, frames: torch.Tensor, lengths: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    count, steps, nodes = blank.shape
    losses = blank.new_empty(count)
    of_blank, of_symbol = torch.zeros_like(blank), torch.zeros_like(symbol)
    beta = torch.empty((count, steps + 1, nodes), dtype=torch.float64, device=blank.device)
    if count:
        transducer_kernel[(count,)](
            blank,
            symbol,
            frames,
            lengths,
            beta,
            losses,
            of_blank,
            of_symbol,
            steps,
            nodes,
            BLOCK=triton.next_power_of_2(nodes),
        )
    return losses, of_blank, of_symbol


# (kernel, signature, constants): what a test compiles for GPUs that are not there
COMPILE_SIGNATURES = [
    (
        transducer_kernel,
        {
            **dict.fromkeys(("blank", "symbol", "losses", "of_blank", "of_symbol"), dtype),
            **dict.fromkeys(("frames", "lengths"), "*i64"),
            "beta": "*fp64",
            **dict.fromkeys(("steps", "nodes"), "i64"),
            "BLOCK": "constexpr",
        },
        {"BLOCK": 64},
    )
    for dtype in ("*fp32", "*fp64")
]
