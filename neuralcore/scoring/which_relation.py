"""Which relation holds between two entities: an auxiliary loss beside that of which entity answers a question.

Of each answer, with the given entity x and the answer c, and w_r over all S rows of the relations' table:

    -log softmax_r( dot(operator(x, w_r), c) ) at the relation that was asked

(Chen, Minervini, Riedel & Stenetorp 2021, https://arxiv.org/abs/2110.02834, eq. 2). It tells relations apart, which
the candidates of a question, who all share one, cannot; against hundreds of relations it costs a fraction of what
tens of thousands of entities do. Reciprocal relations are among the rows, so "the other way round" is a wrong answer
as well.

Where the score is linear in the numbers of a relation, all S are one matrix product with z(x, c):

    diagonal            z = x · c, by element          complex_diagonal    z = conj(x) · c, as complex numbers

Axes: A answers, S relations, D numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch

from neuralcore.scoring.operators import Operator, Rows, conjugate_product, product


class Pairing(NamedTuple):
    """z(x, c), and from dz the gradients of x and c."""

    forward: Callable[[Rows, Rows], Rows]
    backward: Callable[[Rows, Rows, Rows], tuple[Rows, Rows]]


PAIRINGS: dict[str, Pairing] = {
    "diagonal": Pairing(lambda x, c: x * c, lambda x, c, dz: (dz * c, dz * x)),
    "complex_diagonal": Pairing(conjugate_product, lambda x, c, dz: (conjugate_product(dz, c), product(x, dz))),
}


def which_relation(
    operator: Operator, x: Rows, w: Rows, c: Rows, asked: torch.Tensor, weight: torch.Tensor
) -> torch.Tensor:
    """(A,) the losses as they are written: x, c (A, D), w (S, W), asked (A,) rows of w, weight (A,)."""
    each = [operator.forward(x, w, torch.full_like(asked, relation)) for relation in range(len(w))]
    scores = torch.stack([(query * c).sum(1) for query in each], 1)
    return weight * (scores.logsumexp(1) - scores.gather(1, asked[:, None])[:, 0])


def which_relation_gradient(
    operator: str, x: Rows, w: Rows, c: Rows, asked: torch.Tensor, weight: torch.Tensor
) -> tuple[torch.Tensor, Rows, Rows, Rows]:
    """The losses (A,), and the gradients of x, w and c of their sum; for the operators of `PAIRINGS`."""
    pairing = PAIRINGS[operator]
    z = pairing.forward(x, c)
    scores, place = z @ w.T, asked[:, None]
    own = scores.gather(1, place)
    largest = scores.amax(1, keepdim=True)
    ds = scores.sub_(largest).exp_()
    sums = ds.sum(1, keepdim=True)
    losses = weight * (largest + sums.log() - own)[:, 0]
    ds.mul_(weight[:, None] / sums)
    ds.scatter_add_(1, place, -weight[:, None])
    of_x, of_c = pairing.backward(x, c, ds @ w)
    return losses, of_x, ds.T @ z, of_c
