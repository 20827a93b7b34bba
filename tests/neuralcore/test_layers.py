"""Layers: their first weights, and passes whose values are remembered from earlier ones."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from neuralcore.layers import MLP, NatureTrunk
from neuralcore.layers.initial import orthogonal
from neuralcore.layers.rectified import Memory

GENERATOR = torch.Generator().manual_seed(0)
TRUNKS = {
    "mlp": lambda: (MLP(7, [5, 3], generator=GENERATOR), torch.randn(6, 7)),
    "nature": lambda: (NatureTrunk((4, 37, 41), 9, generator=GENERATOR), torch.randint(0, 256, (6, 4, 37, 41))),
}


def gradients(trunk: nn.Module, features: torch.Tensor) -> list[torch.Tensor]:
    """Those of a loss that weighs every feature otherwise."""
    trunk.zero_grad()
    (features.float() * torch.arange(1, features.numel() + 1).view(features.shape)).sum().backward()
    return [parameter.grad.clone() for parameter in trunk.parameters()]


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", TRUNKS)
def test_what_was_kept_is_recalled_with_its_gradients(name: str, precision: torch.dtype) -> None:
    trunk, observations = TRUNKS[name]()
    memory = Memory()
    with torch.autocast("cpu", precision, enabled=precision != torch.float32):
        with torch.no_grad():
            parts = [trunk(part, memory.keep) for part in observations.split([1, 2, 3])]
        recalled = trunk(observations, memory.recall)
        plain = trunk(observations)
    torch.testing.assert_close(recalled, torch.cat(parts), rtol=0, atol=0)
    tolerance = {"rtol": 1e-4, "atol": 1e-4} if precision == torch.float32 else {"rtol": 0.05, "atol": 0.5}
    for ours, autograds in zip(gradients(trunk, recalled), gradients(trunk, plain), strict=True):
        torch.testing.assert_close(ours, autograds, **tolerance)


def test_a_memory_of_other_batches_is_refused() -> None:
    trunk, observations = TRUNKS["mlp"]()
    memory = Memory()
    with torch.no_grad():
        trunk(observations[:2], memory.keep)
    with pytest.raises(ValueError, match="6 rows are to be recalled and 2 are remembered"):
        trunk(observations, memory.recall)
    memory.clear()
    with pytest.raises(ValueError, match="2 rows are to be recalled and 0 are remembered"):
        trunk(observations[:2], memory.recall)


@pytest.mark.parametrize("layer", [nn.Linear(12, 5), nn.Linear(5, 12), nn.Conv2d(3, 4, 2)])
def test_orthogonal_rows_or_columns_have_the_gain_as_length(layer: nn.Linear | nn.Conv2d) -> None:
    orthogonal(layer, torch.Generator().manual_seed(1), gain=1.5)
    rows = layer.weight.detach().flatten(1)
    square = rows @ rows.T if rows.shape[0] <= rows.shape[1] else rows.T @ rows
    torch.testing.assert_close(square, 1.5**2 * torch.eye(len(square)), rtol=0, atol=1e-5)
    assert not layer.bias.any()


def test_orthogonal_weights_keep_the_size_of_signals() -> None:
    sizes = {}
    for initial in ("fan_in", "orthogonal"):
        trunk = MLP(256, [256] * 6, initial=initial, generator=torch.Generator().manual_seed(2))
        x = torch.randn(64, 256, generator=torch.Generator().manual_seed(3))
        sizes[initial] = float((trunk(x).detach().square().mean() / x.square().mean()).sqrt())
    assert 0.3 < sizes["orthogonal"] < 1.5
    assert sizes["fan_in"] < 0.1
