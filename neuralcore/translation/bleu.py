"""BLEU (Papineni et al. 2002) by the package sacrebleu, so that figures can be compared (Post 2018)."""

from __future__ import annotations

from collections.abc import Sequence

from neuralcore.lazy import lazy_import

sacrebleu = lazy_import("sacrebleu", extra="translation")


def bleu(answers: Sequence[str], references: Sequence[str | Sequence[str]]) -> float:
    """From 0 to 100, of all sentences together: with case, words as sacrebleu cuts them ("13a").

    Args:
        references: a right answer to each, or several.
    """
    if len(answers) != len(references):
        raise ValueError(f"{len(answers)} answers cannot be compared with {len(references)} references")
    right = [[found] if isinstance(found, str) else list(found) for found in references]
    most = max(map(len, right), default=1)
    streams = [[each[at] if at < len(each) else None for each in right] for at in range(most)]
    return float(sacrebleu.corpus_bleu(list(answers), streams).score)
