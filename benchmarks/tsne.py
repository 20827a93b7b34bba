"""t-SNE of many points: seconds, and which neighbours stay near in the plane, beside the principal components.

    python benchmarks/tsne.py DATA/fashion-mnist

Points are images of Fashion-MNIST, 784 pixels each. First 2,000 of them, where exact t-SNE can be compared with:
the divergence is that between the exact affinities of all pairs and each layout. Then `--rows`. Neighbours are the 10
nearest by pixels; those kept are the share of them that is among the 10 nearest in the plane, and alike is the share
of the 10 nearest in the plane that have a point's own label, both of `--asked` points.
Writes docs/results/tsne.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import faiss
import numpy as np

import neuralcore
from graphkit import tsne
from graphkit.tsne_many import tsne_of_many
from neuralcore.data.images import read_images

OUT = Path(__file__).resolve().parent.parent / "docs" / "results" / "tsne.md"
FEW, NEAR = 2_000, 10


def nearest(points: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """(A, 10) the nearest others of some points."""
    index = faiss.IndexFlatL2(points.shape[1])
    index.add(np.ascontiguousarray(points, np.float32))
    found = index.search(np.ascontiguousarray(points[asked], np.float32), NEAR + 1)[1]
    return np.array([[i for i in row if i != own][:NEAR] for own, row in zip(asked.tolist(), found)])


def measured(
    name: str,
    draw: Callable[[], np.ndarray],
    X: np.ndarray,
    labels: np.ndarray,
    asked: np.ndarray,
    P: np.ndarray | None,
) -> str:
    """A row of the table."""
    wall, cpu = time.perf_counter(), time.process_time()
    Y = draw()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    near, there = nearest(X, asked), nearest(Y, asked)
    kept = np.mean([len(np.intersect1d(one, other)) / NEAR for one, other in zip(near, there)])
    alike = (labels[there] == labels[asked][:, None]).mean()
    exact = "" if P is None else f" {tsne.divergence(P, np.asarray(Y, np.float64)):.3f} |"
    row = f"| {name} | {cpu:,.0f} | {wall:,.0f} | {kept:.3f} | {alike:.3f} |{exact}"
    print(row, flush=True)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--asked", type=int, default=2_000)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    faiss.omp_set_num_threads(arguments.threads)
    images = read_images(str(arguments.data))["train"]
    X = images.images[: arguments.rows].reshape(-1, 784).astype(np.float32) / 255
    labels = images.labels[: arguments.rows]
    few, asked = X[:FEW], np.arange(FEW)
    P = tsne.conditional_affinities(tsne.squared_distances(few.astype(np.float64)), 30.0)
    P = (P + P.T) / (2 * FEW)
    small = [
        measured(name, draw, few, labels[:FEW], asked, P)
        for name, draw in (
            ("principal components", lambda: tsne.principal_plane(few)),
            ("exact t-SNE", lambda: tsne.tsne(few, iterations=750)[0]),
            ("t-SNE of many", lambda: tsne_of_many(few)[0]),
        )
    ]
    asked = np.random.default_rng(0).permutation(len(X))[: arguments.asked]
    large = [
        measured(name, draw, X, labels, asked, None)
        for name, draw in (
            ("principal components", lambda: tsne.principal_plane(X)),
            ("t-SNE of many", lambda: tsne_of_many(X)[0]),
        )
    ]
    OUT.write_text(f"""# t-SNE of many points

`python benchmarks/tsne.py {" ".join(["DATA/fashion-mnist", *sys.argv[2:]])}`, {date.today():%Y-%m-%d},
{neuralcore.__version__}; FAISS {faiss.__version__} ({arguments.threads} threads), Python {platform.python_version()},
{os.cpu_count()} cores, which other work was done on as well: CPU-seconds tell more than seconds.

Images of Fashion-MNIST by their 784 pixels, perplexity 30, 750 iterations. "Kept" is the share of a point's {NEAR}
nearest that are among its {NEAR} nearest in the plane, "alike" the share of these that have its label.

## {FEW:,} points

| layout | CPU-s | s | kept | alike | exact KL, nats |
|---|--:|--:|--:|--:|--:|
{chr(10).join(small)}

The divergence is between the affinities of all pairs and the layout, whatever the layout was made with.

## {len(X):,} points

| layout | CPU-s | s | kept | alike |
|---|--:|--:|--:|--:|
{chr(10).join(large)}
""")


if __name__ == "__main__":
    main()
