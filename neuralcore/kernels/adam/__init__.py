"""Op `adam`: one step of Adam (Kingma & Ba 2015, algorithm 1) on all weights of a network, in place.

    g <- g · min(1, max_norm / |g|),   |g| over all arrays
    m <- β1 m + (1 - β1) g,   v <- β2 v + (1 - β2) g²,   w <- w - η / (1 - β1^t) · m / (sqrt(v / (1 - β2^t)) + ε)

Clipping and stepping are one pass over memory each, and one call for all arrays: a small network's step costs torch
ten times its arithmetic.
"""

from __future__ import annotations

from neuralcore import kernels
from neuralcore.shape import Arrays, match_arrays


def adam(
    weights: Arrays,
    gradients: Arrays,
    means: Arrays,
    squares: Arrays,
    step: int,
    learning_rate: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    max_norm: float,
    *,
    implementation: kernels.Implementation = "auto",
) -> float:
    """Step `weights`, their `means` and `squares`; the gradients stay as they are.

    Args:
        weights: tuple of (n,) float32, C-contiguous. gradients, means, squares: alike.
        step: t, 1 at the first.
        learning_rate: η. beta1, beta2, epsilon: of the formula.
        max_norm: inf leaves the gradients as long as they are.
        implementation: "reference", "cpu" or "auto".

    Returns:
        |g|, summed in float64.

    Raises:
        ValueError: the arrays are not alike.
    """
    match_arrays(weights, gradients=gradients, means=means, squares=squares)
    move = kernels.implementation("adam", implementation, weights[0])
    return float(move(weights, gradients, means, squares, step, learning_rate, beta1, beta2, epsilon, max_norm))
