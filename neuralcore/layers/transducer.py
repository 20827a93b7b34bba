"""The loss of a transducer with its gradient: the op `transducer` for autograd (Graves 2012)."""

from __future__ import annotations

from typing import Any

import torch

from neuralcore.kernels.transducer import transducer
from neuralcore.shape import match_shape


def transducer_loss(
    logits: torch.Tensor, symbols: torch.Tensor, frames: torch.Tensor, lengths: torch.Tensor, blank: int = 0
) -> torch.Tensor:
    """(B,) -log of the probability of the symbols, float32, of float64 logits float64.

    Args:
        logits: (B, T, U + 1, V), of what comes in frame t after u symbols.
        symbols: (B, U) int64, what is wanted; behind an example's length anything from 0 to V - 1.
        frames: (B,) int64 from 1 to T. lengths: (B,) int64 from 0 to U. blank: which of V goes to the next frame.
    """
    count, steps, nodes, _ = match_shape(logits, -1, -1, -1, -1, name="logits")
    match_shape(symbols, count, nodes - 1, name="symbols")
    logs = (logits if logits.dtype == torch.float64 else logits.float()).log_softmax(3)
    wanted = symbols[:, None, :, None].expand(-1, steps, -1, -1)
    return _Transducer.apply(logs[..., blank], logs[:, :, :-1].gather(3, wanted).squeeze(3), frames, lengths)


class _Transducer(torch.autograd.Function):
    """Losses (B,) of logarithms (B, T, U + 1) and (B, T, U)."""

    @staticmethod
    def forward(
        ctx: Any, blank: torch.Tensor, symbol: torch.Tensor, frames: torch.Tensor, lengths: torch.Tensor
    ) -> torch.Tensor:
        given = [part.detach().contiguous() for part in (blank, symbol, frames, lengths)]
        if blank.is_cuda:
            losses, of_blank, of_symbol = transducer(*given)
        else:
            losses, of_blank, of_symbol = map(torch.from_numpy, transducer(*(part.numpy() for part in given)))
        ctx.save_for_backward(of_blank, of_symbol)
        return losses

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        of_blank, of_symbol = ctx.saved_tensors
        by = gradient[:, None, None]
        return of_blank * by, of_symbol * by, None, None
