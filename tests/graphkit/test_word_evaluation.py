"""Analogies and similarity sets, against hand-made vectors, plain loops, scipy and gensim's own figures."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from graphkit.words.evaluation import Analogies, Section, Similarity, answers, evaluate
from graphkit.words.vectors import WordVectors
from graphkit.words.vocabulary import Vocabulary
from neuralcore.errors import UserError


def make(words: list[str], matrix: object) -> WordVectors:
    return WordVectors(Vocabulary(words, range(len(words), 0, -1)), np.array(matrix, dtype=np.float32))


@pytest.fixture
def royal() -> WordVectors:
    """x: male or female, y: royal, z: old; "Queen" in another case is a worse answer, and rarer."""
    words = {
        "man": (1, 0, 0.2),
        "woman": (-1, 0, 0.2),
        "king": (1, 2, 0.2),
        "queen": (-1, 2, 0.2),
        "boy": (1, 0, -1),
        "girl": (-1, 0, -1),
        "Queen": (-1, 1, 2),
        "KING": (0, 3, 0),
    }
    return make(list(words), list(words.values()))


ANALOGIES = """: family
man king woman queen
MAN boy Woman girl
boy girl king queen

: gram-none
king prince queen princess
: wrong
man king girl woman
"""


def test_analogies_by_hand(royal: WordVectors, tmp_path: Path) -> None:
    (tmp_path / "q.txt").write_text(ANALOGIES)
    (found,) = royal.evaluate([tmp_path / "q.txt"])
    assert isinstance(found, Analogies)
    assert found.sections == (Section("family", 3, 3, 0), Section("gram-none", 0, 0, 1), Section("wrong", 1, 0, 0))
    assert found.total == Section("total", 4, 3, 1)
    assert found.total.accuracy == 0.75
    assert math.isnan(found.sections[1].accuracy)
    assert found.as_row()["sections"][1]["accuracy"] is None
    (cased,) = evaluate(royal, [tmp_path / "q.txt"], fold_case=False)
    assert isinstance(cased, Analogies)
    assert cased.sections[0] == Section("family", 2, 2, 1)  # MAN and Woman are unknown
    (few,) = evaluate(royal, [tmp_path / "q.txt"], commonest=4)
    assert isinstance(few, Analogies)
    assert few.total == Section("total", 1, 1, 4)


def test_a_variant_of_a_given_word_is_no_answer() -> None:
    # b - a + c points straight at KING, which is king in another case
    vectors = make(["a", "king", "c", "KING", "right"], [[1, 0, 0], [1, 1, 0], [0, 1, 0.1], [0, 1, 0], [0, 1, 1]])
    assert vectors.most_similar(["king", "c"], ["a"], 1)[0][0] == "KING"
    rows, same = np.array([[0, 1, 2]]), np.array([0, 1, 2, 1, 4])
    assert answers(vectors.unit, rows, same).tolist() == [4]
    assert answers(vectors.unit, rows, np.arange(5)).tolist() == [3]


def test_wilson_by_hand() -> None:
    low, high = Section("", 10, 5, 0).interval  # as the textbooks have it for 5 of 10
    assert (round(low, 4), round(high, 4)) == (0.2366, 0.7634)
    assert Section("", 10, 0, 0).interval[0] == pytest.approx(0, abs=1e-12)


def random_vectors(seed: int = 0, words: int = 300) -> WordVectors:
    rng = np.random.default_rng(seed)
    names = [f"w{n}" for n in range(words)]
    for n in range(0, words, 10):
        names[n] = f"W{(n + 55) % words}"  # the same as a word that comes before it or after
    return make(names, rng.normal(size=(words, 12)) + 0.3)


def random_files(folder: Path, words: int = 300) -> tuple[Path, Path]:
    rng = np.random.default_rng(7)
    lines = []
    for n in range(400):
        if n % 90 == 0:
            lines.append(f": section-{n}")
        lines.append(" ".join(f"w{i}" for i in rng.integers(words + 10, size=4)))
    (folder / "a.txt").write_text("\n".join(lines) + "\n")
    pairs = [f"w{a}\tW{b}\t{rng.integers(11)}" for a, b in rng.integers(words + 20, size=(200, 2))]
    (folder / "p.txt").write_text("# a comment\n" + "\n".join(pairs) + "\n")
    return folder / "a.txt", folder / "p.txt"


def with_right_answers(vectors: WordVectors, path: Path, fold_case: bool = True, commonest: int = 300) -> int:
    """Every third question gets the answer that a plain loop finds; returns how many are now answered rightly."""
    names = [word.upper() if fold_case else word for word in vectors.words[:commonest]]
    first = {name: names.index(name) for name in names}
    unit = vectors.unit[:commonest].astype(np.float64)
    lines, right = path.read_text().splitlines(), 0
    for n, line in enumerate(lines):
        words = [word.upper() if fold_case else word for word in line.split()]
        if line.startswith(":") or not all(word in first for word in words):
            continue
        a, b, c = (first[word] for word in words[:3])
        cosines = unit @ (unit[b] - unit[a] + unit[c])
        best = max((i for i in range(len(names)) if names[i] not in words[:3]), key=lambda i: cosines[i])
        if n % 3 == 0:
            lines[n] = " ".join([*words[:3], names[best]])
        right += n % 3 == 0 or names[best] == words[3]
    path.write_text("\n".join(lines) + "\n")
    return right


@pytest.mark.parametrize("scores", [1, 1000, 1 << 24])
def test_answers_are_those_of_a_plain_loop(scores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graphkit.words.nearest.SCORES", scores)
    vectors = random_vectors()
    path, _ = random_files(tmp_path)
    right = with_right_answers(vectors, path)
    (found,) = vectors.evaluate([path])
    assert isinstance(found, Analogies)
    assert found.total.asked + found.total.unknown == 400
    assert found.total.correct == right > 50


@pytest.mark.parametrize("fold_case", [True, False])
@pytest.mark.parametrize("commonest", [250, 300_000])
def test_gensims_own_figures(fold_case: bool, commonest: int, tmp_path: Path) -> None:
    models = pytest.importorskip("gensim.models", reason="gensim is not installed (extra gensim)")
    vectors = random_vectors()
    analogies, pairs = random_files(tmp_path)
    right = with_right_answers(vectors, analogies, fold_case, commonest)
    theirs = models.KeyedVectors.load_word2vec_format(str(vectors.save_word2vec(tmp_path / "v")))
    settings = {"restrict_vocab": commonest, "case_insensitive": fold_case}
    score, sections = theirs.evaluate_word_analogies(str(analogies), **settings)
    ours, similar = evaluate(vectors, [analogies, pairs], commonest=commonest, fold_case=fold_case)
    assert isinstance(ours, Analogies)
    assert isinstance(similar, Similarity)
    counts = [(s["section"], len(s["correct"]), len(s["correct"]) + len(s["incorrect"])) for s in sections[:-1]]
    assert [(s.name, s.correct, s.asked) for s in ours.sections] == counts
    assert ours.total.correct == right > 3
    assert ours.total.accuracy == pytest.approx(score)
    pearson, spearman, unknown = theirs.evaluate_word_pairs(str(pairs), **settings)
    assert similar.spearman == pytest.approx(spearman[0], abs=1e-6)
    assert similar.pearson == pytest.approx(pearson[0], abs=1e-6)
    assert similar.unknown_rate == pytest.approx(unknown / 100)


def test_similarity_by_scipy(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    words = [f"w{n}" for n in range(80)]
    vectors = make(words, rng.normal(size=(80, 5)))
    rows = rng.integers(80, size=(120, 2))
    cosines = np.array([vectors.similarity(words[a], words[b]) for a, b in rows])
    scores = np.round(cosines * 5 + rng.normal(size=120) * 3)
    body = [f"{words[a]} {words[b]} {score}" for (a, b), score in zip(rows, scores)]
    (tmp_path / "s.csv").write_text("Word 1,Word 2,Human (mean)\n" + "\n".join(b.replace(" ", ",") for b in body))
    (tmp_path / "s.txt").write_text("\n".join([*body, "w0 unheard 3", "never heard 3.5"]))
    table, plain = vectors.evaluate([tmp_path])
    assert isinstance(plain, Similarity)
    assert isinstance(table, Similarity)
    assert plain.spearman == table.spearman == pytest.approx(stats.spearmanr(scores, cosines)[0])
    assert plain.pearson == pytest.approx(stats.pearsonr(scores, cosines)[0])
    assert (plain.pairs, plain.unknown, table.unknown) == (120, 2, 0)
    assert plain.unknown_rate == 2 / 122
    # Fisher's transformation with the error of Bonett & Wright 2000 is another road to the interval.
    half = 1.96 * math.sqrt((1 + plain.spearman**2 / 2) / 117)
    expected = np.tanh(np.arctanh(plain.spearman) + np.array([-half, half]))
    np.testing.assert_allclose(plain.interval, expected, atol=0.05)
    assert vectors.evaluate([tmp_path]) == [table, plain]


def test_too_little_for_a_correlation(royal: WordVectors, tmp_path: Path) -> None:
    (tmp_path / "s").write_text("man woman 3\nking man 4\nelse where 2\n")
    (found,) = royal.evaluate([tmp_path / "s"])
    assert isinstance(found, Similarity)
    assert math.isnan(found.spearman)
    assert found.as_row()["interval_95"] == [None, None]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"line 1 \(''\) is neither"),
        ("what is this about\nanything\n", "line 2 .* has 1 words, not 4"),
        (": family\na b c\n", r"line 2 \('a b c'\) has 3 words, not 4"),
        ("a b 3\n\na b\n", r"line 3 \('a b'\) is not two words and a score"),
        ("a b 3\nc d nan\n", "line 2"),
        ("once upon\n", "line 1 .* is neither ': SECTION', four words, nor two words and a score"),
    ],
)
def test_bad_lines_are_told(text: str, message: str, royal: WordVectors, tmp_path: Path) -> None:
    (tmp_path / "f").write_text(text)
    with pytest.raises(UserError, match=f"{tmp_path}/f: {message}"):
        royal.evaluate([tmp_path / "f"])


def test_files_that_are_not_there(royal: WordVectors, tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("hello\n")
    with pytest.raises(UserError, match=r"holds no \.txt"):
        royal.evaluate([tmp_path])
    (tmp_path / "latin").write_bytes(b"\xe9\n")
    with pytest.raises(UserError, match="none cannot be read"):
        royal.evaluate([tmp_path / "none"])
    with pytest.raises(UserError, match="byte 0 is not UTF-8"):
        royal.evaluate([tmp_path / "latin"])
    with pytest.raises(UserError, match="commonest = 0"):
        royal.evaluate([tmp_path], commonest=0)


def test_the_customary_files_are_read(royal: WordVectors, shared_data: Path) -> None:
    found = {figures.name: figures for figures in royal.evaluate([shared_data / "word-eval"])}
    assert len(found) == 14
    google, simlex = found["questions-words"], found["EN-SIMLEX-999"]
    assert isinstance(google, Analogies)
    assert isinstance(simlex, Similarity)
    assert len(google.sections) == 14
    assert google.total.asked + google.total.unknown == 19_544
    assert simlex.pairs + simlex.unknown == 999
