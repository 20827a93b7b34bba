"""The folder of one run: its resolved configuration, its lock, and where its parts lie.

runs/<name>/  config.toml  metrics.jsonl  events/  checkpoints/step_<N>/  agent/ or vectors/  video/  card.md
"""

from __future__ import annotations

import fcntl
import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from neuralcore.checkpoint import CheckpointStore, write_text
from neuralcore.config import NONE, read_toml, to_toml
from neuralcore.errors import UserError


class RunFolder:
    """A run folder held by this process while the `with` block lasts.

    Args:
        path: the folder; made if missing.
        config: plain values to be written as `config.toml`. If the folder already holds a run, they must be equal
            to its own, but for the keys in `may_differ`.
        may_differ: keys that a continued run may change (its length, its display), as `steps` or `dqn.replay_folder`.
        defaults: plain values like `config`'s, which stand for what a run does not name that is older than some of
            the keys. Runs once left out what was None, so for them that stands too.

    Raises:
        UserError: another process holds the folder, or its run had other settings (both values are named).
    """

    def __init__(
        self,
        path: str | Path,
        config: dict[str, Any],
        may_differ: tuple[str, ...] = (),
        defaults: dict[str, Any] | None = None,
    ):
        self.path = Path(path)
        self.checkpoints = CheckpointStore(self.path / "checkpoints")
        self._config, self._may_differ, self._defaults = config, may_differ, defaults or {}

    @staticmethod
    def check(path: Path) -> None:
        """Refuse a file, as entering does; for who has long work to do before."""
        if path.exists() and not path.is_dir():
            raise UserError(f"{path} is a file, not a run folder: choose another --run")

    def __enter__(self) -> RunFolder:
        self.check(self.path)
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
            earlier = read_toml(path)
            named, current = flat(earlier), flat(self._config)
            meant = flat(completed(earlier, self._config, self._defaults))
            for key in sorted(meant.keys() | current.keys()):
                if key in self._may_differ:
                    continue
                if meant.get(key) != current.get(key):
                    raise UserError(
                        f"{self.path} holds a run with {key} = {meant.get(key)!r}, not {current.get(key)!r}: "
                        f"keep that value to go on, or choose another --run"
                    )
                if key not in named and current[key] is not None:
                    print(
                        f"{path} does not name {key}, which is newer than it or was None: going on with "
                        f"{current[key]!r}",
                        file=sys.stderr,
                    )
        write_text(path, to_toml(self._config))


def completed(earlier: dict[str, Any], current: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """The settings of a run that was kept before some keys were there: what is missing has its default.

    Runs once left out what was None, and their files, which name no None at all, do not tell that from a key that is
    newer. So where None is what is asked for now, it was None then.
    """
    known, asked, default = flat(earlier), flat(current), flat(defaults)
    tells = None in known.values()
    missing = {k: default[k] for k in default.keys() - known.keys()}
    return known | {k: None if asked.get(k) is None and not tells else v for k, v in missing.items()}


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as one, whose keys have the names of the tables in front: `dqn.hidden`."""
    out: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            out |= flat(value, f"{prefix}{key}.")
        else:
            out[prefix + key] = list(value) if isinstance(value, tuple) else None if value == NONE else value
    return out
