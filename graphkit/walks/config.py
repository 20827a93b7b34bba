"""WalkConfig: the settings of DeepWalk and node2vec, in a file that costs nothing to import."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from graphkit.words.config import SkipGramConfig


@dataclass(frozen=True)
class WalkConfig:
    """Settings of the walks and of the skip-gram over them; by default node2vec's, with p = q = 1."""

    walks_per_node: int = 10
    """walks that start at each node (DeepWalk: 80, node2vec: 10)"""
    walk_length: int = 80
    """nodes of a walk, its start counted (DeepWalk: 40, node2vec: 80)"""
    p: float = 1.0
    """return parameter: below 1 a walk goes back where it came from more often, above 1 less (node2vec: .25 to 4)"""
    q: float = 1.0
    """in-out parameter: below 1 a walk goes outwards, above 1 it stays near where it was (node2vec: .25 to 4)"""
    loss: Literal["negative_sampling", "hierarchical_softmax"] = "negative_sampling"
    """what a node near is told apart from: nodes drawn by their visits (node2vec), or all along a Huffman tree
    (DeepWalk)"""
    dimension: int = 128
    """numbers of a node's vector (both papers: 128)"""
    window: int = 10
    """nodes on each side at most; the size is drawn uniformly from 1 to this (both papers: 10)"""
    negatives: int = 5
    """noise nodes against each true one"""
    per_pair: bool = False
    """draw the noise nodes anew for each pair of nodes, not for each window: two times slower"""
    epochs: int = 1
    """passes over the walks"""
    learning_rate: float = 0.025
    """step size at the start (DeepWalk: 0.025)"""
    minimum_learning_rate: float = 0.0001
    """step size at the end; in between it falls in a straight line"""
    seed: int = 0
    """of everything random"""
    threads: int = 1
    """1: the same seed gives the same bytes; more: faster. The walks are the same in any case, the training goes
    without locks (Hogwild) and is not the same twice"""
    checkpoint_every: int = 20_000_000
    """nodes of walks between two checkpoints of a run folder"""

    @property
    def skipgram(self) -> SkipGramConfig:
        """The settings of the trainer: nothing is thinned out or left out, for a node is no function word."""
        return SkipGramConfig(
            loss=self.loss,
            dimension=self.dimension,
            window=self.window,
            negatives=self.negatives,
            per_pair=self.per_pair,
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            minimum_learning_rate=self.minimum_learning_rate,
            sample=0.0,
            min_count=1,
            seed=self.seed,
            threads=self.threads,
            checkpoint_every=self.checkpoint_every,
        )

    def __post_init__(self) -> None:
        if self.walks_per_node < 1:
            raise ValueError(f"walks_per_node must be 1 or more, got {self.walks_per_node}")
        if self.walk_length < 2:
            raise ValueError(
                f"walk_length must be 2 or more, for a node alone has no context: got {self.walk_length}"
            )
        for name in ("p", "q"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")
        _ = self.skipgram  # its own checks
