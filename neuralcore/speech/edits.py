"""How far what was written is from what was said: Levenshtein's distance, and the error rates made of it."""

from __future__ import annotations

from collections.abc import Sequence


def edits(said: Sequence[int], written: Sequence[int]) -> int:
    """Least number of symbols to put in, take out or exchange (Levenshtein 1966).

    >>> edits([1, 2, 3], [1, 3, 3, 4])
    2
    """
    row = list(range(len(written) + 1))
    for i, symbol in enumerate(said, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(written, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (symbol != other))
    return row[-1]


def error_rates(said: Sequence[Sequence[int]], written: Sequence[Sequence[int]]) -> dict[str, float]:
    """`error_rate`: edits for each symbol that was said, of all together, at times above 1; `whole`: the share of
    sequences without any."""
    found = [edits(s, w) for s, w in zip(said, written, strict=True)]
    return {
        "error_rate": sum(found) / max(sum(map(len, said)), 1),
        "whole": sum(e == 0 for e in found) / max(len(found), 1),
    }
