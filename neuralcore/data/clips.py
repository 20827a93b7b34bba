"""Clips: a shape that moves, drawn here, or folders of frames.

A class is a motion: left, right, up, down, clockwise, anticlockwise, growing, shrinking. Place, turn and size are
drawn uniformly and go round (who leaves at the left comes in at the right, who has grown to the largest size begins
again at the smallest), so that a frame has the same distribution whatever the motion: one frame alone tells nothing,
and opposite motions differ only by the order of frames.

Folders: `train/<class>/<clip>/<frame>` and `test/…`, pictures of one size in the order of their names.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from neuralcore.data.examples import Examples
from neuralcore.data.images import PICTURES, SPLITS, read_picture
from neuralcore.errors import UserError

MOTIONS = ("left", "right", "up", "down", "clockwise", "anticlockwise", "growing", "shrinking")
KINDS = ("triangle", "bar", "corner")  # all show that they turn
SMALLEST, LARGEST = 0.16, 0.36  # radii, as shares of the side


def moving(count: int, frames: int = 8, size: int = 24, seed: int = 0) -> Examples:
    """Draw `count` clips (T, 1, size, size) uint8 of a noisy ground and a shape that moves.

    >>> moving(2, frames=4).values.shape
    (2, 4, 1, 24, 24)
    """
    if size < 16 or frames < 2:
        raise ValueError(f"clips need 16 pixels a side and 2 frames at least, got {size} and {frames}")
    generator = np.random.default_rng([seed, frames, size])
    labels = generator.integers(0, len(MOTIONS), count)
    clips = generator.normal(40.0, 12.0, (count, frames, size, size))
    for clip, label in zip(clips, labels):
        inside = _drawn(MOTIONS[label], frames, size, generator)
        clip[inside] += generator.uniform(60.0, 180.0)
    return Examples(np.clip(clips, 0.0, 255.0).astype(np.uint8)[:, :, None], labels, MOTIONS)


def _drawn(motion: str, frames: int, size: int, generator: np.random.Generator) -> np.ndarray:
    """(T, size, size) bool: the shape's pixels."""
    kind = KINDS[generator.integers(len(KINDS))]
    x, y, turn, grown = generator.uniform(size=4)[:, None] * np.ones(frames)  # each goes round from 1 to 0
    gone = generator.uniform(0.04, 0.1) * np.arange(frames)
    if motion in ("left", "right"):
        x = x + gone * (1.0 if motion == "right" else -1.0)
    elif motion in ("up", "down"):
        y = y + gone * (1.0 if motion == "down" else -1.0)
    elif motion in ("clockwise", "anticlockwise"):  # a tenth at most: less than half a bar's symmetry
        turn = turn + gone * (1.0 if motion == "clockwise" else -1.0)
    else:
        grown = grown + gone * (1.0 if motion == "growing" else -1.0)
    radius = (SMALLEST + (LARGEST - SMALLEST) * (grown % 1.0)) * size
    places = np.arange(size) + 0.5
    across = ((places - x[:, None] * size + size / 2) % size - size / 2) / radius[:, None]
    along = ((places - y[:, None] * size + size / 2) % size - size / 2) / radius[:, None]
    sine, cosine = np.sin(2.0 * np.pi * turn)[:, None, None], np.cos(2.0 * np.pi * turn)[:, None, None]
    u = across[:, None, :] * cosine + along[:, :, None] * sine
    v = along[:, :, None] * cosine - across[:, None, :] * sine
    if kind == "triangle":
        return (v > -0.5) & (np.sqrt(3.0) * abs(u) + v < 1.0)
    if kind == "bar":
        return (abs(u) < 0.95) & (abs(v) < 0.32)
    return (np.maximum(abs(u), abs(v)) < 0.75) & (np.minimum(u, v) < -0.15)


def read_clips(path: str, frames: int) -> dict[str, Examples]:
    """Split ("train", "test") -> clips (N, T, C, H, W) uint8; of longer ones, frames spread evenly.

    Raises:
        UserError: no such folder, a clip with fewer frames, or frames that differ in size.
    """
    if path == "moving":
        return {"train": moving(2_000, frames, seed=0), "test": moving(500, frames, seed=1)}
    folder = Path(path)
    found = {name: _read(folder / name, frames) for name in SPLITS if (folder / name).is_dir()}
    if "train" not in found:
        raise UserError(
            f'{path} has no train/<class>/<clip>/<frame>: name a folder that has, or "moving", drawn here'
        )
    train = found["train"]
    for name, clips in found.items():
        if clips.names != train.names or clips.values.shape[1:] != train.values.shape[1:]:
            raise UserError(f"{path}: {name} and train differ in classes or in the size of frames")
    return found


def _read(folder: Path, frames: int) -> Examples:
    names = tuple(sorted(p.name for p in folder.iterdir() if p.is_dir()))
    clips: list[np.ndarray] = []
    labels = []
    for label, name in enumerate(names):
        for clip in sorted(p for p in (folder / name).iterdir() if p.is_dir()):
            pictures = sorted(p for p in clip.iterdir() if p.suffix.lower() in PICTURES)
            if len(pictures) < frames:
                raise UserError(f"{clip} has {len(pictures)} frames, fewer than {frames}: set frames lower")
            chosen = np.linspace(0, len(pictures) - 1, frames).round().astype(int)
            shown = [read_picture(pictures[row], channels=3) for row in chosen]
            shape = shown[0].shape if not clips else clips[0].shape[1:]
            for row, picture in zip(chosen, shown):
                if picture.shape != shape:
                    raise UserError(f"{pictures[row]} is {picture.shape[1:]} pixels, others {shape[1:]}")
            clips.append(np.stack(shown))
            labels.append(label)
    if not clips:
        raise UserError(f"{folder} holds no clips: <class>/<clip>/<frame> is looked for")
    return Examples(np.stack(clips), np.array(labels, np.int64), names)
