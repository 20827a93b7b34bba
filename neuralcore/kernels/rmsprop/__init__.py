"""Op `rmsprop`: one step of RMSprop (Tieleman & Hinton 2012) on all weights of a network, in place.

    g <- g · min(1, max_norm / |g|),   |g| over all arrays
    v <- α v + (1 - α) g²,   w <- w - η g / (sqrt(v) + ε)

Centred (Graves 2013, and the code of Mnih et al. 2015), the root is of the variance: m <- α m + (1 - α) g, and v - m²
takes the place of v. Clipping and stepping are one pass over memory each, and one call for all arrays.
"""

from __future__ import annotations

from neuralcore import kernels
from neuralcore.shape import Arrays, match_arrays


def rmsprop(
    weights: Arrays,
    gradients: Arrays,
    squares: Arrays,
    means: Arrays,
    learning_rate: float,
    decay: float,
    epsilon: float,
    max_norm: float,
    *,
    implementation: kernels.Implementation = "auto",
) -> float:
    """Step `weights`, their `squares` and `means`; the gradients stay as they are.

    Args:
        weights: tuple of (n,) float32, C-contiguous. gradients, squares: alike.
        means: alike, or an empty tuple for steps that are not centred.
        learning_rate: η. decay: α. epsilon: of the formula.
        max_norm: inf leaves the gradients as long as they are.
        implementation: "reference", "cpu" or "auto".

    Returns:
        |g|, summed in float64.

    Raises:
        ValueError: the arrays are not alike.
    """
    match_arrays(weights, gradients=gradients, squares=squares, means=means or squares)
    move = kernels.implementation("rmsprop", implementation, weights[0])
    return float(move(weights, gradients, squares, means, learning_rate, decay, epsilon, max_norm))
