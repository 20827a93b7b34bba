"""`neuralcore ngram`: how well a text is told by counts of n-grams, which a network has to beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import tyro

from neuralcore.errors import UserError


@dataclass(frozen=True)
class NgramArguments:
    """Count n-grams, with modified Kneser-Ney smoothing, and tell a text's perplexity by them."""

    data: tyro.conf.Positional[str]
    """a text (.txt, .gz, .xz); or a folder with train.txt, valid.txt and test.txt"""
    order: int = 5
    """words of the longest n-grams"""
    unit: Literal["characters", "words"] = "words"
    """what a token is; words: what lies between white space"""
    vocabulary: int | None = None
    """tokens that are known, the commonest; None: all"""
    valid: float = 0.1
    """share of the text that is held out to judge by, its end; of a folder without valid.txt"""
    write: int = 0
    """tokens that it writes, to be looked at"""
    seed: int = 0
    """of what it writes"""

    def __post_init__(self) -> None:
        if not 0.0 < self.valid < 1.0:
            raise ValueError(f"valid must be between 0 and 1, got {self.valid}")
        if self.order < 1:
            raise ValueError(f"order must be 1 or more, got {self.order}")
        if self.write < 0:
            raise ValueError(f"write must be 0 or more, got {self.write}")


def ngram(arguments: NgramArguments) -> int:
    """Count, judge, and write."""
    import time

    import numpy as np

    from neuralcore.data.corpora import read_corpus
    from neuralcore.data.tokens import UNKNOWN, Tokens
    from neuralcore.language.ngram import KneserNey, perplexity

    a = arguments
    texts = read_corpus(a.data, a.valid)
    tokens = Tokens.learn([texts["train"]], a.unit, a.vocabulary)
    start = time.process_time()
    train = np.array(tokens.encode(texts.pop("train")), np.int64)
    model = KneserNey(train, len(tokens), a.order)
    grams = " + ".join(f"{len(order.keys):,}" for order in model.orders)
    print(f"{len(train):,} {a.unit}, {len(tokens):,} different, {grams} n-grams of 1 to {a.order} of them")
    for split, text in texts.items():
        ids = np.array(tokens.encode(text), np.int64)
        if not len(ids):
            raise UserError(f"{a.data}: the {split} text is empty")
        found, unknown = perplexity(model.probabilities(ids)), float((ids == UNKNOWN).mean())
        print(
            f"{split}: perplexity {found:.2f}, {np.log(found):.4f} nats a token of {len(ids):,}, {unknown:.2%} of "
            f"them unknown"
        )
    print(f"{time.process_time() - start:.1f} CPU-s")
    if a.write:
        generator, text_so_far = np.random.default_rng(a.seed), train[: a.order - 1].tolist()
        for _ in range(a.write):
            p = model.distribution(np.array(text_so_far[max(len(text_so_far) - a.order + 1, 0) :], np.int64))
            text_so_far.append(int(generator.choice(len(p), p=p / p.sum())))
        print(tokens.decode(text_so_far))
    return 0
