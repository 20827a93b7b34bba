"""Triton: the kernel of `skipgram`, compiled for the mean of a window's inputs."""

from __future__ import annotations

import functools

from neuralcore.kernels.skipgram.cuda import COMPILE_SIGNATURES as SKIPGRAM_SIGNATURES
from neuralcore.kernels.skipgram.cuda import skipgram

cbow = functools.partial(skipgram, mean=True)
COMPILE_SIGNATURES = [
    (kernel, types, {**constants, "MEAN": True}) for kernel, types, constants in SKIPGRAM_SIGNATURES
]
