"""Images whose every pixel has a label, and the files they come from.

- `.npz` of plain arrays: `image` (N, H, W) or (N, H, W, C) uint8, and `mask` (N, H, W), bool or whole numbers; or a
  folder that holds one such file. Names of the classes, in the order of their numbers, may be in `names`;
- "shapes": drawn here (`neuralcore.data.shapes`), for trying things without a file.

Splits are by whole images, the last ones for testing, those before them to judge by: neighbouring slices of a volume
show nearly the same, so they are not mixed.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neuralcore.data.images import mean_and_std
from neuralcore.errors import UserError

MOST = 254  # classes; 255 is a pixel without a label
UNLABELLED = 255


@dataclass(frozen=True)
class Masked:
    """N images of one size, and what each pixel belongs to.

    Attributes:
        images: (N, C, H, W) uint8. labels: (N, H, W) uint8 in [0, K), or 255 for pixels that nobody judged.
        names: of the K classes.
    """

    images: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.images.dtype != np.uint8:
            raise ValueError(f"images are (N, C, H, W) uint8, got {self.images.shape} {self.images.dtype}")
        if self.labels.shape != (len(self.images), *self.images.shape[2:]) or self.labels.dtype != np.uint8:
            raise ValueError(f"images {self.images.shape} have labels {self.labels.shape} {self.labels.dtype}")

    def __len__(self) -> int:
        return len(self.images)

    def of(self, rows: slice) -> Masked:
        """Some of them."""
        return Masked(self.images[rows], self.labels[rows], self.names)

    def mean_and_std(self) -> tuple[list[float], list[float]]:
        """Of each channel, as shares of 255."""
        return mean_and_std(self.images)


def with_neighbours(images: np.ndarray, count: int) -> np.ndarray:
    """(N, (2 count + 1) C, H, W) of a volume's slices (N, C, H, W) in their order: each with those around it.

    The `count` slices before it are its first channels, those after it its last. Beyond an end it is the end's again.
    """
    around = np.arange(len(images))[:, None] + np.arange(-count, count + 1)
    return images[around.clip(0, len(images) - 1)].reshape(len(images), -1, *images.shape[2:])


def read_masked(path: str) -> Masked:
    """The images of a file, a folder with one, or "shapes", in their order.

    Raises:
        UserError: no such file, a damaged one, or one that lacks an array or has it in another form.
    """
    if path == "shapes":
        from neuralcore.data.shapes import NAMES, shapes

        drawn = shapes(400, size=64, seed=0, most=3)
        return Masked(drawn.images, drawn.segmented().astype(np.uint8), ("ground", *NAMES))
    file = Path(path)
    if file.is_dir():
        held = sorted(file.glob("*.npz"))
        if len(held) != 1:
            raise UserError(f"{path} holds {len(held)} .npz files: it should hold one, or name the file with --data")
        file = held[0]
    try:
        with open(file, "rb") as opened, np.load(opened, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in ("image", "mask", "names") if name in arrays}
    except FileNotFoundError:
        raise UserError(f'no file of masked images {path}: name an .npz with --data, or "shapes"') from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{file} is damaged, or no .npz of plain arrays: {error}") from None
    for name in ("image", "mask"):
        if name not in found:
            raise UserError(f"{file} lacks the array {name!r}: it should hold image and mask")
    images, labels = found["image"], found["mask"]
    if images.dtype != np.uint8 or images.ndim not in (3, 4):
        raise UserError(
            f"{file}: image is {images.shape} {images.dtype}, it should be (N, H, W) or (N, H, W, C) uint8"
        )
    if labels.shape != images.shape[:3] or not (labels.dtype == bool or np.issubdtype(labels.dtype, np.integer)):
        raise UserError(f"{file}: mask is {labels.shape} {labels.dtype}, it should be {images.shape[:3]} bool or int")
    largest = int(labels[labels != UNLABELLED].max(initial=0))
    if int(labels.min(initial=0)) < 0 or largest > MOST:
        raise UserError(
            f"{file}: mask has {labels.min()} to {labels.max()}, it should have 0 to {MOST} (255: not judged)"
        )
    images = images[:, None] if images.ndim == 3 else np.ascontiguousarray(np.moveaxis(images, 3, 1))
    return Masked(
        images, labels.astype(np.uint8), _names(file, found.get("names"), labels.dtype == bool, largest + 1)
    )


def _names(file: Path, given: np.ndarray | None, is_binary: bool, count: int) -> tuple[str, ...]:
    count = max(count, 2) if is_binary else count
    if given is not None:
        if given.ndim != 1 or len(given) < count:
            raise UserError(f"{file}: names has shape {given.shape}, its masks have {count} classes")
        return tuple(map(str, given))
    if is_binary:
        return ("membrane", "interior") if "membrane" in file.name else ("ground", "object")
    return tuple(map(str, range(count)))
