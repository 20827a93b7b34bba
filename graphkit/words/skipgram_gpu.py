"""Skip-gram and CBOW on a GPU: what `SkipGramTrainer.fit` runs there in place of its threads.

Both tables, the distributions and the words' paths lie in the GPU's memory from the beginning of `fit` to its end;
the stream comes in stretches, so that its length does not matter. Windows and negatives are drawn there, the same as
on the CPU; then the kernel of `skipgram` works on the windows of a stretch, 1,024 at a time.

Deviation: those at work read rows that others are about to change, and then add up their changes, which is as if the
rows of frequent words were trained in batches. On a CPU with a few threads that is rare, here it is the rule. No GPU
has been at hand; with this order played on the CPU (benchmarks/words_at_once.py, one seed, 453,751 words of
Wikispeedia, 5 epochs) the loss was 2.420 instead of 2.408, and similarities were no worse. Nor does the same seed
give the same bytes: the order in which floats are added is not fixed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch

from neuralcore.errors import UserError
from neuralcore.kernels.skipgram.cuda import descend
from neuralcore.kernels.skipgram_windows import reach, skipgram_windows
from neuralcore.mapped import forget_pages

if TYPE_CHECKING:
    from graphkit.words.skipgram import SkipGramTrainer

# Chunks a stretch: 2^20 positions, some half a million windows of which about a thousand are in work at a time. So
# the GPU is rarely half empty, and the host's one wait a stretch, for the number of windows, is little beside it.
TOGETHER = 64
FEW = 100  # positions on which kernels are compiled


class GpuTrainer:
    """A trainer's tables on a device, and the loop over its chunks there.

    Args:
        trainer: its tables are copied when this is made and, by `fetch`, changed.
        device: torch's; the CPU works too, by Triton's interpreter, for tests.

    Raises:
        UserError: the device has not enough memory.
    """

    def __init__(self, trainer: SkipGramTrainer, device: torch.device):
        self.trainer, self.device = trainer, device
        self.both, made_of = (trainer.input_table, trainer.output_table), trainer.made_of
        with self._room():
            self.input_table, self.output_table = (self._moved(table.storage) for table in self.both)
            distributions = trainer.keep, trainer.probability, trainer.alias
            self.keep, self.probability, self.alias = map(self._moved, distributions)
            self.paths = [self._moved(a) for a in (trainer.nodes, trainer.signs) if a is not None]
            self.made_of = None if made_of is None else (self._moved(made_of.offsets), self._moved(made_of.rows))
        self.ids = self._staging(0)

    @contextlib.contextmanager
    def _room(self) -> Iterator[None]:
        try:
            yield
        except torch.OutOfMemoryError:
            size = sum(table.storage.nbytes for table in self.both) / 1e9
            raise UserError(
                f"{self.device} has no room for tables of {size:.2f} GB and the windows of {TOGETHER} chunks: lower "
                "dimension, window, negatives or buckets, raise min_count, or leave out device"
            ) from None

    def _moved(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array).to(self.device, copy=True)

    def _staging(self, size: int) -> torch.Tensor:
        """(size,) int32 in memory from which the GPU copies by itself."""
        return torch.empty(size, dtype=torch.int32, pin_memory=self.device.type == "cuda")

    def train(self, chunks: range) -> Iterator[tuple[int, tuple[int, int, torch.Tensor]]]:
        """Train on chunks of one epoch. After each stretch: its last chunk, and its words, steps and summed loss.

        The loss stays on the device: who reads it waits until all is done.
        """
        trainer = self.trainer
        for first in chunks[::TOGETHER]:
            last = min(first + TOGETHER, chunks.stop) - 1
            begin, end, epoch = trainer.stretch(first, last)
            # One step size for what the CPU's chunks would have given a row of them: their mean.
            rate = (trainer.learning_rate(first) + trainer.learning_rate(last)) / 2
            steps, loss = self.descend(begin, end, epoch, rate)
            words = int(np.count_nonzero(trainer.ids[begin:end] >= 0))
            forget_pages(trainer.ids)
            yield last, (words, steps, loss)

    def descend(self, begin: int, end: int, epoch: int, learning_rate: float) -> tuple[int, torch.Tensor]:
        """Draw the windows of a stretch and descend on them: how many steps, and their summed loss, () float64."""
        trainer, config = self.trainer, self.trainer.config
        drawing = trainer.drawing(epoch)
        first, last = reach(trainer.ids, begin, end, trainer.keep, **drawing)
        with self._room(), torch.cuda.device_of(self.input_table):
            windows = skipgram_windows(
                self._stretch(first, last),
                begin - first,
                end - first,
                self.keep,
                self.probability,
                self.alias,
                **drawing,
                origin=first,
                implementation="cuda",
            )
            if self.paths:
                words = windows.outputs[:, 0].long()
                outputs, signs = (path[words] for path in self.paths)
            else:
                outputs = windows.outputs
                signs = torch.full_like(outputs, -1, dtype=torch.int8)
                signs[:, 0] = 1
            offsets, contexts = windows.offsets, windows.contexts
            if self.made_of is not None:
                offsets, contexts = rows_of(*self.made_of, contexts, offsets)
            mean = self.made_of is not None or config.model == "cbow"
            margin = config.loss == "margin"
            loss = descend(
                self.input_table, self.output_table, outputs, signs, offsets, contexts, learning_rate, mean, margin
            )
        return len(outputs) if mean else len(contexts), loss

    def _stretch(self, first: int, last: int) -> torch.Tensor:
        """`ids[first:last]` on the device. The copy before has been made: its windows have been counted since."""
        if last - first > len(self.ids):
            self.ids = self._staging(last - first)
        here = self.ids[: last - first]
        here.numpy()[:] = self.trainer.ids[first:last]
        return here.to(self.device, non_blocking=True)

    def compile(self) -> None:
        """Compile the kernels, by steps of size 0."""
        self.descend(0, min(FEW, len(self.trainer.ids)), 0, 0.0)

    def fetch(self) -> None:
        """Bring the tables back to the trainer's."""
        for table, there in zip(self.both, (self.input_table, self.output_table)):
            torch.from_numpy(table.storage).copy_(there)


def rows_of(
    begins: torch.Tensor, rows: torch.Tensor, words: torch.Tensor, offsets: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Words in groups -> rows in groups, as `graphkit.words.subwords.Rows.of`; waits for the device once.

    Args:
        begins, rows: (V + 1,) int64 and (M,) int32, its `offsets` and `rows`.
        words: (C,) int32. offsets: (W + 1,) int64, where the groups begin.
    """
    firsts = begins[words.long()]
    lengths = begins[words.long() + 1] - firsts
    ends = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
    total = int(ends[-1])
    # Counting up from each word's first row: what is added at a word's place is where its rows begin.
    shift = (firsts - ends[:-1]).repeat_interleave(lengths, output_size=total)
    return ends[offsets], rows[torch.arange(total, device=rows.device) + shift]
