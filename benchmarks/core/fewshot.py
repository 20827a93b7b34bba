"""Few-shot accuracy on classes that were held out, with 95 % intervals over episodes, beside what needs no learning.

    python benchmarks/core/fewshot.py fashion_prototypical fashion_maml --data DATA --seeds 0 1 2

Which classes are held out is drawn by the seed, and matters more than the interval says: compare methods within a
seed. A model is fitted with the shots of its preset, and judged with 1 and 5. Baselines tell by the nearest mean,
too: of pixels, and of features of a network with first weights.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import runs as of_runs

SHOTS = (1, 5)


def rows_of(preset: str, seed: int, arguments: argparse.Namespace) -> list[dict[str, str]]:
    """Rows of a preset: a model for each number of shots."""
    import torch

    from neuralcore.fitting.loop import evaluate
    from neuralcore.fitting.saved import load_model

    a = arguments
    run = of_runs.fitted_run(preset, a.data, a.runs, seed, a.threads)
    fitted, rows = load_model(run), []
    for shots in SHOTS:
        task = replace(fitted.config, shots=shots).build(seed)
        first = evaluate(task, "test", torch.device("cpu"), task.config.fit)
        task.model.load_state_dict(fitted.model.state_dict())
        found = evaluate(task, "test", torch.device("cpu"), task.config.fit)
        common = {"seed": str(seed), "shots": str(shots), "held": " ".join(fitted.description["held_out"])}
        rows.append({"method": preset, **common, "accuracy": of_runs.interval(found), "cpu": of_runs.seconds(run)})
        rows.append({"method": f"{preset}, first weights", **common, "accuracy": of_runs.interval(first), "cpu": ""})
        if fitted.task == "prototypical":
            rows.append({"method": "pixels", **common, "accuracy": of_runs.interval(of_pixels(task)), "cpu": ""})
    return rows


def of_pixels(task) -> dict[str, float]:
    """The nearest mean of pixels, on the same episodes."""
    import torch

    from neuralcore.pretraining.episodes import figures
    from neuralcore.pretraining.prototypical import episode_accuracies

    pixels = torch.from_numpy(task.episodes.splits["test"].images).flatten(1).float() / 255.0
    return figures(episode_accuracies(pixels, task.episodes.judged("test"), at_once=20))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="+")
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--runs", type=Path, default=Path("runs/core"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    for seed in arguments.seeds:
        for preset in arguments.presets:
            rows = of_runs.kept("fewshot", rows_of(preset, seed, arguments), ("seed", "shots", "method"))
    heads = ("seed", "held out classes", "shots", "method", "accuracy, 95 % of episodes", "CPU s")
    made = of_runs.table(rows, dict(zip(("seed", "held", "shots", "method", "accuracy", "cpu"), heads)))
    text = "Four classes that were never seen, test images, 1,000 episodes of 15 queries a class; learned from the "
    text += "other six classes'\ntraining images, with one shot.\n\n"
    presets = " ".join(dict.fromkeys(row["method"] for row in rows if row["cpu"]))
    seeds = " ".join(sorted({row["seed"] for row in rows}))
    command = f"python benchmarks/core/fewshot.py {presets} --data DATA --seeds {seeds}"
    of_runs.page("fewshot", "Classes from few examples", text + made, command)


if __name__ == "__main__":
    main()
