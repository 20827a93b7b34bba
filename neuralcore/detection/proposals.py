"""The network of the first stage: at every position of every level, where an object of any kind may be.

Ren et al. 2015, section 3.1, on a pyramid (Lin et al. 2017, section 4.1). Axes: B images, N anchors, P proposals.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from neuralcore.detection.anchors import anchors_of
from neuralcore.detection.boxes import clipped, differences, moved, sides_at_least, thinned
from neuralcore.detection.matching import matched, sampled
from neuralcore.detection.objects import Objects

THIN = 0.7  # IoU above which the surer of two proposals is kept
DRAWN = 256  # anchors of an image that are learned from, half of them objects'


class Told(NamedTuple):
    """What the network tells, of each level.

    Attributes:
        logits: (B, N) that an anchor is an object. sides: (B, N, 4) how its box differs. anchors: (N, 4).
    """

    logits: list[torch.Tensor]
    sides: list[torch.Tensor]
    anchors: list[torch.Tensor]


class ProposalNetwork(nn.Module):
    """A 3x3 convolution, and two of 1x1: logits and differences of each anchor; the same at all levels.

    Args:
        features: channels of the levels. anchor, scales, ratios: see `anchors_of`. count: proposals of an image.
    """

    def __init__(self, features: int, anchor: float, scales: Sequence[float], ratios: Sequence[float], count: int):
        super().__init__()
        self.anchor, self.scales, self.ratios, self.count = anchor, scales, ratios, count
        shapes = len(scales) * len(ratios)
        self.shared = nn.Conv2d(features, features, 3, padding=1)
        self.logits, self.sides = nn.Conv2d(features, shapes, 1), nn.Conv2d(features, 4 * shapes, 1)
        for layer in (self.shared, self.logits, self.sides):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, levels: Sequence[torch.Tensor], strides: Sequence[int]) -> Told:
        """Levels (B, features, h, w) with their strides."""
        logits, sides = [], []
        for level in levels:
            x = F.relu(self.shared(level))
            logits.append(self.logits(x).permute(0, 2, 3, 1).flatten(1).float())
            sides.append(self.sides(x).permute(0, 2, 3, 1).reshape(len(x), -1, 4).float())
        shapes = [(level.shape[2], level.shape[3]) for level in levels]
        anchors = anchors_of(shapes, strides, self.anchor, self.scales, self.ratios)
        return Told(logits, sides, [anchor.to(levels[0].device) for anchor in anchors])

    def losses(self, told: Told, objects: Sequence[Objects], generator: torch.Generator) -> dict[str, torch.Tensor]:
        """ "objects", whether anchors are some, and "proposals", the smooth L1 loss of their differences."""
        logits, sides, anchors = torch.cat(told.logits, 1), torch.cat(told.sides, 1), torch.cat(told.anchors)
        entropy, boxes, count = logits.new_zeros(()), logits.new_zeros(()), 0
        for own_logits, own_sides, own in zip(logits, sides, objects, strict=True):
            of = matched(anchors, own.boxes, own.difficult, 0.3, 0.7, best_of_each=True)
            taken, ground = sampled(of, DRAWN, 0.5, generator)
            rows = torch.cat([taken, ground])
            is_object = torch.zeros(len(rows), device=logits.device)
            is_object[: len(taken)] = 1.0
            entropy = entropy + F.binary_cross_entropy_with_logits(own_logits[rows], is_object, reduction="sum")
            wanted = differences(own.boxes[of[taken]], anchors[taken])
            boxes = boxes + F.smooth_l1_loss(own_sides[taken], wanted, beta=1.0 / 9.0, reduction="sum")
            count += len(rows)
        return {"objects": entropy / max(count, 1), "proposals": boxes / max(count, 1)}

    @torch.no_grad()
    def proposals(self, told: Told, height: int, width: int) -> list[torch.Tensor]:
        """(P, 4) of each image, the surest first: of each level as many as are kept of all, thinned out by level."""
        found = []
        for image in range(len(told.logits[0])):
            boxes, scores, groups = [], [], []
            for number, (logits, sides, anchors) in enumerate(zip(*told, strict=True)):
                order = logits[image].argsort(descending=True, stable=True)[: self.count]
                boxes.append(clipped(moved(sides[image][order], anchors[order]), height, width))
                scores.append(logits[image][order])
                groups.append(torch.full_like(order, number))
            box, score, group = torch.cat(boxes), torch.cat(scores), torch.cat(groups)
            large = sides_at_least(box, 1.0).nonzero()[:, 0]
            kept = thinned(box[large], score[large], group[large], THIN)[: self.count]
            found.append(box[large[kept]])
        return found
