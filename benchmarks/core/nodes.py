"""Accuracy of the presets of the task "nodes" over seeds, on the public splits.

    python benchmarks/core/nodes.py cora_gcn cora_gat cora_sage --data DATA --seeds 0 1 2 3 4 5 6 7 8 9

A preset is fitted as `neuralcore fit` does it, without a run folder. Seeds are of first weights and dropout; the
split is always the same. Standard deviations are of single fits.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import runs as of_runs

KEYS = ("preset", "seed")


def fitted(preset: str, data: Path, seed: int) -> dict[str, str]:
    """A row: accuracies, epochs and CPU-seconds of a preset and a seed."""
    import torch

    from neuralcore.config import find_config, from_mapping, read_toml
    from neuralcore.fitting.loop import Fit, evaluate
    from neuralcore.message_passing.nodes_config import NodesConfig

    path = find_config(f"configs/sequence/{preset}.toml")
    values = read_toml(path)
    values.pop("task")
    if values["data"] != "communities":
        values["data"] = str(data / Path(values["data"]).name)
    config = from_mapping(NodesConfig, values, path)
    task = config.build(seed)
    done = Fit(task, config.fit, seed=seed).run()
    row = {"preset": preset, "seed": str(seed)}
    for split in ("valid", "test"):
        row[split] = f"{evaluate(task, split, torch.device('cpu'), config.fit)['accuracy']:.4f}"
    weights = sum(p.numel() for p in task.model.parameters())
    return {**row, "weights": f"{weights}", "epochs": f"{done.epoch:.0f}", "cpu": f"{done.cpu:.1f}"}


def summary(preset: str, rows: list[dict[str, str]]) -> dict[str, str]:
    """Means of a preset's rows."""
    mine = [row for row in rows if row["preset"] == preset]
    found = {"preset": preset, "weights": f"{int(mine[0]['weights']):,}", "fits": str(len(mine))}
    for name in ("valid", "test"):
        each = 100.0 * np.array([float(row[name]) for row in mine])
        found[name] = f"{each.mean():.2f}" + (f" ± {each.std(ddof=1):.2f}" if len(each) > 1 else "")
    for name in ("epochs", "cpu"):
        found[name] = f"{np.mean([float(row[name]) for row in mine]):.0f}"
    return found


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="+")
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(10)))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for preset in arguments.presets:
        rows = of_runs.kept("nodes", [fitted(preset, arguments.data, seed) for seed in arguments.seeds], KEYS)
        print(summary(preset, rows), flush=True)
    presets = list(dict.fromkeys(row["preset"] for row in rows))
    heads = ("preset", "weights", "fits", "validation, %", "test, %", "epochs", "CPU s a fit")
    columns = dict(zip(("preset", "weights", "fits", "valid", "test", "epochs", "cpu"), heads))
    text = "Accuracy on the public splits, mean ± standard deviation of fits; the weights kept are those that were\n"
    text += "best on the validation nodes. PubMed's file has no features: its nodes are told by citations alone.\n\n"
    seeds = " ".join(map(str, arguments.seeds))
    command = f"python benchmarks/core/nodes.py {' '.join(presets)} --data DATA --seeds {seeds}"
    of_runs.page(
        "nodes", "Classes of nodes", text + of_runs.table([summary(p, rows) for p in presets], columns), command
    )


if __name__ == "__main__":
    main()
