"""Networks that give each node of a graph logits: four kinds of layers, two or more of them.

- "gcn": Kipf & Welling 2017, "Semi-supervised classification with graph convolutional networks"
  (https://arxiv.org/abs/1609.02907, eq. 2): D^-1/2 (A + I) D^-1/2 X W;
- "sage": Hamilton et al. 2017, "Inductive representation learning on large graphs" (https://arxiv.org/abs/1706.02216),
  its mean of neighbours beside the node itself; here of all neighbours, not of some that are drawn;
- "gat": Veličković et al. 2018, "Graph attention networks" (https://arxiv.org/abs/1710.10903), heads side by
  side, in the last layer their mean;
- "node_edge_node": `neuralcore.message_passing.node_edge_node`, between a linear map in and one out.

The first three are layers of torch-geometric. Dropout is before each layer, as in the papers, GAT's also of
attention. Sparse features stay sparse: what dropout leaves of a zero is a zero.

Axes: N nodes of F features, M directed edges, K classes.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F

from neuralcore.lazy import lazy_import
from neuralcore.message_passing.node_edge_node import NodeEdgeNode

geometric = lazy_import("torch_geometric.nn", extra="geometric")

Kind = Literal["gcn", "sage", "gat", "node_edge_node"]


def dropped(values: torch.Tensor, share: float, training: bool) -> torch.Tensor:
    """Dropout of a tensor, or of the entries of a sparse one, which are then the only ones that are drawn for."""
    if not values.is_sparse or not training or not share:
        return F.dropout(values, share, training)
    kept = F.dropout(values.values(), share, training)
    return torch.sparse_coo_tensor(
        values.indices(), kept, values.shape, is_coalesced=True, check_invariants=False
    )  # the indices were checked when the features were


class GraphNetwork(nn.Module):
    """Logits of nodes.

    Args:
        kind: of layers. features: F. classes: K. width: of hidden layers, of "gat" for each head. layers: how many.
        dropout: share before each layer. heads, last_heads: of "gat", in hidden layers and in the last.
    """

    def __init__(
        self,
        kind: Kind,
        features: int,
        classes: int,
        *,
        width: int = 16,
        layers: int = 2,
        dropout: float = 0.5,
        heads: int = 8,
        last_heads: int = 1,
    ):
        super().__init__()
        self.kind, self.dropout = kind, dropout
        if kind == "node_edge_node":
            self.begin = nn.Linear(features, width)
            nn.init.xavier_uniform_(self.begin.weight)  # as the others' first layers; a word is one number of many
            self.layers = nn.ModuleList(NodeEdgeNode(width, width if i else 0, width, "mean") for i in range(layers))
            self.end = nn.Linear(width, classes)
            return
        ins = [features, *[width * (heads if kind == "gat" else 1)] * (layers - 1)]
        outs = [*[width] * (layers - 1), classes]
        made: list[nn.Module] = []
        for i, (a, b) in enumerate(zip(ins, outs)):
            if kind == "gat":
                is_last = i == layers - 1
                several = last_heads if is_last else heads
                made.append(geometric.GATConv(a, b, heads=several, concat=not is_last, dropout=dropout))
            else:
                made.append((geometric.GCNConv if kind == "gcn" else geometric.SAGEConv)(a, b))
        self.layers = nn.ModuleList(made)

    def first(self) -> list[nn.Parameter]:
        """The matrices that features are multiplied by."""
        layer = self.begin if self.kind == "node_edge_node" else self.layers[0]
        return [parameter for name, parameter in layer.named_parameters() if name.endswith("weight")]

    def forward(self, features: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
        """(N, K) logits.

        Args:
            features: (N, F), dense or sparse (COO, coalesced). ends: (2, M) int64, each undirected edge both ways.
        """
        if self.kind == "node_edge_node":
            return self._by_edges(features, ends)
        values = features.to_dense() if self.kind == "sage" and features.is_sparse else features
        for i, layer in enumerate(self.layers):
            if i:
                values = F.elu(values) if self.kind == "gat" else F.relu(values)
            values = layer(dropped(values, self.dropout, self.training), ends)
        return values

    def _by_edges(self, features: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
        values = F.relu(self.begin(dropped(features, self.dropout, self.training)))
        edges: torch.Tensor | None = None
        for layer in self.layers:
            values, edges = layer(dropped(values, self.dropout, self.training), edges, ends)
        return self.end(dropped(values, self.dropout, self.training))
