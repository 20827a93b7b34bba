"""What many windows at once do to word vectors: a GPU's order of steps, played on the CPU.

    python benchmarks/words_at_once.py TEXT --evaluation DATA/word-eval --at-once 1 256 1024 4096

A GPU has G windows in work at a time. A window's output rows are fetched when it begins, and what changed is added
when it ends; each step reads one input row as the steps before have left it. Here the G go in step, and the G inputs
of a round are all read before any is changed: about what programs of equal speed do. It is skip-gram with negatives,
one thread; G = 1 gives what the CPU's kernel gives. Prints, for each G, the last epoch's loss and the figures of
`graphkit words --evaluate`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numba import njit

from graphkit.words.config import SkipGramConfig
from graphkit.words.corpus import Corpus
from graphkit.words.evaluation import Analogies, evaluate
from graphkit.words.skipgram import SkipGramTrainer
from graphkit.words.vectors import WordVectors
from graphkit.words.vocabulary import Vocabulary
from neuralcore.kernels.skipgram import LOGIT_BOUND
from neuralcore.kernels.skipgram_windows import skipgram_windows

STRETCH = 16  # chunks whose windows are drawn at once: only at its end are fewer than G in work


@njit(error_model="numpy", fastmath=True)
def descend(inputs, others, outputs, offsets, contexts, rate, at_once):
    """Skip-gram's steps with `at_once` windows in work; the summed loss. A window's first output belongs to it."""
    windows, rows = outputs.shape
    width = inputs.shape[1]
    block = np.zeros((at_once, rows, width), np.float32)  # of each window in work: its output rows now,
    before = np.zeros_like(block)  # as they were,
    change = np.zeros((at_once, width), np.float32)  # what its input row is to change by,
    number = np.full(at_once, -1, np.int64)  # which it is,
    place = np.zeros(at_once, np.int64)  # and its next context word
    loss, begun, working = 0.0, 0, 1
    while working:
        working = 0
        for g in range(at_once):
            if number[g] < 0 and begun < windows:
                number[g], place[g] = begun, offsets[begun]
                for j in range(rows):
                    if outputs[begun, j] >= 0:
                        block[g, j] = before[g, j] = others[outputs[begun, j]]
                begun += 1
            if number[g] < 0:
                continue
            working += 1
            x = inputs[contexts[place[g]]]
            change[g] = 0.0
            for j in range(rows):
                if outputs[number[g], j] >= 0:
                    sign = np.float32(1.0 if j == 0 else -1.0)
                    logit = np.float32(0.0)
                    for k in range(width):
                        logit += block[g, j, k] * x[k]
                    logit = min(max(sign * logit, np.float32(-LOGIT_BOUND)), np.float32(LOGIT_BOUND))
                    probability = np.float32(1.0) / (np.float32(1.0) + np.exp(-logit))
                    loss += np.log1p(np.exp(-logit))
                    step = rate * sign * (np.float32(1.0) - probability)
                    for k in range(width):
                        change[g, k] += step * block[g, j, k]
                        block[g, j, k] += step * x[k]
        for g in range(at_once):
            if number[g] < 0:
                continue
            inputs[contexts[place[g]]] += change[g]
            place[g] += 1
            if place[g] == offsets[number[g] + 1]:
                for j in range(rows):
                    if outputs[number[g], j] >= 0:
                        others[outputs[number[g], j]] += block[g, j] - before[g, j]
                number[g] = -1
    return loss


def train(ids: np.ndarray, vocabulary: Vocabulary, config: SkipGramConfig, at_once: int) -> tuple[WordVectors, float]:
    """The vectors, and the mean loss of the last epoch."""
    trainer = SkipGramTrainer(ids, vocabulary, config)
    tables = trainer.input_table.storage, trainer.output_table.storage
    distributions = trainer.keep, trainer.probability, trainer.alias
    loss, steps = 0.0, 0
    for start in range(0, trainer.chunks, trainer.chunks_per_epoch):
        loss, steps = 0.0, 0
        for first in range(start, start + trainer.chunks_per_epoch, STRETCH):
            last = min(first + STRETCH, start + trainer.chunks_per_epoch) - 1
            begin, end, epoch = trainer.stretch(first, last)
            windows = skipgram_windows(ids, begin, end, *distributions, **trainer.drawing(epoch))
            rate = np.float32((trainer.learning_rate(first) + trainer.learning_rate(last)) / 2)
            loss += descend(*tables, windows.outputs, windows.offsets, windows.contexts, rate, at_once)
            steps += len(windows.contexts)
    return WordVectors(vocabulary, trainer.vectors()[0], config), loss / steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path, help="words with spaces between")
    parser.add_argument("--evaluation", type=Path, required=True, help="files of analogies and similarity sets")
    parser.add_argument("--at-once", type=int, nargs="+", default=[1, 256, 1024, 4096])
    parser.add_argument("--positions", type=int, default=10_000_000, help="of the text, from its beginning")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--min-count", type=int, default=5)
    arguments = parser.parse_args()
    vocabulary, ids = Corpus(arguments.text, tokenizer="whitespace").read(arguments.min_count)
    ids = np.asarray(ids[: arguments.positions])
    names = ("questions-words.txt", "EN-WS-353-ALL.txt", "EN-SIMLEX-999.txt", "EN-MEN-TR-3k.txt")
    files = [arguments.evaluation / name for name in names]
    print(f"{np.count_nonzero(ids >= 0):,} words, {arguments.epochs} epochs")
    for at_once in arguments.at_once:
        for seed in range(arguments.seeds):
            config = SkipGramConfig(epochs=arguments.epochs, seed=seed)
            vectors, loss = train(ids, vocabulary, config, at_once)
            found = [
                result.total.correct / max(result.total.asked, 1)
                if isinstance(result, Analogies)
                else result.spearman
                for result in evaluate(vectors, files)
            ]
            figures = ", ".join(f"{Path(name).stem} {figure:.3f}" for name, figure in zip(names, found))
            print(f"{at_once} at once, seed {seed}: loss {loss:.3f}, {figures}", flush=True)


if __name__ == "__main__":
    main()
