"""One pass of skip-gram over given windows, in place: the inner loop of word2vec.

Mikolov et al. 2013, "Distributed Representations of Words and Phrases and their Compositionality",
https://arxiv.org/abs/1310.4546. A window has context words, whose input rows x are taken one after the other, and
outputs: rows b_r of the other table, each with a sign s_r, +1 for what belongs to the window, -1 for what does not.

    loss = - sum_r log s(s_r b_r . x),    s(z) = 1 / (1 + exp(-z))

Negative sampling (section 2.2): the outputs are the word in the middle, +1, and K noise words, -1.
Hierarchical softmax (section 2.1): the inner nodes on the way to the word in a Huffman tree, +1 to the left.

With `margin` the loss is that of Collobert & Weston 2008 (https://doi.org/10.1145/1390156.1390177, eq. 1), for their
windows' scores the products of this model: a window's first output, +1, is to score higher by 1 than each of the
others, -1:

    loss = sum_{r > 0} max(0, 1 - b_0 . x + b_r . x)

As in the authors' C program the context word is the input and the word in the middle is what it predicts.

Where the noise words are drawn once a window, not once a context word, the output rows are fetched once and worked on
in the cache (Ji et al. 2016, "Parallelizing Word2Vec in Shared and Distributed Memory",
https://arxiv.org/abs/1604.04661). A window of one context word is the paper's own step.

Axes: V words, U rows of the output table, P padded dimension, W windows, R outputs of each, C context words in all.
"""

from __future__ import annotations

from typing import Any

from neuralcore import kernels
from neuralcore.shape import match_shape

LOGIT_BOUND = 30.0  # logits are clipped to +-30; there 1 - s(z) is 1e-13, and float32 calls it 0


def skipgram(
    input_table: Any,
    output_table: Any,
    outputs: Any,
    signs: Any,
    offsets: Any,
    contexts: Any,
    learning_rate: float,
    *,
    margin: bool = False,
    implementation: kernels.Implementation = "auto",
) -> float:
    """Stochastic gradient descent on both tables, in place; returns the sum of the losses before each step.

    The order, which every implementation keeps: window after window; its output rows are copied to a block; for each
    context word, left to right, the gradients of the loss above at the present block and input row; a step on the
    block, a step on the input row; at the window's end the block goes back.

    The CPU kernel releases the GIL and takes no locks: calling it from several threads on the same tables is
    Hogwild (Niu et al. 2011). One thread gives the same bytes each time. Rows of a multiple of 16 numbers that begin
    at cache lines (`EmbeddingTable`, padded) are worked on in place, others by way of a copy.

    Args:
        input_table: (V, P) float32, changed in place; the vectors that are kept in the end.
        output_table: (U, P) float32, changed in place.
        outputs: (W, R) int32, rows of `output_table`, in a window each at most once; -1 for none.
        signs: (W, R) int8, 1 or -1.
        offsets: (W + 1,) int64; window w has the context words `contexts[offsets[w]:offsets[w + 1]]`.
        contexts: (C,) int32, rows of `input_table`.
        learning_rate: step size; 0 changes nothing and measures the loss.
        margin: which loss; with it the first output of each window must be there and be the only one of sign 1.

    Returns:
        The loss (in nats, without `margin`), summed over context words; divide by C.

    Raises:
        ValueError: a shape or dtype differs, a number is not a row of its table, or the signs do not suit `margin`.
        UserError: there is no such implementation.
    """
    check_windows(input_table, output_table, outputs, signs, offsets, contexts, margin)
    descend = kernels.implementation("skipgram", implementation, input_table)
    rate = float(learning_rate)
    return descend(input_table, output_table, outputs, signs, offsets, contexts, rate, margin=margin)


def check_windows(
    input_table: Any, output_table: Any, outputs: Any, signs: Any, offsets: Any, contexts: Any, margin: bool
) -> None:
    """Raise a ValueError for what `skipgram` or `cbow` cannot take: their fast kernels check nothing."""
    words, width = match_shape(input_table, -1, -1, name="input_table")
    (rows,) = match_shape(output_table, -1, width, name="output_table")
    windows, count = match_shape(outputs, -1, -1, name="outputs")
    match_shape(signs, windows, count, name="signs")
    match_shape(offsets, windows + 1, name="offsets")
    match_shape(contexts, int(offsets[-1]), name="contexts")
    for name, array, dtype in (
        ("input_table", input_table, "float32"),
        ("output_table", output_table, "float32"),
        ("outputs", outputs, "int32"),
        ("signs", signs, "int8"),
        ("offsets", offsets, "int64"),
        ("contexts", contexts, "int32"),
    ):
        if str(array.dtype).removeprefix("torch.") != dtype:
            raise ValueError(f"{name} is {array.dtype}, expected {dtype}")
    if int(offsets[0]) != 0 or bool((offsets[1:] < offsets[:-1]).any()):
        raise ValueError("offsets must start at 0 and never decrease")
    # A wrong number would write outside the tables.
    for name, numbers, least, bound in (("outputs", outputs, -1, rows), ("contexts", contexts, 0, words)):
        if 0 not in numbers.shape and not least <= int(numbers.min()) <= int(numbers.max()) < bound:
            raise ValueError(f"{name} has a number outside {least}..{bound - 1}")
    if margin and 0 not in outputs.shape:
        first = bool((outputs[:, 0] >= 0).all()) and bool((signs[:, 0] == 1).all())
        if not first or bool(((signs[:, 1:] != -1) & (outputs[:, 1:] >= 0)).any()):
            raise ValueError(
                "margin wants the first output of each window to be there, and to be the only one of sign 1"
            )
