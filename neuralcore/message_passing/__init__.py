"""Networks whose values lie on the nodes and edges of a graph, and go along its edges from layer to layer."""

from __future__ import annotations

import importlib
from typing import Any

_NAMES = {
    "GraphNetwork": "neuralcore.message_passing.networks",
    "NeighbourEncoder": "neuralcore.message_passing.neighbour_encoder",
    "NodeEdgeNode": "neuralcore.message_passing.node_edge_node",
    "aggregated": "neuralcore.message_passing.node_edge_node",
}

__all__ = ["GraphNetwork", "NeighbourEncoder", "NodeEdgeNode", "aggregated"]


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module 'neuralcore.message_passing' has no attribute {name!r}")
    return getattr(importlib.import_module(_NAMES[name]), name)
