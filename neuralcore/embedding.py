"""EmbeddingTable: one vector a row, with the optimiser state that belongs to the row.

Both word vectors and graph embeddings are such tables. Rows lie in whole cache lines so that the kernels'
inner loops have no tail; `weight` is the view without the padding.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from neuralcore.kernels.alignment import LANES, aligned

BLOCK = 4096  # rows filled at once


def blocks(rows: np.ndarray) -> Iterator[np.ndarray]:
    """Rows (N, D) in parts to be filled: random numbers come as float64, of which twice the table would be there."""
    for start in range(0, len(rows), BLOCK):
        yield rows[start : start + BLOCK]


class EmbeddingTable:
    """N rows of D float32 numbers.

    Args:
        rows: N. dimension: D.
        padded: whether rows are padded to a multiple of 16 numbers.
        adagrad: whether each row carries its sum of mean squared gradients (row-wise Adagrad).

    Attributes:
        storage: (N, P) float32, P the padded dimension; the padding is zero.
        weight: (N, D) float32, a view of `storage`.
        state: (N,) float32 for row-wise Adagrad, or None.
    """

    def __init__(self, rows: int, dimension: int, *, padded: bool = False, adagrad: bool = False):
        width = -(-dimension // LANES) * LANES if padded else dimension
        self.storage = aligned(rows, width)
        self.weight = self.storage[:, :dimension]
        self.state = np.zeros(rows, dtype=np.float32) if adagrad else None

    def uniform(self, bound: float, generator: np.random.Generator) -> EmbeddingTable:
        """Fill with the uniform distribution on [-bound, bound]; returns self."""
        for rows in blocks(self.weight):
            rows[:] = generator.uniform(-bound, bound, rows.shape)
        return self

    def arrays(self) -> dict[str, np.ndarray]:
        """What a checkpoint stores."""
        out = {"weight": np.ascontiguousarray(self.weight)}
        return out if self.state is None else out | {"state": self.state}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Take the values of `arrays()`; the sizes must be this table's.

        Raises:
            ValueError: they are not.
        """
        if arrays["weight"].shape != self.weight.shape:
            raise ValueError(f"stored table is {arrays['weight'].shape}, this one is {self.weight.shape}")
        self.weight[:] = arrays["weight"]
        if self.state is not None:
            self.state[:] = arrays["state"]
