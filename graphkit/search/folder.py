"""How a search index lies on disk: written so that at every instant a whole one is there, read only if unchanged.

    <folder>/  index_<16 hex digits>.faiss  names_<16 hex digits>.arrow  manifest.json

The digits are the beginning of the file's SHA-256, so a new index never overwrites a file of the old one: the
replacing of `manifest.json`, one atomic rename, is the moment the new one is there. What no manifest names is swept
away after that. The manifest holds the hash of each file and of itself.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

from graphkit.vectors_folder import kind_of
from neuralcore.checkpoint import sealed, sha256, unsealed, write_text
from neuralcore.errors import UserError
from neuralcore.lazy import lazy_import

faiss = lazy_import("faiss", extra="cpu")
pyarrow = lazy_import("pyarrow")

FORMAT = 1
KIND = "search_index"
SUFFIXES = {"index": ".faiss", "names": ".arrow"}
OWN_FILE = re.compile(r"(index_[0-9a-f]{16}\.faiss|names_[0-9a-f]{16}\.arrow)|(index|names|manifest\.json)\.tmp")


def write_folder(
    folder: Path, index: Any, names: Sequence[str], titles: Sequence[str] | None, description: dict[str, Any]
) -> Path:
    """Write an index folder, in place of the one that may be there; `description` goes into the manifest.

    Raises:
        UserError: it cannot be written (full disk, no permission), or the folder holds what is not a search index.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file: choose another folder for the index")
    if (folder / "manifest.json").exists() and kind_of(folder) != KIND:
        raise UserError(
            f"{folder} holds {kind_of(folder) or 'another manifest.json'}: choose another folder for the index"
        )

    def write_names(file: IO[bytes]) -> None:
        columns = {"name": pyarrow.array(names, pyarrow.string())}
        if titles is not None:
            columns["title"] = pyarrow.array(titles, pyarrow.string())
        table = pyarrow.table(columns)
        with pyarrow.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)

    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files = {
            # Through Python's file: FAISS's own does not notice that the last bytes met a full disk.
            "index": _write(
                folder, "index", lambda file: faiss.write_index(index, faiss.PyCallbackIOWriter(file.write))
            ),
            "names": _write(folder, "names", write_names),
        }
        manifest = {
            "format": FORMAT,
            "kind": KIND,
            "rows": len(names),
            "dimension": index.d,
            **description,
            "sha256": files,
        }
        write_text(folder / "manifest.json", sealed(manifest))
    except OSError as error:
        raise UserError(
            f"the index could not be written to {folder} ({error.strerror}); what was there before is intact"
        ) from None
    finally:
        _sweep(folder, remove=made)
    return folder


def read_folder(folder: Path) -> tuple[Any, list[str], list[str] | None, dict[str, Any]]:
    """The FAISS index, names, titles and manifest of a folder, every hash checked before its file is parsed.

    Raises:
        UserError: there is no index, another version wrote it, or a byte has changed.
    """
    manifest = _read_manifest(folder)
    paths = {}
    for name, digest in manifest["sha256"].items():
        paths[name] = _path(folder, name, digest)
        if not paths[name].is_file():
            raise UserError(f"{folder}: {paths[name].name} is missing: build the index again")
        if sha256(paths[name]) != digest:
            raise UserError(f"{paths[name]} is damaged: its SHA-256 is not the manifest's; build the index again")
    with pyarrow.OSFile(str(paths["names"])) as file:
        table = pyarrow.ipc.open_file(file).read_all()
    titles = table["title"].to_pylist() if "title" in table.column_names else None
    return faiss.read_index(str(paths["index"])), table["name"].to_pylist(), titles, manifest


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / "manifest.json"
    if not path.is_file():
        raise UserError(f"{folder} holds no search index (no manifest.json): name the folder given to save")
    if kind_of(folder) not in (KIND, None):
        raise UserError(f"{folder} holds {kind_of(folder)}, not a search index")
    data = path.read_bytes()
    try:
        found = json.loads(data)["format"]
        if found != FORMAT:
            raise UserError(f"{path}: format {found}, this version reads {FORMAT}: build the index again")
        return unsealed(data)
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path} is damaged: it is not as it was written; build the index again") from None


def _path(folder: Path, name: str, digest: str) -> Path:
    return folder / f"{name}_{digest[:16]}{SUFFIXES[name]}"


def _write(folder: Path, name: str, write: Callable[[IO[bytes]], None]) -> str:
    """One file under the name its hash gives it, fsynced; returns the hash."""
    temporary = folder / f"{name}.tmp"
    with open(temporary, "wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
    digest = sha256(temporary)
    os.replace(temporary, _path(folder, name, digest))
    return digest


def _sweep(folder: Path, remove: bool) -> None:
    """Remove our files that the manifest on disk does not name, and with `remove` a folder left empty."""
    if not folder.is_dir():
        return
    try:
        named = json.loads((folder / "manifest.json").read_bytes())["sha256"]
        kept = {_path(folder, name, digest) for name, digest in named.items()}
    except FileNotFoundError:
        kept = set()
    except (ValueError, KeyError, TypeError, AttributeError):
        return  # an old manifest that cannot be read: nothing of it is ours to judge
    for path in folder.iterdir():
        if OWN_FILE.fullmatch(path.name) and path not in kept:
            path.unlink(missing_ok=True)
    if remove and not any(folder.iterdir()):
        folder.rmdir()
