"""`graphkit words`: from a text file to word vectors, and a look at them.

graphkit words corpus.txt --dimension 100 --epochs 5
graphkit words part1.txt.gz part2.txt.gz --run runs/both --threads 2
graphkit words configs/words/tinyshakespeare.toml --show king,love
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import Positional

from graphkit.skipgram import SkipGramConfig
from neuralcore.config import find_config, from_mapping, parse, read_toml
from neuralcore.errors import UserError

if TYPE_CHECKING:
    from graphkit.word_vectors import WordVectors

SHOWN = 6  # words whose neighbours are printed when none are named
NEIGHBOURS = 5


@dataclass(frozen=True)
class WordsArguments:
    """Learn word vectors from text; the same command goes on where it stopped."""

    corpus: Positional[tuple[str, ...]]
    """UTF-8 text files (also .gz, .xz), a line a sentence; sample:tinyshakespeare; or a .toml file that names one"""
    run: str = ""
    """run folder; by default runs/words-<corpus>"""
    show: str = ""
    """words whose neighbours are printed in the end, with commas between; by default some frequent ones"""
    config: SkipGramConfig = field(default_factory=SkipGramConfig)

    def __post_init__(self) -> None:
        if not self.corpus:
            raise ValueError("name a text file, sample:tinyshakespeare, or a .toml file that names one")


def parse_arguments(words: Sequence[str], prog: str) -> WordsArguments:
    """The arguments: defaults, then the TOML file where one is named, then flags."""
    description = WordsArguments.__doc__ or ""
    files = [word for word in words if word.endswith(".toml") and not word.startswith("-")]
    if not files:
        return parse(WordsArguments, words, prog=prog, description=description)
    path = find_config(files[0])
    values = read_toml(path)
    if isinstance(values.get("corpus"), str):
        values["corpus"] = [values["corpus"]]
    default = from_mapping(WordsArguments, values, path)
    # The corpus comes from the file; tyro still wants its positional.
    place = list(words).index(files[0])
    words = [*default.corpus, *words[:place], *words[place + 1 :]]
    arguments = parse(WordsArguments, words, prog=prog, description=description, default=default)
    if arguments.corpus != default.corpus:
        extra = next(word for word in arguments.corpus if word not in default.corpus)
        raise UserError(f"{extra!r} beside {path}: the file names the corpus, so name either it or text files")
    return arguments


def words(arguments: WordsArguments) -> int:
    """Learn word vectors from text; the same command goes on where it stopped."""
    from graphkit.word_vectors import WordVectors
    from neuralcore.checkpoint import write_text
    from neuralcore.telemetry import duration

    name = Path(arguments.corpus[0].removeprefix("sample:")).name.split(".")[0]
    run = Path(arguments.run or f"runs/words-{name}")
    config = arguments.config
    vectors = WordVectors.train(arguments.corpus, config, run=run)
    text = f"{len(vectors):,} words that occur {config.min_count} times or more, {vectors.vocabulary.total:,} in all"
    done = vectors.training
    assert done is not None
    if done.words:
        speed = f"{done.words:,} words in {duration(done.seconds)}, {done.words / done.seconds:,.0f} words/s"
    else:
        speed = "nothing: the run had been finished"
    tables = neighbour_lines(vectors, [word.strip() for word in arguments.show.split(",") if word.strip()])
    print(f"vocabulary   {text}")
    print(f"trained      {speed}")
    print(f"vectors      {run}/vectors (graphkit search {run} WORD)")
    print("\n".join(["neighbours   by the cosine", *(f"  {line}" for line in tables)]))
    settings = ", ".join(f"{key} {value}" for key, value in dataclasses.asdict(config).items())
    write_text(
        run / "card.md",
        f"# {name}\n\nSkip-gram word vectors of {', '.join(arguments.corpus)}: {text}.\n\n{settings}.\n\n"
        + "".join(f"- {line}\n" for line in tables)
        + f"\nCommand: `graphkit words {run}/config.toml`\n",
    )
    return 0


def neighbour_lines(vectors: WordVectors, shown: Sequence[str]) -> list[str]:
    """One line a word: its nearest words and their cosines.

    Args:
        shown: the words, as they are in the vocabulary; empty for the commonest words of five letters and more, which
            are seldom the and of.

    A word that is not known has its line say so: a slip in `--show` is no reason to fail after hours of training.
    """
    chosen = list(shown) or [word for word in vectors.words if len(word) >= 5][:SHOWN]
    width = max(map(len, chosen), default=0)
    lines = []
    for word in chosen:
        try:
            nearest = "  ".join(f"{other} {cosine:.2f}" for other, cosine in vectors.neighbours(word, NEIGHBOURS))
        except UserError as error:
            nearest = f"({error})"
        lines.append(f"{word:<{width}}  {nearest}")
    return lines
