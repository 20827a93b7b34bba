"""RetinaNet: Lin et al. 2017, "Focal loss for dense object detection" (https://arxiv.org/abs/1708.02002)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from neuralcore.detection.anchors import anchors_of
from neuralcore.detection.boxes import clipped, differences, moved, sides_at_least, thinned
from neuralcore.detection.losses import generalised_iou, sigmoid_focal
from neuralcore.detection.matching import IGNORED, matched
from neuralcore.detection.objects import Found, Objects
from neuralcore.detection.pyramid import FeaturePyramid, padded_to

PRIOR = 0.01  # chance of every class at every anchor, to begin with (section 4.1)
BEFORE = 1000  # of each level's, how many of the best are looked at (section 4.1)


class Retina(nn.Module):
    """One stage: at every position of every level, whether each anchor is an object of a class, and how its box
    differs from the anchor. Two towers of convolutions, the same at all levels.

    The paper's is `Retina(80, depth=50)`: 33,839,924 parameters, levels P3 to P7, nine anchors at each position.

    Deviations: batch norms of the trunk learn; the anchors that overlap an object most stand for it, even if by less
    than half; boxes may be fitted by GIoU; the loss is divided by the objects' anchors of the batch, not of an image.

    Args:
        classes: K. channels, size: of the images; small images have a finer pyramid, see `FeaturePyramid`.
        depth, widths: of the ResNet. features: channels of the pyramid and the towers. towers: convolutions of each.
        first: the finest level, counted in the ResNet's stages from 0. levels: of the pyramid.
        anchor: side of an anchor, in strides of its level. scales: of it. ratios: height by width.
        box_loss: "smooth_l1" of the differences, as in the paper, or "giou". box_weight: beside the focal loss.
        least: scores below are not told. thin: IoU above which the surer of two boxes of a class is kept.
        most: objects of an image.
    """

    def __init__(
        self,
        classes: int,
        *,
        channels: int = 3,
        size: int = 640,
        depth: int = 50,
        widths: tuple[int, ...] = (64, 128, 256, 512),
        features: int = 256,
        towers: int = 4,
        first: int = 1,
        levels: int = 5,
        anchor: float = 4.0,
        scales: tuple[float, ...] = (1.0, 2 ** (1 / 3), 2 ** (2 / 3)),
        ratios: tuple[float, ...] = (0.5, 1.0, 2.0),
        box_loss: str = "smooth_l1",
        box_weight: float = 1.0,
        least: float = 0.05,
        thin: float = 0.5,
        most: int = 100,
    ):
        super().__init__()
        if box_loss not in ("smooth_l1", "giou"):
            raise ValueError(f"box_loss must be 'smooth_l1' or 'giou', got {box_loss!r}")
        self.classes, self.box_loss, self.box_weight = classes, box_loss, box_weight
        self.anchor, self.scales, self.ratios = anchor, scales, ratios
        self.least, self.thin, self.most = least, thin, most
        self.trunk = FeaturePyramid(channels, size, depth, widths, features, first, levels)
        count = len(scales) * len(ratios)
        self.kinds = _Tower(features, towers, count * classes)
        self.sides = _Tower(features, towers, count * 4)
        nn.init.constant_(self.kinds[-1].bias, -math.log((1.0 - PRIOR) / PRIOR))  # type: ignore[arg-type]

    def forward(self, images: torch.Tensor) -> tuple[list[torch.Tensor], list[torch.Tensor], list[torch.Tensor]]:
        """(B, channels, H, W) -> of each level logits (B, N, K), differences (B, N, 4) and anchors (N, 4)."""
        levels = self.trunk(padded_to(images, max(self.trunk.strides)))
        logits = [_flat(self.kinds(level), self.classes) for level in levels]
        sides = [_flat(self.sides(level), 4) for level in levels]
        shapes = [(level.shape[2], level.shape[3]) for level in levels]
        anchors = anchors_of(shapes, self.trunk.strides, self.anchor, self.scales, self.ratios)
        return logits, sides, [anchor.to(images.device) for anchor in anchors]

    def losses(
        self, images: torch.Tensor, objects: Sequence[Objects], generator: torch.Generator
    ) -> dict[str, torch.Tensor]:
        """ "kinds", the focal loss, and "boxes". Nothing is drawn."""
        logits, sides, anchors = (torch.cat(parts, dim=-2) for parts in self(images))
        focal, boxes, count = logits.new_zeros(()).float(), logits.new_zeros(()).float(), 0
        for own_logits, own_sides, own in zip(logits, sides, objects, strict=True):
            of = matched(anchors, own.boxes, own.difficult, 0.4, 0.5, best_of_each=True)
            taken, judged = (of >= 0).nonzero()[:, 0], (of != IGNORED).nonzero()[:, 0]
            targets = torch.zeros_like(own_logits, dtype=torch.float32)
            targets[taken, own.kinds[of[taken]]] = 1.0
            focal = focal + sigmoid_focal(own_logits[judged], targets[judged]).sum()
            boxes = boxes + self._boxes(own_sides[taken].float(), anchors[taken], own.boxes[of[taken]])
            count += len(taken)
        return {"kinds": focal / max(count, 1), "boxes": self.box_weight * boxes / max(count, 1)}

    def _boxes(self, sides: torch.Tensor, anchors: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
        if self.box_loss == "giou":
            return (1.0 - generalised_iou(moved(sides, anchors), boxes)).sum()
        return F.smooth_l1_loss(sides, differences(boxes, anchors), beta=1.0 / 9.0, reduction="sum")

    @torch.no_grad()
    def detect(self, images: torch.Tensor) -> list[Found]:
        """What is found in each image (B, channels, H, W)."""
        height, width = images.shape[2:]
        logits, sides, anchors = self(images)
        found = []
        for image in range(len(images)):
            boxes, scores, kinds = [], [], []
            for level_logits, level_sides, level_anchors in zip(logits, sides, anchors, strict=True):
                score = level_logits[image].float().sigmoid().flatten()
                order = score.argsort(descending=True, stable=True)[:BEFORE]
                order = order[score[order] > self.least]
                row = order // self.classes
                boxes.append(moved(level_sides[image][row].float(), level_anchors[row]))
                scores.append(score[order])
                kinds.append(order % self.classes)
            found.append(
                best(torch.cat(boxes), torch.cat(scores), torch.cat(kinds), height, width, self.thin, self.most)
            )
        return found


def best(
    boxes: torch.Tensor,
    scores: torch.Tensor,
    kinds: torch.Tensor,
    height: int,
    width: int,
    thin: float,
    most: int,
) -> Found:
    """Boxes within the image, thinned out class by class, up to `most`."""
    boxes = clipped(boxes, height, width)
    large = sides_at_least(boxes, 1.0).nonzero()[:, 0]
    kept = large[thinned(boxes[large], scores[large], kinds[large], thin)[:most]]
    return Found(boxes[kept], scores[kept], kinds[kept])


class _Tower(nn.Sequential):
    """3x3 convolutions with a ReLU after each but the last."""

    def __init__(self, features: int, count: int, outputs: int):
        layers: list[nn.Module] = []
        for _ in range(count):
            layers += [nn.Conv2d(features, features, 3, padding=1), nn.ReLU(inplace=True)]
        super().__init__(*layers, nn.Conv2d(features, outputs, 3, padding=1))
        for layer in self:
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, std=0.01)
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]


def _flat(maps: torch.Tensor, each: int) -> torch.Tensor:
    """(B, A each, h, w) -> (B, h w A, each), in the order of the anchors."""
    return maps.permute(0, 2, 3, 1).reshape(len(maps), -1, each)
