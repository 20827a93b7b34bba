"""Real data small enough to ship: `tinyshakespeare`, a text, and `wn18rr`, a knowledge graph.

A command takes one as `sample:tinyshakespeare`; in Python, `samples.path("wn18rr")` is where it lies.
"""

from __future__ import annotations

from pathlib import Path

from neuralcore.errors import UserError, nearest

SAMPLES = {"tinyshakespeare": "tinyshakespeare/tinyshakespeare.txt.xz", "wn18rr": "wn18rr"}
PREFIX = "sample:"


def path(name: str) -> Path:
    """The file or folder of a sample.

    Raises:
        UserError: there is no such sample.
    """
    if name not in SAMPLES:
        raise UserError(f"no sample {name!r}: {nearest(name, SAMPLES)}")
    return Path(__file__).parent / SAMPLES[name]


def resolve(source: str | Path) -> Path:
    """A path as given, or a sample's for `sample:<name>`."""
    text = str(source)
    return path(text.removeprefix(PREFIX)) if text.startswith(PREFIX) else Path(source)
