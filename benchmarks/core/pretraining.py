"""What is learned without labels, or with few: linear probes of trunks by the number of labels, FixMatch, retrieval.

    python benchmarks/core/pretraining.py --data DATA

The trunk is the same small residual network in all rows: with first weights, after turns, after pairs of views, after
triplets with all labels, and of the classifier `fashion_judge`, fitted with all labels, as the ceiling. FixMatch
stands beside the same network fitted with the same labels alone.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import runs as of_runs

LABELS = (100, 1_000, 10_000)  # labelled images that the probe learns from
TRUNKS = {
    "fashion_rotate": "turns, no labels",
    "fashion_contrast": "pairs of views, no labels",
    "fashion_embed": "triplets, all labels",
    "fashion_judge": "classifier, all labels",
}


def probed(preset: str, arguments: argparse.Namespace) -> list[dict[str, str]]:
    """Rows of a trunk, and of one with first weights."""
    from dataclasses import replace

    from neuralcore.fitting.image_splits import ImageSplits
    from neuralcore.fitting.saved import load_model
    from neuralcore.pretraining.trunks import probe_figures
    from neuralcore.seeding import seeded_torch

    a = arguments
    run = of_runs.fitted_run(preset, a.data, a.runs, a.seed, a.threads)
    fitted = load_model(run)
    images = ImageSplits(replace(fitted.config, examples=None), 0)
    with seeded_torch(a.seed, "weights"):
        first = fitted.config.rebuild(fitted.description).eval()
    rows = []
    for name, model, cpu in ((TRUNKS[preset], fitted.model, of_runs.seconds(run)), ("first weights", first, "")):
        row = {"what": "probe", "method": name, "seed": str(a.seed)}
        for count in LABELS:
            row[str(count)] = of_runs.interval(probe_figures(model, images, "test", count), "probe_accuracy")
        rows.append(row | {"cpu": cpu})
    return rows


def matched(arguments: argparse.Namespace) -> list[dict[str, str]]:
    """Rows of FixMatch and of labels alone."""
    a, rows = arguments, []
    for name, words in (("FixMatch", []), ("labels alone", ["--weight", "0"])):
        run = of_runs.fitted_run(
            "fashion_fixmatch", a.data, a.runs, a.seed, a.threads, words, f"fashion_{name.replace(' ', '_').lower()}"
        )
        row = {"what": "fixmatch", "method": name, "seed": str(a.seed), **dict.fromkeys(map(str, LABELS), "")}
        rows.append(row | {"100": of_runs.interval(of_runs.figures(run)), "cpu": of_runs.seconds(run)})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--runs", type=Path, default=Path("runs/core"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=[*TRUNKS, "fashion_fixmatch"], default=None)
    arguments = parser.parse_args()
    for name in arguments.only or [*TRUNKS, "fashion_fixmatch"]:
        made = matched(arguments) if name == "fashion_fixmatch" else probed(name, arguments)
        rows = of_runs.kept("pretraining", made, ("what", "method", "seed"))
    columns = {"method": "method", "seed": "seed", **{str(n): f"{n:,} labels" for n in LABELS}, "cpu": "CPU s"}
    of_what = {what: [row for row in rows if row["what"] == what] for what in ("probe", "fixmatch")}
    text = "Fashion-MNIST, a ResNet of 8 layers, 75 thousand weights; accuracy on test images.\n\n"
    text += "## A linear probe of the trunk, by the labels it learns from\n\n" + of_runs.table(
        of_what["probe"], columns
    )
    del columns["1000"], columns["10000"]
    text += "\n\n## All weights, from ten labels of each class\n\n" + of_runs.table(of_what["fixmatch"], columns)
    of_runs.page(
        "pretraining",
        "Features without labels, classes from few",
        text,
        "python benchmarks/core/pretraining.py --data DATA",
    )


if __name__ == "__main__":
    main()
