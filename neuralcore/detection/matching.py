"""Which anchor or proposal stands for which object. Axes: A anchors, M objects."""

from __future__ import annotations

import torch

from neuralcore.detection.boxes import overlaps

GROUND, IGNORED = -1, -2


def matched(
    anchors: torch.Tensor,
    boxes: torch.Tensor,
    difficult: torch.Tensor,
    low: float,
    high: float,
    best_of_each: bool,
) -> torch.Tensor:
    """(A,) int64: the object that each anchor stands for, or `GROUND`, or `IGNORED`.

    An anchor stands for the object that it overlaps most, if by `high` or more; below `low` it is ground; between the
    two, and where it is a difficult object that it overlaps most, it is ignored (Ren et al. 2015, section 3.1.2).

    Args:
        anchors: (A, 4). boxes: (M, 4). difficult: (M,) bool. low, high: IoU.
        best_of_each: whether the anchors that overlap an object most stand for it, however little that is: then none
            is without.
    """
    found = torch.full((len(anchors),), GROUND, dtype=torch.int64, device=anchors.device)
    if not len(boxes):
        return found
    shares = overlaps(anchors, boxes)
    best, of = shares.max(1)
    found[best >= low] = IGNORED
    taken = best >= high
    found[taken] = of[taken]
    if best_of_each:
        most = shares.max(0).values
        anchor, box = ((shares == most) & (most > 0.0)).nonzero(as_tuple=True)
        found[anchor] = box
    is_hard = (found >= 0) & difficult[found.clamp_min(0)]
    found[is_hard] = IGNORED
    return found


def sampled(
    found: torch.Tensor, count: int, share: float, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of up to `count` anchors drawn by lot from `matched`: (objects, at most `share` of them; ground)."""
    chosen = []
    wanted = round(share * count)
    for rows in ((found >= 0).nonzero()[:, 0], (found == GROUND).nonzero()[:, 0]):
        drawn = torch.randperm(len(rows), generator=generator)[:wanted]
        chosen.append(rows[drawn.to(rows.device)])
        wanted = count - len(chosen[0])
    return chosen[0], chosen[1]
