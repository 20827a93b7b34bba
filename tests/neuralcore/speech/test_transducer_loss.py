"""The transducer's loss against the sum over all paths, written out; and its gradients against moved logits."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from neuralcore.kernels.transducer import transducer
from neuralcore.layers.transducer import transducer_loss

B, T, U, V = 3, 4, 3, 5


def example() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = 2.0 * torch.randn(B, T, U + 1, V, generator=generator, dtype=torch.float64)
    symbols = torch.randint(1, V, (B, U), generator=generator)
    return logits, symbols, torch.tensor([4, 3, 1]), torch.tensor([3, 2, 0])


def all_paths(logits: torch.Tensor, symbols: torch.Tensor) -> float:
    """-log of the summed probabilities of every way to write the symbols over the frames; logits (T, U + 1, V)."""
    probabilities = logits.softmax(2)
    frames, length, total = len(logits), len(symbols), 0.0
    for written in itertools.combinations_with_replacement(range(frames), length):  # the frame of each symbol
        product, u = 1.0, 0
        for t in range(frames):
            while u < length and written[u] == t:
                product *= float(probabilities[t, u, symbols[u]])
                u += 1
            product *= float(probabilities[t, u, 0])
        total += product
    return -math.log(total)


def test_loss_is_that_of_all_paths() -> None:
    logits, symbols, frames, lengths = example()
    losses = transducer_loss(logits, symbols, frames, lengths)
    wanted = [all_paths(logits[b, :t, : u + 1], symbols[b, :u]) for b, (t, u) in enumerate(zip(frames, lengths))]
    np.testing.assert_allclose(losses, wanted, rtol=1e-12)


def test_one_frame_and_one_symbol_by_hand() -> None:
    blank, symbol = np.log([[[0.2, 0.5]]]), np.log([[[0.3]]])
    one = np.ones(1, np.int64)
    found = transducer(blank, symbol, one, one)
    np.testing.assert_allclose(found.losses, [-math.log(0.3 * 0.5)])
    np.testing.assert_allclose(found.of_blank, [[[0.0, -1.0]]])
    np.testing.assert_allclose(found.of_symbol, [[[-1.0]]])


def test_gradients_are_those_of_moved_logits() -> None:
    logits, symbols, frames, lengths = example()
    logits.requires_grad_()
    weights = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: transducer_loss(x, symbols, frames, lengths) * weights, logits)


def test_padding_changes_nothing() -> None:
    logits, symbols, frames, lengths = example()
    logits.requires_grad_()
    losses = transducer_loss(logits, symbols, frames, lengths)
    losses.sum().backward()
    assert not logits.grad[1, 3:].any()
    assert not logits.grad[2, 0, 1:].any()
    with torch.no_grad():
        logits[1, 3:], logits[1, :, 3:], logits[2, 1:] = 50.0, -50.0, 7.0
        again = transducer_loss(logits, symbols, frames, lengths)
    torch.testing.assert_close(again, losses.detach())


def test_it_is_a_distribution() -> None:
    """All sequences of up to 6 symbols of one, written in two frames, have about all of the probability."""
    logits = torch.zeros(7, 2, 7, 2, dtype=torch.float64)
    logits[..., 0] = 1.5
    losses = transducer_loss(logits, torch.ones(7, 6, dtype=torch.int64), torch.full((7,), 2), torch.arange(7))
    assert 0.999 < float((-losses).exp().sum()) < 1.0


def test_bad_arguments_are_told() -> None:
    blank, symbol, one = np.zeros((1, 2, 3)), np.zeros((1, 2, 2)), np.ones(1, np.int64)
    with pytest.raises(ValueError, match="frames must be from 1 to 2, got 3"):
        transducer(blank, symbol, 3 * one, one)
    with pytest.raises(ValueError, match="lengths must be from 0 to 2, got 3"):
        transducer(blank, symbol, one, 3 * one)
    with pytest.raises(ValueError, match="expected int64"):
        transducer(blank, symbol, one.astype(np.int32), one)
    with pytest.raises(ValueError, match="both must be float32, or float64"):
        transducer(blank, symbol.astype(np.float32), one, one)
    with pytest.raises(ValueError, match="symbol has shape"):
        transducer(blank, blank, one, one)
