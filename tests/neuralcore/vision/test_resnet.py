"""Residual networks: published counts, the papers' figures by hand, and one code for classifiers and agents."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from neuralcore.layers import ResNetTrunk, make_trunk
from neuralcore.seeding import seeded_torch
from neuralcore.vision.counting import multiply_adds, parameters
from neuralcore.vision.resnet import ResNet


def empty(classes: int = 1000, **settings: Any) -> ResNet:
    """Without numbers."""
    with torch.device("meta"):
        return ResNet(classes, **settings)


@pytest.mark.parametrize(
    ("depth", "expected", "products"),
    [
        (18, 11_689_512, 1.81),
        (34, 21_797_672, 3.66),
        (50, 25_557_032, 4.09),
        (101, 44_549_160, 7.80),
        (152, 60_192_808, 11.51),
    ],
)
def test_it_has_the_published_counts(depth: int, expected: int, products: float) -> None:
    """torchvision's, which has the same networks (https://docs.pytorch.org/vision/stable/models.html)."""
    model = empty(depth=depth)
    assert parameters(model) == expected
    assert round(multiply_adds(model, (3, 224, 224)) / 1e9, 2) == products


def test_strides_in_the_first_convolution_are_the_papers() -> None:
    """Table 1 has 3.8 x 10^9 for 50 layers, cut off; Hu et al. 2018 3.86 for the same network."""
    model = empty(depth=50, stride_in="first")
    assert parameters(model) == 25_557_032
    assert round(multiply_adds(model, (3, 224, 224)) / 1e9, 2) == 3.86


@pytest.mark.parametrize(
    ("depth", "settings", "millions"),
    [
        (20, {}, 0.27),  # table 6
        (32, {}, 0.46),
        (44, {}, 0.66),
        (56, {}, 0.85),
        (110, {}, 1.73),
        (164, {"bottleneck": True, "preactivated": True, "shortcut": "projection"}, 1.70),
    ],
)
def test_the_form_for_cifar_has_the_papers_counts(depth: int, settings: dict[str, Any], millions: float) -> None:
    model = empty(10, size=32, depth=depth, **settings)
    assert round(parameters(model) / 1e6, 2) == millions
    # (6n + 2) layers: convolutions of the trunk but projections, and the last one.
    layers = [m for m in model.trunk.modules() if isinstance(m, torch.nn.Conv2d)]
    projections = 3 if settings else 0
    assert len(layers) - projections + 1 == depth


def by_hand(model: ResNet, x: torch.Tensor) -> torch.Tensor:
    """Figure 2 of the paper for ResNet-8 of small images, shortcuts A; statistics of the batch."""
    weights = {name: value.detach() for name, value in model.named_parameters()}

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        mean, variance = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), keepdim=True, unbiased=False)
        scaled = (x - mean) / (variance + 1e-5).sqrt()
        return scaled * weights[f"{name}.weight"][:, None, None] + weights[f"{name}.bias"][:, None, None]

    x = norm(F.conv2d(x, weights["trunk.stem.0.weight"], padding=1), "trunk.stem.1").clamp(min=0)
    for stage in range(3):
        name, stride = f"trunk.stages.{stage}.0.body", 1 + (stage > 0)
        y = F.conv2d(x, weights[f"{name}.0.weight"], padding=1, stride=stride)
        y = F.conv2d(norm(y, f"{name}.1").clamp(min=0), weights[f"{name}.3.weight"], padding=1)
        same = torch.zeros_like(y)
        same[:, : x.shape[1]] = x[:, :, ::stride, ::stride]
        x = (norm(y, f"{name}.4") + same).clamp(min=0)
    return x.mean((2, 3)) @ weights["head.2.weight"].T + weights["head.2.bias"]


@pytest.mark.parametrize("size", [16, 13])
def test_it_is_the_papers_figure(size: int) -> None:
    with seeded_torch(0):
        model = ResNet(5, channels=2, size=size, depth=8, widths=(3, 5, 8))
        images = torch.randn(4, 2, size, size)
    torch.testing.assert_close(model.train()(images), by_hand(model, images), rtol=1e-4, atol=1e-5)


def test_a_preactivated_block_sums_what_no_norm_has_seen() -> None:
    """With kernels of 0 in the bodies, identity shortcuts hand the stem's output on to the last norm."""
    with seeded_torch(0):
        model = ResNet(5, size=16, depth=8, widths=(4, 4, 4), preactivated=True).eval()
        images = torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        for stage in model.trunk.stages:
            stage[0].body[-1].weight.zero_()
            assert isinstance(stage[0].before, torch.nn.Identity) == (stage is model.trunk.stages[0])
    stem = model.trunk.stem(images)
    sampled = torch.relu(torch.relu(stem[:, :, ::4, ::4] / (1 + 1e-5) ** 0.5) / (1 + 1e-5) ** 0.5)
    torch.testing.assert_close(model.trunk(images), sampled / (1 + 1e-5) ** 0.5)


def test_zero_gains_begin_blocks_as_their_shortcuts() -> None:
    with seeded_torch(0):
        model = ResNet(5, size=16, depth=8, widths=(4, 4, 4), zero_last=True)
        images = torch.randn(2, 3, 16, 16)
    torch.testing.assert_close(model.trunk(images), model.trunk.stem(images)[:, :, ::4, ::4])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"depth": 21}, "6n \\+ 2 for 3 stages of basic blocks"),
        ({"depth": 50, "widths": (8, 16)}, "ResNet-50 has 4 stages"),
        ({"depth": 20, "stride_in": "first"}, "stride_in is of bottlenecks"),
        ({"stride_in": "last"}, "'first' or 'middle'"),
        ({"shortcut": "none"}, "'projection' or 'padded'"),
        ({"preactivated": True, "zero_last": True}, "zero_last is of blocks"),
    ],
)
def test_what_makes_no_network_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ResNet(10, size=32, **settings)


@pytest.mark.parametrize(("side", "depth"), [(24, 20), (84, 18)])
def test_an_agents_trunk_takes_a_classifiers_weights(side: int, depth: int) -> None:
    """Convolutions and norms; the feature maps are the same then, and the way back is open."""
    shape = (3, side, side)
    with seeded_torch(0):
        classifier = ResNet(7, size=side, depth=depth)
        trunk = make_trunk("resnet", shape, ())
        images = torch.rand(2, *shape)
    for norm in (m for m in classifier.modules() if isinstance(m, torch.nn.BatchNorm2d)):
        norm.running_mean.uniform_(-0.5, 0.5)  # as training leaves them
    classifier.eval()
    state = classifier.trunk.state_dict()
    assert not torch.allclose(trunk(images), classifier.trunk(images).flatten(1))
    trunk.load_state_dict(state)
    torch.testing.assert_close(trunk(images), classifier.trunk(images).flatten(1), rtol=1e-4, atol=1e-4)
    again = ResNet(7, size=side, depth=depth).eval()
    again.trunk.load_state_dict(trunk.state_dict())
    torch.testing.assert_close(again.trunk(images), classifier.trunk(images), rtol=0, atol=0)


def test_an_agents_trunk_keeps_its_statistics_and_the_size_of_signals() -> None:
    trunk = ResNetTrunk((4, 84, 84), (256,), generator=torch.Generator().manual_seed(0)).train()
    by_hand = 11_689_512 - 513_000 + 64 * 49 + (512 * 3 * 3 + 1) * 256  # no last layer, one channel more, one of 256
    assert parameters(trunk) == by_hand == 12_359_552
    pixels = torch.randint(0, 256, (3, 4, 84, 84), dtype=torch.uint8)
    before = {name: value.clone() for name, value in trunk.state_dict().items()}
    features = trunk(pixels)
    assert features.shape == (3, trunk.features) == (3, 256)
    torch.testing.assert_close(features[:1], trunk(pixels[:1]), rtol=1e-4, atol=1e-5)  # no batch in it
    features.sum().backward()
    assert all(torch.equal(value, before[name]) for name, value in trunk.state_dict().items())
    assert all(p.grad is not None for p in trunk.parameters())
    torch.testing.assert_close(trunk(pixels / 255.0), features, rtol=1e-4, atol=1e-5)


def test_an_agents_trunk_is_drawn_from_its_generator() -> None:
    drawn = [ResNetTrunk((7, 7, 3), (8,), generator=torch.Generator().manual_seed(3)) for _ in range(2)]
    for one, other in zip(drawn[0].parameters(), drawn[1].parameters(), strict=True):
        assert torch.equal(one, other)
