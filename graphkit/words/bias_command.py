"""`graphkit bias`: which way words lean along a direction such as gender, and vectors without it.

graphkit bias runs/text
graphkit bias vectors.vec configs/bias/gender.toml --plot leaning.png
graphkit bias runs/text --debias runs/text/debiased
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import Positional

from neuralcore.config import find_config, from_mapping, read_toml
from neuralcore.errors import UserError
from neuralcore.lazy import lazy_import

if TYPE_CHECKING:
    import numpy as np

    from graphkit.words.bias import BiasWords
    from graphkit.words.vectors import WordVectors
else:
    np = lazy_import("numpy")

figures = lazy_import("matplotlib.figure", extra="plots")

ENDS = 10  # words printed at each end of a list
DRAWN = 60  # words drawn at most, half at each end
LEANING = 500  # words on each side that are looked for after debiasing, as in Gonen & Goldberg 2019
COMMONEST = 50_000  # among which these are


@dataclass(frozen=True)
class BiasArguments:
    """Show which way words lean along a direction such as gender, and take it out."""

    vectors: Positional[Path]
    """run folder, its vectors/, or a file in word2vec's, fastText's (.vec) or GloVe's format"""
    bias: Positional[str] = "configs/bias/gender.toml"
    """.toml file of the words that make the direction and of those to look at; the shipped one is a model"""
    words: str = ""
    """words to look at in place of the file's, with commas between"""
    plot: Path | None = None
    """a .png, .svg or .pdf file for a picture of how far each word leans"""
    debias: Path | None = None
    """a folder for new vectors without the direction (hard debiasing); prints the figures before and after"""


def bias(arguments: BiasArguments) -> int:
    """Show which way words lean along a direction such as gender, and take it out."""
    from graphkit.words.bias import BiasWords, direct_bias, direction, known, known_pairs
    from graphkit.words.look import named
    from graphkit.words.vectors import WordVectors

    path = find_config(arguments.bias)
    chosen = from_mapping(BiasWords, read_toml(path), path)
    if arguments.plot is not None and arguments.plot.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise UserError(f"{arguments.plot}: a picture's name ends in .png, .svg or .pdf")
    sources = [(arguments.vectors / part).resolve() for part in ("", "vectors")]
    if arguments.debias is not None and arguments.debias.resolve() in sources:
        raise UserError(f"--debias {arguments.debias} holds the vectors as they are: name another folder")
    vectors = WordVectors.read(arguments.vectors)
    pairs = known_pairs(vectors, chosen.pairs)
    along, share = direction(vectors.unit, pairs)
    first, second = chosen.pairs[0]
    counts = f"{len(pairs)} of {len(chosen.pairs)} pairs known"
    print(f"direction    from {second!r} to {first!r}: {counts}, {share:.0%} of their variance")
    listed = named(arguments.words) or list(chosen.words)
    rows = known(vectors, listed)
    if arguments.words and len(rows) < len(listed):
        vectors.vocabulary.ids(listed)  # names the one that is not known
    leaning = sorted(((float(vectors.unit[row] @ along), vectors.words[row]) for row in rows), reverse=True)
    print(
        f"words        {len(rows)} of {len(listed)} known; mean |cosine| {direct_bias(vectors.unit, rows, along):.3f}"
    )
    for end, side in ((first, leaning), (second, [(-cosine, word) for cosine, word in leaning[::-1]])):
        part = [f"{word} {cosine:.2f}" for cosine, word in side[:ENDS] if cosine > 0]
        print(f"  to {end:<9}" + "  ".join(part))
    print("\n".join(_association_lines([vectors], chosen)))
    if arguments.plot is not None:
        _draw(leaning, f"How far words lean from {second!r} (left) to {first!r} (right)", arguments.plot)
        print(f"picture      {arguments.plot}")
    if arguments.debias is not None:
        _debias(vectors, chosen, along, rows, arguments.debias)
    return 0


def _debias(vectors: WordVectors, chosen: BiasWords, along: np.ndarray, rows: Sequence[int], folder: Path) -> None:
    from graphkit.words.bias import direct_bias, hard_debiased, known, known_pairs, most_leaning, recovered

    equalise = known_pairs(vectors, chosen.equalise)
    named_pairs = [word for pair in (*chosen.pairs, *chosen.equalise) for word in pair]
    specific = known(vectors, [*chosen.specific, *named_pairs])
    after = hard_debiased(vectors, along, specific, equalise)
    after.save(folder)
    print(
        f"debiased     {folder}: {len(vectors) - len(specific):,} words neutralised, {len(equalise)} pairs equalised"
    )
    print(f"  {'':<44}{'before':>8}{'after':>8}")
    figures = [direct_bias(v.unit, rows, along) for v in (vectors, after)]
    print(f"  {'mean |cosine| of the words':<44}{figures[0]:>8.3f}{figures[1]:>8.3f}")
    print("\n".join(_association_lines([vectors, after], chosen)))
    neutral = np.setdiff1d(np.arange(min(len(vectors), COMMONEST)), specific)
    count = min(LEANING, len(neutral) // 4)
    if count:
        sides = most_leaning(vectors.unit, along, neutral, count)
        shares = [recovered(v.unit, *sides) for v in (vectors, after)]
        print(f"  {f'the {count} leaning most each way, told apart by':<44}")
        print(f"  {'  2-means clustering (.5: not at all)':<44}{shares[0]:>8.3f}{shares[1]:>8.3f}")


def _association_lines(versions: Sequence[WordVectors], chosen: BiasWords) -> list[str]:
    """A line a test: its effect size and p in each version of the vectors."""
    from graphkit.words.bias import association, known

    lines = []
    for name, test in chosen.tests.items():
        sets = [known(versions[0], test[key]) for key in "xyab"]
        try:
            found = [association(vectors.unit, *sets) for vectors in versions]
        except UserError as error:
            if len(versions) == 1:  # said once is enough
                lines.append(f"  {name}: left out, {error}")
            continue
        if len(versions) == 2:
            lines.append(f"  {'effect size of ' + name:<44}{found[0].effect:>8.2f}{found[1].effect:>8.2f}")
        else:
            x, y, a, b = found[0].words
            counts = f"known of x, y, a, b: {x}, {y}, {a}, {b}"
            lines.append(f"  {name:<24} effect size {found[0].effect:+.2f}, p {found[0].p:.4f}  ({counts})")
    return ["association  tests (WEAT)", *lines] if lines and len(versions) == 1 else lines


def _draw(leaning: Sequence[tuple[float, str]], title: str, path: Path) -> None:
    """Words from the top, the most leaning to the right first, as bars from the middle."""
    from graphkit.words.picture import INK, LINE, POINT

    if not leaning:
        raise UserError("a picture of 0 words: none of the words is known")
    shown = list(leaning) if len(leaning) <= DRAWN else [*leaning[: DRAWN // 2], *leaning[-DRAWN // 2 :]]
    cosines, words = zip(*shown)
    figure = figures.Figure(figsize=(6, 0.6 + 0.16 * len(words)), dpi=150)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.barh(range(len(words)), cosines, color=[POINT if c > 0 else "#c26a4a" for c in cosines], height=0.7)
    axes.set_yticks(range(len(words)), words, fontsize=8, color=INK)
    axes.set_ylim(len(words) - 0.4, -0.6)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.grid(axis="x", color=LINE, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(axis="x", labelsize=8)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_xlabel("cosine with the direction", fontsize=9)
    axes.set_title(title, fontsize=10, loc="left", color=INK)
    try:
        figure.savefig(path, bbox_inches="tight", pad_inches=0.15)
    except OSError as error:
        raise UserError(f"{path} could not be written ({error.strerror})") from None
