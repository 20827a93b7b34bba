"""Message passing from nodes to edges and back: the layer that the others are special cases of.

    e'_k = φ_e([e_k, v_s, v_r]),    v'_i = φ_v([v_i, ρ_{k: r_k = i} e'_k])

of Battaglia et al. 2018, "Relational inductive biases, deep learning, and graph networks" (https://arxiv.org/abs/1806.01261,
algorithm 1, without the global vector); with φ_e as the message function it is Gilmer et al. 2017, "Neural message
passing for quantum chemistry". φ are MLPs of one hidden layer; values of the same width before and after are added to
what φ gives, so that layers can be stacked.

Axes: N nodes, M directed edges, each from its sender to its receiver.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import nn

from neuralcore.shape import match_shape

Aggregation = Literal["sum", "mean", "max"]


def aggregated(values: torch.Tensor, receivers: torch.Tensor, nodes: int, how: Aggregation) -> torch.Tensor:
    """(N, W): the sum, mean or maximum of the values that come to each node; 0 where none does.

    Args:
        values: (M, W). receivers: (M,) int64 in [0, N). nodes: N.
    """
    count, width = match_shape(values, -1, -1, name="values")
    match_shape(receivers, count, name="receivers")
    found = values.new_zeros(nodes, width)
    if how == "max":
        return found.scatter_reduce(0, receivers[:, None].expand_as(values), values, "amax", include_self=False)
    found = found.index_add(0, receivers, values)
    if how == "sum":
        return found
    each = values.new_zeros(nodes).index_add(0, receivers, values.new_ones(count))
    return found / each.clamp_min(1.0)[:, None]


class NodeEdgeNode(nn.Module):
    """One layer.

    Args:
        nodes_in: width of nodes before. edges_in: of edges before; 0: they come without values. width: of both after,
            and of the hidden layers. aggregation: ρ.
    """

    def __init__(self, nodes_in: int, edges_in: int, width: int, aggregation: Aggregation = "sum"):
        super().__init__()
        if aggregation not in get_args(Aggregation):
            raise ValueError(f"aggregation is one of {', '.join(get_args(Aggregation))}, not {aggregation!r}")
        self.aggregation: Aggregation = aggregation
        self.of_edges = nn.Sequential(nn.Linear(edges_in + 2 * nodes_in, width), nn.ReLU(), nn.Linear(width, width))
        self.of_nodes = nn.Sequential(nn.Linear(nodes_in + width, width), nn.ReLU(), nn.Linear(width, width))

    def forward(
        self, nodes: torch.Tensor, edges: torch.Tensor | None, ends: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Nodes (N, width) and edges (M, width) after.

        Args:
            nodes: (N, nodes_in). edges: (M, edges_in), or None for none. ends: (2, M) int64, senders and receivers.
        """
        senders, receivers = ends
        before = [nodes[senders], nodes[receivers]]
        changed = self.of_edges(torch.cat(before if edges is None else [edges, *before], 1))
        come = aggregated(changed, receivers, len(nodes), self.aggregation)
        after = self.of_nodes(torch.cat([nodes, come], 1))
        if after.shape == nodes.shape:
            after = nodes + after
        return after, changed if edges is None or edges.shape != changed.shape else edges + changed
