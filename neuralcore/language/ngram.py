"""n-grams with modified Kneser-Ney smoothing: the language model that needs no network, to be beaten.

    p_n(w | h) = max(c(h w) - D(c), 0) / c(h ·) + γ(h) p_{n-1}(w | h')        Chen & Goodman 1998, section 3

h' is h without its first word. The highest order counts how often words come, lower ones after how many different
ones they come: a word that follows one word only (Francisco) is not likely elsewhere. Discounts D_1, D_2, D_3+ follow
from how many n-grams occur once to four times, γ(h) gives away what they took; below single words all are alike.

Counts are sorted arrays: an n-gram is a number, found by its history's number and its last word, so that orders of
millions of n-grams take a few sorts. Axes: N tokens of the text, V of the vocabulary, G_n different n-grams.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from neuralcore.errors import UserError

ABSENT = -1
FALLBACK = (0.5, 1.0, 1.5)  # discounts, as KenLM's option of that name has them


class Order(NamedTuple):
    """The n-grams of one order.

    Attributes:
        keys: (G,) int64, sorted: history's number times V, plus the last word. counts: (G,) int64.
        totals: (H,) int64, the counts of each history added. kinds: (H, 3) int64: how many of its words come once,
            twice, and oftener. discounts: D_1, D_2, D_3+.
    """

    keys: np.ndarray
    counts: np.ndarray
    totals: np.ndarray
    kinds: np.ndarray
    discounts: np.ndarray


class KneserNey:
    """Counts of a text.

    Args:
        ids: (N,) int64 in [0, V). vocabulary: V. order: n, words of the longest n-grams.

    Raises:
        UserError: an order below 1, or a text that is shorter.
    """

    def __init__(self, ids: np.ndarray, vocabulary: int, order: int = 5):
        if order < 1:
            raise UserError(f"order must be 1 or more, got {order}")
        if len(ids) <= order:
            raise UserError(f"a text of {len(ids)} tokens is too short for n-grams of {order}")
        self.vocabulary, self.order = vocabulary, order
        ids = np.asarray(ids, np.int64)
        numbers = [
            np.zeros(len(ids) + 1, np.int64)
        ]  # of the n-gram that ends before each position; the empty one is 0
        keys, firsts, raw = [], [], []
        for n in range(1, order + 1):
            key = numbers[-1][n - 1 : len(ids)] * vocabulary + ids[n - 1 :]
            found, first, number, count = np.unique(key, return_index=True, return_inverse=True, return_counts=True)
            keys.append(found)
            firsts.append(first)
            raw.append(count)
            ends = np.full(len(ids) + 1, ABSENT, np.int64)
            ends[n:] = number
            numbers.append(ends)
        self.orders: list[Order] = []
        histories = 1
        for n in range(1, order + 1):
            if n == order:
                counts = raw[-1]
            else:
                # Each longer n-gram once, at its first occurrence: its last n words have one more word before them.
                ends = firsts[n] + n + 1
                counts = np.bincount(numbers[n][ends], minlength=len(keys[n - 1]))
            self.orders.append(_order(keys[n - 1], counts, histories, vocabulary))
            histories = len(keys[n - 1])

    def probabilities(self, ids: np.ndarray, context: np.ndarray | None = None) -> np.ndarray:
        """(N,) p of each token after those before it.

        Args:
            ids: (N,) int64. context: (M,) int64, what came before the first; none: nothing.
        """
        before = np.zeros(0, np.int64) if context is None else np.asarray(context, np.int64)[-(self.order - 1) :]
        if self.order == 1:
            before = before[:0]
        text = np.concatenate([before, np.asarray(ids, np.int64)])
        at = np.arange(len(before), len(text))
        # The number of the n-gram that ends before each position, order by order; ABSENT where it never came.
        histories = np.zeros(len(text) + 1, np.int64)
        p = np.full(len(ids), 1.0 / self.vocabulary)
        for n, order in enumerate(self.orders, 1):
            history = histories[at]
            known = (history != ABSENT) & (at >= n - 1)
            p[known] = _interpolated(order, history[known], text[at[known]], p[known], self.vocabulary)
            places = np.full(len(text) + 1, ABSENT, np.int64)
            ends = np.arange(n, len(text) + 1)
            own = histories[ends - 1]
            there = own != ABSENT
            places[ends[there]] = _find(order.keys, own[there] * self.vocabulary + text[ends[there] - 1])
            histories = places
        return p

    def distribution(self, context: np.ndarray) -> np.ndarray:
        """(V,) p of every token after a context (M,); the sum is 1."""
        context = np.asarray(context, np.int64)
        p = np.full(self.vocabulary, 1.0 / self.vocabulary)
        words = np.arange(self.vocabulary)
        for n, order in enumerate(self.orders, 1):
            if n - 1 > len(context):
                break
            history = 0
            for depth, word in enumerate(context[len(context) - (n - 1) :]):
                history = int(_find(self.orders[depth].keys, np.array([history * self.vocabulary + word]))[0])
                if history == ABSENT:
                    break
            if history == ABSENT:
                break
            p = _interpolated(order, np.full(self.vocabulary, history), words, p, self.vocabulary)
        return p


def _order(keys: np.ndarray, counts: np.ndarray, histories: int, vocabulary: int) -> Order:
    history = keys // vocabulary
    totals = np.bincount(history, counts, histories).astype(np.int64)
    kinds = np.stack([np.bincount(history[kind], minlength=histories) for kind in _kinds(counts)], 1)
    return Order(keys, counts, totals, kinds, _discounts(counts))


def _kinds(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which are 1, 2, and more; those that are 0 (the text's last n-gram may follow nothing) are none of them."""
    return counts == 1, counts == 2, counts >= 3


def _discounts(counts: np.ndarray) -> np.ndarray:
    """D_1, D_2, D_3+ of Chen & Goodman 1998, eq. 26; where a text is too small to tell them, `FALLBACK`."""
    times = np.bincount(np.minimum(counts, 5), minlength=6).astype(np.float64)
    if not times[1:5].all():
        return np.array(FALLBACK)
    share = times[1] / (times[1] + 2.0 * times[2])
    found = np.array([k - (k + 1) * share * times[k + 1] / times[k] for k in (1, 2, 3)])
    return found if (found > 0.0).all() else np.array(FALLBACK)


def _find(keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Where each is among sorted keys, ABSENT where it is not."""
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, at, ABSENT)


def _interpolated(
    order: Order, history: np.ndarray, word: np.ndarray, lower: np.ndarray, vocabulary: int
) -> np.ndarray:
    """p of words after histories (numbers that exist), given the lower order's."""
    at = _find(order.keys, history * vocabulary + word)
    count = np.where(at == ABSENT, 0, order.counts[at])
    taken = np.concatenate([[0.0], order.discounts])[np.minimum(count, 3)]
    total = order.totals[history]
    given = order.kinds[history] @ order.discounts  # what the discounts took from this history
    safe = np.maximum(total, 1)
    return np.where(total > 0, np.maximum(count - taken, 0.0) / safe + given / safe * lower, lower)


def perplexity(p: np.ndarray) -> float:
    """exp of the mean -ln p."""
    return float(np.exp(-np.log(p).mean()))
