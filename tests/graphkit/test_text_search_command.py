"""`graphkit documents` and `graphkit search-text`, and the files they read; BM25 where its library is installed."""

from __future__ import annotations

import json
import lzma
from pathlib import Path

import numpy as np
import pytest

from graphkit.cli import main
from graphkit.search.documents import Document, read_documents, read_qrels
from graphkit.words.config import SkipGramConfig
from graphkit.words.vectors import WordVectors
from graphkit.words.vocabulary import Vocabulary
from neuralcore.errors import UserError

# ---- files


def test_documents_of_every_shape(tmp_path: Path):
    folder = tmp_path / "folder"
    (folder / "more").mkdir(parents=True)
    (folder / "b.txt").write_text("\ufefftwo\nlines\n", encoding="utf-8")
    (folder / "more" / "a.x.txt.xz").write_bytes(lzma.compress("été".encode()))
    (folder / "notes.md").write_text("no document")
    assert read_documents(folder) == [Document("b", "two\nlines"), Document("more/a.x", "été")]
    tsv = tmp_path / "some.tsv"
    tsv.write_text("d1\tA title\tthe text\r\n\nd2\tanother\n")
    assert read_documents(tsv) == [Document("d1", "the text", "A title"), Document("d2", "another")]
    lines = tmp_path / "some.jsonl"
    lines.write_text('{"_id": "d1", "title": "A title", "text": " x ", "metadata": {}}\n{"id": 7, "text": ""}\n')
    assert read_documents(lines) == [Document("d1", "x", "A title"), Document("7", "")]
    assert Document("d", "text", "title").full_text == "title\ntext"


@pytest.mark.parametrize(
    ("name", "content", "trouble"),
    [
        ("a.tsv", "d1\tx\nd2\n", r"a\.tsv:2: 1 columns"),
        ("a.tsv", "d1\tx\n \ty\n", r"a\.tsv:2: the name is empty"),
        ("a.tsv", "d1\tx\nd2\ty\nd1\tz\n", r"a\.tsv:3: the name 'd1' is there twice"),
        ("a.tsv", "\n", "holds no documents"),
        ("a.jsonl", '{"_id": "1", "text": "x"}\nnot\n', r"a\.jsonl:2: not JSON"),
        ("a.jsonl", "[" * 100_000, r"a\.jsonl:1: not JSON"),
        ("a.jsonl", "[1]\n", r"a\.jsonl:1: not an object"),
        ("a.jsonl", '{"text": "x"}\n', r"a\.jsonl:1: no name"),
        ("a.jsonl", '{"_id": true, "text": "x"}\n', r"a\.jsonl:1: no name"),
        ("a.jsonl", '{"_id": "1", "body": "x"}\n', r"a\.jsonl:1: no text.*'_id', 'body'"),
        ("a.jsonl", '{"_id": "1", "text": "x", "title": 3}\n', r"a\.jsonl:1: title is 3"),
        ("a.jsonl", '{"_id": "1", "text": "\\ud800"}\n', r"a\.jsonl:1: a lone surrogate"),
        ("a.tsv", b"d1\tok\nd2\t\xff\n", r"a\.tsv:2: byte 9 is not UTF-8"),
        ("a.csv", "d1,x\n", "ending '.csv'"),
    ],
)
def test_a_bad_row_is_told(tmp_path: Path, name: str, content: str | bytes, trouble: str):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=trouble):
        read_documents(path)


def test_what_is_not_there_is_told(tmp_path: Path):
    with pytest.raises(UserError, match=r"put \.txt files into it"):
        read_documents(tmp_path)
    (tmp_path / "corpus.tsv").write_text("d\tx\n")
    with pytest.raises(UserError, match=r"corpus\.tsv"):
        read_documents(tmp_path / "corpvs.tsv")


def test_judgements(tmp_path: Path):
    path = tmp_path / "qrels"
    path.write_text("query-id\tcorpus-id\tscore\nq1\tsome name\t2\n\nq1\td2\t-1\n")
    assert read_qrels(path) == {"q1": {"some name": 2, "d2": -1}}
    path.write_text("q1 0 d1 1\nq2 Q0 d1 0\n")
    assert read_qrels(path) == {"q1": {"d1": 1}, "q2": {"d1": 0}}
    for content, trouble in (
        ("q1 d1\n", ":1: 2 columns"),
        ("q1 0 d1 1\nq1 0 d2 x\n", ":2: grade 'x'"),
        ("q1 0 d1 1\nq1 0 d1 1\n", ":2: document 'd1' is judged twice"),
        ("\n", "holds no judgements"),
    ):
        path.write_text(content)
        with pytest.raises(UserError, match=trouble):
            read_qrels(path)


# ---- commands


@pytest.fixture
def places(tmp_path: Path) -> dict[str, str]:
    """Documents, word vectors, queries and judgements on disk."""
    words = ["the", "cat", "dog", "fish", "sea"]
    matrix = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    vectors = WordVectors(Vocabulary(words, [9, 4, 3, 2, 1]), matrix, SkipGramConfig(dimension=4))
    vectors.save(tmp_path / "words" / "vectors")
    (tmp_path / "docs.tsv").write_text("d1\tthe cat\nd2\tDogs\tthe dog\nd3\t[fish] of the sea\nd4\t42 zyx\n")
    (tmp_path / "queries.tsv").write_text("q1\tthe dog\nq2\tzyx\nq3\tnot judged\n")
    (tmp_path / "qrels.tsv").write_text("q1\td2\t1\nq2\td4\t2\nq2\tgone\t0\n")
    return {name: str(tmp_path / name) for name in ("docs.tsv", "words", "queries.tsv", "qrels.tsv", "index")}


def documents(places: dict[str, str], *more: str) -> int:
    return main(["documents", places["docs.tsv"], "--index", places["index"], *more])


def test_the_commands_with_vectors_alone(places: dict[str, str], capsys: pytest.CaptureFixture[str]):
    assert documents(places, "--vectors", places["words"], "--no-bm25") == 0
    told = capsys.readouterr().err
    assert "4 of" in told
    assert "70.0% of the words known; 1 documents have no known word and are not found" in told
    assert main(["search-text", places["index"], "dog zebra", "cat", "--k", "2"]) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["query"], first["by"], first["unknown"]) == ("dog zebra", "vectors", ["zebra"])
    assert [m["rank"] for m in first["matches"]] == [1, 2]
    assert first["matches"][0]["title"] == "Dogs"
    assert second["matches"][0]["name"] == "d1"
    assert main(["search-text", places["index"], "fish", "--k", "1", "--format", "table"]) == 0
    assert "[fish] of the sea" in capsys.readouterr().out
    judged = ["search-text", places["index"], "--queries", places["queries.tsv"], "--qrels", places["qrels.tsv"]]
    assert main(judged) == 0
    printed = capsys.readouterr()
    figures = json.loads(printed.out)
    assert (figures["by"], figures["queries"], figures["nothing"]) == ("vectors", 2, ["q2"])
    assert (figures["ndcg@10"], figures["recall@100"], figures["mrr@10"]) == (0.5, 0.5, 0.5)
    assert "1 judged documents are not in the index (gone, …)" in printed.err
    assert main([*judged, "--format", "table"]) == 0
    assert "vectors: nothing found for 1 (q2), which count as 0" in capsys.readouterr().out


def test_the_commands_with_bm25(places: dict[str, str], capsys: pytest.CaptureFixture[str]):
    pytest.importorskip("bm25s", reason="the extra text is not installed")
    pytest.importorskip("Stemmer", reason="the extra text is not installed")
    assert documents(places, "--vectors", places["words"], "--vector-weight", "0.5") == 0
    judged = ["search-text", places["index"], "--queries", places["queries.tsv"], "--qrels", places["qrels.tsv"]]
    capsys.readouterr()
    assert main(judged) == 0
    ways = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [way["by"] for way in ways] == ["hybrid", "bm25", "vectors"]
    assert [way["ndcg@10"] for way in ways] == [1.0, 1.0, 0.5]
    assert main(["search-text", places["index"], "dog", "--by", "bm25"]) == 0
    assert [m["name"] for m in json.loads(capsys.readouterr().out)["matches"]] == ["d2"]
    assert documents(places, "--language", "none") == 0  # BM25 alone, in the place of the other
    assert main(["search-text", places["index"], "dog", "--by", "vectors"]) == 2
    assert "has no vectors: search by bm25" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "trouble"),
    [
        (["--no-bm25"], "leaves nothing to search by"),
        (["--a", "0.1"], "--a changes nothing without --vectors"),
        (["--vectors", "words", "--no-bm25", "--k1", "1"], "--k1 changes nothing with --no-bm25"),
        (["--vectors", "words", "--no-bm25", "--components", "9"], "components = 9"),
        (["--vectors", "nowhere", "--no-bm25"], "nowhere"),
    ],
)
def test_wrong_settings(places: dict[str, str], capsys: pytest.CaptureFixture[str], more: list[str], trouble: str):
    assert documents(places, *(places.get(word, word) for word in more)) == 2
    assert trouble in " ".join(capsys.readouterr().err.split())
    assert not Path(places["index"]).exists()


@pytest.mark.parametrize(
    ("more", "trouble"),
    [
        ([], "nothing to search for"),
        (["cat", "--queries", "queries.tsv"], "not both"),
        (["cat", "--qrels", "qrels.tsv"], "name it by --queries"),
        (["cat", "--k", "0"], "at least 1"),
        (["--queries", "queries.tsv", "--qrels", "qrels.tsv", "--k", "3"], "--k changes nothing with --qrels"),
        (["--queries", "queries.tsv"], "query 'q2': no word of the query is known ('zyx')"),
        (["cat", "--by", "hybrid"], "has no hybrid"),
    ],
)
def test_wrong_searches(places: dict[str, str], capsys: pytest.CaptureFixture[str], more: list[str], trouble: str):
    assert documents(places, "--vectors", places["words"], "--no-bm25") == 0
    assert main(["search-text", places["index"], *(places.get(word, word) for word in more)]) == 2
    printed = capsys.readouterr()
    assert trouble in " ".join(printed.err.split())
    assert printed.out == ""
