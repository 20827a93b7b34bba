"""What agents remember by: cores by name, with one interface.

A core has `zeros(N)`, the state of N environments that have seen nothing, a tensor (N, ., .) of zeros, and
`core(features (T, N, F), state, begins (T, N)) -> outputs (T, N, W), state`; see `LSTMCore`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from neuralcore.errors import UserError, nearest
from neuralcore.layers.core import LSTMCore
from neuralcore.layers.gru_core import GRUCore
from neuralcore.layers.initial import InitialWeights
from neuralcore.sequence.transformer_core import TransformerCore

Core = LSTMCore | GRUCore | TransformerCore

CORES: dict[str, Any] = {"gru": GRUCore, "lstm": LSTMCore, "transformer": TransformerCore}


def make_core(
    settings: Mapping[str, Any],
    features: int,
    *,
    initial: InitialWeights = "fan_in",
    generator: torch.Generator | None = None,
) -> Core:
    """A core of plain values.

    Args:
        settings: "kind", one of `CORES`; "width"; and of a Transformer, "memory".
        features: F. initial, generator: of first weights.

    Raises:
        UserError: an unknown kind, or numbers that do not make a core.
    """
    kind, rest = settings["kind"], {name: value for name, value in settings.items() if name != "kind"}
    if kind not in CORES:
        raise UserError(f"unknown core {kind!r}: {nearest(kind, CORES)}")
    try:
        return CORES[kind](features, **rest, initial=initial, generator=generator)
    except ValueError as error:
        raise UserError(str(error)) from None
