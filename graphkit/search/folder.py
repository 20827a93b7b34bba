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
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from graphkit.graphs.names import Names
from graphkit.search.filters import Column
from graphkit.search.name_lookup import NameLookup
from graphkit.vectors_folder import kind_of
from neuralcore.checkpoint import sealed, sha256, unsealed, write_text
from neuralcore.errors import UserError
from neuralcore.lazy import lazy_import

faiss = lazy_import("faiss", extra="cpu")
pyarrow = lazy_import("pyarrow")

FORMAT = 2
READ = (1, 2)  # 1: without gaps and attributes
KIND = "search_index"
SUFFIXES = {"index": ".faiss", "names": ".arrow"}
ATTRIBUTE = "attribute."  # before an attribute's name, in the columns of the names' file
OWN_FILE = re.compile(r"(index_[0-9a-f]{16}\.faiss|names_[0-9a-f]{16}\.arrow)|(index|names|manifest\.json)\.tmp")


@dataclass(frozen=True)
class Stored:
    """What an index is made of.

    Attributes:
        index: FAISS's. attributes: name -> `Column`. mapped: whether it lies in its file.
        details: plain values for the manifest: the metric, the factory string and how it was chosen.
    """

    index: Any
    lookup: NameLookup
    attributes: dict[str, Column]
    details: dict[str, Any]
    mapped: bool = False


def write_folder(folder: Path, stored: Stored) -> Path:
    """Write an index folder, in place of the one that may be there.

    Raises:
        UserError: it cannot be written (full disk, no permission), or the folder holds what is not a search index.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file: choose another folder for the index")
    if (folder / "manifest.json").exists() and kind_of(folder) != KIND:
        raise UserError(
            f"{folder} holds {kind_of(folder) or 'another manifest.json'}: choose another folder for the index"
        )
    table = _table(stored)

    def write_names(file: IO[bytes]) -> None:
        with pyarrow.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)

    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files = {
            # Through Python's file: FAISS's own does not notice that the last bytes met a full disk.
            "index": _write(
                folder, "index", lambda file: faiss.write_index(stored.index, faiss.PyCallbackIOWriter(file.write))
            ),
            "names": _write(folder, "names", write_names),
        }
        manifest = {
            "format": FORMAT,
            "kind": KIND,
            "rows": len(stored.lookup),
            "dimension": stored.index.d,
            **stored.details,
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


def read_folder(folder: Path, mapped: bool = False) -> Stored:
    """What a folder holds, every hash checked before its file is parsed.

    Raises:
        UserError: there is no index, another version wrote it, or a byte has changed.
    """
    manifest = _read_manifest(folder)
    paths = {}
    for name, digest in manifest["sha256"].items():
        paths[name] = _path(folder, name, digest)
        if not paths[name].is_file():
            raise UserError(f"{folder}: {paths[name].name} is missing: build the index again")
    with ThreadPoolExecutor(len(paths)) as pool:  # hashing leaves Python's lock alone
        for path, digest, wanted in zip(
            paths.values(), pool.map(sha256, paths.values()), manifest["sha256"].values()
        ):
            if digest != wanted:
                raise UserError(f"{path} is damaged: its SHA-256 is not the manifest's; build the index again")
    if mapped and not can_map():
        raise UserError(f"faiss {faiss.__version__} cannot map an index: install 1.11 or later, or load it unmapped")
    # This flag, and not the older IO_FLAG_MMAP, leaves flat vectors and graphs in the file, too.
    index = faiss.read_index(str(paths["index"]), faiss.IO_FLAG_MMAP_IFC if mapped else 0)
    if mapped:
        table = pyarrow.ipc.open_file(pyarrow.memory_map(str(paths["names"]))).read_all()
    else:
        with pyarrow.OSFile(str(paths["names"])) as file:
            table = pyarrow.ipc.open_file(file).read_all()
    return Stored(index, *_of_table(table), manifest, mapped)


def can_map() -> bool:
    """Whether this FAISS can leave an index in its file."""
    return hasattr(faiss, "IO_FLAG_MMAP_IFC")


def _table(stored: Stored) -> Any:
    """Names, titles, gaps and attributes as an Arrow table."""
    names, titles, removed = stored.lookup.parts()
    columns = {"name": names.arrow()}
    if titles is not None:
        columns["title"] = titles.arrow()
    if removed.any():
        columns["removed"] = pyarrow.array(removed)
    for name, column in stored.attributes.items():
        values = pyarrow.array(column.values)
        if column.texts is not None:
            values = pyarrow.DictionaryArray.from_arrays(values, pyarrow.array(column.texts, pyarrow.string()))
        columns[ATTRIBUTE + name] = values
    return pyarrow.table(columns)


def _of_table(table: Any) -> tuple[NameLookup, dict[str, Column]]:
    columns = dict(zip(table.column_names, table.columns))
    names, titles = Names.from_arrow(columns["name"]), columns.get("title")
    removed = columns["removed"].to_numpy().copy() if "removed" in columns else np.zeros(len(names), bool)
    lookup = NameLookup(names, None if titles is None else Names.from_arrow(titles), removed)
    attributes = {}
    for name, column in columns.items():
        if name.startswith(ATTRIBUTE):
            texts = None
            if pyarrow.types.is_dictionary(column.type):
                array = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
                column, texts = array.indices, array.dictionary.to_pylist()
            attributes[name.removeprefix(ATTRIBUTE)] = Column(column.to_numpy(), texts)
    return lookup, attributes


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / "manifest.json"
    if not path.is_file():
        raise UserError(f"{folder} holds no search index (no manifest.json): name the folder given to save")
    if kind_of(folder) not in (KIND, None):
        raise UserError(f"{folder} holds {kind_of(folder)}, not a search index")
    data = path.read_bytes()
    try:
        found = json.loads(data)["format"]
        if found not in READ:
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
