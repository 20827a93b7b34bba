"""The search index against brute force in NumPy, its names, its folder, and the command over it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import neuralcore.checkpoint
from graphkit import SearchIndex
from graphkit.search import folder as search_folder
from graphkit.search import index as search
from graphkit.search import kinds
from graphkit.search import rows as search_rows
from graphkit.search.name_lookup import NameLookup
from neuralcore.errors import UserError

N, D = 211, 13
METRICS = ("cosine", "dot", "l2")


@pytest.fixture
def matrix() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(N, D)).astype(np.float32)


@pytest.fixture
def names() -> list[str]:
    return [f"row {i}." for i in range(N)]  # the dot ends the number: no name begins another


def brute_force(matrix: np.ndarray, query: np.ndarray, metric: str) -> np.ndarray:
    """Scores (N,) in float64, by the definition."""
    m, q = matrix.astype(np.float64), query.astype(np.float64)
    if metric == "cosine":
        return (m @ q) / np.linalg.norm(m, axis=1) / np.linalg.norm(q)
    return m @ q if metric == "dot" else -np.linalg.norm(m - q, axis=1)


def found(matches: search.Matches) -> list[str]:
    return [m.name for m in matches]


# ---- against brute force


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("k", [1, 7, N - 1, N, 10 * N])
def test_vectors_against_brute_force(matrix: np.ndarray, names: list[str], metric: str, k: int):
    index = SearchIndex.build(matrix, names, metric=metric)
    queries = np.random.default_rng(1).normal(size=(25, D))  # 25: FAISS takes its BLAS path from 20
    answers = index.search(queries, k)
    assert len(answers) == 25
    for query, matches in zip(queries, answers):
        scores = brute_force(matrix, query, metric)
        best = np.argsort(-scores, kind="stable")[:k]
        assert found(matches) == [names[r] for r in best]
        np.testing.assert_allclose([m.score for m in matches], scores[best], rtol=1e-5, atol=1e-6)
        assert [m.rank for m in matches] == list(range(1, min(k, N) + 1))
        assert (matches.mode, matches.name) == ("vector", None)
        assert index.search(query, k) == matches  # bit for bit, alone or in a batch


@pytest.mark.parametrize("metric", METRICS)
def test_a_name_is_its_row_without_itself(matrix: np.ndarray, names: list[str], metric: str):
    index = SearchIndex.build(matrix, names, metric=metric)
    scores = brute_force(matrix, matrix[17], metric)
    scores[17] = -np.inf
    assert found(index.search("row 17.", 5)) == [names[r] for r in np.argsort(-scores)[:5]]
    assert len(index.search("row 17.", N)) == N - 1
    assert len(index.search("row 17.")) == 10  # the default
    # a vector equal to a row is not that row's name
    assert "row 17." in found(index.search(matrix[17], N))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("copies", [3, 90])  # 90: more than FAISS is asked for at first
def test_equal_rows_come_in_their_order(matrix: np.ndarray, names: list[str], metric: str, copies: int):
    same = np.sort(np.random.default_rng(2).permutation(N)[:copies])
    matrix[same] = matrix[same[0]] * (3 if metric == "dot" else 1)
    index = SearchIndex.build(matrix, names, metric=metric)
    for k in (1, 2, copies):
        assert found(index.search(matrix[same[0]], k)) == [names[r] for r in same[:k]]
    assert found(index.search(names[same[1]], 1)) == [names[same[0]]]


def test_what_float32_products_scramble_is_put_right(monkeypatch: pytest.MonkeyPatch):
    """Far from the origin the distances of FAISS's BLAS path are wrong by more than rows differ."""
    faiss_settings = search.faiss.cvar
    monkeypatch.setattr(faiss_settings, "distance_compute_blas_threshold", 0)  # for any batch, not large ones only
    far = (3000 + np.random.default_rng(3).normal(size=(400, 64))).astype(np.float32)
    index = SearchIndex.build(far, [str(i) for i in range(400)], metric="l2")
    right = [[str(r) for r in np.argsort(-brute_force(far, query, "l2"), kind="stable")[:5]] for query in far[:25]]
    faiss_rows = index.faiss.search(far[:25], 5)[1]
    assert [list(map(str, rows)) for rows in faiss_rows] != right
    assert [found(matches) for matches in index.search(far[:25], 5)] == right
    assert [found(index.search(query, 5)) for query in far[:25]] == right


def test_scores_of_equal_vectors_are_exact(matrix: np.ndarray, names: list[str]):
    assert {m[0].score for m in SearchIndex.build(matrix, names, metric="cosine").search(5 * matrix, 1)} == {1.0}
    nearest = SearchIndex.build(1000 + matrix, names, metric="l2").search(1000 + matrix[3], 1)[0]
    assert str(nearest.score) == "0.0"  # neither -0.0 nor what float32 products of large numbers leave


def test_a_build_goes_over_blocks(matrix: np.ndarray, names: list[str], monkeypatch: pytest.MonkeyPatch):
    whole = SearchIndex.build(matrix, names).search(matrix, 5)
    monkeypatch.setattr(search_rows, "BLOCK", 10)
    assert SearchIndex.build(matrix, names).search(matrix, 5) == whole
    matrix[N - 1, 0] = np.nan
    with pytest.raises(UserError, match=rf"row {N - 1} \('row {N - 1}.'\) holds NaN"):
        SearchIndex.build(matrix, names)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("factory", ["HNSW16", "IVF5,Flat", "SQ8"])
def test_other_factories(matrix: np.ndarray, names: list[str], metric: str, factory: str, tmp_path: Path):
    index = SearchIndex.build(matrix, names, metric=metric, factory=factory)
    assert type(index.faiss).__name__ != "IndexFlat"
    if factory.startswith("IVF"):
        index.faiss.nprobe = 5  # all of the lists
    exact = SearchIndex.build(matrix, names, metric=metric)
    shared = [set(found(index.search(n, 10))) & set(found(exact.search(n, 10))) for n in names[:20]]
    assert np.mean([len(s) for s in shared]) > 8
    scores = [m.score for m in index.search("row 0.", 10)]
    assert scores == sorted(scores, reverse=True)
    np.testing.assert_allclose(scores[0], exact.search("row 0.", 1)[0].score, rtol=0.05)
    assert SearchIndex.load(index.save(tmp_path / "index")).search("row 0.") == index.search("row 0.")


def test_an_inverted_file_may_find_fewer(matrix: np.ndarray, names: list[str]):
    index = SearchIndex.build(matrix, names, factory="IVF5,Flat", recall=None)
    assert 0 < len(index.search(matrix[0], N)) < N


@pytest.mark.parametrize("label", ["names", "words"])
def test_objects_with_names_and_a_matrix(matrix: np.ndarray, names: list[str], label: str):
    source = SimpleNamespace(**{label: tuple(names)}, matrix=matrix.astype(np.float64))
    index = SearchIndex.build(source)
    assert (index.names, index.titles, len(index), index.dimension) == (names, None, N, D)
    assert index.search("row 1.") == SearchIndex.build(matrix, names).search("row 1.")
    source.titles = [f"title {i}." for i in range(N)]
    assert SearchIndex.build(source).search("title 1.", 1)[0].title.startswith("title ")
    with pytest.raises(UserError, match="SimpleNamespace has names of its own"):
        SearchIndex.build(source, names)


# ---- what a name means

LOOKUP = NameLookup(
    ["Apple", "apple", "banana", "new_york_times", "New_Yorker", "m1", "m2", "m3", "Straße"],
    ["", "", "", "", "", "Springfield", "springfield", "Springfield", "A road"],
)


@pytest.mark.parametrize(
    ("query", "row", "mode"),
    [
        ("apple", 1, "exact"),
        ("Apple", 0, "exact"),
        ("m1", 5, "exact"),
        ("springfield", 6, "title"),
        ("A road", 8, "title"),
        ("a ROAD", 8, "case-folded"),
        ("BANANA", 2, "case-folded"),
        ("New York Times", 3, "case-folded"),
        ("STRASSE", 8, "case-folded"),
        ("ban", 2, "prefix"),
        ("new york t", 3, "prefix"),
        ("a r", 8, "prefix"),
    ],
)
def test_understanding(query: str, row: int, mode: str):
    assert LOOKUP.understand(query) == (row, mode)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("APPLE", "'APPLE' could be 'Apple' or 'apple': type one of these names"),
        ("Springfield", "'Springfield' could be 'm1' (Springfield) or 'm3' (Springfield): type one"),
        ("SPRINGFIELD", "'m1' (Springfield) or 'm2' (springfield) or 'm3' (Springfield)"),
        ("new york", "'new york' begins 2 names ('new_york_times', 'New_Yorker'): type more of one"),
        ("m", "begins 3 names"),
        ("bananna", "no name 'bananna' among 9: did you mean 'banana'?"),
        ("a rod", "did you mean 'A road'"),
        ("zzzzzz", "no name 'zzzzzz' among 9: none is near"),
        ("", "the query is empty"),
        ("  ", "the query is empty"),
    ],
)
def test_not_understood(query: str, told: str):
    with pytest.raises(UserError) as error:
        LOOKUP.understand(query)
    assert told in str(error.value)


def test_the_mode_is_told(matrix: np.ndarray, names: list[str]):
    matches = SearchIndex.build(matrix, names).search("ROW 12.")
    assert (matches.mode, matches.name) == ("case-folded", "row 12.")


def test_long_lists_of_names_are_cut(matrix: np.ndarray, names: list[str]):
    with pytest.raises(UserError, match=r"begins 211 names \('row 0.', .*'row 4.', …\)"):
        SearchIndex.build(matrix, names).search("row")


# ---- what is refused


def bad(value: float, row: int = 3) -> np.ndarray:
    out = np.ones((5, 2))
    out[row, 1] = value
    return out


@pytest.mark.parametrize(
    ("source", "arguments", "told"),
    [
        (bad(np.nan), {}, "row 3 ('d') holds NaN"),
        (bad(-np.inf), {}, "row 3 ('d') holds a number that is infinite in float32"),
        (bad(1e300), {}, "row 3 ('d') holds a number that is infinite in float32"),
        (bad(1e20), {"metric": "dot"}, "row 3 ('d') is longer than 1e+18"),
        (bad(1e20), {"metric": "l2"}, "row 3 ('d') is longer than 1e+18"),
        (np.array([[1, 1]] * 4 + [[0, 0]]), {}, "row 4 ('e') is zero and has no direction"),
        (np.ones((5, 2)), {"names": [*"abcbe"]}, "the name 'b' is there twice, in rows 1 and 3"),
        (np.ones((5, 2)), {"names": list("abcd")}, "4 names for 5 rows"),
        (np.ones((5, 2)), {"names": [*"abcd", 5]}, "the name of row 4 is 5, a int: give strings"),
        (np.ones((5, 2)), {"names": [*"abcd", ""]}, "the name of row 4 is empty"),
        (np.ones((5, 2)), {"names": None}, "the rows have no names"),
        (np.ones((5, 2)), {"titles": ["x"]}, "1 titles for 5 names"),
        (np.ones((0, 2)), {}, "the matrix has shape (0, 2)"),
        (np.ones((5, 0)), {}, "the matrix has shape (5, 0)"),
        (np.ones(5), {}, "the matrix has shape (5,)"),
        (np.ones((5, 2), complex), {}, "the matrix is of type complex128"),
        ([[1, 2], [3]], {}, "its rows differ in length"),
        (np.ones((5, 2)), {"metric": "cosin"}, "unknown metric 'cosin': did you mean 'cosine'?"),
        (np.ones((5, 2)), {"factory": "Flot"}, "FAISS refuses factory 'Flot' for 5 rows of dimension 2"),
        (np.ones((5, 2)), {"factory": "IVF9,Flat"}, "Number of training points (5) should be at least"),
        (np.ones((5, 2)), {"factory": "IDMap,Flat"}, "FAISS refuses factory 'IDMap,Flat'"),
    ],
)
def test_builds_that_are_refused(source, arguments: dict, told: str):
    with pytest.raises(UserError) as error:
        SearchIndex.build(source, **{"names": list("abcde"), **arguments})
    assert told in str(error.value)


def test_zero_rows_have_inner_products_and_distances():
    for metric in ("dot", "l2"):
        assert found(SearchIndex.build(np.eye(3) - np.eye(3)[0], list("abc"), metric=metric).search("a")) == [
            "b",
            "c",
        ]


@pytest.mark.parametrize(
    ("query", "k", "told"),
    [
        (np.ones(3), 1, f"the query has shape (3,); this index takes a name, ({D},) or (M, {D})"),
        (np.ones((2, 2, D)), 1, "the query has shape (2, 2, 13)"),
        (1.0, 1, "the query has shape ()"),
        (np.full(D, np.nan), 1, "row 0 of the query holds NaN"),
        (np.eye(2, D, k=0) * [[1], [0]], 1, "row 1 of the query is zero"),
        (["row 1.", 2], 1, "the query is of type <U"),
        ("row 1.", 0, "k = 0: ask for at least 1"),
        ("row 1.", -2, "k = -2"),
        ("row 1.", 2.5, "k = 2.5 is not a whole number"),
    ],
)
def test_queries_that_are_refused(matrix: np.ndarray, names: list[str], query, k, told: str):
    with pytest.raises(UserError) as error:
        SearchIndex.build(matrix, names).search(query, k)
    assert told in str(error.value)


def test_an_empty_batch(matrix: np.ndarray, names: list[str]):
    assert SearchIndex.build(matrix, names).search(np.empty((0, D))) == []


# ---- on disk


def files(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir()}


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("titled", [False, True])
def test_save_and_load(matrix: np.ndarray, names: list[str], metric: str, titled: bool, tmp_path: Path):
    titles = [f"ünïcode {i}" for i in range(N)] if titled else None
    index = SearchIndex.build(matrix, names, titles=titles, metric=metric)
    folder = index.save(tmp_path / "deep" / "index")
    again = SearchIndex.load(str(folder))
    assert (again.names, again.titles, again.metric, again.factory) == (names, titles, metric, "Flat")
    assert again.search("row 5.") == index.search("row 5.")
    assert again.search(matrix) == index.search(matrix)
    assert json.loads((folder / "manifest.json").read_text())["kind"] == "search_index"
    assert len(files(folder)) == 3


def test_a_new_index_takes_the_place_of_the_old(matrix: np.ndarray, names: list[str], tmp_path: Path):
    (tmp_path / "index_of_mine.faiss").touch()
    SearchIndex.build(matrix, names).save(tmp_path)
    SearchIndex.build(matrix[:9], names[:9], metric="l2").save(tmp_path)
    assert len(SearchIndex.load(tmp_path)) == 9
    assert len(files(tmp_path)) == 4
    assert (tmp_path / "index_of_mine.faiss").exists()


def test_a_changed_byte_is_refused_before_faiss_reads(
    matrix: np.ndarray, names: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    whole = SearchIndex.build(matrix[:3, :2], names[:3]).save(tmp_path / "whole")

    def never(*_: object) -> None:
        raise AssertionError("FAISS read a damaged folder")

    monkeypatch.setattr(search_folder.faiss, "read_index", never)
    monkeypatch.setattr(search_folder.pyarrow.ipc, "open_file", never)
    for name, data in files(whole).items():
        for place in range(0, len(data), 1 if name == "manifest.json" else 7):
            (whole / name).write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
            with pytest.raises(UserError, match=r"damaged|holds|format|missing"):
                SearchIndex.load(whole)
        (whole / name).write_bytes(data[:-1])
        with pytest.raises(UserError, match="damaged"):
            SearchIndex.load(whole)
        (whole / name).unlink()
        with pytest.raises(UserError, match=r"missing|holds no search index"):
            SearchIndex.load(whole)
        (whole / name).write_bytes(data)


def test_another_format_is_told_from_damage(matrix: np.ndarray, names: list[str], tmp_path: Path):
    manifest = SearchIndex.build(matrix, names).save(tmp_path) / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"format": 2', '"format": 3'))
    with pytest.raises(UserError, match="format 3, this version reads 2"):
        SearchIndex.load(tmp_path)


@pytest.mark.parametrize("where", ["index", "names", "manifest"])
def test_a_full_disk_leaves_the_old_index(
    matrix: np.ndarray, names: list[str], where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    folder = SearchIndex.build(matrix, names).save(tmp_path / "index")
    before = files(folder)
    place = {
        "index": (search_folder.faiss, "write_index"),
        "names": (search_folder.pyarrow.ipc, "new_file"),
        "manifest": (neuralcore.checkpoint.os, "replace"),
    }[where]
    smaller = SearchIndex.build(matrix[:9], names[:9])
    with monkeypatch.context() as patch:
        patch.setattr(*place, full)
        with pytest.raises(UserError, match="No space left on device"):
            smaller.save(folder)
        with pytest.raises(UserError, match="No space left on device"):
            smaller.save(tmp_path / "new")
    assert files(folder) == before
    assert not (tmp_path / "new").exists()
    assert len(SearchIndex.load(folder)) == N


def test_faiss_tells_of_a_disk_that_is_full():
    """FAISS's own file writing loses this error; ours goes through Python's."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    index = SearchIndex.build(np.eye(3), list("abc"))
    with open("/dev/full", "wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        search_folder.faiss.write_index(index.faiss, search_folder.faiss.PyCallbackIOWriter(file.write))


def test_folders_that_are_not_an_index(matrix: np.ndarray, names: list[str], tmp_path: Path):
    index = SearchIndex.build(matrix, names)
    (tmp_path / "file").touch()
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "manifest.json").write_text('{"kind": "word_vectors"}')
    with pytest.raises(UserError, match="file is a file"):
        index.save(tmp_path / "file")
    with pytest.raises(UserError, match=r"could not be written to .*Not a directory"):
        index.save(tmp_path / "file" / "below")
    with pytest.raises(UserError, match="words holds word_vectors: choose another folder"):
        index.save(tmp_path / "words")
    with pytest.raises(UserError, match="words holds word_vectors, not a search index"):
        SearchIndex.load(tmp_path / "words")
    with pytest.raises(UserError, match="nothing holds no search index"):
        SearchIndex.load(tmp_path / "nothing")
    assert files(tmp_path / "words") == {"manifest.json": b'{"kind": "word_vectors"}'}


def test_the_missing_extra_is_named(matrix: np.ndarray, names: list[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    for module in (search, kinds):
        monkeypatch.setattr(module, "faiss", search.lazy_import("faiss", extra="cpu"))
    with pytest.raises(UserError, match=r"needs faiss, .*pip install 'rlgraphkit\[cpu\]'"):
        SearchIndex.build(matrix, names)
