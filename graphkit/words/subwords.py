"""Subwords: a word's vector is the mean of its own and of its character n-grams', so words never seen have one too.

Bojanowski, Grave, Joulin & Mikolov 2017, "Enriching Word Vectors with Subword Information",
https://arxiv.org/abs/1607.04606; n-grams and their buckets are fastText's (`neuralcore.kernels.ngram_buckets`). The
input table has a row for each of V words and, after them, one for each of B buckets.

    inputs = Subwords(3, 6, 200_000).rows(["apple", …])
    inputs.of(np.array([0]))              # 0 (apple itself), V + the bucket of <ap, V + that of <app, …
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neuralcore.kernels.ngram_buckets import ngram_buckets

BLOCK = 4096  # words whose vectors are composed at once


@dataclass(frozen=True)
class Rows:
    """The rows of the input table that make up each word, one word after the other.

    Attributes:
        offsets: (V + 1,) int64, where each word's rows begin. rows: (M,) int32.
    """

    offsets: np.ndarray
    rows: np.ndarray

    def of(self, words: np.ndarray, offsets: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Words in groups -> rows in groups: each word is replaced by all of its rows.

        Args:
            words: (C,) numbers. offsets: (W + 1,) int64, where the groups begin; None takes each word for a group.

        Returns:
            (W + 1,) int64 where the groups of rows begin; (R,) int32 the rows.
        """
        lengths = self.offsets[words + 1] - self.offsets[words]
        ends = np.concatenate([[0], np.cumsum(lengths)])
        # Counting up from each word's first row: what is added at a word's place is where its rows begin.
        rows = self.rows[np.arange(ends[-1]) + np.repeat(self.offsets[words] - ends[:-1], lengths)]
        return ends if offsets is None else ends[offsets], rows

    def means(self, table: np.ndarray) -> np.ndarray:
        """(V, D) float32: the mean of each word's rows of a table (V + B, D); zeros for a word without any."""
        words = len(self.offsets) - 1
        found = np.zeros((words, table.shape[1]), np.float32)
        for start in range(0, words, BLOCK):
            block = np.arange(start, min(start + BLOCK, words))
            ends, rows = self.of(block)
            there = np.flatnonzero(np.diff(ends))
            if len(there):
                sums = np.add.reduceat(table[rows], ends[:-1][there], axis=0)
                found[block[there]] = sums / np.diff(ends)[there, None]
        return found


@dataclass(frozen=True)
class Subwords:
    """Which n-grams words are made of.

    Attributes:
        shortest, longest: their characters. buckets: B, how many rows they share.
    """

    shortest: int
    longest: int
    buckets: int

    def rows(self, words: Sequence[str], *, known: bool = True) -> Rows:
        """The rows of V words, numbered 0..V-1: themselves and their n-grams, from V on.

        Args:
            known: whether the words have rows of their own; else their n-grams alone are counted, from 0 on.
        """
        marked = [f"<{word}>".encode() for word in words]
        begins = np.cumsum([0, *map(len, marked)]).astype(np.int64)
        text = np.frombuffer(b"".join(marked), dtype=np.uint8)
        offsets, buckets = ngram_buckets(text, begins, self.shortest, self.longest, self.buckets)
        if not known:
            return Rows(offsets, buckets)
        count = len(marked)
        rows = np.insert(buckets + np.int32(count), offsets[:-1], np.arange(count, dtype=np.int32))
        return Rows(offsets + np.arange(count + 1), rows)
