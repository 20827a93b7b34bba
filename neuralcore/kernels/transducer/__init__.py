"""Op `transducer`: the loss of a transducer, which reads frames and writes symbols in between, and its gradient
(Graves 2012, "Sequence transduction with recurrent neural networks", section 2.4).

A path goes from (0, 0) to the end through T frames and U symbols: ∅ goes to the next frame, a symbol stays in it. The
loss is -log of the sum of all paths' probabilities, by sums over what comes before and after a node:

    α(t, u) = α(t-1, u) ∅(t-1, u) + α(t, u-1) y(t, u-1),        α(0, 0) = 1
    β(t, u) = β(t+1, u) ∅(t, u) + β(t, u+1) y(t, u),            β(T, U) = 1, and 0 elsewhere behind the last frame
    loss = -log β(0, 0),   d loss / d log ∅(t, u) = -α(t, u) ∅(t, u) β(t+1, u) / β(0, 0), and so of y

All in logarithms. Only two numbers of each node's distribution matter: those of ∅ and of the next symbol that is
wanted; the softmax around them is the caller's (`neuralcore.layers.transducer`). Axes: B examples, T frames, U
symbols.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from neuralcore import kernels
from neuralcore.shape import match_shape


class Transduced(NamedTuple):
    """Of the dtype of the logarithms.

    Attributes:
        losses: (B,). of_blank: (B, T, U + 1), the gradient of an example's loss. of_symbol: (B, T, U), the same. Both
            are 0 behind an example's last frame and symbol.
    """

    losses: Any
    of_blank: Any
    of_symbol: Any


def transducer(
    blank: Any, symbol: Any, frames: Any, lengths: Any, *, implementation: kernels.Implementation = "auto"
) -> Transduced:
    """Losses and their gradients.

    Args:
        blank: (B, T, U + 1) float32 or float64, log ∅(t, u): that after u symbols, frame t is done. C-contiguous as
            all arrays here.
        symbol: (B, T, U) of the same dtype, log y(t, u): that after u symbols, frame t gives the wanted next.
        frames: (B,) int64, of an example, 1 to T. lengths: (B,) int64, its symbols, 0 to U.
        implementation: "reference", "cpu" (NumPy arrays), "cuda" (torch tensors) or "auto", by where `blank` lives.

    Raises:
        ValueError: a shape or a dtype does not fit, or an example has more frames or symbols than there are.
    """
    count, steps, nodes = match_shape(blank, -1, -1, -1, name="blank")
    match_shape(symbol, count, steps, nodes - 1, name="symbol")
    for name, array, least, most in (("frames", frames, 1, steps), ("lengths", lengths, 0, nodes - 1)):
        match_shape(array, count, name=name)
        if str(array.dtype).removeprefix("torch.") != "int64":
            raise ValueError(f"{name} are {array.dtype}, expected int64")
        if count and not least <= int(array.min()) <= int(array.max()) <= most:
            raise ValueError(f"{name} must be from {least} to {most}, got {int(array.min())} to {int(array.max())}")
    if blank.dtype != symbol.dtype or str(blank.dtype).removeprefix("torch.") not in ("float32", "float64"):
        raise ValueError(f"blank is {blank.dtype} and symbol {symbol.dtype}: both must be float32, or float64")
    return Transduced(*kernels.implementation("transducer", implementation, blank)(blank, symbol, frames, lengths))
