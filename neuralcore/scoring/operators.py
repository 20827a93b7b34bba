"""Operators: what a relation does to the vector of an entity.

| name | formula | numbers of a relation | model, with its comparator |
|---|---|---|---|
| identity | x | 0 | untyped graphs |
| translation | x + w | D | TransE (Bordes et al. 2013), l2 |
| diagonal | x · w, by element | D | DistMult (Yang et al. 2015), dot |
| complex_diagonal | x · w, as D/2 complex numbers | D | ComplEx (Trouillon et al. 2016), dot |
| rotation | x · e^(i w), as D/2 complex numbers | D/2 angles | RotatE (Sun et al. 2019), l2 |
| linear | M x, w the rows of M | D² | RESCAL (Nickel et al. 2011), dot |
| affine | M x + b, w the rows of M, then b | D² + D | |

A complex vector is stored as its D/2 real parts, then its D/2 imaginary ones.

Axes: B questions, D numbers of an entity, S relations, W numbers of a relation. Every operator has
`forward(x (B, D), w (S, W), asked (B,)) -> (B, D)`, where `asked` names the row of w each question goes by, and
`backward(x, w, asked, dy (B, D)) -> (dx (B, D), dw (S, W))`, the gradients of a loss whose gradient at the result is
dy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch

Rows = torch.Tensor
Forward = Callable[[Rows, Rows, torch.Tensor], Rows]
Backward = Callable[[Rows, Rows, torch.Tensor, Rows], tuple[Rows, Rows]]


class Operator(NamedTuple):
    """One row of the table above.

    Attributes:
        width: W, from D. neutral: the W numbers with which the operator changes nothing, where training starts.
        complex: whether a vector is D/2 complex numbers, so that D must be even.
        bounded: whether the operator cannot lengthen a vector, and its numbers are not regularised.
    """

    forward: Forward
    backward: Backward
    width: Callable[[int], int]
    neutral: Callable[[int], torch.Tensor]
    complex: bool = False
    bounded: bool = False


def _sums(rows: Rows, asked: torch.Tensor, relations: int) -> Rows:
    """(S, W): the rows (B, W) of each relation summed, in their order."""
    return torch.zeros(relations, rows.shape[1], device=rows.device, dtype=rows.dtype).index_add_(0, asked, rows)


def _identity_backward(x: Rows, w: Rows, asked: torch.Tensor, dy: Rows) -> tuple[Rows, Rows]:
    return dy, torch.zeros_like(w)


def _translation_backward(x: Rows, w: Rows, asked: torch.Tensor, dy: Rows) -> tuple[Rows, Rows]:
    return dy, _sums(dy, asked, len(w))


def _diagonal_backward(x: Rows, w: Rows, asked: torch.Tensor, dy: Rows) -> tuple[Rows, Rows]:
    return dy * w[asked], _sums(dy * x, asked, len(w))


def product(x: Rows, y: Rows) -> Rows:
    """x y, of complex rows."""
    (x_re, x_im), (y_re, y_im) = x.chunk(2, dim=1), y.chunk(2, dim=1)
    return torch.cat([x_re * y_re - x_im * y_im, x_re * y_im + x_im * y_re], dim=1)


def conjugate_product(x: Rows, y: Rows) -> Rows:
    """conj(x) y, of complex rows: what gradients of products are made of."""
    (x_re, x_im), (y_re, y_im) = x.chunk(2, dim=1), y.chunk(2, dim=1)
    return torch.cat([x_re * y_re + x_im * y_im, x_re * y_im - x_im * y_re], dim=1)


def _complex_backward(x: Rows, w: Rows, asked: torch.Tensor, dy: Rows) -> tuple[Rows, Rows]:
    return conjugate_product(w[asked], dy), _sums(conjugate_product(x, dy), asked, len(w))


def _unit(w: Rows) -> Rows:
    """e^(i w): angles (B, D/2) as complex rows (B, D)."""
    return torch.cat([w.cos(), w.sin()], dim=1)


def _rotation_backward(x: Rows, w: Rows, asked: torch.Tensor, dy: Rows) -> tuple[Rows, Rows]:
    turn = _unit(w)[asked]
    # d/dw of x e^(iw) is i y: the angle's gradient is the part of dy along y turned by 90 degrees.
    imaginary = conjugate_product(product(x, turn), dy).chunk(2, dim=1)[1]
    return conjugate_product(turn, dy), _sums(imaginary, asked, len(w))


def _by_relation(asked: torch.Tensor) -> Iterator[tuple[int, torch.Tensor]]:
    """Each relation that is asked, with its questions: a matrix product for each, not a matrix for each question."""
    order = torch.argsort(asked, stable=True)
    relations, counts = torch.unique_consecutive(asked[order], return_counts=True)
    yield from zip(relations.tolist(), order.split(counts.tolist()))


def _linear(x: Rows, w: Rows, asked: torch.Tensor) -> Rows:
    dimension = x.shape[1]
    y = torch.empty_like(x)
    for relation, questions in _by_relation(asked):
        matrix = w[relation, : dimension**2].view(dimension, dimension)
        y = y.index_copy(0, questions, x[questions] @ matrix.T)
    return y


def _linear_backward(x: Rows, w: Rows, asked: torch.Tensor, dy: Rows) -> tuple[Rows, Rows]:
    dimension = x.shape[1]
    dx, dw = torch.empty_like(x), torch.zeros_like(w)
    for relation, questions in _by_relation(asked):
        matrix = w[relation, : dimension**2].view(dimension, dimension)
        dx[questions] = dy[questions] @ matrix
        dw[relation, : dimension**2] = (dy[questions].T @ x[questions]).flatten()
    return dx, dw


def _affine_backward(x: Rows, w: Rows, asked: torch.Tensor, dy: Rows) -> tuple[Rows, Rows]:
    dx, dw = _linear_backward(x, w, asked, dy)
    dw[:, x.shape[1] ** 2 :] = _sums(dy, asked, len(w))
    return dx, dw


def _same(dimension: int) -> int:
    return dimension


OPERATORS: dict[str, Operator] = {
    "identity": Operator(lambda x, w, asked: x, _identity_backward, lambda d: 0, lambda d: torch.zeros(0)),
    "translation": Operator(lambda x, w, asked: x + w[asked], _translation_backward, _same, torch.zeros),
    "diagonal": Operator(lambda x, w, asked: x * w[asked], _diagonal_backward, _same, torch.ones),
    "complex_diagonal": Operator(
        lambda x, w, asked: product(x, w[asked]),
        _complex_backward,
        _same,
        lambda d: torch.cat([torch.ones(d // 2), torch.zeros(d // 2)]),
        complex=True,
    ),
    "rotation": Operator(
        lambda x, w, asked: product(x, _unit(w)[asked]),
        _rotation_backward,
        lambda d: d // 2,
        lambda d: torch.zeros(d // 2),
        complex=True,
        bounded=True,
    ),
    "linear": Operator(_linear, _linear_backward, lambda d: d * d, lambda d: torch.eye(d).flatten()),
    "affine": Operator(
        lambda x, w, asked: _linear(x, w, asked) + w[:, x.shape[1] ** 2 :][asked],
        _affine_backward,
        lambda d: d * d + d,
        lambda d: torch.cat([torch.eye(d).flatten(), torch.zeros(d)]),
    ),
}


def regulariser(x: Rows, complex_numbers: bool, n3: float, l2: float) -> torch.Tensor:
    """(B,) n3 Σ_d |x_bd|³ + l2 Σ_d |x_bd|² of each row, its numbers real or complex (Lacroix et al. 2018, eq. 4)."""
    squares = x.square()
    if complex_numbers:
        re, im = squares.chunk(2, dim=1)
        squares = re + im
    cubes = squares.clamp_min(1e-30).pow(1.5)  # whose gradient at 0 is 0, not NaN
    return n3 * cubes.sum(1) + l2 * squares.sum(1)


def regulariser_gradient(x: Rows, complex_numbers: bool, n3: float, l2: float) -> Rows:
    """(B, D) its gradient: (3 n3 |x| + 2 l2) x, number by number, for real and complex ones alike."""
    if not n3:
        return 2.0 * l2 * x
    if complex_numbers:
        re, im = x.chunk(2, dim=1)
        absolute = (re.square() + im.square()).sqrt_().repeat(1, 2)
    else:
        absolute = x.abs()
    return absolute.mul_(3.0 * n3).add_(2.0 * l2).mul_(x)
