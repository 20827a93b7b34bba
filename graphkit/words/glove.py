"""GloVe over the co-occurrences of a stream of word numbers: what `WordVectors.train` runs with the loss `glove`.

Pennington, Socher & Manning 2014, "GloVe: Global Vectors for Word Representation", https://aclanthology.org/D14-1162.
The counts are those of `graphkit.words.cooccurrence`, loss and step those of `neuralcore.kernels.glove`. X is
symmetric, and an entry of its upper triangle is two steps: word i of the one factor with word j of the other, and the
reverse, at another time. A word's vector is the sum of both its rows (section 4.2), whose noise should not be alike.

Frequent words are not thinned out, the weight f(X) does without; and AdaGrad needs no falling learning rate.

Deviations, and why: biases begin at 0. The order of the co-occurrences is new in each epoch, where the authors' C
program shuffles them once: they come shuffled by some million, segments of 256 entries are drawn from them without
replacement, and the entries of 512 segments, a chunk, are shuffled again.

What a chunk holds depends on seed, epoch and its number alone, so a run that goes on from a checkpoint does what the
uninterrupted one does, and threads may take chunks in any order.

Axes: V words, D dimension, S segments.
"""

from __future__ import annotations

import hashlib
import math
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from graphkit.words import cooccurrence
from graphkit.words.config import SkipGramConfig
from graphkit.words.skipgram import mapper
from graphkit.words.vocabulary import Vocabulary
from neuralcore.checkpoint import Checkpoint, CheckpointStore, Shard
from neuralcore.embedding import EmbeddingTable
from neuralcore.errors import UserError
from neuralcore.kernels.glove import Factor, glove
from neuralcore.mapped import forget_pages
from neuralcore.seeding import Generators, derived_seed
from neuralcore.telemetry import Telemetry

CHUNK = 512  # segments that a thread takes at once
FORGET_EVERY = 64  # chunks, 100 MB of the file


class GloVeTrainer:
    """The two factors, how far training has come, and the loop.

    Args:
        ids: (N,) int32, see `Corpus.ids`.
        folder: where the co-occurrences lie while they are needed; None for the system's temporary folder.

    Attributes:
        inputs, outputs: the factors, (V, D) padded.
        chunk: chunks done, of `chunks`. done: co-occurrences passed over, of `total`.

    Raises:
        UserError: there are no co-occurrences, or no room for them.
    """

    title, unit = "glove", "co-occurrences"

    def __init__(self, ids: np.ndarray, vocabulary: Vocabulary, config: SkipGramConfig, folder: Path | None = None):
        self.vocabulary, self.config = vocabulary, config
        self.counts = cooccurrence.count(ids, len(vocabulary), config.window, folder=folder, threads=config.threads)
        generators = Generators(config.seed)
        self.inputs, self.outputs = (self._factor(generators.numpy(name)) for name in ("inputs", "outputs"))
        self.chunks_per_epoch = -(-2 * len(self.counts.segments) // CHUNK)
        self.chunks = config.epochs * self.chunks_per_epoch
        self.total = config.epochs * self.counts.pairs
        self.chunk = self.done = 0
        self._drawn = -1, np.empty(0, np.int64)  # an epoch and its order

    def _factor(self, generator: np.random.Generator) -> Factor:
        words, dimension = len(self.vocabulary), self.config.dimension
        table, state = (EmbeddingTable(words, dimension, padded=True) for _ in range(2))
        table.uniform(0.5 / dimension, generator)
        state.storage[:] = 1.0
        return Factor(table.storage, np.zeros(words, np.float32), state.storage, np.ones(words, np.float32))

    def steps(self, chunk: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(E,) rows, columns and values: the co-occurrences of a chunk in the order of its steps."""
        epoch, part = divmod(chunk, self.chunks_per_epoch)
        numbers = self._order(epoch)[part * CHUNK : (part + 1) * CHUNK]
        segments = self.counts.segments
        # `take` copies records four times as fast as indexing does.
        entries = np.take(segments, numbers % len(segments), axis=0).ravel()
        mirrored = np.repeat(numbers >= len(segments), segments.shape[1])
        # The diagonal has no mirror image, and what fills the last segment up is nothing.
        there = (entries["value"] > 0.0) & ~(mirrored & (entries["row"] == entries["column"]))
        entries["row"], entries["column"] = (
            np.where(mirrored, entries["column"], entries["row"]),
            np.where(mirrored, entries["row"], entries["column"]),
        )
        places = np.flatnonzero(there)
        entries = np.take(entries, places[self._generator("chunk", chunk).permutation(len(places))])
        rows, columns, values = (np.ascontiguousarray(entries[name]) for name in ("row", "column", "value"))
        return rows, columns, values

    def _generator(self, name: str, number: int) -> np.random.Generator:
        return np.random.Generator(np.random.PCG64(derived_seed(self.config.seed, name, number)))

    def _order(self, epoch: int) -> np.ndarray:
        """(2 S,) in which order segments come in an epoch; S and more are the mirror images of 0 and more."""
        if self._drawn[0] != epoch:
            self._drawn = epoch, self._generator("epoch", epoch).permutation(2 * len(self.counts.segments))
        return self._drawn[1]

    def train_chunk(self, chunk: int) -> tuple[int, float]:
        """Step on the co-occurrences of a chunk: how many they are, and their summed loss."""
        config, steps = self.config, self.steps(chunk)
        return len(steps[0]), glove(self.inputs, self.outputs, *steps, config.learning_rate, x_max=config.x_max)

    def vectors(self) -> tuple[np.ndarray, None]:
        """(V, D), the sum of both factors; there are no n-grams."""
        return (self.inputs.vectors + self.outputs.vectors)[:, : self.config.dimension].copy(), None

    def compile(self) -> None:
        """Compile the kernel, or load it from numba's cache, on no co-occurrences at all."""
        none = np.empty(0, np.int32)
        glove(self.inputs, self.outputs, none, none, np.empty(0, np.float32), 0.0)

    def fit(self, telemetry: Telemetry, store: CheckpointStore | None = None) -> None:
        """Train to the end; report, and save to `store`, on the way."""
        config = self.config
        cadence = max(config.checkpoint_every // (CHUNK * cooccurrence.SEGMENT), 1)
        with mapper(config.threads) as map_chunks:
            while self.chunk < self.chunks:
                epoch = self.chunk // self.chunks_per_epoch
                stop = min((self.chunk // cadence + 1) * cadence, (epoch + 1) * self.chunks_per_epoch)
                loss, passed, metrics = 0.0, 0, {}
                for done, (steps, summed) in enumerate(map_chunks(self.train_chunk, range(self.chunk, stop))):
                    self.done += steps
                    loss, passed = loss + summed, passed + steps
                    if done % FORGET_EVERY == 0:
                        forget_pages(self.counts.segments)
                    metrics = {"epoch": epoch + 1, "loss": loss / passed}
                    if telemetry.due():
                        telemetry.show(self.done, metrics)
                if not math.isfinite(loss):
                    raise UserError(
                        f"the loss became {loss} in epoch {epoch + 1}: lower learning_rate = {config.learning_rate}"
                    )
                self.chunk = stop
                telemetry.record(self.done, metrics)
                if store is not None and (stop % cadence == 0 or stop == self.chunks):
                    store.save(self.done, *self.state())
                if stop == self.chunks:
                    telemetry.show(self.done, metrics, last=True)

    def state(self) -> tuple[dict[str, Any], dict[str, Shard]]:
        """Everything needed to go on; orders need no state."""
        shards = {name: Shard(factor._asdict()) for name, factor in self._factors()}
        return {"chunk": self.chunk, "done": self.done, "counts": self.fingerprint}, shards

    def restore(self, checkpoint: Checkpoint) -> None:
        """Become what `state` was taken from.

        Raises:
            UserError: that was of another text.
        """
        if checkpoint.state["counts"] != self.fingerprint:
            raise UserError(
                f"{checkpoint.folder} was trained on another text, the files have changed since: restore them, or "
                "choose another --run"
            )
        for name, factor in self._factors():
            for field, array in factor._asdict().items():
                array[:] = checkpoint.shards[name][field]
        self.chunk, self.done = checkpoint.state["chunk"], checkpoint.state["done"]

    def _factors(self) -> list[tuple[str, Factor]]:
        return [("inputs", self.inputs), ("outputs", self.outputs)]

    @cached_property
    def fingerprint(self) -> str:
        """Changes with any word and any count."""
        digest = hashlib.sha256("\n".join(self.vocabulary.words).encode())
        for start in range(0, len(self.counts.segments), FORGET_EVERY * CHUNK):
            digest.update(np.ascontiguousarray(self.counts.segments[start : start + FORGET_EVERY * CHUNK]).data)
            forget_pages(self.counts.segments)
        return digest.hexdigest()
