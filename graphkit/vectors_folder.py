"""How named vectors lie on disk, of words and of graphs: arrays as safetensors, names as Arrow, hashes in a manifest.

    <folder>/  arrays_<16 hex digits>.safetensors  names_<16 hex digits>.arrow  manifest.json

The digits begin the file's SHA-256, so new files never overwrite old ones, and replacing `manifest.json` is the one
moment at which the new vectors are there. Reading verifies both hashes before a file is parsed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from neuralcore import array_file
from neuralcore.checkpoint import read_arrays, sealed, sha256, unsealed, write_arrays, write_text
from neuralcore.errors import UserError
from neuralcore.lazy import lazy_import

pyarrow = lazy_import("pyarrow")

FORMAT = 1


def write_vectors(
    folder: Path,
    kind: str,
    arrays: Mapping[str, np.ndarray],
    columns: Mapping[str, Sequence[Any]],
    details: Mapping[str, Any],
) -> Path:
    """Write a folder in place of what it held; returns it.

    Args:
        kind: what the vectors are of, "word_vectors" or "graph_embedding".
        columns: equally long columns of names and what belongs to each.
        details: plain values for the manifest.

    Raises:
        UserError: it cannot be written; what was there before is intact.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        digests = {"arrays": write_arrays(folder / "arrays.new", arrays), "names": _write_names(folder, columns)}
        for part, digest in digests.items():
            (folder / f"{part}.new").replace(_path(folder, part, digest))
        manifest = {"format": FORMAT, "kind": kind, "sha256": digests, **details}
        write_text(folder / "manifest.json", sealed(manifest))
    except OSError as error:
        raise UserError(f"{folder} could not be written ({error.strerror}); what was there is intact") from None
    kept = {_path(folder, part, digest) for part, digest in digests.items()}
    for path in (*folder.glob("arrays_*.safetensors"), *folder.glob("names_*.arrow")):
        if path not in kept:
            path.unlink()
    return folder


def read_vectors(
    folder: Path, kind: str, *, mapped: bool = False
) -> tuple[dict[str, np.ndarray], dict[str, list[Any]], dict[str, Any]]:
    """The arrays, columns and manifest of a folder; `mapped` arrays are read-only and in memory while looked at.

    Raises:
        UserError: there are no vectors of that kind, or a file is not as it was written.
    """
    path = folder / "manifest.json"
    if not path.is_file() and (folder / "vectors" / "manifest.json").is_file():
        return read_vectors(folder / "vectors", kind, mapped=mapped)
    if not path.is_file():
        raise UserError(f"{folder} holds no vectors (no manifest.json): name a run folder or its vectors/")
    try:
        manifest = unsealed(path.read_bytes())
        if manifest["kind"] != kind:
            raise UserError(f"{folder} holds {manifest['kind']}, not {kind}")
        if manifest["format"] != FORMAT:
            raise UserError(f"{path}: format {manifest['format']}, this version reads {FORMAT}")
        digests = manifest["sha256"]
        names = _path(folder, "names", digests["names"])
        if sha256(names) != digests["names"]:
            raise ValueError(f"{names.name} is not as it was written")
        read = array_file.mapped if mapped else read_arrays
        arrays = read(_path(folder, "arrays", digests["arrays"]), digests["arrays"])
        with pyarrow.OSFile(str(names)) as file:
            table = pyarrow.ipc.open_file(file).read_all()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{folder}: the vectors are damaged ({error}): save them again") from None
    return arrays, {name: table[name].to_pylist() for name in table.column_names}, manifest


def kind_of(folder: Path) -> str | None:
    """The "kind" a folder's `manifest.json` says it holds; None where there is no such file or field."""
    try:
        return json.loads((folder / "manifest.json").read_bytes()).get("kind")
    except (OSError, ValueError, AttributeError):
        return None


def _path(folder: Path, part: str, digest: str) -> Path:
    return folder / f"{part}_{digest[:16]}.{'safetensors' if part == 'arrays' else 'arrow'}"


def _write_names(folder: Path, columns: Mapping[str, Sequence[Any]]) -> str:
    table = pyarrow.table({name: pyarrow.array(values) for name, values in columns.items()})
    path = folder / "names.new"
    with pyarrow.OSFile(str(path), "wb") as file, pyarrow.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    return sha256(path)
