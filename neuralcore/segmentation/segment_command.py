"""`neuralcore segment`: what each pixel of pictures belongs to, by a fitted network, as pictures of labels.

A label is a pixel's number in a PNG with a palette, so that a program reads numbers and a person sees colours.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from neuralcore.errors import UserError
from neuralcore.lazy import lazy_import

if TYPE_CHECKING:
    import numpy as np

pillow_image = lazy_import("PIL.Image", extra="vision")

COLOURS = (
    (30, 30, 30),
    (240, 240, 240),
    (42, 111, 151),
    (201, 98, 43),
    (88, 140, 78),
    (140, 90, 150),
    (200, 170, 60),
)


@dataclass(frozen=True)
class SegmentArguments:
    """Label the pixels of pictures by a fitted network."""

    run: tyro.conf.Positional[str]
    """run folder of task "segment" """
    pictures: tyro.conf.Positional[str]
    """a picture, or a folder of them, also in folders within; with `neighbours`, slices numbered by name"""
    out: str = "labels"
    """folder for a PNG of labels for each picture, and names.json with what they stand for"""
    device: str = "cpu"
    """cpu; cuda; or auto, a GPU where there is one"""


def segment(arguments: SegmentArguments) -> int:
    """Write the labels."""
    import torch

    from neuralcore.checkpoint import write_text
    from neuralcore.data.images import pictures_in
    from neuralcore.device import choose_device
    from neuralcore.fitting.saved import load_model
    from neuralcore.segmentation.tiles import predicted

    device = choose_device(arguments.device)
    fitted = load_model(arguments.run, device)
    if fitted.task != "segment":
        raise UserError(f"{arguments.run} is a {fitted.task!r} model: name a run of task 'segment'")
    names, config = fitted.description["names"], fitted.config
    margin = int(fitted.model.network.margin)  # type: ignore[arg-type,union-attr]
    found = pictures_in(arguments.pictures)
    folder = Path(arguments.out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder} cannot be a folder: {error.strerror or error}") from None
    found = dict(sorted(found.items(), key=lambda item: _numbers(item[0])))
    slices = _slices(list(found.values()), fitted.description["channels"], config.neighbours)
    for name, pixels in zip(found, slices, strict=True):
        image = torch.from_numpy(pixels).to(device)
        with torch.no_grad():
            parts = {"tile": config.tile, "overlap": config.overlap, "margin": margin, "views": config.views}
            odds = predicted(fitted.model, image, **parts)
        labels = pillow_image.fromarray(odds.argmax(0).to(torch.uint8).cpu().numpy())
        labels.putpalette([level for number in range(len(names)) for level in COLOURS[number % len(COLOURS)]])
        drawing = folder / f"{name}.png"
        drawing.parent.mkdir(parents=True, exist_ok=True)
        labels.save(drawing)
    write_text(folder / "names.json", json.dumps(names) + "\n")
    print(f"{folder}: {len(found):,} pictures of labels, {', '.join(names[:8])}")
    return 0


def _numbers(name: str) -> list[tuple[int, str]]:
    """What names are sorted by so that slice 2 is before slice 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"([0-9]+)", name)]


def _slices(paths: list[Path], channels: int, neighbours: int) -> Iterator[np.ndarray]:
    """Each picture with those around it, ((2 neighbours + 1) C, H, W), one after another."""
    import numpy as np

    from neuralcore.data.images import read_picture
    from neuralcore.data.masked import with_neighbours

    read: dict[Path, np.ndarray] = {}
    for place in range(len(paths)):
        start = max(place - neighbours, 0)
        around = paths[start : place + neighbours + 1]
        read = {path: read[path] if path in read else read_picture(path, channels) for path in around}
        odd = next((path for path in around if read[path].shape != read[paths[place]].shape), None)
        if odd is not None:
            raise UserError(
                f"{odd} is of another size than {paths[place]}: neighbours = {neighbours} needs slices of one volume"
            )
        yield with_neighbours(np.stack(list(read.values())), neighbours)[place - start]
