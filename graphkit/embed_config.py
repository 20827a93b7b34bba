"""EmbedConfig: the settings of `GraphEmbedding`, in a file that costs nothing to import.

It lies apart from its algorithm for the sake of `graphkit embed --help`, which needs the fields and must not wait for
torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class EmbedConfig:
    """Defaults are ComplEx with a softmax over shared negatives; TransE is translation, l2, ranking."""

    operator: Literal["identity", "translation", "diagonal", "complex_diagonal"] = "complex_diagonal"
    """what a relation does to an entity's vector"""
    comparator: Literal["dot", "cosine", "l2", "squared_l2"] = "dot"
    """how alike the result and a candidate are"""
    loss: Literal["softmax", "logistic", "ranking"] = "softmax"
    """of the true candidate's score among its negatives'"""
    margin: float | None = None
    """by how much the ranking loss wants the true candidate ahead (TransE: 1); 1 for it, none for the other losses"""
    dimension: int = 100
    """numbers of an entity's vector; even for complex_diagonal (Lacroix et al.: 4,000, as 2,000 complex ones)"""
    epochs: int = 20
    """passes over the training edges"""
    batch_size: int = 250
    """edges that share a pool of negatives and make one step (PyTorch-BigGraph: chunks of 50; Lacroix et al.: 100)"""
    negatives: int = 250
    """uniform negatives in a pool, beside the batch's own entities (PyTorch-BigGraph: 50)"""
    learning_rate: float = 0.1
    """Adagrad's step size (PyTorch-BigGraph and Lacroix et al.: 0.1)"""
    n3: float = 0.0
    """weight of the N3 regulariser, the cubed absolute values of a question's three vectors (Lacroix et al.: 0.1)"""
    init_scale: float = 0.1
    """standard deviation of the first vectors, and of the relations' about the operator's neutral element"""

    def __post_init__(self) -> None:
        for name in ("dimension", "epochs", "batch_size", "negatives"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")
        for name in ("learning_rate", "init_scale"):
            if not getattr(self, name) > 0.0:  # NaN as well
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")
        if not self.n3 >= 0.0:
            raise ValueError(f"n3 must be 0 or more, got {self.n3}")
        if self.margin is not None and self.loss != "ranking":
            raise ValueError(
                f"margin {self.margin} belongs to the ranking loss, but the loss is {self.loss}: drop one"
            )
        if self.margin is not None and not self.margin > 0.0:
            raise ValueError(f"margin must be above 0, got {self.margin}")
        if self.operator == "complex_diagonal" and self.dimension % 2:
            raise ValueError(f"complex_diagonal needs an even dimension, got {self.dimension}")
