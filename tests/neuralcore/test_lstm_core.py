"""The LSTM core against torch's cell, step by step, with episodes that begin anywhere."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from neuralcore.layers import LSTMCore

SIZES = [(1, 1, 1, 1), (7, 3, 5, 4), (13, 2, 1, 9)]


def reference(
    core: LSTMCore, features: torch.Tensor, state: torch.Tensor, begins: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, nn.LSTMCell]:
    """One environment after the other, one step after the other."""
    cell = nn.LSTMCell(core.features, core.width)
    with torch.no_grad():
        cell.weight_ih.copy_(core.input.weight)
        cell.bias_ih.copy_(core.input.bias)
        cell.weight_hh.copy_(core.recurrent.weight)
        cell.bias_hh.zero_()
    steps, count = begins.shape
    outputs, last = torch.empty(steps, count, core.width), torch.empty_like(state)
    for n in range(count):
        h, c = state[n, :1], state[n, 1:]
        for t in range(steps):
            if begins[t, n]:
                h, c = torch.zeros_like(h), torch.zeros_like(c)
            h, c = cell(features[t, n : n + 1], (h, c))
            outputs[t, n] = h[0]
        last[n] = torch.cat([h, c])
    return outputs, last, cell


def example(
    steps: int, count: int, features: int, width: int, chance: float
) -> tuple[LSTMCore, torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(steps)
    core = LSTMCore(features, width, generator=generator)
    seen = torch.randn(steps, count, features, generator=generator, requires_grad=True)
    state = torch.randn(count, 2, width, generator=generator)
    return core, seen, state, torch.rand(steps, count, generator=generator) < chance


@pytest.mark.parametrize("chance", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("sizes", SIZES)
def test_outputs_and_gradients_are_those_of_the_cell(sizes: tuple[int, int, int, int], chance: float) -> None:
    core, features, state, begins = example(*sizes, chance)
    wanted, last_wanted, cell = reference(core, features, state, begins)
    weight = torch.arange(1.0, wanted.numel() + 1).view(wanted.shape) / wanted.numel()
    (wanted * weight).sum().backward()
    assert features.grad is not None
    of_features, features.grad = features.grad, None
    found, last = core(features, state, begins)
    (found * weight).sum().backward()
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(last, last_wanted, rtol=1e-5, atol=1e-6)
    assert not last.requires_grad
    torch.testing.assert_close(features.grad, of_features, rtol=1e-4, atol=1e-6)
    for ours, theirs in ((core.input.weight, cell.weight_ih), (core.input.bias, cell.bias_ih)):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(core.recurrent.weight.grad, cell.weight_hh.grad, rtol=1e-4, atol=1e-6)


def test_steps_in_parts_equal_steps_at_once() -> None:
    core, features, state, begins = example(11, 3, 4, 6, 0.2)
    whole, last = core(features, state, begins)
    outputs = []
    for part, begun in zip(features.split([1, 4, 6]), begins.split([1, 4, 6])):
        output, state = core(part, state, begun)
        outputs.append(output)
    torch.testing.assert_close(torch.cat(outputs), whole, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(state, last, rtol=1e-6, atol=1e-6)


def test_nothing_passes_a_beginning() -> None:
    core, features, state, begins = example(6, 2, 3, 5, 0.0)
    begins[3, 1] = True
    outputs, _ = core(features, state, begins)
    outputs[3:, 1].sum().backward()
    assert features.grad is not None
    assert not features.grad[:3, 1].any()
    assert features.grad[3:, 1].all()
    assert not features.grad[:, 0].any()
    changed, _ = core(features, state + 1.0, begins)
    assert torch.equal(changed[3:, 1], outputs[3:, 1])
    assert not torch.isclose(changed[:3, 1], outputs[:3, 1]).all(dim=1).any()


def test_it_works_in_fp32_under_autocast() -> None:
    core, features, state, begins = example(6, 2, 3, 5, 0.3)
    plain, _ = core(features, state, begins)
    with torch.autocast("cpu", torch.bfloat16):
        mixed, last = core(features, state, begins)
    assert mixed.dtype == last.dtype == torch.float32
    assert torch.equal(mixed, plain)


@pytest.mark.parametrize("initial", ["fan_in", "orthogonal"])
def test_at_first_it_forgets_slowly(initial: str) -> None:
    core = LSTMCore(3, 8, initial=initial, generator=torch.Generator().manual_seed(0))  # type: ignore[arg-type]
    again = LSTMCore(3, 8, initial=initial, generator=torch.Generator().manual_seed(0))  # type: ignore[arg-type]
    assert all(torch.equal(a, b) for a, b in zip(core.parameters(), again.parameters()))
    bias = core.input.bias.detach().view(4, 8).mean(dim=1)
    assert bias[1] > 0.6
    assert bias[[0, 2, 3]].abs().max() < 0.4


def test_sizes_are_checked() -> None:
    core, features, state, begins = example(6, 2, 3, 5, 0.3)
    with pytest.raises(ValueError, match="state has shape"):
        core(features, state[:1], begins)
    with pytest.raises(ValueError, match="begins has shape"):
        core(features, state, begins[:1])
