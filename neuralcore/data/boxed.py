"""Images with a box around each object, and the files they come from.

- Pascal VOC (Everingham et al. 2010): `Annotations/<name>.xml`, `JPEGImages/<name>.jpg` and
  `ImageSets/Main/<split>.txt`, in a folder, or in a .tar (.gz, .xz) that a folder holds;
- "shapes": drawn here (`neuralcore.data.shapes`), with masks, for trying things without a file.

VOC counts pixels from 1 and its boxes include their last ones; here a box's sides lie between pixels, and 0, 0, W, H
is the whole image. A box without height or width is a slip of the annotator: it is kept as `difficult`.
"""

from __future__ import annotations

import io
import lzma
import tarfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neuralcore.data.images import decoded, mean_and_std, pillow_image
from neuralcore.errors import UserError, nearest

SPLITS = ("train", "val", "trainval", "test")


@dataclass(frozen=True)
class Boxed:
    """N images on canvases of one size, each with its M_n objects.

    Attributes:
        images: (N, C, H, W) uint8; smaller images lie at the top left, zeros around them.
        boxes: N of (M_n, 4) float32, left, top, right, bottom in pixels of the canvas.
        kinds: N of (M_n,) int64 in [0, K).
        difficult: N of (M_n,) bool: neither learned from nor counted (VOC's word for what is hard to tell).
        names: of the K classes. masks: N of (M_n, H, W) bool, or None where there are none.
    """

    images: np.ndarray
    boxes: list[np.ndarray]
    kinds: list[np.ndarray]
    difficult: list[np.ndarray]
    names: tuple[str, ...]
    masks: list[np.ndarray] | None = None

    def __len__(self) -> int:
        return len(self.images)

    def mean_and_std(self) -> tuple[list[float], list[float]]:
        """Of each channel of the images, as shares of 255, the canvas around them with it."""
        return mean_and_std(self.images)


def read_boxed(path: str, side: int = 0) -> dict[str, Boxed]:
    """Split ("train", "val", "trainval", "test", those that there are) -> images.

    Args:
        side: pixels that the longer side of each image is brought to; 0 leaves images as they are.

    Raises:
        UserError: no such folder, a split that names what is not there, or a damaged file, by its name.
    """
    if path == "shapes":
        return {"train": _shapes(600, 0), "val": _shapes(100, 1), "test": _shapes(200, 2)}
    files = _files(Path(path))
    lists = {split: files.get(f"ImageSets/Main/{split}.txt") for split in SPLITS}
    wanted = {split: data.decode().split() for split, data in lists.items() if data is not None}
    if "train" not in wanted and "trainval" not in wanted:
        raise UserError(f"{path} lacks ImageSets/Main/train.txt: it should be a folder or archive of Pascal VOC")
    names = list(dict.fromkeys(name for split in wanted.values() for name in split))
    read = {name: _read(path, files, name, side) for name in names}
    classes = tuple(sorted({kind for _, _, kinds, _ in read.values() for kind in kinds}))
    if not classes:
        raise UserError(f"{path}: no annotation has an object")
    tall, wide = (max(image.shape[axis] for image, *_ in read.values()) for axis in (1, 2))
    number = {kind: i for i, kind in enumerate(classes)}
    found = {}
    for split, members in wanted.items():
        images = np.zeros((len(members), 3, tall, wide), np.uint8)
        for n, name in enumerate(members):
            image = read[name][0]
            images[n, :, : image.shape[1], : image.shape[2]] = image
        found[split] = Boxed(
            images,
            [read[name][1] for name in members],
            [np.array([number[kind] for kind in read[name][2]], np.int64) for name in members],
            [read[name][3] for name in members],
            classes,
        )
    return found


def _shapes(count: int, seed: int) -> Boxed:
    from neuralcore.data.shapes import shapes

    drawn = shapes(count, size=64, seed=seed, most=3)
    there = drawn.kinds >= 0
    return Boxed(
        drawn.images,
        [boxes[kept] for boxes, kept in zip(drawn.boxes, there)],
        [kinds[kept] for kinds, kept in zip(drawn.kinds, there)],
        [np.zeros(kept.sum(), bool) for kept in there],
        drawn.names,
        [masks[kept] for masks, kept in zip(drawn.masks, there)],
    )


def _files(path: Path) -> Mapping[str, bytes]:
    """Path below VOC's folder -> contents, of a folder or an archive in it."""
    if not path.exists():
        raise UserError(f'no folder of images with boxes {path}: name one of Pascal VOC with --data, or "shapes"')
    if path.is_dir() and not (path / "Annotations").is_dir():
        held = sorted(p for p in path.iterdir() if p.name.endswith((".tar", ".tar.gz", ".tar.xz")))
        if len(held) != 1:
            raise UserError(f"{path} holds neither Annotations/ nor one .tar.xz of it: it should be Pascal VOC")
        path = held[0]
    if path.is_dir():
        return {
            p.relative_to(path).as_posix(): p.read_bytes()
            for folder in ("Annotations", "JPEGImages", "ImageSets/Main")
            for p in sorted((path / folder).glob("*"))
            if p.is_file()
        }
    try:
        found = {}
        with tarfile.open(path) as archive:
            for member in archive:
                file = archive.extractfile(member) if member.isfile() else None
                if file is not None:
                    parts = member.name.split("/")
                    top = next(
                        (i for i, part in enumerate(parts) if part in ("Annotations", "JPEGImages", "ImageSets")), 0
                    )
                    found["/".join(parts[top:])] = file.read()
        return found
    except (tarfile.TarError, OSError, EOFError, lzma.LZMAError) as error:
        raise UserError(f"{path} is damaged: {error}") from None


def _read(
    path: str, files: Mapping[str, bytes], name: str, side: int
) -> tuple[np.ndarray, np.ndarray, list[str], np.ndarray]:
    """(image, boxes, kinds, difficult) of one name."""
    for key in (f"Annotations/{name}.xml", f"JPEGImages/{name}.jpg"):
        if key not in files:
            raise UserError(f"{path} lacks {key}, which a list of ImageSets/Main names: {nearest(key, files)}")
    whole = decoded(io.BytesIO(files[f"JPEGImages/{name}.jpg"]), f"{path}/JPEGImages/{name}.jpg", 3)
    picture = brought_to(whole, side)
    scale = picture.shape[2] / whole.shape[2]
    where = f"{path}/Annotations/{name}.xml"
    boxes, kinds, difficult = [], [], []
    try:
        for entry in ElementTree.fromstring(files[f"Annotations/{name}.xml"]).iter("object"):
            left, top, right, bottom = (_number(entry, f"bndbox/{side}") for side in ("xmin", "ymin", "xmax", "ymax"))
            boxes.append((left - 1.0, top - 1.0, right, bottom))
            kinds.append(str(_text(entry, "name")))
            is_slip = right - left < 1.0 or bottom - top < 1.0
            difficult.append(is_slip or entry.findtext("difficult", "0").strip() == "1")
    except (ElementTree.ParseError, ValueError) as error:
        raise UserError(f"{where}: {error}") from None
    scaled = np.array(boxes, np.float32).reshape(-1, 4) * np.float32(scale)
    limits = np.array([picture.shape[2], picture.shape[1]] * 2, np.float32)
    return picture, np.clip(scaled, 0.0, limits), kinds, np.array(difficult, bool)


def brought_to(picture: np.ndarray, side: int) -> np.ndarray:
    """(C, H, W) uint8 with the longer side of `side` pixels, or as it is for 0."""
    longer = max(picture.shape[1:])
    if side in (0, longer):
        return picture
    height, width = (max(round(length * side / longer), 1) for length in picture.shape[1:])
    pixels = picture[0] if len(picture) == 1 else picture.transpose(1, 2, 0)
    # Pillow averages over all pixels that a smaller one covers.
    smaller = pillow_image.fromarray(np.ascontiguousarray(pixels)).resize(
        (width, height), pillow_image.Resampling.BILINEAR
    )
    return np.ascontiguousarray(np.array(smaller, np.uint8).reshape(height, width, -1).transpose(2, 0, 1))


def _text(entry: ElementTree.Element, key: str) -> str:
    text = entry.findtext(key)
    if text is None:
        raise ValueError(f"an object lacks {key}")
    return text.strip()


def _number(entry: ElementTree.Element, key: str) -> float:
    text = _text(entry, key)
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{key} is {text!r}, no number") from None
