"""Pairs of texts that belong together, as a title and a passage of what stands below it.

A file has three columns a line, with tabs between: a group, a text, and the text it belongs to. A group is what a
pair is of (an article): its pairs are held out together, and none of them is taken for wrong beside another.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neuralcore.data.text import read_lines
from neuralcore.errors import UserError

# What a title says in the first word, a passage says in the second.
THINGS = (
    ("lamp", "light"),
    ("river", "stream"),
    ("house", "home"),
    ("dog", "hound"),
    ("stone", "rock"),
    ("road", "street"),
    ("ship", "boat"),
    ("wood", "forest"),
    ("hill", "slope"),
    ("child", "infant"),
)


@dataclass(frozen=True)
class TextPairs:
    """N pairs.

    Attributes:
        first, second: N texts each. groups: (N,) int64, of which group each pair is.
    """

    first: tuple[str, ...]
    second: tuple[str, ...]
    groups: np.ndarray

    def __len__(self) -> int:
        return len(self.first)

    def of(self, rows: np.ndarray) -> TextPairs:
        """Some of them."""
        return TextPairs(
            tuple(self.first[row] for row in rows), tuple(self.second[row] for row in rows), self.groups[rows]
        )


def read_pairs(data: str, valid: float, seed: int) -> dict[str, TextPairs]:
    """{"train": …, "valid": …}; the second only with `valid` above 0.

    Args:
        data: the file; or "things", made here: the texts of a pair have no word in common.
        valid: share of the groups that is held out. seed: of which.

    Raises:
        UserError: no such file, a line without three texts, or fewer than two groups to learn from.
    """
    rows = _things() if data == "things" else _rows(data)
    names = {name: number for number, name in enumerate(dict.fromkeys(name for name, _, _ in rows))}
    pairs = TextPairs(
        tuple(first for _, first, _ in rows),
        tuple(second for _, _, second in rows),
        np.array([names[name] for name, _, _ in rows], np.int64),
    )
    held = np.random.default_rng(seed).permutation(len(names))[: round(valid * len(names))]
    if len(names) - len(held) < 2:
        raise UserError(f"{data}: {len(names) - len(held)} groups to learn from: what is wrong beside them?")
    out = np.isin(pairs.groups, held)
    found = {"train": pairs.of(np.flatnonzero(~out))}
    return found | ({"valid": pairs.of(np.flatnonzero(out))} if len(held) else {})


def _rows(data: str) -> list[tuple[str, str, str]]:
    if not Path(data).is_file():
        raise UserError(f'{data}: no such file of pairs: group, text, text a line, or "things", made here')
    rows = []
    for number, line in enumerate(read_lines(data), 1):
        if not line.strip():
            continue
        parts = [part.strip() for part in line.split("\t")]
        if len(parts) != 3 or not all(parts):
            raise UserError(f"{data}, line {number}: group, text and text with tabs between, none empty; it has not")
        rows.append((parts[0], parts[1], parts[2]))
    return rows


def _things() -> list[tuple[str, str, str]]:
    """Two pairs of each of 120 groups: three things, by one name and by the other."""
    return [
        (
            f"{a} {b} {c}",
            " ".join(THINGS[i][0] for i in turned),
            " and ".join(f"the {THINGS[i][1]}" for i in reversed(turned)),
        )
        for a, b, c in itertools.combinations(range(len(THINGS)), 3)
        for turned in ((a, b, c), (c, a, b))
    ]
