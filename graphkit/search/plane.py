"""Where rows of an index lie in the plane, laid out beforehand, and kept beside the index or the vectors of a run.

    <folder>/map/  points_<16 hex digits>.safetensors  manifest.json

The manifest holds the hash of the points, its own, and that of the `manifest.json` whose rows they are: rows that
were saved anew have no map until one is made of them. Replacing the map's manifest is the one moment at which a new
map is there.

Axes: N rows, M of them in the plane.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from graphkit.vectors_folder import kind_of
from neuralcore.checkpoint import read_arrays, sealed, unsealed, write_arrays, write_text
from neuralcore.errors import UserError

if TYPE_CHECKING:
    from graphkit.search.index import SearchIndex

FORMAT = 1
KIND = "map"
FOLDER = "map"
POINTS = 50_000  # of a map at most: as many as the page draws smoothly


@dataclass(frozen=True)
class Plane:
    """Rows and their points.

    Attributes:
        rows: (M,) int64. points: (M, 2) float32, in [-1, 1].
        details: plain values: the metric of the index, and how the points were found.
    """

    rows: np.ndarray
    points: np.ndarray
    details: dict[str, Any]


def rows_to_show(index: SearchIndex, count: int, by_frequency: bool) -> np.ndarray:
    """(M,) `count` of the rows, or all: the first where rows come by frequency, as words do, and else evenly spread
    ones, for those of a graph come type by type."""
    rows = np.flatnonzero(~index._lookup.removed)
    if len(rows) <= count:
        return rows
    return rows[:count] if by_frequency else rows[np.linspace(0, len(rows) - 1, count).astype(int)]


def in_unit_square(points: np.ndarray) -> np.ndarray:
    """(M, 2) float32: points (M, 2) scaled alike in both directions, to at most 1."""
    return (points / max(float(np.abs(points).max(initial=0.0)), 1e-30)).astype(np.float32)


def write_plane(place: Path, plane: Plane) -> Path:
    """Write the map of what the folder `place` holds, instead of the one that was there; returns its folder.

    Raises:
        UserError: it cannot be written; what was there before is intact.
    """
    folder = place / FOLDER
    if (folder / "manifest.json").exists() and kind_of(folder) not in (KIND, None):
        raise UserError(f"{folder} holds {kind_of(folder)}, not a map: move it away")
    try:
        of = hashlib.sha256((place / "manifest.json").read_bytes()).hexdigest()
        folder.mkdir(exist_ok=True)
        digest = write_arrays(folder / "points.new", {"rows": plane.rows, "points": plane.points})
        (folder / "points.new").replace(_path(folder, digest))
        manifest = {"format": FORMAT, "kind": KIND, "of": of, **plane.details, "sha256": digest}
        write_text(folder / "manifest.json", sealed(manifest))
    except OSError as error:
        raise UserError(f"{folder} could not be written ({error.strerror}); what was there is intact") from None
    for path in folder.glob("points_*.safetensors"):
        if path != _path(folder, digest):
            path.unlink()
    return folder


def read_plane(place: Path, of: bytes, index: SearchIndex) -> Plane | None:
    """The map of an index; None where none was made.

    Args:
        of: the `manifest.json` in `place` that the index was loaded by.

    Raises:
        UserError: it is damaged, or of other rows or another metric than the index.
    """
    folder = place / FOLDER
    if not (folder / "manifest.json").is_file():
        return None
    again = "make it again with graphkit map"
    try:
        manifest = unsealed((folder / "manifest.json").read_bytes())
        if manifest["kind"] != KIND or manifest["format"] != FORMAT:
            raise UserError(f"{folder} is no map of a kind that this version reads: {again}")
        if manifest["of"] != hashlib.sha256(of).hexdigest():
            raise UserError(f"{folder} is the map of other rows, {place} was saved anew since: {again}")
        if manifest["metric"] != index.metric:
            raise UserError(f"{folder} is a map by {manifest['metric']}, not {index.metric}: {again}")
        arrays = read_arrays(_path(folder, manifest["sha256"]), manifest["sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{folder} is damaged ({error}): {again}") from None
    details = {name: value for name, value in manifest.items() if name not in ("format", "kind", "of", "sha256")}
    return Plane(arrays["rows"], arrays["points"], details)


def _path(folder: Path, digest: str) -> Path:
    return folder / f"points_{digest[:16]}.safetensors"
