"""Operators: what a relation does to the vector of an entity. Pure functions, rows (B, D) in, rows (B, D) out.

| name | formula | relation parameters | model, with its comparator |
|---|---|---|---|
| identity | x | none | untyped graphs |
| translation | x + r | D | TransE (Bordes et al. 2013), l2 |
| diagonal | x · r, by element | D | DistMult (Yang et al. 2015), dot |
| complex_diagonal | x · r, as D/2 complex numbers | D | ComplEx (Trouillon et al. 2016), dot |

A complex vector is stored as its D/2 real parts, then its D/2 imaginary ones.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from neuralcore.shape import match_shape


def identity(x: torch.Tensor, r: torch.Tensor) -> torch.Tensor:
    return x


def translation(x: torch.Tensor, r: torch.Tensor) -> torch.Tensor:
    match_shape(r, *match_shape(x, -1, -1, name="x"), name="r")
    return x + r


def diagonal(x: torch.Tensor, r: torch.Tensor) -> torch.Tensor:
    match_shape(r, *match_shape(x, -1, -1, name="x"), name="r")
    return x * r


def complex_diagonal(x: torch.Tensor, r: torch.Tensor) -> torch.Tensor:
    match_shape(r, *match_shape(x, -1, -1, name="x"), name="r")
    (x_re, x_im), (r_re, r_im) = x.chunk(2, dim=1), r.chunk(2, dim=1)
    return torch.cat([x_re * r_re - x_im * r_im, x_re * r_im + x_im * r_re], dim=1)


OPERATORS: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "identity": identity,
    "translation": translation,
    "diagonal": diagonal,
    "complex_diagonal": complex_diagonal,
}


def neutral(name: str, dimension: int) -> torch.Tensor:
    """(D,) the relation parameters under which the operator changes nothing: where training starts."""
    r = torch.zeros(dimension)
    if name == "diagonal":
        r[:] = 1.0
    if name == "complex_diagonal":
        r[: dimension // 2] = 1.0
    return r


def modulus(name: str, x: torch.Tensor) -> torch.Tensor:
    """(B, D) or (B, D/2): the absolute values of a row's numbers, complex ones for complex_diagonal.

    The gradient at exactly zero is zero, not NaN.
    """
    if name != "complex_diagonal":
        return x.abs()
    re, im = x.chunk(2, dim=1)
    return (re.square() + im.square() + 1e-20).sqrt()


def n3_gradient(name: str, x: torch.Tensor, occurrences: torch.Tensor) -> torch.Tensor:
    """(B, D) the gradient of the N3 regulariser Σ_b occurrences_b Σ_d |x_bd|³ (Lacroix et al. 2018, eq. 4).

    It is 3 |x| x, number by number, for real and complex ones alike. Written out, because it needs to be taken once a
    row of the pool and not once a question.
    """
    absolute = modulus(name, x)
    if name == "complex_diagonal":
        absolute = absolute.repeat(1, 2)
    return 3.0 * occurrences[:, None] * absolute * x
