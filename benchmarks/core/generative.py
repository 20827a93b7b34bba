"""Generative models of Fashion-MNIST: likelihoods, and how far samples are from real images for a judge of our own.

    python benchmarks/core/generative.py fashion_vae fashion_dcgan --data DATA

DATA holds fashion-mnist/. Each preset is fitted, or goes on, in a run folder under --runs; so is the judge, the
classifier `fashion_judge`. The distance is Fréchet's between the judge's features of --samples made and as many test
images: no published FID, whose judge is another. What as many training images have is its floor.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np
import runs as of_runs

SHOWN = {
    "loss": "{:.2f}",
    "divergence": "KL {:.2f}",
    "bits_per_dimension": "{:.3f} bits",
    "peak_signal_to_noise": "{:.2f} dB",
    "critic_accuracy": "critic right {:.2f}",
}
PICTURES = ("samples", "reconstructions")


def measured(preset: str, arguments: argparse.Namespace) -> dict[str, str]:
    """The row of a preset."""
    import torch

    from neuralcore.fitting.saved import load_model
    from neuralcore.generative.frechet import features, frechet_distance
    from neuralcore.generative.pyramids import as_bytes

    a = arguments
    run = of_runs.fitted_run(preset, a.data, a.runs, a.seed, a.threads)
    judge = load_model(of_runs.fitted_run("fashion_judge", a.data, a.runs, 0, a.threads)).model
    fitted, test = load_model(run), real_images(a, "test")
    distance = ""
    if hasattr(fitted.model, "sample"):
        with torch.no_grad():
            made = as_bytes(fitted.model.sample(a.samples, torch.Generator().manual_seed(1)))
        distance = f"{frechet_distance(features(judge, made), features(judge, test)):.2f}"
    for name in PICTURES:
        if (run / f"{name}.png").exists():
            shutil.copyfile(run / f"{name}.png", of_runs.RESULTS / f"generative_{preset}.png")
            break
    found = of_runs.figures(run)
    said = [text.format(found[name]) for name, text in SHOWN.items() if name in found]
    if fitted.task == "autoencode":
        said[0] = f"squared error {found['loss']:.4f}"
    elif "loss" in found:
        said[0] = f"bound {found['loss']:.2f} nats"
    weights = sum(p.numel() for p in fitted.model.parameters())
    row = {"preset": preset, "weights": f"{weights:,}", "seed": str(a.seed), "figures": ", ".join(said)}
    return row | {"distance": distance, "samples": str(a.samples), "cpu": of_runs.seconds(run)}


def real_images(arguments: argparse.Namespace, split: str):
    """The first images of a split, as many as samples."""
    import torch

    from neuralcore.data.images import read_images

    return torch.from_numpy(read_images(str(arguments.data / "fashion-mnist"))[split].images[: arguments.samples])


def floor(arguments: argparse.Namespace) -> dict[str, str]:
    """The row of real images."""
    from neuralcore.fitting.saved import load_model
    from neuralcore.generative.frechet import features, frechet_distance

    run = of_runs.fitted_run("fashion_judge", arguments.data, arguments.runs, 0, arguments.threads)
    judge = load_model(run).model
    one, two = (features(judge, real_images(arguments, split)) for split in ("train", "test"))
    row = {"preset": "(training images)", "weights": "", "seed": "", "figures": "", "samples": str(len(one))}
    noise = np.random.default_rng(0).integers(0, 256, (arguments.samples, 1, 28, 28)).astype(np.uint8)
    import torch

    worst = frechet_distance(features(judge, torch.from_numpy(noise)), two)
    return row | {"figures": f"noise has {worst:.0f}", "distance": f"{frechet_distance(one, two):.2f}", "cpu": ""}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="+")
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--runs", type=Path, default=Path("runs/core"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--samples", type=int, default=2_000)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    columns = ("preset", "weights", "seed", "figures", "distance", "samples", "cpu")
    heads = ("preset", "weights", "seed", "test figures", "Fréchet distance", "samples", "CPU s")
    for make in (floor, *(lambda a, preset=preset: measured(preset, a) for preset in arguments.presets)):
        row = make(arguments)
        rows = of_runs.kept("generative", [{key: row[key] for key in columns}], ("preset", "seed"))
    text = (
        "Fashion-MNIST. The distance is Fréchet's in the features of our own classifier `fashion_judge`, so it is no "
    )
    text += "FID of the\nliterature; its floor is what training images have to test images.\n\n"
    pictures = [f"generative_{row['preset']}.png" for row in rows if row["preset"].startswith("fashion")]
    seen = "\n\n".join(f"![{name}]({name})" for name in pictures if (of_runs.RESULTS / name).exists())
    names = " ".join(dict.fromkeys(row["preset"] for row in rows if row["preset"].startswith("fashion")))
    command = f"python benchmarks/core/generative.py {names} --data DATA"
    made = of_runs.table(rows, dict(zip(columns, heads)))
    of_runs.page("generative", "What generative models make", f"{text}{made}\n\n{seen}", command)


if __name__ == "__main__":
    main()
