"""Every family's published form has the published counts; its small form has few pixels and learns them by heart.

Sources: torchvision's table of models (https://docs.pytorch.org/vision/stable/models.html) for networks that are the
same there, else the paper, or a closed form.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from neuralcore.errors import UserError
from neuralcore.seeding import seeded_torch
from neuralcore.vision import MODELS, make_model
from neuralcore.vision.counting import multiply_adds, parameters

GIGA, MEGA = 1e9, 1e6
CLOSED_ALEXNET = (  # convolutions 2, 4 and 5 in two groups
    *(96 * 3 * 121 + 96, 256 * 48 * 25 + 256, 384 * 256 * 9 + 384, 384 * 192 * 9 + 384, 256 * 192 * 9 + 256),
    *(4096 * 256 * 36 + 4096, 4096 * 4096 + 4096, 1000 * 4096 + 1000),
)
CLOSED_ZFNET = (
    *(96 * 3 * 49 + 96, 256 * 96 * 25 + 256, 384 * 256 * 9 + 384, 384 * 384 * 9 + 384, 256 * 384 * 9 + 256),
    *(4096 * 256 * 36 + 4096, 4096 * 4096 + 4096, 1000 * 4096 + 1000),
)
# Family, size, settings; parameters; multiply-adds, their unit, and as how many digits they are published.
LARGE: list[tuple[str, int, dict[str, Any], int, float, float, int]] = [
    ("alexnet", 224, {}, sum(CLOSED_ALEXNET), 724, MEGA, 0),  # Sze et al. 2017, table III: 61 M and 724 M
    ("alexnet", 224, {"columns": 1}, 61_100_840, 0.71, GIGA, 2),
    ("zfnet", 224, {}, sum(CLOSED_ZFNET), 1.17, GIGA, 2),
    ("vgg", 224, {"depth": 11}, 132_863_336, 7.61, GIGA, 2),
    ("vgg", 224, {"depth": 13}, 133_047_848, 11.31, GIGA, 2),
    ("vgg", 224, {"depth": 16}, 138_357_544, 15.47, GIGA, 2),
    ("vgg", 224, {"depth": 19}, 143_667_240, 19.63, GIGA, 2),
    ("vgg", 224, {"depth": 11, "norm": True}, 132_868_840, 7.61, GIGA, 2),
    ("vgg", 224, {"depth": 13, "norm": True}, 133_053_736, 11.31, GIGA, 2),
    ("vgg", 224, {"depth": 16, "norm": True}, 138_365_992, 15.47, GIGA, 2),
    ("vgg", 224, {"depth": 19, "norm": True}, 143_678_248, 19.63, GIGA, 2),
    ("googlenet", 224, {}, 6_998_552, 1.58, GIGA, 2),  # table 1 has 1.5 G, and the layers of which this is the sum
    ("googlenet", 224, {"auxiliary": True}, 13_378_280, 1.58, GIGA, 2),
    ("inception", 299, {}, 27_161_264 - 3_326_696, 5.71, GIGA, 2),  # less the auxiliary head
    ("inception", 299, {"auxiliary": True}, 27_161_264, 5.71, GIGA, 2),
    ("resnext", 224, {}, 25_028_904, 4.23, GIGA, 2),
    ("resnext", 224, {"depth": 101, "groups": 32, "group_width": 8}, 88_791_336, 16.41, GIGA, 2),
    ("resnext", 224, {"depth": 101, "groups": 64, "group_width": 4}, 83_455_272, 15.46, GIGA, 2),
    ("se_resnet", 224, {"stride_in": "first"}, 28_088_024, 3.86, GIGA, 2),
    ("densenet", 224, {"depth": 121}, 7_978_856, 2.83, GIGA, 2),
    ("densenet", 224, {"depth": 161}, 28_681_000, 7.73, GIGA, 2),
    ("densenet", 224, {"depth": 169}, 14_149_480, 3.36, GIGA, 2),
    ("densenet", 224, {"depth": 201}, 20_013_928, 4.29, GIGA, 2),
    ("mobilenet", 224, {}, 4_231_976, 569, MEGA, 0),  # the paper's table 6
    ("mobilenet", 224, {"width": 0.5}, 1_331_592, 149, MEGA, 0),
    ("mobilenet_v2", 224, {}, 3_504_872, 0.30, GIGA, 2),
    ("mobilenet_v3", 224, {}, 5_483_032, 0.22, GIGA, 2),
    ("mobilenet_v3", 224, {"form": "small"}, 2_542_856, 0.06, GIGA, 2),
    ("shufflenet", 224, {"width": 0.5}, 1_366_792, 0.04, GIGA, 2),
    ("shufflenet", 224, {"width": 1.0}, 2_278_604, 0.14, GIGA, 2),
    ("shufflenet", 224, {"width": 1.5}, 3_503_624, 0.30, GIGA, 2),
    ("shufflenet", 224, {"width": 2.0}, 7_393_996, 0.58, GIGA, 2),
    ("xception", 299, {}, 22_855_952, 8.4, GIGA, 1),  # the paper's table 3; multiply-adds: timm's table
]


@pytest.mark.parametrize(("name", "size", "settings", "expected", "products", "unit", "digits"), LARGE)
def test_the_published_form_has_the_published_counts(
    name: str, size: int, settings: dict[str, Any], expected: int, products: float, unit: float, digits: int
) -> None:
    with torch.device("meta"):
        model = make_model(name, 1000, 3, size, settings)
    assert parameters(model) == expected
    assert round(multiply_adds(model, (3, size, size)) / unit, digits) == products


# Small forms; parameters as published, or as a closed form.
SMALL: list[tuple[str, int, int, dict[str, Any], int]] = [
    ("linear", 28, 1, {}, 785 * 10),
    ("mlp", 28, 1, {"hidden": (300, 100)}, 785 * 300 + 301 * 100 + 101 * 10),
    ("lenet", 32, 1, {}, 61_706),
    ("lenet", 28, 1, {}, 61_706),
    ("resnext", 32, 3, {}, 34_426_698),  # 34.4 M
    ("densenet", 32, 3, {}, 1_019_722),  # 1.0 M
    ("densenet", 32, 3, {"depth": 100, "bottleneck": True}, 769_162),  # 0.8 M
    ("nature", 84, 4, {}, 1_684_128 + 513 * 10),
    ("impala", 84, 4, {}, 1_089_232 + 257 * 10),
]


@pytest.mark.parametrize(("name", "size", "channels", "settings", "expected"), SMALL)
def test_the_small_form_has_the_counts_of_its_paper(
    name: str, size: int, channels: int, settings: dict[str, Any], expected: int
) -> None:
    with torch.device("meta"):
        model = make_model(name, 10, channels, size, settings)
    assert parameters(model) == expected


def test_lenet_multiplies_what_its_layers_say() -> None:
    model = make_model("lenet", 10, 1, 32)
    products = 28**2 * 6 * 25 + 10**2 * 16 * 150 + 400 * 120 + 120 * 84 + 84 * 10
    assert multiply_adds(model, (1, 32, 32)) == products == 416_520


# Small enough for a few steps in a test; dropout would hide whether a batch can be learned.
TINY: dict[str, dict[str, Any]] = {
    "linear": {},
    "mlp": {"hidden": (32,)},
    "lenet": {},
    "alexnet": {"width": 0.125, "hidden": 64, "dropout": 0.0},
    "zfnet": {"width": 0.125, "hidden": 64, "dropout": 0.0},
    "vgg": {"depth": 11, "norm": True, "width": 0.125, "hidden": 64, "dropout": 0.0},
    "googlenet": {"norm": True, "width": 0.125, "dropout": 0.0},
    "inception": {"width": 0.125, "dropout": 0.0},
    "resnet": {"depth": 8},
    "resnext": {"depth": 11, "widths": (16, 32, 64), "groups": 4, "group_width": 16},
    "se_resnet": {"depth": 8},
    "densenet": {"depth": 16},
    "mobilenet": {"width": 0.25},
    "mobilenet_v2": {"width": 0.25, "dropout": 0.0},
    "mobilenet_v3": {"form": "small", "width": 0.25, "dropout": 0.0},
    "shufflenet": {"width": 0.5},
    "xception": {"width": 0.125, "middle": 1, "dropout": 0.0},
    "quick_net": {"widths": (8, 16, 16)},
    "nature": {"hidden": 32},
    "impala": {"hidden": (32,)},
}
RATES = {"linear": 0.02, "quick_net": 0.03}
SIDES = {"nature": 36, "quick_net": 28}


def made(name: str, channels: int, size: int, classes: int = 4) -> tuple[torch.nn.Module, torch.Tensor]:
    """A tiny network and a batch for it."""
    with seeded_torch(0):
        return make_model(name, classes, channels, size, TINY[name]), torch.randn(8, channels, size, size)


@pytest.mark.parametrize("name", MODELS)
def test_a_batch_is_learned_by_heart(name: str) -> None:
    model, images = made(name, 3, SIDES.get(name, 16))
    labels = torch.arange(8) % 4
    optimiser = torch.optim.Adam(model.parameters(), RATES.get(name, 3e-3))
    before = {key: value.detach().clone() for key, value in model.named_parameters()}
    for step in range(60):
        logits = model(images)
        loss = F.cross_entropy(logits, labels)
        if step >= 10 and loss.item() < 0.05:
            break
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.05
    unmoved = [k for k, value in model.named_parameters() if value.requires_grad and torch.equal(value, before[k])]
    assert not unmoved  # every weight takes part


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("channels", "size"), [(1, 28), (3, 32)])
def test_it_is_a_trunk_and_a_head_at_either_size_of_small_images(name: str, channels: int, size: int) -> None:
    size = max(size, SIDES.get(name, 0))
    model, images = made(name, channels, size, classes=5)
    model.eval()
    with torch.no_grad():
        features = model.trunk(images[:2])  # type: ignore[operator]
        logits = model.head(features)  # type: ignore[operator]
        assert logits.shape == (2, 5)
        torch.testing.assert_close(model(images[:2]), logits, rtol=0, atol=0)
        # One image more or less changes nothing, and neither does how it lies in memory.
        alone = model(images[:1].contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(alone, logits[:1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("name", "heads"), [("googlenet", 2), ("inception", 1)])
@pytest.mark.parametrize("size", [32, 96])
def test_auxiliary_heads_speak_when_asked(name: str, heads: int, size: int) -> None:
    with seeded_torch(0):
        model = make_model(name, 4, 3, size, {"auxiliary": True, "width": 0.125}).train()
        images = torch.randn(2, 3, size, size)
    assert model(images).shape == (2, 4)
    model.eval()
    logits, said = model.with_auxiliary(images)  # type: ignore[operator]
    torch.testing.assert_close(logits, model(images), rtol=0, atol=0)
    assert [s.shape for s in said] == [(2, 4)] * heads
    torch.stack([logits, *said]).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    without = make_model(name, 4, 3, size, {"width": 0.125})
    assert without.with_auxiliary(images)[1] == []  # type: ignore[operator]


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("alexnet", {"columns": 3}, "columns must be 1 or 2"),
        ("vgg", {"depth": 12}, "depth must be one of"),
        ("densenet", {"depth": 41}, "3n \\+ 4"),
        ("densenet", {"depth": 121, "bottleneck": False}, "DenseNet-121 has bottlenecks"),
        ("mobilenet_v3", {"form": "tiny"}, "'large' or 'small'"),
        ("shufflenet", {"width": 0.7}, "width must be one of"),
        ("resnext", {"depth": 30}, "9n \\+ 2"),
    ],
)
def test_what_makes_no_network_is_refused(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_model(name, 10, 3, 32, settings)
