"""ComplEx on FB15k-237 on a CUDA GPU: edges/s and MRR beside the CPU's.

    python benchmarks/graphs_cuda.py --data fb15k-237

The folder has train.tsv, valid.tsv and test.tsv (also .xz). Softmax, N3, 1,000 uniform negatives and the batch's own
answers, in batches of 250 questions, as benchmarks/graphs.py has them, and of 4,000, since a step on a GPU takes the
time of its launches while it is small; then against all entities, 1,000 questions at once. Each on the CPU, with all
its processors, and on the GPU, from the same seed, with the same epochs; seconds are of the passes after the first,
which compiles kernels and groups questions. The MRR says whether the GPU learnt the same: the filtered one of the
test edges, after all passes. Writes docs/results/graphs_cuda.md, and nothing where there is no GPU.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import neuralcore
from neuralcore.checkpoint import write_text
from neuralcore.device import choose_device, set_threads
from neuralcore.errors import guarded

OUT = Path(__file__).resolve().parent.parent / "docs" / "results" / "graphs_cuda.md"
SHARED: dict[str, Any] = {"learning_rate": 0.2, "n3": 0.02}
WAYS: dict[str, dict[str, Any]] = {
    "1,000 negatives, batches of 250": {"batch_size": 250, "negatives": 1000},
    "1,000 negatives, batches of 4,000": {"batch_size": 4000, "negatives": 1000},
    "all entities, batches of 1,000": {"batch_size": 1000, "all_negatives": True},
}


def train(data: Path, epochs: int, device: str, **settings: Any) -> tuple[float, float]:
    """One training: edges a second after the first pass, and the filtered MRR in the end."""
    from graphkit import Graph, GraphEmbedding

    graph = Graph.read(data)
    embedding = GraphEmbedding(graph, **SHARED, **settings).fit(1, device=device)
    started = time.perf_counter()
    embedding.fit(epochs, device=device)  # it ends with the tables' way back, which waits for the GPU
    seconds = time.perf_counter() - started
    return len(graph.train) * (epochs - 1) / seconds, embedding.evaluate().mrr


def main(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of train, valid and test.tsv")
    parser.add_argument("--epochs", type=int, default=5, help="2 or more")
    parser.add_argument("--dimensions", type=int, nargs="+", default=[100, 400])
    arguments = parser.parse_args(words)
    if arguments.epochs < 2:
        parser.error("the first pass is not in the times: --epochs must be 2 or more")
    device = choose_device("cuda")
    import torch

    threads, lines = set_threads(None), []
    for dimension in arguments.dimensions:
        for way, settings in WAYS.items():
            on_cpu, on_gpu = (
                train(arguments.data, arguments.epochs, name, dimension=dimension, **settings)
                for name in ("cpu", "cuda")
            )
            lines.append(
                f"| {dimension} | {way} | {on_cpu[0]:,.0f} | {on_gpu[0]:,.0f} | {on_gpu[0] / on_cpu[0]:.1f} | "
                f"{on_cpu[1]:.3f} | {on_gpu[1]:.3f} |"
            )
            print(lines[-1], flush=True)
    write_text(
        OUT,
        "# Graph embeddings on a GPU\n\n"
        f"ComplEx on {arguments.data.name}, softmax, N3, {arguments.epochs} passes, the first of which is not in the "
        f"times; one seed.\n{torch.cuda.get_device_name(device)} beside {threads} threads of a {platform.machine()} "
        "CPU; edges are training edges, each asked both ways.\n\n"
        "| dimension | negatives | CPU, edges/s | GPU, edges/s | times | CPU's MRR | GPU's MRR |\n"
        + "|---" * 7
        + "|\n"
        + "\n".join(lines)
        + f"\n\n{date.today()}, rlgraphkit {neuralcore.__version__}, torch {torch.__version__}, Python "
        f"{platform.python_version()}.\n\n"
        f"`python benchmarks/graphs_cuda.py --data {arguments.data.name} --epochs {arguments.epochs}`\n",
    )


if __name__ == "__main__":
    raise SystemExit(guarded(main))
