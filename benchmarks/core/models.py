"""What networks cost: parameters and multiply-adds of all, the speed of some beside their plainest torch.nn writing.

    python benchmarks/core/models.py --threads 1

Speed: images per CPU-second of a forward and a backward pass on CIFAR's 32x32 pixels, batches of 128, the best of
--rounds in which all take turns. "plain" is benchmarks/core/plain.py, in torch's default layout; ours are as the loop
has them, channels last in memory; both also in bfloat16. The two networks of a pair have equally many parameters and
multiply-adds, which is checked.

docs/results/models.md has both tables.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import plain
import torch
from torch import nn

import neuralcore
from neuralcore.checkpoint import write_text
from neuralcore.vision import make_model
from neuralcore.vision.counting import multiply_adds, parameters

OUT = Path(__file__).resolve().parents[2] / "docs" / "results" / "models.md"
BATCH = 128
LARGE: list[tuple[str, int, dict]] = [
    ("lenet", 28, {}),
    ("alexnet", 224, {}),
    ("zfnet", 224, {}),
    *[("vgg", 224, {"depth": depth}) for depth in (11, 13, 16, 19)],
    ("googlenet", 224, {}),
    ("inception", 299, {}),
    *[("resnet", 224, {"depth": depth}) for depth in (18, 34, 50, 101, 152)],
    ("resnext", 224, {}),
    ("se_resnet", 224, {}),
    *[("densenet", 224, {"depth": depth}) for depth in (121, 161, 169, 201)],
    ("mobilenet", 224, {}),
    ("mobilenet_v2", 224, {}),
    ("mobilenet_v3", 224, {}),
    ("shufflenet", 224, {}),
    ("xception", 299, {}),
    ("nature", 84, {}),
    ("impala", 84, {}),
]
PAIRS: dict[str, tuple[str, dict, Callable[[int], nn.Module]]] = {
    "ResNet-20": ("resnet", {"depth": 20}, plain.resnet20),
    "VGG-11, width 1/4": ("vgg", {"depth": 11, "width": 0.25, "norm": True, "hidden": 256}, plain.vgg11),
    "MobileNet, width 1/2": ("mobilenet", {"width": 0.5}, plain.mobilenet),
    "DenseNet-22": ("densenet", {"depth": 22}, plain.densenet22),
}


def counted() -> list[str]:
    """Lines of the table of counts, on torch's device without numbers."""
    lines = ["| network | settings | images | parameters | multiply-adds |", "|---|---|---|--:|--:|"]
    for name, size, settings in LARGE:
        channels, classes = {"lenet": (1, 10), "nature": (4, 6), "impala": (4, 6)}.get(name, (3, 1000))
        with torch.device("meta"):
            model = make_model(name, classes, channels, size, settings)
        told = ", ".join(f"{key} {value}" for key, value in settings.items())
        products = multiply_adds(model, (channels, size, size))
        text = f"{products / 1e9:.2f} G" if products > 1e8 else f"{products / 1e6:.2f} M"
        lines.append(f"| `{name}` | {told} | {channels}x{size}x{size} | {parameters(model):,} | {text} |")
    return lines


def step(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, half: bool) -> float:
    """CPU-seconds of a forward and a backward pass."""
    started = time.process_time()
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        loss = nn.functional.cross_entropy(model(images).float(), labels)
    loss.backward()
    return time.process_time() - started


def timed(rounds: int) -> list[str]:
    """Lines of the table of speeds."""
    heads = (
        "network",
        "plain",
        "ours",
        "ratio",
        "plain, bf16",
        "ours, bf16",
        "ratio",
        "plain, channels last",
        "ratio",
    )
    lines = [f"| {' | '.join(heads)} |", "|---" + "|--:" * (len(heads) - 1) + "|"]
    images, labels = torch.randn(BATCH, 3, 32, 32), torch.randint(10, (BATCH,))
    last = images.contiguous(memory_format=torch.channels_last)
    for title, (name, settings, writing) in PAIRS.items():
        theirs, ours = writing(10), make_model(name, 10, 3, 32, settings)
        assert parameters(theirs) == parameters(ours), (title, parameters(theirs), parameters(ours))
        assert multiply_adds(theirs, (3, 32, 32)) == multiply_adds(ours, (3, 32, 32)), title
        ours = ours.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        tuned = writing(10).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        cases = {
            "plain": (theirs, images, False),
            "ours": (ours, last, False),
            "plain_half": (theirs, images, True),
            "ours_half": (ours, last, True),
            "tuned": (tuned, last, False),
        }
        best = dict.fromkeys(cases, float("inf"))
        for number in range(rounds + 1):  # the first warms up
            for case, (model, batch, half) in cases.items():
                took = step(model, batch, labels, half)
                best[case] = min(best[case], took) if number else best[case]
        speed = {case: BATCH / took for case, took in best.items()}
        cells = [title, *(f"{speed[c]:,.0f}" for c in ("plain", "ours")), f"{speed['ours'] / speed['plain']:.2f}"]
        cells += [*(f"{speed[c]:,.0f}" for c in ("plain_half", "ours_half"))]
        cells += [f"{speed['ours_half'] / speed['plain_half']:.2f}"]
        cells += [f"{speed['tuned']:,.0f}", f"{speed['ours'] / speed['tuned']:.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    write_text(
        OUT,
        "# What networks cost\n\n## Parameters and multiply-adds\n\nOf the published forms; tests hold them to the "
        "papers' figures.\n\n"
        + "\n".join(counted())
        + f"\n\n## Speed beside the plainest writing\n\nImages of 32x32 pixels per CPU-second, forward and backward, "
        f"batches of {BATCH}, {arguments.threads} thread, the best of {arguments.rounds} in turns.\n\n"
        + "\n".join(timed(arguments.rounds))
        + f"\n\n{date.today()}, rlgraphkit {neuralcore.__version__}, torch {torch.__version__}, Python "
        f"{platform.python_version()}, {os.cpu_count()} cores of a {platform.machine()} machine (AVX512-BF16) that "
        f"had other work.\n\n`python benchmarks/core/models.py --threads {arguments.threads} --rounds "
        f"{arguments.rounds}`\n",
    )


if __name__ == "__main__":
    main()
