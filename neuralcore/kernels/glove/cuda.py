"""Triton: one program a co-occurrence; what changed is added atomically.

Programs run at once, so two that share a word both start from the row as they found it: Hogwild on a GPU. Under
Triton's interpreter (`TRITON_INTERPRET=1`, torch CPU tensors) programs run in order, and the result is the
reference's. Loads bypass the first-level cache (`.cg`), where atomics do not write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import triton
import triton.language as tl

from neuralcore.kernels.glove import POWER, Factor

if TYPE_CHECKING:
    import torch


@triton.jit
def glove_kernel(
    vectors,  # (V, P) float32, as are the states
    biases,  # (V,) float32
    vector_state,
    bias_state,
    other_vectors,
    other_biases,
    other_vector_state,
    other_bias_state,
    rows,  # (E,) int32
    columns,
    logs,  # (E,) float32
    weights,
    losses,
    learning_rate,
    P: tl.constexpr,
    BLOCK: tl.constexpr,  # P up to a power of two
):
    e = tl.program_id(0).to(tl.int64)
    k = tl.arange(0, BLOCK)
    inside = k < P
    i = tl.load(rows + e).to(tl.int64)
    j = tl.load(columns + e).to(tl.int64)
    a = tl.load(vectors + i * P + k, mask=inside, other=0.0, cache_modifier=".cg")
    b = tl.load(other_vectors + j * P + k, mask=inside, other=0.0, cache_modifier=".cg")
    state = tl.load(vector_state + i * P + k, mask=inside, other=1.0, cache_modifier=".cg")
    other_state = tl.load(other_vector_state + j * P + k, mask=inside, other=1.0, cache_modifier=".cg")
    bias = tl.load(biases + i, cache_modifier=".cg")
    other_bias = tl.load(other_biases + j, cache_modifier=".cg")
    of_bias = tl.load(bias_state + i, cache_modifier=".cg")
    of_other_bias = tl.load(other_bias_state + j, cache_modifier=".cg")
    diff = tl.sum(a * b, 0) + bias + other_bias - tl.load(logs + e)
    weighted = tl.load(weights + e) * diff
    tl.store(losses + e, 0.5 * weighted * diff)
    step = learning_rate * weighted
    tl.atomic_add(vectors + i * P + k, -step * b / tl.sqrt(state), mask=inside)
    tl.atomic_add(other_vectors + j * P + k, -step * a / tl.sqrt(other_state), mask=inside)
    tl.atomic_add(vector_state + i * P + k, step * b * step * b, mask=inside)
    tl.atomic_add(other_vector_state + j * P + k, step * a * step * a, mask=inside)
    tl.atomic_add(biases + i, -step / tl.sqrt(of_bias))
    tl.atomic_add(other_biases + j, -step / tl.sqrt(of_other_bias))
    tl.atomic_add(bias_state + i, step * step)
    tl.atomic_add(other_bias_state + j, step * step)


def glove(
    inputs: Factor,
    outputs: Factor,
    rows: torch.Tensor,
    columns: torch.Tensor,
    values: torch.Tensor,
    learning_rate: float,
    x_max: float,
) -> float:
    """As `neuralcore.kernels.glove.glove`, on CUDA tensors."""
    if not len(rows):
        return 0.0
    width = inputs.vectors.shape[1]
    losses = values.new_empty(len(values))
    glove_kernel[(len(rows),)](
        *inputs,
        *outputs,
        rows,
        columns,
        values.log(),
        (values / x_max).pow(POWER).clamp(max=1.0),
        losses,
        learning_rate,
        P=width,
        BLOCK=triton.next_power_of_2(width),
    )
    return float(losses.double().sum())


_FACTOR = ("vectors", "biases", "vector_state", "bias_state")
_TYPES = {
    **dict.fromkeys((*_FACTOR, *(f"other_{name}" for name in _FACTOR)), "*fp32"),
    **dict.fromkeys(("rows", "columns"), "*i32"),
    **dict.fromkeys(("logs", "weights", "losses"), "*fp32"),
    "learning_rate": "fp32",
    **dict.fromkeys(("P", "BLOCK"), "constexpr"),
}
# (kernel, types of its arguments, values of its constants) for the test that compiles every kernel without a GPU
COMPILE_SIGNATURES = [(glove_kernel, _TYPES, {"P": 112, "BLOCK": 128})]
