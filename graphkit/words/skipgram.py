"""Skip-gram and CBOW over a stream of word numbers: what `WordVectors.train` runs.

Mikolov, Sutskever, Chen, Corrado & Dean 2013, "Distributed Representations of Words and Phrases and their
Compositionality", https://arxiv.org/abs/1310.4546. Each kept occurrence of a word is predicted from each word near
it (skip-gram) or from all of them (CBOW), either against K words drawn from the noise distribution or by its way
through a Huffman tree (`graphkit.words.huffman`); losses and the order of the steps are those of
`neuralcore.kernels`' `skipgram` and `cbow`, the draws those of `skipgram_windows`.

Deviations, and why: the negatives are drawn once a window (so a block of rows is fetched once), unless `per_pair`;
the share of frequent words that stays is the C program's sqrt(t/f) + t/f; the learning rate is set every `CHUNK`
positions; the first vectors are uniform on ±1/D, as gensim has them.

The stream is cut into chunks. What a chunk draws and its learning rate depend on its number alone, so a run that goes
on from a checkpoint does what the uninterrupted one does, and threads may take chunks in any order. A GPU takes many
at once (`graphkit.words.skipgram_gpu`).

Axes: N positions of the stream (words and ends of sentences), V words, D dimension.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Any

from graphkit.words.huffman import huffman_paths
from neuralcore.errors import UserError
from neuralcore.lazy import lazy_import
from neuralcore.mapped import forget_pages
from neuralcore.schedules import linear

if TYPE_CHECKING:
    import numpy as np

    from graphkit.words.config import SkipGramConfig
    from graphkit.words.vocabulary import Vocabulary
    from neuralcore.checkpoint import Checkpoint, CheckpointStore, Shard
    from neuralcore.telemetry import Telemetry
else:
    np = lazy_import("numpy")

CHUNK = 1 << 14  # positions of the stream that a thread takes at once, all at one learning rate
FORGET_EVERY = 64  # chunks, 4 MB of a stream
NOISE_POWER = 0.75  # of the counts, for the noise distribution (the paper, section 2.2)


class SkipGramTrainer:
    """The two tables, how far training has come, and the loop.

    Args:
        ids: (N,) int32, see `Corpus.ids`.

    Attributes:
        input_table: `EmbeddingTable` (V, D), the vectors, or (V + B, D) with those of n-grams.
        output_table: likewise (V, D), of the words as predicted, or (V - 1, D) of the tree's inner nodes.
        chunk: chunks done, of `chunks`. words: words passed over, of `total`.
        gpu: the torch device that trains, or None.

    Raises:
        UserError: `config` names a GPU that is not there.
    """

    unit = "words"

    def __init__(self, ids: np.ndarray, vocabulary: Vocabulary, config: SkipGramConfig):
        from neuralcore.device import gpu
        from neuralcore.embedding import EmbeddingTable
        from neuralcore.kernels.skipgram_windows import alias_table, keep_probabilities
        from neuralcore.seeding import Generators

        self.ids, self.vocabulary, self.config, self.gpu = ids, vocabulary, config, gpu(config.device)
        generator = Generators(config.seed).numpy("input_table")
        subwords = config.subwords
        self.made_of = None if subwords is None else subwords.rows(vocabulary.words)
        inputs = len(vocabulary) + (0 if subwords is None else subwords.buckets)
        self.input_table = EmbeddingTable(inputs, config.dimension, padded=True)
        self.input_table.uniform(1.0 / config.dimension, generator)
        self.nodes = self.signs = None
        if config.loss == "hierarchical_softmax":
            self.nodes, self.signs = huffman_paths(vocabulary.counts)
        outputs = len(vocabulary) if self.nodes is None else len(vocabulary) - 1
        self.output_table = EmbeddingTable(outputs, config.dimension, padded=True)
        self.keep = keep_probabilities(vocabulary.counts, config.sample)
        self.probability, self.alias = alias_table(vocabulary.counts**NOISE_POWER)
        self.chunks_per_epoch = -(-len(ids) // CHUNK)
        self.chunks = config.epochs * self.chunks_per_epoch
        self.chunk = self.words = 0

    @property
    def title(self) -> str:
        return self.config.model

    @property
    def done(self) -> int:
        return self.words

    @cached_property
    def total(self) -> int:
        """Words to be passed over in all epochs."""
        from graphkit.words.warm_start import occurrences

        return self.config.epochs * occurrences(self.ids)

    def learning_rate(self, chunk: int) -> float:
        """The step size throughout a chunk: falling linearly with the share of all positions before it."""
        epoch, part = divmod(chunk, self.chunks_per_epoch)
        before = epoch * len(self.ids) + part * CHUNK
        config = self.config
        return linear(before, config.learning_rate, config.minimum_learning_rate, config.epochs * len(self.ids))

    def stretch(self, first: int, last: int) -> tuple[int, int, int]:
        """Where chunks of one epoch begin and end in the stream, and the epoch."""
        epoch, part = divmod(first, self.chunks_per_epoch)
        return part * CHUNK, min((part + 1 + last - first) * CHUNK, len(self.ids)), epoch

    def drawing(self, epoch: int) -> dict[str, Any]:
        """The settings of `skipgram_windows`."""
        config = self.config
        return {
            "window": config.window,
            "negatives": config.negatives if self.nodes is None else 0,
            "seed": config.seed,
            "epoch": epoch,
            "pairs": config.per_pair or (self.made_of is not None and config.model == "skipgram"),
        }

    def train_chunk(self, chunk: int) -> tuple[int, int, float]:
        """Draw the windows of a chunk and descend on them: its words, how many steps, their summed loss."""
        begin, end, epoch = self.stretch(chunk, chunk)
        steps, loss = self._descend(begin, end, epoch, self.learning_rate(chunk))
        return int(np.count_nonzero(self.ids[begin:end] >= 0)), steps, loss

    def _descend(self, begin: int, end: int, epoch: int, learning_rate: float) -> tuple[int, float]:
        from neuralcore.kernels.cbow import cbow
        from neuralcore.kernels.skipgram import skipgram
        from neuralcore.kernels.skipgram_windows import skipgram_windows

        config = self.config
        windows = skipgram_windows(
            self.ids, begin, end, self.keep, self.probability, self.alias, **self.drawing(epoch)
        )
        if self.nodes is None or self.signs is None:
            outputs, signs = windows.outputs, np.full(windows.outputs.shape, -1, np.int8)
            signs[:, 0] = 1
        else:
            words = windows.outputs[:, 0]
            outputs, signs = self.nodes[words], self.signs[words]
        tables, margin = (self.input_table.storage, self.output_table.storage), config.loss == "margin"
        if self.made_of is not None:  # the mean of a word's rows is one input, as that of a window's words is
            offsets, rows = self.made_of.of(windows.contexts, windows.offsets)
            return len(outputs), cbow(*tables, outputs, signs, offsets, rows, learning_rate, margin=margin)
        descend = skipgram if config.model == "skipgram" else cbow
        loss = descend(*tables, outputs, signs, windows.offsets, windows.contexts, learning_rate, margin=margin)
        return len(windows.contexts if config.model == "skipgram" else outputs), loss

    def vectors(self) -> tuple[np.ndarray, np.ndarray | None]:
        """(V, D) the words' vectors, and with n-grams (B, D) theirs."""
        weight = self.input_table.weight
        if self.made_of is None:
            return weight.copy(), None
        return self.made_of.means(weight), weight[len(self.vocabulary) :].copy()

    def compile(self) -> None:
        """Compile the kernels, or load them from numba's cache or Triton's; changes nothing."""
        if self.gpu is None:
            self._descend(0, 0, 0, 0.0)
        else:
            from graphkit.words.skipgram_gpu import GpuTrainer

            GpuTrainer(self, self.gpu).compile()

    def fit(self, telemetry: Telemetry, store: CheckpointStore | None = None) -> None:
        """Train to the end; report, and save to `store`, on the way."""
        config = self.config
        # Between two stops the chunks are independent but for the tables: threads take them as they come.
        cadence = max(config.checkpoint_every // CHUNK, 1)
        on_gpu = None
        if self.gpu is not None:
            from graphkit.words.skipgram_gpu import GpuTrainer

            on_gpu = GpuTrainer(self, self.gpu)
        with mapper(config.threads) as map_chunks:
            while self.chunk < self.chunks:
                epoch = self.chunk // self.chunks_per_epoch
                stop = min((self.chunk // cadence + 1) * cadence, (epoch + 1) * self.chunks_per_epoch)
                chunks = range(self.chunk, stop)
                done = zip(chunks, map_chunks(self.train_chunk, chunks)) if on_gpu is None else on_gpu.train(chunks)
                loss: Any = 0.0
                steps = 0
                for chunk, (words, taken, summed) in done:
                    self.words += words
                    loss, steps = loss + summed, steps + taken
                    if chunk % FORGET_EVERY == 0:
                        forget_pages(self.ids)
                    if telemetry.due():
                        telemetry.show(self.words, self._figures(chunk, loss, steps))
                metrics = self._figures(stop - 1, loss, steps)
                if on_gpu is not None:
                    on_gpu.fetch()
                if not math.isfinite(metrics["loss"]):
                    raise UserError(
                        f"the loss became {metrics['loss']} in epoch {epoch + 1}: lower learning_rate = "
                        f"{config.learning_rate}"
                    )
                self.chunk = stop
                telemetry.record(self.words, metrics)
                if store is not None and (stop % cadence == 0 or stop == self.chunks):
                    store.save(self.words, *self.state())
                if stop == self.chunks:
                    telemetry.show(self.words, metrics, last=True)

    def _figures(self, chunk: int, loss: Any, steps: int) -> dict[str, float]:
        """What is reported after a chunk. Not asked for after each: to read a GPU's loss is to wait for it."""
        epoch = chunk // self.chunks_per_epoch + 1
        return {"epoch": epoch, "loss": float(loss) / max(steps, 1), "learning_rate": self.learning_rate(chunk)}

    def state(self) -> tuple[dict[str, Any], dict[str, Shard]]:
        """Everything needed to go on; the random draws need no state."""
        from neuralcore.checkpoint import Shard

        shards = {"input": Shard(self.input_table.arrays()), "output": Shard(self.output_table.arrays())}
        return {"chunk": self.chunk, "words": self.words, "text": self.fingerprint}, shards

    def restore(self, checkpoint: Checkpoint) -> None:
        """Become what `state` was taken from.

        Raises:
            UserError: that was of another text.
        """
        if checkpoint.state["text"] != self.fingerprint:
            raise UserError(
                f"{checkpoint.folder} was trained on another text, the files have changed since: restore them, or "
                "choose another --run"
            )
        self.input_table.restore(checkpoint.shards["input"])
        self.output_table.restore(checkpoint.shards["output"])
        self.chunk, self.words = checkpoint.state["chunk"], checkpoint.state["words"]

    @cached_property
    def fingerprint(self) -> str:
        """Changes with any word of the text that is in the vocabulary."""
        digest = hashlib.sha256("\n".join(self.vocabulary.words).encode())
        for start in range(0, len(self.ids), FORGET_EVERY * CHUNK):
            digest.update(np.ascontiguousarray(self.ids[start : start + FORGET_EVERY * CHUNK]).data)
            forget_pages(self.ids)
        return digest.hexdigest()


@contextlib.contextmanager
def mapper(threads: int) -> Iterator[Callable[..., Iterator[Any]]]:
    """`map`, by so many threads; the results come in order in either case."""
    if threads == 1:
        yield map
        return
    pool = ThreadPoolExecutor(threads)
    try:
        yield pool.map
    finally:
        pool.shutdown(cancel_futures=True)  # Ctrl-C waits for the chunks in work, not for those in line
