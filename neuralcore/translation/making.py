"""Networks by name, with the settings of a file."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch import nn

from neuralcore.errors import UserError, nearest
from neuralcore.vision import as_default, model_class


def made(models: Mapping[str, str], name: str, size: int, settings: Mapping[str, Any], **fixed: Any) -> nn.Module:
    """The network `name` of a table for a vocabulary of `size`, its weights drawn from torch's global generator.

    Args:
        models: name -> "module:Class". settings: of the network, as a file's table [settings] has them. fixed: what
            the data say.

    Raises:
        UserError: no such network or setting, or one of another kind or out of range.
    """
    kind = model_class(name, models)
    known = {p.name: p.default for p in inspect.signature(kind).parameters.values() if p.kind is p.KEYWORD_ONLY}
    known = {key: value for key, value in known.items() if key not in fixed}
    given = {}
    for key, value in settings.items():
        if key not in known:
            raise UserError(f"settings: {name} has no {key!r}: {nearest(key, known)}")
        given[key] = as_default(f"settings: {name}: {key}", value, known[key])
    try:
        return kind(size, **given, **fixed)
    except ValueError as error:
        raise UserError(f"model {name}: {error}") from None
