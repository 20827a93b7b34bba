"""The folder of one run: its resolved configuration, its lock, and where its parts lie.

runs/<name>/  config.toml  metrics.jsonl  events/  checkpoints/step_<N>/  agent/ or vectors/  video/  card.md
"""

from __future__ import annotations

import fcntl
import os
import tomllib
from pathlib import Path
from types import TracebackType
from typing import Any

from neuralcore.checkpoint import CheckpointStore, write_text
from neuralcore.config import to_toml
from neuralcore.errors import UserError


class RunFolder:
    """A run folder held by this process while the `with` block lasts.

    Args:
        path: the folder; made if missing.
        config: plain values to be written as `config.toml`. If the folder already holds a run, they must be equal
            to its own, but for the keys in `may_differ`.
        may_differ: top-level keys that a continued run may change (its length, its display).

    Raises:
        UserError: another process holds the folder, or its run had other settings (both values are named).
    """

    def __init__(self, path: str | Path, config: dict[str, Any], may_differ: tuple[str, ...] = ()):
        self.path = Path(path)
        self.checkpoints = CheckpointStore(self.path / "checkpoints")
        self._config, self._may_differ = config, may_differ

    def __enter__(self) -> RunFolder:
        if self.path.exists() and not self.path.is_dir():
            raise UserError(f"{self.path} is a file, not a run folder: choose another --run")
        self.path.mkdir(parents=True, exist_ok=True)
        # The lock dies with the process, so a `kill -9` leaves nothing to clean up.
        self._lock = open(self.path / ".lock", "a+", encoding="ascii")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.seek(0)
            holder = self._lock.read().strip() or "unknown"
            self._lock.close()
            raise UserError(
                f"{self.path} is in use by process {holder}: wait for it or choose another --run"
            ) from None
        try:
            self._write_or_compare()
        except BaseException:
            self._lock.close()
            raise
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()))
        self._lock.flush()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.close()

    def _write_or_compare(self) -> None:
        path = self.path / "config.toml"
        if path.exists() and self.checkpoints.steps():
            earlier = _flat(tomllib.loads(path.read_text(encoding="utf-8")))
            current = _flat(self._config)
            for key in sorted(earlier.keys() | current.keys()):
                if key not in self._may_differ and earlier.get(key) != current.get(key):
                    raise UserError(
                        f"{self.path} holds a run with {key} = {earlier.get(key)!r}, not {current.get(key)!r}: "
                        f"keep that value to go on, or choose another --run"
                    )
        write_text(path, to_toml(self._config))


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            out |= _flat(value, f"{prefix}{key}.")
        else:
            out[prefix + key] = list(value) if isinstance(value, tuple) else value
    return out
