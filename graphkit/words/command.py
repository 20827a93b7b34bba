"""`graphkit words`: from a text file to word vectors, and a look at them.

graphkit words corpus.txt --dimension 100 --epochs 5
graphkit words part1.txt.gz part2.txt.gz --run runs/both --threads 2
graphkit words configs/words/tinyshakespeare.toml --show king,love --evaluate word-eval/
graphkit words runs/both …                                          what is there already: see graphkit.words.look
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tyro.conf import Positional

from graphkit.words.config import SkipGramConfig
from graphkit.words.look import LookArguments, evaluate, look, named, neighbour_lines, vectors_at
from neuralcore.config import find_config, from_mapping, parse, read_toml
from neuralcore.errors import UserError


@dataclass(frozen=True)
class WordsArguments:
    """Learn word vectors from text; the same command goes on where it stopped. With a finished run folder, or a file
    of vectors, in place of the text, --help lists what can be done with them."""

    corpus: Positional[tuple[str, ...]]
    """UTF-8 text files or folders (also .gz, .xz, .zst), a line a sentence; sample:tinyshakespeare; or a .toml file
    that names one"""
    run: str = ""
    """run folder; by default runs/words-<corpus>"""
    corpora: str = ""
    """folder that keeps texts as numbers, to be used again; by default .corpora beside the run folder"""
    start: str = ""
    """a run folder or vectors of an earlier text, from which words go on; new words join them"""
    show: str = ""
    """words whose neighbours are printed in the end, with commas between; by default some frequent ones"""
    evaluate: tuple[Path, ...] = ()
    """files of analogies or of word pairs with scores, and folders of such, to measure the vectors by in the end"""
    config: SkipGramConfig = field(default_factory=SkipGramConfig)

    def __post_init__(self) -> None:
        if not self.corpus:
            raise ValueError("name a text file, sample:tinyshakespeare, or a .toml file that names one")


def parse_arguments(words: Sequence[str], prog: str) -> WordsArguments | LookArguments:
    """The arguments: defaults, then the TOML file where one is named, then flags.

    Where the first names vectors that are there, those of `graphkit.words.look`.
    """
    if words and not words[0].startswith("-") and vectors_at(Path(words[0])):
        return parse(LookArguments, words, prog=f"{prog} {words[0]}", description=LookArguments.__doc__ or "")
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


def words(arguments: WordsArguments | LookArguments) -> int:
    """Learn word vectors from text; the same command goes on where it stopped."""
    if isinstance(arguments, LookArguments):
        return look(arguments)
    for place in filter(Path.is_dir, map(Path, arguments.corpus)):
        if vectors_at(place):
            raise UserError(f"{place} holds trained vectors, not text: to look at them, name it first and alone")
        if (place / "config.toml").is_file() and (place / "checkpoints").is_dir():
            raise UserError(f"{place} is a run that has not finished: graphkit words {place}/config.toml goes on")
    if arguments.evaluate:  # a slip in a name is told before hours of training, not after
        from graphkit.words.evaluation import files_of

        files_of(arguments.evaluate)
    from graphkit.words.vectors import WordVectors
    from neuralcore.checkpoint import write_text
    from neuralcore.telemetry import duration

    name = Path(arguments.corpus[0].removeprefix("sample:")).name.split(".")[0]
    run = Path(arguments.run or f"runs/words-{name}")
    config = arguments.config
    named_in = {"start": arguments.start or None, "corpora": arguments.corpora or None}
    vectors = WordVectors.train(arguments.corpus, config, run=run, **named_in)
    text = f"{len(vectors):,} words that occur {config.min_count} times or more, {vectors.vocabulary.total:,} in all"
    done = vectors.training
    assert done is not None
    if done.words:
        speed = (
            f"{done.words:,} {done.unit} in {duration(done.seconds)}, {done.words / done.seconds:,.0f} {done.unit}/s"
        )
    else:
        speed = "nothing: the run had been finished"
    tables = neighbour_lines(vectors, named(arguments.show))
    print(f"vocabulary   {text}")
    print(f"trained      {speed}")
    print(f"vectors      {run}/vectors (graphkit search {run} WORD)")
    print("\n".join(["neighbours   by the cosine", *(f"  {line}" for line in tables)]))
    if arguments.evaluate:
        evaluate(vectors, arguments.evaluate, run)
    kind = "GloVe" if config.loss == "glove" else f"{config.model}, {config.loss.replace('_', ' ')}"
    settings = ", ".join(f"{key} {value}" for key, value in dataclasses.asdict(config).items())
    write_text(
        run / "card.md",
        f"# {name}\n\nWord vectors ({kind}) of "
        f"{', '.join(arguments.corpus)}: {text}.\n\n{settings}.\n\n"
        + "".join(f"- {line}\n" for line in tables)
        + f"\nCommand: `graphkit words {run}/config.toml`\n",
    )
    return 0
