"""Op `cbow` by numba: the kernel of `skipgram`, compiled for the mean of a window's inputs."""

from __future__ import annotations

import functools

from neuralcore.kernels.skipgram.cpu import skipgram

cbow = functools.partial(skipgram, mean=True)
