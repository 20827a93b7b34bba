"""What nearest neighbours reach on labelled images: the line that a network has to cross.

    python benchmarks/core/neighbours.py --data ../shared/data/fashion-mnist

docs/results/neighbours.md has the table.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

import neuralcore
from neuralcore.checkpoint import write_text
from neuralcore.data.images import read_images
from neuralcore.vision.neighbours import Neighbours

OUT = Path(__file__).resolve().parents[2] / "docs" / "results" / "neighbours.md"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder of images, as neuralcore fit reads it")
    parser.add_argument("--k", type=int, nargs="+", default=[1, 3, 5, 10])
    parser.add_argument("--queries", type=int, help="of the test images, the first so many; by default all")
    arguments = parser.parse_args()
    images = read_images(arguments.data)
    train, test = images["train"], images["test"].of(np.arange(arguments.queries or len(images["test"])))
    kept = Neighbours(train.images, train.labels)
    started = time.process_time()
    rows, squares = kept.nearest(test.images, max(arguments.k) + 1)
    seconds = time.process_time() - started
    lines = ["| k | accuracy | votes tied | k-th and next equally near |", "|--:|--:|--:|--:|"]
    for k in arguments.k:
        told = kept.vote(rows, squares, k)
        right = (told.labels == test.labels).mean()
        lines.append(
            f"| {k} | {100 * right:.2f} % | {100 * told.tied.mean():.2f} % | {100 * told.edge.mean():.2f} % |"
        )
    data, tried = Path(arguments.data).name, " ".join(map(str, arguments.k))
    part = f" --queries {arguments.queries}" if arguments.queries else ""
    text = (
        f"{len(test):,} test images of {data} by {len(train):,} training images. Distances are of raw pixels, and "
        f"exact; a tied vote goes to the nearest of the tied. All distances of a query and the {rows.shape[1]} least "
        f"of them take {1000 * seconds / len(test):.1f} ms of CPU."
    )
    command = f"python benchmarks/core/neighbours.py --data ../shared/data/{data} --k {tried}{part}"
    versions = f"rlgraphkit {neuralcore.__version__}, NumPy {np.__version__}"
    table = "\n".join(lines)
    write_text(OUT, f"# Nearest neighbours\n\n{text}\n\n{table}\n\n{versions}.\n\n`{command}`\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
