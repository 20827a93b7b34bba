"""Op `row_adagrad`: one step of row-wise Adagrad on some rows of a table, in place.

    g_r = Σ_{m: rows_m = r} gradients_m        state_r += mean_d(g_rd²)
    weight_r -= learning_rate · g_r / (sqrt(state_r) + epsilon)

Adagrad (Duchi, Hazan & Singer 2011) with one accumulator a row instead of one a number, as PyTorch-BigGraph has it
(Lerer et al. 2019, section 4): the state of a table is then 1/D of its size. A row named more than once is stepped
once, by the sum of its gradients. Axes: N rows of the table, M named ones, D numbers a row.
"""

from __future__ import annotations

from typing import Any

from neuralcore import kernels
from neuralcore.shape import match_shape


def row_adagrad(
    weight: Any,
    state: Any,
    rows: Any,
    gradients: Any,
    learning_rate: float,
    *,
    epsilon: float = 1e-10,
    implementation: kernels.Implementation = "auto",
) -> None:
    """Step the named rows of `weight` and their `state`, in place.

    Args:
        weight: (N, D) float32; rows may lie apart in memory (a view of padded storage), numbers of a row may not.
        state: (N,) float32, sums of mean squared gradients.
        rows: (M,) int64 in 0 … N-1 (not checked here).
        gradients: (M, D) float32.
        learning_rate: step size.
        epsilon: keeps a row whose gradients were all zero where it is.
        implementation: "reference", "cpu" (NumPy arrays), "cuda" (torch tensors) or "auto", by where `weight` lives.

    Raises:
        ValueError: a shape does not fit.
    """
    count, dimension = match_shape(weight, -1, -1, name="weight")
    match_shape(state, count, name="state")
    match_shape(gradients, *match_shape(rows, -1, name="rows"), dimension, name="gradients")
    step = kernels.implementation("row_adagrad", implementation, weight)
    if rows.shape[0]:
        step(weight, state, rows, gradients, learning_rate, epsilon)
