from __future__ import annotations

import numpy as np
import pytest

from graphkit.words.vocabulary import Vocabulary
from neuralcore.errors import UserError

SENTENCES = [["b", "a", "b", "é"], ["c", "a", "rare"], ["c"], ["b", "é"]]


def test_by_count_then_by_code_point() -> None:
    vocabulary = Vocabulary.count(SENTENCES, min_count=2)
    assert vocabulary.words == ["b", "a", "c", "é"]
    assert vocabulary.counts.tolist() == [3, 2, 2, 2]
    assert vocabulary.counts.dtype == np.int64
    assert vocabulary.total == 9
    assert len(vocabulary) == 4
    again = Vocabulary.count(SENTENCES[::-1], min_count=2)
    assert again.words == vocabulary.words


def test_min_count() -> None:
    assert "rare" in Vocabulary.count(SENTENCES)
    assert "rare" not in Vocabulary.count(SENTENCES, min_count=2)
    assert Vocabulary.count(SENTENCES, min_count=3).words == ["b"]
    with pytest.raises(UserError, match="min_count = 4 leaves no word: of 5 different words the commonest occurs 3"):
        Vocabulary.count(SENTENCES, min_count=4)
    with pytest.raises(UserError, match="of 0 different words"):
        Vocabulary.count([])


def test_look_up() -> None:
    vocabulary = Vocabulary(["king", "queen", "kings", "apple"], [9, 8, 7, 6])
    assert vocabulary["queen"] == 1
    ids = vocabulary.ids(["apple", "king", "apple"])
    assert ids.dtype == np.int32
    assert ids.tolist() == [3, 0, 3]
    with pytest.raises(UserError, match="'kingg' is not among the 4 known ones: did you mean 'king' or 'kings'"):
        vocabulary["kingg"]
    with pytest.raises(UserError, match=r"did you mean 'king'\?"):
        vocabulary["KING"]
    with pytest.raises(UserError, match="rarer than min_count"):
        vocabulary.ids(["zzzzzz"])
    with pytest.raises(UserError, match="''"):
        vocabulary[""]


def test_contradictions() -> None:
    with pytest.raises(ValueError, match="1 words are there twice"):
        Vocabulary(["a", "a"], [1, 2])
    with pytest.raises(ValueError, match=r"2 words, but counts of shape \(1,\)"):
        Vocabulary(["a", "b"], [1])
