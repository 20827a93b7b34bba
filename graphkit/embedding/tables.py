"""The tables that steps work on: those in memory, or copies of them on a GPU.

On a GPU lie the slots' table, its optimiser's state and the relations' numbers, from the beginning of
`EdgeTrainer.fit` to its end: 4 (D + 1) bytes a row of S · C, and 8 bytes a number of a relation. The tables in memory
stay beside them, through which shards come and go: a shard that was read goes up to its slot (`put`), and before a
checkpoint all comes back (`fetch`). Memory is not page-locked for that, as a shard's way from and to the disk, with
its hash, takes longer than its way over the bus.

Batches are made on the CPU, with the same draws on either, and sent up array by array. On a GPU the order in which
floats are added is not fixed, so the same seed gives the same batches there, but not the same bytes. No GPU has been
at hand: the tests run all of this on tensors in the CPU's memory, with Triton's interpreter.

Axes: D numbers of a row, S slots of C rows, U rows.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np
import torch

from graphkit.embedding.questions import Batch
from graphkit.embedding.relation_classes import RelationTable
from graphkit.embedding.shards import Shards
from neuralcore.errors import UserError
from neuralcore.kernels.edge_step import Scoring, edge_step


class Tables(Protocol):
    """What both kinds do."""

    def put(self, slots: Iterable[int]) -> None:
        """Take in the shards that have come into these slots."""

    def rows(self, rows: np.ndarray) -> np.ndarray:
        """(U, D) what these rows of the slots' table are now."""

    def step(
        self, batch: Batch, scoring: Scoring, learning_rate: float, map_parts: Callable[..., Iterable[Any]]
    ) -> float:
        """A step on a batch; the summed loss before it. The relations are those of the scoring's operator."""

    def fetch(self) -> None:
        """Have what was learned in the tables in memory."""


class HostTables:
    """The tables in memory themselves.

    Args:
        shards: of entities. relations: operator -> its table.
    """

    def __init__(self, shards: Shards, relations: Mapping[str, RelationTable]):
        self.shards, self.relations = shards, relations

    def put(self, slots: Iterable[int]) -> None:
        pass  # they are there

    def rows(self, rows: np.ndarray) -> np.ndarray:
        return self.shards.table.weight[rows]

    def step(
        self, batch: Batch, scoring: Scoring, learning_rate: float, map_parts: Callable[..., Iterable[Any]]
    ) -> float:
        return edge_step(
            self.shards.table.weight,
            self.shards.table.state,
            *self.relations[scoring.operator],
            batch.given,
            batch.asked,
            batch.candidates,
            batch.answers,
            scoring=scoring,
            learning_rate=learning_rate,
            map_parts=map_parts,
        )

    def fetch(self) -> None:
        pass  # nothing is anywhere else


class DeviceTables:
    """Copies on a device.

    Args:
        shards: of entities. relations: operator -> its table. device: torch's; the CPU works too, for tests.

    Raises:
        UserError: the device has not enough memory.
    """

    def __init__(self, shards: Shards, relations: Mapping[str, RelationTable], device: torch.device):
        assert shards.table.state is not None
        self.shards, self.device = shards, device
        self._host = [shards.table.weight, shards.table.state]
        for table in relations.values():
            self._host += table
        with self._room():
            self._there = [torch.from_numpy(array).to(device, copy=True) for array in self._host]
        self.weight, self.state, *others = self._there
        self.relations = dict(zip(relations, zip(others[::2], others[1::2])))

    @contextlib.contextmanager
    def _room(self) -> Iterator[None]:
        try:
            yield
        except torch.OutOfMemoryError:
            size = sum(array.nbytes for array in self._host) / 1e9
            raise UserError(
                f"{self.device} has no room for tables of {size:.2f} GB and the scores of a batch: lower dimension, "
                "batch_size or negatives, raise partitions, or leave out device"
            ) from None

    def _sent(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array).to(self.device, non_blocking=True)

    def put(self, slots: Iterable[int]) -> None:
        for slot in slots:
            rows = self.shards.rows(slot)
            for there, array in zip((self.weight, self.state), self.shards.arrays(slot).values()):
                there[rows].copy_(torch.from_numpy(array))

    def rows(self, rows: np.ndarray) -> np.ndarray:
        return self.weight.index_select(0, self._sent(rows)).cpu().numpy()

    def step(
        self, batch: Batch, scoring: Scoring, learning_rate: float, map_parts: Callable[..., Iterable[Any]]
    ) -> float:
        with self._room(), torch.cuda.device_of(self.weight):
            return edge_step(
                self.weight,
                self.state,
                *self.relations[scoring.operator],
                self._sent(batch.given),
                self._sent(batch.asked),
                None if batch.candidates is None else self._sent(batch.candidates),
                batch.answers.each(self._sent),
                scoring=scoring,
                learning_rate=learning_rate,
                map_parts=map_parts,
                implementation="cuda",
            )

    def fetch(self) -> None:
        for array, there in zip(self._host, self._there):
            torch.from_numpy(array).copy_(there)
