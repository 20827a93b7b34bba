"""Texts that have been read, kept on disk: their vocabulary and their ids, to be used again for the same text.

    <folder>/<16 hex digits>/  ids.npy  words.json  manifest.json

The digits begin the SHA-256 of the files' contents and of all that decides what is made of them; so names and times
do not matter, and a changed byte does. An entry is written beside (`new_…`) and renamed when it is whole; what a
killed process left there is removed by the next. Loading checks every hash first; a damaged entry is named and made
anew. The folder may be deleted at any time when nothing is being trained.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import shutil
import sys
import tempfile
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from graphkit.text_files import RawFile
from graphkit.words.corpus import RULES, SENTENCE_LENGTH, Corpus
from graphkit.words.stream import Scan, WordStream
from graphkit.words.vocabulary import Vocabulary
from neuralcore.checkpoint import sealed, sha256, sync, unsealed, write_text
from neuralcore.errors import UserError

FORMAT = 1


def read(corpus: Corpus, min_count: int, folder: Path, threads: int) -> WordStream:
    """As `graphkit.words.stream.read`: from the folder if the same text was read before, otherwise into it."""
    made_from = settings(corpus, min_count)
    found = _find(folder, corpus, made_from)
    if found is not None:
        return found
    try:
        with _new_entry(folder) as entry:
            digests: list[dict[str, Any]] = []
            with tempfile.TemporaryFile(dir=entry) as aside:
                scan = Scan(corpus, aside, threads, digests)
                vocabulary = scan.vocabulary(min_count)
                _write_ids(entry / "ids.npy", scan, vocabulary, min_count)
            _write_rest(entry, vocabulary, made_from, digests)
            stream = WordStream(vocabulary, np.load(entry / "ids.npy", mmap_mode="r"))
            final = folder / _key(made_from, digests)
            with _locked(folder, fcntl.LOCK_EX):
                # There only if it was damaged, or if another process has been as quick; who uses it keeps the file.
                shutil.rmtree(final, ignore_errors=True)
                os.rename(entry, final)
            sync(folder)
    except OSError as error:
        raise UserError(
            f"{folder} could not be written ({error.strerror}): free some space, or name another folder"
        ) from None
    return stream


def settings(corpus: Corpus, min_count: int) -> dict[str, Any]:
    """All but the text that decides what its words and numbers are."""
    named = corpus.tokenizer in RULES
    return {
        "tokenizer": corpus.tokenizer if named else sha256(Path(corpus.tokenizer)),
        "lowercase": corpus.lowercase,
        "min_count": min_count,
        "sentence_length": SENTENCE_LENGTH,
        "unicode": unicodedata.unidata_version,
    }


def _key(made_from: dict[str, Any], digests: list[dict[str, Any]]) -> str:
    return hashlib.sha256(json.dumps([FORMAT, made_from, digests]).encode()).hexdigest()[:16]


def _find(folder: Path, corpus: Corpus, made_from: dict[str, Any]) -> WordStream | None:
    """The entry of this text; its files are hashed only if there is one with files of the same sizes."""
    sizes = [path.stat().st_size for path in corpus.paths]
    digests: list[dict[str, Any]] = []
    for path in sorted(folder.glob("*/manifest.json")):
        if path.parent.name.startswith("new_"):
            continue
        try:
            manifest = unsealed(path.read_bytes())
            if manifest["format"] != FORMAT or manifest["settings"] != made_from:
                continue
            if [file["size"] for file in manifest["files"]] != sizes:
                continue
            digests = digests or [_digest(file) for file in corpus.paths]
            if manifest["files"] != digests:
                continue
            return _load(path.parent, manifest)
        except (OSError, ValueError, KeyError, TypeError) as error:
            print(f"{path.parent} is damaged ({error}): reading the text again", file=sys.stderr)
    return None


def _digest(path: Path) -> dict[str, Any]:
    raw = RawFile(path, hashed=True)
    try:
        return raw.digest()
    finally:
        raw.close()


def _load(entry: Path, manifest: dict[str, Any]) -> WordStream:
    for name, digest in manifest["sha256"].items():
        if sha256(entry / name) != digest:
            raise ValueError(f"{name} is not as it was written")
    words = json.loads((entry / "words.json").read_bytes())
    return WordStream(Vocabulary(words["words"], words["counts"]), np.load(entry / "ids.npy", mmap_mode="r"))


def _write_ids(path: Path, scan: Scan, vocabulary: Vocabulary, min_count: int) -> None:
    with open(path, "wb") as file:
        # The header has room for any length, so it is written again when the length is known.
        length = 0
        np.lib.format.write_array_header_1_0(file, _header(length))
        for piece in scan.ids(vocabulary, min_count):
            file.write(piece.data)
            length += len(piece)
        file.seek(0)
        np.lib.format.write_array_header_1_0(file, _header(length))
        file.flush()
        os.fsync(file.fileno())


def _header(length: int) -> dict[str, Any]:
    return {"descr": "<i4", "fortran_order": False, "shape": (length,)}


def _write_rest(
    entry: Path, vocabulary: Vocabulary, made_from: dict[str, Any], digests: list[dict[str, Any]]
) -> None:
    words = {"words": vocabulary.words, "counts": vocabulary.counts.tolist()}
    write_text(entry / "words.json", json.dumps(words, ensure_ascii=False))
    hashes = {name: sha256(entry / name) for name in ("ids.npy", "words.json")}
    manifest = {"format": FORMAT, "settings": made_from, "files": digests, "sha256": hashes}
    write_text(entry / "manifest.json", sealed(manifest))


@contextlib.contextmanager
def _new_entry(folder: Path) -> Iterator[Path]:
    """A folder to write into, and no trace of it (nor of the folders it needed) if that fails."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    entry = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder, fcntl.LOCK_EX):
            for left in folder.glob("new_*"):
                with contextlib.suppress(BlockingIOError), _locked(left, fcntl.LOCK_EX | fcntl.LOCK_NB):
                    shutil.rmtree(left)  # its process is dead, or it would hold the lock
            entry = folder / f"new_{secrets.token_hex(8)}"
            entry.mkdir()
            lock = os.open(entry, os.O_RDONLY)
            fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield entry
        finally:
            os.close(lock)
    except BaseException:
        if entry is not None:
            shutil.rmtree(entry, ignore_errors=True)
        for path in made:
            with contextlib.suppress(OSError):  # another process may have put something there
                path.rmdir()
        raise


@contextlib.contextmanager
def _locked(folder: Path, how: int) -> Iterator[None]:
    """A lock on a folder, which dies with the process."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)
