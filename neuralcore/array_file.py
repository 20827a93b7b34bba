"""Named arrays in one file, in the safetensors format, written and read without a second copy in memory.

    8 bytes n, little-endian | n bytes JSON {name: {dtype, shape, data_offsets}} | the arrays' bytes

It is the format of https://github.com/huggingface/safetensors, any reader of which reads these files; a table that
fills half of the memory has no room for the copy that the package's own `save` and `load` make. Reading hashes every
byte before anything is made of it.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

BLOCK = 1 << 24  # bytes hashed, or copied, at once
_NAMES = {
    "bool": "BOOL",
    "uint8": "U8",
    "int8": "I8",
    "uint16": "U16",
    "int16": "I16",
    "float16": "F16",
    "uint32": "U32",
    "int32": "I32",
    "float32": "F32",
    "uint64": "U64",
    "int64": "I64",
    "float64": "F64",
}
_DTYPES = {name: dtype for dtype, name in _NAMES.items()}


def write(file: BinaryIO, arrays: Mapping[str, np.ndarray]) -> str:
    """Write arrays of any numeric dtype at the file's place; returns the SHA-256 of what was written.

    Raises:
        ValueError: an array is not of a dtype the format has.
    """
    header: dict[str, Any] = {}
    offset = 0
    # The largest numbers first, so that each array begins at a multiple of its own size.
    ordered = sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))
    for name in ordered:
        array = arrays[name]
        if array.dtype.name not in _NAMES:
            raise ValueError(f"{name} is {array.dtype}: it would have to be pickled")
        end = offset + array.nbytes
        header[name] = {"dtype": _NAMES[array.dtype.name], "shape": list(array.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    digest = hashlib.sha256()
    for part in (len(text).to_bytes(8, "little"), text):
        digest.update(part)
        file.write(part)
    for name in ordered:
        for piece in _pieces(arrays[name]):
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()


def _pieces(array: np.ndarray) -> Any:
    """Its bytes in row-major order, some rows at a time: a view without gaps needs no copy, another a small one."""
    if array.ndim == 0 or array.nbytes <= BLOCK:
        yield np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
        return
    rows = max(BLOCK // max(array[0].nbytes, 1), 1)
    for start in range(0, len(array), rows):
        yield np.ascontiguousarray(array[start : start + rows]).reshape(-1).view(np.uint8).data


def verify(path: Path, expected_sha256: str) -> None:
    """Hash a file.

    Raises:
        ValueError: it is not the one that was written.
    """
    with open(path, "rb", buffering=0) as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected_sha256:
        raise ValueError(f"{path.name} has SHA-256 {found[:12]}…, the manifest says {expected_sha256[:12]}…")


def read(path: Path, expected_sha256: str, into: Mapping[str, np.ndarray] | None = None) -> dict[str, np.ndarray]:
    """The arrays of a file whose hash is checked first.

    Args:
        into: arrays to be filled, by name, of the stored shapes and dtypes; the others are made.

    Raises:
        ValueError: the file is not the one that was written, or an array of `into` is not like the stored one.
    """
    verify(path, expected_sha256)
    found = {}
    with open(path, "rb") as file:
        for name, (dtype, shape, begin) in _entries(path, file).items():
            array = (into or {}).get(name)
            if array is None:
                array = np.empty(shape, dtype)
            elif array.shape != shape or array.dtype != dtype or not array.flags.c_contiguous:
                raise ValueError(f"{path.name}: {name} is {dtype} {shape}, not {array.dtype} {array.shape}")
            file.seek(begin)
            if array.nbytes and file.readinto(array.reshape(-1).view(np.uint8).data) != array.nbytes:
                raise ValueError(f"{path.name} ends within {name}")
            found[name] = array
    return found


def mapped(path: Path, expected_sha256: str | None = None) -> dict[str, np.ndarray]:
    """The arrays of a file, mapped and read-only: pages come into memory when they are looked at.

    Raises:
        ValueError: it is no safetensors file, or not the one of that hash.
    """
    if expected_sha256 is not None:
        verify(path, expected_sha256)
    with open(path, "rb") as file:
        entries = _entries(path, file)
    return {
        name: np.memmap(path, dtype, "r", begin, shape) if math.prod(shape) else np.empty(shape, dtype)
        for name, (dtype, shape, begin) in entries.items()
    }


def _entries(path: Path, file: BinaryIO) -> dict[str, tuple[np.dtype, tuple[int, ...], int]]:
    """Of each array its dtype, shape and first byte."""
    size = path.stat().st_size
    length = int.from_bytes(file.read(8), "little")
    if length > size - 8:
        raise ValueError(f"{path.name} is not a safetensors file")
    found = {}
    for name, entry in json.loads(file.read(length)).items():
        if name == "__metadata__":
            continue
        if entry["dtype"] not in _DTYPES:
            raise ValueError(f"{path.name}: {name} is of dtype {entry['dtype']}")
        dtype, shape = np.dtype(_DTYPES[entry["dtype"]]), tuple(entry["shape"])
        begin, end = entry["data_offsets"]
        if end - begin != dtype.itemsize * math.prod(shape) or not 0 <= begin <= end <= size - 8 - length:
            raise ValueError(f"{path.name}: {name} does not lie in the file")
        found[name] = dtype, shape, 8 + length + begin
    return found
