"""Labelled images in memory, and the files they come from.

- IDX, the format of MNIST (http://yann.lecun.com/exdb/mnist, "file format"): `train-images-idx3-ubyte`,
  `train-labels-idx1-ubyte`, `t10k-…`, plain or .gz or .xz;
- class folders: `train/<class>/<image>` and `test/<class>/<image>`, or `train.tar`, also .gz and .xz, of the same,
  decoded by Pillow and of one size;
- "shapes": drawn here (`neuralcore.data.shapes`), for trying things without a file.

Images are bytes, (N, C, H, W), a quarter of the memory that floats would take.
"""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from neuralcore.data.examples import held_out_rows
from neuralcore.errors import UserError
from neuralcore.lazy import lazy_import

pillow_image = lazy_import("PIL.Image", extra="vision")

SPLITS = ("train", "test")
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".ppm", ".pgm")
IDX_NAMES = {"train": "train", "test": "t10k"}
FASHION = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")


@dataclass(frozen=True)
class Images:
    """N images of one size with a label each.

    Attributes:
        images: (N, C, H, W) uint8. labels: (N,) int64 in [0, K). names: of the K classes.
    """

    images: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.images.dtype != np.uint8:
            raise ValueError(f"images are (N, C, H, W) uint8, got {self.images.shape} {self.images.dtype}")
        if self.labels.shape != (len(self.images),):
            raise ValueError(f"{len(self.images)} images have labels of shape {self.labels.shape}")

    def __len__(self) -> int:
        return len(self.images)

    def of(self, rows: np.ndarray) -> Images:
        """Some of them."""
        return Images(self.images[rows], self.labels[rows], self.names)

    def held_out(self, share: float, seed: int) -> tuple[Images, Images]:
        """(the rest, `share` of each class), drawn by a seed."""
        rest, out = held_out_rows(self.labels, len(self.names), share, seed)
        return self.of(rest), self.of(out)

    def mean_and_std(self) -> tuple[list[float], list[float]]:
        """Of each channel, as shares of 255."""
        return mean_and_std(self.images)


def mean_and_std(images: np.ndarray) -> tuple[list[float], list[float]]:
    """Of each channel of images (N, C, H, W) uint8, as shares of 255."""
    counts = np.stack([np.bincount(images[:, c].ravel(), minlength=256) for c in range(images.shape[1])])
    shares, values = counts / counts.sum(1, keepdims=True), np.arange(256) / 255.0
    mean = shares @ values
    return mean.tolist(), np.sqrt(shares @ values**2 - mean**2).tolist()


def read_images(path: str) -> dict[str, Images]:
    """Split ("train", "test") -> images, from the formats in the file's docstring.

    Raises:
        UserError: no such folder, an unknown format, or a damaged or odd file, by its name.
    """
    if path == "shapes":
        from neuralcore.data.shapes import shapes

        return {"train": shapes(2_000, seed=0).classified(), "test": shapes(500, seed=1).classified()}
    folder = Path(path)
    if not folder.is_dir():
        raise UserError(f"no folder of images {path}: name one with --data (idx files, or train/<class>/<image>)")
    if _find(folder, "train-images-idx3-ubyte") is not None:
        return {split: _read_idx_pair(folder, name) for split, name in IDX_NAMES.items()}
    found = {split: _read_classes(folder, split) for split in SPLITS if _holds(folder, split)}
    if "train" not in found:
        raise UserError(f"{path} holds neither train-images-idx3-ubyte nor train/ nor train.tar.xz")
    names = found["train"].names
    for split, images in found.items():
        if images.names != names:
            raise UserError(f"{path}: {split} has the classes {list(images.names)}, train {list(names)}")
        if images.images.shape[1:] != found["train"].images.shape[1:]:
            raise UserError(f"{path}: images of {split} and train differ in size")
    return found


def read_picture(path: str | Path, channels: int, size: tuple[int, int] | None = None) -> np.ndarray:
    """(C, H, W) uint8 of a picture file, in grey or in colour, brought to (height, width).

    Raises:
        UserError: no such file, or none that Pillow reads.
    """
    try:
        with open(path, "rb") as file:
            return decoded(file, str(path), channels, size)
    except OSError as error:
        raise UserError(f"{path} is no picture: {error.strerror or error}") from None


def pictures_in(path: str | Path) -> dict[str, Path]:
    """Name -> file of a picture, or of all pictures in a folder and in those within, in their order.

    A name is the path below the folder without its ending.

    Raises:
        UserError: there are none, or two of one name.
    """
    folder = Path(path)
    if folder.is_file():
        return {folder.stem: folder}
    found: dict[str, Path] = {}
    for file in sorted(file for file in folder.rglob("*") if file.suffix.lower() in PICTURES):
        name = file.relative_to(folder).with_suffix("").as_posix()
        if name in found:
            raise UserError(f"{path} has two pictures named {name}: rename one of them")
        found[name] = file
    if not found:
        raise UserError(f"no pictures in {path}: it should hold {', '.join(PICTURES)}")
    return found


def decoded(file: IO[bytes], name: str, channels: int, size: tuple[int, int] | None = None) -> np.ndarray:
    """(C, H, W) uint8 of a picture's bytes; `name` is what messages call it. See `read_picture`."""
    try:
        picture = pillow_image.open(file).convert("L" if channels == 1 else "RGB")
    except (OSError, ValueError, SyntaxError) as error:
        raise UserError(f"{name} is no picture that Pillow can read: {error}") from None
    if size is not None and picture.size != (size[1], size[0]):
        picture = picture.resize((size[1], size[0]), pillow_image.Resampling.BILINEAR)
    pixels = np.array(picture, np.uint8)  # a copy, which torch may write to
    return pixels[None] if channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _find(folder: Path, name: str) -> Path | None:
    return next((p for end in ("", ".gz", ".xz") if (p := folder / (name + end)).is_file()), None)


def _bytes(path: Path) -> bytes:
    try:
        if path.suffix == ".gz":
            return gzip.decompress(path.read_bytes())
        return lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise UserError(f"{path} is damaged: {error}") from None


def read_idx(path: Path) -> np.ndarray:
    """The array of bytes of an IDX file.

    Raises:
        UserError: it is none, or its size is not what its head says.
    """
    data = _bytes(path)
    if len(data) < 4 or data[:3] != b"\0\0\x08":
        raise UserError(f"{path} is no IDX file of bytes: it begins with {data[:4].hex(' ')}")
    rank = data[3]
    shape = tuple(int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(rank))
    if len(data) != 4 + 4 * rank + int(np.prod(shape)):
        raise UserError(f"{path} has {len(data):,} bytes, which is not what its shape {shape} needs: it is cut off")
    # A copy that may be written to: torch warns of memory that may not.
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape).copy()


def _read_idx_pair(folder: Path, name: str) -> Images:
    arrays = []
    for kind in ("images-idx3-ubyte", "labels-idx1-ubyte"):
        path = _find(folder, f"{name}-{kind}")
        if path is None:
            raise UserError(f"{folder} lacks {name}-{kind} (plain, .gz or .xz)")
        arrays.append(read_idx(path))
    images, labels = arrays
    if len(images) != len(labels):
        raise UserError(f"{folder}: {name} has {len(images):,} images and {len(labels):,} labels")
    count = int(labels.max(initial=0)) + 1
    known = FASHION if "fashion" in folder.name.lower() and count == len(FASHION) else map(str, range(count))
    return Images(images[:, None], labels.astype(np.int64), tuple(known))


def _holds(folder: Path, split: str) -> bool:
    return (folder / split).is_dir() or _tar(folder, split) is not None


def _tar(folder: Path, split: str) -> Path | None:
    return next((p for end in (".tar", ".tar.gz", ".tar.xz") if (p := folder / (split + end)).is_file()), None)


def _read_classes(folder: Path, split: str) -> Images:
    """Images of class folders, in the order of their names."""
    entries: list[tuple[str, np.ndarray]] = []  # class, pixels
    where, size = folder / split, None
    for name, data in _files(folder, split):
        picture = decoded(io.BytesIO(data), f"{where}/{name}", 3)
        if size is not None and picture.shape != size:
            raise UserError(
                f"{where}/{name} is {picture.shape[1:]} pixels, others are {size[1:]}: bring all to one size"
            )
        size = picture.shape
        entries.append((name.split("/")[-2], picture))
    if not entries:
        raise UserError(f"{where} holds no <class>/<image>")
    names = tuple(sorted({name for name, _ in entries}))
    number = {name: i for i, name in enumerate(names)}
    labels = np.array([number[name] for name, _ in entries], np.int64)
    return Images(np.stack([picture for _, picture in entries]), labels, names)


def _files(folder: Path, split: str) -> Iterator[tuple[str, bytes]]:
    """(path, bytes) of the pictures of a split."""
    tar = _tar(folder, split)
    if tar is None or (folder / split).is_dir():
        root = folder / split
        for path in sorted(p for p in root.glob("*/*") if p.suffix.lower() in PICTURES):
            yield path.relative_to(root).as_posix(), path.read_bytes()
        return
    try:
        with tarfile.open(tar) as archive:
            for member in archive:  # in the archive's order: going back would unpack it again
                if member.isfile() and Path(member.name).suffix.lower() in PICTURES and "/" in member.name:
                    file = archive.extractfile(member)
                    assert file is not None
                    yield member.name, file.read()
    except (tarfile.TarError, OSError, EOFError, lzma.LZMAError) as error:
        raise UserError(f"{tar} is damaged: {error}") from None
