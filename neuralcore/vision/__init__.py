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
    "linear": "neuralcore.vision.linear:Linear",
    "mlp": "neuralcore.vision.perceptron:Perceptron",
    "lenet": "neuralcore.vision.lenet:LeNet",
    "alexnet": "neuralcore.vision.alexnet:AlexNet",
    "zfnet": "neuralcore.vision.zfnet:ZFNet",
    "vgg": "neuralcore.vision.vgg:VGG",
    "googlenet": "neuralcore.vision.googlenet:GoogLeNet",
    "inception": "neuralcore.vision.inception:Inception",
    "resnet": "neuralcore.vision.resnet:ResNet",
    "resnext": "neuralcore.vision.resnext:ResNeXt",
    "se_resnet": "neuralcore.vision.se_resnet:SEResNet",
    "densenet": "neuralcore.vision.densenet:DenseNet",
    "mobilenet": "neuralcore.vision.mobilenet:MobileNet",
    "mobilenet_v2": "neuralcore.vision.mobilenet_v2:MobileNetV2",
    "mobilenet_v3": "neuralcore.vision.mobilenet_v3:MobileNetV3",
    "shufflenet": "neuralcore.vision.shufflenet:ShuffleNet",
    "xception": "neuralcore.vision.xception:Xception",
    "quick_net": "neuralcore.vision.quick_net:QuickNet",
    "nature": "neuralcore.vision.playing:Nature",
    "impala": "neuralcore.vision.playing:Impala",
}


def model_class(name: str, models: Mapping[str, str] = MODELS) -> Any:
    """The class of a family, of those here or of another table like `MODELS`.

    Raises:
        UserError: there is no such family.
    """
    if name not in models:
        raise UserError(f"unknown model {name!r}: {nearest(name, models)}")
    module, of = models[name].split(":")
    return getattr(importlib.import_module(module), of)


def settings_of(name: str, models: Mapping[str, str] = MODELS) -> dict[str, Any]:
    """Name -> default of what a family can be told besides classes, channels and size."""
    parameters = inspect.signature(model_class(name, models)).parameters.values()
    return {p.name: p.default for p in parameters if p.name not in ("classes", "channels", "size")}


def make_model(
    name: str,
    classes: int,
    channels: int = 3,
    size: int = 224,
    settings: Mapping[str, Any] | None = None,
    models: Mapping[str, str] = MODELS,
) -> nn.Module:
    """The network of a family for images of `channels` x `size` x `size` and so many classes, its weights drawn.

    They come from torch's global generator: make it under `neuralcore.seeding.seeded_torch`.

    Args:
        settings: of the family, as a file's table [settings] has them; lists stand for tuples.
        models: the table that has the family.

    Raises:
        UserError: no such family or setting, or one of another kind or out of range.
    """
    kind, known = model_class(name, models), settings_of(name, models)
    given: dict[str, Any] = {}
    for key, value in (settings or {}).items():
        if key not in known:
            raise UserError(f"settings: {name} has no {key!r}: {nearest(key, known)}")
        given[key] = as_default(f"settings: {name}: {key}", value, known[key])
    try:
        return kind(classes, channels=channels, size=size, **given)
    except ValueError as error:
        raise UserError(f"model {name}: {error}") from None


def as_default(where: str, value: Any, default: Any) -> Any:
    """A value of the default's kind; a default of None takes anything, which the model judges."""
    if isinstance(value, list):
        value = tuple(value)
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if default is not None and type(value) is not type(default):
        raise UserError(f"{where} = {value!r} is no {type(default).__name__}, as the default {default!r} is")
    return value
