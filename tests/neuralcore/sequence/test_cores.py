"""Cores of agents: all at once equals step by step, and nothing is seen of an earlier episode."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from neuralcore.errors import UserError
from neuralcore.layers.gru_core import GRUCore
from neuralcore.sequence.cores import CORES, make_core
from neuralcore.sequence.transformer_core import TransformerCore

T, N, F, W, M = 11, 4, 3, 8, 4


def settings(kind: str) -> dict[str, Any]:
    return {"kind": kind, "width": W} | ({"memory": M} if kind == "transformer" else {})


def example(kind: str, initial: str = "fan_in") -> tuple[Any, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    core = make_core(settings(kind), F, initial=initial, generator=generator)  # type: ignore[arg-type]
    return core, torch.randn(T, N, F, generator=generator), torch.rand(T, N, generator=generator) < 0.2


@pytest.mark.parametrize("kind", CORES)
def test_step_by_step_equals_all_at_once(kind: str) -> None:
    core, features, begins = example(kind)
    assert begins.any()
    zero = core.zeros(N)
    assert zero.ndim == 3
    assert not zero.any()
    with torch.no_grad():
        outputs, after = core(features, zero, begins)
        state, steps = zero, []
        for t in range(T):
            output, state = core(features[t : t + 1], state, begins[t : t + 1])
            steps.append(output)
        torch.testing.assert_close(torch.cat(steps), outputs, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(state, after, rtol=1e-5, atol=1e-6)
        first, between = core(features[:5], zero, begins[:5])
        second, end = core(features[5:], between, begins[5:])
    torch.testing.assert_close(torch.cat([first, second]), outputs, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(end, after, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", CORES)
def test_an_episode_sees_itself_alone(kind: str) -> None:
    core, features, _ = example(kind)
    begins = torch.zeros(T, N, dtype=torch.bool)
    begins[4, 1] = True
    core(features, core.zeros(N), begins)
    features.requires_grad_()
    with torch.no_grad():
        state = core(torch.randn(6, N, F), core.zeros(N), torch.zeros(6, N, dtype=torch.bool))[1]
    outputs, after = core(features, state, begins)
    assert not after.requires_grad
    outputs[4:, 1].square().sum().backward()
    assert not features.grad[:4].any()
    assert features.grad[4:, 1].any(1).all()
    assert not features.grad[:, [0, 2, 3]].any()
    # It begins as if it were the first: whatever was remembered, and a state that is zero.
    alone, kept = core(features[4:, 1:2], core.zeros(1), torch.zeros(T - 4, 1, dtype=torch.bool))
    torch.testing.assert_close(outputs[4:, 1:2], alone, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(after[1:2], kept, rtol=1e-5, atol=1e-6)
    zeroed = state.clone()
    zeroed[1] = 0.0
    begins[0, 1] = True
    torch.testing.assert_close(core(features, state, begins)[0], core(features, zeroed, begins)[0])
    assert not torch.allclose(core(features, zeroed, begins)[0][0, 0], core(features, core.zeros(N), begins)[0][0, 0])


@pytest.mark.parametrize("kind", CORES)
@pytest.mark.parametrize("initial", ["fan_in", "orthogonal"])
def test_first_weights_come_from_the_generator(kind: str, initial: str) -> None:
    one, again = (example(kind, initial)[0].state_dict() for _ in range(2))
    torch.manual_seed(7)
    third = example(kind, initial)[0].state_dict()
    for name, weight in one.items():
        assert torch.equal(weight, again[name])
        assert torch.equal(weight, third[name])
    if initial == "orthogonal" and kind == "gru":
        rows = one["recurrent.weight"]
        torch.testing.assert_close(rows.T @ rows, torch.eye(W), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("chance", [0.0, 0.4])
def test_gru_has_outputs_and_gradients_of_torch_s_cell(chance: float) -> None:
    core, features, _ = example("gru")
    assert isinstance(core, GRUCore)
    begins = torch.rand(T, N, generator=torch.Generator().manual_seed(1)) < chance
    cell = nn.GRUCell(F, W)
    cell.load_state_dict(
        {
            "weight_ih": core.input.weight,
            "bias_ih": core.input.bias,
            "weight_hh": core.recurrent.weight,
            "bias_hh": core.recurrent.bias,
        }
    )
    state = torch.randn(N, 1, W, generator=torch.Generator().manual_seed(2))
    features.requires_grad_()
    h, wanted = state[:, 0], []
    for t in range(T):
        h = cell(features[t], h * ~begins[t, :, None])
        wanted.append(h)
    weight = torch.linspace(-1.0, 1.0, T * N * W).view(T, N, W)
    (torch.stack(wanted) * weight).sum().backward()
    of_features, features.grad = features.grad, None
    outputs, after = core(features, state, begins)
    (outputs * weight).sum().backward()
    torch.testing.assert_close(outputs, torch.stack(wanted), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(after[:, 0], h, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(features.grad, of_features, rtol=1e-4, atol=1e-6)
    for ours, theirs in (
        (core.input.weight, cell.weight_ih),
        (core.input.bias, cell.bias_ih),
        (core.recurrent.weight, cell.weight_hh),
        (core.recurrent.bias, cell.bias_hh),
    ):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-5)


def test_each_layer_of_a_transformer_sees_so_many_steps() -> None:
    core = TransformerCore(F, W, memory=2, layers=2, generator=torch.Generator().manual_seed(0))
    features = torch.randn(T, 1, F, generator=torch.Generator().manual_seed(1)).requires_grad_()
    outputs, _ = core(features, core.zeros(1), torch.zeros(T, 1, dtype=torch.bool))
    outputs[-1].sum().backward()
    assert features.grad.any(2).any(1).tolist() == [False] * (T - 5) + [True] * 5


def test_gates_let_a_transformer_begin_near_what_comes_in() -> None:
    core, features, begins = example("transformer")
    with torch.no_grad():
        came = core.input(features)
        outputs, _ = core(features, core.zeros(N), begins)
    assert (outputs - came).norm() < 0.7 * came.norm()


def test_parameter_count_of_a_transformer() -> None:
    core = make_core(settings("transformer"), F)
    layer = 3 * (W * W + W) + (W * W + W) + 2 * (W * W + W) + 2 * (6 * W * W + 3 * W) + 4 * W
    assert sum(p.numel() for p in core.parameters()) == F * W + W + 2 * layer


def test_bad_settings_are_told() -> None:
    with pytest.raises(UserError, match="unknown core 'ltsm': did you mean 'lstm'"):
        make_core({"kind": "ltsm", "width": 4}, F)
    with pytest.raises(UserError, match="a multiple of 4, twice its heads, got 6"):
        make_core({"kind": "transformer", "width": 6, "memory": 3}, F)
    core, features, begins = example("transformer")
    with pytest.raises(ValueError, match="state has shape"):
        core(features, core.zeros(N)[:, 1:], begins)
