"""What the benchmarks of fitted models share: a preset's run, rows that are kept from call to call, and a table of
them."""

from __future__ import annotations

import csv
import json
import os
import platform
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results"
FOLDERS = {"cifar10": "cifar10-jpeg"}  # what a folder of the presets is called where it is the JPEG set


def fitted_run(
    preset: str, data: Path, runs: Path, seed: int, threads: int, more: Sequence[str] = (), name: str = ""
) -> Path:
    """The run folder of a preset of configs/vision that is fitted, or of what was left of it; `more` are its
    flags."""
    from neuralcore import cli
    from neuralcore.config import find_config, read_toml

    path = f"configs/vision/{preset}.toml"
    where = Path(read_toml(find_config(path))["data"]).name
    folder = data / where if (data / where).exists() else data / FOLDERS.get(where, where)
    run = runs / f"{name or preset}_{seed}"
    words = ["fit", path, "--data", str(folder), "--run", str(run), "--seed", str(seed), "--threads", str(threads)]
    code = cli.main([*words, *more])
    if code:
        sys.exit(code)
    return run


def seconds(run: Path) -> str:
    """CPU-seconds of a run."""
    return f"{json.loads((run / 'fit.json').read_text())['cpu_seconds']:.0f}"


def figures(run: Path, split: str = "test") -> dict[str, float]:
    """What a run wrote of a split."""
    return json.loads((run / f"{split}.json").read_text())


def kept(name: str, new: list[dict[str, str]], keys: Sequence[str]) -> list[dict[str, str]]:
    """Rows of docs/results/<name>.csv with new ones in place of those of the same keys; the file has them all."""
    path = RESULTS / f"{name}.csv"
    old = list(csv.DictReader(open(path, newline="", encoding="utf-8"))) if path.exists() else []
    ours = {tuple(row[key] for key in keys) for row in new}
    rows = [row for row in old if tuple(row[key] for key in keys) not in ours] + new
    rows.sort(key=lambda row: tuple(row[key] for key in keys))
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(new[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return rows


def table(rows: list[dict[str, str]], columns: dict[str, str]) -> str:
    """Rows in Markdown; columns: key -> head."""
    lines = [f"| {' | '.join(columns.values())} |", "|---" * len(columns) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(row[key] for key in columns)} |" for row in rows)])


def page(name: str, title: str, text: str, command: str) -> None:
    """docs/results/<name>.md."""
    import torch

    import neuralcore
    from neuralcore.checkpoint import write_text

    text += f"\n\n{date.today()}, rlgraphkit {neuralcore.__version__}, torch {torch.__version__}, Python "
    text += (
        f"{platform.python_version()}, {os.cpu_count()} cores of a {platform.machine()} machine that had other work:"
    )
    text += f" CPU-seconds are\nof all threads.\nRows: [{name}.csv]({name}.csv).\n\n`{command}`\n"
    write_text(RESULTS / f"{name}.md", f"# {title}\n\n{text}")


def interval(found: dict[str, float], name: str = "accuracy") -> str:
    """A figure with its 95 % interval."""
    return f"{found[name]:.3f} [{found[f'{name}_low']:.3f}, {found[f'{name}_high']:.3f}]"
