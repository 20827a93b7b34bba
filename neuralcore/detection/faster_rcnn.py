"""Faster R-CNN and Mask R-CNN: two stages, where objects may be and then which they are.

Ren et al. 2015 (https://arxiv.org/abs/1506.01497), on a pyramid as Lin et al. 2017
(https://arxiv.org/abs/1612.03144), with RoI align and masks as He et al. 2017 (https://arxiv.org/abs/1703.06870).

Axes: B images, A anchors, P proposals of an image, R proposals of a batch, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from neuralcore.detection.boxes import differences, moved
from neuralcore.detection.heads import BoxHead, MaskHead, pooled
from neuralcore.detection.masks import gridded
from neuralcore.detection.matching import matched, sampled
from neuralcore.detection.objects import Found, Objects
from neuralcore.detection.proposals import ProposalNetwork
from neuralcore.detection.pyramid import FeaturePyramid, padded_to
from neuralcore.detection.retina import best

SPREAD = (10.0, 10.0, 5.0, 5.0)  # differences of boxes from proposals are small: they are brought to variance 1
GRID = 7  # cells of a proposal along an axis, for its class and box


class FasterRCNN(nn.Module):
    """A network proposes boxes on every level of a pyramid; each proposal's grid of features tells class and box.

    The FPN paper's, on ResNet-50 for 80 classes, is `FasterRCNN(80)`: 41,753,056 parameters; with `masks`, which
    makes it Mask R-CNN, 44,396,336.

    Deviations: batch norms of the trunk learn; one anchor size a level as in FPN, of a size that can be chosen; fewer
    proposals, as images here are small; both stages are learned at once, as all later code does.

    Args:
        classes: K. channels, size: of the images; small images have a finer pyramid, see `FeaturePyramid`.
        depth, widths: of the ResNet. features: channels of the pyramid.
        first: the finest level, counted in the ResNet's stages from 0. levels: of the pyramid.
        anchor: side of an anchor, in strides of its level. scales: of it. ratios: height by width.
        proposals: kept of an image. drawn: of these, learned from; a quarter of them objects.
        hidden: units of the two fully connected layers. masks: whether objects' pixels are told too.
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
        first: int = 0,
        levels: int = 5,
        anchor: float = 8.0,
        scales: tuple[float, ...] = (1.0,),
        ratios: tuple[float, ...] = (0.5, 1.0, 2.0),
        proposals: int = 300,
        drawn: int = 128,
        hidden: int = 1024,
        masks: bool = False,
        least: float = 0.05,
        thin: float = 0.5,
        most: int = 100,
    ):
        super().__init__()
        if min(proposals, drawn, hidden) < 1:
            raise ValueError(f"proposals, drawn and hidden must be 1 or more, got {proposals}, {drawn}, {hidden}")
        self.classes, self.drawn, self.least, self.thin, self.most = classes, drawn, least, thin, most
        self.trunk = FeaturePyramid(channels, size, depth, widths, features, first, levels, convolved=False)
        self.propose = ProposalNetwork(features, anchor, scales, ratios, proposals)
        # The coarsest level proposes only: grids are taken from the others (FPN, section 4.2).
        self.strides = self.trunk.strides[:-1] or self.trunk.strides
        self.typical = anchor * self.trunk.strides[0]  # side of a box that the finest level is for
        self.box_head = BoxHead(features, GRID, hidden, classes)
        self.mask_head = MaskHead(features, classes) if masks else None

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """(B, channels, H, W) -> the pyramid's levels."""
        return self.trunk(padded_to(images, max(self.trunk.strides)))

    def losses(
        self, images: torch.Tensor, objects: Sequence[Objects], generator: torch.Generator
    ) -> dict[str, torch.Tensor]:
        """Of proposals "objects" and "proposals", of objects "kinds", "boxes" and where told "masks"."""
        height, width = images.shape[2:]
        levels = self(images)
        told = self.propose(levels, self.trunk.strides)
        losses = self.propose.losses(told, objects, generator)
        boxes, image, kinds, targets, masks = [], [], [], [], []
        for number, (proposals, own) in enumerate(
            zip(self.propose.proposals(told, height, width), objects, strict=True)
        ):
            easy = own.boxes[~own.difficult]
            proposals = torch.cat([proposals, easy])  # from the first step there are objects among them
            of = matched(proposals, own.boxes, own.difficult, 0.5, 0.5, best_of_each=False)
            taken, ground = sampled(of, self.drawn, 0.25, generator)
            rows = torch.cat([taken, ground])
            boxes.append(proposals[rows])
            image.append(torch.full((len(rows),), number, dtype=torch.int64, device=images.device))
            kind = torch.full((len(rows),), self.classes, dtype=torch.int64, device=images.device)  # K: ground
            kind[: len(taken)] = own.kinds[of[taken]]
            kinds.append(kind)
            targets.append(own.boxes[of[taken]])
            if self.mask_head is not None:
                if own.masks is None:
                    raise ValueError("masks = true needs examples with masks, which these have not")
                masks.append(gridded(own.masks[of[taken]], proposals[taken], self.mask_head.size))
        box, kind = torch.cat(boxes), torch.cat(kinds)
        # Objects come first of each image; where they are in the batch:
        is_object = (kind < self.classes).nonzero()[:, 0]
        logits, sides = self.box_head(pooled(levels, self.strides, box, torch.cat(image), GRID, self.typical))
        losses["kinds"] = F.cross_entropy(logits, kind)
        own_sides = sides[is_object, kind[is_object]]
        wanted = differences(torch.cat(targets), box[is_object]) * box.new_tensor(SPREAD)
        losses["boxes"] = F.smooth_l1_loss(own_sides, wanted, beta=1.0, reduction="sum") / max(len(box), 1)
        if self.mask_head is not None:
            cells = pooled(
                levels, self.strides, box[is_object], torch.cat(image)[is_object], self.mask_head.grid, self.typical
            )
            chances = self.mask_head(cells)[torch.arange(len(is_object)), kind[is_object]]
            wanted = (torch.cat(masks) >= 0.5).float()
            losses["masks"] = F.binary_cross_entropy_with_logits(chances, wanted, reduction="sum") / max(
                wanted.numel(), 1
            )
        return losses

    @torch.no_grad()
    def detect(self, images: torch.Tensor) -> list[Found]:
        """What is found in each image (B, channels, H, W)."""
        height, width = images.shape[2:]
        levels = self(images)
        told = self.propose(levels, self.trunk.strides)
        found = []
        for number, proposals in enumerate(self.propose.proposals(told, height, width)):
            image = torch.full((len(proposals),), number, dtype=torch.int64, device=images.device)
            logits, sides = self.box_head(pooled(levels, self.strides, proposals, image, GRID, self.typical))
            chances = logits.softmax(1)[:, : self.classes]
            row, kind = (chances > self.least).nonzero(as_tuple=True)
            boxes = moved(sides[row, kind] / sides.new_tensor(SPREAD), proposals[row])
            one = best(boxes, chances[row, kind], kind, height, width, self.thin, self.most)
            if self.mask_head is not None:
                image = torch.full((len(one.boxes),), number, dtype=torch.int64, device=images.device)
                cells = pooled(levels, self.strides, one.boxes, image, self.mask_head.grid, self.typical)
                masks = self.mask_head(cells)[torch.arange(len(one.kinds)), one.kinds].sigmoid()
                one = one._replace(masks=masks)
            found.append(one)
        return found
