"""How good word vectors are: analogy questions, and word pairs whose likeness people have judged.

    : family                                 a file of analogies: sections, and four words a line
    boy girl brother sister
    tiger<TAB>cat<TAB>7.35                   a similarity set: two words and a score, tabs, commas or spaces between

"a is to b as c is to …" is answered by the word nearest to b - a + c, at length one each, other than a, b and c
(3CosAdd; Mikolov, Yih & Zweig 2013, https://aclanthology.org/N13-1090). A similarity set is compared by the rank
correlation of its scores with the cosines (Spearman's rho). Files, folding of case and the treatment of unknown words
are gensim's (`evaluate_word_analogies`, `evaluate_word_pairs`), so that figures can be compared: words are alike if
their upper case is, the commoner one counts; what has an unknown word is left out and counted apart.

Axes: Q questions, P pairs, V words.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy import stats

from graphkit.words.nearest import blocks
from neuralcore.errors import UserError

if TYPE_CHECKING:
    from graphkit.words.vectors import WordVectors

RESAMPLES = 1000  # of the bootstrap
COMMONEST = 300_000  # as in gensim and in word2vec's compute-accuracy


@dataclass(frozen=True)
class Section:
    """Questions of one kind: how many were asked, how many answered rightly, how many had an unknown word."""

    name: str
    asked: int
    correct: int
    unknown: int

    @property
    def accuracy(self) -> float:
        """Share of the asked that were answered rightly; NaN where none was asked."""
        return self.correct / self.asked if self.asked else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the accuracy (Wilson 1927)."""
        if not self.asked:
            return math.nan, math.nan
        z, n, p = 1.959964, self.asked, self.accuracy
        centre, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)

    def as_row(self) -> dict[str, Any]:
        """The figures as plain values, for JSON."""
        figures = {"accuracy": _plain(self.accuracy), "interval_95": [_plain(end) for end in self.interval]}
        return {"name": self.name, **figures, "asked": self.asked, "correct": self.correct, "unknown": self.unknown}


@dataclass(frozen=True)
class Analogies:
    """A file of analogy questions, section by section."""

    name: str
    sections: tuple[Section, ...]

    @property
    def total(self) -> Section:
        """All sections as one."""
        asked, correct, unknown = (sum(getattr(s, f) for s in self.sections) for f in ("asked", "correct", "unknown"))
        return Section("total", asked, correct, unknown)

    def as_row(self) -> dict[str, Any]:
        """The figures as plain values, for JSON."""
        return {**self.total.as_row(), "name": self.name, "sections": [section.as_row() for section in self.sections]}


@dataclass(frozen=True)
class Similarity:
    """A similarity set: correlations of P known pairs; NaN with fewer than three, or where all are alike."""

    name: str
    spearman: float
    interval: tuple[float, float]
    """95 % percentile bootstrap interval of Spearman's rho (Efron & Tibshirani 1993), the pairs drawn anew"""
    pearson: float
    pairs: int
    unknown: int
    """pairs left out, one of whose words or both are unknown"""

    @property
    def unknown_rate(self) -> float:
        """Share of the set's pairs that were left out."""
        return self.unknown / (self.pairs + self.unknown)

    def as_row(self) -> dict[str, Any]:
        """The figures as plain values, for JSON."""
        figures = {"spearman": _plain(self.spearman), "interval_95": [_plain(end) for end in self.interval]}
        counts = {"pairs": self.pairs, "unknown": self.unknown, "unknown_rate": self.unknown_rate}
        return {"name": self.name, **figures, "pearson": _plain(self.pearson), **counts}


def evaluate(
    vectors: WordVectors,
    paths: Sequence[str | Path],
    *,
    commonest: int = COMMONEST,
    fold_case: bool = True,
) -> list[Analogies | Similarity]:
    """The figures of each file, told apart by content; of a folder, those of its files that are of either kind.

    Args:
        commonest: how many words count as known, the first of the vocabulary; answers come from them too.
        fold_case: whether words that differ only in case are one.

    Raises:
        UserError: there is no such file, or a line of one is neither a question nor a pair; file and line are named.
    """
    if commonest < 1:
        raise UserError(f"commonest = {commonest}: at least 1 word must count as known")
    unit = vectors.unit[:commonest]
    words = [word.upper() if fold_case else word for word in vectors.words[:commonest]]
    index: dict[str, int] = {}
    same = np.array([index.setdefault(word, row) for row, word in enumerate(words)])  # (V,) first row of that word
    figures: list[Analogies | Similarity] = []
    for path, kind, lines in files_of(paths):
        if kind == "pairs":
            figures.append(_similarity(path, lines, unit, index, fold_case))
        else:
            figures.append(_analogies(path, lines, unit, index, same, fold_case))
    return figures


# -- files ----------------------------------------------------------------------------------------------------------

Lines = list[tuple[int, str]]  # number and text of the lines that say something


def files_of(paths: Sequence[str | Path]) -> list[tuple[Path, Literal["pairs", "analogies"], Lines]]:
    """Each file, what it is of, and its lines; a folder stands for those of its files that are of either kind.

    Raises:
        UserError: a file cannot be read, or its first lines are neither questions nor pairs.
    """
    found: list[tuple[Path, Literal["pairs", "analogies"], Lines]] = []
    for path in map(Path, paths):
        inside = [path]
        if path.is_dir():
            inside = [p for p in sorted(path.iterdir()) if p.is_file() and p.suffix in (".txt", ".tsv", ".csv")]
        before = len(found)
        for file in inside:
            lines = _lines(file)
            kind = _kind(lines)
            if kind is not None:
                found.append((file, kind, lines))
        if len(found) == before and path.is_dir():
            raise UserError(f"{path} holds no .txt, .tsv or .csv file of analogies or of word pairs with scores")
        if len(found) == before:
            number, line = lines[0] if lines else (1, "")
            raise UserError(
                f"{path}: line {number} ({line.strip()[:40]!r}) is neither ': SECTION', four words, nor two words "
                "and a score"
            )
    return found


def _lines(path: Path) -> Lines:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: byte {error.start} is not UTF-8: convert the file") from None
    return [(n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip() and not line.startswith("#")]


def _fields(line: str) -> list[str]:
    """Between tabs where there are any, else between commas, else between white space."""
    separator = next((mark for mark in "\t," if mark in line), None)
    return [field.strip() for field in line.split(separator)]


def _kind(lines: Lines) -> Literal["pairs", "analogies"] | None:
    """What the first lines are of; one line of headings may stand over pairs."""
    if not lines:
        return None
    first = lines[0][1]
    if not first.startswith(":") and any(_score(line) is not None for _, line in lines[:2]):
        return "pairs"
    return "analogies" if first.startswith(":") or len(first.split()) == 4 else None


def _score(line: str) -> float | None:
    """The score of a pair, None where the line is none."""
    fields = _fields(line)
    if len(fields) != 3:
        return None
    try:
        score = float(fields[2])
    except ValueError:
        return None
    return score if math.isfinite(score) else None


# -- similarity -----------------------------------------------------------------------------------------------------


def _similarity(path: Path, lines: Lines, unit: np.ndarray, index: dict[str, int], fold_case: bool) -> Similarity:
    judged, cosines, unknown = [], [], 0
    for place, (number, line) in enumerate(lines):
        score = _score(line)
        if score is None and place == 0:
            continue  # headings
        if score is None:
            raise UserError(f"{path}: line {number} ({line.strip()[:40]!r}) is not two words and a score")
        rows = [index.get(word.upper() if fold_case else word) for word in _fields(line)[:2]]
        if rows[0] is None or rows[1] is None:
            unknown += 1
        else:
            judged.append(score)
            cosines.append(float(unit[rows[0]] @ unit[rows[1]]))
    x, y = np.array(judged), np.array(cosines)
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return Similarity(path.stem, math.nan, (math.nan, math.nan), math.nan, len(x), unknown)
    rng, rhos = np.random.default_rng(0), []
    for _ in range(RESAMPLES // 100):  # by the hundred: the largest sets would take 200 MB at once
        drawn = rng.integers(len(x), size=(100, len(x)))
        rhos.append(_correlation(stats.rankdata(x[drawn], axis=1), stats.rankdata(y[drawn], axis=1)))
    low, high = np.nanpercentile(np.concatenate(rhos), [2.5, 97.5])
    spearman = float(_correlation(stats.rankdata(x)[None], stats.rankdata(y)[None])[0])
    pearson = float(_correlation(x[None], y[None])[0])
    return Similarity(path.stem, spearman, (float(low), float(high)), pearson, len(x), unknown)


def _correlation(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Pearson's r of each row of (B, P) with the other's; NaN where a row is constant."""
    x, y = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    scale = np.sqrt((x * x).sum(axis=1) * (y * y).sum(axis=1))
    return np.divide((x * y).sum(axis=1), scale, out=np.full(len(x), np.nan), where=scale > 0)


# -- analogies ------------------------------------------------------------------------------------------------------


def _analogies(
    path: Path, lines: Lines, unit: np.ndarray, index: dict[str, int], same: np.ndarray, fold_case: bool
) -> Analogies:
    names: list[str] = []
    unknown: list[int] = []
    asked: list[list[int]] = []  # rows of a, b, c and the answer
    section: list[int] = []  # of each question asked
    for number, line in lines:
        if line.startswith(":") or not names:
            names.append(line.lstrip(": ").strip() if line.startswith(":") else path.stem)
            unknown.append(0)
        if line.startswith(":"):
            continue
        question = [word.upper() if fold_case else word for word in line.split()]
        if len(question) != 4:
            raise UserError(f"{path}: line {number} ({line.strip()[:40]!r}) has {len(question)} words, not 4")
        rows = [index[word] for word in question if word in index]
        if len(rows) == 4:
            asked.append(rows)
            section.append(len(names) - 1)
        else:
            unknown[-1] += 1
    questions = np.array(asked, dtype=np.int64).reshape(-1, 4)
    right = answers(unit, questions[:, :3], same) == questions[:, 3]
    of = np.array(section, dtype=np.int64)
    total, correct = np.bincount(of, minlength=len(names)), np.bincount(of[right], minlength=len(names))
    return Analogies(path.stem, tuple(map(Section, names, total.tolist(), correct.tolist(), unknown)))


def answers(unit: np.ndarray, questions: np.ndarray, same: np.ndarray) -> np.ndarray:
    """The row nearest to b - a + c, by matrix products over blocks of questions.

    Args:
        unit: (V, D) rows of length one. questions: (Q, 3) rows of a, b, c.
        same: (V,) the first row of the same word in another case; what is the same as a, b or c is no answer.

    Returns:
        (Q,) the first row of the answer's word.
    """
    found = np.empty(len(questions), np.int64)
    variants = np.flatnonzero(same != np.arange(len(unit)))
    for part in blocks(len(questions), len(unit)):
        a, b, c = questions[part].T
        scores = (unit[b] - unit[a] + unit[c]) @ unit.T  # (block, V); the length does not change which is largest
        rows = np.arange(len(a))
        for given in (a, b, c):
            scores[rows, given] = -np.inf
            if len(variants):
                hidden_row, hidden = np.nonzero(same[variants] == given[:, None])
                scores[hidden_row, variants[hidden]] = -np.inf
        found[part] = scores.argmax(axis=1)
    return same[found]


def _plain(value: float) -> float | None:
    """JSON has no NaN."""
    return None if math.isnan(value) else value
