"""Training on: word vectors of an earlier text go on with a new one, whose new words join them.

The vocabulary is that of both texts, counts added up, which is what the noise distribution and the thinning of
frequent words go by. Words that were there begin where they stood, new ones as in any training. What the words are
predicted with (the output table) is in a run folder's checkpoint, so a run goes on better than bare vectors, whose
output table begins with zeros; a Huffman tree is another one for other counts, so its nodes begin anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from graphkit.words.vocabulary import Vocabulary
from neuralcore.checkpoint import CheckpointStore
from neuralcore.errors import UserError

if TYPE_CHECKING:
    from graphkit.words.config import SkipGramConfig
    from graphkit.words.skipgram import SkipGramTrainer


class WarmStart:
    """What an earlier training left.

    Args:
        path: a run folder, or vectors in any form (`WordVectors.read`).
        config: of the training to come.

    Attributes:
        vocabulary: the words and their counts, V of them.
        inputs: (V, D) float32. ngrams: (B, D) float32 or None. outputs: (V, D) float32 or None.

    Raises:
        UserError: there are no vectors, or the training to come has others: another dimension, other n-grams.
    """

    def __init__(self, path: str | Path, config: SkipGramConfig):
        from graphkit.words.vectors import WordVectors

        vectors = WordVectors.read(path)
        earlier, self.vocabulary = vectors.config, vectors.vocabulary
        self.inputs, self.ngrams, self.outputs = vectors.matrix, vectors.ngrams, None
        if vectors.matrix.shape[1] != config.dimension:
            raise UserError(
                f"{path} has vectors of {vectors.matrix.shape[1]} numbers, not dimension = {config.dimension}"
            )
        if (earlier.subwords if earlier and vectors.ngrams is not None else None) != config.subwords:
            raise UserError(f"{path} has other n-grams: shortest_ngram, longest_ngram and buckets must be the same")
        factors = earlier is not None and earlier.loss == "glove"  # whose sum the vectors are: no input table
        checkpoint = (
            CheckpointStore(Path(path) / "checkpoints").load() if Path(path).is_dir() and not factors else None
        )
        if checkpoint is not None:
            words = len(self.vocabulary)
            self.inputs = checkpoint.shards["input"]["weight"][:words]
            if earlier is not None and earlier.loss == config.loss != "hierarchical_softmax":
                self.outputs = checkpoint.shards["output"]["weight"]
        elif self.ngrams is not None:
            raise UserError(
                f"{path} holds words together with their n-grams: name the run folder, which has them apart"
            )

    def joined(self, new: Vocabulary) -> Vocabulary:
        """The words of both, counts added up, the commonest first."""
        counts = dict(zip(self.vocabulary.words, self.vocabulary.counts.tolist()))
        for word, count in zip(new.words, new.counts.tolist()):
            counts[word] = counts.get(word, 0) + count
        words = list(counts)
        return Vocabulary.of_counts(lambda kept: [words[i] for i in kept], list(counts.values()))

    def into(self, trainer: SkipGramTrainer) -> None:
        """Put the rows of the words that were there into a trainer's tables."""
        rows = trainer.vocabulary.ids(self.vocabulary.words)
        trainer.input_table.weight[rows] = self.inputs
        if self.ngrams is not None:
            trainer.input_table.weight[len(trainer.vocabulary) :] = self.ngrams
        if self.outputs is not None:
            trainer.output_table.weight[rows] = self.outputs


def occurrences(ids: np.ndarray) -> int:
    """How many words a stream has, the ends of its sentences not counted."""
    piece = 1 << 22
    return sum(int(np.count_nonzero(ids[start : start + piece] >= 0)) for start in range(0, len(ids), piece))
