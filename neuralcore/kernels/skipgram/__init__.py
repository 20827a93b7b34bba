"""One pass of skip-gram with negative sampling over given windows, in place: the inner loop of word2vec.

Mikolov et al. 2013, "Distributed Representations of Words and Phrases and their Compositionality", section 2.2,
https://arxiv.org/abs/1310.4546. For a context word c of a target t with negatives n_1..n_K, x the input row of c
and b_r the output row of r:

    loss = -log s(b_t . x) - sum_j log s(-b_nj . x),    s(z) = 1 / (1 + exp(-z))

As in the authors' C program the context word is the input and the word in the middle is what it predicts.

Deviation: the K negatives are drawn once a window, not once a context word, so that the K+1 output rows are
fetched once and worked on in the cache (Ji et al. 2016, "Parallelizing Word2Vec in Shared and Distributed
Memory", https://arxiv.org/abs/1604.04661).

Axes: V words, P padded dimension, W windows, C context words in all, K negatives.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from neuralcore import kernels
from neuralcore.shape import match_shape

LOGIT_BOUND = 30.0  # logits are clipped to +-30; there 1 - s(z) is 1e-13, and float32 calls it 0


def skipgram(
    input_table: Any,
    output_table: Any,
    targets: Any,
    offsets: Any,
    contexts: Any,
    negatives: Any,
    learning_rate: float,
    *,
    implementation: kernels.Implementation = "auto",
) -> float:
    """Stochastic gradient descent on both tables, in place; returns the sum of the losses before each step.

    The order, which every implementation keeps: window after window; the output rows of the target and of its
    negatives are copied to a block; for each context word, left to right, the gradients of the loss above at the
    present block and input row; a step on the block, a step on the input row; at the window's end the block goes
    back. A negative that equals the target or an earlier negative of its window is skipped, so a row is in the
    block once.

    The CPU kernel releases the GIL and takes no locks: calling it from several threads on the same tables is
    Hogwild (Niu et al. 2011). One thread gives the same bytes each time.

    Args:
        input_table: (V, P) float32, changed in place; the vectors that are kept in the end.
        output_table: (V, P) float32, changed in place.
        targets: (W,) int32, the word in the middle of each window.
        offsets: (W + 1,) int64; window w has the context words `contexts[offsets[w]:offsets[w + 1]]`.
        contexts: (C,) int32.
        negatives: (W, K) int32.
        learning_rate: step size; 0 changes nothing and measures the loss.

    Returns:
        The loss in nats, summed over context words; divide by C.

    Raises:
        ValueError: a shape or dtype differs, or a word number is not a row of the tables.
        UserError: there is no such implementation.
    """
    vocabulary, width = match_shape(input_table, -1, -1, name="input_table")
    match_shape(output_table, vocabulary, width, name="output_table")
    (windows,) = match_shape(targets, -1, name="targets")
    match_shape(offsets, windows + 1, name="offsets")
    match_shape(contexts, int(offsets[-1]), name="contexts")
    match_shape(negatives, windows, -1, name="negatives")
    for name, array, dtype in (
        ("input_table", input_table, "float32"),
        ("output_table", output_table, "float32"),
        ("targets", targets, "int32"),
        ("offsets", offsets, "int64"),
        ("contexts", contexts, "int32"),
        ("negatives", negatives, "int32"),
    ):
        if str(array.dtype).removeprefix("torch.") != dtype:
            raise ValueError(f"{name} is {array.dtype}, expected {dtype}")
    if int(offsets[0]) != 0 or bool((offsets[1:] < offsets[:-1]).any()):
        raise ValueError("offsets must start at 0 and never decrease")
    for name, words in (("targets", targets), ("contexts", contexts), ("negatives", negatives)):
        # The fast kernels do not check, and a wrong number would write outside the tables.
        if words.shape[0] and np.prod(words.shape) and not 0 <= int(words.min()) <= int(words.max()) < vocabulary:
            raise ValueError(f"{name} has a word outside 0..{vocabulary - 1}")
    descend = kernels.implementation("skipgram", implementation, input_table)
    return descend(input_table, output_table, targets, offsets, contexts, negatives, float(learning_rate))
