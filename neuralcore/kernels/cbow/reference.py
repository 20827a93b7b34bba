"""The truth in NumPy: that of `skipgram` with the mean for its input."""

from __future__ import annotations

import functools

from neuralcore.kernels.skipgram.reference import skipgram

cbow = functools.partial(skipgram, mean=True)
