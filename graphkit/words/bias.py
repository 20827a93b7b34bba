"""A direction of meaning in word vectors, what leans along it, and taking it out; and what that leaves behind.

Bolukbasi, Chang, Zou, Saligrama & Kalai 2016, "Man is to Computer Programmer as Woman is to Homemaker? Debiasing Word
Embeddings", https://arxiv.org/abs/1607.06520: direction (section 5.1), direct bias (5.2), hard debiasing (6).
Caliskan, Bryson & Narayanan 2017, "Semantics derived automatically from language corpora contain human-like biases",
https://arxiv.org/abs/1608.07187: the association test WEAT.
Gonen & Goldberg 2019, "Lipstick on a Pig", https://arxiv.org/abs/1903.03862: after hard debiasing, words that leaned
the same way still lie together; `recovered` is their measure of it.

All of it is about vectors at length one. Axes: V words, D dimension, P pairs.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from graphkit.tsne import principal_components
from graphkit.words.vectors import WordVectors
from neuralcore.errors import UserError, nearest

PARTITIONS = 100_000  # of a permutation test; all of them where there are no more


@dataclass(frozen=True)
class BiasWords:
    """The words of one bias, as a .toml file names them; `configs/bias/gender.toml` is one."""

    pairs: tuple[tuple[str, ...], ...]
    """that differ in it and in little else; the direction points to the first of each"""
    words: tuple[str, ...] = ()
    """that should not lean either way, whose projections are shown"""
    specific: tuple[str, ...] = ()
    """that lean by their meaning and are left as they are; those of `pairs` and `equalise` need not be named"""
    equalise: tuple[tuple[str, ...], ...] = ()
    """pairs whose two words shall be equally near to any neutral word"""
    tests: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    """association tests by name: targets x and y, attributes a and b"""

    def __post_init__(self) -> None:
        for name in ("pairs", "equalise"):
            for pair in getattr(self, name):
                if len(pair) != 2 or pair[0] == pair[1]:
                    raise ValueError(f"{name}: {list(pair)} is not two different words")
        if not self.pairs:
            raise ValueError("pairs is empty: name at least one pair of words")
        for name, test in self.tests.items():
            if not isinstance(test, dict):
                raise ValueError(f"tests.{name} = {test!r} is not a table of x, y, a and b")
            for key, words in test.items():
                if key not in "xyab" or not isinstance(words, list) or not all(isinstance(w, str) for w in words):
                    raise ValueError(f"tests.{name}.{key}: {nearest(key, 'xyab')}, each a list of words")
            missing = [key for key in "xyab" if key not in test]
            if missing:
                raise ValueError(f"tests.{name} has no {missing[0]}: it needs x, y, a and b")


def known(vectors: WordVectors, words: Sequence[str]) -> list[int]:
    """The numbers of those words that the vocabulary has, as they are or in lower case; each once, in their order."""
    index = vectors.vocabulary.index
    found = (index.get(word, index.get(word.lower())) for word in words)
    return list(dict.fromkeys(number for number in found if number is not None))


def known_pairs(vectors: WordVectors, pairs: Sequence[Sequence[str]]) -> np.ndarray:
    """(P, 2) the numbers of the pairs both of whose words are known."""
    rows = [known(vectors, pair) for pair in pairs]
    return np.array([pair for pair in rows if len(pair) == 2], dtype=np.int64).reshape(-1, 2)


# -- the direction --------------------------------------------------------------------------------------------------


def direction(unit: np.ndarray, pairs: np.ndarray) -> tuple[np.ndarray, float]:
    """The first principal component of pairs about their means, pointing to the first words, and its share.

    Section 5.1 with one dimension: the largest eigenvector of Σ_i Σ_w (w - μ_i)(w - μ_i)ᵀ / 2, w and μ_i the words of
    pair i and their mean.

    Args:
        unit: (V, D) rows of length one. pairs: (P, 2) rows.

    Returns:
        (D,) of length one, and its share of the pairs' variance about their means.

    Raises:
        UserError: there is no pair, or the words of each have the same vector.
    """
    differences = (unit[pairs[:, 0]] - unit[pairs[:, 1]]).astype(np.float64)  # = 2 (w - μ_i)
    if not differences.any():
        raise UserError(f"{len(pairs)} known pairs of words with different vectors: name more pairs")
    _, singular, V = np.linalg.svd(differences, full_matrices=False)
    sign = 1.0 if (differences @ V[0]).sum() >= 0 else -1.0
    return sign * V[0], float(singular[0] ** 2 / (singular**2).sum())


def direct_bias(unit: np.ndarray, rows: Sequence[int], along: np.ndarray) -> float:
    """Mean |cos(w, g)| of some words: section 5.2 with c = 1; NaN without words."""
    return float(np.abs(unit[list(rows)] @ along).mean()) if len(rows) else math.nan


# -- the association test -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Association:
    """What a word-embedding association test found.

    Attributes:
        effect: effect size d, positive where x goes with a and y with b; within ±2.
        p: share of the divisions of x and y into two sets of their sizes that go apart as far or farther.
        words: how many of x, y, a, b are known.
    """

    effect: float
    p: float
    words: tuple[int, int, int, int]


def association(
    unit: np.ndarray, x: Sequence[int], y: Sequence[int], a: Sequence[int], b: Sequence[int]
) -> Association:
    """WEAT: whether target words x are nearer to attributes a, and y to b.

    s(w) is the mean cosine of w with a less that with b; d = (mean s over x - mean s over y) / standard deviation of
    s over both (with n - 1). The p of a one-sided permutation test is exact up to 100,000 divisions; of more, as many
    are drawn. Unlike the paper, divisions just as far apart count too, so p is never 0.

    Raises:
        UserError: fewer than two words of x or y, or none of a or b, are known, or a word is in x and in y.
    """
    counts = (len(x), len(y), len(a), len(b))
    if min(counts[:2]) < 2 or min(counts[2:]) < 1 or set(x) & set(y):
        raise UserError(
            f"{', '.join(map(str, counts))} words of x, y, a, b are known: two different ones are needed in x and "
            "in y, and one in a and in b"
        )
    U = unit.astype(np.float64)
    s = U[[*x, *y]] @ (U[list(a)].mean(axis=0) - U[list(b)].mean(axis=0))  # s(w), for x then y
    n, m = len(x), len(y)
    apart = s[:n].mean() - s[n:].mean()
    deviation = s.std(ddof=1)
    effect = float(apart / deviation) if deviation > 0 else 0.0
    if math.comb(n + m, n) <= PARTITIONS:
        chosen = np.array(list(itertools.combinations(range(n + m), n)))
    else:
        rng = np.random.default_rng(0)
        chosen = rng.random((PARTITIONS, n + m), dtype=np.float32).argpartition(n - 1, axis=1)[:, :n]
        chosen[0] = np.arange(n)  # the division that was asked about is one of them
    first = s[chosen].sum(axis=1)
    gaps = first / n - (s.sum() - first) / m
    return Association(effect, float((gaps >= apart - 1e-12).mean()), counts)


# -- taking it out --------------------------------------------------------------------------------------------------


def hard_debiased(
    vectors: WordVectors, along: np.ndarray, specific: Sequence[int], equalise: np.ndarray
) -> WordVectors:
    """New vectors of length one, without the direction in all words but the specific ones: section 6, hard debiasing.

    Neutralise: what remains of w without its part along g, at length one again. Equalise: the two words of a pair
    become ν ± √(1 - |ν|²) g, where ν is their mean without its part along g; each keeps its side.

    Args:
        along: (D,) g, of length one.
        specific: rows left as they are.
        equalise: (P, 2) rows of pairs; these are not neutralised.

    Raises:
        UserError: two words of a pair do not differ along g, so there are no sides to keep.
    """
    unit = vectors.unit.astype(np.float64)
    part = unit @ along
    matrix = unit - part[:, None] * along
    matrix /= np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-12)
    kept = list(specific)
    matrix[kept] = unit[kept]
    for pair in equalise:
        mean = unit[pair].mean(axis=0)
        middle = mean - (mean @ along) * along  # ν
        side = np.sign(part[pair] - part[pair].mean())
        if not side.all():
            first, second = (vectors.words[row] for row in pair)
            raise UserError(f"equalise: {first!r} and {second!r} do not differ along the direction: leave them out")
        matrix[pair] = middle + math.sqrt(max(1 - middle @ middle, 0)) * side[:, None] * along
    return WordVectors(vectors.vocabulary, matrix.astype(np.float32), vectors.config)


def most_leaning(
    unit: np.ndarray, along: np.ndarray, candidates: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """The `count` candidate rows with the largest part along g, and those with the smallest."""
    order = candidates[np.argsort(-(unit[candidates] @ along), kind="stable")]
    return order[:count], order[len(order) - count :]


def recovered(unit: np.ndarray, one: np.ndarray, other: np.ndarray) -> float:
    """Share of the words of two equally large sets that 2-means clustering puts on their own side; .5 is chance.

    Gonen & Goldberg, section 4: sets that leaned one way and the other before debiasing. The clustering (Lloyd 1982)
    starts from the sides of the first principal component, so it has no randomness.
    """
    points = unit[np.concatenate([one, other])].astype(np.float64)
    truth = np.arange(len(points)) < len(one)
    side = principal_components(points)[0][:, 0] > 0
    for _ in range(100):
        if side.all() or not side.any():
            break
        centres = np.stack([points[~side].mean(axis=0), points[side].mean(axis=0)])
        again = ((points[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1).astype(bool)
        if (again == side).all():
            break
        side = again
    share = float((side == truth).mean())
    return max(share, 1 - share)
