"""`neuralcore project`: what a classifier's trunk makes of images, as a picture and as files for other tools."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from neuralcore.errors import UserError


@dataclass(frozen=True)
class ProjectArguments:
    """Draw the features of a classifier's images in a plane."""

    run: tyro.conf.Positional[str]
    """run folder of a fitted classifier"""
    data: str = ""
    """folder of images; by default the run's own"""
    split: Literal["train", "test"] = "test"
    """which of its images"""
    images: int = 2000
    """how many, at most; the first ones"""
    out: str = "features.png"
    """picture to be written; beside it, with other endings, .npz (features, points, labels) and .tsv, .labels.tsv, as
    TensorBoard's projector reads them"""


def project(arguments: ProjectArguments) -> int:
    """Draw the features of a classifier's images in a plane."""
    import io

    import numpy as np

    from neuralcore.checkpoint import write_text
    from neuralcore.data.images import read_images
    from neuralcore.fitting.saved import load_model
    from neuralcore.understanding.pictures import points_picture
    from neuralcore.understanding.projection import principal_components
    from neuralcore.vision.encode_command import features

    out = Path(arguments.out)
    if out.suffix not in (".png", ".pdf", ".svg"):
        raise UserError(f"--out {out}: name a .png, .pdf or .svg file")
    if arguments.images < 2:
        raise UserError(f"--images must be 2 or more, got {arguments.images}")
    fitted = load_model(arguments.run)
    if "shape" not in fitted.description or not hasattr(fitted.model, "trunk"):
        raise UserError(f"{arguments.run} is a {fitted.task!r} model, which has no trunk that sees images")
    data = read_images(arguments.data or fitted.config.data)
    if arguments.split not in data:
        raise UserError(f"{arguments.data or fitted.config.data} has no {arguments.split} images")
    images = data[arguments.split].of(np.arange(min(arguments.images, len(data[arguments.split]))))
    if list(images.images.shape[1:]) != list(fitted.description["shape"]):
        raise UserError(
            f"images are {images.images.shape[1:]}, the network of {arguments.run} takes "
            f"{tuple(fitted.description['shape'])}"
        )
    rows = np.concatenate([features(fitted.model, images.images[i : i + 256]) for i in range(0, len(images), 256)])
    found = principal_components(rows)
    first, second = found.shares
    title = f"{len(rows):,} images by {rows.shape[1]} features: {first:.0%} and {second:.0%} of their variance"
    out.parent.mkdir(parents=True, exist_ok=True)
    points_picture(found.points, images.labels, images.names, title, out)
    file = io.StringIO()
    np.savetxt(file, rows, fmt="%.6g", delimiter="\t")
    write_text(out.with_suffix(".tsv"), file.getvalue())
    write_text(out.with_suffix(".labels.tsv"), "".join(f"{images.names[label]}\n" for label in images.labels))
    np.savez(out.with_suffix(".npz"), features=rows, points=found.points.astype(np.float32), labels=images.labels)
    print(f"{out}: {title}; and {out.with_suffix('.npz')}, .tsv, .labels.tsv")
    return 0
