"""C3D's published size, and inflation: a still clip is told as its image is."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from neuralcore.clips import MODELS
from neuralcore.clips.c3d import C3D
from neuralcore.clips.inflated import Inflated, inflate, inflated_weight
from neuralcore.clips.recurrent import Recurrent
from neuralcore.errors import UserError
from neuralcore.seeding import seeded_torch
from neuralcore.vision import make_model
from neuralcore.vision.counting import multiply_adds, parameters

SMALL = {"depth": 8, "widths": [4, 6, 8]}


def test_the_published_c3d() -> None:
    with torch.device("meta"):
        model = C3D(101)
    widths = [3, 64, 128, 256, 256, 512, 512, 512, 512]
    convolutions = sum(27 * a * b + b for a, b in itertools.pairwise(widths))
    connected = (512 * 1 * 4 * 4 + 1) * 4096 + 4097 * 4096 + 4097 * 101
    assert parameters(model) == convolutions + connected == 78_409_573
    assert multiply_adds(model, (16, 3, 112, 112)) == 38_547_378_176


def test_c3d_of_small_frames_and_with_units() -> None:
    clips = torch.zeros(2, 5, 1, 20, 20)
    assert C3D(7, channels=1, size=20, frames=5, width=0.1)(clips).shape == (2, 7)
    connected = C3D(7, channels=1, size=20, frames=5, width=0.1, hidden=9)
    assert connected(clips).shape == (2, 7)
    assert connected.head[1].in_features == 26 * 2 * 3 * 3  # 5 frames -> 3 -> 2, 20 pixels -> 10 -> 5 -> 3


@pytest.mark.parametrize(
    ("family", "settings"),
    [
        ("resnet", SMALL),
        ("resnet", {**SMALL, "preactivated": True}),
        ("resnet", {**SMALL, "shortcut": "projection"}),
        ("resnext", {"depth": 11, "widths": [16, 32, 32], "groups": 4}),
        ("vgg", {"depth": 11, "width": 0.05, "norm": True, "hidden": 8}),
    ],
)
def test_a_still_clip_is_told_as_its_image(family: str, settings: dict[str, object]) -> None:
    with seeded_torch(3):
        flat = make_model(family, 5, 3, 16, settings)
    with seeded_torch(3):
        inflated = Inflated(5, channels=3, size=16, family=family, inner=settings)
    images = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    flat(images), flat.eval()  # batch norms with statistics
    state = flat.state_dict()
    mine = inflated.state_dict()
    assert mine.keys() == state.keys()
    for name, value in state.items():
        deep = value.ndim == 4 and mine[name].ndim == 5
        mine[name].copy_(inflated_weight(value, mine[name].shape[2]) if deep else value)
    inflated.eval()
    still = images[:, None].expand(-1, 6, -1, -1, -1)
    maps = inflated.trunk(still.transpose(1, 2))
    for t in range(6):  # also at the ends
        torch.testing.assert_close(maps[:, :, t], flat.trunk(images), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(inflated(still), flat(images), rtol=1e-4, atol=1e-5)


def test_inflation_begins_with_the_flat_weights_and_leaves_them_alone() -> None:
    flat = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU())
    deep = inflate(flat)
    torch.testing.assert_close(deep[0].weight.sum(2), flat[0].weight)
    assert torch.equal(deep[0].weight[:, :, 0], deep[0].weight[:, :, 2])
    with torch.no_grad():
        deep[0].bias.add_(1.0), deep[1].weight.add_(1.0)
    assert not torch.equal(deep[0].bias, flat[0].bias)
    assert torch.equal(flat[1].weight, torch.ones(3))


def test_what_cannot_be_inflated_is_said() -> None:
    with pytest.raises(UserError, match=r"model inflated: a .* cannot be inflated; networks such as resnet"):
        make_model("inflated", 4, 3, 32, {"family": "shufflenet"}, MODELS)


def test_a_recurrent_network_minds_the_order_and_the_number_of_frames_is_free() -> None:
    with seeded_torch(0):
        model = Recurrent(4, channels=1, size=16, inner=SMALL, code=8, hidden=8).eval()
    clips = torch.rand(2, 5, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    assert model(clips[:, :3]).shape == (2, 4)
    assert not torch.allclose(model(clips), model(clips.flip(1)))
    assert all(module.training for module in Recurrent(4, channels=1, size=16, inner=SMALL).modules())
