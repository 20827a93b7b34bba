"""Back-translation (Sennrich et al. 2016) on the language pair that is made here: few pairs, many sentences more.

    python benchmarks/core/back_translation.py --pairs 64 --alone 1500

Of `pairs` sentences both languages are known, of `alone` others the target's side only. A model of the pairs
translates; a model of the other direction makes sources for the sentences that have none; a model of both translates
again, and one that was given all true sources, as the bound of what could be had. Each is fitted by as many steps.
Rows of docs/results/back_translation.csv and .md: BLEU and exact translations of 200 test sentences, by a beam of 5,
mean and range over the seeds. What the commands are for this with files is in docs/translation.md.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from pathlib import Path

import numpy as np
import torch

from neuralcore.fitting import FitConfig, fit
from neuralcore.translation.toy import toy_sentences
from neuralcore.translation.translate_config import TranslateConfig
from neuralcore.translation.translating import Translating
from neuralcore.translation.translator import Translator

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "results"
TEST, BATCH = 200, 32


def written(folder: Path, name: str, source: list[str], target: list[str]) -> None:
    """Two files of sentences."""
    for language, lines in (("src", source), ("tgt", target)):
        (folder / f"{name}.{language}").write_text("\n".join(lines) + "\n")


def fitted(folder: Path, examples: int, steps: int, seed: int, *, back: bool = False, extra: str = "") -> Translating:
    """A model of the folder's pairs, and of `extra` ones, together `examples`, after about so many steps."""
    config = TranslateConfig(
        data=str(folder),
        source="tgt" if back else "src",
        target="src" if back else "tgt",
        extra=",".join(str(folder / f"{extra}.{name}") for name in ("src", "tgt")) if extra else "",
        model="recurrent",
        settings={"width": 64, "dropout": 0.2},
        unit="words",
        translated=0,
        fit=FitConfig(
            epochs=round(steps / (examples // BATCH)),
            batch_size=BATCH,
            learning_rate=3e-3,
            schedule="cosine",
            clip=1.0,
            evaluate_every=0.0,
        ),
    )
    task = config.build(seed)
    fit(task, config.fit, seed=seed)
    return task


def once(pairs: int, alone: int, steps: int, seed: int) -> dict[str, dict[str, float]]:
    """Figures of the test sentences, of the three models and of the other direction's."""
    source, target = toy_sentences(pairs + alone, 1000 + seed)
    with tempfile.TemporaryDirectory() as path:
        folder = Path(path)
        written(folder, "train", source[:pairs], target[:pairs])
        written(folder, "test", *toy_sentences(TEST, 2))
        found = {"pairs": fitted(folder, pairs, steps, seed)}
        found["other direction"] = back = fitted(folder, pairs, steps, seed, back=True)
        made = Translator(back.model, back.tokens, beam=5).translate(target[pairs:])
        written(folder, "made", made, target[pairs:])
        written(folder, "true", source[pairs:], target[pairs:])
        found["and back-translated"] = fitted(folder, pairs + alone, steps, seed, extra="made")
        found["and true"] = fitted(folder, pairs + alone, steps, seed, extra="true")
        with torch.no_grad():
            return {name: task.evaluate("test") for name, task in found.items()}


def main() -> None:
    """Fit, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=64)
    parser.add_argument("--alone", type=int, default=1500)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=FOLDER)
    a = parser.parse_args()
    torch.set_num_threads(1)
    found = [once(a.pairs, a.alone, a.steps, seed) for seed in range(a.seeds)]
    rows = []
    for name in found[0]:
        row = {"learned from": name}
        for figure, places in (("bleu", 1), ("exact", 3)):
            values = [figures[name][figure] for figures in found]
            row[figure] = f"{np.mean(values):.{places}f}"
            row[f"{figure}_range"] = f"{min(values):.{places}f} to {max(values):.{places}f}"
        rows.append(row)
        print(row, flush=True)
    with (a.out / "back_translation.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    lines = ["| learned from | BLEU | exact |", "|---|---|---|"]
    for row in rows:
        cells = (row["learned from"], *(f"{row[name]} ({row[f'{name}_range']})" for name in ("bleu", "exact")))
        lines.append(f"| {' | '.join(cells)} |")
    flags = f"--pairs {a.pairs} --alone {a.alone} --steps {a.steps} --seeds {a.seeds}"
    head = f"# Back-translation of the made language\n\n`python benchmarks/core/back_translation.py {flags}`:\n"
    head += f"{a.pairs} pairs, {a.alone:,} sentences of the target more; mean and range of {a.seeds} seeds, {TEST} "
    (a.out / "back_translation.md").write_text(head + "test sentences.\n\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
