"""Networks for images, one family a file, and the task of telling what an image shows.

A network of `MODELS` is `Class(classes, *, channels, size, …)` with a `trunk`, normalised images (B, channels, size,
size) -> feature maps, and a `head`, those -> logits (B, classes). `begin(images)`, where it has one, is called with
some normalised training images before the first step.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from neuralcore.errors import UserError, nearest

if TYPE_CHECKING:
    from torch import nn

MODELS = {
    "quick_net": "neuralcore.vision.quick_net:QuickNet",
}


def make_model(name: str, classes: int, channels: int, size: int, settings: Mapping[str, Any]) -> nn.Module:
    """The named network for images (channels, size, size), with first weights from torch's global generator.

    Raises:
        UserError: no such network or setting (with the nearest known one), or images that do not suit it.
    """
    if name not in MODELS:
        raise UserError(f"unknown model {name!r}: {nearest(name, MODELS)}")
    module, kind = MODELS[name].split(":")
    cls = getattr(importlib.import_module(module), kind)
    known = [p for p in inspect.signature(cls).parameters if p not in ("classes", "channels", "size")]
    for key in settings:
        if key not in known:
            raise UserError(f"model {name!r} has no setting {key!r}: {nearest(key, known)}")
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}
    try:
        return cls(classes, channels=channels, size=size, **values)
    except (ValueError, TypeError) as error:
        raise UserError(f"model {name!r}: {error}") from None
