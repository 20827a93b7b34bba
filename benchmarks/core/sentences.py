"""Sentences and tags: word vectors of the texts here, a masked model of them, and what classifiers make of both.

    python benchmarks/core/sentences.py sst2_words sst2_convolution --data DATA --seeds 0 1 2

DATA holds text-classify, text-novels50, text-wikispeedia and text-brown. What is missing under --runs is made first:

1. texts, by benchmarks/core/sentence_texts.py, none of which SST-2 is judged by;
2. `words`: vectors by `graphkit words`, 192 numbers, 4 passes (some 4 CPU-minutes), named by a preset's `vectors`;
3. `masked_model`: `neuralcore fit configs/sequence/reviews_mask.toml` (some 11 CPU-minutes), where a preset
   names it by `start`; it goes on where it was stopped.

Then each preset is fitted with each seed, and goes on from its folder when it is called again. Rows go to
docs/results/sentences.csv, docs/results/sentences.md has them as a table.
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
from statistics import mean

from sentence_texts import make

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "results"
COLUMNS = ("preset", "task", "model", "weights", "seed", "epochs", "cpu", "wall", "valid", "test", "date")


def begun(name: str, preset: str, data: Path, runs: Path, threads: int) -> str:
    """A run that a preset begins with, made if it is missing."""
    from graphkit import cli as graphkit
    from neuralcore import cli

    run = runs / name
    if name == "words" and not (run / "vectors" / "manifest.json").is_file():
        texts = [str(path) for path in make(data, runs)]
        flags = ["--dimension", "192", "--epochs", "4", "--min-count", "3", "--tokenizer", "whitespace"]
        done(graphkit.main(["words", *texts, "--run", str(run), *flags, "--threads", "1"]))
    if name == "masked_model" and not (run / "model" / "manifest.json").is_file():
        vectors = begun("words", preset, data, runs, threads)
        make(data, runs)
        words = ["configs/sequence/reviews_mask.toml", "--data", str(runs / "masked"), "--vectors", vectors]
        done(cli.main(["fit", *words, "--run", str(run), "--threads", str(threads)]))
    if not run.is_dir():
        sys.exit(f"{preset} begins with {name}, which nothing here makes")
    return str(run)


def done(code: int) -> None:
    """Stop where a command failed."""
    if code:
        sys.exit(code)


def fit(preset: str, data: Path, runs: Path, seed: int, threads: int) -> dict[str, str]:
    """Fit a preset, or what is left of it, and read what came out."""
    from neuralcore import cli
    from neuralcore.config import find_config, read_toml
    from neuralcore.fitting.saved import load_model

    path = f"configs/sequence/{preset}.toml"
    settings = read_toml(find_config(path))
    where = settings["data"]
    if where.startswith("data/"):
        where = str(data / where.removeprefix("data/"))
    words = ["fit", path, "--data", where, "--run", str(runs / f"{preset}_{seed}"), "--seed", str(seed)]
    for name in ("vectors", "start"):
        if settings.get(name):
            words += [f"--{name}", begun(Path(settings[name]).name, preset, data, runs, threads)]
    if settings.get("teacher"):
        words += ["--teacher", str(runs / f"{Path(settings['teacher']).name}_{seed}")]
    done(cli.main([*words, "--threads", str(threads)]))
    run = runs / f"{preset}_{seed}"
    spent, fitted = json.loads((run / "fit.json").read_text()), load_model(run)
    return {
        "preset": preset,
        "task": fitted.task,
        "model": str(fitted.config.model),
        "weights": str(sum(p.numel() for p in fitted.model.parameters())),
        "seed": str(seed),
        "epochs": f"{spent['epochs']:g}",
        "cpu": f"{spent['cpu_seconds']:.1f}",
        "wall": f"{spent['wall_seconds']:.1f}",
        "valid": json.dumps(json.loads((run / "valid.json").read_text())),
        "test": json.dumps(json.loads((run / "test.json").read_text())),
        "date": str(date.today()),
    }


def report(rows: list[dict[str, str]]) -> None:
    """docs/results/sentences.md: a row for each preset, and its seeds in it."""
    import torch

    import neuralcore
    from neuralcore.checkpoint import write_text

    heads = ("preset", "model", "weights", "test accuracy of each seed", "mean", "dev, mean", "CPU s, mean")
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    presets = sorted({row["preset"] for row in rows})
    for preset in presets:
        mine = sorted((row for row in rows if row["preset"] == preset), key=lambda row: int(row["seed"]))
        tests = [json.loads(row["test"]) for row in mine]
        each = ", ".join(f"{t['accuracy']:.4f} [{t['accuracy_low']:.3f}, {t['accuracy_high']:.3f}]" for t in tests)
        figures = [mean(t["accuracy"] for t in tests), mean(json.loads(row["valid"])["accuracy"] for row in mine)]
        cells = [f"`{preset}`", mine[0]["model"], f"{int(mine[0]['weights']):,}", each]
        cells += [*(f"{figure:.4f}" for figure in figures), f"{mean(float(row['cpu']) for row in mine):,.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    write_text(
        FOLDER / "sentences.md",
        "# Sentences and tags: the presets of `configs/sequence` for them\n\n"
        "Figures are of the test examples, with Wilson's 95 % interval; settings were chosen on the development\n"
        "sentences, by which the best epoch is chosen too. Vectors and masked models are of the texts here, without\n"
        "what SST-2 is judged by (`benchmarks/core/sentence_texts.py`).\n\n"
        + "\n".join(lines)
        + f"\n\n{date.today()}, rlgraphkit {neuralcore.__version__}, torch {torch.__version__}, Python "
        f"{platform.python_version()}, {os.cpu_count()} cores of a {platform.machine()} machine (AVX512-BF16) that "
        "had other work.\nRows: [sentences.csv](sentences.csv).\n\n"
        f"`python benchmarks/core/sentences.py {' '.join(presets)} --data DATA --seeds "
        f"{' '.join(sorted({row['seed'] for row in rows}, key=int))}`\n",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="+")
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--runs", type=Path, default=Path("runs/sentences"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    out = FOLDER / "sentences.csv"
    for preset in arguments.presets:
        for seed in arguments.seeds:
            row = fit(preset, arguments.data, arguments.runs, seed, arguments.threads)
            rows = list(csv.DictReader(open(out, newline="", encoding="utf-8"))) if out.exists() else []
            rows = [old for old in rows if (old["preset"], old["seed"]) != (preset, str(seed))]
            rows = sorted([*rows, row], key=lambda row: (row["preset"], int(row["seed"])))
            with open(out, "w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)
            report(rows)


if __name__ == "__main__":
    main()
