"""`neuralcore encode`: pictures as named vectors, by the trunk of a fitted classifier.

The file is Parquet with the columns name and vector, as graphkit reads it: entities of a graph have features by it
(`[features.<type>] dense = "pictures.parquet"`), and `graphkit search pictures.parquet` finds like pictures.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tyro

from neuralcore.errors import UserError
from neuralcore.lazy import lazy_import

if TYPE_CHECKING:
    from torch import nn

pyarrow = lazy_import("pyarrow")
parquet = lazy_import("pyarrow.parquet")

AT_ONCE = 256  # pictures in memory


@dataclass(frozen=True)
class EncodeArguments:
    """Make named vectors of pictures, for graphkit's features and search."""

    run: tyro.conf.Positional[str]
    """run folder of a fitted classifier"""
    pictures: tyro.conf.Positional[str]
    """folder of pictures, also in folders within; a picture's name is its path without the ending"""
    out: str = "pictures.parquet"
    """file to be written"""
    device: str = "cpu"
    """cpu; cuda; or auto, a GPU where there is one"""


def encode(arguments: EncodeArguments) -> int:
    """Write the vectors of a folder of pictures."""
    from neuralcore.data.images import pictures_in, read_picture
    from neuralcore.device import choose_device
    from neuralcore.fitting.saved import load_model

    device = choose_device(arguments.device)
    fitted = load_model(arguments.run, device)
    if "shape" not in fitted.description or not hasattr(fitted.model, "trunk"):
        raise UserError(f"{arguments.run} is a {fitted.task!r} model, which has no trunk that sees pictures")
    out, pictures = Path(arguments.out), pictures_in(arguments.pictures)
    names, paths = list(pictures), list(pictures.values())
    channels, height, width = fitted.description["shape"]

    def read() -> Iterator[np.ndarray]:
        for start in range(0, len(paths), AT_ONCE):
            some = paths[start : start + AT_ONCE]
            yield np.stack([read_picture(path, channels, (height, width)) for path in some])

    vectors = np.concatenate([features(fitted.model, images) for images in read()])
    flat = pyarrow.array(vectors.ravel())
    columns = {"name": names, "vector": pyarrow.FixedSizeListArray.from_arrays(flat, vectors.shape[1])}
    temporary = out.with_name(out.name + ".tmp")
    try:
        parquet.write_table(pyarrow.table(columns), temporary)
        os.replace(temporary, out)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UserError(f"{out} could not be written: {error.strerror or error}") from None
    print(f"{out}: {len(names):,} pictures, {vectors.shape[1]} numbers each")
    return 0


def features(model: nn.Module, images: np.ndarray) -> np.ndarray:
    """(B, F) float32: the mean over pixels of what an `ImageModel`'s trunk gives for images (B, C, H, W), bytes."""
    import torch

    device = next(iter(model.state_dict().values())).device
    with torch.no_grad():
        maps = model.trunk(model.normalised(torch.from_numpy(images).to(device)))  # type: ignore[operator]
    return maps.float().flatten(2).mean(2).cpu().numpy() if maps.ndim > 2 else maps.float().cpu().numpy()
