"""What Transformers cost: a pass forwards and back beside plain torch.nn, and writing with a cache and without.

    python benchmarks/core/transformers.py

One thread. Both take turns, so that what else the machine does is the same for both; a ratio is of the medians of
CPU seconds, above 1 where ours is the faster. The plain side is torch.nn.TransformerEncoder (norm first, GELU,
causal) of the same sizes, whose outputs are the same for the same weights: that is checked first. Writing is greedy,
512 tokens by a model with first weights; without a cache it reads the whole text again for each, and both must write
the same.
docs/results/transformers.md has the tables.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import torch
from torch import nn

import neuralcore
from neuralcore.checkpoint import write_text
from neuralcore.language.choice import Choice
from neuralcore.language.model import LanguageModel, TransformerReader
from neuralcore.language.sampling import written
from neuralcore.sequence.transformer import TransformerDecoder

OUT = Path(__file__).resolve().parents[2] / "docs" / "results" / "transformers.md"
SIZES = ((128, 32, 192, 4), (50, 64, 256, 4), (512, 4, 256, 4))  # T, B, W, H
LAYERS = 3
TOKENS = 512


def plain(width: int, heads: int, dropout: float) -> nn.TransformerEncoder:
    """The plainest writing: torch.nn's own."""
    layer = nn.TransformerEncoderLayer(width, heads, 4 * width, dropout, "gelu", batch_first=True, norm_first=True)
    return nn.TransformerEncoder(layer, LAYERS, nn.LayerNorm(width), enable_nested_tensor=False)


def with_weights_of(ours: TransformerDecoder, theirs: nn.TransformerEncoder) -> None:
    """Give torch.nn's our weights."""
    pairs = {
        "norm": "norm1",
        "attention.query_key_value": "self_attn.in_proj_",
        "attention.out": "self_attn.out_proj",
    }
    pairs |= {"feed_norm": "norm2", "feed.into": "linear1", "feed.out": "linear2"}
    state = {}
    for name, value in ours.state_dict().items():
        for mine, other in pairs.items():
            if name.startswith("blocks.") and name.split(".", 2)[2].rsplit(".", 1)[0] == mine:
                number, kind = name.split(".")[1], name.rsplit(".", 1)[1]
                state[f"layers.{number}.{other}{'' if other.endswith('_') else '.'}{kind}"] = value
        if name.startswith("norm."):
            state[name] = value
    theirs.load_state_dict(state)


def step(run: Callable[[torch.Tensor], torch.Tensor], model: nn.Module, inputs: torch.Tensor, bf16: bool) -> float:
    """CPU seconds of one pass forwards and back."""
    model.zero_grad()
    started = time.process_time()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        loss = run(inputs).float().square().mean()
    loss.backward()
    return time.process_time() - started


def ratio(steps: int, examples: int, width: int, heads: int, rounds: int, bf16: bool) -> tuple[float, float]:
    """Median CPU seconds of ours and of torch.nn's."""
    ours = TransformerDecoder(width, LAYERS, heads, 4 * width, dropout=0.1)
    theirs = plain(width, heads, 0.1)
    with_weights_of(ours, theirs)
    mask = nn.Transformer.generate_square_subsequent_mask(steps)
    inputs = torch.randn(examples, steps, width, generator=torch.Generator().manual_seed(0))

    def plainly(x: torch.Tensor) -> torch.Tensor:
        return theirs(x, mask=mask, is_causal=True)

    theirs.eval()
    torch.testing.assert_close(ours.eval()(inputs), plainly(inputs))
    runs = [(ours.train(), ours), (plainly, theirs.train())]
    times: list[list[float]] = [[], []]
    for number in range(rounds + 1):
        for which in (0, 1) if number % 2 else (1, 0):
            seconds = step(*runs[which], inputs, bf16)  # type: ignore[arg-type]
            if number:  # the first warms up
                times[which].append(seconds)
    return statistics.median(times[0]), statistics.median(times[1])


def writing(width: int, layers: int, rounds: int) -> tuple[float, float]:
    """CPU seconds of 512 tokens with a cache and without."""
    torch.manual_seed(0)
    reader = TransformerReader(width, layers, 4, 4 * width, context=TOKENS + 1)
    model = LanguageModel(70, reader, width).eval()
    with torch.no_grad():
        model.embedding.weight.mul_(10.0)  # that the likeliest token leads clearly
    times: list[list[float]] = [[], []]
    texts = []
    for _ in range(rounds):
        for which, cached in enumerate((True, False)):
            started = time.process_time()
            texts.append(list(written(model, [7], TOKENS, Choice(temperature=0.0), cached=cached)))
            times[which].append(time.process_time() - started)
    if any(text != texts[0] for text in texts):
        raise SystemExit("the cache changed what is written")
    return min(times[0]), min(times[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    lines = ["| T | B | W | precision | ours | torch.nn | ratio |", "|--:|--:|--:|---|--:|--:|--:|"]
    for steps, examples, width, heads in SIZES:
        for bf16 in (False, True):
            ours, theirs = ratio(steps, examples, width, heads, arguments.rounds, bf16)
            precision = "bf16" if bf16 else "fp32"
            lines.append(
                f"| {steps} | {examples} | {width} | {precision} | {1000 * ours:.0f} ms | {1000 * theirs:.0f} ms "
                f"| {theirs / ours:.2f} |"
            )
            print(lines[-1], flush=True)
    wrote = ["| W | layers | with a cache | without | ratio |", "|--:|--:|--:|--:|--:|"]
    for width, layers in ((192, 4), (256, 6)):
        cached, uncached = writing(width, layers, 2)
        wrote.append(f"| {width} | {layers} | {cached:.2f} s | {uncached:.2f} s | {uncached / cached:.1f} |")
        print(wrote[-1], flush=True)
    tables = [
        "# Transformers beside torch.nn, and what a cache saves",
        f"Forwards and back through {LAYERS} causal layers with dropout .1, T steps of B texts, width W; CPU time of "
        f"one thread, medians of {arguments.rounds} rounds in which both take turns. Above 1, ours is faster.",
        "\n".join(lines),
        f"{TOKENS} tokens written greedily, the same by both; CPU time of one thread, the better of two.",
        "\n".join(wrote),
        f"{date.today()}, rlgraphkit {neuralcore.__version__}, torch {torch.__version__}, Python "
        f"{platform.python_version()}, {os.cpu_count()} cores of a {platform.machine()} machine (AVX512-BF16) that "
        "had other work.",
        f"`python benchmarks/core/transformers.py --rounds {arguments.rounds}`",
    ]
    write_text(OUT, "\n\n".join(tables) + "\n")


if __name__ == "__main__":
    main()
