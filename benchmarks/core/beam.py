"""What a wider beam brings and costs: a fitted translator's validation sentences, by several beams and penalties.

    python benchmarks/core/beam.py runs/multi30k_transformer --data data/mt-multi30k

Rows of docs/results/beam.csv and .md: BLEU of the first `count` validation sentences, the mean length of an answer
beside the reference's, and CPU-seconds of one thread for all of them.
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path

import torch

from neuralcore.data.tokens import Tokens
from neuralcore.fitting.saved import load_model
from neuralcore.translation.bleu import bleu
from neuralcore.translation.pairs import read_pairs
from neuralcore.translation.translator import Translator

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "results"
TRIED = ((1, 0.0), (2, 0.6), (5, 0.0), (5, 0.6), (5, 1.0), (10, 0.6))  # beam, α


def main() -> None:
    """Translate, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--data", required=True)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--out", type=Path, default=FOLDER)
    a = parser.parse_args()
    torch.set_num_threads(1)
    fitted = load_model(a.run)
    tokens = Tokens.of(fitted.description["tokens"])
    pairs = read_pairs(a.data, fitted.config.source, fitted.config.target, fitted.config.test)["valid"]
    source, target = pairs.source[: a.count], pairs.target[: a.count]
    words = sum(len(line.split()) for line in target)
    rows = []
    for beam, alpha in TRIED:
        translator = Translator(fitted.model, tokens, beam=beam, alpha=alpha)
        start = time.process_time()
        found = translator.translate(source)
        took = time.process_time() - start
        length = sum(len(line.split()) for line in found) / words
        row = {"beam": str(beam), "alpha": f"{alpha:g}", "bleu": f"{bleu(found, target):.2f}"}
        rows.append({**row, "length": f"{length:.3f}", "cpu_seconds": f"{took:.1f}"})
        print(rows[-1], flush=True)
    with (a.out / "beam.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    lines = ["| beam | α | BLEU | length / reference's | CPU-s |", "|--:|--:|--:|--:|--:|"]
    lines += [f"| {' | '.join(row.values())} |" for row in rows]
    command = f"python benchmarks/core/beam.py {a.run} --data {a.data} --count {a.count}"
    head = f"# Beams\n\n`{command}`: the first {a.count}\n"
    (a.out / "beam.md").write_text(head + "validation sentences, one thread.\n\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
