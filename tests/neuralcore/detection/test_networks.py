"""RetinaNet, Faster R-CNN and Mask R-CNN: published counts, the pyramid, and one batch learned by heart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from neuralcore.data.shapes import shapes
from neuralcore.detection import MODELS
from neuralcore.detection.average_precision import Boxes, detection
from neuralcore.detection.detecting import as_boxes
from neuralcore.detection.faster_rcnn import FasterRCNN
from neuralcore.detection.heads import pooled
from neuralcore.detection.objects import Objects
from neuralcore.detection.pyramid import FeaturePyramid, padded_to
from neuralcore.detection.retina import Retina
from neuralcore.errors import UserError
from neuralcore.seeding import seeded_torch
from neuralcore.vision import make_model, settings_of
from neuralcore.vision.counting import parameters

SMALL = {"depth": 8, "widths": (16, 24, 32), "features": 24, "ratios": (1.0,)}
NORMS = 53_120  # gains and shifts of ResNet-50, which torchvision freezes and does not count


def test_counts_are_torchvisions() -> None:
    """https://docs.pytorch.org/vision/stable/models.html: 34,014,999, 41,755,286 and 44,401,393 weights.

    Its two-stage networks count the ground as a class, 91 for COCO, and give it a box and a mask as well.
    """
    with torch.device("meta"):
        retina, faster, mask = Retina(91), FasterRCNN(90), FasterRCNN(90, masks=True)
    assert parameters(retina) == 34_014_999 + NORMS == 33_839_924 + 11 * 9 * (9 * 256 + 1)
    assert parameters(faster) == 41_755_286 + NORMS - 4 * 1025 == 41_753_056 + 10 * 5 * 1025
    assert parameters(mask) == 44_401_393 + NORMS - 4 * 1025 - 257 == 44_396_336 + 10 * (5 * 1025 + 257)


@pytest.mark.parametrize(("size", "strides"), [(640, [8, 16, 32, 64]), (64, [2, 4, 8, 16])])
@pytest.mark.parametrize("convolved", [True, False])
def test_levels_of_the_pyramid(size: int, strides: list[int], convolved: bool) -> None:
    with seeded_torch(0):
        pyramid = FeaturePyramid(3, size, 18, (16, 16, 16, 16), 12, 1, 4, convolved)
    assert pyramid.strides == strides
    images = padded_to(torch.zeros(1, 3, 100, 60), max(strides))
    for level, stride in zip(pyramid(images), strides, strict=True):
        assert level.shape == (1, 12, images.shape[2] // stride, images.shape[3] // stride)


def test_finer_levels_know_what_coarser_ones_do() -> None:
    """A change far beyond a fine level's own field of view reaches it, from above."""
    with seeded_torch(0):
        pyramid = FeaturePyramid(3, 64, 18, (16, 16, 16, 16), 12, 0, 3).eval()
        images = torch.randn(1, 3, 64, 64)
    before = pyramid(images)[0][0, :, 32, 32]
    with torch.no_grad():
        pyramid.across[2].bias += 1.0
    assert not torch.allclose(before, pyramid(images)[0][0, :, 32, 32])


def test_boxes_are_taken_from_the_level_of_their_size() -> None:
    levels = [torch.full((1, 2, side, side), float(number)) for number, side in enumerate((16, 8, 4))]
    boxes = torch.tensor([[0.0, 0.0, 8.0, 8.0], [2.0, 2.0, 18.0, 18.0], [0.0, 0.0, 32.0, 32.0], [0.0, 0.0, 1.0, 1.0]])
    cells = pooled(levels, [2, 4, 8], boxes, torch.zeros(4, dtype=torch.int64), 2, typical=8.0)
    assert cells[:, 0, 0, 0].tolist() == [0.0, 1.0, 2.0, 0.0]


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        ("retina", {**SMALL, "first": 2, "levels": 2, "towers": 1, "anchor": 3.0, "scales": (1.0,)}, 0.9),
        (
            "retina",
            {**SMALL, "first": 2, "levels": 1, "towers": 0, "anchor": 3.5, "scales": (1.0,), "box_loss": "giou"},
            0.9,
        ),
        (
            "faster_rcnn",
            {
                **SMALL,
                "first": 1,
                "levels": 3,
                "anchor": 5.0,
                "proposals": 20,
                "drawn": 16,
                "hidden": 48,
                "masks": True,
            },
            0.9,
        ),
    ],
)
def test_one_batch_is_learned_by_heart(name: str, settings: dict[str, Any], expected: float) -> None:
    drawn = shapes(4, size=32, seed=1, most=2)
    objects = []
    for kinds, boxes, masks in zip(drawn.kinds, drawn.boxes, drawn.masks, strict=True):
        there = torch.from_numpy(np.flatnonzero(kinds >= 0))
        kept = (torch.from_numpy(array)[there] for array in (boxes, kinds, np.zeros(len(kinds), bool), masks))
        objects.append(Objects(*kept))
    images = torch.from_numpy(drawn.images).float() / 64 - 1
    with seeded_torch(0):
        model = make_model(name, 5, 3, 32, settings, MODELS)
        optimiser = torch.optim.Adam(model.parameters(), 4e-3)
        for step in range(60):
            for group in optimiser.param_groups:
                group["lr"] = 4e-3 * min(1.0, 2.0 - step / 30)
            losses = model.losses(images, objects, torch.Generator().manual_seed(step))
            optimiser.zero_grad()
            sum(losses.values()).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
            optimiser.step()
    assert all(p.grad is not None for p in model.parameters())
    # As batch norms saw it in training: so few steps leave their averages behind.
    found = [as_boxes(one, 32, 32) for one in model.detect(images)]
    told = [Boxes(*(part.numpy() for part in own[:2]), None, *(part.numpy() for part in own[2:])) for own in objects]
    figures = detection(found, told, drawn.names)
    assert figures["map_50"] >= expected
    if settings.get("masks"):
        assert figures["mask_map_50"] >= 0.8


def test_what_is_told_lies_in_the_image_and_above_the_least_score() -> None:
    with seeded_torch(0):
        model = make_model("retina", 2, 3, 50, {**SMALL, "least": 0.009, "most": 7}, MODELS).eval()
        images = torch.randn(2, 3, 50, 37)
    for one in model.detect(images):
        assert 0 < len(one.boxes) <= 7
        assert (one.boxes >= 0).all()
        assert (one.boxes[:, 2:] <= torch.tensor([37.0, 50.0])).all()
        assert (one.scores > 0.009).all()
        assert (one.scores.diff() <= 0).all()
    with seeded_torch(0):
        strict = make_model("retina", 2, 3, 50, {**SMALL, "least": 0.9}, MODELS).eval()
    assert [len(one.boxes) for one in strict.detect(images)] == [0, 0]


@pytest.mark.parametrize("name", MODELS)
def test_images_without_objects_are_learned_from_too(name: str) -> None:
    with seeded_torch(0):
        model = make_model(name, 2, 3, 32, {**SMALL, "levels": 2}, MODELS)
        none = Objects(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.bool))
        losses = model.losses(torch.randn(2, 3, 32, 32), [none, none], torch.Generator().manual_seed(0))
    total = sum(losses.values())
    assert torch.isfinite(total)
    total.backward()


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("retina", {"box_loss": "l2"}, "box_loss must be"),
        ("retina", {"levels": 0}, "has nothing to stand on"),
        ("faster_rcnn", {"first": 4}, "has nothing to stand on"),
        ("faster_rcnn", {"drawn": 0}, "1 or more"),
        ("retinanet", {}, "did you mean 'retina'"),
    ],
)
def test_what_makes_no_network_is_one_line(name: str, settings: dict[str, Any], message: str) -> None:
    with torch.device("meta"), pytest.raises(UserError, match=message):
        make_model(name, 2, 3, 64, settings, MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_settings_are_what_a_file_can_hold(name: str) -> None:
    for value in settings_of(name, MODELS).values():
        assert isinstance(value, (bool, int, float, str, tuple))
    assert np.isfinite(len(settings_of(name, MODELS)))
