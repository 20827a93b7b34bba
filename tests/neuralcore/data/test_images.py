"""Readers of images, and what their mistakes are called."""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
from pathlib import Path

import numpy as np
import pytest

from neuralcore.data.images import Images, read_idx, read_images, read_picture
from neuralcore.data.shapes import NAMES, shapes
from neuralcore.errors import UserError


def idx(array: np.ndarray) -> bytes:
    head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return head + array.astype(np.uint8).tobytes()


def write_idx(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    images, labels = generator.integers(256, size=(7, 5, 5)), np.array([0, 1, 2, 0, 1, 2, 0])
    (folder / "train-images-idx3-ubyte.xz").write_bytes(lzma.compress(idx(images)))
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    (folder / "t10k-images-idx3-ubyte").write_bytes(idx(images[:2]))
    (folder / "t10k-labels-idx1-ubyte").write_bytes(idx(labels[:2]))
    return images, labels


def png(pixels: np.ndarray) -> bytes:
    image = pytest.importorskip("PIL.Image")
    out = io.BytesIO()
    image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def test_idx_files(tmp_path: Path) -> None:
    images, labels = write_idx(tmp_path)
    found = read_images(str(tmp_path))
    assert np.array_equal(found["train"].images[:, 0], images)
    assert np.array_equal(found["train"].labels, labels)
    assert found["train"].names == ("0", "1", "2")
    assert len(found["test"]) == 2
    assert all(split.images.flags.writeable for split in found.values())  # torch warns of memory that is not


def test_damaged_idx_files_are_told(tmp_path: Path) -> None:
    write_idx(tmp_path)
    path = tmp_path / "t10k-images-idx3-ubyte"
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    with pytest.raises(UserError, match="cut off"):
        read_idx(path)
    path.write_bytes(b"PK" + data)
    with pytest.raises(UserError, match="no IDX file"):
        read_idx(path)
    path.write_bytes(data)
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx(np.zeros(3)))
    with pytest.raises(UserError, match="2 images and 3 labels"):
        read_images(str(tmp_path))
    broken = tmp_path / "train-images-idx3-ubyte.xz"
    broken.write_bytes(broken.read_bytes()[:30])
    with pytest.raises(UserError, match="is damaged"):
        read_images(str(tmp_path))


@pytest.mark.parametrize("packed", [False, True])
def test_class_folders(tmp_path: Path, packed: bool) -> None:
    generator = np.random.default_rng(0)
    pixels = {
        f"{kind}/{i}.png": generator.integers(256, size=(4, 4, 3), dtype=np.uint8) for kind in "ba" for i in (0, 1)
    }
    if packed:
        with tarfile.open(tmp_path / "train.tar.xz", "w:xz") as archive:
            for name, picture in pixels.items():
                data = png(picture)
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    else:
        for name, picture in pixels.items():
            path = tmp_path / "train" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png(picture))
    found = read_images(str(tmp_path))
    assert list(found) == ["train"]
    assert found["train"].names == ("a", "b")
    first = int(np.flatnonzero(found["train"].labels == 0)[0])
    assert np.array_equal(found["train"].images[first], pixels["a/0.png"].transpose(2, 0, 1))


def test_odd_pictures_are_told(tmp_path: Path) -> None:
    (tmp_path / "train" / "a").mkdir(parents=True)
    (tmp_path / "train" / "a" / "0.png").write_bytes(png(np.zeros((4, 4, 3), np.uint8)))
    (tmp_path / "train" / "a" / "1.png").write_bytes(png(np.zeros((5, 4, 3), np.uint8)))
    with pytest.raises(UserError, match=r"1\.png is \(5, 4\) pixels, others are \(4, 4\)"):
        read_images(str(tmp_path))
    (tmp_path / "train" / "a" / "1.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"1\.png is no picture"):
        read_images(str(tmp_path))
    with pytest.raises(UserError, match="no folder of images"):
        read_images(str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="holds neither"):
        read_images(str(tmp_path / "train" / "a"))
    assert read_picture(tmp_path / "train" / "a" / "0.png", 1, (8, 6)).shape == (1, 8, 6)
    with pytest.raises(UserError, match="is no picture"):
        read_picture(tmp_path / "nothing.png", 3)


def test_held_out_examples_are_of_each_class() -> None:
    labels = np.repeat(np.arange(3), [100, 40, 20])
    images = Images(np.arange(160, dtype=np.uint8)[:, None, None, None], labels, ("a", "b", "c"))
    rest, held = images.held_out(0.25, seed=1)
    assert np.bincount(held.labels).tolist() == [25, 10, 5]
    together = np.sort(np.concatenate([rest.images, held.images]).ravel())
    assert np.array_equal(together, np.arange(160))
    mean, std = images.mean_and_std()
    assert mean[0] == pytest.approx((images.images / 255.0).mean())
    assert std[0] == pytest.approx((images.images / 255.0).std())


def test_shapes_are_what_they_say() -> None:
    found = shapes(40, size=40, seed=2, most=3)
    assert np.array_equal(found.images, shapes(40, size=40, seed=2, most=3).images)
    there = found.kinds >= 0
    assert set(np.unique(found.kinds[there])) == set(range(len(NAMES)))
    assert there[:, 0].all()
    assert there.sum(1).max() == 3
    assert (found.masks.sum(1) <= 1).all()  # a pixel shows one shape
    for n, m in np.argwhere(there):
        left, top, right, bottom = found.boxes[n, m].astype(int)
        inside = np.zeros((40, 40), bool)
        inside[top:bottom, left:right] = True
        assert not (found.masks[n, m] & ~inside).any()
        assert found.masks[n, m, top].any()
        assert found.masks[n, m, :, right - 1].any()
    assert (found.boxes[~there] == 0).all()
    segmented = found.segmented()
    assert np.array_equal(segmented > 0, found.masks.any(1))


def test_fashion_mnist(shared_data: Path) -> None:
    found = read_images(str(shared_data / "fashion-mnist"))
    assert {name: len(images) for name, images in found.items()} == {"train": 60_000, "test": 10_000}
    assert found["train"].names[9] == "ankle boot"
    mean, std = found["train"].mean_and_std()
    assert (round(mean[0], 4), round(std[0], 4)) == (0.2860, 0.3530)  # as published
