"""Counting in stretches: the same as a dictionary, whatever the stretches, the threads and the rows at once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from graphkit.words import cooccurrence
from graphkit.words.cooccurrence import count
from neuralcore.errors import UserError


def stream(positions: int, words: int) -> np.ndarray:
    rng = np.random.default_rng(3)
    ids = np.minimum(rng.geometric(0.05, positions) - 1, words - 1)
    return np.where(rng.random(positions) < 0.06, -1, ids).astype(np.int32)


def by_dictionary(ids: np.ndarray, window: int) -> dict[tuple[int, int], float]:
    """Section 4.2 of the paper, word by word: the whole of X."""
    found: Counter[tuple[int, int]] = Counter()
    sentence: list[int] = []
    for word in [*ids.tolist(), -1]:
        if word < 0:
            sentence = []
            continue
        for distance, other in enumerate(reversed(sentence[-window:]), 1):
            found[word, other] += 1 / distance  # type: ignore[assignment]
            found[other, word] += 1 / distance  # type: ignore[assignment]
        sentence.append(word)
    return dict(found)


@pytest.mark.parametrize("window", [1, 4, 1000])
@pytest.mark.parametrize("pairs", [20, 300, 1 << 24])
def test_a_dictionary_counts_the_same(window: int, pairs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cooccurrence, "PAIRS", pairs)
    monkeypatch.setattr(cooccurrence, "TOGETHER", 50)
    ids, words = stream(400, 70), 75  # the last words do not occur
    expected = {pair: x for pair, x in by_dictionary(ids, window).items() if pair[0] <= pair[1]}
    found = count(ids, words, window)
    entries = found.segments.ravel()
    assert not entries[found.entries :]["value"].any()
    entries = np.sort(entries[: found.entries], order=["row", "column"])
    assert list(zip(entries["row"].tolist(), entries["column"].tolist())) == sorted(expected)
    np.testing.assert_allclose(entries["value"], [expected[pair] for pair in sorted(expected)], rtol=1e-6)
    assert found.pairs == len(by_dictionary(ids, window))


def test_threads_count_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cooccurrence, "PAIRS", 1000)
    ids = stream(3000, 300)
    np.save(tmp_path / "ids.npy", ids)
    mapped = np.load(tmp_path / "ids.npy", mmap_mode="r")
    one, three = count(ids, 300, 5), count(mapped, 300, 5, folder=tmp_path / "new", threads=3)
    assert one.segments.tobytes() == three.segments.tobytes()
    assert one[1:] == three[1:]
    assert list((tmp_path / "new").iterdir()) == []  # the files have no name


def test_what_cannot_be_counted(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no two words of the text stand in one sentence"):
        count(np.array([0, -1, 1, -1, 0], np.int32), 2, 5)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file.* has no room for temporary files"):
        count(stream(50, 5), 5, 5, folder=tmp_path / "file")
