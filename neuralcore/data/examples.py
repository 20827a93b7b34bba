"""Examples of any shape with a label each, in memory: clips, clouds of points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Examples:
    """N examples of one shape.

    Attributes:
        values: (N, …). labels: (N,) int64 in [0, K). names: of the K classes.
    """

    values: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.labels.shape != (len(self.values),):
            raise ValueError(f"{len(self.values)} examples have labels of shape {self.labels.shape}")

    def __len__(self) -> int:
        return len(self.values)

    def of(self, rows: np.ndarray) -> Examples:
        """Some of them."""
        return Examples(self.values[rows], self.labels[rows], self.names)

    def held_out(self, share: float, seed: int) -> tuple[Examples, Examples]:
        """(the rest, `share` of each class), drawn by a seed."""
        rest, out = held_out_rows(self.labels, len(self.names), share, seed)
        return self.of(rest), self.of(out)


def held_out_rows(labels: np.ndarray, classes: int, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows in their order: (the rest, `share` of each class), drawn by a seed; of labels (N,)."""
    generator = np.random.default_rng([seed, len(labels)])
    out = np.zeros(len(labels), bool)
    for label in range(classes):
        mine = np.flatnonzero(labels == label)
        out[generator.permutation(mine)[: round(share * len(mine))]] = True
    return np.flatnonzero(~out), np.flatnonzero(out)


def split(found: dict[str, Examples], valid: float, seed: int) -> dict[str, Examples]:
    """ "train", with `valid` above 0 "valid", held out from it, and "test", if it was found."""
    splits = {"train": found["train"]}
    if valid:
        splits["train"], splits["valid"] = found["train"].held_out(valid, seed)
    return {**splits, **({"test": found["test"]} if "test" in found else {})}
