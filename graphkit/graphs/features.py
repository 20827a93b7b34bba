"""Features of entities: what is known of them beside their edges, and serves those that have none.

Of the n entities of one type, either

- bags of tags: words of a text, categories, the pages a user likes. A file has one entity a line,
  `name<TAB>tag tag tag`, plain, .gz or .xz; what a tag counts is how often it is there;
- or dense vectors of F numbers.

Axes: n entities, F tags or numbers, M entries of all bags together.
"""

from __future__ import annotations

import functools
import hashlib
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from graphkit.graphs.edge_lists import read_bytes, text_lines
from neuralcore.errors import UserError, nearest


@dataclass(frozen=True)
class Bags:
    """Tags of n entities, as the rows of a sparse matrix.

    Attributes:
        offsets: (n + 1,) int64; the bag of entity i has the entries offsets[i] … offsets[i + 1] - 1.
        indices: (M,) int64 numbers of tags. weights: (M,) float32, above 0: what each counts in its bag.
        names: the F tags, each once.
    """

    offsets: np.ndarray
    indices: np.ndarray
    weights: np.ndarray
    names: Sequence[str]

    def __post_init__(self) -> None:
        for name, kind in (("offsets", np.int64), ("indices", np.int64), ("weights", np.float32)):
            object.__setattr__(self, name, np.ascontiguousarray(getattr(self, name), kind))
        entries, ends = len(self.indices), self.offsets
        if not len(ends) or ends[0] != 0 or ends[-1] != entries or (np.diff(ends) < 0).any():
            raise UserError(f"offsets of bags rise from 0 to their {entries:,} entries, these do not")
        if self.weights.shape != (entries,):
            raise UserError(f"{entries:,} entries of bags have weights of shape {self.weights.shape}")
        if entries and not 0 <= self.indices.min() <= self.indices.max() < len(self.names):
            raise UserError(f"a bag has tag {self.indices.max()}, of {len(self.names):,} (or one below 0)")
        bad = np.flatnonzero(~((self.weights > 0.0) & (self.weights < np.inf)))
        if len(bad):
            entity = int(np.searchsorted(ends, bad[0], side="right")) - 1
            raise UserError(f"bag {entity} has the weight {self.weights[bad[0]]}: weights are numbers above 0")

    @classmethod
    def of(cls, bags: Iterable[Iterable[str]], min_count: int = 1) -> Bags:
        """From n lists of tags; those that are rarer, in all bags together, are left out.

        >>> Bags.of([["red", "red", "round"], []]).weights.tolist()
        [2.0, 1.0]
        """
        place: dict[str, int] = {}
        offsets, indices, weights = _entries(bags, place, grow=True)
        found = cls(offsets, indices, weights, list(place))
        return found if min_count <= 1 else found._without_rare(min_count)

    @classmethod
    def read(cls, path: str | Path, entities: Sequence[str], min_count: int = 1) -> Bags:
        """Of a type's entities, from a file; those without a line have an empty bag.

        Raises:
            UserError: no such file, a line without a tab, an entity that is not there, or is there twice.
        """
        path = Path(path)
        if not path.is_file():
            raise UserError(f"no file of features {path}: name one of name<TAB>tag tag tag")
        rows = {name: i for i, name in enumerate(entities)}
        bags: list[Sequence[str]] = [()] * len(rows)
        seen: dict[str, int] = {}
        for number, line in enumerate(text_lines(path, read_bytes(path)), 1):
            if not line:
                continue
            name, tab, tags = line.partition("\t")
            if not tab:
                raise UserError(f"{path}:{number}: no tab between an entity and its tags")
            if name not in rows:
                raise UserError(f"{path}:{number}: the graph has no such entity {name!r}: {nearest(name, rows)}")
            if name in seen:
                raise UserError(f"{path}:{number}: {name!r} was on line {seen[name]} already: make them one line")
            seen[name] = number
            bags[rows[name]] = tags.split()
        found = cls.of(bags, min_count)
        if not len(found.indices):
            raise UserError(f"{path} holds no tag" + (f" that is there {min_count} times" * (min_count > 1)))
        return found

    def _without_rare(self, minimum: int) -> Bags:
        kept = np.bincount(self.indices, self.weights, minlength=len(self.names)) >= minimum
        there = kept[self.indices]
        offsets = np.concatenate([[0], np.cumsum(there)])[self.offsets]
        names = [name for name, keep in zip(self.names, kept.tolist()) if keep]
        return Bags(offsets, (np.cumsum(kept) - 1)[self.indices[there]], self.weights[there], names)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def known(self) -> np.ndarray:
        """(n,) bool: which entities have a tag."""
        return np.diff(self.offsets) > 0

    def named(self, bags: Iterable[Iterable[str]]) -> Bags:
        """Other bags of the same F tags; tags that are not among them are left out."""
        return Bags(*_entries(bags, self._place, grow=False), self.names)

    @functools.cached_property
    def _place(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.names)}

    def means(self) -> Bags:
        """The same with weights that add up to 1 in each bag."""
        counts = np.diff(self.offsets)
        total = np.bincount(np.repeat(np.arange(len(self)), counts), self.weights, minlength=len(self))
        return Bags(self.offsets, self.indices, self.weights / np.repeat(total, counts), self.names)

    def take(self, rows: np.ndarray) -> Bags:
        """The bags of some entities, in that order."""
        counts = np.diff(self.offsets)[rows]
        offsets = np.concatenate([[0], np.cumsum(counts)])
        entries = np.arange(offsets[-1]) + np.repeat(self.offsets[rows] - offsets[:-1], counts)
        return Bags(offsets, self.indices[entries], self.weights[entries], self.names)

    def digest(self) -> str:
        """SHA-256 of all of it."""
        hashed = hashlib.sha256("\n".join(self.names).encode())
        for part in (self.offsets, self.indices, self.weights):
            hashed.update(part.data)
        return hashed.hexdigest()

    def __str__(self) -> str:
        return f"{len(self.names):,} tags, {len(self.indices) / max(len(self), 1):.1f} different ones a bag"


@dataclass(frozen=True)
class Dense:
    """F numbers of each of n entities.

    Attributes:
        matrix: (n, F) float32, perhaps in a mapped file; an entity of which nothing is known has zeros.
    """

    matrix: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "matrix", np.asarray(self.matrix, np.float32))
        if self.matrix.ndim != 2 or not self.matrix.shape[1]:
            raise UserError(f"dense features have shape {self.matrix.shape}, expected (entities, numbers)")
        finite = np.isfinite(self.matrix).all(axis=1)
        if not finite.all():
            raise UserError(f"row {int(finite.argmin())} of the dense features has NaN or infinity")

    def __len__(self) -> int:
        return len(self.matrix)

    @property
    def known(self) -> np.ndarray:
        """(n,) bool: which entities have a number that is not 0."""
        return np.asarray(self.matrix.any(axis=1))

    def take(self, rows: np.ndarray) -> Dense:
        """Those of some entities, in that order."""
        return Dense(self.matrix[rows])

    def digest(self) -> str:
        """SHA-256 of all of it."""
        return hashlib.sha256(repr(self.matrix.shape).encode() + np.ascontiguousarray(self.matrix).data).hexdigest()

    def __str__(self) -> str:
        return f"{self.matrix.shape[1]:,} numbers"


def _entries(
    bags: Iterable[Iterable[str]], place: dict[str, int], *, grow: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Offsets, indices and counts; a tag that is not in `place` gets the next number there, or is left out."""
    offsets, indices, weights = array("q", [0]), array("q"), array("f")
    for bag in bags:
        if isinstance(bag, str):
            raise UserError(f"a bag is a list of tags, not the text {bag[:20]!r}: split it")
        counts: Mapping[str, int] = Counter(bag)
        for tag, count in counts.items():
            number = place.setdefault(tag, len(place)) if grow else place.get(tag, -1)
            if number >= 0:
                indices.append(number)
                weights.append(count)
        offsets.append(len(indices))
    return np.array(offsets, np.int64), np.array(indices, np.int64), np.array(weights, np.float32)
