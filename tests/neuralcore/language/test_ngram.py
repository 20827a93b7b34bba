"""Kneser-Ney against the formula written out with dictionaries, and against what must hold."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from neuralcore.errors import UserError
from neuralcore.language.ngram import KneserNey, perplexity


def by_dictionaries(text: list[int], vocabulary: int, order: int, history: list[int], word: int) -> float:
    """p of a word: Chen & Goodman's formula, by counting."""

    def grams(n: int) -> Counter[tuple[int, ...]]:
        return Counter(tuple(text[i : i + n]) for i in range(len(text) - n + 1))

    def counts(n: int) -> Counter[tuple[int, ...]]:
        if n == order:
            return grams(n)
        return Counter(gram[1:] for gram in grams(n + 1))

    def p(n: int, history: tuple[int, ...], word: int) -> float:
        if n == 0:
            return 1.0 / vocabulary
        found = counts(n)
        times = Counter(found.values())
        discounts = [0.0, 0.5, 1.0, 1.5]
        if all(times[k] for k in (1, 2, 3, 4)):
            share = times[1] / (times[1] + 2 * times[2])
            ours = [k - (k + 1) * share * times[k + 1] / times[k] for k in (1, 2, 3)]
            discounts = [0.0, *ours] if min(ours) > 0 else discounts
        own = {gram[-1]: count for gram, count in found.items() if gram[:-1] == history}
        lower = p(n - 1, history[1:], word)
        if not own:
            return lower
        total = sum(own.values())
        given = sum(discounts[min(count, 3)] for count in own.values())
        count = own.get(word, 0)
        return max(count - discounts[min(count, 3)], 0.0) / total + given / total * lower

    return p(order, tuple(history), word)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_it_is_the_formula(order: int) -> None:
    generator = np.random.default_rng(order)
    text = (generator.random(300) ** 3 * 30).astype(np.int64)
    model = KneserNey(text, 31, order)
    asked = (generator.random(40) ** 3 * 31).astype(np.int64)
    found = model.probabilities(asked)
    for i in range(order - 1, len(asked)):
        history = asked[i - order + 1 : i].tolist()
        assert found[i] == pytest.approx(by_dictionaries(text.tolist(), 31, order, history, int(asked[i]))), i
    # The first words know less of what came before, and all of it where a context is given.
    np.testing.assert_allclose(model.probabilities(asked[10:], asked[:10])[:5], found[10:15])


def test_probabilities_sum_to_one() -> None:
    generator = np.random.default_rng(3)
    text = (generator.random(500) ** 2 * 20).astype(np.int64)
    model = KneserNey(text, 25, 4)
    for context in ([], [3], [0, 1, 2], [24, 24, 24], text[40:47].tolist()):
        found = model.distribution(np.array(context, np.int64))
        assert found.sum() == pytest.approx(1.0)
        assert found.min() > 0.0
        for word in (0, 7, 24):
            wanted = model.probabilities(np.array([word]), np.array(context, np.int64))[0]
            assert found[word] == pytest.approx(wanted)


def test_a_longer_memory_tells_more_of_a_text_with_rules() -> None:
    text = np.array([0, 1, 2, 0, 2, 1] * 200)
    assert perplexity(KneserNey(text, 3, 1).probabilities(text[:60])) > 2.9
    assert perplexity(KneserNey(text, 3, 3).probabilities(text[:60])) < 1.2


def test_what_it_refuses() -> None:
    with pytest.raises(UserError, match="order must be 1 or more"):
        KneserNey(np.arange(5), 5, 0)
    with pytest.raises(UserError, match="too short"):
        KneserNey(np.arange(3), 5, 5)
