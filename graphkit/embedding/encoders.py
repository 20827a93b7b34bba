"""Encoders: what makes an entity's vector of its features, and learns from the gradient that comes back.

`TagTable` gives each of F tags a vector, and a bag the weighted mean of its tags' (a mean, where StarSpace, Wu et al.
2017, https://arxiv.org/abs/1709.03856, divides their sum by a power of its length): its rows make steps of row-wise
Adagrad, as those of entities do. `ModuleEncoder` is any `torch.nn.Module`, by autograd and Adagrad by number;
`ScaledLinear` is the one that dense features get where none is named.

Axes: B entities, D numbers of a vector, F tags or numbers of a feature vector, M entries of B bags.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import torch

from graphkit.embedding.neighbours import Neighbourhoods, arguments
from graphkit.graphs.features import Bags, Dense
from neuralcore.errors import UserError
from neuralcore.kernels.edge_step import EPSILON
from neuralcore.kernels.edge_step.cpu import adagrad
from neuralcore.kernels.row_adagrad import row_adagrad
from neuralcore.lazy import lazy_import

scipy_sparse = lazy_import("scipy.sparse")

Known = Bags | Dense | Neighbourhoods  # what is known of B entities


class Encoder(Protocol):
    """What both kinds can do."""

    def forward(self, features: Known) -> np.ndarray:
        """(B, D) float32 for a step of training; `backward` has to follow."""

    def backward(self, gradient: np.ndarray, learning_rate: float) -> None:
        """A step by the gradient (B, D) of what `forward` gave."""

    def vectors(self, features: Known) -> np.ndarray:
        """(B, D) float32, for use."""

    def arrays(self) -> dict[str, np.ndarray]:
        """What it has learned. `state` is what a training goes on with besides."""

    def state(self) -> dict[str, np.ndarray]: ...

    def restore(self, arrays: Mapping[str, np.ndarray], state: Mapping[str, np.ndarray]) -> None: ...


class TagTable:
    """A vector for each tag.

    Args:
        weight: (F, D) float32.
    """

    def __init__(self, weight: np.ndarray):
        self.weight, self.sums = weight, np.zeros(len(weight), np.float32)
        self._bags: Any = None

    @classmethod
    def begin(cls, tags: int, dimension: int, scale: float, generator: np.random.Generator) -> TagTable:
        """Normal numbers of a standard deviation."""
        return cls(generator.normal(0.0, scale, (tags, dimension)).astype(np.float32))

    def forward(self, features: Known) -> np.ndarray:
        self._bags = self._matrix(features)
        return self._bags @ self.weight

    def backward(self, gradient: np.ndarray, learning_rate: float) -> None:
        by_tag = self._bags.T.tocsr()
        tags = np.flatnonzero(np.diff(by_tag.indptr))
        row_adagrad(self.weight, self.sums, tags, by_tag[tags] @ gradient, learning_rate, epsilon=EPSILON)

    def vectors(self, features: Known) -> np.ndarray:
        return self._matrix(features) @ self.weight

    def _matrix(self, features: Known) -> Any:
        assert isinstance(features, Bags)
        shape = len(features), len(self.weight)
        return scipy_sparse.csr_array((features.weights, features.indices, features.offsets), shape=shape)

    def arrays(self) -> dict[str, np.ndarray]:
        return {"weight": self.weight}

    def state(self) -> dict[str, np.ndarray]:
        return {"sums": self.sums}

    def restore(self, arrays: Mapping[str, np.ndarray], state: Mapping[str, np.ndarray]) -> None:
        self.weight[:], self.sums[:] = arrays["weight"], state["sums"]


class ScaledLinear(torch.nn.Module):
    """x = scale f W + b for feature vectors f of F numbers.

    The scale makes the sum of absolute values of an average f one. So a step of Adagrad moves x by as much as it
    would move a row, whatever F is and however large the numbers are.
    """

    scale: torch.Tensor

    def __init__(self, numbers: int, dimension: int):
        super().__init__()
        self.register_buffer("scale", torch.ones(()))
        self.weight = torch.nn.Parameter(torch.zeros(numbers, dimension))
        self.bias = torch.nn.Parameter(torch.zeros(dimension))

    @classmethod
    def begin(cls, dense: Dense, dimension: int, scale: float, generator: np.random.Generator) -> ScaledLinear:
        """Random weights by which the x of these features have numbers of that standard deviation."""
        rows = max(int(dense.known.sum()), 1)
        absolute = squares = 0.0
        for start in range(0, len(dense), 4096):  # of mapped files, some at a time
            some = dense.matrix[start : start + 4096].astype(np.float64)
            absolute, squares = absolute + np.abs(some).sum(), squares + np.square(some).sum()
        self = cls(dense.matrix.shape[1], dimension)
        if absolute:
            self.scale.fill_(rows / absolute)
            deviation = scale / (math.sqrt(squares / rows) * rows / absolute)
            first = generator.normal(0.0, deviation, tuple(self.weight.shape))
            self.weight.data.copy_(torch.from_numpy(first))
        return self

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return (self.scale * features) @ self.weight + self.bias


class ModuleEncoder:
    """A module that maps the features of B entities to (B, D), trained by Adagrad.

    It is called with a (B, F) tensor for dense features; for bags with what `torch.nn.EmbeddingBag` takes: (M,) int64
    tags, (B,) int64 offsets and (M,) weights, which add up to 1 in each bag (so `EmbeddingBag(F, D, mode="sum")`,
    given the weights as `per_sample_weights`, is a `TagTable`). A `NeighbourEncoder` is given entities' neighbours as
    well, those that are drawn by `seed` and the step.

    Args:
        module: a copy is trained. dimension: D. seed: of what it draws itself, such as dropout.
    """

    def __init__(self, module: torch.nn.Module, dimension: int, seed: int = 0):
        self.module, self.dimension, self.seed = copy.deepcopy(module), dimension, seed
        self.sums = [torch.zeros_like(parameter) for parameter in self._parameters]
        self.steps = 0
        self._out: torch.Tensor | None = None

    @property
    def _parameters(self) -> list[torch.nn.Parameter]:
        return [parameter for parameter in self.module.parameters() if parameter.requires_grad]

    def forward(self, features: Known) -> np.ndarray:
        self.module.train()
        self.steps += 1
        with torch.random.fork_rng(devices=[]):  # what it draws depends on the step alone
            torch.manual_seed(int(np.random.SeedSequence([self.seed, self.steps]).generate_state(1)[0]))
            self._out = self._call(features, np.random.default_rng([self.seed, self.steps]))
        return self._out.detach().numpy()

    def backward(self, gradient: np.ndarray, learning_rate: float) -> None:
        assert self._out is not None
        found = torch.autograd.grad(self._out, self._parameters, torch.from_numpy(gradient), allow_unused=True)
        self._out = None
        for parameter, sums, mine in zip(self._parameters, self.sums, found):
            if mine is not None:
                adagrad(parameter.data, sums, mine.clone(), learning_rate)

    def vectors(self, features: Known) -> np.ndarray:
        self.module.eval()
        with torch.no_grad():
            return self._call(features).numpy()

    def _call(self, features: Known, generator: np.random.Generator | None = None) -> torch.Tensor:
        if isinstance(features, Neighbourhoods):
            out = self.module(*features.inputs(self.module, generator))
        else:
            out = self.module(*arguments(features))
        expected = len(features), self.dimension
        if tuple(out.shape) != expected or out.dtype != torch.float32:
            raise UserError(
                f"the encoder gives {tuple(out.shape)} of {out.dtype}, expected {expected} of torch.float32"
            )
        return out

    def arrays(self) -> dict[str, np.ndarray]:
        return {name: tensor.detach().numpy() for name, tensor in self.module.state_dict().items()}

    def state(self) -> dict[str, np.ndarray]:
        return {"steps": np.array([self.steps]), **{f"sums.{i}": sums.numpy() for i, sums in enumerate(self.sums)}}

    def restore(self, arrays: Mapping[str, np.ndarray], state: Mapping[str, np.ndarray]) -> None:
        self.load(arrays)
        self.steps = int(state["steps"][0])
        for i, sums in enumerate(self.sums):
            sums.copy_(torch.from_numpy(state[f"sums.{i}"]))

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take what `arrays` gave.

        Raises:
            UserError: it is that of another module.
        """
        try:
            self.module.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in arrays.items()})
        except RuntimeError as error:
            raise UserError(f"these are numbers of another encoder: {error}") from None
