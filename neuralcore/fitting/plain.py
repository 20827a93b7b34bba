"""An optimiser's state as plain values and arrays, as files without code in them can keep it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

TENSOR = "tensor"  # the key of {"tensor": name}, which stands for an array


def taken_apart(value: Any, arrays: dict[str, np.ndarray], name: str = "state") -> Any:
    """JSON values in which {"tensor": name} stands for `arrays[name]`, added here. Keys of dictionaries become pairs.

    Raises:
        TypeError: something else than numbers, words, None, tensors, and lists, tuples and dictionaries of them.
    """
    if isinstance(value, torch.Tensor):
        arrays[name] = value.detach().cpu().numpy().copy()
        return {TENSOR: name}
    if isinstance(value, dict):
        return {"pairs": [[k, taken_apart(v, arrays, f"{name}.{k}")] for k, v in value.items()]}
    if isinstance(value, (list, tuple)):
        return [taken_apart(v, arrays, f"{name}.{i}") for i, v in enumerate(value)]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"{name} is a {type(value).__name__}, which no file here can keep")


def put_together(value: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """What was given to `taken_apart`; tuples come as lists, tensors on the CPU."""
    if isinstance(value, dict) and TENSOR in value:
        return torch.from_numpy(np.array(arrays[value[TENSOR]]))
    if isinstance(value, dict):
        return {k: put_together(v, arrays) for k, v in value["pairs"]}
    if isinstance(value, list):
        return [put_together(v, arrays) for v in value]
    return value
