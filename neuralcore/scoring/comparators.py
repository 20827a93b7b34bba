"""Comparators: how alike two vectors are; more is nearer. All questions against all candidates are one matrix
product.

    dot          q · c                    cos      q · c / (|q| |c|)
    squared_l2   -|q - c|²                l2       -|q - c|
    poincare     -arcosh(1 + 2 |q - c|² / ((1 - |q|²) (1 - |c|²))), for vectors shorter than 1

Distances are expanded, |q - c|² = |q|² - 2 q·c + |c|², so nothing of size B x K x D is ever made.

Axes: B questions, K candidates, D numbers. `forward(q (B, D), c (K, D)) -> s (B, K)`, and
`backward(q, c, s, ds (B, K), side) -> (dq (B, D), dc (K, D))`, which may overwrite ds, and of which only one is there
where `side` is Q or C. Scores may lie in memory candidate by candidate.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch.nn.functional import normalize

Matrix = torch.Tensor
BOTH, Q, C = "both", "questions", "candidates"
EDGE = 1e-5  # of the unit ball: how near vectors come to it (Nickel & Kiela, eq. 5)
NEAR = 1e-6  # of |q|² + |c|²: what an expanded |q - c|² has to exceed to be told from rounding
MANY = 4  # times as many candidates as questions: MKL's c q^T is then up to twice as fast as q c^T (AMD Zen 4)
TINY = 1e-9  # under the root of a distance: its gradient at zero is finite


class Comparator(NamedTuple):
    """One of those above.

    Attributes:
        ball: whether vectors live in the unit ball, with the Poincaré metric; see `ball_scale` and `into_ball`.
    """

    forward: Callable[[Matrix, Matrix], Matrix]
    backward: Callable[..., tuple[Matrix, Matrix]]
    ball: bool = False


def _product(q: Matrix, c: Matrix) -> Matrix:
    """q c^T in the questions' type, the way round that BLAS is quick at; see `MANY`.

    Candidates in bfloat16 have it made in that, summed in float32 and rounded.
    """
    found = (c @ q.to(c.dtype).T).T if len(c) > MANY * len(q) else q.to(c.dtype) @ c.T
    return found.to(q.dtype)


def _products_back(q: Matrix, c: Matrix, ds: Matrix, side: str) -> tuple[Matrix, Matrix]:
    """ds c (B, D) and ds^T q (K, D), one of them alone where `side` says so."""
    ds, dq, dc = ds.to(c.dtype), q, c
    if side != C:
        dq = (ds @ c).to(q.dtype)
    if side != Q:
        dc = (ds.T @ q.to(c.dtype)).to(q.dtype)
    return dq, dc


def _dot(q: Matrix, c: Matrix) -> Matrix:
    return _product(q, c)


def _dot_backward(q: Matrix, c: Matrix, s: Matrix, ds: Matrix, side: str = BOTH) -> tuple[Matrix, Matrix]:
    return _products_back(q, c, ds, side)


def _cos(q: Matrix, c: Matrix) -> Matrix:
    """A zero vector is like nothing, score 0."""
    return _product(normalize(q, dim=1), normalize(c, dim=1))


def _cos_backward(q: Matrix, c: Matrix, s: Matrix, ds: Matrix, side: str = BOTH) -> tuple[Matrix, Matrix]:
    unit_q, unit_c = normalize(q, dim=1), normalize(c, dim=1)
    along, dq, dc = ds * s, q, c
    if side != C:
        dq = (ds @ unit_c - along.sum(1, keepdim=True) * unit_q) / q.norm(dim=1, keepdim=True).clamp_min(1e-12)
    if side != Q:
        dc = (ds.T @ unit_q - along.sum(0)[:, None] * unit_c) / c.norm(dim=1, keepdim=True).clamp_min(1e-12)
    return dq, dc


def _squared_l2(q: Matrix, c: Matrix) -> Matrix:
    """At most 0: rounding may not make a distance negative."""
    if c.dtype != q.dtype:  # between what is compared, q rounded like c
        rounded, near = q.to(c.dtype).to(q.dtype), c.to(q.dtype)
        found = _product(q, c).mul_(2.0).sub_(rounded.square().sum(1, keepdim=True))
        return found.sub_(near.square().sum(1)).clamp_max_(0.0)
    squares = q.square().sum(1, keepdim=True) + c.square().sum(1)
    if len(c) > MANY * len(q):
        return torch.addmm(squares.T, c, q.T, beta=-1.0, alpha=2.0).T.clamp_max(0.0)
    return torch.addmm(squares, q, c.T, beta=-1.0, alpha=2.0).clamp_max(0.0)


def _squared_l2_backward(q: Matrix, c: Matrix, s: Matrix, ds: Matrix, side: str = BOTH) -> tuple[Matrix, Matrix]:
    # Where the clamp is at work q and c are the same but for rounding, and so is what it would hide.
    dq, dc = _products_back(q, c, ds, side)
    if side != C:
        dq = dq.mul_(2.0).sub_(2.0 * ds.sum(1, keepdim=True) * q)
    if side != Q:
        dc = dc.mul_(2.0).sub_(2.0 * ds.sum(0)[:, None] * c)
    return dq, dc


def _l2(q: Matrix, c: Matrix) -> Matrix:
    return -(TINY - _squared_l2(q, c)).sqrt()


def _l2_backward(q: Matrix, c: Matrix, s: Matrix, ds: Matrix, side: str = BOTH) -> tuple[Matrix, Matrix]:
    return _squared_l2_backward(q, c, s, ds.div_(s).mul_(-0.5), side)  # s = -sqrt(TINY - z): ds/dz = -1 / (2 s)


def _margins(x: Matrix) -> Matrix:
    """(B, 1): 1 - |x|², how far from the ball's edge, and never 0."""
    return (1.0 - x.square().sum(1, keepdim=True)).clamp_min(EDGE)


def _told_apart(q: Matrix, c: Matrix) -> tuple[Matrix, Matrix]:
    """(B, K) squared distances, and below which each is rounding."""
    squares = -_squared_l2(q, c)
    least = NEAR * (q.square().sum(1, keepdim=True) + c.square().sum(1)) + TINY**2
    return squares, least.detach()


def _poincare(q: Matrix, c: Matrix) -> Matrix:
    """The distance of hyperbolic space (Nickel & Kiela 2017, https://arxiv.org/abs/1705.08039, eq. 1), negative."""
    z = 2.0 * torch.maximum(*_told_apart(q, c)) / (_margins(q) * _margins(c).T)
    return -torch.log1p(z + (z * (z + 2.0)).sqrt())  # arcosh(1 + z)


def _poincare_backward(q: Matrix, c: Matrix, s: Matrix, ds: Matrix, side: str = BOTH) -> tuple[Matrix, Matrix]:
    of_q, of_c = _margins(q), _margins(c)
    squares, least = _told_apart(q, c)
    z = 2.0 * torch.maximum(squares, least) / (of_q * of_c.T)
    of_z = -ds / (z * (z + 2.0)).sqrt()  # d arcosh(1 + z) / dz = 1 / sqrt(z (z + 2))
    # Who is that near has no direction to go, but rounding's.
    of_squares = torch.where(squares > least, 2.0 * of_z / (of_q * of_c.T), 0.0)
    dq, dc = _squared_l2_backward(q, c, s, -of_squares, side)
    # By the margins: z is inversely as each, and a margin's own derivative is -2 x.
    if side != C:
        dq += 2.0 * q * ((of_z * z).sum(1, keepdim=True) / of_q)
    if side != Q:
        dc += 2.0 * c * ((of_z * z).sum(0)[:, None] / of_c)
    return dq, dc


def ball_scale(x: Matrix) -> Matrix:
    """(B, 1) the root of the inverse metric, (1 - |x|²) / 2.

    Times it, a gradient is as long as the Riemannian one; times it again, a step of that length is one in coordinates
    (Bécigneul & Ganea 2019, https://arxiv.org/abs/1810.00760: Riemannian Adagrad, a row being a manifold).
    """
    return _margins(x) / 2.0


def into_ball(x: Matrix) -> Matrix:
    """Vectors (B, D) that have left the ball are put back just inside its edge."""
    length = x.norm(dim=1, keepdim=True)
    return x * torch.clamp((1.0 - EDGE) / length.clamp_min(EDGE), max=1.0)


COMPARATORS: dict[str, Comparator] = {
    "dot": Comparator(_dot, _dot_backward),
    "cos": Comparator(_cos, _cos_backward),
    "squared_l2": Comparator(_squared_l2, _squared_l2_backward),
    "l2": Comparator(_l2, _l2_backward),
    "poincare": Comparator(_poincare, _poincare_backward, ball=True),
}
