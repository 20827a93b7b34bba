"""Vectors of nodes made of what is known of them and of those around them, for graphs too large to go through whole.

GraphSAGE (Hamilton et al. 2017, https://arxiv.org/abs/1706.02216, algorithm 2) or attention (Veličković et al. 2018)
on blocks of drawn neighbours, after a vector for each tag or a linear map of dense features. A node without edges is
made of its own features alone.

Axes: U nodes within K edges of B, F tags or numbers, D numbers of a vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import nn

from neuralcore.lazy import lazy_import

geometric = lazy_import("torch_geometric.nn", extra="geometric")

Blocks = Sequence[tuple[torch.Tensor, int]]


class NeighbourEncoder(nn.Module):
    """An encoder of K layers.

    Args:
        features: F. dimension: D. tags: whether features are bags of tags, and not F numbers. layer: of
            torch-geometric. hops: K. most: neighbours of a node that are drawn in training; in use all are taken.

    Attributes:
        description: these, with which it is made again.

    A layer adds what neighbours bring to what the node had, without a ReLU between: vectors are compared by their dot
    product, in which signs count. "sage" begins as the mean of neighbours, its matrix as the identity.
    """

    def __init__(
        self,
        features: int,
        dimension: int,
        *,
        tags: bool = True,
        layer: Literal["sage", "gat"] = "sage",
        hops: int = 1,
        most: int = 10,
    ):
        super().__init__()
        if hops < 1 or most < 1:
            raise ValueError(f"hops and most must be 1 or more, got {hops} and {most}")
        self.hops, self.most = hops, most
        self.description = {"features": features, "dimension": dimension, "tags": tags, "layer": layer, "hops": hops}
        self.description["most"] = most
        if tags:
            self.begin: nn.Module = nn.EmbeddingBag(features, dimension, mode="sum")
            nn.init.normal_(self.begin.weight, 0.0, 0.1)
        else:
            self.begin = nn.Linear(features, dimension)
        self.layers = nn.ModuleList()
        for _ in range(hops):
            if layer == "sage":
                made = geometric.SAGEConv(dimension, dimension, root_weight=False)
                nn.init.eye_(made.lin_l.weight)
                nn.init.zeros_(made.lin_l.bias)
            else:
                made = geometric.GATConv(dimension, dimension, add_self_loops=False)
            self.layers.append(made)

    def forward(self, features: Sequence[torch.Tensor], blocks: Blocks) -> torch.Tensor:
        """(B, D).

        Args:
            features: of all U nodes: ((U, F),), or of bags tags (M,), offsets (U,) and weights (M,).
            blocks: K pairs of ends (2, M) and how many nodes are inside, see `neighbourhood`.
        """
        values = self.begin(*features)
        for layer, (ends, inside) in zip(self.layers, blocks):
            own = values[:inside]
            values = own + layer((values, own), ends)
        return values
