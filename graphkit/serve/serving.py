"""Which index is served: loaded, watched on disk, and exchanged for a new one while readers go on.

`SearchIndex.save` and the runs write a folder so that replacing its `manifest.json` is the one moment at which new
contents are there. So the manifest is looked at once a second. A new one is loaded and checked beside the old; only
then is one reference exchanged. What is damaged or does not fit is refused, and the old one goes on: its mapped files
stay readable after they were unlinked.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import sys
import threading
import time
from pathlib import Path
from typing import Any, Literal

import numpy as np

from graphkit.search.folder import KIND
from graphkit.search.index import SearchIndex
from graphkit.search.opened import Opened
from graphkit.search.plane import FOLDER as MAP
from graphkit.search.plane import Plane, read_plane
from graphkit.search.rows import read_source
from graphkit.search.text_encoder import SIFEncoder
from graphkit.serve.metrics import Metrics
from graphkit.serve.served import Served
from neuralcore.errors import UserError

WEIGHT = 1e-4  # SIF's a, see `graphkit.search.text_encoder`
COMPARED = 100  # names of which a model's vectors have to be the index's
ALIKE = 0.999  # cosine of two vectors that are the same but for rounding
TRIES = 5  # loads of a folder that is written meanwhile


class StillWrittenError(UserError):
    """The folder changes faster than it can be loaded: nothing is wrong with it, and it is looked at again."""


class Serving:
    """What is served now.

    Args:
        folder: a run folder, its `vectors/`, or a saved index. model: a folder of vectors that encode texts or answer
            relations, beside a saved index; None where the folder is a run, or for none.
        metric, factory, recall: of an index that is built from a run's vectors, see `SearchIndex.build`.

    Attributes:
        now: the `Served` that requests begin with; each takes it once.

    Raises:
        UserError: nothing there can be served.
    """

    def __init__(
        self,
        folder: Path,
        model: Path | None = None,
        *,
        metric: Literal["cosine", "dot", "l2"] | None = None,
        factory: str | None = None,
        recall: float | None = None,
        metrics: Metrics | None = None,
    ):
        self._folder, self._model, self._settings = folder, model, (metric, factory, recall)
        self._places = [Opened(each).place for each in (folder, model) if each is not None]
        self._map = self._places[0] / MAP / "manifest.json"
        self._metrics, self._lock = metrics or Metrics(), threading.Lock()
        self._stamp = self._stamps()
        self._loaded: list[bytes] = []  # the manifests of what is served now, without that of a map
        self.now: Served = self._load()

    def look(self) -> None:
        """Reload where the folder holds something other than when it was last looked at.

        Raises:
            UserError: as `reload`, once for each that is refused.
        """
        if (stamp := self._stamps()) != self._stamp:
            self._stamp = stamp  # first: what is written while it is loaded is looked at again
            with contextlib.suppress(StillWrittenError):
                self.reload()

    def warm(self) -> None:
        """Sort the names of what is served now without regard to case, for which a first query would wait."""
        _ = self.now.index._lookup.folded

    def reload(self) -> bool:
        """Serve what the folder holds now; returns whether that is something else.

        Raises:
            UserError: it cannot be served; the old one goes on.
        """
        with self._lock:
            try:
                if self._version() == self.now.version:
                    return False
                start = time.monotonic()
                new = self._load()
            except StillWrittenError:
                raise
            except UserError:
                self._metrics.count("refused_indexes_total")
                raise
            if new.version == self.now.version:
                return False
            _ = new.index._lookup.folded  # while the old one answers
            old, self.now = self.now, new  # the one moment
            self._metrics.count("swaps_total")
            seconds = time.monotonic() - start
            say(f"{new.version} in place of {old.version}: {len(new.index):,} rows, loaded in {seconds:.2f} s")
            return True

    def _load(self) -> Served:
        """What the folders hold, all of one version."""
        for _ in range(TRIES):
            before = self._manifests()
            whole = before[: len(self._places)]
            try:
                if whole == self._loaded:  # another map alone
                    served = dataclasses.replace(self.now, version=version_of(before))
                else:
                    served = load(self._folder, self._model, version_of(before), *self._settings)
            except UserError:
                if self._manifests() == before:
                    raise
                continue  # its files went when a new manifest came: there is something new to load
            served = dataclasses.replace(served, plane=self._plane(before[0], served.index))
            if self._manifests() == before:
                self._loaded = whole
                return served
        raise StillWrittenError(f"{self._places[0]} is written anew faster than it can be loaded: try again")

    def _plane(self, manifest: bytes, index: SearchIndex) -> Plane | None:
        """The map that was made beforehand; one that does not fit is no reason not to serve the index."""
        try:
            return read_plane(self._places[0], manifest, index)
        except UserError as error:
            say(str(error))
            return None

    def _manifests(self) -> list[bytes]:
        try:
            found = [(place / "manifest.json").read_bytes() for place in self._places]
        except OSError as error:
            raise UserError(f"{error.filename} cannot be read: {error.strerror}") from None
        with contextlib.suppress(OSError):  # most have none
            found.append(self._map.read_bytes())
        return found

    def _version(self) -> str:
        return version_of(self._manifests())

    def _stamps(self) -> list[Any]:
        stamps: list[Any] = []
        for path in (*(place / "manifest.json" for place in self._places), self._map):
            try:
                found = path.stat()
                stamps.append((found.st_ino, found.st_mtime_ns, found.st_size))
            except OSError as error:
                stamps.append(error.errno)
        return stamps


def version_of(manifests: list[bytes]) -> str:
    """16 hex digits."""
    return hashlib.sha256(b"".join(hashlib.sha256(each).digest() for each in manifests)).hexdigest()[:16]


def load(
    folder: Path,
    model: Path | None = None,
    version: str = "",
    metric: Literal["cosine", "dot", "l2"] | None = None,
    factory: str | None = None,
    recall: float | None = None,
) -> Served:
    """Index and model of the folders, checked against each other; see `Serving`.

    Raises:
        UserError: one is damaged or of another kind, or they are not of the same vectors.
    """
    opened = Opened(folder, metric, factory, recall)
    if model is not None and opened.kind != KIND:
        raise UserError(f"{folder} holds vectors, which are the model themselves: leave --model out")
    source = opened if model is None else Opened(model)
    if model is not None and source.kind == KIND:
        raise UserError(f"{model} holds an index, not a model: name the run that the index was saved from")
    index = opened.index
    words, relations = None, None
    if source.kind == "word_vectors":
        # No text is known to learn from what all texts share, so nothing is taken out: weighed means alone.
        counted = source.words.config is not None
        counts = dict(zip(source.words.words, source.words.vocabulary.counts.tolist())) if counted else {}
        words = SIFEncoder(source.words, counts, np.zeros((0, index.dimension)), WEIGHT)
    elif source.kind == "graph_embedding":
        relations = source.relations
    if model is not None:
        _check_same(index, source, model)
    known = index.names[0] in index  # builds the table of names, for which the first request would wait
    assert known
    return Served(index, version, words, relations)


def _check_same(index: SearchIndex, source: Opened, model: Path) -> None:
    """Refuse a model whose vectors are not those of the index: what it encodes would be compared with others.

    Raises:
        UserError: they are not.
    """
    vectors = source.words if source.kind == "word_vectors" else source.embedding.entities
    matrix, lookup, _ = read_source(vectors, None, None, None)
    names = lookup.names
    if matrix.shape[1] != index.dimension:
        raise UserError(
            f"{model} has vectors of {matrix.shape[1]} numbers and the index of {index.dimension}: name the run that "
            "the index was saved from"
        )
    some = np.linspace(0, len(names) - 1, min(len(names), COMPARED)).astype(int).tolist()
    known = [row for row in dict.fromkeys(some) if names[row] in index]
    for row in known:
        mine, its = index.vector(names[row]).astype(np.float64), matrix[row].astype(np.float64)
        if mine @ its < ALIKE * np.linalg.norm(mine) * np.linalg.norm(its):
            raise UserError(f"{names[row]!r} has another vector in {model} than in the index: save the index again")
    if not known:
        raise UserError(f"{model} and the index have no names in common: name the run that the index was saved from")


def say(text: str) -> None:
    """A line of the service's log."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
