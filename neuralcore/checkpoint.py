"""State on disk that survives `kill -9`, a full disk and a flipped bit, and that no one can hide code in.

A checkpoint is a folder `step_<N>/` of shards and a `manifest.json`. Writing order, so that at every instant a
whole checkpoint exists:

1. shards into `step_<N>.tmp/`, each fsynced;
2. `manifest.json` with every shard's size and SHA-256 and the plain-value state (counters, generators), fsynced;
3. rename to `step_<N>/`, fsync the parent; 4. `LATEST` by temporary file, fsync and rename;
5. only then older checkpoints are pruned, two are kept.

Loading hashes every byte first; a damaged checkpoint is named aloud and the previous good one is taken.
Arrays are safetensors, everything else JSON: nothing is ever pickled. A shard that has not changed since the last
checkpoint (a full segment of a replay buffer) is hard-linked instead of written again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from neuralcore import array_file
from neuralcore.errors import UserError

FORMAT = 1
KEPT = 2


@dataclass
class Shard:
    """Arrays that are written together as one safetensors file.

    Attributes:
        arrays: name -> NumPy array (of any numeric dtype); None where they are not in memory, and are as they were in
            the last checkpoint.
        version: a number that changes whenever the arrays do; equal to the last checkpoint's, the file is linked
            instead of written. None: always written.
    """

    arrays: Mapping[str, np.ndarray] | None
    version: int | None = None


@dataclass
class Checkpoint:
    """What was loaded: `step`, the plain-value `state`, and `shards[name][array]`."""

    step: int
    state: dict[str, Any]
    shards: dict[str, dict[str, np.ndarray]]
    folder: Path = field(default_factory=Path)


class CheckpointStore:
    """The checkpoints of one run.

    Args:
        folder: where `step_<N>/` folders go; made at the first save.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        # shard name -> (version, file) of the newest checkpoint this process wrote or loaded
        self._written: dict[str, tuple[int | None, Path]] = {}

    def save(self, step: int, state: dict[str, Any], shards: Mapping[str, Shard]) -> Path:
        """Write one checkpoint; returns its folder. A failure leaves the older ones as they were."""
        return self.begin(step, state, shards)()

    def begin(self, step: int, state: dict[str, Any], shards: Mapping[str, Shard]) -> Callable[[], Path]:
        """Hand the arrays to the operating system, and return the rest of `save`, which waits for the disk.

        After this the arrays may change. The rest may run in another thread; it has to be done before the next save
        begins, and before `read`.
        """
        final = self.folder / f"step_{step}"
        temporary = self.folder / f"step_{step}.tmp"
        files: dict[str, Any] = {}
        with self._failing(final, temporary):
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
            for name, shard in shards.items():
                path = temporary / f"{name}.safetensors"
                known = self._written.get(name)
                if shard.version is not None and known and known[0] == shard.version and known[1].exists():
                    os.link(known[1], path)
                    digest = self._digests[name]
                elif shard.arrays is None:
                    raise ValueError(f"shard {name} is neither in memory nor in the last checkpoint")
                else:
                    with open(path, "wb") as file:
                        digest = array_file.write(file, shard.arrays)
                files[name] = {"size": path.stat().st_size, "sha256": digest, "version": shard.version}
        manifest = json.dumps({"format": FORMAT, "step": step, "shards": files, "state": state}, allow_nan=False)

        def finish() -> Path:
            with self._failing(final, temporary):
                for name in files:
                    sync(temporary / f"{name}.safetensors")
                _write_bytes(temporary / "manifest.json", manifest.encode())
                sync(temporary)
                if final.exists():
                    shutil.rmtree(final)
                os.rename(temporary, final)
                sync(self.folder)
                write_text(self.folder / "LATEST", final.name)
            self._remember(final, files)
            self._prune(keep=final)
            return final

        return finish

    @contextlib.contextmanager
    def _failing(self, final: Path, temporary: Path) -> Iterator[None]:
        """What could not be written is removed, and said."""
        try:
            yield
        except OSError as error:
            shutil.rmtree(temporary, ignore_errors=True)
            raise UserError(
                f"checkpoint {final} could not be written ({error.strerror}); the previous one is intact"
            ) from None

    def read(self, name: str, into: Mapping[str, np.ndarray] | None = None) -> dict[str, np.ndarray]:
        """The arrays of one shard of the last checkpoint that was saved or loaded, their hash checked.

        Args:
            into: arrays to fill, see `array_file.read`.

        Raises:
            UserError: the file is not as it was written.
        """
        path = self._written[name][1]
        try:
            return array_file.read(path, self._digests[name], into)
        except (OSError, ValueError) as error:
            raise UserError(
                f"{path} is damaged ({error}): run again, to go on from the checkpoint before it"
            ) from None

    def prefetch(self, name: str) -> None:
        """Ask the operating system to have a shard of the last checkpoint in memory by the time it is read."""
        if hasattr(os, "posix_fadvise"):
            with open(self._written[name][1], "rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)

    def steps(self) -> list[int]:
        """The steps that have a checkpoint folder, oldest first (whole or damaged)."""
        if not self.folder.is_dir():
            return []
        names = [p.name for p in self.folder.iterdir() if p.is_dir() and p.name.startswith("step_")]
        return sorted(int(n[5:]) for n in names if n[5:].isdigit())

    def load(self, later: Callable[[str], bool] = lambda name: False) -> Checkpoint | None:
        """The newest checkpoint whose every hash is right, or None where there is none at all.

        Args:
            later: of a shard's name, whether its file is only to be checked now, and `read` when it is wanted.

        Raises:
            UserError: there are checkpoints, and all of them are damaged: never a silent new start.
        """
        steps = self.steps()
        problems = []
        for step in reversed(steps):
            folder = self.folder / f"step_{step}"
            try:
                checkpoint = self._read(folder, later)
            except (OSError, ValueError, KeyError, TypeError) as error:
                problems.append(f"{folder}: {error}")
                continue
            for problem in problems:
                print(f"checkpoint damaged, going on from step {step}: {problem}", file=sys.stderr)
            return checkpoint
        if problems:
            raise UserError(
                f"every checkpoint is damaged ({'; '.join(problems)}): move {self.folder} away to start anew"
            )
        return None

    def _read(self, folder: Path, later: Callable[[str], bool]) -> Checkpoint:
        manifest = json.loads((folder / "manifest.json").read_bytes())
        if manifest["format"] != FORMAT:
            raise ValueError(f"format {manifest['format']}, this version reads {FORMAT}")
        shards = {}
        for name, entry in manifest["shards"].items():
            if Path(name).name != name:
                raise ValueError(f"shard name {name!r} leaves the folder")
            path = folder / f"{name}.safetensors"
            if later(name):
                array_file.verify(path, entry["sha256"])
            else:
                shards[name] = array_file.read(path, entry["sha256"])
        self._remember(folder, manifest["shards"])
        return Checkpoint(int(manifest["step"]), manifest["state"], shards, folder)

    def _remember(self, folder: Path, files: dict[str, Any]) -> None:
        self._written = {n: (f["version"], folder / f"{n}.safetensors") for n, f in files.items()}
        self._digests = {n: f["sha256"] for n, f in files.items()}

    def _prune(self, keep: Path) -> None:
        older = [self.folder / f"step_{s}" for s in self.steps() if self.folder / f"step_{s}" != keep]
        for folder in older[: max(len(older) - (KEPT - 1), 0)]:
            shutil.rmtree(folder, ignore_errors=True)
        for leftover in self.folder.glob("step_*.tmp"):
            shutil.rmtree(leftover, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Replace a small file in one step: a reader sees the old text or the new, never half of either."""
    temporary = path.with_name(path.name + ".tmp")
    _write_bytes(temporary, text.encode())
    os.replace(temporary, path)
    sync(path.parent)


def sealed(manifest: Mapping[str, Any]) -> str:
    """A manifest as JSON that carries its own hash, in the one way it can be written: any other byte is damage."""
    body = json.dumps(manifest, indent=1, ensure_ascii=False)
    seal = hashlib.sha256(body.encode()).hexdigest()
    return json.dumps({**manifest, "seal": seal}, indent=1, ensure_ascii=False) + "\n"


def unsealed(data: bytes) -> dict[str, Any]:
    """The manifest that `sealed` wrote.

    Raises:
        ValueError: a byte has changed since.
    """
    try:
        manifest = json.loads(data)
        del manifest["seal"]
        whole = sealed(manifest).encode() == data
    except (ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise ValueError("the manifest is not as it was written")
    return manifest


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_arrays(path: Path, expected_sha256: str) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file whose hash is checked before a byte of it is parsed.

    Raises:
        ValueError: the file is not the one that was written.
    """
    return array_file.read(path, expected_sha256)


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> str:
    """Write arrays as a safetensors file, in one step and fsynced; returns its SHA-256."""
    temporary = path.with_name(path.name + ".tmp")
    with open(temporary, "wb") as file:
        digest = array_file.write(file, arrays)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    sync(path.parent)
    return digest


def _write_bytes(path: Path, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync(folder: Path) -> None:
    """Make a file, or the names inside a folder, durable (a rename is not until its folder is synced)."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
