"""What the task "nodes" can be told; no torch here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from neuralcore.fitting.config import FitConfig

if TYPE_CHECKING:
    from torch import nn

    from neuralcore.message_passing.nodes_task import ClassifyNodes


@dataclass(frozen=True)
class NodesConfig:
    """Tell the classes of a graph's nodes from those of some, from features and from edges."""

    data: str = "communities"
    """.npz of a graph, or a folder that holds one, see docs/message_passing.md; or "communities", drawn here"""
    model: Literal["gcn", "sage", "gat", "node_edge_node"] = "gcn"
    """the kind of layers, see docs/message_passing.md; the first three need the extra geometric"""
    features: Literal["own", "identity"] = "own"
    """identity: each node's feature is which one it is, so the first layer learns a row for each; for graphs without
    features, or to see what features add"""
    normalise: bool = True
    """features of a node are divided by the sum of their absolute values, as the papers do with words"""
    width: int = 16
    """of hidden layers; of gat, for each head (Kipf & Welling: 16; Veličković et al.: 8)"""
    layers: int = 2
    """how far, in edges, a node sees"""
    heads: int = 8
    """of gat's hidden layers"""
    last_heads: int = 1
    """of gat's last layer (Veličković et al.: 1, on PubMed 8)"""
    dropout: float = 0.5
    """before each layer, of gat also of attention (Kipf & Welling: 0.5; Veličković et al.: 0.6)"""
    l2_first: float = 0.0
    """weight of half the squares of the first layer's matrices in the loss (Kipf & Welling: 5e-4). For all layers
    take fit.weight_decay with the optimiser adam, which is the same"""
    judge: Literal["accuracy", "loss"] = "accuracy"
    """of the validation nodes: what early stopping and the best weights go by"""
    fit: FitConfig = field(default_factory=FitConfig)
    """examples are the training nodes; each step sees the whole graph"""

    def __post_init__(self) -> None:
        for name in ("width", "layers", "heads", "last_heads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"dropout must be from 0 to below 1, got {self.dropout}")
        if not self.l2_first >= 0.0:
            raise ValueError(f"l2_first must be 0 or more, got {self.l2_first}")
        if self.model != "gat" and (self.heads, self.last_heads) != (type(self).heads, type(self).last_heads):
            raise ValueError(f"heads are of gat, {self.model} has none: leave them out")

    def build(self, seed: int) -> ClassifyNodes:
        """The task; see `neuralcore.fitting.task.TaskConfig`."""
        from neuralcore.message_passing.nodes_task import ClassifyNodes

        return ClassifyNodes(self, seed)

    def rebuild(self, description: dict[str, Any]) -> nn.Module:
        """The network of a description, with any weights."""
        from neuralcore.message_passing.networks import GraphNetwork

        more = {"heads": self.heads, "last_heads": self.last_heads} if self.model == "gat" else {}
        return GraphNetwork(
            self.model,
            description["features"],
            len(description["names"]),
            width=self.width,
            layers=self.layers,
            dropout=self.dropout,
            **more,
        )
