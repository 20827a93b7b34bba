"""The entities' table when only some of its shards are in memory: slots, what is in them, and how they come and go.

All slots are one `EmbeddingTable` of S · C rows, so that a step sees one table; the shard in slot s has rows s C,
s C + 1, … A shard that has never been in memory begins with random vectors that depend on the seed and its number
alone. Shards come from the newest checkpoint; a visit's end writes those in memory into the next one, and the disk is
waited for by a thread of its own while the next visit trains (see `CheckpointStore.begin`).

Memory: S shards, and nothing else of a shard's size. Where a GPU trains, these are the copy through which its own
shards come and go (`graphkit.embedding.tables`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from graphkit.embedding.partition import Partition
from neuralcore.checkpoint import CheckpointStore, Shard
from neuralcore.embedding import EmbeddingTable
from neuralcore.mapped import forget_pages


class Shards:
    """Slots for the shards of a table.

    Args:
        partition: N entities in P shards. dimension: D. slots: S.
        begin: fills the first vectors of a shard: (its number, its rows (C, D) and its state (C,)).
        store: where shards that are not in memory are; None if all of them fit into the slots.

    Attributes:
        table: `EmbeddingTable` (S · C, D) with Adagrad's state. held: the shard in each slot, -1 for none.
    """

    def __init__(
        self,
        partition: Partition,
        dimension: int,
        slots: int,
        begin: Callable[[int, np.ndarray, np.ndarray], None],
        store: CheckpointStore | None = None,
    ):
        self.partition, self.store, self._begin = partition, store, begin
        self.held = [-1] * min(slots, partition.shards)
        self.table = EmbeddingTable(len(self.held) * partition.capacity, dimension, adagrad=True)
        self.versions = [0] * partition.shards  # 0: never in memory; otherwise it changes with the shard
        self._executor = ThreadPoolExecutor(1) if store else None
        self._saving: Future[Path] | None = None

    def rows(self, slot: int) -> slice:
        """The rows of the table that are a slot's."""
        return slice(slot * self.partition.capacity, (slot + 1) * self.partition.capacity)

    def arrays(self, slot: int) -> dict[str, np.ndarray]:
        """The vectors and the state in a slot, as views."""
        assert self.table.state is not None
        rows = self.rows(slot)
        return {"weight": self.table.storage[rows], "state": self.table.state[rows]}

    def bring(self, shards: tuple[int, ...]) -> list[int]:
        """Have these shards in the slots, and say into which one came; those that leave must have been saved."""
        came = []
        for slot, shard in enumerate(shards):
            if self.held[slot] == shard:
                continue
            self.held[slot] = -1
            self._fill(shard, self.arrays(slot))
            self.held[slot] = shard
            came.append(slot)
        return came

    def _fill(self, shard: int, arrays: Mapping[str, np.ndarray]) -> None:
        if self.versions[shard]:
            assert self.store is not None
            self.wait()
            self.store.read(_name(shard), arrays)
        else:
            self._begin(shard, arrays["weight"], arrays["state"])
            self.versions[shard] = 1

    def save(self, step: int, state: dict[str, Any], others: Mapping[str, Shard], soon: tuple[int, ...] = ()) -> None:
        """Write a checkpoint of all shards, those in memory as they are now, and of `others`.

        Args:
            soon: shards wanted next; the disk is asked for them when the checkpoint is there.
        """
        if self.store is None:
            return
        self.wait()
        shards = dict(others)
        for shard, version in enumerate(self.versions):
            if shard in self.held:
                self.versions[shard] = version = version + 1
                shards[_name(shard)] = Shard(self.arrays(self.held.index(shard)), version)
            elif version:
                shards[_name(shard)] = Shard(None, version)
        finish = self.store.begin(step, {**state, "versions": self.versions}, shards)
        wanted = [_name(shard) for shard in soon if shard not in self.held and self.versions[shard]]

        def rest(store: CheckpointStore = self.store) -> Path:
            path = finish()
            for name in wanted:
                store.prefetch(name)
            return path

        assert self._executor is not None
        self._saving = self._executor.submit(rest)

    def restore(self, versions: list[int]) -> None:
        """Go on from the store's checkpoint, in whose state `versions` was."""
        self.versions = list(versions)
        self.held = [-1] * len(self.held)

    def wait(self) -> None:
        """Until the last checkpoint is on the disk; what went wrong there is raised here."""
        if self._saving is not None:
            saving, self._saving = self._saving, None
            saving.result()

    def vectors(self, out: np.ndarray) -> np.ndarray:
        """(N, D) every entity's vector, in the entities' order, written into `out`."""
        self.wait()
        places, capacity = self.partition.places(), self.partition.capacity
        buffer: dict[str, np.ndarray] = {}
        for shard in range(self.partition.shards):
            if shard in self.held:
                weight = self.arrays(self.held.index(shard))["weight"]
            else:
                if not buffer:
                    buffer["weight"] = np.empty((capacity, self.table.storage.shape[1]), np.float32)
                    buffer["state"] = np.empty(capacity, np.float32)
                self._fill(shard, buffer)
                weight = buffer["weight"]
            entities, rows = self.partition.members(shard, places)
            out[entities] = weight[rows]
            forget_pages(out)
        return out

    def __enter__(self) -> Shards:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.wait()
        finally:
            if self._executor is not None:
                self._executor.shutdown()


def is_shard(name: str) -> bool:
    """Whether a shard of a checkpoint is one of entities, which is read when it is wanted."""
    return name.startswith("entities_")


def _name(shard: int) -> str:
    return f"entities_{shard}"
