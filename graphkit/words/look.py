"""`graphkit words RUN`: what word vectors are worth and how they lie, once they are trained.

graphkit words runs/text --show king,queen
graphkit words runs/text --evaluate questions-words.txt EN-WS-353-ALL.txt
graphkit words vectors.vec.gz --plot picture.png --words king,queen,man,woman --method tsne
graphkit words runs/text --save vectors.bin
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import Positional

from neuralcore.errors import UserError

if TYPE_CHECKING:
    from graphkit.words.evaluation import Analogies, Similarity
    from graphkit.words.vectors import WordVectors

SHOWN = 6  # words whose neighbours are printed when none are named
DRAWN = 50  # words of a picture when none are named
NEIGHBOURS = 5


@dataclass(frozen=True)
class LookArguments:
    """Look at word vectors that are there: neighbours, evaluation, a picture, other formats."""

    vectors: Positional[Path]
    """run folder, its vectors/, or a file in word2vec's text or binary format, fastText's (.vec) or GloVe's"""
    show: str = ""
    """words whose neighbours are printed, with commas between; by default, if nothing else is asked, frequent ones"""
    evaluate: tuple[Path, ...] = ()
    """files of analogies or of word pairs with scores, and folders of such; a run folder gets evaluation.json"""
    commonest: int = 300_000
    """for --evaluate: how many words count as known, the commonest first"""
    fold_case: bool = True
    """for --evaluate: whether words that differ only in case are one"""
    plot: Path | None = None
    """a .png, .svg or .pdf file for a picture of words in two dimensions"""
    words: str = ""
    """for --plot: the words, with commas between; by default some frequent ones"""
    method: Literal["pca", "tsne"] = "pca"
    """for --plot: principal components, or t-SNE, which shows groups better and distances worse"""
    save: Path | None = None
    """write the vectors: .bin in word2vec's binary format, .txt or .vec in its text format (.gz and .xz too),
    otherwise a folder"""

    def __post_init__(self) -> None:
        if self.commonest < 1:
            raise ValueError(f"--commonest {self.commonest}: at least 1 word must count as known")
        if not self.evaluate and (self.commonest != 300_000 or not self.fold_case):
            raise ValueError("--commonest and --no-fold-case say how to evaluate: name files with --evaluate")
        if self.plot is None and (self.words or self.method != "pca"):
            raise ValueError(
                "--words and --method say what to draw: name a file with --plot (--show prints neighbours)"
            )


def vectors_at(path: Path) -> bool:
    """Whether there are trained vectors, in a run folder, its vectors/, or a file of another program."""
    if path.is_dir():
        return any((place / "manifest.json").is_file() for place in (path, path / "vectors"))
    if not path.is_file():
        return False
    from graphkit.words.formats import is_word2vec

    return is_word2vec(path)


def look(arguments: LookArguments) -> int:
    """Look at word vectors that are there: neighbours, evaluation, a picture, other formats."""
    from graphkit.words.vectors import WordVectors

    vectors = WordVectors.read(arguments.vectors)
    print(f"vectors      {len(vectors):,} words, dimension {vectors.matrix.shape[1]}")
    if arguments.show or not (arguments.evaluate or arguments.plot or arguments.save):
        lines = neighbour_lines(vectors, named(arguments.show))
        print("\n".join(["neighbours   by the cosine", *(f"  {line}" for line in lines)]))
    if arguments.evaluate:
        run = arguments.vectors if (arguments.vectors / "vectors").is_dir() else None
        evaluate(vectors, arguments.evaluate, run, commonest=arguments.commonest, fold_case=arguments.fold_case)
    if arguments.plot is not None:
        from graphkit.words.picture import picture

        words = named(arguments.words) or frequent(vectors, DRAWN)
        picture(vectors, words, arguments.plot, arguments.method)
        print(f"picture      {arguments.plot} ({len(words)} words)")
    if arguments.save is not None:
        kind = Path(arguments.save.name.removesuffix(".gz").removesuffix(".xz")).suffix
        if kind in (".bin", ".txt", ".vec"):
            vectors.save_word2vec(arguments.save, binary=kind == ".bin")
        elif arguments.save.suffix in (".gz", ".xz"):
            raise UserError(f"--save {arguments.save}: say which format, .bin{kind}, .txt or .vec before the ending")
        else:
            vectors.save(arguments.save)
        print(f"saved        {arguments.save}")
    return 0


def named(words: str) -> list[str]:
    """The words of a list with commas between."""
    return [word.strip() for word in words.split(",") if word.strip()]


def frequent(vectors: WordVectors, count: int) -> list[str]:
    """The commonest words of five letters and more, which are seldom the and of; of nodes with short names any."""
    return ([word for word in vectors.words if len(word) >= 5] or vectors.words)[:count]


def neighbour_lines(vectors: WordVectors, shown: Sequence[str]) -> list[str]:
    """One line a word: its nearest words and their cosines.

    Args:
        shown: the words, as they are in the vocabulary; empty for some frequent ones.

    A word that is not known has its line say so: a slip in `--show` is no reason to fail after hours of training.
    """
    chosen = list(shown) or frequent(vectors, SHOWN)
    width = max(map(len, chosen), default=0)
    lines = []
    for word in chosen:
        try:
            nearest = "  ".join(f"{other} {cosine:.2f}" for other, cosine in vectors.neighbours(word, NEIGHBOURS))
        except UserError as error:
            nearest = f"({error})"
        lines.append(f"{word:<{width}}  {nearest}")
    return lines


def evaluate(
    vectors: WordVectors, paths: Sequence[Path], run: Path | None, *, commonest: int = 300_000, fold_case: bool = True
) -> None:
    """Print the figures and, where there is a run folder, write them into its `evaluation.json`."""
    from neuralcore.checkpoint import write_text

    figures = vectors.evaluate(paths, commonest=commonest, fold_case=fold_case)
    print("\n".join(figure_lines(figures)))
    if run is not None:
        settings = {"words": len(vectors), "commonest": commonest, "fold_case": fold_case}
        rows = {**settings, "results": [figure.as_row() for figure in figures]}
        write_text(run / "evaluation.json", json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
        print(f"evaluation   {run}/evaluation.json")


def figure_lines(figures: Sequence[Analogies | Similarity]) -> list[str]:
    """The figures as the lines of two tables."""
    from graphkit.words.evaluation import Analogies, Similarity

    def cell(value: float) -> str:
        return "-" if math.isnan(value) else f"{value:.3f}"

    lines = []
    width = max([len(figure.name) for figure in figures] + [30])
    for figure in figures:
        if isinstance(figure, Analogies):
            lines.append(f"{figure.name:<{width}}  accuracy   95 % interval     right    asked  unknown")
            for section in (*figure.sections, figure.total):
                low, high = map(cell, section.interval)
                counts = f"{section.correct:>8,} {section.asked:>8,} {section.unknown:>8,}"
                lines.append(
                    f"  {section.name:<{width - 2}}  {cell(section.accuracy):>8}   {low:>5} {high:>5}  {counts}"
                )
    sets = [figure for figure in figures if isinstance(figure, Similarity)]
    if sets:
        lines.append(f"{'similarity':<{width}}  Spearman   95 % interval   Pearson    pairs  unknown")
    for figure in sets:
        low, high = map(cell, figure.interval)
        counts = f"{cell(figure.pearson):>7} {figure.pairs:>8,} {figure.unknown_rate:>8.1%}"
        lines.append(f"  {figure.name:<{width - 2}}  {cell(figure.spearman):>8}   {low:>6} {high:>6}   {counts}")
    return lines
