"""Families by name, and the settings that they take."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from neuralcore.config import from_mapping, preset_folder, read_toml
from neuralcore.errors import UserError
from neuralcore.seeding import seeded_torch
from neuralcore.vision import MODELS, make_model, settings_of
from neuralcore.vision.classification_config import ClassifyConfig
from neuralcore.vision.counting import multiply_adds, parameters


@pytest.mark.parametrize("name", MODELS)
def test_every_family_can_be_named_and_has_settings_that_a_file_can_hold(name: str) -> None:
    for value in settings_of(name).values():
        assert value is None or isinstance(value, (bool, int, float, str, tuple))


PRESETS = {p.stem: read_toml(p) for p in sorted((preset_folder() / "vision").glob("*.toml"))}
CLASSIFIERS = {name: values for name, values in PRESETS.items() if values["task"] == "classify"}


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_presets_make_networks(name: str) -> None:
    values = {key: value for key, value in CLASSIFIERS[name].items() if key != "task"}
    config = from_mapping(ClassifyConfig, values, Path(name))
    shape = [1, 28, 28] if "fashion" in values["data"] else [3, 32, 32]
    description = {"names": list("0123456789"), "shape": shape, "mean": [0.5] * shape[0], "std": [0.2] * shape[0]}
    with torch.device("meta"):
        model = config.rebuild(description)
        assert model.eval()(torch.zeros(2, *shape)).shape == (2, 10)


def test_every_family_has_a_preset() -> None:
    """But Nature's, which wants images of 36 pixels or more."""
    assert {values["model"] for values in CLASSIFIERS.values()} >= MODELS.keys() - {"nature"}


def test_same_seed_same_weights() -> None:
    made = []
    for _ in range(2):
        with seeded_torch(5, "weights"):
            made.append(make_model("resnet", 4, 1, 16, {"depth": 8, "widths": [4, 8, 8]}))
    for one, other in zip(made[0].parameters(), made[1].parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("resent", {}, "unknown model 'resent': did you mean 'resnet'"),
        ("resnet", {"dept": 20}, "settings: resnet has no 'dept': did you mean 'depth'"),
        ("resnet", {"zero_last": 1}, "zero_last = 1 is no bool, as the default False is"),
        ("resnet", {"dropout": "half"}, "dropout = 'half' is no float"),
        ("resnet", {"depth": 21}, "model resnet: depth 21"),
    ],
)
def test_what_is_not_known_is_one_line(name: str, settings: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_model(name, 10, 3, 32, settings)


def test_counting_by_hand() -> None:
    model = nn.Sequential(
        nn.Conv2d(4, 6, 3, padding=1, groups=2),  # 6 x 8 x 8 outputs of 2 x 9 products
        nn.BatchNorm2d(6),
        nn.ConvTranspose2d(6, 5, 2, stride=2),  # 6 x 8 x 8 inputs of 5 x 4
        nn.Flatten(),
        nn.Linear(5 * 16 * 16, 3),
    )
    assert multiply_adds(model, (4, 8, 8)) == 6 * 64 * 18 + 6 * 64 * 20 + 5 * 256 * 3
    assert parameters(model) == 6 * 18 + 6 + 12 + 6 * 5 * 4 + 5 + 1280 * 3 + 3
    assert model.training
    assert not any(p.is_meta for p in model.parameters())
