"""What attacks do to a classifier, and to the same one trained against them: configs/vision/fashion_adversarial.toml.

    python benchmarks/core/adversarial.py --data DATA/fashion-mnist --threads 1

The preset is fitted by `neuralcore fit`, and so is the task "classify" with the same network, data and loop; a second
call goes on from the run folders. Both are attacked by FGSM, by 20-step PGD once and with restarts, and by PGD of
other sizes. The table goes to docs/results/adversarial.md, the curves to docs/results/adversarial.png.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from datetime import date
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "results"
PRESET = "configs/vision/fashion_adversarial.toml"
OWN = ("norm", "epsilon", "attack", "steps", "clean", "judge_steps", "judge_restarts", "judged")  # not of "classify"
STEPS, RESTARTS = 20, 3
CURVE_STEPS = 10
SHARES = (0.1, 0.3, 0.6, 1.0, 1.5)  # of ε, in the curves
NAMES = {"plain": "trained on images as they are", "adversarial": "trained on attacked images"}


def fitted(data: str, runs: Path, threads: int, seed: int) -> dict[str, Path]:
    """The run folders of both, fitted."""
    from neuralcore import cli
    from neuralcore.config import find_config

    runs.mkdir(parents=True, exist_ok=True)
    lines = find_config(PRESET).read_text(encoding="utf-8").splitlines()
    plain = [line for line in lines if line.split(" = ")[0] not in OWN]
    files = {"plain": runs / "fashion_plain.toml", "adversarial": Path(PRESET)}
    files["plain"].write_text("\n".join(plain).replace('"adversarial"', '"classify"') + "\n", encoding="utf-8")
    found = {}
    for name, file in files.items():
        found[name] = runs / f"{name}_{seed}"
        words = ["fit", str(file), "--data", data, "--run", str(found[name]), "--seed", str(seed)]
        if code := cli.main([*words, "--threads", str(threads)]):
            sys.exit(code)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="data/fashion-mnist")
    parser.add_argument("--runs", type=Path, default=Path("runs/adversarial"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--images", type=int, default=500, help="of the test images, how many are attacked")
    arguments = parser.parse_args()

    import json

    import torch
    from matplotlib.figure import Figure

    import neuralcore
    from neuralcore.checkpoint import write_text
    from neuralcore.data.images import read_images
    from neuralcore.fitting.metrics import proportion
    from neuralcore.fitting.saved import load_model
    from neuralcore.understanding.attacks import as_floats, fgsm, robust_accuracy
    from neuralcore.understanding.score import unvarying

    runs = fitted(arguments.data, arguments.runs, arguments.threads, arguments.seed)
    config = load_model(runs["adversarial"]).config
    epsilon = config.epsilon
    test = read_images(arguments.data)["test"]
    images = as_floats(torch.from_numpy(test.images[: arguments.images]))
    labels = torch.from_numpy(test.labels[: arguments.images])

    heads = ["", "all test images", "FGSM", f"PGD, {STEPS} steps", f"and {RESTARTS} restarts", "CPU-s to train"]
    rows, curves = [], {}
    for name, run in runs.items():
        model = load_model(run).model

        def attacked(size: float, restarts: int = 1, steps: int = STEPS, model: torch.nn.Module = model) -> str:
            right = robust_accuracy(model, images, labels, size, norm=config.norm, steps=steps, restarts=restarts)
            return str(proportion(int(right.sum()), len(right)))

        with unvarying(model):
            clean = json.loads((run / "test.json").read_text())
            one_step = model(fgsm(model, images, labels, epsilon)).argmax(1) == labels
            cells = [f"{clean['accuracy']:.4f} [{clean['accuracy_low']:.4f}, {clean['accuracy_high']:.4f}]"]
            cells += [str(proportion(int(one_step.sum()), len(labels)))]
            cells += [attacked(epsilon), attacked(epsilon, RESTARTS)]
            cells += [f"{json.loads((run / 'fit.json').read_text())['cpu_seconds']:.0f}"]
            own = (model(images).argmax(1) == labels).float().mean()
            curves[name] = [
                float(own),
                *(float(attacked(epsilon * share, 1, CURVE_STEPS).split()[0]) for share in SHARES),
            ]
        rows.append([NAMES[name], *cells])
        print(" | ".join(rows[-1]), flush=True)

    figure = Figure(figsize=(5.0, 3.4), layout="constrained")
    axis = figure.subplots()
    for (name, values), colour in zip(curves.items(), ("#c9622b", "#2a6f97")):
        axis.plot([0.0, *(epsilon * s for s in SHARES)], values, marker=".", color=colour, label=NAMES[name])
    axis.axvline(epsilon, color="#888888", linestyle=":")
    axis.set_xlabel(f"ε of the attack ({config.norm}, images in [0, 1])")
    axis.set_ylabel("told right")
    axis.set_ylim(0.0, 1.0)
    axis.legend(fontsize=8, frameon=False)
    figure.savefig(FOLDER / "adversarial.png", dpi=120)

    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|", *(f"| {' | '.join(row)} |" for row in rows)]
    write_text(
        FOLDER / "adversarial.md",
        "# Attacks on a classifier of Fashion-MNIST, and training against them\n\n"
        f'`{PRESET}`, {config.model}, against its twin of the task "classify". Attacks move each number of\n'
        f"an image by up to ε = {epsilon:g} of [0, 1], on the first {len(labels):,} test images; shares are of "
        "images told right,\nwith 95 % intervals. ε = 0.1 as the images are grey and of strong contrast; 8/255 "
        "= 0.031, the custom for\ncolour photographs, is much less of an attack here, as the curves show.\n\n"
        + "\n".join(lines)
        + "\n\n![Told right over the size of the attack](adversarial.png)\n\n"
        f"The curves are of {CURVE_STEPS}-step PGD without restarts.\n\n"
        f"{date.today()}, rlgraphkit {neuralcore.__version__}, torch {torch.__version__}, "
        f"Python {platform.python_version()}, {arguments.threads} thread of {os.cpu_count()} cores, a "
        f"{platform.machine()} machine that had other work.\n\n"
        "`python benchmarks/core/adversarial.py --data DATA/fashion-mnist`\n",
    )


if __name__ == "__main__":
    main()
