"""Sequences as if spoken, drawn here: frames of a symbol look alike, and each lasts as long as it likes.

A symbol is a spectrum of F bands, the same for all data. In an example it lasts 2 to 6 frames, glides into the next,
is louder or softer, and lies in noise; between symbols there may be a pause, and between two of the same there always
is: else nobody could tell them from a long one.

Axes: N examples, T frames, F bands, U symbols.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

BLANK = 0  # no symbol; those there are count from 1
BANDS = 16
FRAMES = 2, 6  # least and most frames of a symbol, and of a pause
PAUSES = 0.3  # how often one comes before a symbol, and at the end
GLIDE = 0.6  # share of the frame before in a frame


class Spoken(NamedTuple):
    """Examples, each as long as it is.

    Attributes:
        frames: N arrays (T, F) float32. symbols: N arrays (U,) int64 from 1 on.
    """

    frames: list[np.ndarray]
    symbols: list[np.ndarray]

    def __len__(self) -> int:
        return len(self.frames)


class Padded(NamedTuple):
    """A batch with padding behind.

    Attributes:
        frames: (B, T, F) float32. lengths: (B,) int64, frames of each. symbols: (B, U) int64. counts: (B,) int64.
    """

    frames: np.ndarray
    lengths: np.ndarray
    symbols: np.ndarray
    counts: np.ndarray


def spectra(kinds: int) -> np.ndarray:
    """(kinds + 1, F) float32: what symbols sound like; 0 is silence."""
    drawn = np.random.default_rng([0, kinds]).normal(0.0, 1.0, (kinds + 1, BANDS))
    drawn[BLANK] = 0.0
    return drawn.astype(np.float32)


def spoken(count: int, kinds: int, longest: int, noise: float, seed: int) -> Spoken:
    """Draw examples of 1 to `longest` symbols of so many kinds; noise is its standard deviation.

    >>> len(spoken(3, kinds=8, longest=6, noise=0.5, seed=0).frames)
    3
    """
    generator, sounds = np.random.default_rng([seed, kinds, longest]), spectra(kinds)
    found = Spoken([], [])
    for _ in range(count):
        symbols = generator.integers(1, kinds + 1, generator.integers(1, longest + 1))
        with_pauses: list[int] = []
        for symbol in [*symbols.tolist(), None]:
            if generator.uniform() < PAUSES or with_pauses[-1:] == [symbol]:
                with_pauses.append(BLANK)
            if symbol is not None:
                with_pauses.append(symbol)
        lasting = generator.integers(FRAMES[0], FRAMES[1] + 1, len(with_pauses))
        loud = generator.uniform(0.7, 1.3, (len(with_pauses), 1))
        frames = np.repeat(loud * sounds[with_pauses], lasting, 0)
        frames[1:] = (1.0 - GLIDE) * frames[1:] + GLIDE * frames[:-1]
        frames += generator.normal(0.0, noise, frames.shape)
        found.frames.append(frames.astype(np.float32))
        found.symbols.append(symbols)
    return found


def padded(some: Spoken) -> Padded:
    """As many rows as examples, as long as the longest."""
    lengths = np.array([len(f) for f in some.frames])
    counts = np.array([len(s) for s in some.symbols])
    frames = np.zeros((len(some), lengths.max(), BANDS), np.float32)
    symbols = np.zeros((len(some), counts.max()), np.int64)
    for row, (f, s) in enumerate(zip(some.frames, some.symbols)):
        frames[row, : len(f)], symbols[row, : len(s)] = f, s
    return Padded(frames, lengths, symbols, counts)
