"""Messages along edges: hand-computed sums, a loop over edges, no order of nodes, values of edges that are used."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from neuralcore.message_passing import NodeEdgeNode, aggregated


def test_what_comes_to_a_node() -> None:
    values = torch.tensor([[1.0, -2.0], [3.0, 4.0], [-5.0, -6.0]])
    receivers = torch.tensor([2, 2, 0])
    assert aggregated(values, receivers, 4, "sum").tolist() == [[-5, -6], [0, 0], [4, 2], [0, 0]]
    assert aggregated(values, receivers, 4, "mean").tolist() == [[-5, -6], [0, 0], [2, 1], [0, 0]]
    assert aggregated(values, receivers, 4, "max").tolist() == [[-5, -6], [0, 0], [3, 4], [0, 0]]
    with pytest.raises(ValueError, match="receivers"):
        aggregated(values, receivers[:2], 4, "sum")


@pytest.mark.parametrize("aggregation", ["sum", "mean", "max"])
def test_it_is_the_loop_over_edges(aggregation) -> None:
    torch.manual_seed(0)
    layer = NodeEdgeNode(3, 2, 4, aggregation).double()
    nodes, edges = torch.randn(5, 3, dtype=torch.float64), torch.randn(6, 2, dtype=torch.float64)
    ends = torch.tensor([[0, 1, 2, 3, 0, 4], [1, 2, 2, 0, 0, 1]])
    found, changed = layer(nodes, edges, ends)
    come: list[list[torch.Tensor]] = [[] for _ in nodes]
    for k, (sender, receiver) in enumerate(ends.T.tolist()):
        message = layer.of_edges(torch.cat([edges[k], nodes[sender], nodes[receiver]]))
        torch.testing.assert_close(changed[k], message)
        come[receiver].append(message)
    for i, messages in enumerate(come):
        together = torch.stack(messages) if messages else torch.zeros(1, 4, dtype=torch.float64)
        value = {"sum": together.sum(0), "mean": together.mean(0), "max": together.max(0).values}[aggregation]
        torch.testing.assert_close(found[i], layer.of_nodes(torch.cat([nodes[i], value])))


def test_the_numbers_of_nodes_mean_nothing() -> None:
    torch.manual_seed(1)
    layer = NodeEdgeNode(4, 4, 4).double()
    nodes, edges = torch.randn(7, 4, dtype=torch.float64), torch.randn(12, 4, dtype=torch.float64)
    ends, order, place = torch.randint(7, (2, 12)), torch.randperm(7), torch.randperm(12)
    new = torch.argsort(order)
    found, changed = layer(nodes, edges, ends)
    others, moved = layer(nodes[order], edges[place], new[ends[:, place]])
    torch.testing.assert_close(others, found[order])
    torch.testing.assert_close(moved, changed[place])


def test_values_of_the_same_width_are_added_to() -> None:
    layer = NodeEdgeNode(4, 4, 4)
    for part in (layer.of_edges[2], layer.of_nodes[2]):
        torch.nn.init.zeros_(part.weight)
        torch.nn.init.zeros_(part.bias)
    nodes, edges = torch.randn(3, 4), torch.randn(2, 4)
    found, changed = layer(nodes, edges, torch.tensor([[0, 1], [1, 2]]))
    assert torch.equal(found, nodes)
    assert torch.equal(changed, edges)


def test_what_only_edges_know_is_learned() -> None:
    """A node's class is the sign of what its edges bring, weighted by a value of each edge and of its sender."""
    torch.manual_seed(2)
    nodes, edges, ends = torch.randn(60, 1), torch.randn(180, 1), torch.randint(60, (2, 180))
    true = (aggregated(edges * nodes[ends[0]], ends[1], 60, "sum")[:, 0] > 0).long()
    layer, end = NodeEdgeNode(1, 1, 16), torch.nn.Linear(16, 2)
    optimiser = torch.optim.Adam([*layer.parameters(), *end.parameters()], 2e-2)
    for _ in range(120):
        loss = F.cross_entropy(end(layer(nodes, edges, ends)[0]), true)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < 0.1


def test_an_unknown_aggregation() -> None:
    with pytest.raises(ValueError, match="sum, mean, max, not 'median'"):
        NodeEdgeNode(2, 2, 2, "median")  # type: ignore[arg-type]
