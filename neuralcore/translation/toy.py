"""A pair of languages that nobody speaks, with rules that a translator must learn: examples without a file.

The source is in the order subject, verb, object; the target puts its verbs last, adjectives behind their nouns and
with their endings, and articles that go by the noun's gender. Each sentence has one translation, so that all of them
can be right.
"""

from __future__ import annotations

import numpy as np

NOUNS = (  # source, target, gender
    ("fox", "fuko", "o"),
    ("hen", "gelina", "a"),
    ("mouse", "musa", "a"),
    ("goat", "kapro", "o"),
    ("farmer", "agro", "o"),
    ("child", "infa", "a"),
    ("boat", "navo", "o"),
    ("tree", "arba", "a"),
    ("house", "domo", "o"),
    ("river", "riva", "a"),
)
ADJECTIVES = (
    ("red", "rub"),
    ("old", "vet"),
    ("small", "mik"),
    ("quick", "rapid"),
    ("quiet", "trank"),
    ("brown", "brun"),
)
VERBS = (
    ("sees", "vidas"),
    ("follows", "sekas"),
    ("finds", "trovas"),
    ("paints", "pentras"),
    ("leaves", "lasas"),
    ("hears", "audas"),
)
ADVERBS = (("often", "ofte"), ("never", "neva"), ("today", "hodie"), ("slowly", "lante"))


def toy_sentences(count: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """`count` sentences, drawn by a seed, and their translations.

    >>> for language in toy_sentences(1, seed=3):
    ...     print(language[0])
    """
    generator = np.random.default_rng([seed, 20])
    pairs = [_sentence(generator) for _ in range(count)]
    return [source for source, _ in pairs], [target for _, target in pairs]


def _sentence(generator: np.random.Generator) -> tuple[str, str]:
    subject, theirs = _noun_phrase(generator)
    thing, its = _noun_phrase(generator)
    verb, last = VERBS[generator.integers(len(VERBS))]
    if generator.random() < 0.4:
        adverb, second = ADVERBS[generator.integers(len(ADVERBS))]
        return f"{subject} {adverb} {verb} {thing}", f"{second} {theirs} {its} {last}"
    return f"{subject} {verb} {thing}", f"{theirs} {its} {last}"


def _noun_phrase(generator: np.random.Generator) -> tuple[str, str]:
    """Article, adjectives or none, noun; in the target article, noun, adjectives in the opposite order."""
    noun, name, gender = NOUNS[generator.integers(len(NOUNS))]
    is_known = generator.random() < 0.6
    chosen = [ADJECTIVES[i] for i in generator.choice(len(ADJECTIVES), generator.integers(3), replace=False)]
    words = ["the" if is_known else "a", *(adjective for adjective, _ in chosen), noun]
    theirs = [("l" if is_known else "un") + gender, name, *(stem + gender for _, stem in reversed(chosen))]
    return " ".join(words), " ".join(theirs)
