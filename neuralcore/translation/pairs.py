"""Sentences in two languages, line by line: files, or a language made here; and batches of similar lengths."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neuralcore.data.text import OPENERS, read_lines
from neuralcore.errors import UserError
from neuralcore.translation.toy import toy_sentences

TOY = {"train": 4000, "valid": 200, "test": 200}  # sentences of "toy"


@dataclass(frozen=True)
class Pairs:
    """N sentences and their translations."""

    source: list[str]
    target: list[str]

    def __len__(self) -> int:
        return len(self.source)

    def with_more(self, other: Pairs) -> Pairs:
        """These, then others."""
        return Pairs(self.source + other.source, self.target + other.target)


def read_pairs(folder: str, source: str, target: str, test: str = "test") -> dict[str, Pairs]:
    """ "train", and what is there of "valid" (files `valid` or `val`) and "test".

    Args:
        folder: with files `train.<language>`, also .txt, .gz or .xz behind; or "toy".
        source, target: the languages, as the files' names have them. test: the name of the test files.

    Raises:
        UserError: no such files, or two that do not belong together.
    """
    if folder == "toy":
        if {source, target} - {"src", "tgt"}:
            raise UserError(f'the languages of "toy" are src and tgt, not {source} and {target}')
        drawn = {split: toy_sentences(count, number) for number, (split, count) in enumerate(TOY.items())}
        at = ("src", "tgt").index(source)
        return {split: Pairs(both[at], both[1 - at]) for split, both in drawn.items()}
    if not Path(folder).is_dir():
        raise UserError(f'data = {folder!r} is no folder of texts in two languages; "toy" is made here, for trying')
    names = {"train": ("train",), "valid": ("valid", "val"), "test": (test,)}
    found: dict[str, Pairs] = {}
    for split, stems in names.items():
        for stem in stems:
            one, other = (_text(Path(folder), stem, language) for language in (source, target))
            if one is not None and other is not None:
                found[split] = read_two(one, other)
                break
    if "train" not in found:
        there = ", ".join(sorted(p.name for p in Path(folder).iterdir())[:6])
        raise UserError(f"{folder} has no train.{source} and train.{target} (.txt, .gz, .xz): there are {there}")
    if "test" not in found and test != "test":
        raise UserError(f"{folder} has no {test}.{source} and {test}.{target}: name others by `test`")
    return found


def read_two(source: Path, target: Path) -> Pairs:
    """The pairs of two files.

    Raises:
        UserError: they have not as many lines, or one has nothing in a line.
    """
    pairs = Pairs(*([line.strip() for line in read_lines(path)] for path in (source, target)))
    if len(pairs.source) != len(pairs.target):
        counts = f"{len(pairs.source):,} and {len(pairs.target):,}"
        raise UserError(f"{source} and {target} have {counts} lines: they must be translations line by line")
    for path, lines in ((source, pairs.source), (target, pairs.target)):
        if "" in lines:
            raise UserError(f"{path}:{lines.index('') + 1}: nothing in this line: take it out of both files")
    return pairs


def _text(folder: Path, stem: str, language: str) -> Path | None:
    """The file of a language, if there is one."""
    names = [f"{stem}.{language}{end}" for end in ("", ".txt", *OPENERS)]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def similar_rows(lengths: np.ndarray, size: int, generator: np.random.Generator) -> np.ndarray:
    """(N,) int64: all rows in an order whose every `size` have similar lengths, drawn anew each time.

    Rows are sorted by their lengths, equal ones shuffled; cut into batches, which are shuffled. Those that fill no
    batch are drawn, and come last.

    Args:
        lengths: (N, 2), of the source and of the target. size: of a batch.
    """
    rows = generator.permutation(len(lengths))
    whole = len(rows) // size * size
    full, left = rows[:whole], rows[whole:]
    full = full[np.lexsort((lengths[full, 0], lengths[full, 1]))].reshape(-1, size)
    return np.concatenate([generator.permutation(full).ravel(), left])
