"""One pass of CBOW over given windows, in place: the context words together predict the word in the middle.

Mikolov et al. 2013, "Efficient Estimation of Word Representations in Vector Space", section 3.1,
https://arxiv.org/abs/1301.3781. As `neuralcore.kernels.skipgram`, but that x is the mean of the window's input rows,
and a window takes one step. Every one of them then moves by the whole step of x, as in the authors' C program: by the
gradient of their sum, not of their mean, which would be smaller by their number.

The same step serves subwords (Bojanowski et al. 2017): a window's contexts are then a word and its n-grams.
"""

from __future__ import annotations

from typing import Any

from neuralcore import kernels
from neuralcore.kernels.skipgram import check_windows


def cbow(
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

    Arguments and errors are those of `neuralcore.kernels.skipgram.skipgram`. A row that is twice among the contexts
    of a window counts twice in the mean, and is moved twice. Windows without contexts are passed over.

    Returns:
        The loss in nats, summed over the windows with contexts.
    """
    check_windows(input_table, output_table, outputs, signs, offsets, contexts, margin)
    descend = kernels.implementation("cbow", implementation, input_table)
    return descend(input_table, output_table, outputs, signs, offsets, contexts, float(learning_rate), margin=margin)
