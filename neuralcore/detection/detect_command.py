"""`neuralcore detect`: what a fitted detector finds in pictures, as JSON lines and as drawings."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import tyro

from neuralcore.errors import UserError


@dataclass(frozen=True)
class DetectArguments:
    """Find objects in pictures by a fitted detector."""

    run: tyro.conf.Positional[str]
    """run folder of task "detect" """
    pictures: tyro.conf.Positional[str]
    """a picture, or a folder of them, also in folders within"""
    out: str = "detections.jsonl"
    """file to be written: a line for each picture, with boxes left, top, right, bottom in its pixels"""
    draw: str = ""
    """folder for drawings; empty: none"""
    least: float = 0.3
    """least score of what is told"""
    device: str = "cpu"
    """cpu; cuda; or auto, a GPU where there is one"""


def detect(arguments: DetectArguments) -> int:
    """Write what is found."""
    import torch

    from neuralcore.checkpoint import write_text
    from neuralcore.data.boxed import brought_to
    from neuralcore.data.images import pictures_in, read_picture
    from neuralcore.detection.pictures import detected_picture
    from neuralcore.device import choose_device
    from neuralcore.fitting.saved import load_model

    if not 0.0 <= arguments.least <= 1.0:
        raise UserError(f"least must be from 0 to 1, got {arguments.least}")
    device = choose_device(arguments.device)
    fitted = load_model(arguments.run, device)
    if fitted.task != "detect":
        raise UserError(f"{arguments.run} is a {fitted.task!r} model: name a run of task 'detect'")
    names = fitted.description["names"]
    lines, total = [], 0
    for name, path in pictures_in(arguments.pictures).items():
        whole = read_picture(path, fitted.description["shape"][0])
        given = brought_to(whole, fitted.config.side)
        with torch.no_grad():
            images = fitted.model.normalised(torch.from_numpy(given)[None].to(device))  # type: ignore[operator]
            (found,) = fitted.model.network.detect(images)  # type: ignore[operator,union-attr]
        kept = found.scores >= arguments.least
        found = type(found)(*(None if part is None else part[kept].cpu() for part in found))
        found = found._replace(boxes=found.boxes * (whole.shape[2] / given.shape[2]))
        objects = [
            {"name": names[kind], "score": round(score, 4), "box": [round(side, 1) for side in box]}
            for box, score, kind in zip(
                found.boxes.tolist(), found.scores.tolist(), found.kinds.tolist(), strict=True
            )
        ]
        total += len(objects)
        lines.append(json.dumps({"picture": name, "objects": objects}))
        if arguments.draw:
            drawing = Path(arguments.draw) / f"{name}.png"
            drawing.parent.mkdir(parents=True, exist_ok=True)
            detected_picture(whole[None], [found], None, names, drawing, arguments.least)
    try:
        write_text(Path(arguments.out), "\n".join(lines) + "\n")
    except OSError as error:
        raise UserError(f"{arguments.out} could not be written: {error.strerror or error}") from None
    print(f"{arguments.out}: {total:,} objects in {len(lines):,} pictures")
    return 0
