"""Random walks over a graph, of first order (DeepWalk) and of second order (node2vec).

Perozzi, Al-Rfou & Skiena 2014, "DeepWalk", https://arxiv.org/abs/1403.6652: the next node is a neighbour x of the
node v, drawn by the weight w(v, x) of the edge. Grover & Leskovec 2016, "node2vec", https://arxiv.org/abs/1607.00653,
section 3.2: it also depends on the node t that the walk came from,

    pi(x) ~ alpha(t, x) w(v, x),    alpha = 1/p if x is t, 1 if there is an edge t -> x, else 1/q.

(In a directed graph the authors' program asks for an edge x -> t; here it is t -> x, the paper's distance from t.)

The authors keep an alias table for each pair (t, v), which takes sum of deg^2 numbers. Here x is drawn by w(v, x)
and kept with probability alpha / B, B = max(1, 1/q), else drawn again: the same distribution with no table at all, as
in KnightKing (Yang et al. 2019, https://doi.org/10.1145/3341301.3359634). What 1/p is above B is set apart, as there:
the mass (1/p - B) w(v, t) belongs to t without any drawing of x. Whether there is an edge t -> x is a binary search
in t's row, and only asked where the coin leaves it open. After `TRIES` rejections (p and q may be far from 1) the
row's own probabilities are summed up, which is again the same distribution, and bounds the time of a step.

Every draw is a pure function of (seed, epoch, number of the walk, which draw), so walks depend neither on how they
are cut into calls nor on which thread takes which. A walk's draws are the splitmix64 sequence (Steele et al. 2014,
https://doi.org/10.1145/2714064.2660195) of a key of its own, splitmix64(key of seed and epoch, number of the walk):

    u            the upper 53 bits as a number in [0, 1)
    a neighbour  (upper 32 bits) degree / 2^32, or by weight the first whose cumulative one is above u times the row's
    a try        [u (B W + set apart) >= B W gives t,] a neighbour, the coin u B < alpha; W the weight of the row

The first step of a walk and all steps with p = q = 1 are of first order; a node with one edge needs no draw.

Axes: N nodes, E edges, W walks, L length.
"""

from __future__ import annotations

import numpy as np

from neuralcore import kernels
from neuralcore.shape import match_shape

END_OF_WALK = -1
TRIES = 64


def random_walks(
    offsets: np.ndarray,
    neighbours: np.ndarray,
    starts: np.ndarray,
    *,
    cumulative: np.ndarray | None = None,
    length: int,
    p: float = 1.0,
    q: float = 1.0,
    seed: int,
    epoch: int,
    first: int = 0,
    implementation: kernels.Implementation = "auto",
) -> np.ndarray:
    """(W, L) int32: each walk's nodes, its start the first, `END_OF_WALK` (-1) after a node without edges.

    Releases the GIL. All implementations give the same numbers, bit for bit.

    Args:
        offsets: (N + 1,) int64, where each node's row begins in `neighbours`.
        neighbours: (E,) int32, a row in rising order.
        starts: (W,) int32, below N.
        cumulative: (E,) float64, the weights of a row's edges summed up from its first; None where all are 1.
        length: L, nodes of a walk, 1 or more.
        p: the return parameter, above 0. q: the in-out parameter, above 0.
        seed, epoch: 0 or more, below 2^63.
        first: the number of the first walk; walk i of this call is number `first` + i.

    Raises:
        ValueError: a shape, dtype or number is not as said.
        UserError: there is no such implementation.
    """
    (nodes,) = match_shape(offsets, -1, name="offsets")
    (edges,) = match_shape(neighbours, -1, name="neighbours")
    match_shape(starts, -1, name="starts")
    cumulative = np.empty(0) if cumulative is None else cumulative
    if cumulative.size:
        match_shape(cumulative, edges, name="cumulative")
    typed = (
        ("offsets", offsets, "int64"),
        ("neighbours", neighbours, "int32"),
        ("starts", starts, "int32"),
        ("cumulative", cumulative, "float64"),
    )
    for name, array, dtype in typed:
        if array.dtype != dtype:
            raise ValueError(f"{name} is {array.dtype}, expected {dtype}")
    if nodes < 1 or offsets[0] != 0 or offsets[-1] != edges:
        raise ValueError(f"offsets must go from 0 to the {edges} edges")
    if starts.size and not 0 <= starts.min() <= starts.max() < nodes - 1:
        raise ValueError(f"starts must be nodes, from 0 to {nodes - 2}")
    if length < 1 or first < 0:
        raise ValueError(f"length must be 1 or more and first 0 or more, got {length} and {first}")
    if not (0.0 < p < np.inf and 0.0 < q < np.inf):
        raise ValueError(f"p and q must be above 0, got {p} and {q}")
    walk = kernels.implementation("random_walks", implementation, neighbours)
    return walk(offsets, neighbours, cumulative, starts, first, length, float(p), float(q), seed, epoch)


def cumulative_weights(offsets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(E,) float64: the weights of each row summed up from its first, what `random_walks` draws a neighbour by.

    Args:
        offsets: (N + 1,) int64. weights: (E,) float64, above 0.
    """
    summed, degrees = np.empty(len(weights)), np.diff(offsets)
    for degree in np.unique(degrees[degrees > 0]):  # the rows of one length at once: there are few lengths
        places = offsets[:-1][degrees == degree][:, None] + np.arange(degree)
        summed[places] = np.cumsum(weights[places], axis=1)
    return summed
