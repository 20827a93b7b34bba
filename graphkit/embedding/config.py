"""EmbedConfig: the settings of `GraphEmbedding`, in a file that costs nothing to import.

It lies apart from its algorithm for the sake of `graphkit embed --help`, which needs the fields and must not wait for
torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Operator = Literal["identity", "translation", "diagonal", "complex_diagonal", "rotation", "linear", "affine"]
Comparator = Literal["dot", "cos", "l2", "squared_l2", "poincare"]


# The classical models: operator and comparator.
MODELS: dict[str, tuple[Operator, Comparator]] = {
    "transe": ("translation", "l2"),
    "distmult": ("diagonal", "dot"),
    "complex": ("complex_diagonal", "dot"),
    "rotate": ("rotation", "l2"),
    "rescal": ("linear", "dot"),
}


@dataclass(frozen=True)
class RelationConfig:
    """What is different about one relation; in a TOML file the table `[relations.<name>]`."""

    head: str = "entity"
    """type of the entities it goes from"""
    tail: str = "entity"
    """type of the entities it goes to"""
    operator: Operator | None = None
    """what it does to an entity's vector; None: the config's"""
    weight: float = 1.0
    """what its edges count, times their own weights"""
    negatives: int | None = None
    """uniform negatives in a pool; None: the config's"""
    sides: Literal["both", "tails", "heads"] = "both"
    """what is asked of its edges, in training and in every figure; "tails": only which tails a head has, as which
    films a user likes"""

    def __post_init__(self) -> None:
        if not 0.0 < self.weight < float("inf"):
            raise ValueError(f"weight must be above 0, got {self.weight}")
        if self.negatives is not None and self.negatives < 0:
            raise ValueError(f"negatives must be 0 or more, got {self.negatives}")


@dataclass(frozen=True)
class FeatureConfig:
    """Features of the entities of one type; in a TOML file the table `[features.<type>]`, the type `entity` where
    there is one."""

    bags: str = ""
    """a file of name<TAB>tag tag tag (also .gz and .xz): words, categories; or"""
    dense: str = ""
    """named vectors: a run folder, or a file in a format graphkit export writes or word2vec's"""
    row: bool = True
    """whether each entity has a learned row beside; without, what is alike in features is the same"""
    min_count: int = 1
    """tags of bags that are rarer are left out"""
    learning_rate: float | None = None
    """Adagrad's step size of the encoder; None: the config's"""
    neighbours: Literal["sage", "gat"] | None = None
    """features of neighbours as well, by layers of GraphSAGE or of attention along the edges within the type"""
    hops: int = 1
    """such layers"""

    def __post_init__(self) -> None:
        if self.hops < 1 or (self.hops > 1 and self.neighbours is None):
            raise ValueError(f"hops must be 1 or more, and above 1 only with neighbours, got {self.hops}")
        if bool(self.bags) == bool(self.dense):
            raise ValueError("features are bags or dense: name the file of one of them")
        if self.min_count < 1:
            raise ValueError(f"min_count must be 1 or more, got {self.min_count}")
        if self.dense and self.min_count > 1:
            raise ValueError(f"min_count {self.min_count} is of tags, which dense features have not: drop it")
        if self.learning_rate is not None and not self.learning_rate > 0.0:
            raise ValueError(f"learning_rate must be above 0, got {self.learning_rate}")


@dataclass(frozen=True)
class EmbedConfig:
    """Defaults are ComplEx with a softmax over shared negatives."""

    model: Literal["transe", "distmult", "complex", "rotate", "rescal"] | None = None
    """a classical model by name, which says operator and comparator"""
    operator: Operator = "complex_diagonal"
    """what a relation does to an entity's vector"""
    comparator: Comparator = "dot"
    """how alike the result and a candidate are; poincare is hyperbolic distance, for trees, with the operator
    identity and an --init-scale of about 0.001"""
    loss: Literal["softmax", "logistic", "ranking"] = "softmax"
    """of the true candidate's score among its negatives'"""
    margin: float | None = None
    """by how much the ranking loss wants the true candidate ahead (TransE: 1); 1 for it, none for the other losses"""
    dimension: int = 100
    """numbers of an entity's vector; even for complex_diagonal (Lacroix et al.: 4,000, as 2,000 complex ones)"""
    epochs: int = 20
    """passes over the training edges"""
    batch_size: int = 250
    """questions that share a pool of negatives and make one step (PyTorch-BigGraph: 50; Lacroix et al.: 100)"""
    negatives: int = 250
    """uniform negatives in a pool, beside the batch's other answers (PyTorch-BigGraph: 50)"""
    frequent_negatives: int = 0
    """negatives drawn by how often entities are an answer"""
    given_negatives: bool = False
    """the entities that a batch's questions give are negatives as well, among them a question's own, with which
    symmetric relations would answer otherwise (WN18RR's)"""
    all_negatives: bool = False
    """every other entity is a negative; questions are then asked once with all their answers"""
    filtered: bool = False
    """leave known answers to a question out of its negatives"""
    learning_rate: float = 0.1
    """Adagrad's step size (PyTorch-BigGraph and Lacroix et al.: 0.1)"""
    decay: float = 0.0
    """share of the epochs, the last ones, in which the step size falls to 0, by a straight line"""
    n3: float = 0.0
    """weight of the N3 regulariser, the cubed absolute values of a question's three vectors (Lacroix et al.: 0.1)"""
    l2: float = 0.0
    """weight of their squares"""
    relation_prediction: float = 0.0
    """weight of a second loss that asks which relation an edge has, for diagonal and complex_diagonal with dot
    (Chen et al. 2021: 4 on FB15k-237)"""
    precision: Literal["float32", "bfloat16"] = "float32"
    """of matrix products; bfloat16 is twice as fast where the processor has it (AVX512-BF16, AMX, GPUs) and slower
    elsewhere, with the comparators dot, l2 and squared_l2; what is learned stays float32"""
    init_scale: float = 0.1
    """standard deviation of the first vectors, and of the relations' about the operator's neutral element"""
    partitions: int = 1
    """parts of the table of entities; only --slots of them are in memory at a time"""
    slots: int = 2
    """parts in memory: two, or more if there is room, and then less is read"""

    def __post_init__(self) -> None:
        if self.model is not None:
            for name, value in zip(("operator", "comparator"), MODELS[self.model]):
                if getattr(self, name) not in (value, getattr(type(self), name)):
                    raise ValueError(f"{self.model} has the {name} {value}, not {getattr(self, name)}: drop one")
                object.__setattr__(self, name, value)
        for name in ("dimension", "epochs", "batch_size", "partitions"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")
        for name in ("negatives", "frequent_negatives"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be 0 or more, got {getattr(self, name)}")
        for name in ("learning_rate", "init_scale"):
            if not getattr(self, name) > 0.0:  # NaN as well
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")
        if not 0.0 <= self.decay <= 1.0:
            raise ValueError(f"decay must be from 0 to 1, a share of the epochs, got {self.decay}")
        for name in ("n3", "l2", "relation_prediction"):
            if not getattr(self, name) >= 0.0:
                raise ValueError(f"{name} must be 0 or more, got {getattr(self, name)}")
        if self.margin is not None and self.loss != "ranking":
            raise ValueError(
                f"margin {self.margin} belongs to the ranking loss, but the loss is {self.loss}: drop one"
            )
        if self.margin is not None and not self.margin > 0.0:
            raise ValueError(f"margin must be above 0, got {self.margin}")
        if self.operator in ("complex_diagonal", "rotation") and self.dimension % 2:
            raise ValueError(f"{self.operator} needs an even dimension, got {self.dimension}")
        if self.comparator == "poincare" and self.operator != "identity":
            raise ValueError(f"poincare needs the operator identity, not {self.operator}, which leaves the unit ball")
        if self.relation_prediction and self.comparator != "dot":
            raise ValueError(f"relation_prediction needs the comparator dot, not {self.comparator}")
        if self.precision == "bfloat16" and self.comparator in ("cos", "poincare"):
            raise ValueError(f"bfloat16 is for the comparators dot, l2 and squared_l2, not {self.comparator}")
        if self.slots < 2:
            raise ValueError(f"slots must be 2 or more, got {self.slots}: an edge has two ends")
        fewer = self.negatives, self.frequent_negatives, self.given_negatives
        if self.all_negatives and fewer != (type(self).negatives, 0, False):
            raise ValueError("the other negatives change nothing with all_negatives: leave them out")
        for name in ("all_negatives", "filtered"):
            if self.partitions > 1 and getattr(self, name):
                raise ValueError(f"{name} needs all entities in memory: partitions must be 1, got {self.partitions}")
        if self.partitions > 1 and self.given_negatives:  # they would all be of the question's own shard
            raise ValueError(f"given_negatives would depend on partitions, which must be 1, got {self.partitions}")
