"""FCN, SegNet and U-Net: the papers' counts, what comes out where, and one batch learned by heart."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from neuralcore.data.shapes import shapes
from neuralcore.errors import UserError
from neuralcore.seeding import seeded_torch
from neuralcore.segmentation import MODELS
from neuralcore.segmentation.fcn import FCN, bilinear_doubling
from neuralcore.segmentation.losses import pixel_cross_entropy, soft_dice
from neuralcore.segmentation.segnet import SegNet
from neuralcore.segmentation.unet import UNet
from neuralcore.vision import make_model, settings_of
from neuralcore.vision.counting import multiply_adds, parameters


def unet_weights(channels: int, classes: int, width: int, depth: int) -> int:
    """Figure 1 of the paper, written out."""
    widths = [width * 2**level for level in range(depth + 1)]
    total, before = 0, channels
    for w in widths:
        total += (9 * before + 1) * w + (9 * w + 1) * w
        before = w
    for w in reversed(widths[:-1]):
        total += (4 * 2 * w + 0) * w + w  # doubled
        total += (9 * 2 * w + 1) * w + (9 * w + 1) * w
    return total + (width + 1) * classes


def vgg_16(channels: int = 3) -> int:
    """Weights and biases of its thirteen convolutions."""
    total, before = 0, channels
    for width, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            total += (9 * before + 1) * width
            before = width
    return total


def test_unet_has_the_papers_form() -> None:
    with torch.device("meta"):
        model = UNet(2, channels=1, size=388, padded=False)
        assert model(torch.empty(1, 1, 572, 572)).shape == (1, 2, 388, 388)
        small = UNet(5, channels=3, size=64, width=6, depth=3)
    assert parameters(model) == unet_weights(1, 2, 64, 4) == 31_030_658
    assert model.margin == (572 - 388) // 2
    assert parameters(small) == unet_weights(3, 5, 6, 3)


def test_fcn_has_the_papers_count() -> None:
    with torch.device("meta"):
        models = {stride: FCN(21, stride=stride) for stride in (32, 16, 8)}
    connected = (49 * 512 + 1) * 4096 + 4097 * 4096 + 4097 * 21
    assert parameters(models[32]) == vgg_16() + connected == 134_346_581  # "134M", table 1
    assert parameters(models[16]) == 134_346_581 + 513 * 21 + 16 * 21 * 21
    assert parameters(models[8]) == 134_346_581 + (513 + 257) * 21 + 2 * 16 * 21 * 21


def test_segnet_has_the_papers_count() -> None:
    with torch.device("meta"):
        model = SegNet(12)
    norms = sum(p.numel() for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d) for p in m.parameters())
    back = vgg_16() - (27 + 1) * 64 + (9 * 64 + 1) * 12  # the mirror image ends in 12 classes and begins in no image
    back += sum(9 * a * b + b - (9 * b * a + a) for a, b in ((128, 64), (256, 128), (512, 256)))  # biases differ
    assert parameters(model) - norms == vgg_16() + back
    assert round(parameters(model) / 1e6, 2) == 29.45  # table 6
    assert round(multiply_adds(model, (3, 224, 224)) / 1e9, 1) == 31.0


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("padded", [True, False])
def test_what_is_said_to_fit_comes_out(depth: int, padded: bool) -> None:
    with torch.device("meta"):
        probe = UNet(2, channels=1, size=8 if depth < 3 or padded else 12, width=2, depth=depth, padded=padded)
        for side in (1, 7, 13, 20):
            fits = probe.fitting(side)
            assert side <= fits < side + max(2**depth, 5)
            given = fits + 2 * probe.margin
            assert probe(torch.empty(1, 1, given, given)).shape[2:] == (fits, fits)


@pytest.mark.parametrize(
    ("name", "size", "settings"),
    [
        ("unet", 40, {}),
        ("unet", 512, {"padded": False}),
        ("fcn", 48, {}),
        ("segnet", 100, {}),
        ("fcn", 64, {"stride": 4}),
    ],
)
def test_what_does_not_fit_is_one_line(name: str, size: int, settings: dict[str, Any]) -> None:
    with torch.device("meta"), pytest.raises(UserError, match=f"model {name}: "):
        make_model(name, 2, 3, size, settings, MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_settings_are_what_a_file_can_hold(name: str) -> None:
    for value in settings_of(name, MODELS).values():
        assert isinstance(value, (bool, int, float, str, tuple))


def test_a_unet_without_padding_sees_what_it_would_see_in_a_larger_image() -> None:
    """Cut out of the middle of a larger image, the same pixels come out: no border is made up."""
    with seeded_torch(0):
        model = UNet(3, channels=2, size=4, width=3, depth=2, padded=False).eval()
        large = torch.randn(1, 2, 52, 52)
    small = large[:, :, 4:48, 4:48]  # by a multiple of 4, so that poolings meet the same pixels
    with torch.no_grad():
        torch.testing.assert_close(model(large)[:, :, 4:8, 4:8], model(small), rtol=1e-4, atol=1e-5)


def test_doubling_begins_as_interpolation() -> None:
    x = torch.randn(1, 3, 5, 6, generator=torch.Generator().manual_seed(0))
    doubled, expected = bilinear_doubling(3)(x), F.interpolate(x, scale_factor=2, mode="bilinear")
    torch.testing.assert_close(doubled[:, :, 1:-1, 1:-1], expected[:, :, 1:-1, 1:-1])  # the border pads with zeros


def test_unpooling_puts_values_where_their_maxima_were() -> None:
    """With the convolutions taken away, SegNet keeps each block's maximum in its place and drops the rest."""
    with seeded_torch(0):
        model = SegNet(4, channels=4, size=32, width=4)
        image = torch.rand(1, 4, 32, 32)
    for stages in (model.down, model.up):
        for number in range(len(stages)):
            stages[number] = torch.nn.Identity()
    found = model(image)
    kept = found != 0
    assert kept.sum() == 4  # one maximum a channel is left of 32 x 32 pixels after five halvings
    torch.testing.assert_close(found[kept], image.amax((2, 3)).ravel())
    assert torch.equal(found[kept], image[kept])


@pytest.mark.parametrize(
    ("name", "settings", "least"),
    [
        ("unet", {"width": 8, "depth": 2}, 0.97),
        ("unet", {"width": 8, "depth": 2, "norm": True, "padded": False}, 0.97),
        (
            "fcn",
            {"width": 6, "hidden": 32, "norm": True, "dropout": 0.0},
            0.93,
        ),  # its finest scores are of 8 x 8 pixels
        ("segnet", {"width": 6}, 0.95),
    ],
)
def test_one_batch_is_learned_by_heart(name: str, settings: dict[str, Any], least: float) -> None:
    drawn = shapes(4, size=32, seed=3)
    with seeded_torch(0):
        model = make_model(name, 6, 3, 32, settings, MODELS)
        images = torch.from_numpy(drawn.images).float() / 128 - 1
        margin = int(model.margin)
        images = F.pad(images, (margin,) * 4)
        labels = torch.from_numpy(drawn.segmented())
        optimiser = torch.optim.Adam(model.parameters(), 5e-3 if name != "unet" else 3e-3)
        for _ in range(60):
            logits = model(images)
            loss = pixel_cross_entropy(logits, labels) + 1.0 - soft_dice(logits, labels).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    right = (model(images).argmax(1) == labels).float().mean()
    assert right > least
    assert all(p.grad is not None for p in model.parameters())


def test_losses_by_hand() -> None:
    """Two pixels and two classes: p = (1/2, 1/2) and (3/4, 1/4), labels 0 and 1; a third pixel nobody judged."""
    logits = torch.tensor([[0.0, 0.0], [3.0, 1.0], [9.0, 1.0]]).clamp_min(1e-9).log()
    logits[0] = 0.0
    logits = logits.T[None, :, None]  # (1, 2, 1, 3)
    labels = torch.tensor([[[0, 1, 255]]])
    two, four = torch.tensor([2.0, 4.0]).log()
    torch.testing.assert_close(pixel_cross_entropy(logits, labels), (two + four) / 2)
    weight = torch.tensor([1.0, 3.0])
    torch.testing.assert_close(pixel_cross_entropy(logits, labels, weight), (two + 3 * four) / 2)
    expected = torch.tensor([2 * 0.5 / (1.25 + 1.0), 2 * 0.25 / (0.75 + 1.0)])
    torch.testing.assert_close(soft_dice(logits, labels), expected, rtol=1e-5, atol=1e-6)
    nobody = torch.full_like(labels, 255)
    assert float(pixel_cross_entropy(logits, nobody)) == 0.0
