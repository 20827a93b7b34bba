"""Trunks of classifiers and agents load each other's weights, and then say the same of an image."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from neuralcore.errors import UserError
from neuralcore.layers import make_trunk
from neuralcore.layers.convolution import Pixels
from neuralcore.seeding import seeded_torch
from neuralcore.vision import make_model
from neuralcore.vision.carrying import to_agent, to_classifier
from neuralcore.vision.normalised import ImageModel

KINDS: dict[str, tuple[int, tuple[int, ...], dict[str, Any]]] = {
    "nature": (36, (512,), {}),
    "impala": (16, (256,), {}),
    "resnet": (16, (), {}),
}


def both(name: str, high: float = 255.0, side: int = 0) -> tuple[ImageModel, torch.nn.Module]:
    size, hidden, settings = KINDS[name]
    with seeded_torch(1):
        network = make_model(name, 5, 3, size, settings)
        trunk = make_trunk(name, (3, side or size, side or size), hidden, high=high)
        model = ImageModel(network, [0.3, 0.5, 0.4], [0.2, 0.3, 0.25]).eval()
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.uniform_(-0.3, 0.3)  # type: ignore[union-attr]
    return model, trunk


@pytest.mark.parametrize("name", KINDS)
def test_an_agents_trunk_says_what_the_classifiers_says(name: str) -> None:
    model, trunk = both(name)
    images = torch.randint(0, 256, (3, 3, *trunk.shape[1:]), dtype=torch.uint8)
    carried = to_agent(trunk, model)
    assert not carried.left
    expected = model.trunk(model.normalised(images)).flatten(1)
    torch.testing.assert_close(trunk(images), expected, rtol=1e-4, atol=1e-4)
    if name != "nature":  # which takes floats for pixels, too
        torch.testing.assert_close(trunk(images / 255.0), expected, rtol=1e-4, atol=1e-4)
    # What a checkpoint keeps of it, and what another agent of that kind loads.
    again = both(name)[1]
    again.load_state_dict(trunk.state_dict())
    torch.testing.assert_close(again(images), trunk(images), rtol=0, atol=0)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("normalised", [True, False])
def test_a_classifiers_trunk_says_what_the_agents_says(name: str, normalised: bool) -> None:
    other, trunk = both(name)
    if normalised:
        to_agent(trunk, other)
    with seeded_torch(2):
        model = ImageModel(make_model(name, 7, 3, trunk.shape[1]), [0.1] * 3, [0.1] * 3).eval()
    images = torch.randint(0, 256, (3, 3, *trunk.shape[1:]), dtype=torch.uint8)
    carried = to_classifier(model, trunk.state_dict())
    assert not carried.left
    torch.testing.assert_close(model.trunk(model.normalised(images)).flatten(1), trunk(images), rtol=1e-4, atol=1e-4)


def test_the_largest_number_stays_the_agents() -> None:
    model, trunk = both("impala", high=10.0)
    to_agent(trunk, model)
    objects = torch.randint(0, 11, (3, 3, 16, 16), dtype=torch.uint8)
    expected = model.trunk(model.normalised(objects / 10.0)).flatten(1)
    torch.testing.assert_close(trunk(objects), expected, rtol=1e-4, atol=1e-4)


def test_layers_for_images_of_another_size_are_left() -> None:
    model, trunk = both("impala", side=20)
    before = {name: value.clone() for name, value in trunk.state_dict().items()}
    carried = to_agent(trunk, model)
    assert carried.left == ["layers.0.weight"]
    assert torch.equal(trunk.layers[0].weight, before["layers.0.weight"])
    assert torch.equal(trunk.stages[0][0].weight, model.trunk.stages[0][0].weight)


def test_pixels_without_a_mean_have_none_in_their_state() -> None:
    assert dict(Pixels(255.0).state_dict()) == {}
    pixels = Pixels(255.0)
    pixels.mean, pixels.std = torch.tensor([0.5]), torch.tensor([0.25])
    other = Pixels(255.0)
    other.load_state_dict(pixels.state_dict())
    torch.testing.assert_close(other(torch.full((1, 1, 1, 1), 255.0)), torch.full((1, 1, 1, 1), 2.0))
    other.load_state_dict({})
    assert other.mean is None


def test_another_networks_weights_are_refused() -> None:
    model, trunk = both("impala")
    with pytest.raises(UserError, match="is none, expected 16x3x3x3"):
        to_agent(make_trunk("resnet", (3, 16, 16), ()), model)
    with pytest.raises(UserError, match="is 16x3x3x3, expected 16x4x3x3"):
        to_agent(make_trunk("impala", (4, 16, 16), ()), model)
    with pytest.raises(UserError, match="a MLP takes no images"):
        to_agent(make_trunk("mlp", (3, 16, 16), ()), model)
    with pytest.raises(UserError, match="is none, expected 16x3x3x3"):
        to_classifier(both("resnet")[0], trunk.state_dict())
