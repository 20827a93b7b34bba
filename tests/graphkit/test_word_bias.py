"""A direction, its association test and its removal, by hand, by brute force, and as a user calls them."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from graphkit.cli import main
from graphkit.words import bias as word_bias
from graphkit.words.bias import (
    BiasWords,
    association,
    direct_bias,
    direction,
    hard_debiased,
    known,
    known_pairs,
    most_leaning,
    recovered,
)
from graphkit.words.vectors import WordVectors
from graphkit.words.vocabulary import Vocabulary
from neuralcore.config import find_config, from_mapping, preset_folder, read_toml
from neuralcore.errors import UserError


def make(words: dict[str, tuple[float, ...]]) -> WordVectors:
    matrix = np.array(list(words.values()), dtype=np.float32)
    return WordVectors(Vocabulary(list(words), range(len(words), 0, -1)), matrix)


@pytest.fixture
def vectors() -> WordVectors:
    """The first axis is the gender; "nurse" leans one way, "pilot" the other, each 3 to 4."""
    return make(
        {
            "he": (-3, 4, 0),
            "she": (3, 4, 0),
            "man": (-3, 0, 4),
            "woman": (6, 0, 8),
            "nurse": (3, 0, 4),
            "pilot": (-3, 4, 0),
            "tree": (0, 5, 0),
            "queen": (4, 0, 3),
        }
    )


def test_the_direction_by_hand(vectors: WordVectors) -> None:
    pairs = known_pairs(vectors, [["She", "HE"], ["woman", "man"], ["girl", "boy"]])
    assert pairs.tolist() == [[1, 0], [3, 2]]
    along, share = direction(vectors.unit, pairs)
    np.testing.assert_allclose(along, [1, 0, 0], atol=1e-6)
    assert share == pytest.approx(1)
    np.testing.assert_allclose(direction(vectors.unit, pairs[:, ::-1])[0], [-1, 0, 0], atol=1e-6)
    rows = known(vectors, ["nurse", "pilot", "tree", "unheard"])
    assert direct_bias(vectors.unit, rows, along) == pytest.approx(0.4)
    with pytest.raises(UserError, match="0 known pairs"):
        direction(vectors.unit, pairs[:0])


def test_the_direction_is_the_papers_eigenvector() -> None:
    unit = np.random.default_rng(0).normal(size=(20, 6))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    pairs = np.arange(20).reshape(10, 2)
    covariance = np.zeros((6, 6))
    for pair in pairs:  # Σ_i Σ_{w in D_i} (w - μ_i)(w - μ_i)ᵀ / |D_i|
        for row in pair:
            away = unit[row] - unit[pair].mean(axis=0)
            covariance += np.outer(away, away) / 2
    values, columns = np.linalg.eigh(covariance)
    along, share = direction(unit, pairs)
    assert abs(along @ columns[:, -1]) == pytest.approx(1)
    assert share == pytest.approx(values[-1] / values.sum())


def test_association_by_brute_force(monkeypatch: pytest.MonkeyPatch) -> None:
    unit = np.random.default_rng(3).normal(size=(30, 5))
    unit[:4, 0] += 1
    unit[8:12, 0] += 1
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    x, y, a, b = [0, 1, 2, 3], [4, 5, 6], [8, 9, 10, 11], [12, 13]

    def s(w: int) -> float:
        return np.mean([unit[w] @ unit[v] for v in a]) - np.mean([unit[w] @ unit[v] for v in b])

    def gap(first: tuple[int, ...]) -> float:
        return np.mean([s(w) for w in first]) - np.mean([s(w) for w in {*x, *y} - {*first}])

    found = association(unit, x, y, a, b)
    assert found.effect == pytest.approx(gap(tuple(x)) / np.std([s(w) for w in x + y], ddof=1))
    gaps = np.array([gap(first) for first in itertools.combinations(x + y, 4)])
    assert len(gaps) == 35
    assert found.p == pytest.approx(np.mean(gaps >= gap(tuple(x)) - 1e-12))
    assert found.words == (4, 3, 4, 2)
    assert association(unit, y, x, a, b).effect == pytest.approx(-found.effect)
    for bad in ([0], [0, 4]):
        with pytest.raises(UserError, match="words of x, y, a, b are known"):
            association(unit, bad, y, a, b)
    more = ([*x, *range(14, 19)], [*y, *range(19, 24)], a, b)
    exact = association(unit, *more)
    monkeypatch.setattr(word_bias, "PARTITIONS", 4000)  # drawn, where there are too many
    drawn = association(unit, *more)
    assert drawn == association(unit, *more)
    assert drawn.p != exact.p
    assert drawn.p == pytest.approx(exact.p, abs=4 * (exact.p * (1 - exact.p) / 4000) ** 0.5 + 1 / 4000)


def test_hard_debiasing(vectors: WordVectors) -> None:
    along = np.array([1.0, 0, 0])
    pairs = known_pairs(vectors, [["she", "he"], ["man", "woman"]])
    after = hard_debiased(vectors, along, known(vectors, ["queen"]), pairs)
    np.testing.assert_allclose(np.linalg.norm(after.matrix, axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(after["queen"], vectors.unit[7])  # specific
    for word, expected in {"nurse": (0, 0, 1), "pilot": (0, 1, 0), "tree": (0, 1, 0)}.items():
        np.testing.assert_allclose(after[word], expected, atol=1e-6)
    np.testing.assert_allclose(after["she"], (0.6, 0.8, 0), atol=1e-6)  # ν = (0, .8, 0)
    np.testing.assert_allclose(after["man"], (-0.6, 0, 0.8), atol=1e-6)
    for word in ("nurse", "pilot", "tree"):
        assert after.similarity(word, "she") == pytest.approx(after.similarity(word, "he"), abs=1e-6)
    assert vectors["nurse"].tolist() == [3, 0, 4]  # the old ones are as they were
    with pytest.raises(UserError, match="'tree' and 'tree' do not differ along the direction"):
        hard_debiased(vectors, along, [], np.array([[6, 6]]))


def test_equalising_makes_unequal_pairs_equal() -> None:
    rng = np.random.default_rng(9)
    vectors = make({f"w{n}": tuple(row) for n, row in enumerate(rng.normal(size=(40, 6)))})
    along, _ = direction(vectors.unit, np.array([[0, 1], [2, 3], [4, 5]]))
    after = hard_debiased(vectors, along, [8], np.array([[0, 1], [6, 7]]))
    for first, second in ([0, 1], [6, 7]):
        to = after.unit[9:] @ after.unit[[first, second]].T
        np.testing.assert_allclose(to[:, 0], to[:, 1], atol=1e-6)
        parts = after.unit[[first, second]] @ along
        assert parts[0] == pytest.approx(-parts[1], abs=1e-6)
        assert (parts[0] > 0) == (vectors.unit[first] @ along > vectors.unit[second] @ along)


def test_what_is_recovered() -> None:
    rng = np.random.default_rng(5)
    one, other = np.arange(40), np.arange(40, 80)
    unit = rng.normal(size=(80, 10))
    assert recovered(unit, one, other) < 0.7
    unit[:40, 3] += 8
    assert recovered(unit, one, other) == recovered(unit, other, one) == 1
    assert recovered(np.ones((80, 10)), one, other) == 0.5
    leaning = most_leaning(unit, np.eye(10)[3], np.arange(20, 80), 20)
    assert set(leaning[0].tolist()) == set(range(20, 40))
    assert len({*leaning[0].tolist(), *leaning[1].tolist()}) == 40


def test_debiasing_leaves_what_lies_together() -> None:
    """Gonen & Goldberg's finding, planted: two topics, each leaning one way, stay apart without the direction."""
    rng = np.random.default_rng(0)
    topic = np.repeat([1.0, -1.0], 50)
    matrix = rng.normal(size=(104, 8))
    matrix[4:, 0] = topic * 2
    matrix[4:, 1] = topic * 5
    matrix[:4] = 0
    matrix[:4, 0] = [4, -4, 4, -4]
    matrix[:4, [2, 3]] = [[1, 0], [1, 0], [0, 1], [0, 1]]
    vectors = make({f"w{n}": tuple(row) for n, row in enumerate(matrix)})
    along, _ = direction(vectors.unit, np.array([[0, 1], [2, 3]]))
    sides = most_leaning(vectors.unit, along, np.arange(4, 104), 25)
    after = hard_debiased(vectors, along, range(4), np.empty((0, 2), np.int64))
    assert direct_bias(after.unit, range(4, 104), along) < 1e-6
    assert recovered(after.unit, *sides) > 0.95


# -- the command ----------------------------------------------------------------------------------------------------

TOML = """pairs = [["she", "he"], ["woman", "man"]]
words = ["nurse", "pilot", "tree", "unheard"]
specific = ["queen"]
equalise = [["she", "he"]]
[tests.jobs]
x = ["nurse", "queen"]
y = ["pilot", "tree"]
a = ["she"]
b = ["he"]
[tests.unknown]
x = ["apple"]
y = ["pear"]
a = ["she"]
b = ["he"]
"""


def test_a_user_probes_and_debiases(vectors: WordVectors, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vectors.save(here / "v")
    (here / "b.toml").write_text(TOML)
    assert main(["bias", "v", "b.toml", "--debias", "new"]) == 0
    out = capsys.readouterr().out
    assert "from 'he' to 'she': 2 of 2 pairs known, 100% of their variance" in out
    assert "3 of 4 known; mean |cosine| 0.400" in out
    assert "to she      nurse 0.60\n  to he       pilot 0.60\n" in out
    assert "known of x, y, a, b: 2, 2, 1, 1" in out
    assert "unknown: left out" in out
    assert "3 words neutralised, 1 pairs equalised" in out
    assert "mean |cosine| of the words                     0.400   0.000" in out
    after = WordVectors.load(here / "new")
    np.testing.assert_allclose(after["nurse"], (0, 0, 1), atol=1e-6)
    assert main(["bias", "v", "b.toml", "--words", "queen,pilot"]) == 0
    assert "2 of 2 known; mean |cosine| 0.700" in capsys.readouterr().out


def test_a_picture_of_it(vectors: WordVectors, here: Path) -> None:
    pytest.importorskip("matplotlib")
    vectors.save_word2vec(here / "v.txt")
    (here / "b.toml").write_text(TOML)
    assert main(["bias", "v.txt", "b.toml", "--plot", "p.png"]) == 0
    assert (here / "p.png").read_bytes()[1:4] == b"PNG"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pairs = []", "pairs is empty"),
        ('pairs = [["she"]]', "pairs: ['she'] is not two different words"),
        ('pairs = [["she", "he"]]\nequalise = [["a", "a"]]', "equalise: ['a', 'a'] is not two different words"),
        ('pairs = [["she", "he"]]\nword = ["nurse"]', "b.toml:2: unknown key 'word': did you mean 'words'"),
        ('pairs = [["she", "he"]]\n[tests.t]\nx = ["a"]', "tests.t has no y"),
        ('pairs = [["she", "he"]]\n[tests.t]\nz = ["a"]', "tests.t.z: known: a, b, x, y"),
        ('pairs = [["she", "he"]]\n[tests]\nt = "x"', "tests.t = 'x' is not a table"),
        ('pairs = [["adam", "eve"]]', "0 known pairs"),
    ],
)
def test_a_mistake_is_one_line(
    text: str, message: str, vectors: WordVectors, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vectors.save(here / "v")
    (here / "b.toml").write_text(text)
    assert main(["bias", "v", "b.toml", "--debias", "new"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (here / "new").exists()


def test_mistakes_on_the_command_line(vectors: WordVectors, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vectors.save(here / "v")
    for words, message in [
        (["v", "--words", "nurse,nurs"], "the word 'nurs' is not among the 8 known ones"),
        (["v", "configs/bias/gende.toml"], "did you mean 'configs/bias/gender.toml'"),
        (["v", "--plot", "p.gif"], "a picture's name ends in"),
        (["none"], "none cannot be read"),
        (["v", "--debias", "./v"], "holds the vectors as they are"),
    ]:
        assert main(["bias", *words]) == 2
        assert message in capsys.readouterr().err


def test_the_shipped_words_are_whole() -> None:
    for path in (preset_folder() / "bias").glob("*.toml"):
        chosen = from_mapping(BiasWords, read_toml(path), path)
        special = {*chosen.specific, *itertools.chain(*chosen.pairs, *chosen.equalise)}
        assert not special & set(chosen.words)
        for words in (chosen.words, chosen.specific):
            assert len(set(words)) == len(words)
    assert find_config("bias/gender.toml").is_file()
