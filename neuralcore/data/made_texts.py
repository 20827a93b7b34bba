"""Small languages that are made here, for trying what learns from texts without a file.

- `grammar`: running text, and `tagged` its words with what they are; "can" and "light" are told by their neighbours;
- `opinions`: sentences that like or dislike something; "not" and "never" turn the meaning round.
"""

from __future__ import annotations

import numpy as np

KINDS = {
    "at": ("the", "a", "this", "every", "no"),
    "jj": ("old", "small", "bright", "light", "quiet", "heavy"),
    "nn": ("dog", "cat", "can", "lamp", "light", "river", "house"),
    "md": ("can", "will", "must"),
    "vb": ("see", "find", "light", "carry", "watch"),
    "in": ("near", "under", "behind"),
}
PHRASES = (
    ("at", "nn", "md", "vb", "at", "nn"),
    ("at", "jj", "nn", "md", "vb", "at", "nn"),
    ("at", "nn", "md", "vb", "at", "jj", "nn"),
    ("at", "nn", "in", "at", "nn", "md", "vb", "at", "nn"),
)
GOOD = ("good", "fine", "lovely", "clever", "moving", "funny")
BAD = ("bad", "dull", "awful", "clumsy", "tired", "stale")
THINGS = ("film", "story", "plot", "cast", "book", "song")

Tagged = list[tuple[list[str], list[str]]]  # sentences: words, and the tag of each


def tagged(count: int, seed: int) -> Tagged:
    """Sentences of 7 to 10 words with their tags, "." at the end."""
    generator = np.random.default_rng(seed)
    found: Tagged = []
    for _ in range(count):
        tags = PHRASES[generator.integers(len(PHRASES))]
        words = [KINDS[tag][generator.integers(len(KINDS[tag]))] for tag in tags]
        found.append(([*words, "."], [*tags, "."]))
    return found


def grammar(count: int = 2_000) -> dict[str, str]:
    """Running text of such sentences: "train", "valid" and "test", a fifth of it each."""
    sizes = {"train": count, "valid": count // 5, "test": count // 5}
    return {
        split: "\n".join(" ".join(words) for words, _ in tagged(size, seed))
        for seed, (split, size) in enumerate(sizes.items())
    }


def opinions(count: int, seed: int) -> tuple[list[str], list[str]]:
    """Sentences, and "1" for each that likes something, "0" for one that does not."""
    generator = np.random.default_rng(seed)
    texts, labels = [], []
    for _ in range(count):
        likes, turned = bool(generator.integers(2)), bool(generator.integers(2))
        word = (GOOD if likes != turned else BAD)[generator.integers(6)]
        thing = THINGS[generator.integers(6)]
        between = ("is not", "was never")[generator.integers(2)] if turned else ("is", "was")[generator.integers(2)]
        texts.append(f"the {thing} {between} {('', 'very ', 'quite ')[generator.integers(3)]}{word} .")
        labels.append(str(int(likes)))
    return texts, labels
