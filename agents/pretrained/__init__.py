"""Trained agents small enough to ship: `pong_a2c`, which plays Pong from pixels.

A command takes one as `pretrained:pong_a2c`; in Python, `agents.load("pretrained:pong_a2c")` acts at once. Each is
a folder as `rlkit export` writes it; its `card.md` says how it was trained and how well it plays.
"""

from __future__ import annotations

from pathlib import Path

from neuralcore.errors import UserError, nearest

PREFIX = "pretrained:"
_HERE = Path(__file__).parent


def names() -> list[str]:
    """The agents that are shipped."""
    return sorted(path.parent.name for path in _HERE.glob("*/card.md"))


def resolve(source: str | Path) -> Path:
    """A path as given, or a shipped agent's for `pretrained:<name>`.

    Raises:
        UserError: no such agent is shipped.
    """
    text = str(source)
    if not text.startswith(PREFIX):
        return Path(source)
    name = text.removeprefix(PREFIX)
    if name not in names():
        raise UserError(f"no pretrained agent {name!r}: {nearest(name, names())}")
    return _HERE / name
