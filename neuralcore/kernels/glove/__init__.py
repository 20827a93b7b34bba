"""One pass of GloVe over given co-occurrences, in place: two factors whose product is the logarithm of the counts.

Pennington, Socher & Manning 2014, "GloVe: Global Vectors for Word Representation",
https://aclanthology.org/D14-1162, eq. 8 and 9. For words i and j that co-occur X times, a row w_i of one factor and a
row v_j of the other, and a bias each:

    diff = w_i . v_j + b_i + c_j - log X
    loss = f(X) diff² / 2,    f(X) = min((X / x_max)^(3/4), 1)

The step is AdaGrad's (Duchi, Hazan & Singer 2011) for each number θ of them by itself, with a state G that begins
at 1, as the authors' C program has it: what is added up there has the learning rate in it.

    g = learning_rate · ∂loss/∂θ          θ -= g / sqrt(G)          G += g²

All four gradients are those at the rows as they were before the step. The C program's clipping of gradients at 100 is
left out: it is for counts and rates that would not end well with it either.

Axes: V words, P padded dimension, E co-occurrences.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from neuralcore import kernels
from neuralcore.shape import match_shape

POWER = 0.75  # of the weight f


class Factor(NamedTuple):
    """One of the two; all of it is changed in place."""

    vectors: Any
    """(V, P) float32"""
    biases: Any
    """(V,) float32"""
    vector_state: Any
    """(V, P) float32 above 0, G of each number"""
    bias_state: Any
    """(V,) float32 above 0"""


def glove(
    inputs: Factor,
    outputs: Factor,
    rows: Any,
    columns: Any,
    values: Any,
    learning_rate: float,
    *,
    x_max: float = 100.0,
    implementation: kernels.Implementation = "auto",
) -> float:
    """AdaGrad steps on both factors, one co-occurrence after the other; returns the sum of the losses before each.

    The CPU kernel releases the GIL and takes no locks: calling it from several threads on the same factors is
    Hogwild (Niu et al. 2011). One thread gives the same bytes each time. Rows of a multiple of 16 numbers that begin
    at cache lines (`EmbeddingTable`, padded) are worked on in place, others by way of a copy.

    Args:
        inputs: the factor that `rows` are of; outputs: the one that `columns` are of, with as many words or others.
        rows, columns: (E,) int32.
        values: (E,) float32 above 0, the X of each.
        learning_rate: 0 changes nothing and measures the loss.
        x_max: the count from which on the weight is 1 (the paper: 100), above 0.

    Raises:
        ValueError: a shape, dtype or range differs.
        UserError: there is no such implementation.
    """
    _, width = match_shape(inputs.vectors, -1, -1, name="inputs.vectors")
    numbers = {"rows": rows, "columns": columns}
    for (side, factor), (name, of) in zip({"inputs": inputs, "outputs": outputs}.items(), numbers.items()):
        (words,) = match_shape(factor.vectors, -1, width, name=f"{side}.vectors")
        match_shape(factor.biases, words, name=f"{side}.biases")
        match_shape(factor.vector_state, words, width, name=f"{side}.vector_state")
        match_shape(factor.bias_state, words, name=f"{side}.bias_state")
        for field, array in factor._asdict().items():
            _expect(f"{side}.{field}", array, "float32")
        match_shape(of, *match_shape(values, -1, name="values"), name=name)
        _expect(name, of, "int32")
        # A wrong number would write outside the tables.
        if 0 not in of.shape and not 0 <= int(of.min()) <= int(of.max()) < words:
            raise ValueError(f"{name} has a number outside 0..{words - 1}")
    _expect("values", values, "float32")
    if not bool((values > 0).all()) or not x_max > 0:
        raise ValueError("values and x_max must be above 0")
    step = kernels.implementation("glove", implementation, inputs.vectors)
    return step(inputs, outputs, rows, columns, values, float(learning_rate), float(x_max))


def _expect(name: str, array: Any, dtype: str) -> None:
    if str(array.dtype).removeprefix("torch.") != dtype:
        raise ValueError(f"{name} is {array.dtype}, expected {dtype}")
