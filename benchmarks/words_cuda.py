"""Word vectors on a CUDA GPU: words/s beside the CPU's, and beside what the GPU's memory could bring and take.

    python benchmarks/words_cuda.py                              (a drawn stream of Zipf's law)
    python benchmarks/words_cuda.py --text TEXT                  (a text of words with spaces between)

Skip-gram with 5 negatives, window 5, sample 1e-3, one epoch. The CPU trains on the first part of the stream, so does
the GPU, for the losses; and the GPU alone on all of it, for the speed. Compiling is not in the times. A drawn stream
teaches little but how often words occur, so the losses say more with a text.

The limit: a window reads and writes its R output rows once, and the input row of each of its C context words once,

    bytes of a window = 2 (R + C) 4 P        P numbers a row, R and C counted on a stretch of the stream,

and the memory moves as many bytes a second as in copying a tensor of 1 GB in the same run (read and written, both
counted). Rows of frequent words that stay in the GPU's second-level cache cost less, so this is the limit of a
vocabulary much larger than that cache. Writes docs/results/words_cuda.md, and nothing where there is no GPU.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import neuralcore
from graphkit.words.config import SkipGramConfig
from graphkit.words.corpus import Corpus
from graphkit.words.skipgram import SkipGramTrainer
from graphkit.words.vocabulary import Vocabulary
from neuralcore.checkpoint import write_text
from neuralcore.device import choose_device, cpu_count
from neuralcore.errors import guarded
from neuralcore.kernels.skipgram_windows import skipgram_windows
from neuralcore.telemetry import Telemetry

if TYPE_CHECKING:
    import torch

OUT = Path(__file__).resolve().parent.parent / "docs" / "results" / "words_cuda.md"
SENTENCE = 25  # positions of a drawn sentence, its end among them
COUNTED = 1 << 20  # positions on which rows a window are counted


def drawn(positions: int, words: int) -> tuple[np.ndarray, Vocabulary]:
    """A stream in which word n occurs in proportion to 1 / (n + 2.7), as in texts (Mandelbrot 1953)."""
    rng = np.random.default_rng(0)
    shares = np.cumsum(1.0 / (np.arange(words) + 2.7))
    ids = np.empty(positions, np.int32)
    for start in range(0, positions, 1 << 22):
        part = ids[start : start + (1 << 22)]
        part[:] = np.searchsorted(shares, rng.random(len(part)) * shares[-1], side="right")
    counts = np.maximum(np.bincount(ids, minlength=words), 1)
    order = np.argsort(-counts, kind="stable")
    rank = np.empty(words, np.int32)
    rank[order] = np.arange(words, dtype=np.int32)
    ids = rank[ids]
    ids[SENTENCE - 1 :: SENTENCE] = -1
    return ids, Vocabulary([f"w{n}" for n in range(words)], counts[order])


def train(ids: np.ndarray, vocabulary: Vocabulary, **settings: Any) -> tuple[float, float]:
    """One training: words a second and the mean loss."""
    trainer = SkipGramTrainer(ids, vocabulary, SkipGramConfig(epochs=1, **settings))
    trainer.compile()
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        with Telemetry(len(ids), "words", title=trainer.config.device, folder=folder) as telemetry:
            trainer.fit(telemetry)  # it ends with the tables' way back, which waits for the GPU
        seconds = time.perf_counter() - started
        rows = Path(folder, "metrics.jsonl").read_text().splitlines()
    return trainer.words / seconds, json.loads(rows[-1])["loss"]


def bytes_per_word(ids: np.ndarray, vocabulary: Vocabulary, dimension: int) -> float:
    """Bytes of rows that move for each word of the stream, as this file's head counts them."""
    trainer = SkipGramTrainer(ids, vocabulary, SkipGramConfig(epochs=1, dimension=dimension))
    end = min(COUNTED, len(ids))
    distributions = trainer.keep, trainer.probability, trainer.alias
    windows = skipgram_windows(ids, 0, end, *distributions, **trainer.drawing(0))
    rows = np.count_nonzero(windows.outputs >= 0) + len(windows.contexts)
    return 2 * rows * 4 * trainer.input_table.storage.shape[1] / np.count_nonzero(ids[:end] >= 0)


def bandwidth(device: torch.device) -> float:
    """Bytes a second in copying a large tensor, read and written."""
    import torch

    source = torch.zeros(1 << 28, dtype=torch.float32, device=device)
    target = torch.empty_like(source)
    times = []
    for _ in range(10):
        torch.cuda.synchronize(device)
        started = time.perf_counter()
        target.copy_(source)
        torch.cuda.synchronize(device)
        times.append(time.perf_counter() - started)
    return 2 * source.nbytes / min(times)


def main(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", help="train on this and not on a drawn stream")
    parser.add_argument("--positions", type=int, default=200_000_000, help="of the drawn stream")
    parser.add_argument("--words", type=int, default=500_000, help="different ones of the drawn stream")
    parser.add_argument("--cpu-positions", type=int, default=10_000_000, help="of which the CPU trains")
    parser.add_argument("--dimensions", type=int, nargs="+", default=[100, 300])
    arguments = parser.parse_args(words)
    device = choose_device("cuda")
    import torch

    if arguments.text is None:
        ids, vocabulary = drawn(arguments.positions, arguments.words)
        text, call = "drawn by Zipf's law, sentences of 24", f" --positions {len(ids)} --words {arguments.words}"
    else:
        vocabulary, ids = Corpus(arguments.text, tokenizer="whitespace").read(5, threads=cpu_count())
        text, call = f"of {Path(arguments.text).name}", f" --text {Path(arguments.text).name}"
    part, threads = ids[: arguments.cpu_positions], cpu_count()
    moved = bandwidth(device)
    lines = []
    for dimension in arguments.dimensions:
        one, loss = train(part, vocabulary, dimension=dimension)
        all_cpus, _ = train(part, vocabulary, dimension=dimension, threads=threads)
        _, loss_there = train(part, vocabulary, dimension=dimension, device="cuda")
        speed, _ = train(ids, vocabulary, dimension=dimension, device="cuda")
        size = bytes_per_word(ids, vocabulary, dimension)
        limit = moved / size
        lines.append(
            f"| {dimension} | {one:,.0f} | {all_cpus:,.0f} | {speed:,.0f} | {speed / one:.1f} | {size:,.0f} | "
            f"{limit:,.0f} | {speed / limit:.0%} | {loss:.4f} | {loss_there:.4f} |"
        )
        print(lines[-1], flush=True)
    write_text(
        OUT,
        "# Word vectors on a GPU\n\n"
        f"{np.count_nonzero(ids >= 0):,} occurrences of {len(vocabulary):,} words, {text}; skip-gram, 5 negatives, "
        f"window 5,\nsample 1e-3, one epoch. {torch.cuda.get_device_name(device)}, whose memory copies at "
        f"{moved / 1e9:,.0f} GB/s (read and written, both counted).\nThe CPU trains on the first {len(part):,} "
        "positions; losses are those of that part. The limit is that of the memory,\nif each row of a window were "
        "read and written once and none were in a cache.\n\n"
        f"| dimension | CPU, 1 thread, words/s | CPU, {threads} threads | GPU, words/s | times 1 thread | "
        "bytes a word | limit, words/s | of the limit | CPU's loss | GPU's loss |\n"
        + "|---" * 10
        + "|\n"
        + "\n".join(lines)
        + f"\n\n{date.today()}, rlgraphkit {neuralcore.__version__}, torch {torch.__version__}, Python "
        f"{platform.python_version()}, a {platform.machine()} machine of {threads} cores.\n\n"
        f"`python benchmarks/words_cuda.py{call} --cpu-positions {arguments.cpu_positions}`\n",
    )


if __name__ == "__main__":
    raise SystemExit(guarded(main))
