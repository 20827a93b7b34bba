"""The learning curve of a run: what its episodes returned while it trained."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neuralcore.errors import UserError
from neuralcore.lazy import lazy_import
from rlkit.drawing import HEAT, INK

figures = lazy_import("matplotlib.figure", extra="plots")


@dataclass(frozen=True)
class Curve:
    """Points of a learning curve; only those in which an episode ended.

    Attributes:
        steps: (P,) transitions at the end of each point. episodes: (P,) how many ended since the point before.
        returns: (P,) the mean of their undiscounted returns, exploration included.
    """

    steps: np.ndarray
    episodes: np.ndarray
    returns: np.ndarray

    def write(self, path: Path) -> None:
        """The points as a .csv file."""
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("steps", "episodes", "mean_return"))
            for steps, episodes, value in zip(self.steps.tolist(), self.episodes.tolist(), self.returns.tolist()):
                writer.writerow((steps, episodes, f"{value:.2f}"))

    def plot(self, path: Path, title: str) -> None:
        """Draw it to a picture file."""
        figure = figures.Figure(figsize=(7, 3), dpi=150)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.plot(self.steps, self.returns, color=HEAT[4], linewidth=1.8)
        axes.set_title(title, fontsize=11, loc="left", color=INK)
        axes.set_xlabel("transitions", fontsize=9)
        axes.set_ylabel("mean return of training episodes", fontsize=9)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#e3e4e8")
        axes.set_axisbelow(True)
        figure.savefig(path, bbox_inches="tight", pad_inches=0.15)


def learning_curve(run: Path, steps: int, points: int = 100) -> Curve:
    """The curve of a run's first `steps` transitions, in at most `points` of equal length.

    Raises:
        UserError: the run holds no metrics.jsonl, a line of it is not a row, or no episode has ended.
    """
    path = run / "metrics.jsonl"
    if not path.is_file():
        raise UserError(f"{path} is missing: name a run folder that `rlkit train` made")
    totals, counts = np.zeros(points), np.zeros(points, np.int64)
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            row = json.loads(line)
            step, ended = int(row["step"]), int(row.get("episodes", 0))
        except (ValueError, KeyError, TypeError):
            raise UserError(f"{path}:{number}: not a row of metrics: remove the line") from None
        if ended and step <= steps:
            point = min(points - 1, step * points // max(1, steps))
            totals[point] += ended * row["return"]
            counts[point] += ended
    known = np.flatnonzero(counts)
    if not len(known):
        raise UserError(f"{path}: no episode has ended in {steps:,} transitions: train on")
    return Curve((known + 1) * steps // points, counts[known], totals[known] / counts[known])
