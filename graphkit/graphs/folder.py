"""A graph on disk that is mapped when read: what `graphkit import` writes, for graphs larger than the memory.

    <folder>/  entities.arrow  relations.arrow  train.npy  [valid.npy  test.npy  weights.npy]  manifest.json

Names are columns "name" and, where there are titles, "title"; edges are (E, 3) int32 rows head, relation, tail;
weights (E,) float32 of the training edges. The manifest has the SHA-256 of every file and of itself. A folder is
written under another name beside and renamed when it is whole.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from graphkit.graphs.names import Names
from neuralcore.checkpoint import sealed, sha256, sync, unsealed, write_text
from neuralcore.errors import UserError
from neuralcore.mapped import forget_pages

KIND = "graph_folder"
FORMAT = 1
BLOCK = 1 << 20  # edges in memory at once
HEADER = 128  # bytes of NumPy's, after which there is nothing to map in the file of an empty array


class RowFile:
    """An array that is written piece by piece, in NumPy's format; `finish` maps it.

    Args:
        columns: of a row, or 0 for an array of one dimension.
    """

    def __init__(self, path: Path, columns: int, dtype: type):
        self.path, self._columns, self._dtype, self.rows = path, columns, np.dtype(dtype), 0
        self._file = open(path, "wb")
        self._header()

    def _header(self) -> None:
        # It has room for any length, so it is written again when the length is known.
        shape = (self.rows, self._columns) if self._columns else (self.rows,)
        described = {"descr": self._dtype.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, described)

    def append(self, rows: np.ndarray) -> None:
        self._file.write(np.ascontiguousarray(rows, self._dtype).reshape(-1).view(np.uint8).data)
        self.rows += len(rows)

    def close(self) -> None:
        """Write how long it has become."""
        if not self._file.closed:
            with self._file:
                self._file.seek(0)
                self._header()

    def finish(self) -> np.ndarray:
        """The array, mapped."""
        self.close()
        return load(self.path)


def load(path: Path) -> np.ndarray:
    """An array, mapped unless it is empty."""
    array: np.ndarray = np.load(path, mmap_mode="r" if path.stat().st_size > HEADER else None)
    return array


@contextlib.contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A folder to write into, which gets its name at the end; if anything fails there is no trace of it.

    What a killed process left of an earlier try is removed. A folder that is being written is locked by its process,
    and the lock dies with that.

    Raises:
        UserError: there is something already, or it cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is there already: name another folder, or remove it first")
    made = [path for path in folder.parents if not path.exists()]
    beside, lock = folder.parent / f"{folder.name}.new_{secrets.token_hex(4)}", None
    try:
        for left in folder.parent.glob(f"{glob.escape(folder.name)}.new_{'[0-9a-f]' * 8}"):
            unused = _locked(left)
            if unused is not None:
                shutil.rmtree(left, ignore_errors=True)
                os.close(unused)
        folder.parent.mkdir(parents=True, exist_ok=True)
        while lock is None:  # another process may take a folder for an old one before it is locked
            beside.mkdir(exist_ok=True)
            lock = _locked(beside)
        yield beside
        os.replace(beside, folder)
        sync(folder.parent)
    except BaseException as error:
        shutil.rmtree(beside, ignore_errors=True)
        for path in made:
            with contextlib.suppress(OSError):  # another process may have put something there
                path.rmdir()
        if isinstance(error, OSError):
            raise UserError(f"{folder} could not be written ({error.strerror or error}); free some space?") from None
        raise
    finally:
        if lock is not None:
            os.close(lock)


def _locked(folder: Path) -> int | None:
    """The descriptor that holds a folder's lock; None if a process has it, or the folder has gone."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_ino == folder.stat().st_ino:
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return None


def seal(folder: Path, details: Mapping[str, Any]) -> None:
    """Write the manifest of a folder whose other files are there."""
    hashes = {}
    for path in sorted(folder.iterdir()):
        with open(path, "rb") as file:
            os.fsync(file.fileno())
        hashes[path.name] = sha256(path)
    manifest = {"format": FORMAT, "kind": KIND, **details, "sha256": hashes}
    write_text(folder / "manifest.json", sealed(manifest))
    sync(folder)


def is_graph_folder(folder: Path) -> bool:
    """Whether a folder's manifest says so; a damaged one says nothing."""
    try:
        return bool(unsealed((folder / "manifest.json").read_bytes())["kind"] == KIND)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def read(folder: Path) -> dict[str, Any]:
    """The attributes of a `Graph`, its arrays and names mapped; every file is hashed first, a piece at a time.

    Raises:
        UserError: a file is missing, or not as it was written.
    """
    try:
        manifest = unsealed((folder / "manifest.json").read_bytes())
        if manifest["format"] != FORMAT:
            raise UserError(f"{folder}/manifest.json: format {manifest['format']}, this version reads {FORMAT}")
        for name, digest in manifest["sha256"].items():
            if sha256(folder / name) != digest:
                raise ValueError(f"{name} is not as it was written")
        columns = Names.read(folder / "entities.arrow")
        return {
            "entities": columns["name"],
            "relations": list(Names.read(folder / "relations.arrow")["name"]),
            "edges": {split: load(folder / f"{split}.npy") for split in manifest["splits"]},
            "titles": columns.get("title", []),
            "weights": load(folder / "weights.npy") if "weights.npy" in manifest["sha256"] else None,
            "duplicates": manifest["duplicates"],
            "self_loops": manifest["self_loops"],
            "types": manifest["types"],
            "sides": [(head, tail) for head, tail in manifest["sides"]],
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{folder}: the graph is damaged ({error}): import it again") from None


def pieces(edges: np.ndarray, size: int = BLOCK) -> Iterator[tuple[int, np.ndarray]]:
    """(where it begins, some rows) of an array that may be mapped and larger than the memory."""
    for start in range(0, len(edges), size):
        yield start, np.asarray(edges[start : start + size])
        forget_pages(edges)
