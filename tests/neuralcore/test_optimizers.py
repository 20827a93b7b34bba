"""Our optimisers against torch's: the same weights and the same state, whatever the layout of memory."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from neuralcore.optimizers import Adam, RMSprop

PAIRS: dict[str, Any] = {
    "adam": (lambda p: Adam(p, 0.01, 1e-5), lambda p: torch.optim.Adam(p, 0.01, eps=1e-5)),
    "rmsprop": (
        lambda p: RMSprop(p, 0.01, 0.9, 1e-3),
        lambda p: torch.optim.RMSprop(p, 0.01, alpha=0.9, eps=1e-3),
    ),
    "centred": (
        lambda p: RMSprop(p, 0.01, 0.9, 1e-3, centered=True),
        lambda p: torch.optim.RMSprop(p, 0.01, alpha=0.9, eps=1e-3, centered=True),
    ),
}


def network() -> nn.Module:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(5 * 36, 2), nn.Linear(2, 4))
    return layers.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def differentiate(model: nn.Module, seed: int) -> None:
    """Gradients of something that leaves the last layer out."""
    model.zero_grad()
    x = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
    model[:4](x).square().sum().backward()  # type: ignore[index]


@pytest.mark.parametrize("limit", [None, 0.5])
@pytest.mark.parametrize("name", PAIRS)
def test_steps_are_those_of_torch(name: str, limit: float | None) -> None:
    ours, theirs = network(), network()
    optimizer, oracle = (make(list(m.parameters())) for make, m in zip(PAIRS[name], (ours, theirs)))
    for seed in range(4):
        differentiate(ours, seed)
        differentiate(theirs, seed)
        norm = optimizer.clipped_step(limit)
        expected = nn.utils.clip_grad_norm_(theirs[:4].parameters(), limit or torch.inf)  # type: ignore[index]
        oracle.step()
        torch.testing.assert_close(norm, expected, rtol=1e-5, atol=0)
        if seed == 1:  # the state is torch's: it may be kept and given back
            state = optimizer.state_dict()
            optimizer = PAIRS[name][0](list(ours.parameters()))
            for values in state["state"].values():  # in another order of memory, as a checkpoint gives it back
                values |= {key: value.contiguous() for key, value in values.items()}
            optimizer.load_state_dict(state)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
    for index, values in oracle.state_dict()["state"].items():
        for key, value in values.items():
            torch.testing.assert_close(optimizer.state_dict()["state"][index][key], value, rtol=1e-3, atol=1e-6)


def test_the_thread_is_left_as_it_was() -> None:
    model = network()
    differentiate(model, 0)
    optimizer = Adam(list(model.parameters()), 0.01, 1e-5)
    for flushed in (True, False):
        torch.set_flush_denormal(flushed)
        optimizer.clipped_step(None)
        assert (float(torch.tensor(1e-40) * 1.0) == 0.0) == flushed
