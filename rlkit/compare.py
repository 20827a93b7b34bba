"""`rlkit compare`: evaluated runs side by side, and algorithms over their seeds.

rlkit compare runs/dqn-* runs/a2c-*                        a table
rlkit compare runs/* --plot scores.png --csv scores.csv    a picture of the intervals, and the figures
"""

from __future__ import annotations

import csv
import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

from neuralcore.errors import UserError

if TYPE_CHECKING:
    import numpy as np

COLUMNS = ("group", "env", "runs", "iqm", "iqm_low", "iqm_high", "mean", "min", "max")


@dataclass(frozen=True)
class CompareArguments:
    """Put evaluated runs side by side; runs that differ in the seed alone are one group."""

    runs: tyro.conf.Positional[tuple[str, ...]]
    """run folders that hold an evaluation.json"""
    csv: Path | None = None
    """write the groups' figures to this .csv file"""
    plot: Path | None = None
    """draw the groups' intervals to this .png, .pdf or .svg file"""


@dataclass(frozen=True)
class Group:
    """Runs of one algorithm with the same settings in one environment.

    Attributes:
        name: the algorithm, or the folder where it is not known. env: the environment with its arguments.
        scores: (R,) mean return of each run, or of a single run its (E,) episodes' returns.
        runs: R.
    """

    name: str
    env: str
    scores: np.ndarray
    runs: int

    def row(self) -> dict[str, Any]:
        """The figures, by `COLUMNS`."""
        from rlkit.statistics import interquartile_mean, stratified_interval

        low, high = stratified_interval([self.scores])
        scores = self.scores
        figures = {"mean": scores.mean(), "min": scores.min(), "max": scores.max()}
        figures |= {"iqm": interquartile_mean(scores), "iqm_low": low, "iqm_high": high}
        plain = {name: float(value) for name, value in figures.items()}
        return {"group": self.name, "env": self.env, "runs": self.runs, **plain}


def compare(arguments: CompareArguments) -> int:
    """Put evaluated runs side by side, and groups of them over seeds."""
    from rlkit.drawing import check_picture

    if arguments.plot is not None:
        check_picture(arguments.plot)
    if arguments.csv is not None and not arguments.csv.parent.is_dir():
        raise UserError(f"cannot write {arguments.csv}: there is no folder {arguments.csv.parent}")
    if not arguments.runs:
        raise UserError("name run folders: rlkit compare runs/a runs/b")
    evaluations = {run: _evaluation(Path(run)) for run in arguments.runs}
    groups = _groups(evaluations)
    rows = [group.row() for group in groups]
    _print(evaluations, groups, rows)
    if arguments.csv is not None:
        with open(arguments.csv, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
        print(f"written to {arguments.csv}")
    if arguments.plot is not None:
        from rlkit.drawing import plot_intervals

        labels = [f"{row['group']} · {row['env']} ({row['runs']})" for row in rows]
        points = [(row["iqm"], row["iqm_low"], row["iqm_high"]) for row in rows]
        print(f"drawn to {plot_intervals(arguments.plot, labels, points)}")
    return 0


def _evaluation(run: Path) -> dict[str, Any]:
    path = run / "evaluation.json"
    if not path.is_file():
        raise UserError(f"{path} is missing: rlkit evaluate {run}")
    return json.loads(path.read_text(encoding="utf-8"))


def _groups(evaluations: dict[str, dict[str, Any]]) -> list[Group]:
    """The runs by what they have in common: all of their settings but the seed and the folder."""
    import numpy as np

    from neuralcore.run_folder import flat

    members: dict[str, list[str]] = {}
    names: dict[str, tuple[str, str]] = {}
    for run, row in evaluations.items():
        path = Path(run) / "config.toml"
        settings = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"run": run}
        name = str(settings.get("algorithm", run))
        env = " ".join([row["env"], *settings.get("env_args", ())])
        # What is None was once left out of the file, so it tells no runs apart.
        told = {k: v for k, v in flat(settings).items() if v is not None and k not in ("seed", "run")}
        same = json.dumps(told, sort_keys=True) + row["env"]
        key = same if path.is_file() else run
        members.setdefault(key, []).append(run)
        names[key] = name, env
    groups = []
    for key, runs in members.items():
        returns = [np.array(evaluations[run]["returns"], float) for run in runs]
        scores = returns[0] if len(runs) == 1 else np.array([episodes.mean() for episodes in returns])
        groups.append(Group(*names[key], scores, len(runs)))
    return groups


def _print(evaluations: dict[str, dict[str, Any]], groups: list[Group], rows: list[dict[str, Any]]) -> None:
    import numpy as np
    from rich.console import Console
    from rich.table import Table

    from rlkit.statistics import bootstrap_interval, improvement_interval, probability_of_improvement

    console = Console()
    table = Table("run", "environment", "steps", "episodes", "mean return", "95 % interval", "min", "max")
    for run, evaluation in evaluations.items():
        returns = np.array(evaluation["returns"])
        low, high = bootstrap_interval(returns)
        figures = [f"{returns.mean():.2f}", f"{low:.2f} … {high:.2f}", f"{returns.min():g}", f"{returns.max():g}"]
        steps = f"{evaluation['steps']:,}" if "steps" in evaluation else "?"
        table.add_row(run, evaluation["env"], steps, str(len(returns)), *figures)
    console.print(table)
    if max(group.runs for group in groups) == 1:
        return
    table = Table("algorithm", "environment", "runs", "IQM of the runs' means", "95 % interval", "mean", "min", "max")
    for row in rows:
        interval = f"{row['iqm_low']:.2f} … {row['iqm_high']:.2f}" + (" (episodes)" if row["runs"] == 1 else "")
        figures = [f"{row[name]:.2f}" for name in ("mean", "min", "max")]
        table.add_row(row["group"], row["env"], str(row["runs"]), f"{row['iqm']:.2f}", interval, *figures)
    console.print(table)
    for i, ours in enumerate(groups):
        for theirs in groups[i + 1 :]:
            if ours.env == theirs.env and min(ours.runs, theirs.runs) > 1:
                chance = probability_of_improvement([ours.scores], [theirs.scores])
                low, high = improvement_interval([ours.scores], [theirs.scores])
                pair = f"{ours.name} over {theirs.name} on {ours.env}"
                console.print(f"probability of improvement of {pair}: {chance:.2f} ({low:.2f} … {high:.2f})")
