"""Text search: vectors of texts against the formula, metrics against hands and trec_eval, BM25, the folder."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from graphkit import TextIndex, WordVectors
from graphkit.search import ranking_metrics as metrics
from graphkit.search.documents import Document
from graphkit.search.text_encoder import SIFEncoder
from graphkit.words.config import SkipGramConfig
from graphkit.words.vocabulary import Vocabulary
from neuralcore.errors import UserError

WORDS = ["the", "cat", "dog", "fish", "sea", "barks", "swims", "purrs"]
TEXTS = ["the cat purrs", "the dog barks, the dog", "The fish swims in the sea", "the sea", "42 zyx"]
DOCUMENTS = [Document(f"d{i}", text, title) for i, (text, title) in enumerate(zip(TEXTS, ["Cats", "", "", "", ""]))]


@pytest.fixture
def words() -> WordVectors:
    matrix = np.random.default_rng(0).normal(size=(len(WORDS), 5)).astype(np.float32)
    return WordVectors(Vocabulary(WORDS, range(len(WORDS), 0, -1)), matrix)


# ---- vectors of texts


def reference(words: WordVectors, texts: list[str], asked: list[str], a: float, components: int) -> np.ndarray:
    """Arora et al.'s algorithm 1, word by word; the components by a singular value decomposition."""
    cut = ["".join(c if c.isalpha() else " " for c in text.lower()).split() for text in texts]
    counts = Counter(word for text in cut for word in text)

    def mean(text: list[str]) -> np.ndarray:
        known = [w for w in text if w in words]
        parts = [a / (a + counts[w] / counts.total()) * words[w].astype(np.float64) for w in known]
        return np.sum(parts, axis=0) / len(parts) if parts else np.zeros(words.matrix.shape[1])

    _, _, basis = np.linalg.svd(np.stack([mean(text) for text in cut]))
    u = basis[:components]
    rows = np.stack([mean(text.lower().split()) for text in asked])
    return rows - rows @ u.T @ u


@pytest.mark.parametrize(("a", "components"), [(1e-3, 1), (0.1, 0), (0.1, 2)])
def test_vectors_of_texts_are_the_papers(words: WordVectors, a: float, components: int):
    encoder = SIFEncoder.fit(words, TEXTS, a=a, components=components)
    asked = ["the fish barks", "cat", "dog dog cat quux"]
    assert encoder.known_share == pytest.approx(15 / 17)  # "in" and "zyx" have none
    expected = reference(words, TEXTS, asked, a, components)
    np.testing.assert_allclose(encoder.encode(asked), expected, rtol=1e-5, atol=1e-7)
    assert encoder.encode(["quux 12", ""]).tolist() == np.zeros((2, 5)).tolist()
    assert encoder.encode([]).shape == (0, 5)


def test_frequencies_are_those_of_the_vectors_own_text(words: WordVectors):
    with pytest.raises(UserError, match="without counts"):
        SIFEncoder.fit(words, TEXTS, frequencies="words")
    trained = WordVectors(words.vocabulary, words.matrix, SkipGramConfig(dimension=5))
    encoder = SIFEncoder.fit(trained, TEXTS, a=0.1, components=0)
    shares = np.array([1, 7, 8]) / 36  # the counts are 8, 7, …, 1
    purrs, cat, the = (words[w] for w in ("purrs", "cat", "the"))
    expected = sum(0.1 / (0.1 + p) * x for p, x in zip(shares, (purrs, cat, the))) / 3
    np.testing.assert_allclose(encoder.encode(["the cat purrs"])[0], expected, rtol=1e-5)
    of_texts = SIFEncoder.fit(trained, TEXTS, a=0.1, components=0, frequencies="texts")
    np.testing.assert_allclose(
        of_texts.encode(TEXTS), SIFEncoder.fit(words, TEXTS, a=0.1, components=0).encode(TEXTS)
    )


def test_a_texts_vector_does_not_depend_on_the_others(words: WordVectors):
    encoder = SIFEncoder.fit(words, TEXTS)
    together = encoder.encode([*TEXTS, "sea dog swims"] * 40)
    assert all(encoder.encode([text])[0].tobytes() == together[i].tobytes() for i, text in enumerate(TEXTS))


def test_unknown_words_are_told_and_subwords_make_them_known(words: WordVectors):
    encoder = SIFEncoder.fit(words, TEXTS)
    assert encoder.unknown("the zebra, a zebra and a cat") == ["zebra", "a", "and"]
    config = SkipGramConfig(dimension=5, longest_ngram=4, buckets=50)
    ngrams = np.random.default_rng(1).normal(size=(50, 5)).astype(np.float32)
    with_ngrams = SIFEncoder.fit(WordVectors(words.vocabulary, words.matrix, config, ngrams), TEXTS, components=0)
    assert with_ngrams.unknown("zebra cat") == []
    np.testing.assert_allclose(with_ngrams.encode(["zebra"])[0], with_ngrams.words["zebra"], rtol=1e-5)


def test_vectors_of_other_programs_may_have_capitals():
    matrix = np.eye(3, dtype=np.float32)
    words = WordVectors(Vocabulary(["US", "us", "paris"], [3, 2, 1]), matrix)
    encoder = SIFEncoder.fit(words, ["us US paris"], components=0)
    assert encoder.tokens("US Paris us") == ["US", "paris", "us"]


def test_an_encoder_is_kept_whole(words: WordVectors, tmp_path: Path):
    encoder = SIFEncoder.fit(words, TEXTS, a=0.01, components=2)
    loaded = SIFEncoder.load(encoder.save(tmp_path / "encoder"))
    asked = ["the fish zyx", "purrs"]
    assert loaded.encode(asked).tobytes() == encoder.encode(asked).tobytes()
    assert loaded.counts == encoder.counts
    assert loaded.words.words == WORDS
    again = SIFEncoder.fit(words, TEXTS, a=0.01, components=2).save(tmp_path / "again")
    assert {p.name: p.read_bytes() for p in again.iterdir()} == {
        p.name: p.read_bytes() for p in (tmp_path / "encoder").iterdir()
    }


def test_what_an_encoder_refuses(words: WordVectors):
    with pytest.raises(UserError, match="none of the 2 texts has a word with a vector"):
        SIFEncoder.fit(words, ["quux", "1"])
    with pytest.raises(UserError, match="components = 5"):
        SIFEncoder.fit(words, TEXTS, components=5)
    with pytest.raises(UserError, match="a = 0"):
        SIFEncoder.fit(words, TEXTS, a=0.0)


# ---- metrics

GRADES = {"a": 3, "b": 2, "c": 1, "d": 0, "e": -1}


def test_metrics_by_hand():
    ranking = ["d", "b", "x", "a", "e"]
    best = 3 + 2 / math.log2(3) + 1 / 2  # a, b, c: 3 / log2(2), 2 / log2(3), 1 / log2(4)
    assert metrics.ndcg(ranking, GRADES) == pytest.approx((2 / math.log2(3) + 3 / math.log2(5)) / best)
    assert metrics.ndcg(ranking, GRADES, k=2) == pytest.approx((2 / math.log2(3)) / (3 + 2 / math.log2(3)))
    assert metrics.ndcg(["a", "b", "c"], GRADES) == 1.0
    assert metrics.recall(ranking, GRADES) == pytest.approx(2 / 3)
    assert metrics.recall(ranking, GRADES, k=3) == pytest.approx(1 / 3)
    assert metrics.reciprocal_rank(ranking, GRADES) == 1 / 2
    assert metrics.reciprocal_rank(["x"] * 10 + ["a"], GRADES) == 0.0


def test_means_are_over_judged_queries_with_a_relevant_document():
    qrels = {"q1": {"a": 1}, "q2": {"a": 2}, "q3": {"a": 0}}
    figures = metrics.evaluate_rankings({"q1": ["x", "a"], "other": ["a"]}, qrels)
    assert (figures.recall_100, figures.mrr_10, figures.without_relevant) == (0.5, 0.25, 1)  # q2 found nothing
    assert figures.by_query["q2"] == (0.0, 0.0, 0.0)
    with pytest.raises(UserError, match="twice"):
        metrics.evaluate_rankings({"q1": ["x", "x"]}, qrels)
    with pytest.raises(UserError, match="none of the 1 queries is judged"):
        metrics.evaluate_rankings({"1": ["x"]}, qrels)
    with pytest.raises(UserError, match="none has a relevant"):
        metrics.evaluate_rankings({"q3": ["x"]}, {"q3": {"a": 0}})


def test_metrics_are_trec_evals():
    pytrec_eval = pytest.importorskip("pytrec_eval", reason="pytrec_eval-terrier is not installed")
    generator = np.random.default_rng(0)
    names = [f"d{i}" for i in range(300)]
    qrels, rankings = {}, {}
    for query in map(str, range(40)):
        judged = generator.choice(names, size=generator.integers(5, 60), replace=False)
        qrels[query] = {str(name): int(generator.integers(-1, 4)) for name in judged} | {"d0": 1}
        rankings[query] = [str(name) for name in generator.permutation(names)[: generator.integers(0, 300)]]
    runs = {q: {name: float(-rank) for rank, name in enumerate(ranking)} for q, ranking in rankings.items()}
    evaluator = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg_cut_10", "recall_100", "recip_rank"})
    theirs = evaluator.evaluate(runs)
    ours = metrics.evaluate_rankings(rankings, qrels).by_query
    for query, found in theirs.items():
        reciprocal = found["recip_rank"] if found["recip_rank"] >= 0.1 else 0.0
        assert ours[query] == pytest.approx((found["ndcg_cut_10"], found["recall_100"], reciprocal)), query


def test_fusion_by_hand():
    fused = metrics.reciprocal_rank_fusion([[7, 3, 5], [3, 9]])
    assert fused == [(3, 1 / 62 + 1 / 61), (7, 1 / 61), (9, 1 / 62), (5, 1 / 63)]
    weighted = metrics.reciprocal_rank_fusion([[1], [2]], [1.0, 2.0])
    assert weighted == [(2, 2 / 61), (1, 1 / 61)]
    assert metrics.reciprocal_rank_fusion([[4], [2]]) == [(2, 1 / 61), (4, 1 / 61)]  # equal: by row


# ---- the index


class Lengths:
    """An encoder of one's own: how long a text is, and that it is one."""

    def encode(self, texts: list[str]) -> np.ndarray:
        return np.array([[len(text.strip()), 5.0] for text in texts], np.float32)


def test_an_index_of_vectors_alone(words: WordVectors, tmp_path: Path):
    index = TextIndex.build(DOCUMENTS, words, lexical=False)
    assert index.ways == ["vectors"]
    found = index.search("dog barks zebra", k=3)
    assert (found[0].name, found.by, found.unknown) == ("d1", "vectors", ["zebra"])
    assert "d4" not in [match.name for match in index.search("cat", k=99)]  # it has no known word
    assert [match.title for match in index.search("cat purrs", k=1)] == ["Cats"]
    loaded = TextIndex.load(index.save(tmp_path / "index"))
    assert loaded.search("fish sea", 4) == index.search("fish sea", 4)
    assert loaded["d1"] == DOCUMENTS[1]
    index.save(tmp_path / "index")  # in its own place
    assert len(list((tmp_path / "index").glob("parts*"))) == 1
    for by, trouble in (("bm25", "has no bm25"), ("bm26", "unknown way 'bm26'")):
        with pytest.raises(UserError, match=trouble):
            loaded.search("cat", by=by)
    with pytest.raises(UserError, match=r"no word of the query is known \('quux', 'zebra'\)"):
        loaded.search("quux zebra")
    with pytest.raises(UserError, match="empty"):
        loaded.search("  ")
    with pytest.raises(UserError, match="there is no document 'd9'"):
        loaded["d9"]


def test_an_encoder_of_ones_own(tmp_path: Path):
    index = TextIndex.build(DOCUMENTS, Lengths(), lexical=False)
    assert index.search("x" * 22, k=1)[0].name == "d1"
    index.save(tmp_path)
    with pytest.raises(UserError, match="encoder of its own"):
        TextIndex.load(tmp_path)
    assert TextIndex.load(tmp_path, encoder=Lengths()).search("x" * 22, 5) == index.search("x" * 22, 5)


def test_a_changed_byte_is_told(words: WordVectors, tmp_path: Path):
    TextIndex.build(DOCUMENTS, words, lexical=False).save(tmp_path)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 10  # three parts of three files, and the manifest
    for path in files:
        data = path.read_bytes()
        path.write_bytes(data[:-2] + bytes([data[-2] ^ 1]) + data[-1:])
        with pytest.raises(UserError, match=r"damaged|not as it was written"):
            TextIndex.load(tmp_path)
        path.write_bytes(data)
    TextIndex.load(tmp_path)


def test_a_save_that_fails_leaves_the_old_index(words: WordVectors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    old = TextIndex.build(DOCUMENTS, words, lexical=False)
    old.save(tmp_path)

    def full(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("graphkit.search.text_index.write_text", full)
        with pytest.raises(UserError, match=r"No space left on device.*intact"):
            TextIndex.build(DOCUMENTS[:3], words, lexical=False).save(tmp_path)
    assert TextIndex.load(tmp_path).search("dog", 9) == old.search("dog", 9)
    TextIndex.build(DOCUMENTS[:3], words, lexical=False).save(tmp_path)
    assert len(TextIndex.load(tmp_path)) == 3
    assert len(list(tmp_path.iterdir())) == 2


def test_what_an_index_refuses(words: WordVectors, tmp_path: Path):
    with pytest.raises(UserError, match="without BM25 and without vectors"):
        TextIndex.build(DOCUMENTS, None, lexical=False)
    with pytest.raises(UserError, match="same name"):
        TextIndex.build([DOCUMENTS[0], DOCUMENTS[0]], words, lexical=False)
    with pytest.raises(UserError, match="vector_weight"):
        TextIndex.build(DOCUMENTS, words, lexical=False, vector_weight=0.0)
    with pytest.raises(UserError, match="no documents"):
        TextIndex.build([], words, lexical=False)
    words.save(tmp_path / "words")
    with pytest.raises(UserError, match="holds word_vectors"):
        TextIndex.load(tmp_path / "words")
    with pytest.raises(UserError, match="holds word_vectors"):
        TextIndex.build(DOCUMENTS, words, lexical=False).save(tmp_path / "words")
    with pytest.raises(UserError, match="holds something else"):
        TextIndex.build(DOCUMENTS, words, lexical=False).save(tmp_path)
    with pytest.raises(UserError, match="no text index"):
        TextIndex.load(tmp_path)


# ---- BM25, where its library is installed


@pytest.fixture
def bm25s() -> None:
    pytest.importorskip("bm25s", reason="the extra text is not installed")
    pytest.importorskip("Stemmer", reason="the extra text is not installed")


@pytest.mark.usefixtures("bm25s")
def test_bm25_is_the_formula():
    from graphkit.search.bm25 import BM25

    texts = ["running dogs run", "the dog", "cats and cats and cats", ""]
    k1, b = 1.1, 0.6
    stems = [["run", "dog", "run"], ["dog"], ["cat", "cat", "cat"], []]  # without "the" and "and"

    def score(query: list[str], document: list[str]) -> float:
        total = 0.0
        for word in query:
            n, f = sum(word in d for d in stems), document.count(word)
            norm = k1 * (1 - b + b * len(document) / (sum(map(len, stems)) / 4))
            total += math.log(1 + (4 - n + 0.5) / (n + 0.5)) * f / (f + norm)
        return total

    index = BM25.build(texts, k1=k1, b=b)
    expected = [score(["dog", "run"], document) for document in stems]
    np.testing.assert_allclose(index.scores("Dogs runs unknown"), expected, rtol=1e-5)
    assert BM25.of_arrays(index.arrays(), 4, "english").scores("dog").tolist() == index.scores("dog").tolist()
    assert not index.scores("the zebra").any()
    plain = BM25.build(texts, "none")
    assert plain.scores("the").argmax() == 1
    assert not plain.scores("running")[1:].any()
    with pytest.raises(UserError, match="no language 'englisch'"):
        BM25.build(texts, "englisch")
    with pytest.raises(UserError, match="k1 = -1"):
        BM25.build(texts, k1=-1)
    with pytest.raises(UserError, match="beside stop words"):
        BM25.build(["the", ""])


@pytest.mark.usefixtures("bm25s")
def test_a_hybrid_index(words: WordVectors, tmp_path: Path):
    index = TextIndex.build(DOCUMENTS, words)
    assert index.ways == ["hybrid", "bm25", "vectors"]
    by_words, by_vectors = ([m.name for m in index.search("fish in the sea", 9, by)] for by in ("bm25", "vectors"))
    rankings = [[int(name[1]) for name in by_words], [int(name[1]) for name in by_vectors]]
    fused = metrics.reciprocal_rank_fusion(rankings, [1.0, 0.1])
    found = index.search("fish in the sea", 9)
    assert [(m.name, m.score) for m in found] == [(f"d{row}", score) for row, score in fused]
    assert found.by == "hybrid"
    assert [m.name for m in index.search("zyx")] == ["d4"]  # which the vectors do not know
    loaded = TextIndex.load(index.save(tmp_path))
    assert all(loaded.search("the dog swims", 9, by) == index.search("the dog swims", 9, by) for by in index.ways)
    heavier = TextIndex.build(DOCUMENTS, words, vector_weight=100.0)
    assert heavier.search("barks sea")[0].name == heavier.search("barks sea", by="vectors")[0].name
    queries = [Document("q1", "cats"), Document("q2", "quux"), Document("unjudged", "dog")]
    figures, nothing = index.evaluate(queries, {"q1": {"d0": 2}, "q2": {"d1": 1}}, "bm25")
    assert figures.by_query == {"q1": (1.0, 1.0, 1.0), "q2": (0.0, 0.0, 0.0)}
    assert nothing == ["q2"]
